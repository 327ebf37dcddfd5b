/* The coverage page: buildings by minutes, gap zones, sums by area, the walk of one building. */
"use strict";

Gridcircle.begin = function (map) {
  const { byId, word, element, number, percent, minutes, page } = Gridcircle;
  const KINDS = ["service_centre", "red_station", "rider_station"];
  const LEVELS = ["community", "street", "district", "grid", "compound"];
  // Five classes that stay apart for the colour-blind; tests/maps/test_palette.py measures it.
  const CLASSES = [
    [5, "#2166ac"],
    [10, "#7fb8dc"],
    [15, "#f3dd8a"],
    [20, "#ea8a2e"],
    [Infinity, "#8c1d18"],
  ];
  // What has no minutes is told by a pattern too; what nobody lives in stays as paper.
  const UNSNAPPED = "#5f5f5f";
  const DISCONNECTED = "#2d003c";
  const UNCOUNTED = "#e3ded3";
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

  /** Stripes of a colour on white, up or down. */
  const stripes = (color, down) =>
    protomapsL.createPattern(8, 8, (canvas, pen) => {
      pen.fillStyle = "#ffffff";
      pen.fillRect(0, 0, 8, 8);
      pen.strokeStyle = color;
      pen.lineWidth = 3;
      pen.beginPath();
      for (const shift of [-8, 0, 8]) {
        pen.moveTo(shift - 1, down ? -1 : 9);
        pen.lineTo(shift + 9, down ? 9 : -1);
      }
      pen.stroke();
    });
  const ODD = {
    unsnapped: [UNSNAPPED, stripes(UNSNAPPED, false), "45deg"],
    disconnected: [DISCONNECTED, stripes(DISCONNECTED, true), "-45deg"],
  };
  const oddSwatch = (state) => {
    const [color, , angle] = ODD[state];
    return Gridcircle.swatch({
      background: `repeating-linear-gradient(${angle}, ${color} 0 3px, #fff 3px 6px)`,
      border: `1px solid ${color}`,
    });
  };

  const classColor = (value) => CLASSES.find(([to]) => value <= to)[1];
  const buildingColor = ({ minutes: m }) => (m === undefined || m === null ? CLASSES[4][1] : classColor(m));
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
            legendRow(swatch({ background: UNCOUNTED, border: "1px solid #c9c2b3" }), word("uncounted")),
            legendRow(oddSwatch("unsnapped"), word("unsnapped")),
            legendRow(oddSwatch("disconnected"), word("disconnected")),
            legendRow(swatch({ background: "#fff", border: "2px solid #1b1b1b" }), word("legend_gap")),
          ]
        : SHARES.map(([to, color], place) =>
            legendRow(swatch({ background: color }), `${place * 20}–${Math.round(Math.min(to, 1) * 100)} %`))),
    );
  }
  map.on("zoomend", legend);
  legend();

  function setTiles(id, counted) {
    tiles?.remove();
    const isOdd = (f) => f.props.state in ODD;
    // Where households are known, only homes are coloured; otherwise every building is.
    const isHome = (f) => !counted || f.props.households > 0;
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
          filter: (z, f) => !isHome(f),
          symbolizer: new protomapsL.PolygonSymbolizer({ fill: UNCOUNTED, stroke: "#c9c2b3", width: 0.6 }),
        },
        {
          dataLayer: "buildings",
          filter: (z, f) => isHome(f) && !isOdd(f),
          symbolizer: new protomapsL.PolygonSymbolizer({
            fill: (z, f) => buildingColor(f.props),
            stroke: (z, f) => (f.props.state === "gap" ? "#1b1b1b" : "#ffffff"),
            width: (z, f) => (f.props.state === "gap" && z >= 15 ? 1.3 : 0.4),
            perFeature: true,
          }),
        },
        ...Object.entries(ODD).map(([state, [color, pattern]]) => ({
          dataLayer: "buildings",
          filter: (z, f) => isHome(f) && f.props.state === state,
          symbolizer: new protomapsL.PolygonSymbolizer({ pattern, stroke: color, width: 1.2 }),
        })),
      ],
    });
    tiles.addTo(map);
  }

  const stateFill = (state) =>
    state === "covered" ? "#2166ac" : state === "gap" ? "#8c1d18"
      : `repeating-linear-gradient(${ODD[state][2]}, ${ODD[state][0]} 0 3px, #fff 3px 6px)`;
  const stateMark = (state) =>
    state in ODD ? oddSwatch(state) : Gridcircle.swatch({ background: stateFill(state) });

  function verdict({ totals, parameters }) {
    const homes = totals.households > 0;
    const all = homes ? totals.households : totals.buildings;
    const parts = ["covered", "gap", "unsnapped", "disconnected"].map((state) => ({
      state, amount: (homes ? totals[`${state}_households`] : totals[state]) || 0,
    }));
    const figure = ({ state, amount }) =>
      element("div", {},
        element("dd", {}, number(amount)),
        element("dt", {}, stateMark(state), `${word(state)}${state === "covered" ? "" : ` · ${percent(all ? amount / all : null)}`}`));
    byId("gc-verdict").replaceChildren(
      element("p", { class: "gc-verdict" },
        element("strong", {}, percent(totals.covered_share)),
        element("span", {}, word(homes ? "verdict" : "verdict_buildings", { minutes: number(parameters.minutes, 1) }))),
      element("div", { class: "gc-parts", "aria-hidden": "true" },
        ...parts.filter(({ amount }) => amount > 0).map(({ state, amount }) =>
          element("i", { style: { flexGrow: String(amount), background: stateFill(state) } }))),
      element("dl", { class: "gc-figures" }, ...parts.map(figure)),
      element("p", { class: "gc-note" },
        word(homes ? "by_households" : "by_buildings"),
        totals.households_estimated
          ? element("span", { class: "gc-estimated" }, `${word("estimated_households", { share: percent(totals.estimated_share) })} `)
          : "",
        word("zones_and_stations", { zones: number(totals.gap_zones), stations: number(totals.stations) }),
        Gridcircle.speedText(parameters)),
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

  /** Households of an area, marked where a part of them is an estimate. */
  const estimated = (row) =>
    row.households_estimated
      ? element("abbr", { title: word("estimated_of", { n: number(row.households_estimated) }) }, `≈ ${number(row.households)}`)
      : number(row.households);

  const COLUMNS = [
    ["name", (r) => r.name || r.code || word("no_area"), false],
    ["share", (r) => percent(r.covered_share), true],
    ["gap_households", (r) => number(r.gap_households), true],
    ["households", (r) => estimated(r), true],
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
      setTiles(run, sums.totals.households > 0);
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
      if (kinds.has(kind) && status === "open") {
        pins.addLayer(Gridcircle.stationMarker(feature, { small: true, many: stations.length > Gridcircle.MANY }));
      }
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
    const head = (known = {}) => {
      const homes = about.households ? `${number(about.households)} ${word("households")}` : word("no_homes");
      // A count that nobody made on the spot is never shown bare.
      const source = about.households && known.households_source === "estimated" ? word("estimated") : "";
      return [
        element("h2", {}, about.name || known.address || `${word("k_building")} ${feature.id}`),
        element("p", { class: "gc-tags" },
          element("span", {}, stateMark(about.state), word(about.state)),
          element("span", {}, source ? `${homes} · ${source}` : homes),
          known.floors ? element("span", {}, word("floors", { n: number(known.floors) })) : null,
          known.compound ? element("span", {}, known.compound) : null),
      ];
    };
    byId("gc-home").replaceChildren(...head(), element("p", {}, tip(about)));
    const { signal } = asked;
    const both = await Gridcircle.guarded(() =>
      Promise.all([
        Gridcircle.ask(`/api/v1/coverage/building/${feature.id}?${question()}`, { signal, quiet: true }),
        Gridcircle.ask(`/api/v1/layers/buildings/${feature.id}`, { signal, quiet: true }),
      ]));
    if (!both || signal.aborted) return;
    const [told, { properties: known }] = both;
    walk.clearLayers();
    told.features.forEach((one, place) => {
      if (place > 0 || !one.geometry) return; // the nearest one's way
      const style = { interactive: false, lineCap: "round", lineJoin: "round" };
      L.geoJSON(one.geometry, { ...style, style: { color: "#ffffff", weight: 8, opacity: 0.95 } }).addTo(walk);
      L.geoJSON(one.geometry, { ...style, style: { color: "#12263f", weight: 4 } }).addTo(walk);
    });
    byId("gc-home").replaceChildren(
      ...head(known),
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

  const tip = (about) =>
    about.station_name ? `${about.station_name} · ${minutes(about.minutes)}` : word("no_route");
  const pointer = L.tooltip({ className: "gc-tip", direction: "top", offset: [0, -8], opacity: 1 });
  map.on("mousemove", (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const feature = pick(event.latlng);
      map.getContainer().style.cursor = feature ? "pointer" : "";
      if (!feature) {
        pointer.remove();
        return;
      }
      pointer.setLatLng(event.latlng).setContent(element("span", {}, tip(feature.props))).addTo(map);
      showBuilding(feature);
    }, 120);
  });
  map.on("mouseout zoomstart", () => {
    clearTimeout(timer);
    pointer.remove();
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
