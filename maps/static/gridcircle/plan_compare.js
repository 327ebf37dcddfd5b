/* The comparison of two plans: swiped on the map, totals, moved buildings, the change sheet. */
"use strict";

Gridcircle.begin = function (map) {
  const { byId, word, element, number, page } = Gridcircle;
  const Plan = GridcirclePlan;
  const SHOWN = 300;
  Plan.legend(byId("gp-legend"));

  Gridcircle.guarded(async () => {
    const asked = page.other ?? "published";
    const [plan, told, list] = await Promise.all([
      Plan.ask(page.plan, ""),
      Plan.ask(page.plan, `/compare?with=${asked}`),
      Gridcircle.ask("/api/v1/plans", { quiet: true }),
    ]);
    Plan.setLimits(plan.limits);
    Plan.head(byId("gp-head"), plan, "compare");
    const before = page.other ?? list.plans.find((one) => one.state === "published")?.id ?? null;
    Plan.sides(map, before, plan.id);
    Plan.totals(byId("gp-totals"), told.totals, told.moved);
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
            element("th", { scope: "row" }, String(one.name || one.code || one.building)),
            element("td", {}, short(one.from)), element("td", {}, short(one.to)),
            element("td", { class: "gc-number" }, number(one.households)))),
        ...(told.moved.length ? [] : [element("tr", {}, element("td", { colspan: "4", class: "gc-none" }, word("compare_moved_none")))]),
        ...(told.moved.length > SHOWN
          ? [element("tr", {}, element("td", { colspan: "4", class: "gc-none" }, word("compare_more", { n: SHOWN })))] : [])));
    const query = `with=${asked}&lang=${page.language}`;
    byId("gp-sheets").replaceChildren(
      element("a", { class: "gc-button", href: `/plans/${plan.id}/sheet.pdf?${query}` }, word("sheet_pdf")),
      element("a", { class: "gp-action", href: `/plans/${plan.id}/sheet.xlsx?${query}` }, word("sheet_xlsx")));
    if (plan.bounds) Gridcircle.show(map, [[plan.bounds[1], plan.bounds[0]], [plan.bounds[3], plan.bounds[2]]]);
  });

  function goTo(grid) {
    Plan.goTo(map, grid, page.plan);
  }
};
