/* Micro-grids by rule, party branches and staffing of a plan: counts, never names of people. */
"use strict";

/**
 * @param {HTMLDetailsElement} box filled here
 * @param {L.Map} map
 * @param {{id: number, plan: function, communities: function, selected: function, propose: function,
 *   taken: function, show: function}} editor
 * @returns {{sync: function}} to be told when the plan or what is chosen changes
 */
GridcirclePlan.people = function (box, map, editor) {
  const { word, element, number, percent } = Gridcircle;
  const Plan = GridcirclePlan;
  const POLL_MS = 500;
  const COLORS = ["#0b6e4f", "#8c510a", "#5b1a7a", "#01665e", "#a6174b", "#35618f", "#7a6a00", "#4d4d4d"];
  const area = element("select", { id: "gp-people-area" });
  const drawn = L.layerGroup().addTo(map);
  let areaTouched = false;
  area.addEventListener("change", () => {
    areaTouched = true;
    Gridcircle.guarded(readMembers);
  });

  // Micro-grids.
  const makeMicro = element("button", { type: "button", class: "gc-button", id: "gp-micro-run" }, word("micro_run"));
  const microTold = element("div", { id: "gp-micro-told", "aria-live": "polite" });
  let working = false;
  makeMicro.addEventListener("click", () => Gridcircle.guarded(async () => {
    working = true;
    sync();
    try {
      let job = await Plan.ask(editor.id, "/microgrids", { body: { communities: area.value ? [Number(area.value)] : [] }, quiet: false });
      const bar = element("progress", { max: "1", value: "0", "aria-label": word("micro_run") });
      const stage = element("span", {});
      const stop = element("button", { type: "button", class: "gp-action", onclick: () => Gridcircle.guarded(() =>
        Gridcircle.ask(`/api/v1/design-jobs/${job.id}/cancel`, { body: {} })) }, word("cancel"));
      microTold.replaceChildren(element("div", { class: "gp-design-bar" }, bar, stage), element("div", { class: "gp-actions" }, stop));
      while (["queued", "running"].includes(job.state)) {
        await new Promise((done) => setTimeout(done, POLL_MS));
        job = await Gridcircle.ask(`/api/v1/design-jobs/${job.id}`, { quiet: true });
        bar.value = job.progress;
        stage.textContent = `${word(`design_stage_${job.state === "queued" ? "queued" : job.stage || "reading"}`)} ${percent(job.progress)}`;
      }
      microTold.replaceChildren(...outcome(job));
      if (job.state === "done") editor.taken({ edits: job.result.communities.map((one) => ({ community: one.id })) }, "microgrids");
    } finally {
      working = false;
      sync();
    }
  }));

  function outcome(job) {
    if (job.state === "cancelled") return [element("p", { class: "gc-note" }, word("design_cancelled"))];
    if (job.state !== "done") {
      return [element("p", { class: "gp-alarm" }, word("design_failed")),
        element("p", { class: "gc-note" }, [job.error?.message, job.error?.remedy].filter(Boolean).join(" "))];
    }
    const { totals, kinds } = job.result;
    return [element("p", { class: "gp-fine", id: "gp-micro-done" }, word("micro_done", {
      n: number(totals.microgrids), unit: number(kinds.unit), building: number(kinds.building), bungalows: number(kinds.bungalows),
      heads: number(totals.building_heads), units: number(totals.unit_heads) })),
    element("p", { class: "gp-actions" }, element("a", { class: "gp-action", href: `/api/v1/plans/${editor.id}/export?format=xlsx`, download: true }, word("micro_ledger")))];
  }

  // Branches.
  const members = element("div", { class: "gp-members", id: "gp-branch-members" });
  const limit = (id, value) => element("input", { type: "number", id, min: "1", max: "100000", step: "1", required: true, value: String(value) });
  const least = limit("gp-branch-least", 3);
  const most = limit("gp-branch-most", 50);
  const branchTold = element("div", { id: "gp-branch-told", "aria-live": "polite" });
  const runBranches = element("button", { type: "submit", class: "gc-button", id: "gp-branch-run" }, word("branch_run"));
  const branchForm = element("form", { class: "gp-form" },
    element("h2", {}, word("branch_make")), element("p", { class: "gc-note" }, word("branch_hint")), members,
    element("div", { class: "gp-staff" }, element("label", { class: "gc-field" }, word("branch_least"), least),
      element("label", { class: "gc-field" }, word("branch_most"), most)),
    element("div", { class: "gp-actions" }, runBranches), branchTold);
  let grids = [];

  async function readMembers() {
    drawn.clearLayers();
    branchTold.replaceChildren();
    if (!box.open || !area.value) {
      grids = [];
      members.replaceChildren();
      branchForm.hidden = !area.value;
      return;
    }
    branchForm.hidden = false;
    grids = (await Plan.grids(editor.id, `community=${area.value}`)).sort((a, b) => String(a.properties.code).localeCompare(b.properties.code));
    members.replaceChildren(...grids.map((feature) => element("label", {},
      element("span", {}, Plan.title({ id: feature.id, ...feature.properties })),
      element("input", { type: "number", min: "0", max: "100000", step: "1", inputmode: "numeric", required: true,
        "data-grid": feature.id, "aria-label": `${Plan.title({ id: feature.id, ...feature.properties })} ${word("branch_members")}`,
        value: String(feature.properties.counts?.party_members ?? 0) }))));
    sync();
  }

  branchForm.addEventListener("submit", (event) => {
    event.preventDefault();
    Gridcircle.guarded(async () => {
      const counts = Object.fromEntries([...members.querySelectorAll("input")].map((one) => [one.dataset.grid, Number(one.value)]));
      const told = await Plan.ask(editor.id, "/branches", { body: {
        community: Number(area.value), members: counts, least: Number(least.value), most: Number(most.value) }, quiet: false });
      showBranches(told, counts);
    });
  });

  function showBranches(told, counts) {
    drawn.clearLayers();
    const known = new Map(grids.map((feature) => [feature.id, feature]));
    const rows = told.branches.map((branch, place) => {
      const color = COLORS[place % COLORS.length];
      for (const id of branch.grids) {
        if (known.has(id)) L.geoJSON(known.get(id), { interactive: false, pmIgnore: true, snapIgnore: true,
          style: { color: "#fff", weight: 2.5, fillColor: color, fillOpacity: 0.72 } }).addTo(drawn);
      }
      const name = element("input", { type: "text", maxlength: "200", required: true, value: branch.name, "aria-label": word("branch_names") });
      const about = word("branch_line", { n: number(branch.members), grids: branch.codes.map((code) => String(code).slice(-3)).join("、") });
      return { branch, name, item: element("li", {}, element("i", { class: "gc-swatch", style: { background: color } }),
        element("div", {}, name, element("small", { class: branch.outside ? "gp-alarm" : "" },
          branch.outside ? `${about} · ▲ ${word("branch_outside")}` : about))) };
    });
    if (grids.length) editor.show(grids);
    const take = element("button", { type: "button", class: "gc-button", id: "gp-branch-take", onclick: () => {
      drawn.clearLayers();
      editor.propose({ kind: "branches", community: told.community, members: counts,
        branches: rows.map(({ branch, name }) => ({ name: name.value.trim() || branch.name, grids: branch.grids })) }, word("did_branches"));
    } }, word("branch_take"));
    take.disabled = editor.plan()?.state !== "draft";
    branchTold.replaceChildren(element("ul", { class: "gp-branches" }, ...rows.map((one) => one.item)),
      element("div", { class: "gp-actions" }, take));
  }

  // Staffing.
  const staff = element("div", { id: "gp-staffing" });
  async function readStaff() {
    const told = await Plan.ask(editor.id, "/staffing");
    const roles = [["workers", "staff_workers"], ["building_heads", "staff_heads_building"], ["unit_heads", "staff_heads_unit"]];
    const cell = ({ needed, spare }) => element("td", { class: "gc-number" }, word("staff_needed", { n: number(needed) }),
      spare === null ? null : element("small", { class: spare < 0 ? "gp-alarm" : "gp-fine" },
        spare < 0 ? `▲ ${word("staff_short", { n: number(-spare) })}` : spare > 0 ? word("staff_spare", { n: number(spare) }) : word("staff_even")));
    const row = (name, one) => element("tr", {}, element("th", { scope: "row" }, name), ...roles.map(([role]) => cell(one[role])));
    const unknown = roles.filter(([role]) => !told.given.includes(role)).map(([, key]) => word(key));
    staff.replaceChildren(element("table", { class: "gp-table gp-staffing" },
      element("thead", {}, element("tr", {}, element("th", {}), ...roles.map(([, key]) => element("th", { scope: "col", class: "gc-number" }, word(key))))),
      element("tbody", {}, ...told.communities.map((one) => row(one.name, one)),
        ...(told.communities.length > 1 ? [row(word("design_sum"), told.totals)] : []))),
    ...(unknown.length ? [element("p", { class: "gc-note" }, `${unknown.join("、")}：${word("staff_unknown")}`)] : []));
  }

  box.append(
    element("label", { class: "gc-field" }, word("people_area"), area),
    element("section", {}, element("h2", {}, word("micro_make")), element("p", { class: "gc-note" }, word("micro_make_hint")),
      element("div", { class: "gp-actions" }, makeMicro), microTold),
    branchForm,
    element("section", {}, element("h2", {}, word("staffing_title")), element("p", { class: "gc-note" }, word("staff_hint")), staff));

  let filled = false;
  function sync() {
    const communities = editor.communities();
    const home = editor.selected()[0]?.properties.community;
    const before = area.value;
    const wanted = areaTouched ? area.value : String(home ?? "");
    Gridcircle.options(area, [["", word("design_all")], ...communities.map((one) => [one.id, one.name])],
      communities.some((one) => String(one.id) === wanted) ? wanted : "");
    const draft = editor.plan()?.state === "draft";
    makeMicro.disabled = working || !draft;
    makeMicro.title = draft ? "" : word("take_only_draft");
    branchForm.hidden = !area.value;
    if (box.open && filled && before !== area.value) Gridcircle.guarded(readMembers);
  }
  box.addEventListener("toggle", () => {
    drawn.clearLayers();
    filled = box.open;
    if (box.open) Gridcircle.guarded(() => Promise.all([readMembers(), readStaff()]));
  });
  sync();
  return { sync };
};
