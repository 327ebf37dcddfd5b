// The city page: layers, legend, search, station cards.
"use strict";
Gridcircle.pages.city = async (map) => {
  const { t, el, number, request, P, vector, KINDS, KIND_COLOUR, key } = Gridcircle;
  Gridcircle.baseMap(map);
  const card = document.getElementById("gc-card");

  const outline = (layer, colour, width, dash) => vector(`/tiles/layers/${layer}/{z}/{x}/{y}.mvt`, {
    paint: [{ dataLayer: layer, symbolizer: new P.LineSymbolizer({ color: colour, width, ...(dash ? { dash, dashColor: colour, dashWidth: width } : {}) }) }],
    label: layer === "grids" ? [{ dataLayer: "grids", minzoom: 16, symbolizer: new P.PolygonLabelSymbolizer({ labelProps: ["name"], fill: "#8a4b00", stroke: "#fff", width: 3, font: "12px sans-serif" }) }] : [],
  });
  const groups = Object.fromEntries(KINDS.map((kind) => [kind, L.layerGroup().addTo(map)]));
  const overlays = [
    ...KINDS.map((kind) => ({ name: t(kind), layer: groups[kind], on: true })),
    { name: t("layer_areas"), layer: outline("areas", "#7a64a8", 1.8, [6, 4]), on: true },
    { name: t("layer_grids"), layer: outline("grids", "#c77700", 1.2), on: false },
  ];
  const checks = document.getElementById("gc-layers");
  for (const { name, layer, on } of overlays) {
    if (on) layer.addTo(map);
    checks.append(el("label", {}, el("input", { type: "checkbox", checked: on, onchange: (event) => (event.target.checked ? layer.addTo(map) : layer.remove()) }), name));
  }
  document.getElementById("gc-legend").append(
    ...KINDS.map((kind) => key(KIND_COLOUR[kind], "dot", t(`short_${kind}`))),
    key("#7a64a8", "line", t("layer_areas")),
    key("#c77700", "line", t("layer_grids")),
    key("#ece7dc", "", t("compounds")),
    key("#d9d2c4", "", t("layer_buildings")),
  );

  const show = (feature) => {
    const p = feature.properties;
    const rows = [
      [t("status"), t(`status_${p.status}`)],
      [t("hours"), p.opening_hours || t("hours_unknown")],
      [t("address"), p.address],
      [t("area"), p.area_m2 == null ? null : `${number.format(p.area_m2)} ${t("m2")}`],
      [t("community"), p.community ?? (p.outside_areas ? t("outside") : null)],
    ].filter(([, value]) => value);
    card.replaceChildren(
      el("button", { class: "gc-close", type: "button", "aria-label": t("close"), onclick: () => { card.hidden = true; } }, "×"),
      el("h3", {}, p.name),
      el("p", {}, t(p.kind)),
      el("ul", { class: "gc-chips", "aria-label": t("facilities") }, ...(p.facilities ?? []).map((name) => el("li", {}, t(`f_${name}`)))),
      el("dl", {}, ...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
      el("p", {}, el("a", { class: "gc-button", href: `/maps/catchment?station=${feature.id}&lang=${Gridcircle.data.language}` }, t("to_circle"))),
    );
    card.hidden = false;
    card.scrollIntoView({ block: "nearest" });
  };

  const stations = await Gridcircle.allStations();
  const byId = new Map();
  for (const feature of stations) {
    const [lon, lat] = feature.geometry.coordinates;
    const mark = L.circleMarker([lat, lon], { ...Gridcircle.stationMark(feature.properties.kind), bubblingMouseEvents: false })
      .bindTooltip(document.createTextNode(feature.properties.name).textContent.replace(/[<>&]/g, (c) => ({ "<": "&lt;", ">": "&gt;", "&": "&amp;" })[c]))
      .on("click", () => show(feature));
    (groups[feature.properties.kind] ?? map).addLayer(mark);
    byId.set(feature.id, { feature, mark });
  }
  if (!stations.length) {
    card.replaceChildren(el("p", {}, t("empty_stations")));
    card.hidden = false;
  }

  const input = document.getElementById("gc-search");
  const list = document.getElementById("gc-found");
  let found = [];
  let at = -1;
  let asked;
  const close = () => { list.hidden = true; input.setAttribute("aria-expanded", "false"); at = -1; };
  const go = (hit) => {
    close();
    input.value = hit.properties.name;
    const [west, south, east, north] = hit.bbox ?? [...hit.geometry.coordinates, ...hit.geometry.coordinates];
    if (west === east && south === north) map.setView([south, west], 17);
    else map.fitBounds([[south, west], [north, east]], { maxZoom: 17, padding: [20, 20] });
    const station = hit.properties.layer === "stations" ? byId.get(hit.properties.id ?? hit.id) : null;
    if (station) show(station.feature);
  };
  const mark = () => list.querySelectorAll("li").forEach((item, i) => item.setAttribute("aria-selected", String(i === at)));
  input.addEventListener("input", async () => {
    const query = input.value.trim();
    asked?.abort();
    if (!query) return close();
    asked = new AbortController();
    try {
      const answer = await request(`/api/v1/search?q=${encodeURIComponent(query)}&limit=12`, { signal: asked.signal });
      found = answer.features ?? answer.results ?? [];
    } catch (error) {
      return;
    }
    const label = { stations: "k_station", compounds: "k_compound", areas: "k_area", buildings: "k_building", grids: "k_grid" };
    list.replaceChildren(
      ...(found.length
        ? found.map((hit, i) => el("li", { role: "option", id: `gc-hit-${i}`, onclick: () => go(hit) }, hit.properties.name, el("small", {}, t(label[hit.properties.layer] ?? "k_other"))))
        : [el("li", {}, t("search_none"))]),
    );
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    at = found.length ? 0 : -1;
    mark();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return close();
    if (!found.length || list.hidden) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      at = (at + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
      input.setAttribute("aria-activedescendant", `gc-hit-${at}`);
      mark();
      event.preventDefault();
    } else if (event.key === "Enter" && at >= 0) {
      go(found[at]);
      event.preventDefault();
    }
  });
};
