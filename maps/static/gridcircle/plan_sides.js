/* Two plans on one map, before on the left and after on the right of a line that can be dragged. */
"use strict";

/**
 * @param {L.Map} map
 * @param {number} before id of the earlier plan, or null where there is none
 * @param {number} after id of the later plan
 */
GridcirclePlan.sides = function (map, before, after) {
  const { word, element } = Gridcircle;
  const Plan = GridcirclePlan;
  map.getPane("names").style.zIndex = 425;
  const panes = ["before", "after"].map((name) => map.createPane(`grids_${name}`));
  panes.forEach((pane) => {
    pane.style.zIndex = 300;
    pane.style.pointerEvents = "none";
  });
  const layers = [before, after].map((plan, index) =>
    plan === null ? null : Plan.tiles(plan, { pane: `grids_${index ? "after" : "before"}` }).addTo(map));
  const labels = ["before", "after"].map((name) => {
    map.createPane(`labels_${name}`).style.zIndex = 430;
    return L.layerGroup().addTo(map);
  });
  panes.push(map.getPane("labels_before"), map.getPane("labels_after"));

  const line = element("div", {
    class: "gp-swipe", role: "slider", tabindex: "0", "aria-label": word("compare_swipe"), "aria-valuemin": "0", "aria-valuemax": "100",
  }, element("span", {}, "‹ ›"));
  const names = element("div", { class: "gp-sides", "aria-hidden": "true" }, element("b", {}, word("review_before")), element("b", {}, word("review_after")));
  map.getContainer().append(names, line);
  let share = 0.5;

  function clip() {
    const { x: width, y: height } = map.getSize();
    const at = width * share;
    line.style.left = `${at}px`;
    line.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    // Panes move with the map: what is cut away is given in their own coordinates.
    const [left, top] = [map.containerPointToLayerPoint([0, 0]), map.containerPointToLayerPoint([width, height])];
    const middle = map.containerPointToLayerPoint([at, 0]).x;
    const box = (from, to) => `polygon(${from}px ${left.y}px, ${to}px ${left.y}px, ${to}px ${top.y}px, ${from}px ${top.y}px)`;
    panes.forEach((pane, index) => {
      pane.style.clipPath = index % 2 ? box(middle, top.x) : box(left.x, middle);
    });
    names.children[0].style.right = `${width - at + 14}px`;
    names.children[1].style.left = `${at + 14}px`;
  }
  map.on("move zoom resize viewreset moveend zoomend", clip);
  const put = (value) => {
    share = Math.max(0.03, Math.min(0.97, value));
    clip();
  };
  L.DomEvent.disableClickPropagation(line);
  line.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    line.setPointerCapture(event.pointerId);
    map.dragging.disable();
  });
  line.addEventListener("pointermove", (event) => {
    if (!line.hasPointerCapture(event.pointerId)) return;
    const { left, width } = map.getContainer().getBoundingClientRect();
    put((event.clientX - left) / width);
  });
  const release = () => map.dragging.enable();
  line.addEventListener("pointerup", release);
  line.addEventListener("pointercancel", release);
  line.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.05, ArrowRight: 0.05 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    put(share + step);
  });
  clip();

  // Labels of both sides, where grids are large enough to bear them.
  let asking = null;
  async function readLabels() {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    for (const group of labels) group.clearLayers();
    if (map.getZoom() < 15) return;
    await Promise.all([before, after].map(async (plan, index) => {
      if (plan === null) return;
      const features = await Plan.grids(plan, `limit=500&bbox=${Plan.viewBox(map)}`, { signal });
      for (const label of Plan.labelAll(map, features).values()) {
        label.options.pane = index ? "labels_after" : "labels_before";
        label.addTo(labels[index]);
      }
    }));
  }
  const read = () => Gridcircle.guarded(readLabels);
  map.on("moveend", read);
  read();

  // Beside one another: a second map of the plan before; each follows the other.
  let twin = null;
  let twinMarks = null;
  const follow = (leader, follower) => leader.on("move zoomend", () => {
    if (!twin || follower.following) return;
    leader.following = true;
    follower.setView(leader.getCenter(), leader.getZoom(), { animate: false });
    leader.following = false;
  });
  function openTwin() {
    const box = element("div", { class: "gp-twin", role: "region", "aria-label": word("review_before") },
      element("b", { class: "gp-side-name" }, word("review_before")));
    map.getContainer().after(box);
    twin = L.map(box, { zoomControl: false, attributionControl: false, minZoom: map.getMinZoom(), maxZoom: map.getMaxZoom() });
    twin.setView(map.getCenter(), map.getZoom(), { animate: false });
    for (const [name, zIndex] of [["grids_before", 300], ["names", 425], ["labels_before", 430]]) {
      twin.createPane(name).style.zIndex = zIndex;
      twin.getPane(name).style.pointerEvents = "none";
    }
    for (const layer of GridcircleBase.layers({ quiet: true, labelPane: "names" })) layer.addTo(twin);
    if (before !== null) Plan.tiles(before, { pane: "grids_before" }).addTo(twin);
    twinMarks = L.layerGroup().addTo(twin);
    const twinLabels = L.layerGroup().addTo(twin);
    twin.on("moveend", () => Gridcircle.guarded(async () => {
      twinLabels.clearLayers();
      if (twin.getZoom() < 15 || before === null || box.hidden) return;
      const features = await Plan.grids(before, `limit=500&bbox=${Plan.viewBox(twin)}`);
      twinLabels.clearLayers();
      for (const label of Plan.labelAll(twin, features).values()) {
        label.options.pane = "labels_before";
        label.addTo(twinLabels);
      }
    }));
    follow(map, twin);
    follow(twin, map);
  }
  return {
    layers, clip,
    /** Show the plans beside one another, or on one map with a line to drag. */
    beside(on) {
      if (on && !twin) openTwin();
      // The middle of what is seen: on a phone the sheet covers a part of the map.
      const { x: width, y: height } = map.getSize();
      const covered = Gridcircle.isNarrow() && !document.body.classList.contains("gp-beside") ? Gridcircle.byId("gc-panel").offsetHeight : 0;
      const centre = map.containerPointToLatLng([width / 2, (height - covered) / 2]);
      document.body.classList.toggle("gp-beside", on);
      if (on && Gridcircle.isNarrow()) Gridcircle.byId("gc-panel").dataset.state = "low";
      map.getContainer().dataset.side = word("review_after");
      if (twin) twin.getContainer().hidden = !on;
      line.hidden = names.hidden = on;
      share = on ? 0 : 0.5;
      for (const each of [map, twin]) each?.invalidateSize({ pan: false, animate: false });
      map.setView(centre, map.getZoom(), { animate: false });
      twin?.setView(centre, map.getZoom(), { animate: false });
      clip();
      if (on) map.fire("twin", { marks: twinMarks });
    },
  };
};

