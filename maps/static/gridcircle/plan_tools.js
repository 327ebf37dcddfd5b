/* The tools of the editor: what is drawn on the map becomes the body of one edit. */
"use strict";

/**
 * @param {object} editor what the tools need of the page: `map`, `cells`, `selected()`, `inView()`,
 *   `propose(body, title)`, `hint(text, ...buttons)`, `problem(text)`
 */
GridcirclePlan.tools = function (editor) {
  const { map, cells } = editor;
  const { word, element, number } = Gridcircle;
  const { tail, lines, viewBox, polygons, contains } = GridcirclePlan;
  const touch = window.matchMedia("(pointer: coarse)").matches;

  map.createPane("draft").style.zIndex = 440;
  map.createPane("snaplines").style.zIndex = 420;
  map.getPane("snaplines").style.pointerEvents = "none";
  const snapRenderer = L.canvas({ pane: "snaplines", padding: 0.2 });
  const snapLines = L.layerGroup().addTo(map);
  const live = L.layerGroup().addTo(map);
  const ring = L.circleMarker([0, 0], {
    pane: "draft", interactive: false, pmIgnore: true, snapIgnore: true, radius: 11, color: "#c2410c", weight: 3, fill: false,
  });

  map.pm.setGlobalOptions({
    snappable: true,
    snapDistance: touch ? 24 : 16,
    tooltips: false,
    allowSelfIntersection: false,
    continueDrawing: false,
    finishOnEnter: false,
    finishOn: null,
    templineStyle: { color: "#5b1a7a", weight: 3, pmIgnore: true },
    hintlineStyle: { color: "#5b1a7a", weight: 3, dashArray: "6 6" },
    pathOptions: { color: "#5b1a7a", weight: 3, fillColor: "#8d4bb0", fillOpacity: 0.18 },
  });

  let name = "select";
  let oncreate = null;
  let shape = null; // the outline whose vertices can be dragged
  let shapeOf = null;
  let old = null; // where the dragged vertex was
  let restart = () => {};

  const geometryOf = (layer) => layer.toGeoJSON(9).geometry;

  // Snapping is shown: a ring where the pointer has snapped to, faint lines that it may snap to.
  const showSnap = (event) => ring.setLatLng(event.snapLatLng || event.marker?.getLatLng()).addTo(map);
  const hideSnap = () => ring.remove();
  function watchSnaps(layer) {
    layer.on("pm:snap", showSnap);
    layer.on("pm:unsnap", hideSnap);
  }

  /** Streets and walls in view, for lines to snap to. */
  async function readSnapLines() {
    snapLines.clearLayers();
    if (map.getZoom() < 15) return;
    const told = await Gridcircle.ask(
      `/api/v1/layers/base_features?kind=road,barrier&limit=1500&bbox=${viewBox(map)}`, { quiet: true });
    if (name === "split") offerStreets(told.features);
    const wanted = told.features.filter(({ geometry, properties }) =>
      /LineString$/.test(geometry.type) && !["path", "steps", "platform"].includes(properties.kind));
    if (!needsSnapLines()) return;
    for (const feature of wanted) {
      L.geoJSON(feature, {
        renderer: snapRenderer, interactive: false, pmIgnore: true, snapIgnore: false,
        style: {
          color: feature.properties.layer === "barrier" ? "#7a4a1d" : "#0e7490", weight: 1.4, dashArray: "2 5",
          opacity: feature.properties.kind === "service" ? 0.3 : 0.6,
        },
      }).eachLayer((line) => line.addTo(snapLines));
    }
  }
  /** Streets that pass through the chosen grid: it can be split along one of them. */
  function offerStreets(features) {
    const [grid] = editor.selected();
    if (!grid || !editor.drawing) return;
    // A street along the boundary parts nothing: one that leads through has a place well inside.
    const WELL_M = 12;
    const edges = polygons(grid.geometry).flat().flatMap((r) => r.slice(1).map((to, i) => [r[i], to]));
    const wellInside = (at) => {
      if (!contains(grid.geometry, at)) return false;
      const project = ([x, y]) => L.point((x - at[0]) * 111320 * Math.cos((at[1] * Math.PI) / 180), (y - at[1]) * 111320);
      const here = L.point(0, 0);
      return edges.every(([a, b]) => L.LineUtil.pointToSegmentDistance(here, project(a), project(b)) > WELL_M);
    };
    const middles = (line) => line.slice(1).map(([x, y], i) => [(x + line[i][0]) / 2, (y + line[i][1]) / 2]);
    const names = new Set(features.filter(({ geometry, properties }) =>
      properties.layer === "road" && properties.name && /LineString$/.test(geometry.type) &&
      (geometry.type === "LineString" ? [geometry.coordinates] : geometry.coordinates)
        .some((line) => [...line, ...middles(line)].some(wellInside))).map((f) => f.properties.name));
    if (!names.size) return;
    const select = element("select", { class: "gp-street", "aria-label": word("split_street") });
    Gridcircle.options(select, [["", word("split_street")], ...[...names].sort().map((one) => [one, one])], "");
    select.addEventListener("change", () => {
      if (select.value) editor.propose({ kind: "split", grid: grid.id, street: select.value }, word("tool_split"), grid);
    });
    editor.hint(word("split_hint", { grid: tail({ id: grid.id, ...grid.properties }) }), select, ...penButtons());
  }
  const needsSnapLines = () => ["split", "draw", "line"].includes(name) || (name === "reshape" && shape);

  const button = (label, onclick, more = {}) =>
    element("button", { type: "button", class: "gp-action", onclick, ...more }, label);

  function drawing(kind, then) {
    oncreate = then;
    map.doubleClickZoom.disable();
    map.pm.enableDraw(kind, {});
    readSnapLines().catch(() => {});
    const pen = () => map.pm.Draw[kind];
    editor.drawing = {
      finish() {
        // What a click on the last vertex does; with too few vertices nothing happens.
        if ((pen()._layer?.getLatLngs().flat().length || 0) >= (kind === "Line" ? 2 : 3)) pen()._finishShape();
      },
      back() {
        if ((pen()._layer?.getLatLngs().flat().length || 0) > 0) pen()._removeLastVertex();
      },
    };
  }
  const penButtons = () => [
    button(word("finish"), () => editor.drawing?.finish(), { id: "gp-finish" }),
    button(word("point_back"), () => editor.drawing?.back()),
    button(word("cancel"), () => editor.use("select")),
  ];

  map.on("pm:drawstart", ({ workingLayer }) => watchSnaps(workingLayer));
  map.on("pm:drawend", () => {
    hideSnap();
    setTimeout(() => map.doubleClickZoom.enable(), 300); // after the click that ended it
    editor.drawing = null;
  });
  map.on("pm:create", ({ layer }) => {
    const geometry = geometryOf(layer);
    layer.remove();
    oncreate?.(geometry);
  });
  map.getContainer().addEventListener("dblclick", (event) => {
    if (!editor.drawing) return;
    event.preventDefault();
    // Both clicks of it have set a vertex at one place: one of them goes.
    editor.drawing.finish();
  });

  function stopShape() {
    live.clearLayers();
    hideSnap();
    if (!shape) return;
    shape.pm.disable();
    shape.remove();
    shape = shapeOf = null;
  }

  /** Let the vertices of a grid be dragged; its neighbours follow. */
  function startShape(feature) {
    stopShape();
    shapeOf = feature;
    const rings = polygons(feature.geometry)[0].map((r) => r.slice(0, -1).map(([x, y]) => L.latLng(y, x)));
    shape = L.polygon(rings, {
      pane: "draft", color: "#5b1a7a", weight: 3, fillOpacity: 0.05, pmIgnore: false, snapIgnore: true, interactive: false,
    }).addTo(map);
    const added = new Set();
    shape.pm.enable({
      snappable: true, snapDistance: touch ? 24 : 14, preventMarkerRemoval: true, allowSelfIntersection: true,
      limitMarkersToCount: touch ? -1 : 60, draggable: false,
    });
    watchSnaps(shape);
    const point = ({ lat, lng }) => [lng, lat];
    shape.on("pm:vertexadded", ({ marker }) => added.add(marker));
    shape.on("pm:markerdragstart", ({ markerEvent }) => {
      old = added.has(markerEvent.target) ? null : original(markerEvent.target);
      live.clearLayers();
    });
    shape.on("pm:markerdrag", ({ markerEvent }) => {
      if (!old) return;
      const to = point(markerEvent.target.getLatLng());
      live.clearLayers();
      for (const other of lines.having(editor.inView(), old)) {
        if (other.id === feature.id) continue;
        L.polygon(lines.moved(other, old, to).map((p) => p.map((r) => r.map(([x, y]) => [y, x]))), {
          pane: "draft", interactive: false, pmIgnore: true, snapIgnore: true, color: "#5b1a7a", weight: 2, dashArray: "5 5", fill: false,
        }).addTo(live);
      }
    });
    shape.on("pm:markerdragend", ({ markerEvent, indexPath }) => {
      const to = point(markerEvent.target.getLatLng()).map((v) => Number(v.toFixed(9)));
      hideSnap();
      if (old) {
        if (lines.key(old) === lines.key(to)) return;
        editor.propose({ kind: "reshape", vertex: old, to }, word("tool_reshape"), feature);
        return;
      }
      const around = ringOf(indexPath);
      const [before, after] = around;
      const met = before && after && lines.boundary(editor.inView(), feature, before, after);
      if (!met) {
        editor.problem(word("reshape_no_neighbour"));
        startShape(feature);
        return;
      }
      const line = [...met.line.slice(0, met.at), to, ...met.line.slice(met.at)];
      editor.propose(
        { kind: "reshape", between: [feature.id, met.other.id], line: { type: "LineString", coordinates: line } },
        word("tool_reshape"), feature);
    });
    // Markers stand in the order of the ring they were made from until one is added.
    const places = new Map();
    shape.pm._markers.flat(3).forEach((marker) => places.set(marker, point(marker.getLatLng())));
    const original = (marker) => {
      const at = places.get(marker);
      if (!at) return null;
      // Exactly as the service gave it.
      return polygons(feature.geometry).flat(2).find((p) => lines.key(p) === lines.key(at)) || at;
    };
    /** The original vertices before and after one that was added. */
    function ringOf(indexPath) {
      let markers = shape.pm._markers;
      for (const step of indexPath.slice(0, -1)) markers = markers[step];
      const at = indexPath[indexPath.length - 1];
      const n = markers.length;
      let [i, j] = [(at - 1 + n) % n, (at + 1) % n];
      return [original(markers[i]), original(markers[j])];
    }
    readSnapLines().catch(() => {});
  }

  // Picking buildings: a click toggles, a stroke of the brush adds, a lasso adds what it encloses.
  let way = "brush";
  let stroke = null;

  function pickedHint() {
    const target = editor.selected()[0];
    const chosen = [...cells.picked.values()];
    const homes = chosen.reduce((sum, cell) => sum + (cell.households || 0), 0);
    const toggle = (which) =>
      button(word(`pick_${which}`), () => {
        way = which;
        pickedHint();
      }, { "aria-pressed": String(way === which) });
    editor.hint(
      chosen.length
        ? word("pick_chosen", { buildings: number(chosen.length), households: number(homes), grid: tail({ id: target.id, ...target.properties }) })
        : word(`pick_${way}_hint`, { grid: tail({ id: target.id, ...target.properties }) }),
      toggle("brush"), toggle("lasso"),
      chosen.length ? button(word("preview_it"), propose, { id: "gp-finish" }) : null,
      chosen.length ? button(word("clear"), () => { cells.clear(); pickedHint(); }) : null,
      button(word("cancel"), () => editor.use("select")));
  }
  function propose() {
    const target = editor.selected()[0];
    editor.propose({ kind: "transfer", to: target.id, buildings: [...cells.picked.keys()] }, word("tool_transfer"), target);
  }
  const takes = (cell) => cell && cell.grid !== editor.selected()[0]?.id;

  const container = map.getContainer();
  const isPicking = () => name === "transfer" && editor.selected().length > 0 && !editor.isBusy();
  container.addEventListener("pointerdown", (event) => {
    if (!isPicking() || event.button || !event.isPrimary || event.target.closest(".leaflet-control")) return;
    event.preventDefault(); // no text is marked
    stroke = { points: [map.mouseEventToLatLng(event)], id: event.pointerId, moved: false };
  });
  container.addEventListener("pointermove", (event) => {
    if (!stroke || event.pointerId !== stroke.id) return;
    const at = map.mouseEventToLatLng(event);
    const last = stroke.points[stroke.points.length - 1];
    const from = map.latLngToContainerPoint(last);
    const to = map.latLngToContainerPoint(at);
    if (from.distanceTo(to) < 4) return;
    stroke.moved = true;
    stroke.points.push(at);
    if (way === "lasso") {
      cells.stroke(stroke.points);
      return;
    }
    const steps = Math.ceil(from.distanceTo(to) / 6);
    for (let i = 1; i <= steps; i++) {
      const cell = cells.at(map.containerPointToLatLng(from.add(to.subtract(from).multiplyBy(i / steps))));
      if (takes(cell) && !cells.picked.has(cell.building)) cells.pick(cell);
    }
  });
  function endStroke(event) {
    if (!stroke || event.pointerId !== stroke.id) return;
    const { points, moved } = stroke;
    stroke = null;
    cells.stroke([]);
    if (!moved) {
      const cell = cells.at(points[0]);
      if (takes(cell)) cells.pick(cell, !cells.picked.has(cell.building));
    } else if (way === "lasso") {
      for (const cell of cells.inside([...points, points[0]].map(({ lng, lat }) => [lng, lat]))) if (takes(cell)) cells.pick(cell);
    }
    pickedHint();
  }
  container.addEventListener("pointerup", endStroke);
  container.addEventListener("pointercancel", () => {
    stroke = null;
    cells.stroke([]);
  });
  // A second finger moves the map.
  container.addEventListener("touchstart", (event) => {
    if (event.touches.length > 1) {
      stroke = null;
      cells.stroke([]);
    }
  }, { passive: true });

  /** A line through a grid of a few pixels is drawn by nobody, and streets are offered near only. */
  function closeUp(grid) {
    const [west, south, east, north] = GridcirclePlan.box(grid.geometry);
    const [a, b] = [map.latLngToContainerPoint([south, west]), map.latLngToContainerPoint([north, east])];
    if (map.getZoom() < 15 && Math.max(b.x - a.x, a.y - b.y) < 240) editor.show([grid]);
  }

  const STARTS = {
    select() {
      editor.hint("");
    },
    split() {
      const grid = editor.selected()[0];
      if (!grid || editor.selected().length > 1) return editor.hint(word("split_choose"), button(word("cancel"), () => editor.use("select")));
      closeUp(grid);
      editor.hint(word("split_hint", { grid: tail({ id: grid.id, ...grid.properties }) }), ...penButtons());
      return drawing("Line", (line) => editor.propose({ kind: "split", grid: grid.id, line }, word("tool_split"), grid));
    },
    merge() {
      const chosen = editor.selected();
      const enough = chosen.length > 1;
      return editor.hint(
        enough ? word("merge_ready", { n: chosen.length }) : word("merge_choose"),
        enough
          ? button(word("preview_it"), () =>
              editor.propose({ kind: "merge", grids: chosen.map((f) => f.id) }, word("tool_merge"), chosen[0]), { id: "gp-finish" })
          : null,
        button(word("cancel"), () => editor.use("select")));
    },
    transfer() {
      const target = editor.selected()[0];
      if (!target) return editor.hint(word("transfer_choose"), button(word("cancel"), () => editor.use("select")));
      if (map.getZoom() < cells.FROM_ZOOM) map.setView(map.getCenter(), cells.FROM_ZOOM, { animate: false });
      cells.load({ picking: true }).catch(() => {});
      map.dragging.disable();
      container.classList.add("gp-picking");
      return pickedHint();
    },
    reshape() {
      const chosen = editor.selected();
      if (!chosen.length) return editor.hint(word("reshape_choose"), button(word("cancel"), () => editor.use("select")));
      if (chosen.length === 1) {
        if (map.getZoom() < 16) editor.show(chosen);
        startShape(chosen[0]);
        return editor.hint(word("reshape_hint"), button(word("cancel"), () => editor.use("select")));
      }
      editor.hint(word("reshape_line_hint"), ...penButtons());
      return drawing("Line", (line) =>
        editor.propose({ kind: "reshape", between: chosen.slice(0, 2).map((f) => f.id), line }, word("tool_reshape"), chosen[0]));
    },
    draw() {
      editor.hint(word("draw_hint"), ...penButtons());
      drawing("Polygon", (patch) => editor.askNew(patch));
    },
  };

  return {
    get name() {
      return name;
    },
    /** Start a tool, or start the present one again after the selection has changed. */
    use(which) {
      oncreate = null;
      if (map.pm.globalDrawModeEnabled()) map.pm.disableDraw();
      stopShape();
      cells.clear();
      stroke = null;
      map.dragging.enable();
      container.classList.remove("gp-picking");
      snapLines.clearLayers();
      name = which;
      container.dataset.tool = which;
      restart = STARTS[which] || STARTS.select;
      restart();
    },
    /** While a preview is shown nothing is drawn, but what was picked stays marked. */
    pause() {
      oncreate = null;
      if (map.pm.globalDrawModeEnabled()) map.pm.disableDraw();
      stopShape();
      snapLines.clearLayers();
    },
    moved() {
      if (needsSnapLines()) readSnapLines().catch(() => {});
    },
    enter() {
      if (editor.drawing) editor.drawing.finish();
      else document.getElementById("gp-finish")?.click();
    },
    remove() {
      if (!editor.drawing) return false;
      editor.drawing.back();
      return true;
    },
  };
};
