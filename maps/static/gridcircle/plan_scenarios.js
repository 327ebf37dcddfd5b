/* Proposals side by side: a map each, moved together; one table of figures, the best marked. */
"use strict";

Gridcircle.begin = function (first) {
  const { byId, word, element, number, percent, page } = Gridcircle;
  const Plan = GridcirclePlan;
  const lang = page.language;
  const FIGURES = [
    ["grids", (v) => number(v), "bound"], ["exclusive", (v) => number(v)], ["within_limits", percent],
    ["households_over", (v) => number(v)], ["load_spread", percent, ""], ["compounds_split", (v) => number(v), ""],
    ["barrier_crossings", (v) => number(v)], ["compactness", (v) => number(v, 2), ""],
    ["moved", (v) => number(v), "moved_bound"], ["workers", (v) => number(v)],
    ["building_heads", (v) => number(v)], ["unit_heads", (v) => number(v)],
  ];
  const query = new URLSearchParams(location.search);
  let told = null;
  let plan = null; // the source, as its own page knows it
  let communities = [];
  let design = null;
  let chosen = []; // base grids of the source, to be re-balanced
  const views = new Map(); // by plan: its map, layers and card
  const box = first.getContainer();

  Plan.legend(byId("gp-legend"));

  /** What a proposal is called here: its scenario, numbered where there are several of it. */
  function title(one) {
    if (!one.made) return one.name;
    const alike = told.plans.filter((other) => other.made?.scenario === one.made.scenario);
    const name = word(`scenario_${one.made.scenario}`);
    return alike.length > 1 ? `${name} ${alike.indexOf(one) + 1}` : name;
  }

  // Maps that move together.
  let leading = null;
  function follow(map) {
    map.on("move", () => {
      if (leading && leading !== map) return;
      leading = map;
      for (const { map: other } of views.values()) {
        if (other !== map) other.setView(map.getCenter(), map.getZoom(), { animate: false });
      }
      leading = null;
    });
  }

  function makeMap(container) {
    const map = L.map(container, { zoomControl: false, minZoom: 8, maxZoom: 19, attributionControl: false });
    map.createPane("names").style.zIndex = 425;
    map.getPane("names").style.pointerEvents = "none";
    for (const layer of GridcircleBase.layers({ quiet: true, labelPane: "names" })) layer.addTo(map);
    map.setView(first.getCenter(), first.getZoom(), { animate: false });
    return map;
  }

  function view(one, index) {
    let known = views.get(one.plan);
    if (!known) {
      const holder = index ? element("div", { class: "gs-map" }) : box;
      const caption = element("figcaption", {});
      known = { caption, figure: element("figure", { class: "gs-card" }, holder, caption), holder };
      byId("gs-maps").append(known.figure);
      known.map = index ? makeMap(holder) : first;
      known.map.getPane("names").style.zIndex = 425;
      known.map.createPane("grids").style.zIndex = 300;
      known.map.createPane("chosen").style.zIndex = 320;
      known.chosen = L.layerGroup().addTo(known.map);
      known.labels = L.layerGroup().addTo(known.map);
      known.map.scrollWheelZoom.disable(); // the page scrolls; the buttons and two fingers zoom
      follow(known.map);
      known.map.on("moveend", () => Gridcircle.guarded(() => readLabels(one.plan)));
      views.set(one.plan, known);
    }
    known.layer?.remove();
    known.layer = Plan.tiles(one.plan, { pane: "grids", version: `${one.plan}-${told.limits.households}-${told.limits.people}` }).addTo(known.map);
    known.caption.replaceChildren(...captionOf(one));
    return known;
  }

  function captionOf(one) {
    const link = (path, text, main) => element("a", { class: main ? "gc-button" : "gp-action", href: path }, text);
    const made = one.made;
    return [
      element("h2", {}, title(one), Plan.stateTag(one.state)),
      element("p", { class: "gc-note" }, made
        ? [word(`design_preset_${made.preset}`), word("scenarios_limits", { households: number(made.limits.households), people: number(made.limits.people) }),
          word("scenarios_by", { author: made.author, time: Plan.time(made.finished_at) })].join(" · ")
        : word(one.role === "source" ? "scenarios_source" : "scenarios_draft")),
      made && !made.complete ? element("p", { class: "gc-note" }, word("scenarios_early")) : null,
      element("div", { class: "gp-actions" },
        link(`/plans/${one.plan}/edit?lang=${lang}`, word("scenarios_edit")),
        one.role !== "source" ? link(`/plans/${one.plan}/compare?with=${told.source.id}&lang=${lang}`, word("scenarios_compare")) : null,
        made ? link(`/plans/${page.plan === one.plan ? told.source.id : page.plan}/edit?take=${one.plan}&lang=${lang}`, word("scenarios_take"), true) : null),
    ].filter(Boolean);
  }

  const asking = new Map();
  async function readLabels(id) {
    const { map, labels } = views.get(id);
    asking.get(id)?.abort();
    const control = new AbortController();
    asking.set(id, control);
    if (map.getZoom() < 15) {
      labels.clearLayers();
      return;
    }
    const features = await Plan.grids(id, `limit=300&bbox=${Plan.viewBox(map)}`, { signal: control.signal });
    labels.clearLayers();
    for (const label of Plan.labelAll(map, features).values()) label.addTo(labels);
  }

  // The table.
  function table() {
    const { plans, best } = told;
    const rows = FIGURES.map(([name, shown, bound]) => {
      const note = bound === undefined ? null
        : word(`figure_${name}_note`, bound ? { n: number(told[bound]) } : {});
      return element("tr", {},
        element("th", { scope: "row" }, word(`figure_${name}`), note ? element("small", {}, note) : null),
        ...plans.map((one) => {
          const value = one.figures[name];
          const isBest = best[name]?.includes(one.plan);
          const bad = value > 0 && name === "households_over";
          return element("td", { class: `gc-number${isBest ? " gs-best" : ""}${bad ? " gp-alarm" : ""}`, "data-plan": one.plan },
            value === null ? "–" : shown(value),
            isBest ? element("span", { class: "gs-mark", title: word("scenarios_best") }, "★", element("span", { class: "gs-hidden" }, word("scenarios_best"))) : null);
        }));
    });
    byId("gs-table").replaceChildren(element("table", { id: "gs-figures" },
      element("caption", {}, `${word("scenarios_limits", { households: number(told.limits.households), people: number(told.limits.people) })} · ★ ${word("scenarios_best")}`),
      element("thead", {}, element("tr", {}, element("td", {}), ...plans.map((one) => element("th", { scope: "col", class: "gc-number" }, title(one))))),
      element("tbody", {}, ...rows)));
    const reasons = plans.flatMap((one) => (one.made?.reasons || []).map((reason) =>
      element("li", {}, `${title(one)} · ${reason.community} · ${lang === "zh" ? reason.message_zh : reason.message}`)));
    byId("gs-reasons").hidden = !reasons.length;
    byId("gs-reasons").replaceChildren(element("h2", {}, word("scenarios_reasons")), element("ul", { class: "gp-rules" }, ...reasons.slice(0, 60)));
  }

  function head() {
    const where = element("select", { id: "gs-where" });
    const wanted = query.get("community") || "";
    Gridcircle.options(where, [["", word("scenarios_all_designed")], ...told.communities.map((one) => [one.id, one.name])], wanted);
    where.addEventListener("change", () => {
      if (where.value) query.set("community", where.value);
      else query.delete("community");
      Gridcircle.remember(Object.fromEntries([...query].filter(([key]) => key !== "lang")));
      Gridcircle.guarded(async () => {
        await read();
        goTo();
      });
    });
    byId("gs-head").replaceChildren(
      element("a", { class: "gp-back", href: `/plans?lang=${lang}` }, word("plans_back")),
      element("h1", { class: "gp-name" }, word("scenarios_title", { plan: told.source.name })),
      element("p", { class: "gc-hint" }, word(told.plans.length > 1 ? "scenarios_hint" : "scenarios_none")));
    byId("gs-ask").replaceChildren(
      element("label", { class: "gc-field" }, word("scenarios_measured"), where),
      element("button", { type: "button", class: "gp-action", id: "gs-print", onclick: () => window.print() }, word("scenarios_print")));
  }

  /** Show what is measured on all maps. */
  function goTo() {
    const inside = communities.filter((one) => told.communities.some((known) => known.measured && known.id === one.id));
    if (!inside.length) return;
    const bounds = inside.map((one) => Plan.bounds(one.bounds)).reduce((all, one) => all.extend(one));
    first.fitBounds(bounds, { padding: [6, 6], maxZoom: 17, animate: false });
  }

  async function read() {
    const asked = new URLSearchParams([...query].filter(([key]) => ["community", "households", "people"].includes(key)));
    told = await Plan.ask(page.plan, `/scenarios?${asked}`, { quiet: false });
    Plan.setLimits(told.limits);
    head();
    const shown = new Set(told.plans.map((one) => one.plan));
    for (const [id, gone] of [...views]) {
      if (shown.has(id)) continue;
      gone.map.remove();
      gone.figure.remove();
      views.delete(id);
    }
    byId("gs-maps").style.setProperty("--gs-columns", String(Math.min(4, told.plans.length))); // on paper
    told.plans.forEach(view);
    for (const { map } of views.values()) map.invalidateSize({ animate: false });
    table();
  }

  // Re-balancing: which grids, from the first map.
  function drawChosen() {
    const { chosen: layer } = views.get(told.source.id);
    layer.clearLayers();
    for (const feature of chosen) {
      L.geoJSON(feature, { pane: "chosen", interactive: false, style: { color: "#5b1a7a", weight: 4, fillOpacity: 0.1 } }).addTo(layer);
    }
    design?.sync();
  }
  first.on("click", ({ latlng: { lng, lat } }) => Gridcircle.guarded(async () => {
    const near = await Plan.grids(told.source.id,
      `limit=20&bbox=${[lng - 1e-7, lat - 1e-7, lng + 1e-7, lat + 1e-7].map((v) => v.toFixed(8)).join(",")}`);
    const found = near.find((feature) => Plan.contains(feature.geometry, [lng, lat]));
    if (!found || found.properties.kind !== "base") return;
    const home = chosen[0]?.properties.community;
    if (home !== undefined && home !== found.properties.community) chosen = [];
    chosen = chosen.some((one) => one.id === found.id) ? chosen.filter((one) => one.id !== found.id) : [...chosen, found];
    drawChosen();
  }));

  Gridcircle.guarded(async () => {
    await read();
    const source = told.source.id;
    const [known, parts] = await Promise.all([Plan.ask(source, ""), Plan.ask(source, "/communities")]);
    plan = known;
    communities = parts.communities;
    plan = { ...plan, limits: told.limits };
    goTo();
    byId("gp-design").append(element("p", { class: "gc-note" }, word("scenarios_pick")));
    design = Plan.design(byId("gp-design"), {
      id: source, plan: () => plan, communities: () => communities, selected: () => chosen,
      ended: () => Gridcircle.guarded(read),
      waiting: told.jobs[0]?.id,
    });
    if (told.plans.length === 1) byId("gp-design").open = true;
  });
};
