/* A proposal taken into this plan, whole communities or parts of them, or into a new draft. */
"use strict";

/**
 * @param {HTMLDetailsElement} box filled here
 * @param {L.Map} map
 * @param {{id: number, plan: function, communities: function, propose: function, taken: function,
 *   show: function}} editor
 * @returns {{sync: function}} to be told when the plan or its communities change
 */
GridcirclePlan.take = function (box, map, editor) {
  const { word, element, number } = Gridcircle;
  const Plan = GridcirclePlan;
  const lang = Gridcircle.page.language;
  const proposals = element("select", { id: "gp-take-proposal" });
  const list = element("ul", { class: "gp-take-list", id: "gp-take-communities" });
  const into = element("button", { type: "submit", class: "gc-button", id: "gp-take-run" }, word("take_into_this"));
  const fresh = element("button", { type: "button", class: "gp-action", id: "gp-take-draft" }, word("take_into_draft"));
  const note = element("p", { class: "gc-note", "aria-live": "polite" });
  const form = element("form", { class: "gp-form" },
    element("p", { class: "gc-note" }, word("take_hint")),
    element("label", { class: "gc-field" }, word("take_from"), proposals),
    list, note, element("div", { class: "gp-actions" }, into, fresh));
  box.append(form);
  const drawn = L.layerGroup().addTo(map);
  const known = new Map(); // parts by community
  const wanted = new Map(); // by community: null for all of it, else the chosen parts' places
  let made = [];
  let asked = false;

  const title = (one) => `${word(`scenario_${one.made.scenario}`)} · ${one.name}`;
  const chosen = () => made.find((one) => String(one.plan) === proposals.value);
  const comma = lang === "zh" ? "、" : ", ";
  /** Codes of some grids; of many the first ones and how many there are. */
  function short(features) {
    const codes = features.map((f) => Plan.tail({ id: f.id, ...f.properties })).sort();
    return codes.length <= 4 ? codes.join(comma) : word("take_codes", { n: number(codes.length), codes: codes.slice(0, 3).join(comma) });
  }
  function homesOf(features) {
    const homes = features.map((f) => f.properties.households).sort((a, b) => a - b);
    return homes.length <= 4 ? homes.map((n) => number(n)).join(" / ") : `${number(homes[0])}–${number(homes.at(-1))}`;
  }

  function draw(features) {
    drawn.clearLayers();
    for (const feature of features) {
      L.geoJSON(feature, { interactive: false, pmIgnore: true, snapIgnore: true,
        style: { color: "#5b1a7a", weight: 3, dashArray: "7 5", fill: false } }).addTo(drawn);
    }
  }

  async function readParts(community) {
    if (!known.has(community)) {
      known.set(community, await Plan.ask(editor.id, `/parts?source=${proposals.value}&community=${community}`, { quiet: false }));
    }
    return known.get(community);
  }

  function check(label, checked, onchange, extra = {}) {
    const input = element("input", { type: "checkbox", checked, ...extra });
    input.addEventListener("change", () => onchange(input.checked));
    return [input, element("label", { class: "gp-take-check" }, input, element("span", {}, label))];
  }

  function row(community) {
    const parts = element("ul", { class: "gp-take-parts", hidden: true });
    const [all, label] = check(community.name, false, (on) => {
      if (on) wanted.set(community.id, null);
      else wanted.delete(community.id);
      for (const input of parts.querySelectorAll("input")) input.checked = on;
      sync();
    }, { "data-community": community.id });
    const open = element("button", { type: "button", class: "gp-take-more", "aria-expanded": "false",
      onclick: () => Gridcircle.guarded(async () => {
        const shown = parts.hidden;
        if (shown && !parts.childElementCount) fill();
        if (shown) {
          const told = await readParts(community.id);
          fill(told);
          draw(told.parts.filter((part) => part.changes).flatMap((part) => part.proposed));
          if (told.parts.length) editor.show(told.parts.flatMap((part) => part.proposed));
        } else drawn.clearLayers();
        parts.hidden = !shown;
        open.setAttribute("aria-expanded", String(shown));
      }) }, word("take_parts"));
    function fill(told) {
      if (!told) return;
      const changing = told.parts.map((part, place) => [part, place]).filter(([part]) => part.changes);
      parts.replaceChildren(...(changing.length ? changing.map(([part, place]) => {
        const homes = homesOf(part.proposed);
        const [, item] = check(word("take_part", { from: short(part.grids), to: short(part.proposed), homes }), all.checked, (on) => {
          const some = wanted.get(community.id) === null ? new Set(changing.map(([, p]) => p)) : wanted.get(community.id) || new Set();
          if (on) some.add(place);
          else some.delete(place);
          if (!some.size) wanted.delete(community.id);
          else wanted.set(community.id, some.size === told.parts.length ? null : some);
          all.checked = some.size === changing.length;
          all.indeterminate = some.size > 0 && !all.checked;
          sync();
        }, { "data-part": place });
        item.addEventListener("mouseenter", () => draw(part.proposed));
        return element("li", {}, item);
      }) : [element("li", { class: "gc-none" }, word("take_same"))]));
    }
    return element("li", {}, element("div", { class: "gp-take-row" }, label, open), parts);
  }

  function fillList() {
    wanted.clear();
    known.clear();
    drawn.clearLayers();
    const one = chosen();
    const ids = new Set(one?.made.communities || []);
    const shown = one ? editor.communities().filter((community) => !ids.size || ids.has(community.id)) : [];
    list.replaceChildren(...shown.map(row));
    sync();
  }
  proposals.addEventListener("change", fillList);

  /** What the service is asked to take. */
  function communities(versions) {
    return [...wanted].map(([community, some]) => ({
      community,
      ...(versions ? { version: versions.get(community) } : {}),
      ...(some === null ? {} : { grids: [...some].flatMap((place) => known.get(community).parts[place].proposed.map((f) => f.id)) }),
    }));
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const source = Number(proposals.value);
    if (wanted.size === 1) {
      // One community is one edit: previewed, saved and undone like any other.
      const [one] = communities();
      editor.propose({ kind: "take", source, ...one }, word("did_take"));
      return;
    }
    Gridcircle.guarded(async () => {
      const versions = new Map(editor.communities().map((one) => [one.id, one.version]));
      const told = await Plan.ask(editor.id, "/take", { body: { source, communities: communities(versions) }, quiet: false });
      note.textContent = word("take_done", { n: number(told.edits.length) });
      known.clear();
      drawn.clearLayers();
      editor.taken(told);
    });
  });
  fresh.addEventListener("click", () => Gridcircle.guarded(async () => {
    const stamp = new Date().toLocaleDateString(lang === "zh" ? "zh-CN" : "en");
    const told = await Plan.ask(editor.id, "/take", { body: {
      source: Number(proposals.value), communities: communities(null),
      name: word("take_name", { plan: editor.plan().name.slice(0, 100), date: stamp }),
    }, quiet: false });
    location.href = `/plans/${told.plan}/edit?lang=${lang}`;
  }));

  async function read() {
    asked = true;
    const told = await Plan.ask(editor.id, "/scenarios");
    made = told.plans.filter((one) => one.made && one.plan !== editor.id);
    const first = new URLSearchParams(location.search).get("take");
    Gridcircle.options(proposals, made.map((one) => [one.plan, title(one)]), first ?? made[0]?.plan);
    note.textContent = made.length ? "" : word("take_none");
    fillList();
  }

  function sync() {
    const draft = editor.plan()?.state === "draft";
    into.disabled = !wanted.size || !draft;
    fresh.disabled = !wanted.size;
    into.title = draft ? "" : word("take_only_draft");
  }
  box.addEventListener("toggle", () => {
    if (box.open && !asked) Gridcircle.guarded(read);
    if (!box.open) drawn.clearLayers();
  });
  if (new URLSearchParams(location.search).has("take")) box.open = true;
  sync();
  return { sync, reread: () => { asked = false; if (box.open) return Gridcircle.guarded(read); return undefined; } };
};
