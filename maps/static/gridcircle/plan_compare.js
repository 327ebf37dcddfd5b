/* The comparison of two plans: swiped on the map, totals, moved buildings, the change sheet. */
"use strict";

Gridcircle.begin = function (map) {
  const { byId, word, element, number, page } = Gridcircle;
  const Plan = GridcirclePlan;
  const SHOWN = 300;
  Plan.legend(byId("gp-legend"));

  Gridcircle.guarded(async () => {
    const [plan, list] = await Promise.all([Plan.ask(page.plan, ""), Gridcircle.ask("/api/v1/plans", { quiet: true })]);
    Plan.setLimits(plan.limits);
    Plan.head(byId("gp-head"), plan, "compare");
    if (plan.bounds) Gridcircle.show(map, [[plan.bounds[1], plan.bounds[0]], [plan.bounds[3], plan.bounds[2]]]);
    const others = list.plans.filter((one) => one.id !== plan.id);
    const before = page.other ?? Plan.earlier(plan, list.plans);
    if (before === null) {
      Plan.sides(map, null, plan.id);
      byId("gp-totals").replaceChildren(element("p", { class: "gc-hint" }, word("compare_nothing")));
      Plan.changedList(byId("gp-changed"), [], () => {});
      return;
    }
    const select = element("select", {});
    Gridcircle.options(select, others.map((one) => [one.id, `${one.name} · ${word(`plan_state_${one.state}`)}`]), before);
    select.addEventListener("change", () => {
      location.search = new URLSearchParams({ with: select.value, lang: page.language });
    });
    byId("gp-with").replaceChildren(element("label", { class: "gc-field" }, word("compare_with"), select));
    const told = await Plan.ask(plan.id, `/compare?with=${before}`);
    const sides = Plan.sides(map, before, plan.id);
    const showViews = (chosen) => byId("gp-view").replaceChildren(...["swipe", "beside"].map((one) =>
      element("button", { type: "button", id: `gp-view-${one}`, "aria-pressed": String(one === chosen), onclick: () => {
        sides.beside(one === "beside");
        showViews(one);
      } }, word(`compare_view_${one}`))));
    byId("gp-view").hidden = false;
    showViews("swipe");
    const goTo = Plan.outlineChanges(map, told);
    Plan.totals(byId("gp-totals"), told.totals, told.moved, told.limits);
    byId("gp-changed-count").textContent = number(told.grids.length);
    Plan.changedList(byId("gp-changed"), told.grids, goTo);
    byId("gp-moved-count").textContent = number(told.moved.length);
    const short = (code) => (code ? String(code).slice(-3) : "–");
    byId("gp-moved").replaceChildren(
      element("thead", {}, element("tr", {},
        ...["compare_building", "compare_from", "compare_to", "households"].map((key) =>
          element("th", { scope: "col", class: key === "households" ? "gc-number" : "" }, word(key))))),
      element("tbody", {},
        ...told.moved.slice(0, SHOWN).map((one) =>
          element("tr", {},
            element("th", { scope: "row" }, element("button", { type: "button", class: "gp-to", onclick: () => {
              if (Gridcircle.isNarrow()) byId("gc-panel").dataset.state = "low";
              map.setView([one.at[1], one.at[0]], 18, { animate: false });
            } }, String(one.name || one.building_code || one.building))),
            element("td", {}, short(one.from)), element("td", {}, short(one.to)),
            element("td", { class: "gc-number" }, number(one.households)))),
        ...(told.moved.length ? [] : [element("tr", {}, element("td", { colspan: "4", class: "gc-none" }, word("compare_moved_none")))]),
        ...(told.moved.length > SHOWN
          ? [element("tr", {}, element("td", { colspan: "4", class: "gc-none" }, word("compare_more", { n: SHOWN })))] : [])));
    const query = `with=${before}&lang=${page.language}`;
    byId("gp-sheets").replaceChildren(
      element("a", { class: "gc-button", href: `/plans/${plan.id}/sheet.pdf?${query}` }, word("sheet_pdf")),
      element("a", { class: "gp-action", href: `/plans/${plan.id}/sheet.xlsx?${query}` }, word("sheet_xlsx")));
  });
};
