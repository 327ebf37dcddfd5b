/* Name and limits of a plan, changed while it is a draft; every grid is then measured anew. */
"use strict";

/**
 * @param {HTMLDetailsElement} box filled
 * @param {object} editor `id`, `plan()`, `write(task)`, `remember(answer)`, and `changed()`, which reads all anew
 */
GridcirclePlan.limitsForm = function (box, editor) {
  const { word, element, number } = Gridcircle;
  const Plan = GridcirclePlan;
  const summary = element("summary", {});
  const name = element("input", { type: "text", id: "gp-plan-name", required: true, maxlength: "80" });
  const limit = (which, most) => element("input", { type: "number", id: `gp-limit-${which}`, min: "1", max: String(most), step: "1", required: true, inputmode: "numeric" });
  const [households, people] = [limit("households", 100000), limit("people", 1000000)];
  const field = (label, control) => element("label", { class: "gc-field" }, label, control);
  const save = element("button", { type: "submit", class: "gc-button", id: "gp-limits-save" }, word("save"));
  const form = element("form", { class: "gp-form" },
    field(word("plan_name"), name), field(word("plan_limit_households"), households), field(word("plan_limit_people"), people),
    element("p", { class: "gc-note" }, word("limits_hint")), element("div", { class: "gp-actions" }, save));
  box.replaceChildren(summary, form);
  let seen = null; // the version the form was filled from

  function sync() {
    const plan = editor.plan();
    if (!plan) return;
    summary.textContent = word("limits_title", { households: number(plan.limits.households), people: number(plan.limits.people) });
    const writable = plan.state === "draft";
    for (const control of [name, households, people, save]) control.disabled = !writable;
    // What somebody is writing stays; saving it then says that another was quicker.
    if (seen !== null && (seen === plan.version || form.contains(document.activeElement))) return;
    seen = plan.version;
    [name.value, households.value, people.value] = [plan.name, plan.limits.households, plan.limits.people];
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const body = { name: name.value.trim(), limits: { households: Number(households.value), people: Number(people.value) } };
    Gridcircle.guarded(async () => {
      save.disabled = true;
      let told = null;
      try {
        told = await editor.write(async () => {
          const made = await Plan.ask(editor.id, "", { method: "PATCH", body, version: seen, quiet: false });
          return { ...made, edit: made.seq }; // its note in the history is this page's own
        });
        seen = told.version;
        box.open = false;
      } catch (error) {
        // The present values stand in the form, what was refused in the message.
        if (error.status === 412) seen = null;
        await editor.changed();
        throw error;
      } finally {
        save.disabled = false;
      }
      editor.remember(told);
      await editor.changed();
    });
  });
  return { sync };
};
