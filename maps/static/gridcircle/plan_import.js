/* What an import made of a file: both sides on the map, what was mended, what somebody must decide. */
"use strict";

Gridcircle.begin = function (map) {
  const { byId, word, element, number, page } = Gridcircle;
  const Plan = GridcirclePlan;
  const id = page.plan;
  const FROM_ZOOM = 13;
  const MOST = 2500; // of each side in view
  const LISTED = 200;
  const COLOURS = { gap: "#b5302b", overlap: "#7c3aad", outside: "#4d5b69", pieces: "#0e7490" };
  const CAME = "#c2410c";
  const REPAIRED = "#0b5394";
  map.getPane("names").style.zIndex = 425;
  for (const [name, zIndex] of [["repaired", 400], ["came", 405], ["places", 415]]) {
    map.createPane(name).style.zIndex = zIndex;
    map.getPane(name).style.pointerEvents = "none";
  }
  const renderers = Object.fromEntries(["repaired", "came", "places"].map((pane) => [pane, L.canvas({ pane, padding: 0.2 })]));
  const sides = { came: L.layerGroup().addTo(map), repaired: L.layerGroup().addTo(map) };
  const labels = L.layerGroup().addTo(map);
  const marks = L.layerGroup().addTo(map);
  const pins = L.layerGroup().addTo(map);
  const chosen = L.layerGroup().addTo(map);
  let view = "both";
  let asking = null;

  const short = (code) => (code ? String(code).slice(-3) : "–");
  const names = (codes) => codes.map((code) => (String(code).length > 12 ? short(code) : code)).join(page.language === "zh" ? "、" : ", ");

  // The map.
  async function read() {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    const box = Plan.viewBox(map);
    const near = map.getZoom() >= FROM_ZOOM;
    const ask = (path) => Plan.ask(id, path, { signal });
    const [came, repaired, places] = await Promise.all([
      near && view !== "repaired" ? ask(`/import/grids?side=came&limit=${MOST}&bbox=${box}`) : { features: [] },
      near && view !== "came" ? ask(`/import/grids?side=repaired&limit=${MOST}&bbox=${box}`) : { features: [] },
      ask(`/import/places?limit=${MOST}&bbox=${box}`),
    ]);
    if (signal.aborted) return;
    for (const group of [...Object.values(sides), labels, marks]) group.clearLayers();
    const quiet = { interactive: false, smoothFactor: 0.5 };
    L.geoJSON(repaired, { ...quiet, renderer: renderers.repaired, style: ({ properties }) => ({
      color: REPAIRED, weight: 1.8, fillColor: properties.changed ? "#f6d978" : "#dcebf7", fillOpacity: properties.changed ? 0.5 : 0.35,
    }) }).addTo(sides.repaired);
    L.geoJSON(came, { ...quiet, renderer: renderers.came, style: {
      color: CAME, weight: view === "came" ? 2 : 1.5, dashArray: view === "came" ? null : "6 5",
      fill: view === "came", fillColor: CAME, fillOpacity: 0.1,
    } }).addTo(sides.came);
    const close = map.getZoom() >= 17;
    for (const feature of places.features) {
      const { rule, decided, at } = feature.properties;
      const color = COLOURS[rule];
      L.geoJSON(feature, { ...quiet, renderer: renderers.places, style: {
        color: decided ? color : "#1b1b1b", weight: decided ? 2 : 3, fillColor: color, fillOpacity: 0.6 } }).addTo(marks);
      if (decided && !close) {
        // A sliver is thinner than a pixel: a ring says where it is.
        L.circleMarker([at[1], at[0]], { ...quiet, renderer: renderers.places, radius: 5, color, weight: 2, fill: false }).addTo(marks);
      }
    }
    const shown = view === "came" ? came.features : repaired.features;
    if (map.getZoom() >= 15 && shown.length <= 300) {
      for (const feature of shown) {
        const spot = Plan.labelPoint(feature.geometry);
        if (!spot || (spot.width / 360) * 256 * 2 ** map.getZoom() < 60) continue;
        const { code, new_code: now, name } = feature.properties;
        L.marker(spot.at, { interactive: false, keyboard: false, icon: L.divIcon({ className: "gp-label-at", iconSize: [0, 0],
          html: element("span", { class: "gp-label" }, element("b", {}, view === "came" ? (name || code) : short(now))) }) }).addTo(labels);
      }
    }
  }
  const refresh = () => Gridcircle.guarded(read);
  let timer = 0;
  map.on("moveend", () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, 120);
  });

  function goTo(feature) {
    chosen.clearLayers();
    const bounds = Plan.bounds(Plan.box(feature.geometry));
    L.rectangle(bounds.pad(0.25), { interactive: false, color: "#c2410c", weight: 2.5, dashArray: "4 4", fill: false }).addTo(chosen);
    Gridcircle.show(map, bounds.pad(0.6), { maxZoom: 19 });
    if (Gridcircle.isNarrow()) byId("gc-panel").dataset.state = "half";
  }
  async function goToGrid(code) {
    const told = await Plan.ask(id, `/import/grids?side=came&code=${encodeURIComponent(code)}`);
    const [feature] = told.features;
    if (feature) goTo(feature);
  }

  // The panel.
  const size = ({ area_m2: area, width_m: width }) =>
    word("import_size", { area: number(area, area < 10 ? 1 : 0), width: number(width, width < 10 ? 1 : 0) });
  function did({ rule, grids, given_to: to }, added) {
    const key = rule === "gap" && added.has(to) ? "gap_new" : rule;
    return word(`import_did_${key}`, { to: short(to), grids: names(grids) });
  }
  const dot = (rule) => element("i", { class: "gc-swatch", style: { background: COLOURS[rule] } });

  function placeRow(feature, added, place) {
    const about = feature.properties;
    const [lon, lat] = about.at;
    return element("li", {}, element("button", { type: "button", onclick: () => goTo(feature) },
      element("b", {}, dot(about.rule), `${place ? `${place}. ` : ""}${word(`import_rule_${about.rule}`)} · ${did(about, added)}`),
      element("small", {}, [about.community_name, size(about)].filter(Boolean).join(" · "))),
    place ? element("a", { class: "gp-place-edit", href: `/plans/${id}/edit?lang=${page.language}&at=${lon.toFixed(6)},${lat.toFixed(6)}`,
      title: word("import_in_editor"), "aria-label": word("import_in_editor") }, "✎") : null);
  }
  const none = (key) => element("li", { class: "gc-none" }, word(key));

  function showReport(told) {
    const added = new Set(told.added);
    const count = (decided) => told.places.filter((one) => one.decided === decided).reduce((sum, one) => sum + one.places, 0);
    const [mended, open] = [count(true), count(false)];
    const figure = (value, key, alarm = false) => element("div", { class: alarm && value ? "gp-alarm" : "" },
      element("dd", {}, number(value)), element("dt", {}, word(key)));
    byId("gp-about").replaceChildren(
      element("p", { class: "gc-note" }, word("import_from", { file: told.file, author: told.author, time: Plan.time(told.at), n: number(told.tolerance_m, 1) })),
      element("dl", { class: "gc-figures gp-figures" }, figure(told.grids.came, "import_came"), figure(told.grids.repaired, "import_repaired"),
        figure(mended, "import_mended"), figure(open, "import_open_places", true)),
      element("div", { class: "gp-actions" }, element("a", { class: "gc-button", href: `/plans/${id}/edit?lang=${page.language}` }, word("import_continue"))));
    byId("gp-undecided-count").textContent = open ? number(open) : "";
    byId("gp-undecided-hint").hidden = !open;
    byId("gp-undecided").replaceChildren(
      ...(open ? told.undecided.map((feature, index) => placeRow(feature, added, index + 1)) : [none("import_undecided_none")]),
      ...(open > told.undecided.length ? [element("li", { class: "gc-none" }, word("import_more", { n: number(told.undecided.length) }))] : []));
    told.undecided.forEach((feature, index) => {
      const [lon, lat] = feature.properties.at;
      L.marker([lat, lon], { title: word(`import_rule_${feature.properties.rule}`),
        icon: L.divIcon({ className: "gp-pin gp-pin-open", html: element("span", {}, String(index + 1)), iconSize: [30, 30] }) })
        .on("click", () => {
          goTo(feature);
          byId("gp-undecided").children[index]?.scrollIntoView({ block: "nearest" });
        }).addTo(pins);
    });
    byId("gp-mended-count").textContent = mended ? number(mended) : "";

    const based = told.based_on;
    byId("gp-conflict-part").hidden = !based;
    byId("gp-conflict-hint").hidden = !told.conflicts.length;
    byId("gp-conflict-count").textContent = told.conflicts.length ? number(told.conflicts.length) : "";
    const what = (change) => word(`import_file_${change || "same"}`);
    byId("gp-conflicts").replaceChildren(...(told.conflicts.length
      ? told.conflicts.map((one) => element("li", {}, element("button", { type: "button", onclick: () => Gridcircle.guarded(() => goToGrid(one.code)) },
          element("b", { class: one.in_file ? "gp-alarm" : "" }, `${one.in_file ? "▲ " : ""}${short(one.code)}`),
          element("small", {}, word("import_conflict", { did: word(`did_${one.kind}`), author: one.author, time: Plan.time(one.at) })),
          element("small", {}, word("import_conflict_file", { what: what(one.in_file) })))))
      : [none("import_none")]));
    byId("gp-file-count").textContent = told.changed_in_file.length ? number(told.changed_in_file.length) : "";
    byId("gp-file").replaceChildren(...(told.changed_in_file.length
      ? told.changed_in_file.map((one) => element("li", {}, element("button", { type: "button", onclick: () => Gridcircle.guarded(() => goToGrid(one.code)) },
          element("b", {}, short(one.code)), element("small", {}, what(one.in_file)))))
      : [none("import_changed_none")]));
    if (based) {
      byId("gp-based").replaceChildren(element("a", { class: "gp-action",
        href: `/plans/${id}/compare?with=${based}&lang=${page.language}` }, word("import_compare_based")));
    }

    const zh = page.language === "zh";
    const why = (one) => zh && one.reason_zh ? `：${one.reason_zh}。${one.remedy_zh}` : `: ${one.reason}. ${one.remedy}`;
    const part = (key, rows) => rows.length
      ? element("details", { class: "gc-terms" }, element("summary", {}, `${word(key)} · ${number(rows.length)}`),
          element("ul", { class: "gp-said-list" }, ...rows.slice(0, LISTED).map((row) => element("li", {}, row))))
      : null;
    byId("gp-rest").replaceChildren(...[
      part("import_branches", told.branches.map((one) =>
        word("import_branch", { branch: one.branch, grids: one.grids.map((codes) => names(codes)).join(" | ") }))),
      part("import_rejected", told.rejected.map((one) =>
        `${word("import_rejected_row", { row: one.row })} · ${zh && one.field === "geometry" ? "图形" : one.field}${one.value === "" ? "" : ` = ${one.value}`}${why(one)}`)),
      part("import_left_out", told.left_out),
      part("import_added", told.added),
      part("import_renamed", told.renamed.map(([before, after]) => `${before} → ${after}`)),
      part("import_left_columns", told.left_out_columns.map((one) => one.name)),
    ].filter(Boolean));
    return added;
  }

  function showViews() {
    byId("gp-view").replaceChildren(...["both", "came", "repaired"].map((one) =>
      element("button", { type: "button", "aria-pressed": String(view === one), onclick: () => {
        view = one;
        showViews();
        refresh();
      } }, word(`import_view_${one}`))));
  }
  showViews();
  const { swatch, legendRow } = Gridcircle;
  byId("gp-legend").replaceChildren(
    legendRow(swatch({ border: `2px dashed ${CAME}` }), word("import_legend_came")),
    legendRow(swatch({ border: `2px solid ${REPAIRED}`, background: "#dcebf7" }), word("import_legend_repaired")),
    legendRow(swatch({ border: `2px solid ${REPAIRED}`, background: "#f6d978" }), word("import_legend_changed")),
    ...Object.entries(COLOURS).map(([rule, background]) => legendRow(swatch({ background }), word(`import_rule_${rule}`))),
    legendRow(swatch({ border: "3px solid #1b1b1b" }), word("import_legend_undecided")));

  Gridcircle.guarded(async () => {
    const [plan, told] = await Promise.all([Plan.ask(id, ""), Plan.ask(id, "/import")]);
    Plan.setLimits(plan.limits);
    Plan.head(byId("gp-head"), plan, "import");
    if (plan.bounds) Gridcircle.show(map, Plan.bounds(plan.bounds));
    const added = showReport(told);
    refresh(); // a move of the map reads anew and lets this one go
    const mended = await Plan.ask(id, `/import/places?decided=true&limit=${LISTED}`);
    byId("gp-mended").replaceChildren(...(mended.features.length
      ? mended.features.map((feature) => placeRow(feature, added, 0)) : [none("import_places_none")]),
    ...(mended.features.length === LISTED ? [element("li", { class: "gc-none" }, word("import_more", { n: LISTED }))] : []));
  });
};
