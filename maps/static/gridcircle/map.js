// What every page shares: the base map from our own tiles, words, requests, small DOM helpers.
"use strict";
const Gridcircle = (() => {
  const data = JSON.parse(document.getElementById("gc-data")?.textContent ?? "{}");
  const t = (key, values = {}) =>
    (data.words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  const number = new Intl.NumberFormat(data.language === "zh" ? "zh-CN" : "en");
  const percent = (share) => (share == null ? "–" : `${(100 * share).toFixed(1)} %`);

  // Text goes in as text, never as markup: names come from files and people.
  const el = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value != null) node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child != null));
    return node;
  };

  const KINDS = ["service_centre", "red_station", "rider_station"];
  const KIND_COLOUR = { service_centre: "#0b5e6b", red_station: "#b3261e", rider_station: "#c77700" };

  const loading = document.getElementById("gc-loading");
  const problem = document.getElementById("gc-problem");
  let waiting = 0;
  async function request(path, { method = "GET", body, signal } = {}) {
    waiting += 1;
    const late = setTimeout(() => { loading.hidden = false; }, 300);
    try {
      const answer = await fetch(path, {
        method,
        signal,
        headers: body ? { "Content-Type": "application/json", "Accept-Language": data.language } : {},
        body: body ? JSON.stringify(body) : undefined,
      });
      const content = await answer.json();
      if (!answer.ok) {
        const faults = (content.errors ?? []).map((e) => e.detail ?? e.reason ?? "").join(" ");
        throw new Error([content.detail ?? content.title, content.remedy, faults].filter(Boolean).join(" "));
      }
      problem.hidden = true;
      return content;
    } catch (error) {
      if (error.name !== "AbortError") {
        problem.textContent = `${t("failed")}: ${error.message}`;
        problem.hidden = false;
      }
      throw error;
    } finally {
      clearTimeout(late);
      waiting -= 1;
      if (waiting === 0) loading.hidden = true;
    }
  }

  const P = protomapsL;
  const font = (size, weight = 400) =>
    `${weight} ${size}px -apple-system, "PingFang SC", "Microsoft YaHei", "Noto Sans SC", "WenQuanYi Micro Hei", sans-serif`;
  const ROADS = [
    // kind, casing, fill, width at zoom 12, 15, 18
    [["path", "steps", "footway", "track", "cycleway", "bridleway", "pedestrian"], null, "#b9a98c", 0.3, 0.8, 2.5],
    [["service", "living_street"], "#d4d0c6", "#ffffff", 0.4, 1.6, 7],
    [["residential", "unclassified", "road"], "#cbc6ba", "#ffffff", 0.8, 3.2, 12],
    [["tertiary"], "#c3bba8", "#fffdf4", 1.4, 5, 16],
    [["secondary"], "#c4b184", "#fdf3cf", 2, 6.5, 20],
    [["primary", "trunk", "motorway"], "#c59f62", "#fbdf9f", 2.6, 8, 24],
  ];
  const grow = (a, b, c, extra = 0) => (z) => {
    const [low, high, from, to] = z < 15 ? [a, b, 12, 15] : [b, c, 15, 18];
    const at = Math.min(Math.max((z - from) / (to - from), 0), 1);
    return low * (high / low) ** at + extra;
  };
  const isRoad = (kinds) => (_z, f) => kinds.includes(f.props.kind);

  function paintRules({ buildings = true } = {}) {
    const rules = [
      { dataLayer: "green", symbolizer: new P.PolygonSymbolizer({ fill: (z, f) => ({ farmland: "#eeeedd", wood: "#cfe0c3", pitch: "#c9e3d0" })[f.props.kind] ?? "#d8e8c8" }) },
      { dataLayer: "compounds", symbolizer: new P.PolygonSymbolizer({ fill: "#ece7dc", stroke: "#c9c0ae", width: 0.6 }) },
      { dataLayer: "water", symbolizer: new P.PolygonSymbolizer({ fill: "#b5d5e5" }), filter: (_z, f) => f.geomType === 3 },
      { dataLayer: "water", symbolizer: new P.LineSymbolizer({ color: "#9cc5da", width: grow(1, 3, 10) }), filter: (_z, f) => f.geomType === 2 },
    ];
    if (buildings) {
      rules.push({ dataLayer: "buildings", symbolizer: new P.PolygonSymbolizer({ fill: "#d9d2c4", stroke: "#b8ae9b", width: 0.5 }) });
    }
    for (const [kinds, casing, , a, b, c] of ROADS) {
      if (casing) rules.push({ dataLayer: "roads", filter: isRoad(kinds), symbolizer: new P.LineSymbolizer({ color: casing, width: grow(a, b, c, 1.4) }) });
    }
    for (const [kinds, casing, fill, a, b, c] of ROADS) {
      rules.push({
        dataLayer: "roads",
        filter: isRoad(kinds),
        minzoom: casing ? undefined : 15,
        symbolizer: new P.LineSymbolizer(casing ? { color: fill, width: grow(a, b, c) } : { color: fill, width: grow(a, b, c), dash: [3, 2], dashColor: fill, dashWidth: grow(a, b, c) }),
      });
    }
    rules.push(
      { dataLayer: "rail", symbolizer: new P.LineSymbolizer({ color: "#8b8b93", width: grow(1, 2.2, 4) }) },
      { dataLayer: "rail", symbolizer: new P.LineSymbolizer({ color: "#ffffff", width: 0.01, dash: [7, 7], dashColor: "#ffffff", dashWidth: grow(0.5, 1.2, 2.4) }) },
      { dataLayer: "barriers", minzoom: 16, symbolizer: new P.LineSymbolizer({ color: "#a49a86", width: 1 }) },
    );
    return rules;
  }

  function labelRules() {
    const halo = { stroke: "#fbfaf6", width: 3 };
    return [
      { dataLayer: "labels", filter: (_z, f) => ["city", "town", "village", "suburb"].includes(f.props.kind), maxzoom: 13, symbolizer: new P.CenteredTextSymbolizer({ labelProps: ["name"], fill: "#2c363b", ...halo, font: font(16, 600) }) },
      { dataLayer: "areas", minzoom: 12, maxzoom: 15, symbolizer: new P.PolygonLabelSymbolizer({ labelProps: ["name"], fill: "#6a5a8c", ...halo, font: font(14, 600) }) },
      { dataLayer: "roads", minzoom: 14, filter: (_z, f) => !!f.props.name, symbolizer: new P.LineLabelSymbolizer({ labelProps: ["name"], fill: "#5c5342", ...halo, font: font(12), repeatDistance: 400 }) },
      { dataLayer: "labels", minzoom: 14, symbolizer: new P.CenteredTextSymbolizer({ labelProps: ["name"], fill: (_z, f) => ({ park: "#3d6b35", water: "#2e6a88" })[f?.props.kind] ?? "#5b4a3a", ...halo, font: font(12) }) },
      { dataLayer: "compounds", minzoom: 15, symbolizer: new P.PolygonLabelSymbolizer({ labelProps: ["name"], fill: "#57503f", ...halo, font: font(12) }) },
      { dataLayer: "buildings", minzoom: 18, filter: (_z, f) => !!f.props.name, symbolizer: new P.PolygonLabelSymbolizer({ labelProps: ["name"], fill: "#6b6353", ...halo, font: font(11) }) },
    ];
  }

  function vector(url, { paint, label = [], maxDataZoom = 16, ...options }) {
    return P.leafletLayer({ url, paintRules: paint, labelRules: label, maxDataZoom, attribution: "", noWrap: true, ...options });
  }

  function baseMap(map, options) {
    map.createPane("labels").style.zIndex = 450;
    map.getPane("labels").style.pointerEvents = "none";
    const url = "/tiles/base/{z}/{x}/{y}.mvt";
    const ground = vector(url, { paint: paintRules(options), backgroundColor: "#f6f3ec" }).addTo(map);
    const names = vector(url, { paint: [], label: labelRules(), pane: "labels" }).addTo(map);
    map.attributionControl.setPrefix(false);
    map.attributionControl.addAttribution(data.attribution);
    L.control.zoom({ position: "topright" }).addTo(map);
    L.control.scale({ imperial: false, position: "bottomright" }).addTo(map);
    map.fitBounds(data.bounds, { padding: [16, 16] });
    return { ground, names };
  }

  const stationMark = (kind, chosen = false) => ({
    radius: chosen ? 9 : 7,
    color: "#ffffff",
    weight: 2,
    fillColor: KIND_COLOUR[kind] ?? "#51616a",
    fillOpacity: 1,
  });
  async function allStations(query = "") {
    const found = [];
    for (let path = `/api/v1/layers/stations?limit=1000${query}`; path;) {
      const page = await request(path);
      found.push(...page.features);
      const next = page.links.find((link) => link.rel === "next");
      path = next ? new URL(next.href).pathname + new URL(next.href).search : null;
    }
    return found;
  }

  const key = (colour, shape, text) => el("li", {}, el("span", { class: `gc-key ${shape}`, style: shape === "line" ? `border-color:${colour}` : `background:${colour}` }), text);
  const options = (select, items, chosen) =>
    select.replaceChildren(...items.map(([value, text]) => el("option", { value, selected: String(value) === String(chosen) }, text)));
  const waitItems = () => Object.keys(data.waits).map((name) => [name, t(`waits_${name}`)]);
  const profileItems = () => data.profiles.map((p) => [p.name, p.label]);
  const speedNote = (p) => t("speed_note", { speed: p.speed_mps, waits: t(`waits_${p.waits}`) });

  const pages = {};
  function start(map) {
    const panel = document.getElementById("gc-panel");
    const handle = panel.querySelector(".gc-handle");
    handle.addEventListener("click", () => {
      const next = panel.classList.contains("gc-high") ? "gc-low" : panel.classList.contains("gc-low") ? "" : "gc-high";
      panel.classList.remove("gc-high", "gc-low");
      if (next) panel.classList.add(next);
      handle.setAttribute("aria-expanded", String(next !== "gc-low"));
    });
    for (const link of document.querySelectorAll(".gc-language")) {
      link.addEventListener("click", () => {
        const query = new URLSearchParams(location.search);
        query.set("lang", data.language === "zh" ? "en" : "zh");
        link.href = `?${query}`;
      });
    }
    window.gridcircleMap = map;
    pages[data.page](map).then(
      () => { document.documentElement.dataset.ready = "true"; },
      (error) => { document.documentElement.dataset.ready = "failed"; console.warn(error.message); },
    );
  }
  return { data, t, number, percent, el, request, vector, baseMap, P, KINDS, KIND_COLOUR, stationMark, allStations, key, options, waitItems, profileItems, speedNote, pages, start };
})();
