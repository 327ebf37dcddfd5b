/* The city page: layers, stations, search. */
"use strict";

Gridcircle.begin = function (map) {
  const { byId, word, element, symbol, check, legendRow, swatch } = Gridcircle;
  const KINDS = ["service_centre", "red_station", "rider_station"];
  const groups = Object.fromEntries(KINDS.map((kind) => [kind, L.layerGroup().addTo(map)]));
  const found = L.layerGroup().addTo(map);
  const card = byId("gc-card");
  let stations = [];

  function closeCard() {
    card.hidden = true;
    card.replaceChildren();
    found.clearLayers();
  }

  function openStation(feature) {
    card.replaceChildren(...Gridcircle.stationCard(feature, { onclose: closeCard }));
    card.hidden = false;
    byId("gc-panel").querySelector(".gc-content").scrollTop = 0;
    if (byId("gc-panel").dataset.state === "low") byId("gc-panel").dataset.state = "half";
    const [lon, lat] = feature.geometry.coordinates;
    found.clearLayers();
    L.circleMarker([lat, lon], { radius: 18, color: "#12263f", weight: 2, fill: false }).addTo(found);
  }

  // Outlines of areas and grids come as tiles too; they are drawn over the base map.
  map.createPane("outlines").style.zIndex = 350;
  const outline = (layer, rules) =>
    protomapsL.leafletLayer({
      url: `/tiles/layers/${layer}/{z}/{x}/{y}.mvt`,
      maxDataZoom: 16,
      paintRules: rules,
      labelRules: [],
      attribution: "",
      pane: "outlines",
    });
  const line = (color, width, dash) =>
    new protomapsL.LineSymbolizer({
      color, width,
      ...(dash ? { dash, dashColor: color, dashWidth: width } : {}),
    });
  const level = (name) => (zoom, feature) => feature.props.level === name;
  const outlines = {
    layer_areas: outline("areas", [
      { dataLayer: "areas", filter: level("community"), symbolizer: line("#7d6a8c", 1.4, [6, 4]) },
      { dataLayer: "areas", filter: level("street"), symbolizer: line("#5b4a6c", 2.2) },
      { dataLayer: "areas", filter: level("district"), symbolizer: line("#3d3050", 2.4) },
    ]),
    layer_grids: outline("grids", [{ dataLayer: "grids", symbolizer: line("#3f7f7a", 1.1, [3, 3]) }]),
  };

  // The switches are the legend of what they switch.
  const { counts } = Gridcircle.page;
  const put = (layer) => (on) => (on ? layer.addTo(map) : layer.remove());
  const part = (name) => (on) => GridcircleBase.showPart(Gridcircle.base, name, on);
  const stationSwitches = (numbers = {}) =>
    byId("gc-kinds").replaceChildren(
      ...KINDS.map((kind) =>
        check(word(kind), map.hasLayer(groups[kind]), put(groups[kind]), symbol(kind), numbers[kind] ?? null)),
    );
  stationSwitches();
  outlines.layer_areas.addTo(map);
  const rule = (style, color) => swatch({ borderTop: `3px ${style} ${color}`, height: "0" });
  byId("gc-layers").append(
    check(word("layer_areas"), true, put(outlines.layer_areas), rule("solid", "#5b4a6c"), counts.areas),
    check(word("layer_grids"), false, put(outlines.layer_grids), rule("dashed", "#3f7f7a"), counts.grids),
    check(word("layer_compounds"), true, part("compounds"),
      swatch({ background: "#efeae0", border: "1px solid #ccc0aa" }), counts.compounds),
    check(word("layer_buildings"), true, part("buildings"),
      swatch({ background: "#e1dacd", border: "1px solid #cbc1af" }), counts.buildings),
  );
  byId("gc-legend").append(
    legendRow(swatch({ background: "#b9d4e3" }), word("legend_water")),
    legendRow(swatch({ background: "#d9e6cd" }), word("legend_green")),
    legendRow(swatch({ background: "#ffedb8", border: "1px solid #c8b07a" }), word("legend_roads")),
    legendRow(swatch({ borderTop: "3px dashed #8d8a86", height: "0" }), word("legend_rail")),
    legendRow(symbol("red_station", "planned", 16), word("legend_planned")),
    legendRow(symbol("red_station", "closed", 16), word("legend_closed")),
  );

  Gridcircle.guarded(async () => {
    stations = await Gridcircle.readStations();
    if (!stations.length && Gridcircle.page.hasNetwork) {
      Gridcircle.showProblem({ title: word("empty_stations") });
    }
    const numbers = Object.fromEntries(KINDS.map((kind) => [kind, 0]));
    for (const { properties } of stations) numbers[properties.kind] += 1;
    stationSwitches(numbers);
    const many = stations.length > Gridcircle.MANY;
    for (const feature of stations) {
      groups[feature.properties.kind]?.addLayer(
        Gridcircle.stationMarker(feature, { onclick: openStation, many }),
      );
    }
  });

  Gridcircle.guarded(async () => {
    const told = await Gridcircle.ask("/api/v1/layers/areas?kind=community&limit=1", { quiet: true });
    byId("gc-communities").textContent = Gridcircle.number(told.numberMatched);
  });

  // Search as one types; the list is a listbox that the keyboard walks through.
  const input = byId("gc-search");
  const list = byId("gc-found");
  let asking = null;
  let timer = 0;
  let active = -1;

  function closeList() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    active = -1;
  }

  function choose(feature) {
    closeList();
    const about = feature.properties;
    input.value = about.name || about.code;
    const [west, south, east, north] = feature.bbox;
    const [lon, lat] = feature.geometry.coordinates;
    Gridcircle.show(map, [[south, west], [north, east]]);
    const station = about.layer === "stations" && stations.find((s) => s.id === about.id);
    if (station) {
      openStation(station);
      return;
    }
    closeCard();
    L.circleMarker([lat, lon], { radius: 14, color: "#12263f", weight: 3, fillOpacity: 0.15 }).addTo(found);
  }

  const KIND_OF_LAYER = {
    stations: "k_station", areas: "k_area", compounds: "k_compound", grids: "k_grid", buildings: "k_building",
  };

  function fillList(features) {
    list.replaceChildren(
      ...features.map((feature, place) =>
        element(
          "li",
          { role: "option", id: `gc-found-${place}`, onmousedown: (e) => (e.preventDefault(), choose(feature)) },
          element("b", {}, feature.properties.name || feature.properties.code || ""),
          element(
            "small", {},
            [word(KIND_OF_LAYER[feature.properties.layer] || "k_other"),
              // The layer of a street stands where others name what they lie in.
              feature.properties.layer === "base_features" ? "" : feature.properties.beside]
              .filter(Boolean).join(" · "),
          ),
        ),
      ),
    );
    if (!features.length) list.append(element("li", { class: "gc-none" }, word("search_none")));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    active = -1;
    list.onkeyboard = (place) => choose(features[place]);
    list.count = features.length;
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    asking?.abort();
    const text = input.value.trim().slice(0, 100);
    if (!text) return closeList();
    timer = setTimeout(() => {
      asking = new AbortController();
      Gridcircle.guarded(async () => {
        const told = await Gridcircle.ask(`/api/v1/search?limit=8&q=${encodeURIComponent(text)}`, {
          signal: asking.signal, quiet: true,
        });
        fillList(told.features);
      });
    }, 150);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return closeList();
    if (list.hidden || !list.count) return undefined;
    if (event.key === "Enter") {
      event.preventDefault();
      return list.onkeyboard(Math.max(active, 0));
    }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return undefined;
    event.preventDefault();
    active = (active + (event.key === "ArrowDown" ? 1 : -1) + list.count) % list.count;
    [...list.children].forEach((row, place) => row.setAttribute("aria-selected", String(place === active)));
    input.setAttribute("aria-activedescendant", `gc-found-${active}`);
    return undefined;
  });
  input.addEventListener("blur", () => setTimeout(closeList, 150));
};
