/* The review of a plan: what it changes, comments pinned on the map, approval, return, restoring. */
"use strict";

Gridcircle.begin = function (map) {
  const { byId, word, element, number, page } = Gridcircle;
  const Plan = GridcirclePlan;
  const pins = L.layerGroup().addTo(map);
  let plan = null;
  let plans = [];
  let point = null;
  let pinning = false;
  let left = 0; // of an import nobody has looked at
  Plan.legend(byId("gp-legend"));

  async function decide(to, question) {
    if (question && !window.confirm(question)) return;
    const comment = byId("gp-reason")?.value.trim() || "";
    await Gridcircle.guarded(async () => {
      await Plan.ask(plan.id, "/state", { body: { to, comment }, quiet: false });
      await read();
    });
  }
  async function restore(other) {
    if (!window.confirm(word("review_revert_sure", { name: other.name }))) return;
    await Gridcircle.guarded(async () => {
      await Plan.ask(other.id, "/state", { body: { to: "published", comment: "" }, quiet: false });
      await read();
    });
  }

  /** What of its import nobody has looked at: a warning, which holds nobody up. */
  async function readOpen() {
    const box = byId("gp-import-open");
    const asked = plan.imported && (plan.state === "draft" || plan.state === "review");
    const warning = asked ? (await Plan.ask(plan.id, "/import/open")).warning : null;
    left = warning?.left || 0;
    box.hidden = !warning;
    if (!warning) return;
    const line = (one) => [one.what === "place" ? word(`import_rule_${one.rule}`)
      : word("review_import_conflict", { code: String(one.grids[0]).slice(-3) }), one.community_name,
    one.area_m2 === null ? "" : `${number(one.area_m2)} ${word("m2")}`].filter(Boolean).join(" · ");
    box.replaceChildren(
      element("b", {}, word("review_import_open", { left: number(left), of: number(warning.of) })),
      element("ul", { class: "gp-open-list" }, ...warning.named.slice(0, 5).map((one) => element("li", {}, line(one))),
        left > 5 ? element("li", {}, word("review_import_more")) : null),
      element("div", { class: "gp-actions" }, element("a", { class: "gp-action",
        href: `/plans/${plan.id}/import?lang=${page.language}&show=open` }, word("review_import_go"))));
  }

  function showDecision() {
    const box = byId("gp-decide");
    const button = (id, label, onclick, main = false) =>
      element("button", { type: "button", id, class: main ? "gc-button" : "gp-action", onclick }, label);
    const reason = () => element("label", { class: "gc-field" }, word("review_reason"), element("textarea", { id: "gp-reason", rows: "2", maxlength: "1000" }));
    const archived = plans.filter((one) => one.state === "archived" && one.published_at)
      .sort((a, b) => String(b.published_at).localeCompare(String(a.published_at)))[0];
    const contents = {
      draft: () => [element("p", {}, word("review_send_hint")), element("div", { class: "gp-actions" },
        button("gp-send", word("review_send"), () => decide("review", left ? word("review_send_open", { left: number(left) }) : ""), true))],
      review: () => [element("p", {}, word("review_hint")), reason(), element("div", { class: "gp-actions" },
        button("gp-approve", word("review_approve"), () => decide("published",
          (left ? `${word("review_sure_open", { left: number(left) })}\n` : "") + word("review_sure", { name: plan.name })), true),
        button("gp-return", word("review_return"), () => decide("draft")))],
      published: () => [element("p", {}, word("review_in_use")),
        archived ? element("div", { class: "gp-actions" },
          button("gp-revert", `${word("review_revert")}：${archived.name}`, () => restore(archived))) : null],
      archived: () => [plan.published_at ? element("div", { class: "gp-actions" },
        button("gp-restore", word("review_restore"), () => restore(plan))) : element("p", {}, word("plan_readonly"))],
    }[plan.state]();
    box.replaceChildren(...contents.filter(Boolean));
  }

  function showComments(comments) {
    pins.clearLayers();
    byId("gp-comment-count").textContent = comments.length ? number(comments.length) : "";
    byId("gp-comments").replaceChildren(...(comments.length
      ? comments.map((comment, index) => {
          const at = comment.point?.coordinates;
          if (at) {
            L.marker([at[1], at[0]], { title: comment.text, alt: comment.text,
              icon: L.divIcon({ className: "gp-pin", html: element("span", {}, String(index + 1)), iconSize: [32, 32] }) }).addTo(pins);
          }
          return element("li", {}, element(at ? "button" : "div", { type: at ? "button" : null, class: "gp-said",
            onclick: at ? () => map.setView([at[1], at[0]], Math.max(17, map.getZoom())) : undefined },
          element("b", {}, `${index + 1}. ${comment.text}`),
          element("small", {}, [comment.author, Plan.time(comment.at || comment.created_at)].filter(Boolean).join(" · "))));
        })
      : [element("li", { class: "gc-none" }, word("comment_none"))]));
  }

  const draftPin = L.marker([0, 0], {
    icon: L.divIcon({ className: "gp-pin gp-pin-new", html: element("span", {}, "+"), iconSize: [32, 32] }), interactive: false });
  function commentForm() {
    const text = element("textarea", { rows: "3", required: true, maxlength: "1000", id: "gp-comment-text" });
    const pin = element("button", { type: "button", class: "gp-action", id: "gp-comment-pin", "aria-pressed": "false", onclick: () => {
      pinning = !pinning;
      pin.setAttribute("aria-pressed", String(pinning));
      pin.textContent = word(pinning ? "comment_pin_hint" : point ? "comment_pinned" : "comment_pin");
    } }, word("comment_pin"));
    const form = byId("gp-comment");
    form.replaceChildren(element("label", { class: "gc-field" }, word("comment_write"), text),
      element("div", { class: "gp-actions" }, element("button", { type: "submit", class: "gc-button" }, word("comment_send")), pin));
    form.onsubmit = (event) => {
      event.preventDefault();
      Gridcircle.guarded(async () => {
        const body = { text: text.value.trim() };
        if (point) body.point = { type: "Point", coordinates: point };
        await Plan.ask(plan.id, "/comments", { body, quiet: false });
        point = null;
        draftPin.remove();
        commentForm();
        await readComments();
      });
    };
    map.off("click").on("click", ({ latlng }) => {
      if (!pinning) return;
      pinning = false;
      point = [latlng.lng, latlng.lat].map((v) => Number(v.toFixed(6)));
      draftPin.setLatLng(latlng).addTo(map);
      pin.setAttribute("aria-pressed", "false");
      pin.textContent = word("comment_pinned");
    });
  }
  async function readComments() {
    const told = await Plan.ask(page.plan, "/comments");
    showComments(told.comments || []);
  }

  let sides = false;
  let goTo = null;
  async function read() {
    const [found, list] = await Promise.all([Plan.ask(page.plan, ""), Gridcircle.ask("/api/v1/plans", { quiet: true })]);
    plan = found;
    plans = list.plans;
    Plan.setLimits(plan.limits);
    Plan.head(byId("gp-head"), plan, "review");
    await readOpen();
    showDecision();
    const against = Plan.earlier(plan, plans);
    if (!sides) {
      sides = true;
      Plan.sides(map, against, plan.id);
      if (plan.bounds) Gridcircle.show(map, [[plan.bounds[1], plan.bounds[0]], [plan.bounds[3], plan.bounds[2]]]);
    }
    await readComments();
    if (against === null) {
      byId("gp-changed").replaceChildren(element("li", { class: "gc-none" }, word("review_none_changed")));
      return;
    }
    const told = await Plan.ask(plan.id, `/compare?with=${against}`);
    Plan.totals(byId("gp-totals"), told.totals, told.moved, told.limits);
    byId("gp-changed-count").textContent = number(told.grids.length);
    goTo ??= Plan.outlineChanges(map, told);
    Plan.changedList(byId("gp-changed"), told.grids, goTo);
  }
  commentForm();
  Gridcircle.guarded(read);
};
