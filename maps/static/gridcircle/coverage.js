/* The coverage page: buildings by minutes, gap zones, sums by area, the walk of one building. */
"use strict";

Gridcircle.begin = function (map) {
  const { byId, word, element, number, percent, minutes, page } = Gridcircle;
  const KINDS = ["service_centre", "red_station", "rider_station"];
  const LEVELS = ["community", "street", "district", "grid", "compound"];
  // Five classes that stay apart for the colour-blind, in lightness too at both ends.
  const CLASSES = [
    [5, "#2166ac"],
    [10, "#7fb8dc"],
    [15, "#f3dd8a"],
    [20, "#ea8a2e"],
    [Infinity, "#8c1d18"],
  ];
  const UNSNAPPED = "#6f6f6f";
  const DISCONNECTED = "#7d5ba6";
  const BUILDINGS_FROM = 14;
  const SHARES = [
    [0.2, "#8c1d18"],
    [0.4, "#ea8a2e"],
    [0.6, "#f3dd8a"],
    [0.8, "#7fb8dc"],
    [1.01, "#2166ac"],
  ];

  let tiles = null;
  let asking = null;
  let rows = [];
  let order = { key: "gap_households", down: true };
  let run = null;
  const zonesLayer = L.layerGroup().addTo(map);
  const walk = L.layerGroup().addTo(map);
  const pins = L.layerGroup().addTo(map);
  map.createPane("coverage").style.zIndex = 250;

  const classColor = (value) => CLASSES.find(([to]) => value <= to)[1];
  const buildingColor = ({ state, minutes: m }) =>
    state === "unsnapped" ? UNSNAPPED
      : state === "disconnected" ? DISCONNECTED
        : m === undefined || m === null ? CLASSES[4][1] : classColor(m);
  const cellColor = (share) => SHARES.find(([below]) => share < below)[1];

  // Controls.
  const kinds = new Set(page.chosen.kinds.length ? page.chosen.kinds : KINDS);
  byId("gc-kinds").append(
    ...KINDS.map((kind) =>
      Gridcircle.check(word(kind), kinds.has(kind), (on) => {
        on ? kinds.add(kind) : kinds.delete(kind);
        load();
      }, Gridcircle.symbol(kind))),
  );
  const cutoffs = [...new Set([5, 10, 15, 20, 30, page.chosen.minutes])].sort((a, b) => a - b);
  Gridcircle.options(byId("gc-minutes"), cutoffs.map((m) => [m, `${number(m, 1)} ${word("minutes")}`]), page.chosen.minutes);
  byId("gc-minutes").addEventListener("change", () => load());
  const travel = Gridcircle.travelControls(page.chosen, () => load());
  Gridcircle.options(byId("gc-level"), LEVELS.map((l) => [l, word(`level_${l}`)]), "community");
  byId("gc-level").addEventListener("change", () => loadSums());

  function question() {
    const chosen = KINDS.filter((kind) => kinds.has(kind));
    const asked = new URLSearchParams({ minutes: byId("gc-minutes").value, ...travel() });
    if (chosen.length < KINDS.length) asked.set("kinds", chosen.join(","));
    return asked;
  }

  function legend() {
    const zoomed = map.getZoom() >= BUILDINGS_FROM;
    const { swatch, legendRow } = Gridcircle;
    byId("gc-legend-title").textContent = word(zoomed ? "legend_minutes" : "legend_share");
    byId("gc-legend").replaceChildren(
      ...(zoomed
        ? [
            ...CLASSES.map(([to, color], place) =>
              legendRow(swatch({ background: color }),
                to === Infinity
                  ? word("over", { n: 20 })
                  : `${place ? CLASSES[place - 1][0] : 0}–${to} ${word("min")}`)),
            legendRow(swatch({ background: UNSNAPPED }), word("unsnapped")),
            legendRow(swatch({ background: DISCONNECTED }), word("disconnected")),
            legendRow(swatch({ background: "#fff", border: "2px solid #1b1b1b" }), word("legend_gap")),
          ]
        : SHARES.map(([to, color], place) =>
            legendRow(swatch({ background: color }), `${place * 20}–${Math.round(Math.min(to, 1) * 100)} %`))),
    );
  }
  map.on("zoomend", legend);
  legend();

  function setTiles(id) {
    tiles?.remove();
    tiles = protomapsL.leafletLayer({
      url: `/tiles/coverage/${id}/{z}/{x}/{y}.mvt`,
      sources: { "": { url: `/tiles/coverage/${id}/{z}/{x}/{y}.mvt`, levelDiff: 0, maxDataZoom: 16 } },
      attribution: "",
      pane: "coverage",
      labelRules: [],
      paintRules: [
        {
          dataLayer: "cells",
          symbolizer: new protomapsL.PolygonSymbolizer({
            fill: (z, f) => cellColor(f.props.share), opacity: 0.72, perFeature: true,
          }),
        },
        {
          dataLayer: "buildings",
          symbolizer: new protomapsL.PolygonSymbolizer({
            fill: (z, f) => buildingColor(f.props),
            opacity: (z, f) => (f.props.households ? 0.95 : 0.3),
            stroke: (z, f) => (f.props.state === "gap" && f.props.households ? "#1b1b1b" : "#ffffff"),
            width: (z, f) => (f.props.state === "gap" && f.props.households && z >= 15 ? 1.3 : 0.4),
            perFeature: true,
          }),
        },
      ],
    });
    tiles.addTo(map);
  }

  function verdict({ totals, parameters }) {
    const figure = (value, label, more) =>
      element("div", { class: more }, element("dd", {}, value), element("dt", {}, label));
    const homes = totals.households > 0;
    const uncovered = homes ? totals.households - totals.covered_households : totals.buildings - totals.covered;
    byId("gc-verdict").replaceChildren(
      element("p", { class: "gc-verdict" },
        element("strong", {}, percent(totals.covered_share)),
        element("span", {}, word(homes ? "verdict" : "verdict_buildings", { minutes: number(parameters.minutes, 1) }))),
      element("dl", { class: "gc-figures" },
        figure(number(homes ? totals.covered_households : totals.covered), word(homes ? "covered_homes" : "covered_buildings")),
        figure(number(uncovered), word(homes ? "gap_households" : "gap_buildings")),
        figure(number(totals.gap_zones), word("gap_zones")),
        figure(number(totals.stations), word("stations"))),
      element("p", { class: "gc-note" },
        Gridcircle.speedText(parameters),
        word("odd_note", {
          unsnapped: number(totals.unsnapped || 0), disconnected: number(totals.disconnected || 0),
        })),
    );
  }

  function showZones(features) {
    zonesLayer.clearLayers();
    byId("gc-zones").replaceChildren();
    if (!features.length) {
      byId("gc-zones").append(element("li", { class: "gc-none" }, word("zones_none")));
      return;
    }
    for (const feature of features) {
      const about = feature.properties;
      const shape = L.geoJSON(feature, {
        style: { color: "#1b1b1b", weight: 1.6, dashArray: "5 4", fillOpacity: 0 },
        interactive: false,
      }).addTo(zonesLayer);
      const [lon, lat] = about.centre;
      if (about.rank <= 10) {
        L.marker([lat, lon], {
          interactive: false, keyboard: false,
          icon: L.divIcon({ className: "gc-rank", html: element("span", {}, String(about.rank)), iconSize: [22, 22] }),
        }).addTo(zonesLayer);
      }
      byId("gc-zones").append(
        element("li", {},
          element("button", {
            type: "button",
            onclick: () => {
              if (Gridcircle.isNarrow()) byId("gc-panel").dataset.state = "low";
              Gridcircle.show(map, shape.getBounds().pad(0.3));
            },
          },
          element("b", {}, about.households ? `${number(about.households)} ${word("households")}` : `${number(about.buildings)} ${word("buildings")}`),
          element("small", {},
            about.nearest_station_name
              ? word("zone_nearest", { name: about.nearest_station_name, minutes: number(about.minutes_mean, 1) })
              : word("no_route"))),
        ),
      );
    }
  }

  const COLUMNS = [
    ["name", (r) => r.name || r.code || word("no_area"), false],
    ["share", (r) => percent(r.covered_share), true],
    ["gap_households", (r) => number(r.gap_households), true],
    ["households", (r) => number(r.households), true],
  ];
  const value = (row, key) => (key === "share" ? row.covered_share ?? -1 : key === "name" ? row.name || "" : row[key]);

  function showSums() {
    const sign = order.down ? -1 : 1;
    const sorted = [...rows].sort((a, b) => {
      const [x, y] = [value(a, order.key), value(b, order.key)];
      return sign * (typeof x === "string" ? x.localeCompare(y, "zh-CN") : x - y);
    });
    byId("gc-sums").replaceChildren(
      element("thead", {}, element("tr", {},
        ...COLUMNS.map(([key, , isNumber]) =>
          element("th", {
            scope: "col", class: isNumber ? "gc-number" : "",
            "aria-sort": order.key === key ? (order.down ? "descending" : "ascending") : "none",
          },
          element("button", {
            type: "button",
            onclick: () => {
              order = { key, down: order.key === key ? !order.down : isNumber };
              showSums();
            },
          }, word(key), order.key === key ? (order.down ? " ▾" : " ▴") : ""))))),
      element("tbody", {},
        ...sorted.slice(0, 500).map((row) =>
          element("tr", {},
            ...COLUMNS.map(([key, text, isNumber], place) =>
              element(place ? "td" : "th", { scope: place ? null : "row", class: isNumber ? "gc-number" : "" }, text(row)))))),
    );
  }

  const takeRows = (told) =>
    told.rows
      .filter((row) => row.buildings > 0)
      .map((row) => ({ ...row, gap_households: row.households - row.covered_households }));

  async function loadSums() {
    const told = await Gridcircle.guarded(() =>
      Gridcircle.ask(`/api/v1/coverage?${question()}&level=${byId("gc-level").value}&limit=10000`));
    if (!told) return;
    rows = takeRows(told);
    showSums();
  }

  async function load() {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    closeWalk();
    for (const id of ["gc-verdict", "gc-zones", "gc-sums"]) byId(id).classList.add("gc-stale");
    const asked = question();
    Gridcircle.remember(asked);
    if (!kinds.size) {
      Gridcircle.showProblem({ title: word("choose_kind") });
      return;
    }
    const told = await Gridcircle.guarded(async () => {
      const sums = await Gridcircle.ask(
        `/api/v1/coverage?${asked}&level=${byId("gc-level").value}&limit=10000`, { signal });
      const gaps = await Gridcircle.ask(`/api/v1/coverage/gaps?${asked}&limit=100`, { signal });
      return { sums, gaps };
    });
    if (!told || signal.aborted) return;
    for (const id of ["gc-verdict", "gc-zones", "gc-sums"]) byId(id).classList.remove("gc-stale");
    const { sums, gaps } = told;
    if (run !== sums.run) {
      run = sums.run;
      setTiles(run);
    }
    if (!sums.totals.buildings) Gridcircle.showProblem({ title: word("empty_buildings") });
    else if (!sums.totals.stations) Gridcircle.showProblem({ title: word("empty_stations") });
    verdict(sums);
    rows = takeRows(sums);
    showSums();
    showZones(gaps.features);
    drawPins();
  }

  // Stations of the chosen kinds.
  let stations = [];
  function drawPins() {
    pins.clearLayers();
    for (const feature of stations) {
      const { kind, status } = feature.properties;
      if (kinds.has(kind) && status === "open") pins.addLayer(Gridcircle.stationMarker(feature, { small: true }));
    }
  }
  Gridcircle.guarded(async () => {
    stations = await Gridcircle.readStations();
    drawPins();
  });

  // One building: its tile tells at once, the route is asked for when the pointer rests on it.
  let shown = null;
  let asked = null;
  let timer = 0;

  function pick(at) {
    if (!tiles || map.getZoom() < BUILDINGS_FROM) return null;
    for (const picked of tiles.queryTileFeaturesDebug(at.lng, at.lat, 4).values()) {
      const hit = picked.find((one) => one.layerName === "buildings");
      if (hit) return hit.feature;
    }
    return null;
  }

  function closeWalk() {
    asked?.abort();
    shown = null;
    walk.clearLayers();
    byId("gc-home").replaceChildren(element("p", { class: "gc-hint" }, word("hover_hint")));
  }

  async function showBuilding(feature) {
    if (shown === feature.id) return;
    shown = feature.id;
    asked?.abort();
    asked = new AbortController();
    const about = feature.props;
    const head = [
      element("h2", {}, about.name || `${word("k_building")} ${feature.id}`),
      element("p", { class: "gc-tags" },
        element("span", {}, word(about.state)),
        element("span", {}, about.households ? `${number(about.households)} ${word("households")}` : word("no_homes"))),
    ];
    byId("gc-home").replaceChildren(...head, element("p", {}, about.station_name ? `${about.station_name} · ${minutes(about.minutes)}` : word("no_route")));
    const { signal } = asked;
    const told = await Gridcircle.guarded(() =>
      Gridcircle.ask(`/api/v1/coverage/building/${feature.id}?${question()}`, { signal, quiet: true }));
    if (!told || signal.aborted) return;
    walk.clearLayers();
    told.features.forEach((one, place) => {
      if (place > 0 || !one.geometry) return; // the nearest one's way
      const style = { interactive: false, lineCap: "round", lineJoin: "round" };
      L.geoJSON(one.geometry, { ...style, style: { color: "#ffffff", weight: 8, opacity: 0.95 } }).addTo(walk);
      L.geoJSON(one.geometry, { ...style, style: { color: "#12263f", weight: 4 } }).addTo(walk);
    });
    byId("gc-home").replaceChildren(
      ...head,
      ...(told.features.length
        ? [element("ol", { class: "gc-walks" },
            ...told.features.map(({ properties: p }) =>
              element("li", {}, Gridcircle.symbol(p.kind, "open", 18),
                element("span", {},
                  p.station ? p.station.name : word("no_route"),
                  p.station ? element("small", {},
                    p.street_m !== undefined
                      ? word("walk_note", { minutes: number(p.minutes, 1), metres: number(p.street_m + p.access_m[0] + p.access_m[1]) })
                      : minutes(p.minutes)) : null))))]
        : [element("p", {}, word("no_route"))]),
    );
  }

  map.on("mousemove", (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const feature = pick(event.latlng);
      map.getContainer().style.cursor = feature ? "pointer" : "";
      if (feature) showBuilding(feature);
    }, 120);
  });
  map.on("click", (event) => {
    clearTimeout(timer);
    const feature = pick(event.latlng);
    if (!feature) return closeWalk();
    if (Gridcircle.isNarrow() && byId("gc-panel").dataset.state === "low") byId("gc-panel").dataset.state = "half";
    byId("gc-home").scrollIntoView({ block: "nearest" });
    return showBuilding(feature);
  });

  if (page.hasNetwork) load();
};
