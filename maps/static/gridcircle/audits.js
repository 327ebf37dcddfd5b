/* The list of audits, and the form that makes one. */
"use strict";

Gridcircle.begin = function () {
  const { byId, element, percent, number, page } = Gridcircle;
  const w = (key) => page.auditWords[key] ?? key;
  const sets = page.ruleSets;
  // Rounded down: what is not quite all never reads as all.
  const share = (value) => (value === null ? "–" : percent(Math.floor(value * 1000 + 1e-9) / 1000));

  const select = element("select", { id: "gc-rule-set", "aria-label": w("rules") });
  Gridcircle.options(select, sets.map((s) => [s.name, `${s.title} · ${s.name} ${s.version}`]), sets[0].name);
  const about = element("div", {});
  function describe() {
    const chosen = sets.find((s) => s.name === select.value);
    about.replaceChildren(
      element("ul", { class: "gc-rule-names" }, ...chosen.rules.map((r) => element("li", {}, r))),
      element("p", { class: "gc-note" }, chosen.note),
    );
  }
  select.addEventListener("change", describe);
  const start = element("button", { type: "button", class: "gc-button gc-wide-button", onclick: make }, w("run"));
  byId("gc-new").append(
    element("label", { class: "gc-field" }, w("rules"), select), about, start,
    element("p", { class: "gc-hint" }, element("a", { href: `/rule-sets?lang=${page.language}` }, `${w("rule_sets")} ›`)));
  describe();
  if (!page.hasNetwork) start.disabled = true;

  async function make() {
    start.disabled = true;
    start.textContent = w("running");
    const told = await Gridcircle.guarded(() =>
      Gridcircle.ask("/api/v1/audits", { body: { rules: select.value } }));
    start.disabled = false;
    start.textContent = w("run");
    if (told) window.location.assign(`/audits/${told.id}?lang=${page.language}`);
  }

  Gridcircle.guarded(async () => {
    const told = await Gridcircle.ask("/api/v1/audits?limit=200");
    byId("gc-audits").replaceChildren(
      ...(told.audits.length
        ? [element("ul", { class: "gc-audit-list" }, ...told.audits.map((audit) =>
            element("li", {},
              element("a", { href: `/audits/${audit.id}?lang=${page.language}` },
                element("b", {}, page.language === "zh" ? audit.title_zh : audit.title_en),
                element("span", { class: `gc-verdict-tag ${audit.verdict}` }, w(`verdict_${audit.verdict}`)),
                element("small", {},
                  `#${audit.id} · ${new Date(audit.created_at).toLocaleString(page.language === "zh" ? "zh-CN" : "en")}`,
                  audit.main ? ` · ${share(audit.main.value)} (${number(audit.main.numerator)} / ${number(audit.main.denominator)})` : "")))))]
        : [element("p", { class: "gc-hint" }, w("none_yet"))]));
  });
};
