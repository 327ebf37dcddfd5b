/* The list of plans: their states and figures, the one looked at on the map, new drafts. */
"use strict";

Gridcircle.begin = function (map) {
  const { byId, word, element, number } = Gridcircle;
  const Plan = GridcirclePlan;
  const lang = Gridcircle.page.language;
  map.createPane("grids").style.zIndex = 250;
  const FORMATS = [
    ["gpkg", "GeoPackage"], ["shp", "Shapefile"], ["shp-gbk", "Shapefile GBK"], ["geojson", "GeoJSON"],
    ["kml", "KML"], ["parquet", "GeoParquet"], ["xlsx", word("plan_ledger")],
  ];
  let plans = [];
  let shown = null;
  let layer = null;
  Plan.legend(byId("gp-legend"));

  function look(plan) {
    if (shown === plan.id) return;
    shown = plan.id;
    layer?.remove();
    layer = Plan.tiles(plan.id, { pane: "grids", version: plan.seq || 0 }).addTo(map);
    for (const card of byId("gp-plans").querySelectorAll("article")) {
      card.setAttribute("aria-current", String(Number(card.dataset.plan) === plan.id));
    }
  }

  async function archive(plan) {
    if (!window.confirm(word("plan_archive_sure", { name: plan.name }))) return;
    await Gridcircle.guarded(async () => {
      await Plan.ask(plan.id, "/state", { body: { to: "archived", comment: "" } });
      await read();
    });
  }

  function card(plan) {
    const to = (page, name) =>
      element("a", { class: "gp-action", href: `/plans/${plan.id}/${page}?lang=${lang}` }, name);
    const actions = [];
    if (plan.state === "draft") actions.push(to("edit", word("plan_edit_it")), to("review", word("plan_to_review")));
    if (plan.state === "review") actions.push(to("review", word("plan_review_it")), to("edit", word("plan_look")));
    if (plan.state === "published" || plan.state === "archived") actions.push(to("edit", word("plan_look")));
    if (plan.state !== "published") actions.push(to("compare", word("plan_to_compare")));
    if (plan.state !== "archived") actions.push(to("scenarios", word("plan_to_scenarios")));
    if (plan.imported) actions.push(to("import", word("plan_import_result")));
    actions.push(element("button", { type: "button", class: "gp-action", onclick: () => openForm(plan) }, word("plan_copy")));
    if (plan.state === "draft") {
      actions.push(element("button", { type: "button", class: "gp-action gp-quiet", onclick: () => archive(plan) }, word("plan_archive")));
    }
    const when = plan.published_at
      ? word("plan_published_at", { time: Plan.time(plan.published_at) })
      : word("plan_created_at", { time: Plan.time(plan.created_at) });
    const from = plans.find((other) => other.id === plan.based_on);
    const files = element("details", { class: "gp-files" }, element("summary", {}, word("plan_export")),
      element("p", { class: "gp-actions" }, ...FORMATS.map(([format, name]) =>
        element("a", { class: "gp-action", href: `/api/v1/plans/${plan.id}/export?format=${format}`, download: true }, name))));
    return element("article", { class: "gc-card gp-plan", "data-plan": plan.id, onclick: () => look(plan) },
      element("header", {}, element("h2", {}, plan.name), Plan.stateTag(plan.state)),
      element("p", { class: "gc-note" }, [when, from ? word("plan_from", { name: from.name }) : null].filter(Boolean).join(" · ")),
      element("p", { class: "gp-line" },
        ...[["grids", plan.grids], ["households", plan.households], ["people", plan.people]].map(([name, value]) =>
          element("span", {}, element("b", {}, number(value)), ` ${word(name)}`)),
        plan.broken
          ? element("span", { class: "gp-alarm" }, element("b", {}, `▲ ${number(plan.broken)}`), ` ${word("plan_broken_short")}`)
          : element("span", { class: "gp-fine" }, word("plan_none_broken"))),
      element("div", { class: "gp-actions" }, ...actions), files);
  }

  function openForm(source) {
    const form = byId("gp-form");
    const published = plans.find((plan) => plan.state === "published");
    const name = element("input", { type: "text", id: "gp-form-name", required: true, maxlength: "80",
      value: word("plan_new_name", { date: new Date().toLocaleDateString(lang === "zh" ? "zh-CN" : "en") }) });
    const choices = [
      ...(published ? [["published", word("plan_source_published", { name: published.name })]] : []),
      ["empty", word("plan_source_empty")],
      ...plans.filter((plan) => plan.state !== "published").map((plan) => [String(plan.id), plan.name]),
    ];
    const select = element("select", { id: "gp-form-source" });
    Gridcircle.options(select, choices,
      source && source.state !== "published" ? source.id : published ? "published" : "empty");
    // Left empty, a limit is as in the source.
    const limit = (which) => element("input", { type: "number", id: `gp-form-${which}`, min: "1", step: "1",
      max: which === "people" ? "1000000" : "100000", inputmode: "numeric", placeholder: word("plan_limit_same") });
    const [households, people] = [limit("households"), limit("people")];
    form.replaceChildren(
      element("label", { class: "gc-field", for: "gp-form-name" }, word("plan_name"), name),
      element("label", { class: "gc-field", for: "gp-form-source" }, word("plan_source"), select),
      element("label", { class: "gc-field", for: "gp-form-households" }, word("plan_limit_households"), households),
      element("label", { class: "gc-field", for: "gp-form-people" }, word("plan_limit_people"), people),
      element("div", { class: "gp-actions" },
        element("button", { type: "submit", class: "gc-button" }, word("plan_make")),
        element("button", { type: "button", class: "gp-action", onclick: () => (form.hidden = true) }, word("cancel"))));
    form.onsubmit = (event) => {
      event.preventDefault();
      const chosen = select.value;
      Gridcircle.guarded(async () => {
        const made = await Gridcircle.ask("/api/v1/plans", {
          body: {
            name: name.value.trim(), source: /^\d+$/.test(chosen) ? { plan: Number(chosen) } : chosen,
            limits: { households: Number(households.value) || null, people: Number(people.value) || null },
          },
        });
        location.href = `/plans/${made.id}/edit?lang=${lang}`;
      });
    };
    form.hidden = false;
    byId("gp-new").scrollIntoView({ block: "nearest" });
    name.focus();
    name.select();
  }
  byId("gp-import").addEventListener("click", () => GridcirclePlan.upload(byId("gp-form")));
  byId("gp-nets").addEventListener("click", () => GridcirclePlan.mergeNets(map, byId("gp-form"), plans));
  byId("gp-new").addEventListener("click", async () => {
    await known; // the form offers the plans there are
    openForm(null);
  });

  async function read() {
    plans = (await Gridcircle.ask("/api/v1/plans")).plans;
    const order = ["published", "review", "draft", "archived"];
    plans.sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || b.id - a.id);
    const list = byId("gp-plans");
    byId("gp-nets").hidden = plans.length < 2;
    if (!plans.length) {
      list.replaceChildren(element("div", { class: "gc-card gp-empty" },
        element("p", {}, word("plans_empty")), element("p", { class: "gc-note" }, word("plans_empty_hint"))));
      return;
    }
    list.replaceChildren(...order.flatMap((state) => {
      const some = plans.filter((plan) => plan.state === state);
      return some.length ? [element("h2", {}, word(`plans_${state}`)), ...some.map(card)] : [];
    }));
    look(plans[0]);
  }
  const known = Gridcircle.guarded(read);
};
