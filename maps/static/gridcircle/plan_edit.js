/* The editor of a plan: what is in view, what is chosen, edits previewed and saved, undo, others. */
"use strict";

Gridcircle.begin = function (map) {
  const { byId, word, element, number } = Gridcircle;
  const Plan = GridcirclePlan;
  const id = Gridcircle.page.plan;
  const lang = Gridcircle.page.language;
  const GRIDS_FROM = 14;
  const MICRO_FROM = 17;
  const MOST = 1500; // more grids in view than this come as tiles

  map.getPane("names").style.zIndex = 425;
  map.createPane("tiles_of_grids").style.zIndex = 300;
  map.createPane("grids").style.zIndex = 405;
  map.getPane("grids").style.pointerEvents = "none";
  map.createPane("chosen").style.zIndex = 418;
  map.getPane("chosen").style.pointerEvents = "none";
  const renderer = L.canvas({ pane: "grids", padding: 0.3 });
  const chosenRenderer = L.svg({ pane: "chosen", padding: 0.3 });
  const shapes = L.layerGroup().addTo(map);
  const labels = L.layerGroup().addTo(map);
  const inner = L.layerGroup().addTo(map);
  const labelOf = new Map();
  const shapeOf = new Map();
  const outlines = L.layerGroup().addTo(map);
  const place = L.layerGroup().addTo(map);
  const cells = Plan.cells(map, id);
  const preview = Plan.preview(map);
  let design = null;
  let taking = null;
  let limits = null;
  let people = null;

  let plan = null;
  let grids = new Map(); // in view, by id
  let micro = []; // micro-grids in view
  let communities = new Map();
  let chosen = []; // features, in the order they were chosen
  let tiles = null;
  let version = 0;
  let asking = null;
  let follow = null;
  let writable = false;
  let busy = false;
  let lastCommunity = null; // undo goes back where one has worked
  const history = [];

  Plan.legend(byId("gp-legend"));
  for (const box of ["mousedown", "dblclick", "click", "wheel"]) byId("gc-panel").addEventListener(box, (e) => e.stopPropagation());

  // The plan, its communities and their versions.
  async function readPlan() {
    const [told, parts] = await Promise.all([Plan.ask(id, ""), Plan.ask(id, "/communities")]);
    plan = told;
    Plan.setLimits(plan.limits);
    communities = new Map(parts.communities.map((one) => [one.id, one]));
    writable = plan.state === "draft";
    Plan.head(byId("gp-head"), plan, "edit");
    document.body.classList.toggle("gp-readonly", !writable);
    toolbar.sync();
    design.sync();
    taking.sync();
    limits.sync();
    people.sync();
    showBroken();
    quietly(microCounts.read);
    return plan;
  }

  // What is in view.
  async function readView() {
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    const near = map.getZoom() >= GRIDS_FROM;
    let features = [];
    if (near) {
      features = await Plan.grids(id, `limit=${MOST}&bbox=${Plan.viewBox(map)}`, { signal });
      if (signal.aborted) return;
    }
    const asTiles = !near || features.length >= MOST;
    if (asTiles && !tiles) tiles = Plan.tiles(id, { pane: "tiles_of_grids", version }).addTo(map);
    if (!asTiles && tiles) {
      tiles.remove();
      tiles = null;
    }
    grids = new Map((asTiles ? [] : features).map((feature) => [feature.id, feature]));
    chosen = chosen.map((feature) => grids.get(feature.id) || feature);
    drawGrids();
    showSelected();
    showBroken();
    await Promise.all([cells.load({ picking: tools.name === "transfer" }), readMicro(signal)]);
  }

  /** Micro-grids lie inside their base grids and are drawn where they are large enough. */
  async function readMicro(signal) {
    const had = micro.length;
    micro = [];
    if (map.getZoom() >= MICRO_FROM) {
      const told = await Plan.ask(id, `/grids?kind=micro&limit=${MOST}&bbox=${Plan.viewBox(map)}`, { signal });
      if (signal.aborted) return;
      micro = told.features;
    }
    inner.clearLayers();
    for (const feature of micro) {
      L.geoJSON(feature, { renderer, interactive: false, pmIgnore: true, snapIgnore: true,
        style: { color: "#12263f", weight: 1.2, dashArray: "3 4", fill: false } }).addTo(inner);
    }
    if (micro.length || had) showSelected();
  }
  /** Read in the background: what somebody is being told stays, unless this fails, too. */
  async function quietly(task) {
    try {
      await task();
    } catch (error) {
      if (error.name !== "AbortError") Gridcircle.showProblem(error.problem || { title: word("failed"), detail: String(error.message || "") });
    }
  }
  const read = () => quietly(readView);
  let timer = 0;
  map.on("moveend", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      read();
      tools.moved();
    }, 120);
  });

  function drawGrids() {
    shapes.clearLayers();
    labels.clearLayers();
    labelOf.clear();
    shapeOf.clear();
    for (const feature of grids.values()) {
      shapeOf.set(feature.id, L.geoJSON(feature, {
        renderer, interactive: false, pmIgnore: true, snapIgnore: false, smoothFactor: 0.5,
        style: (f) => Plan.style({ id: f.id, ...f.properties }),
      }).addTo(shapes));
    }
    const about = [...grids.values()];
    if (map.getZoom() >= 14 && about.length <= 400) {
      for (const [gridId, label] of Plan.labelAll(map, about)) labelOf.set(gridId, label.addTo(labels));
    }
    drawChosen();
  }

  function drawChosen() {
    outlines.clearLayers();
    chosen.forEach((feature, index) => {
      const style = { renderer: chosenRenderer, interactive: false, pmIgnore: true, snapIgnore: true };
      L.geoJSON(feature, { ...style, style: { color: "#ffffff", weight: 7, opacity: 0.9, fill: false } }).addTo(outlines);
      L.geoJSON(feature, {
        ...style, style: { color: index ? "#7c3aad" : "#5b1a7a", weight: 4, fillColor: "#5b1a7a", fillOpacity: 0.08 },
      }).addTo(outlines);
    });
  }

  /** Put the answer of an edit on the map without asking for the whole view again. */
  function take(answer) {
    for (const gone of answer.removed || []) grids.delete(gone);
    for (const feature of answer.changed.features) {
      if (feature.properties.kind !== "micro") grids.set(feature.id, feature);
    }
    const community = communities.get(answer.community);
    if (community) community.version = answer.version;
    const now = new Map(answer.changed.features.map((feature) => [feature.id, feature]));
    chosen = chosen.filter((feature) => !answer.removed.includes(feature.id))
      .map((feature) => now.get(feature.id) || grids.get(feature.id) || feature);
    version += 1;
    if (tiles) {
      tiles.remove();
      tiles = Plan.tiles(id, { pane: "tiles_of_grids", version }).addTo(map);
    }
    drawGrids();
    showSelected();
    quietly(readPlan);
    read();
  }

  // Choosing.
  const gridAt = ({ lng, lat }) =>
    [...grids.values()].find((feature) => Plan.contains(feature.geometry, [lng, lat])) || null;

  function choose(feature, several = false) {
    const known = chosen.findIndex((one) => one.id === feature?.id);
    if (!feature) chosen = several ? chosen : [];
    else if (!several) chosen = [feature];
    else if (known >= 0) chosen.splice(known, 1);
    else if (chosen.length && chosen[0].properties.community !== feature.properties.community) {
      problem(word("other_community"));
      return;
    } else chosen.push(feature);
    drawChosen();
    showSelected();
    design.sync();
    people.sync();
    readSuggestions();
    tools.use(tools.name);
    if (Gridcircle.isNarrow() && tools.name === "select" && chosen.length) sheet("half", byId("gp-selected"));
  }

  /** On a phone: the sheet as high as what is shown needs, from the top of it. */
  function sheet(state, from = null) {
    const panel = byId("gc-panel");
    if (Gridcircle.isNarrow()) panel.dataset.state = state;
    const content = byId("gc-content");
    if (from) content.scrollTop = Math.max(0, from.offsetTop - content.offsetTop - 40);
  }

  map.on("click", (event) => {
    if (busy || preview.isOpen || editor.drawing) return;
    if (tools.name === "transfer" && chosen.length) return; // picks buildings
    const { ctrlKey, metaKey, shiftKey } = event.originalEvent;
    if (tools.name === "reshape" && chosen.length && event.originalEvent.target.closest?.(".marker-icon")) return;
    const several = tools.name === "merge" || ctrlKey || metaKey || shiftKey;
    if (!tiles) {
      choose(gridAt(event.latlng), several);
      return;
    }
    // What is painted from tiles has no exact shape here: ask for the grid at this point.
    const { lng, lat } = event.latlng;
    quietly(async () => {
      const near = await Plan.grids(id, `limit=20&bbox=${[lng - 1e-7, lat - 1e-7, lng + 1e-7, lat + 1e-7].map((v) => v.toFixed(8)).join(",")}`);
      choose(near.find((feature) => Plan.contains(feature.geometry, [lng, lat])) || null, several);
    });
  });

  // The panel.
  function meter(value, limit) {
    const share = limit ? value / limit : 0;
    return element("span", { class: "gp-meter", "aria-hidden": "true" },
      element("i", { style: { width: `${Math.min(100, (share / 1.5) * 100)}%`, background: Plan.LOADS.find(([to]) => share <= to)[1] } }),
      element("u", {}));
  }

  function gridCard(feature) {
    const about = { id: feature.id, ...feature.properties };
    const rules = Array.isArray(about.broken) ? about.broken : [];
    const staff = Object.entries(about.staff || {}).filter(([, n]) => n !== null && n !== undefined);
    const figure = (value, limit, name) =>
      element("div", {}, element("dt", {}, name),
        element("dd", { class: limit && value > limit ? "gp-alarm" : "" },
          element("b", {}, number(value)), limit ? element("small", {}, ` / ${number(limit)}`) : null,
          limit ? meter(value, limit) : null));
    const limited = about.kind !== "exclusive";
    return element("article", { class: "gc-card gp-grid" },
      element("header", {}, element("h2", {}, Plan.title(about)), element("span", { class: "gp-kind" }, word(`kind_${about.kind}`))),
      element("p", { class: "gc-note" }, element("code", {}, about.code || word("no_code"))),
      about.branch ? element("p", { class: "gc-note" }, `${word("branch")} ${about.branch}`) : null,
      element("dl", { class: "gp-measures" },
        figure(about.households, limited ? Plan.limits.households : null, word("households")),
        figure(about.people, limited ? Plan.limits.people : null, word("people")),
        figure(about.buildings, null, word("buildings")),
        figure(about.stations, null, word("stations"))),
      staff.length
        ? element("p", { class: "gc-note" }, staff.map(([role, n]) => `${word(`staff_${role}`)} ${number(n)}`).join(" · "))
        : null,
      ...microList(feature),
      rules.length
        ? element("ul", { class: "gp-rules" }, ...rules.map((rule) => element("li", {}, `▲ ${Plan.inLanguage(rule)}`)))
        : element("p", { class: "gp-fine" }, word("rules_kept")));
  }

  function microList(feature) {
    const own = micro.filter((one) => one.properties.parent === feature.id);
    if (!own.length) return [];
    return [element("h3", { class: "gc-note" }, word("micro_title", { n: number(own.length) })),
      element("ul", { class: "gp-micro" }, ...own.map((one) =>
        element("li", {}, one.properties.name || one.properties.code,
          element("span", { class: one.properties.stale ? "gp-alarm" : "", title: one.properties.stale ? word("micro_stale_one") : null },
            word("n_homes", { n: number(one.properties.households) }),
            one.properties.stale ? element("small", {}, word("micro_stale_one")) : null),
          writable
            ? element("button", { type: "button", "aria-label": word("micro_remove", { name: one.properties.name || one.properties.code }),
                onclick: () => propose({ kind: "remove", grid: one.id }, word("micro_remove", { name: one.properties.name || one.properties.code }), feature) }, "×")
            : null)))];
  }

  function showSelected() {
    const box = byId("gp-selected");
    if (!chosen.length) {
      box.replaceChildren(element("p", { class: "gc-hint" }, word(grids.size || !plan || plan.totals.grids ? "select_hint" : "plan_no_grids")));
      byId("gp-suggestions").hidden = true;
      return;
    }
    const sum = (key) => chosen.reduce((total, f) => total + (f.properties[key] || 0), 0);
    box.replaceChildren(
      ...(chosen.length > 1
        ? [element("p", { class: "gp-line" }, element("span", {}, element("b", {}, number(chosen.length)), ` ${word("grids")}`),
            element("span", {}, element("b", {}, number(sum("households"))), ` ${word("households")}`),
            element("span", {}, element("b", {}, number(sum("people"))), ` ${word("people")}`))]
        : []),
      ...chosen.map(gridCard));
  }

  async function readSuggestions() {
    const box = byId("gp-suggestions");
    const [feature] = chosen;
    if (!feature || chosen.length > 1 || !Plan.broken(feature.properties) || !writable) {
      box.hidden = true;
      return;
    }
    const told = await Plan.ask(id, `/suggestions?grid=${feature.id}`).catch(() => ({ suggestions: [] }));
    if (chosen.length !== 1 || chosen[0].id !== feature.id) return;
    byId("gp-suggested").replaceChildren(
      ...told.suggestions.map((one) => {
        const text = (lang === "zh" && one.text_zh) || one.text;
        return element("li", {}, element("button", { type: "button", class: "gp-suggest",
          onclick: () => propose(one.edit, text, feature) }, element("b", {}, text),
        element("small", {}, Object.entries(one.after || {}).map(([grid, figures]) => {
          const known = grids.get(Number(grid));
          const title = known ? Plan.tail({ id: known.id, ...known.properties }) : word("grid_other");
          return `${title}: ${word("n_homes", { n: number(figures.households) })}`;
        }).join(" · "))));
      }));
    if (!told.suggestions.length) byId("gp-suggested").replaceChildren(element("li", { class: "gc-none" }, word("suggestions_none")));
    box.hidden = false;
  }

  /** Broken rules: those in view one by one, the rest by community. */
  function showBroken() {
    if (!plan) return;
    const inView = [...grids.values()].filter((f) => Plan.broken(f.properties));
    inView.sort((a, b) => Plan.load(b.properties) - Plan.load(a.properties));
    const counted = new Map();
    for (const f of inView) counted.set(f.properties.community, (counted.get(f.properties.community) || 0) + 1);
    const elsewhere = [...communities.values()].filter((one) => one.broken > 0 && !counted.has(one.id));
    byId("gp-broken-count").textContent = plan.totals.broken ? number(plan.totals.broken) : "";
    const rows = [
      ...inView.slice(0, 60).map((feature) => {
        const about = { id: feature.id, ...feature.properties };
        const rules = Array.isArray(about.broken) ? about.broken : [];
        return element("li", {}, element("button", { type: "button", onclick: () => { choose(feature); show([feature]); } },
          element("b", {}, `▲ ${Plan.title(about)}`),
          element("small", {}, Plan.rulesText(rules) || word("n_homes", { n: number(about.households) }))));
      }),
      ...elsewhere.map((one) =>
        element("li", {}, element("button", { type: "button", onclick: () => goToCommunity(one) },
          element("b", {}, one.name), element("small", {}, word("broken_here", { n: number(one.broken) }))))),
    ];
    byId("gp-broken").replaceChildren(
      ...(rows.length ? rows : [element("li", { class: "gc-none" }, word("plan_none_broken"))]));
  }

  const goToCommunity = (one) => quietly(async () => {
    if (one.bounds) Gridcircle.show(map, Plan.bounds(one.bounds).pad(0.05), { maxZoom: 17 });
    else show(await Plan.grids(id, `community=${one.id}&limit=${MOST}`));
  });

  function show(features) {
    const bounds = features.map((f) => Plan.bounds(Plan.box(f.geometry))).reduce((all, one) => all.extend(one), L.latLngBounds([]));
    if (Gridcircle.isNarrow() && byId("gc-panel").dataset.state === "full") byId("gc-panel").dataset.state = "half";
    Gridcircle.show(map, bounds.pad(0.35), { maxZoom: 18 });
  }

  // Edits: previewed, then saved with the version the preview saw.
  function problem(title, told = {}) {
    Gridcircle.showProblem({ ...told, title: title || told.title });
    byId("gc-content").scrollTop = 0;
  }

  function refused(error, body, title, feature) {
    if (error.status === 412 && error.problem?.present) {
      stale(error.problem.present, body, title, feature);
      return;
    }
    if (error.name === "AbortError") return;
    Gridcircle.showProblem(error.problem || { title: word("failed"), detail: String(error.message || "") });
    byId("gc-content").scrollTop = 0;
    const panel = byId("gc-panel");
    if (panel.dataset.state === "low") panel.dataset.state = "half";
    const at = error.problem?.at;
    if (at?.type === "Point") {
      const [lon, lat] = at.coordinates;
      L.marker([lat, lon], { interactive: false, keyboard: false,
        icon: L.divIcon({ className: "gp-here", html: element("span", {}, "!"), iconSize: [30, 30] }) }).addTo(place);
      if (!map.getBounds().contains([lat, lon])) map.panTo([lat, lon]);
    }
    tools.use(tools.name);
  }

  async function write(body, { seen, isPreview }) {
    busy = true;
    try {
      const ask = () => Plan.ask(id, `/edits${isPreview ? "?preview=true" : ""}`, { body, version: seen, quiet: false });
      return await (isPreview ? ask() : follow.writing(ask));
    } finally {
      busy = false;
    }
  }

  /** Ask what an edit would do and show it. */
  async function propose(asked, title, feature) {
    if (!writable) return problem(word("plan_readonly"));
    const community = asked.community ?? feature?.properties.community;
    const body = { ...asked, community };
    const seen = communities.get(community)?.version;
    Gridcircle.showProblem(null);
    place.clearLayers();
    tools.pause();
    let answer;
    try {
      answer = await write(body, { seen, isPreview: true });
    } catch (error) {
      return refused(error, body, title, feature);
    }
    preview.show(answer, {
      title,
      oncancel: () => {
        preview.close();
        tools.use(tools.name);
        drawGrids();
      },
      onsave: () => save(body, answer.version ?? seen, title, feature),
    });
    // What is there now makes room for what would be.
    outlines.clearLayers();
    for (const { id: gridId } of [...preview.affected(answer), ...answer.before.features.filter((f) => answer.removed.includes(f.id))]) {
      labelOf.get(gridId)?.remove();
      shapeOf.get(gridId)?.remove();
    }
    return undefined;
  }

  async function save(body, seen, title, feature) {
    if (busy) return;
    try {
      const answer = await write(body, { seen, isPreview: false });
      preview.close();
      cells.clear();
      lastCommunity = answer.community ?? body.community;
      chosen = chosen.filter((f) => !answer.removed.includes(f.id));
      if (!chosen.length) chosen = answer.changed.features.slice(0, 1);
      take(answer);
      remember({ seq: answer.edit, kind: body.kind, community: lastCommunity, at: new Date().toISOString() }, true);
      tools.use("select");
      toolbar.sync();
      readSuggestions();
      toast(word("saved", { edit: title }), word("tool_undo"), () => step("undo"));
    } catch (error) {
      if (error.status !== 412) preview.close();
      refused(error, body, title, feature);
    }
  }

  /** Several edits made at once: all is read again. */
  function taken(told, kind = "take") {
    for (const one of told.edits) remember({ seq: one.edit, kind, community: one.community, at: new Date().toISOString() }, true);
    lastCommunity = null;
    chosen = [];
    version += 1;
    tiles?.remove();
    tiles = null;
    cells.clear();
    quietly(readPlan);
    read();
  }

  /** Somebody else has changed the community: show how it is now, offer the edit again. */
  function stale(present, body, title, feature) {
    const features = present.grids?.features || [];
    const community = communities.get(body.community);
    if (community) community.version = present.version;
    for (const [gridId, known] of grids) if (known.properties.community === body.community) grids.delete(gridId);
    for (const one of features) grids.set(one.id, one);
    chosen = chosen.map((one) => grids.get(one.id)).filter(Boolean);
    drawGrids();
    showSelected();
    preview.stale(features, {
      title,
      onredo: () => {
        preview.close();
        propose(body, title, grids.get(feature?.id) || feature);
      },
      oncancel: () => {
        preview.close();
        tools.use("select");
        read();
      },
    });
  }

  async function step(which) {
    if (busy || !writable) return;
    preview.close();
    place.clearLayers();
    tools.use("select");
    const community = lastCommunity ?? chosen[0]?.properties.community;
    const body = community === null || community === undefined ? {} : { community };
    await Gridcircle.guarded(async () => {
      busy = true;
      try {
        const answer = await follow.writing(() =>
          Plan.ask(id, `/${which}`, { body, version: communities.get(community)?.version, quiet: false }));
        lastCommunity = answer.community ?? community;
        take(answer);
        remember({ seq: answer.edit, kind: which, community: lastCommunity, at: new Date().toISOString() }, true);
        // It may be far from what is in view.
        const touched = [...answer.changed.features, ...answer.before.features];
        toast(word(`${which}_done`, { community: communities.get(lastCommunity)?.name || "" }), word("others_look"), () => show(touched));
      } catch (error) {
        if (error.status === 409) {
          toast(word(`${which}_none`));
          return;
        }
        if (error.status !== 412) throw error;
        await readPlan();
        await readView();
        problem(word("stale_undo"));
      } finally {
        busy = false;
      }
    });
  }

  // A new grid needs a kind and a name; names and kinds change in forms, too.
  function form(title, fields, onsubmit) {
    const box = byId("gp-task");
    const close = () => {
      box.hidden = true;
      box.replaceChildren();
    };
    const made = element("form", { class: "gp-form" }, element("h2", {}, title), ...fields,
      element("div", { class: "gp-actions" },
        element("button", { type: "submit", class: "gc-button", id: "gp-form-ok" }, word("preview_it")),
        element("button", { type: "button", class: "gp-action", onclick: () => { close(); tools.use("select"); } }, word("cancel"))));
    made.addEventListener("submit", (event) => {
      event.preventDefault();
      close();
      onsubmit();
    });
    box.replaceChildren(made);
    box.hidden = false;
    const panel = byId("gc-panel");
    if (panel.dataset.state === "low") panel.dataset.state = "half";
    panel.querySelector(".gc-content").scrollTop = Math.max(0, box.offsetTop - 12);
    made.querySelector("input,select")?.focus({ preventScroll: true });
  }
  const field = (label, control) => element("label", { class: "gc-field" }, label, control);
  const kindSelect = (value, kinds = ["base", "exclusive"]) => {
    const select = element("select", {});
    Gridcircle.options(select, kinds.map((kind) => [kind, word(`kind_${kind}`)]), value);
    return select;
  };

  function askNew(patch) {
    const [outer] = patch.coordinates;
    const inside = Plan.labelPoint(patch)?.at;
    const home = (inside && gridAt({ lat: inside[0], lng: inside[1] })) || gridAt({ lng: outer[0][0], lat: outer[0][1] });
    if (!home) {
      problem(word("draw_outside"));
      tools.use("draw");
      return;
    }
    const kind = kindSelect("base", ["base", "exclusive", "micro"]);
    const name = element("input", { type: "text", maxlength: "80" });
    form(word("tool_draw"), [field(word("kind"), kind), field(word("name_optional"), name)], () =>
      propose({ kind: "draw", patch, grid_kind: kind.value, name: name.value.trim() }, word("tool_draw"), home));
  }

  function rename() {
    const [feature] = chosen;
    if (!feature) return hint(word("rename_choose"));
    const name = element("input", { type: "text", value: feature.properties.name || "", maxlength: "80", id: "gp-rename" });
    const code = element("input", { type: "text", value: feature.properties.code || "", maxlength: "64", inputmode: "numeric" });
    const known = feature.properties.staff || {};
    const staff = Object.keys(known).map((role) =>
      [role, element("input", { type: "number", min: "0", max: "10000", step: "1", value: String(known[role]), required: true })]);
    const branch = element("input", { type: "text", value: feature.properties.branch || "", maxlength: "200" });
    const renumber = element("button", { type: "button", class: "gp-action", onclick: () => {
      byId("gp-task").hidden = true;
      propose({ kind: "renumber" }, word("renumber"), feature);
    } }, word("renumber"));
    form(word("tool_rename"), [field(word("name"), name), field(word("code_15"), code), field(word("branch"), branch),
      element("fieldset", { class: "gc-field gp-staff" }, element("legend", {}, word("staff_title")),
        ...staff.map(([role, input]) => field(word(`staff_${role}`), input))), renumber], () => {
      const body = { kind: "rename", grid: feature.id };
      if (name.value.trim() !== (feature.properties.name || "")) body.name = name.value.trim();
      if (code.value !== (feature.properties.code || "")) body.code = code.value;
      if (branch.value.trim() !== (feature.properties.branch || "")) body.branch = branch.value.trim();
      const changed = staff.filter(([role, input]) => Number(input.value) !== known[role]);
      if (changed.length) body.staff = Object.fromEntries(changed.map(([role, input]) => [role, Number(input.value)]));
      if (Object.keys(body).length === 2) return;
      propose(body, word("tool_rename"), feature);
    });
    return undefined;
  }

  function changeKind() {
    const [feature] = chosen;
    if (!feature) return hint(word("kind_choose"));
    const now = feature.properties.kind;
    const kind = kindSelect(now === "base" ? "exclusive" : "base");
    form(word("tool_kind"), [field(word("kind"), kind)], () =>
      propose({ kind: "change_kind", grid: feature.id, grid_kind: kind.value }, word("tool_kind"), feature));
    return undefined;
  }

  /** A grid cannot leave a hole: it goes to the neighbour that stays least loaded. */
  function dissolve() {
    const [feature] = chosen;
    if (!feature || chosen.length > 1) return;
    const near = Plan.lines.neighbours([...grids.values()], feature)
      .filter(({ feature: other }) => other.properties.community === feature.properties.community);
    near.sort((a, b) => Plan.load(a.feature.properties) - Plan.load(b.feature.properties));
    if (!near.length) {
      problem(word("delete_no_neighbour"));
      return;
    }
    propose({ kind: "merge", grids: [near[0].feature.id, feature.id] }, word("tool_delete", { grid: Plan.tail(feature.properties) }), feature);
  }

  // Hints over the map, messages that go away.
  const bar = element("div", { class: "gp-bar" });
  const hintBox = element("div", { class: "gp-hint", role: "status", hidden: true });
  const toastBox = element("div", { class: "gp-toast", role: "status", hidden: true });
  function hint(text, ...buttons) {
    hintBox.replaceChildren(...(text ? [element("span", {}, text), ...buttons.filter(Boolean)] : []));
    hintBox.hidden = !text;
  }
  let toastTimer = 0;
  function toast(text, action, onaction) {
    clearTimeout(toastTimer);
    toastBox.replaceChildren(element("span", {}, text),
      ...(action ? [element("button", { type: "button", onclick: () => { toastBox.hidden = true; onaction(); } }, action)] : []));
    toastBox.hidden = false;
    toastTimer = setTimeout(() => (toastBox.hidden = true), 6000);
  }
  document.body.append(element("div", { class: "gp-above" }, bar, hintBox), toastBox);

  // The toolbar.
  const ICONS = {
    select: "M5 3l6 16 2.2-6.8L20 10z",
    split: "M4 5h16v14H4zM3 15l7-3 4 2 7-5",
    merge: "M4 5h16v14H4zM12 5v3M12 16v3M8 12h8M10 9.5L7.5 12l2.5 2.5M14 9.5l2.5 2.5-2.5 2.5",
    transfer: "M4 5h7v14H4zM14 8h6v8h-6zM9 12h9M15 9l3 3-3 3",
    reshape: "M5 6l8-2 6 7-5 9-9-3zM5 6h0M13 4h0M19 11h0M14 20h0M5 17h0",
    draw: "M4 19l3-11 9-4 4 9-6 7zM4 19h0",
    rename: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
    kind: "M4 5h7v6H4zM13 13h7v6h-7zM14 5h6v6h-6zM4 13h6v6H4z",
    undo: "M9 7L4 12l5 5M4 12h10a5 5 0 0 1 0 10h-3",
    redo: "M15 7l5 5-5 5M20 12H10a5 5 0 0 0 0 10h3",
  };
  function icon(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", ICONS[name]);
    svg.append(path);
    return svg;
  }
  // Enter belongs to the tool, not to the button that a pointer has started it by.
  bar.addEventListener("click", (event) => event.detail && document.activeElement?.blur());
  hintBox.addEventListener("click", (event) => event.detail && document.activeElement?.blur());
  const toolbar = (() => {
    const buttons = new Map();
    const add = (name, onclick, key = "") => {
      const made = element("button", { type: "button", "data-tool": name, title: `${word(`tool_${name}`)}${key ? ` (${key})` : ""}`, onclick },
        icon(name), element("span", {}, word(`tool_${name}`)));
      buttons.set(name, made);
      bar.append(made);
    };
    for (const name of ["select", "split", "merge", "transfer", "reshape", "draw"]) add(name, () => use(name));
    add("rename", () => { use("select"); rename(); });
    add("kind", () => { use("select"); changeKind(); });
    bar.append(element("hr"));
    add("undo", () => step("undo"), "Ctrl-Z");
    add("redo", () => step("redo"), "Ctrl-Y");
    return {
      sync() {
        for (const [name, made] of buttons) {
          made.disabled = !writable && name !== "select";
          if (name === "undo" && plan) made.disabled ||= !plan.can_undo;
          if (name === "redo" && plan) made.disabled ||= !plan.can_redo;
          if (!["undo", "redo", "rename", "kind"].includes(name)) made.setAttribute("aria-pressed", String(tools.name === name));
        }
      },
    };
  })();

  function use(name) {
    if (name !== "select" && Gridcircle.isNarrow()) sheet("low");
    if (preview.isOpen) preview.close();
    byId("gp-task").hidden = true;
    place.clearLayers();
    tools.use(name);
    toolbar.sync();
  }

  const editor = {
    map, cells, drawing: null, hint, problem, propose, askNew, use, show,
    selected: () => chosen,
    inView: () => [...grids.values()],
    isBusy: () => busy || preview.isOpen,
  };
  const tools = Plan.tools(editor);
  design = Plan.design(byId("gp-design"), {
    id, plan: () => plan, communities: () => [...communities.values()], selected: () => chosen,
    made: () => taking.reread(),
  });
  taking = Plan.take(byId("gp-take"), map, {
    id, plan: () => plan, communities: () => [...communities.values()], propose, show, taken,
  });
  people = Plan.people(byId("gp-people"), map, {
    id, plan: () => plan, communities: () => [...communities.values()], selected: () => chosen, propose, taken, show,
  });

  const microCounts = Plan.stale(byId("gp-stale"), {
    id, plan: () => plan, write: (task) => follow.writing(task), taken,
  });

  /** Limits have changed: colours, rules and tiles follow. */
  async function measureAnew() {
    version += 1;
    tiles?.remove();
    tiles = null;
    await readPlan();
    await readView();
    readSuggestions();
  }
  limits = Plan.limitsForm(byId("gp-limits"), {
    id, plan: () => plan, write: (task) => follow.writing(task), changed: measureAnew,
    remember: (told) => remember({ seq: told.seq, kind: "limits", community: null, at: new Date().toISOString() }, true),
  });

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select");
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (control && !typing && (key === "z" || key === "y")) {
      event.preventDefault();
      step(key === "y" || event.shiftKey ? "redo" : "undo");
      return;
    }
    if (typing && event.key !== "Escape") return;
    if (event.key === "Enter" && event.target.closest?.("button, a, summary")) return; // its own click
    if (preview.key(event.key)) return event.preventDefault();
    if (event.key === "Escape") {
      if (!byId("gp-task").hidden || tools.name !== "select") use("select");
      else choose(null);
      Gridcircle.showProblem(null);
    } else if (event.key === "Enter") tools.enter();
    else if ((event.key === "Delete" || event.key === "Backspace") && !tools.remove() && writable && tools.name === "select") dissolve();
  });

  // What was done, here and by others.
  function remember(change, own = false) {
    history.unshift({ ...change, own });
    history.splice(30);
    byId("gp-history").replaceChildren(
      ...history.map((one) =>
        element("li", {},
          element("b", {}, word(`did_${one.kind}`)),
          element("small", {}, [communities.get(one.community)?.name, one.own ? word("by_you") : one.author, Plan.time(one.at)]
            .filter(Boolean).join(" · ")))));
    if (!history.length) byId("gp-history").replaceChildren(element("li", { class: "gc-none" }, word("history_none")));
  }

  function others(changes) {
    const last = changes[changes.length - 1];
    const box = byId("gp-notice");
    const name = communities.get(last.community)?.name || "";
    for (const change of changes) remember(change);
    const author = last.author || word("somebody");
    box.replaceChildren(element("div", { class: "gp-notice" },
      element("b", {}, last.community
        ? word("others_changed", { author, n: changes.length, community: name })
        : `${author} · ${word(`did_${last.kind}`)}`),
      element("div", { class: "gp-actions" },
        last.community
          ? element("button", { type: "button", class: "gp-action", onclick: () => goToCommunity(communities.get(last.community)) }, word("others_look"))
          : null,
        element("button", { type: "button", class: "gp-action", onclick: () => box.replaceChildren() }, word("close")))));
    // A preview keeps the version it saw: saving it then says that it is stale.
    quietly(async () => {
      if (changes.some((change) => change.kind === "limits") && !preview.isOpen) return measureAnew();
      await readPlan();
      if (!preview.isOpen) await readView();
      return undefined;
    });
  }

  Gridcircle.guarded(async () => {
    tools.use("select");
    toolbar.sync();
    // The map first: where the communities lie is known long before a large plan is added up.
    const parts = await Plan.ask(id, "/communities");
    communities = new Map(parts.communities.map((one) => [one.id, one]));
    const extent = parts.communities.map((one) => one.bounds).filter(Boolean).map(Plan.bounds)
      .reduce((all, one) => all.extend(one), L.latLngBounds([]));
    // Another page may send here to one place: ?at=lon,lat
    const at = (new URLSearchParams(location.search).get("at") || "").split(",").map(Number);
    if (at.length === 2 && at.every(Number.isFinite)) map.setView([at[1], at[0]], 18, { animate: false });
    else if (extent.isValid()) Gridcircle.show(map, extent);
    read();
    await readPlan();
    drawGrids(); // with the limits of this plan
    if (!writable) {
      byId("gp-notice").replaceChildren(element("p", { class: "gp-notice" },
        word(plan.state === "review" ? "plan_in_review" : "plan_readonly")));
    }
    const past = await Plan.ask(id, `/changes?after=${Math.max(0, (plan.seq || 0) - 20)}`).catch(() => ({ changes: [] }));
    byId("gp-history").replaceChildren(element("li", { class: "gc-none" }, word("history_none")));
    for (const change of past.changes) remember(change);
    follow = Plan.follow(id, plan.seq || 0, others);
    showSelected();
    showBroken();
  });
};
