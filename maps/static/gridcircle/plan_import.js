/* What an import made of a file: both sides on the map, what was mended, what somebody must decide. */
"use strict";

Gridcircle.begin = function (map) {
  const { byId, word, element, number, page } = Gridcircle;
  const Plan = GridcirclePlan;
  const id = page.plan;
  const FROM_ZOOM = 14; // below, a district's boundaries are one grey, and what is mended hides what is not
  const SHAPES_FROM = 15; // below, a mended place is a ring, and boundaries need no decimetres
  const MOST = 2500; // of each side in view
  const LISTED = 200;
  const PAGE = 100; // of the list of places to decide
  const DONE = "#2e6b3f";
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
  let plan = null;
  let added = new Set();
  let looks = { of: 0, left: 0 };
  let conflicts = [];
  let listed = []; // undecided places in the list, in order
  let openOnly = false;
  let follow = null;

  const canTick = () => plan.state === "draft" || plan.state === "review";
  const short = (code) => (code ? String(code).slice(-3) : "–");
  const names = (codes) => codes.map((code) => (String(code).length > 12 ? short(code) : code)).join(page.language === "zh" ? "、" : ", ");

  // The map.
  async function read() {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    const box = Plan.viewBox(map);
    const near = map.getZoom() >= FROM_ZOOM;
    const fine = map.getZoom() >= SHAPES_FROM;
    const query = `limit=${MOST}&bbox=${box}`;
    const ask = (path) => Plan.ask(id, path, { signal });
    const [came, repaired, places] = await Promise.all([
      near && view !== "repaired" ? ask(`/import/grids?side=came&coarse=${!fine}&${query}`) : { features: [] },
      near && view !== "came" ? ask(`/import/grids?side=repaired&coarse=${!fine}&${query}`) : { features: [] },
      ask(`/import/places?points=${!fine}${near ? "" : "&decided=false"}&${query}`),
    ]);
    if (signal.aborted) return;
    const tooMany = [came, repaired].some((side) => side.features.length >= MOST);
    if (tooMany) came.features = repaired.features = []; // some of them only would look like all
    byId("gp-zoom-in").hidden = near && !tooMany;
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
      const { rule, decided, at, looked_at: looked } = feature.properties;
      if (looked && openOnly) continue;
      const color = COLOURS[rule];
      if (!fine && !decided) {
        L.circleMarker([at[1], at[0]], { ...quiet, renderer: renderers.places, radius: 6, weight: looked ? 2 : 2.5,
          color: looked ? DONE : "#1b1b1b", fillColor: color, fillOpacity: looked ? 0.15 : 0.8 }).addTo(marks);
      }
      if (fine) L.geoJSON(feature, { ...quiet, renderer: renderers.places, style: looked
        ? { color: DONE, weight: 2, dashArray: "3 4", fillColor: color, fillOpacity: 0.15 }
        : { color: decided ? color : "#1b1b1b", weight: decided ? 2 : 3, fillColor: color, fillOpacity: 0.6 } }).addTo(marks);
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
    const bounds = Plan.bounds(feature.properties.bounds || Plan.box(feature.geometry));
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

  const editorAt = ([lon, lat]) => element("a", { class: "gp-place-edit",
    href: `/plans/${id}/edit?lang=${page.language}&at=${lon.toFixed(6)},${lat.toFixed(6)}`,
    title: word("import_in_editor"), "aria-label": word("import_in_editor") }, "✎");
  const lookedText = ({ looked_by: by, looked_at: at }) => word("import_looked_by", { author: by, time: Plan.time(at) });

  /** A box to tick: somebody has looked at this; unticked it is open again. */
  function tick(item, key) {
    if (!canTick()) return null;
    const box = element("input", { type: "checkbox", "aria-label": word("import_looked") });
    box.checked = Boolean(item.looked_at);
    box.addEventListener("change", () => {
      const looked = box.checked;
      box.disabled = true;
      Gridcircle.guarded(() => mark({ [key]: [key === "places" ? item.id : item.code] }, looked)).finally(() => {
        box.disabled = false;
        box.checked = Boolean(item.looked_at);
      });
    });
    return element("label", { class: "gp-tick", title: word("import_looked") }, box);
  }

  function placeRow(feature, place) {
    const about = feature.properties;
    return element("li", { class: about.looked_at ? "gp-looked" : "" }, element("button", { type: "button", onclick: () => goTo(feature) },
      element("b", {}, dot(about.rule), `${place ? `${place}. ` : ""}${word(`import_rule_${about.rule}`)} · ${did(about, added)}`),
      element("small", {}, [about.community_name, size(about)].filter(Boolean).join(" · ")),
      about.looked_at ? element("small", { class: "gp-looked-by" }, `✓ ${lookedText(about)}`) : null),
    place ? editorAt(about.at) : null,
    place ? tick({ ...about, id: feature.id }, "places") : null);
  }
  const none = (key) => element("li", { class: "gc-none" }, word(key));

  // What is left to look at.
  /** Somebody else has ticked something off, or sent the plan on: read what holds now. */
  async function others(changes) {
    if (!changes.some(({ kind }) => kind === "look" || kind === "state")) return;
    try {
      const [about, told] = await Promise.all([Plan.ask(id, ""), Plan.ask(id, "/import?listed=0")]);
      plan = about;
      looks = told.looks;
      conflicts = told.conflicts;
      Plan.head(byId("gp-head"), plan, "import");
      showLooks();
      showConflicts();
      const shown = listed.length;
      await readPlaces();
      while (rest && listed.length < shown) await readPlaces(listed[listed.length - 1].id);
      refresh();
    } catch {
      // The next change, or the next thing done here, shows it.
    }
  }
  function showLooks() {
    const { of, left } = looks;
    byId("gp-looks").hidden = !of;
    byId("gp-filter").hidden = !of;
    byId("gp-looks").replaceChildren(
      element("p", { class: left ? "" : "gp-all-looked" }, element("b", {}, left ? word("import_left", { left: number(left), of: number(of) })
        : word("import_left_none", { of: number(of) }))),
      element("progress", { max: of || 1, value: of - left, "aria-label": word("import_looked") }));
    const open = byId("gp-open-places");
    if (open) {
      open.textContent = number(looks.open_places);
      open.parentElement.classList.toggle("gp-alarm", looks.open_places > 0);
    }
    byId("gp-filter").replaceChildren(...[false, true].map((only) =>
      element("button", { type: "button", "aria-pressed": String(openOnly === only), onclick: () => {
        openOnly = only;
        showLooks();
        showConflicts();
        refresh();
        Gridcircle.guarded(() => readPlaces());
      } }, only ? word("import_filter_open", { n: number(left) }) : word("import_filter_all", { n: number(of) }))));
  }

  function showPlaces(rest) {
    byId("gp-undecided").replaceChildren(...(listed.length ? listed.map((feature, index) => placeRow(feature, index + 1))
      : [none(openOnly && looks.of ? "import_open_none" : "import_undecided_none")]));
    pins.clearLayers();
    listed.forEach((feature, index) => {
      const [lon, lat] = feature.properties.at;
      const done = Boolean(feature.properties.looked_at);
      L.marker([lat, lon], { title: word(`import_rule_${feature.properties.rule}`), zIndexOffset: done ? 0 : 500,
        icon: L.divIcon({ className: `gp-pin ${done ? "gp-pin-done" : "gp-pin-open"}`, html: element("span", {}, done ? "✓" : String(index + 1)), iconSize: [30, 30] }) })
        .on("click", () => {
          goTo(feature);
          byId("gp-undecided").children[index]?.scrollIntoView({ block: "nearest" });
        }).addTo(pins);
    });
    const open = listed.filter((feature) => !feature.properties.looked_at);
    byId("gp-undecided-more").replaceChildren(...[
      rest ? element("button", { type: "button", class: "gp-action", id: "gp-more", onclick: () => Gridcircle.guarded(() => readPlaces(listed[listed.length - 1].id)) },
        word("import_show_more", { n: number(PAGE) })) : null,
      canTick() && open.length > 1 ? element("button", { type: "button", class: "gp-action", id: "gp-look-all", onclick: () => {
        if (window.confirm(word("import_look_all_sure", { n: number(open.length) }))) {
          Gridcircle.guarded(() => mark({ places: open.map((feature) => feature.id) }, true));
        }
      } }, word("import_look_all", { n: number(open.length) })) : null,
    ].filter(Boolean));
  }
  let rest = false;
  /** The places to decide, a page at a time; after the one with this id, or anew. */
  async function readPlaces(after = null) {
    const query = `decided=false&points=true&limit=${PAGE}${openOnly ? "&looked=false" : ""}${after === null ? "" : `&after=${after}`}`;
    const { features } = await Plan.ask(id, `/import/places?${query}`);
    listed = after === null ? features : [...listed, ...features];
    rest = features.length === PAGE;
    showPlaces(rest);
  }

  /** Tick off, or open again; what came back is shown where it stands, so that nothing jumps. */
  async function mark(items, looked) {
    const done = await follow.writing(() => Plan.ask(id, "/import/looks", { body: { ...items, looked }, quiet: false }));
    const places = new Map(done.places.map((one) => [one.id, one]));
    for (const feature of listed) {
      const now = places.get(feature.id);
      if (now) Object.assign(feature.properties, { looked_by: now.looked_by, looked_at: now.looked_at });
    }
    const codes = new Map(done.conflicts.map((one) => [one.code, one]));
    for (const one of conflicts) Object.assign(one, codes.get(one.code));
    looks = done.looks;
    showLooks();
    showPlaces(rest);
    showConflicts();
    refresh();
  }

  const fileDid = (change) => word(`import_file_${change || "same"}`);
  function showConflicts() {
    const shown = conflicts.filter((one) => !openOnly || !one.looked_at);
    byId("gp-conflicts").replaceChildren(...(shown.length
      ? shown.map((one) => element("li", { class: one.looked_at ? "gp-looked" : "" },
          element("button", { type: "button", onclick: () => Gridcircle.guarded(() => goToGrid(one.code)) },
            element("b", { class: one.in_file && !one.looked_at ? "gp-alarm" : "" }, `${one.in_file ? "▲ " : ""}${short(one.code)}`),
            element("small", {}, word("import_conflict", { did: word(`did_${one.kind}`), author: one.author, time: Plan.time(one.at) })),
            element("small", {}, word("import_conflict_file", { what: fileDid(one.in_file) })),
            one.looked_at ? element("small", { class: "gp-looked-by" }, `✓ ${lookedText(one)}`) : null),
          one.point ? editorAt(one.point) : null,
          tick(one, "conflicts")))
      : [none(conflicts.length ? "import_open_none" : "import_none")]));
  }

  function showReport(told) {
    added = new Set(told.added);
    conflicts = told.conflicts;
    looks = told.looks;
    const count = (decided) => told.places.filter((one) => one.decided === decided).reduce((sum, one) => sum + one.places, 0);
    const [mended, open] = [count(true), count(false)];
    const figure = (value, key, alarm = false) => element("div", { class: alarm && value ? "gp-alarm" : "" },
      element("dd", {}, number(value)), element("dt", {}, word(key)));
    byId("gp-about").replaceChildren(
      element("p", { class: "gc-note" }, word("import_from", { file: told.file, author: told.author, time: Plan.time(told.at), n: number(told.tolerance_m, 1) })),
      element("dl", { class: "gc-figures gp-figures" }, figure(told.grids.came, "import_came"), figure(told.grids.repaired, "import_repaired"),
        figure(mended, "import_mended"),
        element("div", {}, element("dd", { id: "gp-open-places" }, number(looks.open_places)), element("dt", {}, word("import_open_places")))),
      element("div", { class: "gp-actions" }, element("a", { class: "gc-button", href: `/plans/${id}/edit?lang=${page.language}` }, word("import_continue"))));
    byId("gp-undecided-count").textContent = open ? number(open) : "";
    byId("gp-undecided-hint").hidden = !open;
    byId("gp-mended-count").textContent = mended ? number(mended) : "";

    const based = told.based_on;
    byId("gp-conflict-part").hidden = !based;
    byId("gp-conflict-hint").hidden = !told.conflicts.length;
    byId("gp-conflict-count").textContent = told.conflicts.length ? number(told.conflicts.length) : "";
    showConflicts();
    byId("gp-file-count").textContent = told.changed_in_file.length ? number(told.changed_in_file.length) : "";
    byId("gp-file").replaceChildren(...(told.changed_in_file.length
      ? told.changed_in_file.map((one) => element("li", {}, element("button", { type: "button", onclick: () => Gridcircle.guarded(() => goToGrid(one.code)) },
          element("b", {}, short(one.code)), element("small", {}, fileDid(one.in_file)))))
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
    showLooks();
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
    legendRow(swatch({ border: "3px solid #1b1b1b" }), word("import_legend_undecided")),
    legendRow(swatch({ border: `2px dashed ${DONE}` }), word("import_legend_looked")));

  Gridcircle.guarded(async () => {
    const [about, told] = await Promise.all([Plan.ask(id, ""), Plan.ask(id, "/import?listed=0")]);
    plan = about;
    openOnly = new URLSearchParams(location.search).get("show") === "open";
    follow = Plan.follow(id, plan.seq || 0, others);
    Plan.setLimits(plan.limits);
    Plan.head(byId("gp-head"), plan, "import");
    if (plan.bounds) Gridcircle.show(map, Plan.bounds(plan.bounds));
    showReport(told);
    refresh(); // a move of the map reads anew and lets this one go
    await readPlaces();
    const mended = await Plan.ask(id, `/import/places?decided=true&points=true&limit=${LISTED}`);
    byId("gp-mended").replaceChildren(...(mended.features.length
      ? mended.features.map((feature) => placeRow(feature, 0)) : [none("import_places_none")]),
    ...(mended.features.length === LISTED ? [element("li", { class: "gc-none" }, word("import_more", { n: LISTED }))] : []));
  });
};
