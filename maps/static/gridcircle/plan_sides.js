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
  panes.forEach((pane) => (pane.style.zIndex = 300));
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
  return { layers, clip };
};

/** Totals of two plans side by side, with what has changed. */
GridcirclePlan.totals = function (target, { before = {}, after = {} }, moved) {
  const { word, element, number } = Gridcircle;
  const rows = ["grids", "households", "people", "buildings", "broken"].filter((key) => key in after || key in before);
  const change = (a, b) => {
    const by = (b || 0) - (a || 0);
    return by ? `${by > 0 ? "+" : "−"}${number(Math.abs(by))}` : word("totals_same");
  };
  const sum = (key) => moved.reduce((total, one) => total + (one[key] || 0), 0);
  target.replaceChildren(
    element("table", {},
      element("thead", {}, element("tr", {}, element("th", {}), ...["totals_before", "totals_after", ""].map((key) =>
        element("th", { scope: "col", class: "gc-number" }, key ? word(key) : "")))),
      element("tbody", {}, ...rows.map((key) =>
        element("tr", {}, element("th", { scope: "row" }, word(key === "broken" ? "plan_broken_short" : key)),
          element("td", { class: "gc-number" }, number(before[key])),
          element("td", { class: "gc-number" }, element("b", {}, number(after[key]))),
          element("td", { class: "gc-number gp-delta" }, change(before[key], after[key])))))),
    element("p", { class: "gc-note" }, word("moved_line", {
      buildings: number(moved.length), households: number(sum("households")), people: number(sum("people")) })));
};

/** The grids that change, each with its figures before and after; a click goes there. */
GridcirclePlan.changedList = function (target, grids, onclick) {
  const { word, element, number } = Gridcircle;
  const code = (text) => (text ? String(text).slice(-3) : "–");
  const side = (households) => (households === null || households === undefined ? "–" : word("n_homes", { n: number(households) }));
  target.replaceChildren(...(grids.length
    ? grids.map((grid) => {
        const title = !grid.code_before
          ? `${code(grid.code_after)} · ${word("grid_new")}`
          : !grid.code_after
            ? `${code(grid.code_before)} · ${word("grid_gone")}`
            : code(grid.code_before) === code(grid.code_after)
              ? code(grid.code_after)
              : `${code(grid.code_before)} → ${code(grid.code_after)}`;
        const over = (grid.households_after || 0) > GridcirclePlan.limits.households;
        return element("li", {}, element("button", { type: "button", onclick: () => onclick(grid) },
          element("b", { class: over ? "gp-alarm" : "" }, `${over ? "▲ " : ""}${title}`, grid.community ? ` · ${grid.community}` : ""),
          element("small", {}, `${side(grid.households_before)} → ${side(grid.households_after)}`,
            ...GridcirclePlan.staffChange(grid))));
      })
    : [element("li", { class: "gc-none" }, word("review_none_changed"))]));
};
GridcirclePlan.staffChange = function (grid) {
  const { word, number } = Gridcircle;
  const before = grid.staff_before || {};
  const after = grid.staff_after || {};
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((role) => (before[role] || 0) !== (after[role] || 0));
  return changed.map((role) => ` · ${word(`staff_${role}`)} ${number(before[role] || 0)} → ${number(after[role] || 0)}`);
};

/** Show a changed grid: where it lies in the later plan, or lay in the earlier one. */
GridcirclePlan.goTo = function (map, grid, plan) {
  const Plan = GridcirclePlan;
  return Gridcircle.guarded(async () => {
    if (grid.bounds) {
      Gridcircle.show(map, Plan.bounds(grid.bounds).pad(0.4));
      return;
    }
    const told = await Plan.ask(plan, `/grids?code=${grid.code_after || grid.code_before}&limit=1`);
    if (told.features.length) Gridcircle.show(map, Plan.bounds(Plan.box(told.features[0].geometry)).pad(0.4));
  });
};