/** Totals of two plans side by side, with what has changed. */
GridcirclePlan.totals = function (target, { before = {}, after = {} }, moved, limits = {}) {
  const { word, element, number } = Gridcircle;
  const rows = ["grids", "households", "people", "buildings", "broken"].filter((key) => key in after || key in before);
  const change = (a, b) => {
    const by = (b || 0) - (a || 0);
    return by ? `${by > 0 ? "+" : "−"}${number(Math.abs(by))}` : word("totals_same");
  };
  const limitRows = ["households", "people"].filter((key) => limits.before && limits.before[key] !== limits.after[key]);
  const sum = (key) => moved.reduce((total, one) => total + (one[key] || 0), 0);
  target.replaceChildren(
    element("table", {},
      element("thead", {}, element("tr", {}, element("th", {}), ...["totals_before", "totals_after", ""].map((key) =>
        element("th", { scope: "col", class: "gc-number" }, key ? word(key) : "")))),
      element("tbody", {}, ...rows.map((key) =>
        element("tr", {}, element("th", { scope: "row" }, word(key === "broken" ? "plan_broken_short" : key)),
          element("td", { class: "gc-number" }, number(before[key])),
          element("td", { class: "gc-number" }, element("b", {}, number(after[key]))),
          element("td", { class: "gc-number gp-delta" }, change(before[key], after[key])))),
      ...limitRows.map((key) =>
        element("tr", {}, element("th", { scope: "row" }, word(`plan_limit_${key}`)),
          element("td", { class: "gc-number" }, number(limits.before[key])),
          element("td", { class: "gc-number" }, element("b", {}, number(limits.after[key]))),
          element("td", { class: "gc-number gp-delta" }, change(limits.before[key], limits.after[key])))))),
    element("p", { class: "gc-note" }, word("moved_line", {
      buildings: number(moved.length), households: number(sum("households")), people: number(sum("people")) })));
};

