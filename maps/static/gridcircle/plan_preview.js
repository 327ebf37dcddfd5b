/* What an edit would do, before it is saved: both grids on the map, a table, save or cancel. */
"use strict";

GridcirclePlan.preview = function (map) {
  const { byId, word, element, number } = Gridcircle;
  const Plan = GridcirclePlan;
  const box = byId("gp-preview");
  map.createPane("preview").style.zIndex = 422;
  map.getPane("preview").style.pointerEvents = "none";
  const renderer = L.svg({ pane: "preview" });
  const quiet = { renderer, interactive: false, pmIgnore: true, snapIgnore: true };
  const drawn = L.layerGroup().addTo(map);
  let onescape = null;
  let onenter = null;

  function close() {
    box.hidden = true;
    box.replaceChildren();
    drawn.clearLayers();
    document.body.classList.remove("gp-previewing");
    onescape = onenter = null;
  }

  function open(...children) {
    box.replaceChildren(...children.filter(Boolean));
    box.hidden = false;
    const panel = byId("gc-panel");
    panel.querySelector(".gc-content").scrollTop = Math.max(0, box.offsetTop - 12);
    if (panel.dataset.state === "low") panel.dataset.state = "half";
    document.body.classList.add("gp-previewing");
  }

  function outline(features, style) {
    return L.geoJSON({ type: "FeatureCollection", features }, { ...quiet, style }).addTo(drawn);
  }

  /** Grids that an edit is about: a neighbour that only gets a vertex more is not. */
  function affected(answer) {
    const before = new Map(answer.before.features.map((f) => [f.id, f.properties]));
    const rules = (about) => JSON.stringify(about.broken);
    const some = answer.changed.features.filter(({ id, properties: now }) => {
      const was = before.get(id);
      return !was || rules(was) !== rules(now) ||
        ["households", "people", "buildings", "name", "code", "kind", "branch"].some((key) => was[key] !== now[key]);
    });
    return some.length ? some : answer.changed.features;
  }

  /** Grids before as dashes, grids after in their colours with what changes in their labels. */
  function draw(answer) {
    drawn.clearLayers();
    const before = new Map(answer.before.features.map((f) => [f.id, f]));
    const about = affected(answer);
    const shown = new Set([...about.map((f) => f.id), ...(answer.removed || [])]);
    const was = answer.before.features.filter((f) => shown.has(f.id));
    outline(about, (f) => ({
      color: "#5b1a7a", weight: 3.4, fillColor: Plan.color(f.properties), fillOpacity: 0.66,
    }));
    outline(was, () => ({ color: "#ffffff", weight: 4, fill: false, opacity: 0.85 }));
    const shape = outline(was, () => ({ color: "#1b1b1b", weight: 1.8, dashArray: "6 5", fill: false }));
    for (const feature of about) {
      const was = before.get(feature.id)?.properties.households;
      const now = feature.properties.households;
      const text = was === undefined || was === now ? word("n_homes", { n: number(now) }) : `${number(was)} → ${number(now)}`;
      Plan.label(map, feature, { changed: text, force: true })?.addTo(drawn);
    }
    return shape.getBounds();
  }

  const state = (about) => {
    const rules = Array.isArray(about.broken) ? about.broken : [];
    return rules.length
      ? element("span", { class: "gp-alarm" }, `▲ ${Plan.rulesText(rules)}`)
      : element("span", { class: "gp-fine" }, word("rules_kept"));
  };

  function row(name, was, now, about, gone = false) {
    const delta = was !== null && now !== null ? now.households - was.households : null;
    return element("tr", {},
      element("th", { scope: "row" }, name,
        was === null ? element("em", {}, word("preview_new")) : gone ? element("em", {}, word("preview_gone")) : null),
      element("td", { class: "gc-number" }, was ? number(was.households) : "–"),
      element("td", { class: "gc-number" },
        element("b", { class: now && Plan.isOver(about) ? "gp-alarm" : "" }, now ? number(now.households) : "–"),
        delta ? element("small", {}, ` ${delta > 0 ? "+" : "−"}${number(Math.abs(delta))}`) : null),
      element("td", { class: "gc-number" }, now ? number(now.people) : "–"));
  }

  function table(answer) {
    const before = new Map(answer.before.features.map((f) => [f.id, f.properties]));
    const rows = affected(answer).flatMap((f) => [
      row(Plan.tail({ id: f.id, ...f.properties }), before.get(f.id) || null, f.properties, f.properties),
      element("tr", { class: "gp-rule" }, element("td", { colspan: "4" }, state(f.properties))),
    ]);
    for (const id of answer.removed || []) {
      const was = before.get(id);
      if (was) rows.push(row(Plan.tail({ id, ...was }), was, null, was, true));
    }
    return element("table", { class: "gp-table" },
      element("thead", {}, element("tr", {},
        element("th", { scope: "col" }, word("k_grid")),
        element("th", { scope: "col", class: "gc-number" }, word("preview_before")),
        element("th", { scope: "col", class: "gc-number" }, word("preview_after")),
        element("th", { scope: "col", class: "gc-number" }, word("people")))),
      element("tbody", {}, ...rows));
  }

  return {
    affected,
    close,
    get isOpen() {
      return !box.hidden;
    },
    /** Keys while a preview is open; true if it took the key. */
    key(name) {
      if (box.hidden) return false;
      if (name === "Escape") onescape?.();
      else if (name === "Enter") onenter?.();
      else return false;
      return true;
    },
    /** Show what an edit would do. */
    show(answer, { title, onsave, oncancel }) {
      const moved = answer.moved || {};
      const save = element("button", { type: "button", class: "gc-button", id: "gp-save", onclick: onsave }, word("save"));
      open(
        element("h2", {}, word("preview_of", { edit: title })),
        moved.buildings
          ? element("p", {}, word("preview_moved", {
              buildings: number(moved.buildings), households: number(moved.households), people: number(moved.people) }))
          : null,
        table(answer),
        element("div", { class: "gp-actions" }, save,
          element("button", { type: "button", class: "gp-action", id: "gp-cancel", onclick: oncancel }, word("cancel"))),
      );
      [onenter, onescape] = [onsave, oncancel];
      save.focus({ preventScroll: true });
      return draw(answer);
    },
    /** Somebody else was quicker: show what is there now, offer to do the edit again. */
    stale(present, { title, onredo, oncancel }) {
      drawn.clearLayers();
      outline(present, () => ({ color: "#0b5394", weight: 3, dashArray: "2 6", fill: false }));
      const redo = element("button", { type: "button", class: "gc-button", id: "gp-redo-stale", onclick: onredo }, word("stale_redo"));
      open(
        element("h2", {}, word("stale_title")),
        element("p", {}, word("stale_text", { edit: title })),
        element("div", { class: "gp-actions" }, redo,
          element("button", { type: "button", class: "gp-action", onclick: oncancel }, word("stale_drop"))),
      );
      [onenter, onescape] = [onredo, oncancel];
      redo.focus({ preventScroll: true });
    },
  };
};
