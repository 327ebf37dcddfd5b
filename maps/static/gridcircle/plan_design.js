/* Grids proposed by the service: asked for, watched, stopped; what came of it, and where it is. */
"use strict";

/**
 * @param {HTMLDetailsElement} box filled here
 * @param {{id: number, plan: function, communities: function, selected: function, ended: function=,
 *   made: function=, waiting: number=}} editor told when a job has ended (`ended` by a page that shows
 *   proposals itself, `made` by others); a job at work already may be given
 * @returns {{sync: function}} to be told when the plan or what is chosen changes
 */
GridcirclePlan.design = function (box, editor) {
  const { word, element, number, percent } = Gridcircle;
  const lang = Gridcircle.page.language;
  const POLL_MS = 700;
  const PRESETS = ["standard", "equal", "compounds", "barriers", "compact", "stations", "steady"];
  const SCENARIOS = ["fewest", "least_change", "fresh", "rebalance"];
  const KEY = `gridcircle-design-${editor.id}`; // a page that is opened again shows the same job
  const field = (label, control) => element("label", { class: "gc-field" }, label, control);
  const select = (id, choices) => {
    const made = element("select", { id });
    Gridcircle.options(made, choices, choices[0]?.[0]);
    return made;
  };
  const limit = (id, value, most) =>
    element("input", { type: "number", id, min: "1", max: String(most), step: "1", required: true, value: String(value) });

  const area = select("gp-design-area", []);
  const scenario = select("gp-design-scenario", SCENARIOS.map((name) => [name, word(`design_scenario_${name}`)]));
  const preset = select("gp-design-preset", PRESETS.map((name) => [name, word(`design_preset_${name}`)]));
  const households = limit("gp-design-households", 300, 100000);
  const people = limit("gp-design-people", 1000, 1000000);
  const minutes = element("input", { type: "number", id: "gp-design-minutes", min: "1", max: "60", step: "1", required: true, value: "2" });
  const chosenNote = element("p", { class: "gc-note", id: "gp-design-chosen" });
  const lock = element("input", { type: "checkbox", id: "gp-design-lock" });
  const lockRow = element("label", { class: "gp-design-lock" }, lock, element("span", {}, word("design_lock")));
  const run = element("button", { type: "submit", class: "gc-button", id: "gp-design-run" }, word("design_run"));
  const told = element("div", { id: "gp-design-told", "aria-live": "polite" });
  const form = element("form", { class: "gp-form" },
    element("p", { class: "gc-note" }, word("design_hint")),
    field(word("design_area"), area), field(word("design_scenario"), scenario), field(word("design_preset"), preset),
    element("div", { class: "gp-staff" }, field(word("design_households"), households), field(word("design_people"), people)),
    field(word("design_minutes"), minutes), lockRow, chosenNote,
    element("div", { class: "gp-actions" }, run));
  box.append(form, told);

  let areaTouched = false;
  let limitsRead = false;
  area.addEventListener("change", () => (areaTouched = true));
  scenario.addEventListener("change", sync);
  lock.addEventListener("change", sync);

  const chosenBase = () => editor.selected().filter((feature) => feature.properties.kind === "base");

  function sync() {
    const communities = editor.communities();
    const base = chosenBase();
    const home = base[0]?.properties.community;
    const before = areaTouched ? area.value : String(home ?? "");
    Gridcircle.options(area, [["", word("design_all")], ...communities.map((one) => [one.id, one.name])],
      communities.some((one) => String(one.id) === before) ? before : "");
    const plan = editor.plan();
    if (plan && !limitsRead) {
      limitsRead = true;
      households.value = plan.limits.households;
      people.value = plan.limits.people;
    }
    const again = scenario.value === "rebalance";
    lockRow.hidden = again || !base.length;
    const names = base.map((feature) => GridcirclePlan.title({ id: feature.id, ...feature.properties })).join(lang === "zh" ? "、" : ", ");
    if (again) chosenNote.textContent = base.length ? word("design_again", { grids: names }) : word("design_choose");
    else chosenNote.textContent = base.length && lock.checked ? word("design_locked", { grids: names }) : "";
    run.disabled = watching !== null || (again && !base.length);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    Gridcircle.guarded(async () => {
      const ids = chosenBase().map((feature) => feature.id);
      const again = scenario.value === "rebalance";
      const home = again ? chosenBase()[0].properties.community : Number(area.value);
      const stamp = new Date().toLocaleDateString(lang === "zh" ? "zh-CN" : "en");
      const job = await Gridcircle.ask("/api/v1/plans/design", { body: {
        name: word("design_name", { plan: editor.plan().name.slice(0, 100), date: stamp }),
        source: editor.id,
        communities: home ? [home] : [],
        scenario: scenario.value,
        preset: preset.value,
        limits: { households: Number(households.value), people: Number(people.value) },
        selected: again ? ids : [],
        locked: !again && lock.checked ? ids : [],
        time_limit_s: 60 * Number(minutes.value),
      } });
      fresh.add(job.id);
      watch(job.id);
    });
  });

  // Watching.
  let watching = null;
  const fresh = new Set();
  const bar = element("progress", { max: "1", value: "0", id: "gp-design-progress", "aria-label": word("design_title") });
  const stage = element("span", {});
  const stop = element("button", { type: "button", class: "gp-action", id: "gp-design-stop", onclick: () => Gridcircle.guarded(async () => {
    stop.disabled = true;
    await Gridcircle.ask(`/api/v1/design-jobs/${watching}/cancel`, { body: {} });
  }) }, word("design_stop"));

  async function watch(job) {
    watching = job;
    sessionStorage.setItem(KEY, String(job));
    stop.disabled = false;
    bar.value = 0;
    stage.textContent = word("design_stage_queued");
    told.replaceChildren(element("div", { class: "gp-design-bar" }, bar, stage), element("div", { class: "gp-actions" }, stop));
    sync();
    let failures = 0;
    while (watching === job) {
      try {
        const now = await Gridcircle.ask(`/api/v1/design-jobs/${job}`, { quiet: true });
        failures = 0;
        bar.value = now.progress;
        stage.textContent = `${word(`design_stage_${now.state === "queued" ? "queued" : now.stage || "reading"}`)} ${percent(now.progress)}`;
        if (!["queued", "running"].includes(now.state)) {
          finish(now);
          return;
        }
        fresh.add(job); // seen at work: its end is news
      } catch (error) {
        failures += 1;
        if (error.status === 404 || failures > 20) {
          finish(null);
          Gridcircle.showProblem(error.problem || { title: word("failed") });
          return;
        }
      }
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
  }

  function finish(job) {
    watching = null;
    if (!job) sessionStorage.removeItem(KEY); // what has ended is shown again, too
    told.replaceChildren();
    if (job && fresh.delete(job.id)) (editor.ended || editor.made)?.(job);
    if (job?.state === "done") told.append(...outcome(job));
    else if (job?.state === "cancelled") told.append(element("p", { class: "gc-note" }, word("design_cancelled")));
    else if (job) {
      told.append(element("p", { class: "gp-alarm" }, word("design_failed")),
        element("p", { class: "gc-note" }, [job.error?.message, job.error?.remedy].filter(Boolean).join(" ")));
    }
    sync();
  }

  /** What came of it, against the plan it started from and the bound. */
  function outcome(job) {
    const { totals, communities, warnings, kept, complete } = job.result;
    const row = (one, name, head) => element("tr", {}, element(head, { scope: "row" }, name),
      element("td", {}, number(one.present_grids)), element("td", {}, element("b", {}, number(one.grids))),
      element("td", {}, number(one.bound)), element("td", {}, number(one.moved)));
    const reasons = communities.flatMap((one) => one.reasons.map((reason) =>
      element("li", {}, `${one.name} · ${lang === "zh" ? reason.message_zh : reason.message}`)));
    const link = (href, text, main) => element("a", { class: main ? "gc-button" : "gp-action", href }, text);
    const draft = job.plan;
    return [
      element("p", { class: kept ? "gp-fine" : "gp-alarm", id: "gp-design-verdict" },
        word(kept ? "design_kept" : "design_not_kept"), job.asked_to_stop || !complete ? ` ${word("design_stopped")}` : ""),
      element("table", { class: "gp-table", id: "gp-design-figures" },
        element("thead", {}, element("tr", {}, ...["community", "design_present", "design_proposed", "design_bound", "design_moved"]
          .map((key) => element("th", { scope: "col" }, word(key))))),
        element("tbody", {}, ...communities.slice(0, 60).map((one) => row(one, one.name, "th")),
          ...(communities.length > 1 ? [row(totals, word("design_sum"), "th")] : []))),
      ...(communities.length > 60 ? [element("p", { class: "gc-note" }, word("design_more", { n: number(communities.length - 60) }))] : []),
      ...(reasons.length ? [element("ul", { class: "gp-rules" }, ...reasons.slice(0, 20))] : []),
      ...warnings.map((one) => element("p", { class: "gc-note" }, word(`design_warn_${one.kind}`, { n: number(one.count) }))),
      draft
        ? element("div", { class: "gp-actions" },
          link(`/plans/${draft}/compare?with=${editor.id}&lang=${lang}`, word("design_compare"), true),
          link(`/plans/${draft}/edit?lang=${lang}`, word("design_open"), false),
          editor.ended ? null : link(`/plans/${editor.id}/scenarios?lang=${lang}`, word("design_scenarios"), false))
        : element("p", { class: "gc-note" }, word("design_gone")),
    ];
  }

  const left = Number(sessionStorage.getItem(KEY)) || editor.waiting;
  if (left) {
    box.open = true;
    watch(left);
  } else sync();
  return { sync };
};