/** The grids that change, each with its figures before and after; a click goes there. */
GridcirclePlan.changedList = function (target, grids, onclick) {
  const { word, element, number } = Gridcircle;
  const short = (code) => (code ? String(code).slice(-3) : "–");
  const side = (households) => (households === null || households === undefined ? "–" : word("n_homes", { n: number(households) }));
  const titles = {
    new: (grid) => word(grid.code_before ? "grid_new_from" : "grid_new", { grid: short(grid.code_after), other: short(grid.code_before) }),
    removed: (grid) => word(grid.code_after ? "grid_gone_to" : "grid_gone", { grid: short(grid.code_before), other: short(grid.code_after) }),
    changed: (grid) => short(grid.code_after),
  };
  target.replaceChildren(...(grids.length
    ? grids.map((grid) => {
        const over = (grid.kind_after ?? "base") === "base" && (grid.households_after || 0) > GridcirclePlan.limits.households;
        const notes = [];
        if (grid.change === "changed" && grid.name_before !== grid.name_after) notes.push(`${grid.name_before || "–"} → ${grid.name_after || "–"}`);
        if (grid.change === "changed" && grid.kind_before !== grid.kind_after) notes.push(`${word(`kind_${grid.kind_before}`)} → ${word(`kind_${grid.kind_after}`)}`);
        if (grid.change === "changed" && grid.branch_before !== grid.branch_after) notes.push(`${word("branch")} ${grid.branch_before || "–"} → ${grid.branch_after || "–"}`);
        if (grid.boundary_changed) notes.push(word("boundary_changed"));
        if ((grid.staff_before ?? 0) !== (grid.staff_after ?? 0)) {
          notes.push(`${word("review_staff")} ${number(grid.staff_before ?? 0)} → ${number(grid.staff_after ?? 0)}`);
        }
        return element("li", {}, element("button", { type: "button", onclick: () => onclick(grid) },
          element("b", { class: over ? "gp-alarm" : "" }, `${over ? "▲ " : ""}${titles[grid.change](grid)}`,
            grid.change === "changed" && grid.name_after ? element("span", { class: "gp-quiet" }, ` ${grid.name_after}`) : null),
          element("small", {}, [
            grid.change === "new" ? side(grid.households_after) : grid.change === "removed" ? side(grid.households_before)
              : `${side(grid.households_before)} → ${side(grid.households_after)}`, ...notes].join(" · "))));
      })
    : [element("li", { class: "gc-none" }, word("review_none_changed"))]));
};

/**
 * Outline the grids that change, each on its side of the line.
 *
 * @returns {(grid: object) => void} shows one of them
 */
GridcirclePlan.outlineChanges = function (map, told) {
  const Plan = GridcirclePlan;
  const MOST = 40; // communities; with more of them changed the colours have to do
  const known = [new Map(), new Map()];
  const read = async (index, community) => {
    const plan = index ? told.after : told.before;
    if (known[index].has(community)) return known[index].get(community);
    const features = new Map((await Plan.grids(plan, `community=${community}`)).map((f) => [f.id, f]));
    known[index].set(community, features);
    return features;
  };
  const drawn = L.layerGroup().addTo(map);
  const befores = []; // for the second map, which may be opened later
  let twinMarks = null;
  map.on("twin", ({ marks }) => {
    twinMarks = marks;
    marks.clearLayers();
    for (const one of befores) outline(one, "grids_before").addTo(marks);
  });
  const outline = (feature, pane) => feature.type === "Feature" && feature.geometry.type === "Point"
    ? L.circleMarker([feature.geometry.coordinates[1], feature.geometry.coordinates[0]], {
        interactive: false, pane, radius: 4.5, color: "#ffffff", weight: 1.5, fillColor: "#5b1a7a", fillOpacity: 1 })
    : L.geoJSON(feature, { interactive: false, pane, style: { color: "#5b1a7a", weight: 3.2, fill: false } });
  const draw = (feature, index) => {
    outline(feature, index ? "grids_after" : "grids_before").addTo(drawn);
    if (index) return;
    befores.push(feature);
    if (twinMarks) outline(feature, "grids_before").addTo(twinMarks);
  };
  const SHOWN = 2000; // buildings
  for (const { at } of told.moved.slice(0, SHOWN)) {
    for (const index of [0, 1]) draw({ type: "Feature", geometry: { type: "Point", coordinates: at } }, index);
  }
  const communities = [...new Set(told.grids.map((grid) => grid.community))];
  Gridcircle.guarded(async () => {
    if (communities.length > MOST) return;
    for (const index of [0, 1]) {
      const ids = new Set(told.grids.map((grid) => (index ? grid.grid_after : grid.grid_before)));
      for (const community of communities) {
        for (const feature of (await read(index, community)).values()) {
          if (!ids.has(feature.id)) continue;
          draw(feature, index);
        }
      }
    }
  });
  return (grid) => Gridcircle.guarded(async () => {
    const shapes = [];
    for (const [index, id] of [[0, grid.grid_before], [1, grid.grid_after]]) {
      const feature = id && (await read(index, grid.community)).get(id);
      if (feature) shapes.push(Plan.bounds(Plan.box(feature.geometry)));
    }
    if (shapes.length) Gridcircle.show(map, shapes.reduce((all, one) => all.extend(one)).pad(0.4));
  });
};
