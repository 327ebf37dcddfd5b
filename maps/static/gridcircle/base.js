/* The base map: how the city's own vector tiles are painted and labelled. */
"use strict";

(function () {
  const FONT = '"PingFang SC", "Microsoft YaHei", "Noto Sans SC", sans-serif';
  const PAPER = "#f6f4ef";

  const kinds = (...names) => (zoom, feature) => names.includes(feature.props.kind);
  const lines = (color, width, more) =>
    new protomapsL.LineSymbolizer({ color, width, lineCap: "round", lineJoin: "round", ...more });
  const areas = (fill, more) => new protomapsL.PolygonSymbolizer({ fill, ...more });
  const grown = (...stops) => protomapsL.exp(1.4, stops);
  // Parts of the base map that are switched off, by layer.
  const hidden = new Set();
  const isArea = (zoom, feature) => feature.geomType === 3;
  const shown = (layer) => () => !hidden.has(layer);
  const isLine = (zoom, feature) => feature.geomType === 2;

  // Widths in pixels by zoom; casings first, so that streets join without seams.
  const ROADS = [
    [["path", "steps", "platform", "track"], "#e2dccf", "#fffdf8", [[14, 0.6], [16, 1.2], [19, 4]], 0],
    [["service"], "#ddd7ca", "#ffffff", [[13, 0.6], [15, 1.4], [19, 8]], 1],
    [["residential", "pedestrian"], "#d5cebf", "#ffffff", [[12, 0.6], [15, 3], [19, 14]], 1],
    [["tertiary"], "#cfc6b2", "#ffffff", [[11, 0.8], [15, 4.5], [19, 20]], 1.2],
    [["secondary"], "#cdbf9d", "#fff8e3", [[10, 0.9], [15, 6], [19, 26]], 1.4],
    [["primary", "trunk", "motorway"], "#c8b07a", "#ffedb8", [[8, 1], [15, 8], [19, 32]], 1.6],
  ];

  function roadRules() {
    const rules = [];
    for (const [names, casing, , stops, edge] of ROADS) {
      if (!edge) continue;
      rules.push({
        dataLayer: "roads",
        filter: kinds(...names),
        symbolizer: lines(casing, grown(...stops.map(([z, w]) => [z, w + edge]))),
      });
    }
    for (const [names, , fill, stops] of ROADS) {
      rules.push({
        dataLayer: "roads",
        filter: kinds(...names),
        symbolizer: lines(fill, grown(...stops)),
      });
    }
    return rules;
  }

  function paintRules({ quiet }) {
    const buildings = quiet ? "#e9e5dd" : "#e1dacd";
    return [
      { dataLayer: "compounds", filter: shown("compounds"), symbolizer: areas("#efeae0", { stroke: "#ddd3c2", width: 0.6 }) },
      { dataLayer: "green", filter: isArea, symbolizer: areas("#d9e6cd") },
      {
        dataLayer: "green",
        filter: kinds("farmland", "allotments", "grass", "scrub"),
        symbolizer: areas("#e5eadb"),
      },
      { dataLayer: "water", filter: isArea, symbolizer: areas("#b9d4e3") },
      {
        dataLayer: "water",
        filter: (z, f) => f.geomType === 2 && f.props.kind === "river",
        symbolizer: lines("#b9d4e3", grown([9, 1.5], [15, 8], [19, 40])),
      },
      {
        dataLayer: "water",
        filter: (z, f) => f.geomType === 2 && f.props.kind !== "river",
        symbolizer: lines("#b9d4e3", grown([12, 0.8], [15, 2], [19, 10])),
      },
      {
        dataLayer: "buildings",
        filter: shown("buildings"),
        symbolizer: areas(buildings, { stroke: quiet ? "#dcd6ca" : "#cbc1af", width: 0.6 }),
      },
      ...roadRules(),
      {
        dataLayer: "barriers",
        filter: isLine,
        minzoom: 16,
        symbolizer: lines("#b3a795", grown([16, 0.7], [19, 1.6])),
      },
      { dataLayer: "rail", symbolizer: lines("#8d8a86", grown([10, 1], [15, 2.6], [19, 5])) },
      {
        dataLayer: "rail",
        minzoom: 13,
        symbolizer: lines("#ffffff", grown([10, 0.5], [15, 1.4], [19, 3]), {
          dash: [7, 7],
          dashColor: "#ffffff",
          dashWidth: grown([13, 1], [15, 1.4], [19, 3]),
          lineCap: "butt",
        }),
      },
    ];
  }

  const point = (size, fill, more) =>
    new protomapsL.CenteredTextSymbolizer({
      labelProps: ["name"],
      font: `${size}px ${FONT}`,
      fill,
      stroke: "rgba(255,255,255,0.92)",
      width: 3,
      ...more,
    });

  function labelRules() {
    const street = {
      labelProps: ["name"],
      stroke: "rgba(255,255,255,0.95)",
      width: 3,
    };
    return [
      {
        dataLayer: "labels",
        filter: kinds("city", "town", "district"),
        maxzoom: 13,
        symbolizer: point(17, "#33383f", { letterSpacing: 2 }),
      },
      {
        dataLayer: "labels",
        filter: kinds("street", "suburb", "borough", "village"),
        maxzoom: 14,
        symbolizer: point(14, "#4d5560"),
      },
      {
        dataLayer: "labels",
        filter: kinds("community"),
        minzoom: 13,
        maxzoom: 16,
        symbolizer: point(13, "#6b5778"),
      },
      {
        dataLayer: "roads",
        minzoom: 14,
        filter: kinds("primary", "trunk", "motorway", "secondary", "tertiary"),
        symbolizer: new protomapsL.LineLabelSymbolizer({
          ...street,
          font: `12px ${FONT}`,
          fill: "#6d6249",
        }),
      },
      {
        dataLayer: "roads",
        minzoom: 16,
        filter: kinds("residential", "pedestrian", "service"),
        symbolizer: new protomapsL.LineLabelSymbolizer({
          ...street,
          font: `11px ${FONT}`,
          fill: "#77705f",
        }),
      },
      {
        dataLayer: "labels",
        minzoom: 14,
        filter: kinds(
          "park", "water", "hospital", "university", "school", "market", "townhall", "stadium",
          "station", "community_centre", "square", "neighbourhood", "quarter",
        ),
        symbolizer: point(12, "#47664a"),
      },
      {
        dataLayer: "labels",
        minzoom: 15,
        filter: (zoom, feature) => feature.props.kind === "compound" && !hidden.has("compounds"),
        symbolizer: point(12, "#5c564c"),
      },
      {
        dataLayer: "buildings",
        filter: shown("buildings"),
        minzoom: 18,
        symbolizer: new protomapsL.CenteredTextSymbolizer({
          labelProps: ["name"],
          font: `10px ${FONT}`,
          fill: "#77705f",
        }),
      },
    ];
  }

  window.GridcircleBase = {
    PAPER,
    FONT,
    /**
     * The base map as Leaflet layers; `quiet` leaves the colours to what lies on it. With a
     * `labelPane` the names are a layer of their own, above what is drawn between.
     */
    layers({ quiet = false, labelPane } = {}) {
      const ground = tiles({
        paintRules: paintRules({ quiet }),
        labelRules: labelPane ? [] : labelRules(),
        backgroundColor: PAPER,
      });
      if (!labelPane) return [ground];
      return [ground, tiles({ paintRules: [], labelRules: labelRules(), pane: labelPane })];
    },
  };

  /** Show or hide compounds or buildings of base layers that are on the map. */
  function showPart(layers, name, on) {
    if (on) hidden.delete(name);
    else hidden.add(name);
    for (const layer of layers) {
      layer.clearLayout();
      layer.rerenderTiles();
    }
  }
  window.GridcircleBase.showPart = showPart;

  function tiles(options) {
    return protomapsL.leafletLayer({
      url: "/tiles/base/{z}/{x}/{y}.mvt",
      maxDataZoom: 16,
      attribution: "",
      maxZoom: 19,
      ...options,
    });
  }
})();
