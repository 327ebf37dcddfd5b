/* Rule sets: read, copied, written rule by rule, kept in versions, taken in and given out as TOML. */
"use strict";

Gridcircle.begin = function () {
  const { byId, element, page, word } = Gridcircle;
  const w = (key, values = {}) =>
    (page.auditWords[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  const address = "/api/v1/rule-sets";
  const NUMBERS = new Set(["minutes", "metres", "count", "m2_per_100_households", "min_m2", "places_per_100_households", "min_places",
    "households_per_station", "min_households", "max_households", "max_people", "households_per_worker", "min_workers"]);
  const CHECKS = new Set(["mean", "whole_week"]);
  let sets = page.ruleSets;
  let draft = null;
  byId("gc-back").textContent = `‹ ${w("all_audits")}`;
  const title = (one) => one[`title_${page.language}`] || one.title_zh;

  // ---- the list ----
  function list(said = "") {
    byId("gc-rule-form").hidden = true;
    const file = element("input", { type: "file", accept: ".toml,.json", hidden: true, onchange: take });
    byId("gc-sets").replaceChildren(
      element("p", { class: "gc-hint" }, w("rule_sets_hint")),
      said ? element("p", { class: "gc-note", role: "status" }, said) : "",
      element("p", { class: "gc-links" },
        element("button", { type: "button", class: "gc-quiet", onclick: () => edit(null) }, w("rule_set_new")),
        element("button", { type: "button", class: "gc-quiet", onclick: () => file.click() }, w("rule_set_take")), file),
      ...sets.map(card));
  }

  function card(one) {
    const toml = (version) => `${address}/${encodeURIComponent(one.name)}/rules.toml?version=${encodeURIComponent(version)}`;
    return element("details", { class: "gc-card gc-rule-set" },
      element("summary", {}, element("b", {}, title(one)), element("span", { class: "gc-verdict-tag" }, one.shipped ? w("shipped") : w("own")),
        element("small", {}, `${one.name} · ${w("version")} ${one.version} · ${w("rules_count", { n: one.rules.length })}`)),
      one.note ? element("p", { class: "gc-note" }, one.note) : "",
      element("ol", { class: "gc-rule-names" }, ...one.rules.map((rule) => element("li", {}, title(rule),
        element("small", { class: "gc-sub" }, [rule.binding ? w("binding") : w("advisory_rule"), rule.clause, rule.source, w(`basis_${rule.basis}`)].filter(Boolean).join(" · "))))),
      one.shipped ? "" : element("ul", { class: "gc-versions" }, ...one.versions.map((v) => element("li", {},
        element("a", { href: toml(v.version) }, `${v.version} TOML`), ` · ${v.actor} · ${new Date(v.created_at).toLocaleString(page.language === "zh" ? "zh-CN" : "en")}`))),
      element("p", { class: "gc-links" },
        element("button", { type: "button", class: "gc-quiet", onclick: () => edit(one) }, one.shipped ? w("rule_set_copy") : w("rule_set_edit")),
        element("a", { href: toml(one.version), download: `${one.name}.toml` }, "TOML"),
        element("a", { href: `${address}/${encodeURIComponent(one.name)}`, target: "_blank", rel: "noopener" }, "JSON"),
        one.shipped ? "" : element("button", { type: "button", class: "gc-quiet", onclick: () => withdraw(one) }, w("rule_set_withdraw"))));
  }

  async function refresh(said) {
    sets = (await Gridcircle.ask(address, { quiet: true })).rule_sets;
    list(said);
  }

  async function withdraw(one) {
    if (!window.confirm(w("rule_set_withdraw_sure", { name: title(one) }))) return;
    await Gridcircle.guarded(async () => {
      await Gridcircle.ask(`${address}/${encodeURIComponent(one.name)}`, { method: "DELETE" });
      await refresh(w("rule_set_withdrawn"));
    });
  }

  async function take(event) {
    const [file] = event.target.files;
    event.target.value = "";
    if (!file) return;
    await Gridcircle.guarded(async () => {
      const text = await file.text();
      const body = file.name.endsWith(".json") ? { rule_set: readJson(text) } : { toml: text };
      const kept = await Gridcircle.ask(address, { body });
      await refresh(w("rule_set_kept", { name: title(kept), version: kept.version }));
    });
  }

  function readJson(text) {
    try {
      return JSON.parse(text);
    } catch {
      throw new Error(w("no_json"));
    }
  }

  // ---- the editor ----
  function nextVersion(one) {
    const known = new Set(one.versions.map((v) => v.version));
    const year = String(new Date().getFullYear());
    if (!known.has(year)) return year;
    for (let n = 2; ; n += 1) if (!known.has(`${year}.${n}`)) return `${year}.${n}`;
  }

  function edit(one) {
    draft = one ? structuredClone(one)
      : { name: "", title_zh: "", title_en: "", note: "", versions: [], rules: [{ id: "reach", kind: "reach", title_zh: "", minutes: 10, share: 1, binding: true, basis: "ours" }] };
    if (one?.shipped) draft.name = `${one.name}-own`;
    draft.costs = { ...page.costs, ...draft.costs };
    draft.version = one ? nextVersion(one.shipped ? { versions: [] } : one) : nextVersion(draft);
    byId("gc-sets").replaceChildren();
    drawForm();
    byId("gc-rule-form").hidden = false;
    byId("gc-rule-form").querySelector("input").focus();
  }

  const field = (label, input) => element("label", { class: "gc-field" }, label, input);
  function text(owner, key, label, more = {}) {
    return field(label, element("input", { type: "text", value: owner[key] ?? "", ...more, oninput: (e) => { owner[key] = e.target.value; } }));
  }
  function numeric(owner, key, label, more = {}) {
    return field(label, element("input", { type: "number", step: "any", min: "0", value: owner[key] ?? "", ...more, oninput: (e) => {
      if (e.target.value === "") delete owner[key]; else owner[key] = Number(e.target.value);
    } }));
  }
  function check(owner, key, label) {
    return element("label", { class: "gc-check" }, element("input", { type: "checkbox", checked: Boolean(owner[key]), onchange: (e) => { owner[key] = e.target.checked; } }), label);
  }
  function choice(owner, key, label, pairs, then) {
    const select = element("select", { onchange: (e) => { if (e.target.value === "") delete owner[key]; else owner[key] = e.target.value; then?.(); } });
    Gridcircle.options(select, pairs, owner[key] ?? "");
    return field(label, select);
  }

  function term(rule, key) {
    const label = w(`field_${key}`);
    if (NUMBERS.has(key)) return numeric(rule, key, label);
    if (CHECKS.has(key)) return check(rule, key, label);
    if (key === "stations") {
      rule.stations = [...(rule.stations || [])];
      return element("fieldset", { class: "gc-field" }, element("legend", {}, label), ...page.choices.stations.map((kind) =>
        element("label", { class: "gc-check" }, element("input", { type: "checkbox", checked: rule.stations.includes(kind), onchange: (e) => {
          rule.stations = page.choices.stations.filter((k) => (k === kind ? e.target.checked : rule.stations.includes(k)));
        } }), word(kind))));
    }
    if (key === "facility") return choice(rule, key, label, [["", w("any")], ...page.choices.facility.map((f) => [f, word(`f_${f}`)])]);
    if (key === "profile") return choice(rule, key, label, page.profiles.map(([k, v]) => [k, v]));
    if (key === "waits") return choice(rule, key, label, page.choices.waits.map((k) => [k, w(`waits_${k}`)]));
    if (key === "level") return choice(rule, key, label, page.choices.level.map((k) => [k, w(k)]));
    return text(rule, key, label, { placeholder: key === "at" ? "We 19:00" : "" });
  }

  function ruleCard(rule, place) {
    if (page.fields[rule.kind].includes("profile")) rule.profile ??= "norm";
    if (page.fields[rule.kind].includes("waits")) rule.waits ??= "none";
    if (page.fields[rule.kind].includes("level")) rule.level ??= "community";
    const percent = { share: Math.round((rule.share ?? 1) * 10000) / 100 };
    const move = (by) => { draft.rules.splice(place, 1); draft.rules.splice(place + by, 0, rule); drawForm(); };
    return element("details", { class: "gc-card gc-rule-edit", open: draft.rules.length === 1 || Boolean(rule.fresh) },
      element("summary", {}, element("b", {}, rule.title_zh || w("rule_untitled")), element("small", {}, `${w(`kind_${rule.kind}`)} · ${rule.id}`)),
      choice(rule, "kind", w("field_kind"), page.choices.kind.map((k) => [k, w(`kind_${k}`)]), () => {
        const known = new Set(["id", "kind", "title_zh", "title_en", "clause", "source", "basis", "binding", "share", "note", "fresh", ...page.fields[rule.kind]]);
        for (const key of Object.keys(rule)) if (!known.has(key)) delete rule[key];
        rule.fresh = true;
        drawForm();
      }),
      element("div", { class: "gc-two" }, text(rule, "title_zh", w("field_title_zh")), text(rule, "title_en", w("field_title_en")),
        ...page.fields[rule.kind].map((key) => term(rule, key)),
        numeric(percent, "share", w("field_share"), { max: "100", onchange: () => { rule.share = (percent.share ?? 100) / 100; } }),
        text(rule, "id", w("field_id"), { autocapitalize: "none", spellcheck: "false" }),
        choice(rule, "basis", w("field_basis"), page.choices.basis.map((k) => [k, w(`basis_${k}`)])),
        text(rule, "clause", w("field_clause")), text(rule, "source", w("source")), text(rule, "note", w("field_note"))),
      check(rule, "binding", w("field_binding")),
      element("p", { class: "gc-links" },
        place ? element("button", { type: "button", class: "gc-quiet", onclick: () => move(-1) }, w("rule_up")) : "",
        place < draft.rules.length - 1 ? element("button", { type: "button", class: "gc-quiet", onclick: () => move(1) }, w("rule_down")) : "",
        element("button", { type: "button", class: "gc-quiet", onclick: () => { draft.rules.splice(place, 1); drawForm(); } }, w("rule_remove"))));
  }

  function drawForm() {
    byId("gc-rule-form").replaceChildren(
      element("h2", {}, w("rule_set_edit_title")),
      element("div", { class: "gc-two" },
        text(draft, "title_zh", w("field_title_zh"), { required: true }), text(draft, "title_en", w("field_title_en")),
        text(draft, "name", w("field_name"), { required: true, pattern: "[a-z0-9][a-z0-9._\\-]*", autocapitalize: "none", spellcheck: "false" }),
        text(draft, "version", w("version"), { required: true }), text(draft, "note", w("field_note"))),
      element("p", { class: "gc-note" }, w("version_note")),
      element("details", { class: "gc-card gc-costs" }, element("summary", {}, element("b", {}, w("costs"))),
        element("p", { class: "gc-note" }, w("costs_note")),
        element("div", { class: "gc-two" }, ...Object.keys(page.costs).map((kind) => numeric(draft.costs, kind, w(`cost_${kind}`))))),
      ...draft.rules.map(ruleCard),
      element("p", { class: "gc-links" },
        element("button", { type: "button", class: "gc-quiet", onclick: () => {
          const ids = new Set(draft.rules.map((r) => r.id));
          let n = draft.rules.length + 1;
          while (ids.has(`rule-${n}`)) n += 1;
          draft.rules.push({ id: `rule-${n}`, kind: "reach", title_zh: "", minutes: 10, share: 1, binding: true, basis: "ours", fresh: true });
          drawForm();
        } }, w("rule_add"))),
      element("p", { class: "gc-links" },
        element("button", { type: "submit", class: "gc-button" }, w("rule_set_save")),
        element("button", { type: "button", class: "gc-quiet", onclick: () => list() }, w("cancel"))));
  }

  byId("gc-rule-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = { name: draft.name, version: draft.version, title_zh: draft.title_zh, title_en: draft.title_en || "", note: draft.note || "", costs: draft.costs,
      rules: draft.rules.map(({ fresh, ...rule }) => Object.fromEntries(Object.entries(rule).filter(([, v]) => v !== "" && !(Array.isArray(v) && !v.length)))) };
    await Gridcircle.guarded(async () => {
      const kept = await Gridcircle.ask(address, { body: { rule_set: given } });
      await refresh(w("rule_set_kept", { name: title(kept), version: kept.version }));
    });
  });

  list();
};
