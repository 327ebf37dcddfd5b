// The coverage page: minutes from every building, gap zones, sums by area.
"use strict";
Gridcircle.pages.coverage = async (map) => {
  const { data, t, el, number, percent, request, P, vector, KINDS, KIND_COLOUR, key } = Gridcircle;
  Gridcircle.baseMap(map, { buildings: false });
  const byId = (id) => document.getElementById(id);
  const verdict = byId("gc-verdict");
  if (!data.hasNetwork) {
    verdict.replaceChildren(el("p", { class: "gc-card" }, t("empty_network")));
    return;
  }
  // Cividis-like: rises in lightness alone, so that it reads without colour vision.
  const CLASSES = [[5, "#00204d"], [10, "#31446b"], [15, "#666970"], [20, "#b6a76b"], [Infinity, "#ffe945"]];
  const STATE = { unsnapped: "#d55e9b", disconnected: "#8e44ad" };
  const colourOf = (p) => STATE[p.state] ?? (p.minutes == null ? "#a33b00" : CLASSES.find(([most]) => p.minutes <= most)[1]);
  const shareColour = (share) => (share >= 0.95 ? "#00204d" : share >= 0.8 ? "#31446b" : share >= 0.6 ? "#666970" : share >= 0.3 ? "#b6a76b" : "#ffe945");

  const kinds = new Set(data.chosen.kinds.length ? data.chosen.kinds : KINDS);
  byId("gc-kinds").append(...KINDS.map((kind) => el("label", {}, el("input", { type: "checkbox", value: kind, checked: kinds.has(kind), onchange: (event) => { event.target.checked ? kinds.add(kind) : kinds.delete(kind); compute(); } }), el("span", { class: "gc-key dot", style: `background:${KIND_COLOUR[kind]}` }), t(kind))));
  Gridcircle.options(byId("gc-minutes"), [5, 10, 15, 20, 30].map((m) => [m, `${m} ${t("minutes")}`]), data.chosen.minutes);
  Gridcircle.options(byId("gc-waits"), Gridcircle.waitItems(), data.chosen.waits);
  Gridcircle.options(byId("gc-profile"), Gridcircle.profileItems(), data.chosen.profile);
  Gridcircle.options(byId("gc-level"), ["community", "street", "district", "grid", "compound"].map((l) => [l, t(`level_${l}`)]), "community");
  byId("gc-legend").append(
    ...CLASSES.map(([most, colour], i) => key(colour, "", most === Infinity ? t("over", { n: CLASSES[i - 1][0] }) : `${i ? CLASSES[i - 1][0] : 0}–${most} ${t("min")}`)),
    key(STATE.unsnapped, "", t("unsnapped")),
    key(STATE.disconnected, "", t("disconnected")),
  );

  const stations = await Gridcircle.allStations();
  const marks = L.layerGroup().addTo(map);
  const routes = L.layerGroup().addTo(map);
  const zones = L.layerGroup().addTo(map);
  let layer = null;
  let run = 0;

  const query = (more = {}) => new URLSearchParams([...[...kinds].map((k) => ["kinds", k]), ...Object.entries({ minutes: byId("gc-minutes").value, profile: byId("gc-profile").value, waits: byId("gc-waits").value, ...more })]);

  function drawTiles(id) {
    const next = vector(`/tiles/coverage/${id}/{z}/{x}/{y}.mvt`, {
      paint: [
        { dataLayer: "cells", symbolizer: new P.PolygonSymbolizer({ fill: (_z, f) => shareColour(f.props.share), opacity: 0.75, stroke: "#ffffff", width: 0.5 }) },
        { dataLayer: "buildings", symbolizer: new P.PolygonSymbolizer({ fill: (_z, f) => (f.props.households == null && f.props.state === "gap" && f.props.minutes == null ? "#d9d2c4" : colourOf(f.props)), stroke: "#ffffff", width: 0.4 }) },
      ],
    }).addTo(map);
    layer?.remove();
    layer = next;
  }

  function drawVerdict(answer) {
    const s = answer.totals;
    const unit = s.households > 0 ? (state) => s[`${state}_households`] : (state) => s[state];
    const total = s.households > 0 ? s.households : s.buildings;
    const parts = [["covered", "#00204d"], ["gap", "#ffe945"], ["unsnapped", STATE.unsnapped], ["disconnected", STATE.disconnected]];
    if (!s.buildings) { verdict.replaceChildren(el("p", { class: "gc-card" }, t("empty_buildings"))); return; }
    verdict.replaceChildren(
      el("p", { class: "gc-hint" }, t("verdict", { minutes: answer.parameters.minutes })),
      el("div", { class: "gc-verdict" }, el("strong", {}, percent(s.covered_share)), el("span", {}, `${number.format(unit("covered"))} / ${number.format(total)} ${t("households")}`)),
      el("div", { class: "gc-parts", "aria-hidden": "true" }, ...parts.map(([state, colour]) => el("span", { style: `flex:${unit(state) || 0};background:${colour}` }))),
      el("ul", { class: "gc-legend" }, ...parts.map(([state, colour]) => key(colour, "", `${t(state)} ${number.format(unit(state))}`))),
      el("p", { class: "gc-hint" }, Gridcircle.speedNote(answer.parameters)),
      stations.length ? null : el("p", { class: "gc-card" }, t("empty_stations")),
    );
  }

  function drawZones(answer) {
    zones.clearLayers();
    byId("gc-zones").replaceChildren(...(answer.features.length ? answer.features.map((f, i) => {
      const p = f.properties;
      const shape = L.geoJSON(f, { interactive: false, style: { color: "#a33b00", weight: 2, dashArray: "5 4", fill: false } }).addTo(zones);
      return el("li", {}, el("button", { type: "button", onclick: () => map.fitBounds(shape.getBounds(), { maxZoom: 17, padding: [30, 30] }) }, el("b", {}, String(i + 1)), p.community ?? p.name ?? `${t("zone")} ${i + 1}`, el("span", {}, `${number.format(p.households)} ${t("households")} · ${number.format(p.buildings)} ${t("buildings")}`)));
    }) : [el("li", { class: "gc-hint" }, t("zones_none"))]));
  }

  let rows = [];
  let sorting = { column: "gap_households", down: true };
  function drawSums() {
    const columns = [["name", t("name"), (r) => r.name || r.code || "–"], ["households", t("households"), (r) => number.format(r.households)], ["gap_households", t("gap_households"), (r) => number.format(r.gap_households)], ["covered_share", t("share"), (r) => percent(r.covered_share)]];
    const sorted = [...rows].sort((a, b) => {
      const [x, y] = [a[sorting.column], b[sorting.column]];
      const order = typeof x === "string" || typeof y === "string" ? String(x ?? "").localeCompare(String(y ?? ""), "zh") : (x ?? -1) - (y ?? -1);
      return sorting.down ? -order : order;
    });
    byId("gc-sums").replaceChildren(
      el("thead", {}, el("tr", {}, ...columns.map(([name, title]) => el("th", { scope: "col", "aria-sort": sorting.column === name ? (sorting.down ? "descending" : "ascending") : "none" }, el("button", { type: "button", onclick: () => { sorting = { column: name, down: sorting.column === name ? !sorting.down : name !== "name" }; drawSums(); } }, title))))),
      el("tbody", {}, ...sorted.map((r) => el("tr", {}, ...columns.map(([, , cell]) => el("td", {}, cell(r)))))),
    );
  }
  async function loadSums() {
    const answer = await request(`/api/v1/coverage?${query({ level: byId("gc-level").value, limit: 1000 })}`);
    rows = answer.rows;
    drawSums();
    return answer;
  }

  async function compute() {
    const mine = ++run;
    routes.clearLayers();
    marks.clearLayers();
    if (!kinds.size) KINDS.forEach((kind) => kinds.add(kind));
    for (const input of byId("gc-kinds").querySelectorAll("input")) input.checked = kinds.has(input.value);
    for (const s of stations) {
      if (!kinds.has(s.properties.kind)) continue;
      const [lon, lat] = s.geometry.coordinates;
      L.circleMarker([lat, lon], { ...Gridcircle.stationMark(s.properties.kind), radius: 5, interactive: false }).addTo(marks);
    }
    const answer = await loadSums();
    if (mine !== run) return;
    drawVerdict(answer);
    drawTiles(answer.run);
    drawZones(await request(`/api/v1/coverage/gaps?${query({ limit: 50 })}`));
    document.documentElement.dataset.computed = String(mine);
  }

  map.on("click", async (event) => {
    if (!layer || map.getZoom() < 14) return;
    const hits = [...layer.queryTileFeaturesDebug(event.latlng.lng, event.latlng.lat, 6).values()].flat().filter((h) => h.layerName === "buildings");
    if (!hits.length) return;
    const hit = hits[0].feature;
    const id = hit.id ?? hit.props.id;
    const answer = await request(`/api/v1/coverage/building/${id}?${query()}`);
    const f = answer.features[0];
    const p = f.properties;
    routes.clearLayers();
    if (f.geometry) {
      L.geoJSON(f, { interactive: false, style: { color: "#ffffff", weight: 7, opacity: 0.9 } }).addTo(routes);
      L.geoJSON(f, { interactive: false, style: { color: "#0072b2", weight: 4 } }).addTo(routes);
    }
    const homes = p.households == null ? null : `${number.format(p.households)}${p.households_source === "estimated" ? ` (${t("estimated")})` : ""}`;
    const lines = [
      [t("status"), t(p.state)],
      [t("walk"), p.seconds == null ? t("no_route") : `${(p.seconds / 60).toFixed(1)} ${t("minutes")}${p.street_m == null ? "" : ` · ${number.format(Math.round(p.street_m))} ${t("m")}`}`],
      [t("nearest"), p.station_name ?? p.station?.name],
      [t("households"), homes],
    ].filter(([, value]) => value != null);
    byId("gc-home").replaceChildren(el("h3", {}, p.name || p.building_name || hit.props.name || t("buildings")), el("dl", {}, ...lines.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))])));
    document.documentElement.dataset.asked = String(id);
  });
  byId("gc-level").addEventListener("change", loadSums);
  for (const id of ["gc-minutes", "gc-waits", "gc-profile"]) byId(id).addEventListener("change", compute);
  await compute();
};
