/* Building cells: drawn where they are large enough, picked by a click, a brush or a lasso. */
"use strict";

GridcirclePlan.cells = function (map, plan) {
  const FROM_ZOOM = 16; // where they can be picked; merely looked at they are drawn from the next one
  const { contains, box, polygons } = GridcirclePlan;
  map.createPane("cells").style.zIndex = 415;
  map.getPane("cells").style.pointerEvents = "none";
  const renderer = L.canvas({ pane: "cells", padding: 0.2 });
  const quiet = { renderer, interactive: false, pmIgnore: true, snapIgnore: true };
  const shapes = L.layerGroup().addTo(map);
  const marks = L.layerGroup().addTo(map);
  const stroke = L.polyline([], { ...quiet, color: "#12263f", weight: 2, dashArray: "5 5" });
  let cells = [];
  const picked = new Map(); // building → cell
  let asking = null;

  function mark() {
    marks.clearLayers();
    for (const cell of picked.values()) {
      L.geoJSON(cell.feature, {
        ...quiet, style: { color: "#5b1a7a", weight: 2.2, fillColor: "#8d4bb0", fillOpacity: 0.55 },
      }).addTo(marks);
    }
  }

  return {
    FROM_ZOOM,
    picked,
    /** Read and draw the cells in view; none where they would be specks. */
    async load({ picking = false } = {}) {
      asking?.abort();
      if (map.getZoom() < (picking ? FROM_ZOOM : FROM_ZOOM + 1)) {
        shapes.clearLayers();
        cells = [];
        return;
      }
      asking = new AbortController();
      const { signal } = asking;
      const told = await GridcirclePlan.ask(plan, `/cells?bbox=${GridcirclePlan.viewBox(map)}`, { signal });
      if (signal.aborted) return;
      cells = told.features.map((feature) => ({ feature, box: box(feature.geometry), ...feature.properties }));
      shapes.clearLayers();
      // One path for all of them: thousands of layers would make the map slow to move.
      const rings = cells.flatMap(({ feature }) => polygons(feature.geometry).flat())
        .map((ring) => ring.map(([x, y]) => [y, x]));
      L.polyline(rings, { ...quiet, color: "#4d5b69", weight: 0.7, opacity: 0.7 }).addTo(shapes);
    },
    /** The cell at a point, or null. */
    at({ lng, lat }) {
      return (
        cells.find(({ feature, box: [west, south, east, north] }) =>
          lng >= west && lng <= east && lat >= south && lat <= north && contains(feature.geometry, [lng, lat])) || null
      );
    },
    /** Cells whose building lies inside a ring of [lon, lat]. */
    inside(ring) {
      const area = { type: "Polygon", coordinates: [ring] };
      return cells.filter(({ point }) => contains(area, point));
    },
    pick(cell, on = true) {
      if (!cell || cell.building === null || cell.building === undefined) return;
      if (on) picked.set(cell.building, cell);
      else picked.delete(cell.building);
      mark();
    },
    clear() {
      picked.clear();
      mark();
    },
    /** The line of a lasso or brush while the pointer is down. */
    stroke(points) {
      stroke.setLatLngs(points);
      if (points.length) stroke.addTo(map);
      else stroke.remove();
    },
  };
};
