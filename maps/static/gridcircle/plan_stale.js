/* Micro-grids whose counts no longer hold since buildings have changed: told, and counted again. */
"use strict";

/**
 * @param {HTMLElement} box shown where there are any
 * @param {{id: number, plan: function, write: function, taken: function}} editor
 * @returns {{read: function}} to be told when the plan may have changed
 */
GridcirclePlan.stale = function (box, editor) {
  const { word, element, number } = Gridcircle;
  const Plan = GridcirclePlan;

  function show(told) {
    box.hidden = !told.stale;
    if (!told.stale) return;
    const again = element("button", { type: "button", class: "gc-button", id: "gp-recount", onclick: async () => {
      again.disabled = true;
      await Gridcircle.guarded(async () => {
        const done = await editor.write(() => Plan.ask(editor.id, "/micro-counts", { body: {}, quiet: false }));
        show(done);
        if (done.edits.length) editor.taken(done, "recount");
      });
      again.disabled = false;
    } }, word("micro_recount"));
    const names = told.communities.slice(0, 5).map((one) => `${one.name} ${number(one.stale)}`)
      .join(Gridcircle.page.language === "zh" ? "、" : ", ");
    box.replaceChildren(
      element("b", {}, word("micro_stale", { n: number(told.stale) })),
      element("p", { class: "gc-note" }, names + (told.communities.length > 5 ? " …" : "")),
      element("p", { class: "gc-note" }, word(editor.plan().state === "draft" ? "micro_stale_hint" : "micro_stale_published")),
      editor.plan().state === "draft" ? element("div", { class: "gp-actions" }, again) : "");
  }

  return {
    async read() {
      show(await Plan.ask(editor.id, "/micro-counts"));
    },
  };
};
