/* One audit: verdict, dots on the map, areas, zones, sites, the week, one building explained. */
"use strict";

Gridcircle.begin = function (map) {
  const { byId, element, percent, number, page } = Gridcircle;
  const w = (key, values = {}) =>
    (page.auditWords[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  const minutes = (value) => (value === null || value === undefined ? "–" : `${number(value, 1)} ${w("minute")}`);
  const LEVELS = ["district", "street", "community", "grid", "compound"];
  const TREE = ["district", "street", "community", "grid"];
  const UNKNOWN = ["stations_without_area", "stations_without_places", "hours_unknown", "areas_unknown", "areas_not_counted"];
  const base = `/api/v1/audits/${page.audit}`;
  let audit = null;
  let unit = "";

  map.createPane("dots").style.zIndex = 350;
  const dots = L.layerGroup().addTo(map);
  const renderer = L.canvas({ pane: "dots", padding: 0.2, tolerance: 6 });
  const marks = L.layerGroup().addTo(map);
  const walk = L.layerGroup().addTo(map);
  const picked = L.layerGroup().addTo(map);
  let weekOf = null;
  byId("gc-back").textContent = `‹ ${w("all_audits")}`;
  byId("gc-home").append(element("p", { class: "gc-hint" }, w("click_hint")));

  // As replaceChildren, which would write "null" for what is not there.
  const put = (id, ...parts) => byId(id).replaceChildren(...parts.filter(Boolean));
  const tag = (verdict) => element("span", { class: `gc-verdict-tag ${verdict}` }, w(`verdict_${verdict}`));
  const bar = (share) => element("span", { class: "gc-bar-small" }, element("i", { style: { width: `${100 * (share || 0)}%` } }));
  const title = (rule) => rule[`title_${page.language}`] || rule.title_zh;
  const ruleOf = (id) => audit.rule_set.rules.find((r) => r.id === id);
  const main = () => audit.rules.find((r) => r.id === audit.main_rule);
  // Rounded down: what is not quite all never reads as all.
  const share = (value) => percent(value === null || value === undefined ? value : Math.floor(value * 1000 + 1e-9) / 1000);

  function verdict() {
    const first = main();
    put("gc-verdict",
      element("p", { class: `gc-audit-verdict ${audit.verdict}` },
        element("strong", {}, w(`verdict_${audit.verdict}`)),
        first ? element("span", {}, `${title(ruleOf(first.id))} `, element("b", {}, share(first.value))) : null),
      first ? element("p", { class: "gc-note" },
        `${number(first.numerator)} / ${number(first.denominator)} ${unit} · ${title(audit.rule_set)} (${audit.rule_set.name} ${audit.rule_set.version}) · ${new Date(page.createdAt).toLocaleString(page.language === "zh" ? "zh-CN" : "en")}`) : null,
      audit.advisory ? element("p", { class: "gc-note" }, w("advisory")) : null,
      element("p", { class: "gc-links" },
        ...[["report_link", "report.html"], ["pdf_link", `report.pdf?lang=${page.language}`], ["public_link", "report.html?public=true"], ["ledger_link", "ledger.xlsx"], ["gpkg_link", "audit.gpkg"], ["pack_link", "pack.zip"], ["json_link", ""]].map(([key, tail]) =>
          element("a", { href: tail ? `${base}/${tail}` : base, target: "_blank", rel: "noopener" }, w(key)))),
    );
  }

  function rules() {
    byId("gc-rules").replaceChildren(
      element("h2", {}, w("rules_title")),
      element("ul", { class: "gc-rule-list" }, ...audit.rules.map((r) => {
        const rule = ruleOf(r.id);
        return element("li", {},
          tag(r.verdict),
          element("span", {}, title(rule),
            element("small", {},
              r.facts.why ? w(r.facts.why)
                : rule.mean ? `${number(r.value, 1)} ≤ ${number(rule.max_households)} · ${w("mean_required")}`
                : `${number(r.numerator)} / ${number(r.denominator)} ${w(r.unit)} · ${share(r.value)} (${w("required")} ${percent(r.required)})`,
              ` · ${rule.binding ? w("binding") : w("advisory_rule")} · ${w(`basis_${rule.basis}`)}`),
            ...UNKNOWN.filter((fact) => r.facts[fact] > 0).map((fact) => element("small", { class: "gc-unknown" }, w(`unknown_${fact}`, { n: number(r.facts[fact]) })))));
      })),
    );
  }

  function reasons() {
    if (!audit.reasons) return;
    byId("gc-reasons").replaceChildren(
      element("h2", {}, w("why")),
      element("table", {}, element("tbody", {}, ...Object.entries(audit.reasons).map(([name, counts]) =>
        element("tr", {},
          element("td", {}, Gridcircle.swatch({ background: page.colours[name], borderRadius: "50%", width: "12px", height: "12px", marginRight: "6px" }),
            w(name), element("small", { class: "gc-sub" }, w(`${name}_note`))),
          element("td", { class: "gc-number" }, `${number(counts[audit.unit])} ${unit}`))))),
    );
  }

  /** Homes inside the circle on the map and outside on foot: told when the list is opened. */
  function falseCircles() {
    const told = audit.false_circles;
    if (!told) return;
    const rows = element("ol", { class: "gc-list-rows" });
    const details = element("details", { ontoggle: async () => {
      if (!details.open || rows.children.length) return;
      const found = await Gridcircle.guarded(() => Gridcircle.ask(`${base}/homes?limit=300&false_circles=true`));
      rows.replaceChildren(...(found?.rows || []).map(([id, , , reason, m, households, name]) => element("li", {},
        element("span", {}, name, element("small", {}, `${number(households)} ${unit} · ${w(reason)} · ${minutes(m)}`)),
        element("button", { type: "button", class: "gc-quiet", onclick: () => explain(id) }, w("explain_it")))));
    } }, element("summary", {}, w("show_list")), rows);
    byId("gc-false").replaceChildren(
      element("h2", {}, w("false")),
      element("p", { class: "gc-note" }, w("false_text", { n: number(told.buildings), h: number(told[audit.unit]), unit, r: number(told.radius_m) })),
      told.buildings ? details : "");
  }

  function spread() {
    const a = audit.accessibility;
    if (!a) return;
    const most = Math.max(1, ...a.histogram.map((h) => h[audit.unit]));
    const row = (name, value) => element("tr", {}, element("td", {}, name), element("td", { class: "gc-number" }, value));
    byId("gc-spread").replaceChildren(
      element("h2", {}, w("distribution")),
      element("table", { class: "gc-bars" }, element("tbody", {}, ...a.histogram.map((h) => element("tr", {},
        element("td", {}, h.to === null ? `≥ ${number(h.from, 1)} ${w("minute")}` : `${number(h.from, 1)}–${number(h.to, 1)} ${w("minute")}`),
        element("td", { class: "gc-number" }, number(h[audit.unit])),
        element("td", {}, element("i", { style: { width: `${(100 * h[audit.unit]) / most}%` } })))))),
      element("table", {}, element("tbody", {},
        row(w("mean"), minutes(a.mean_minutes)), row(w("median"), minutes(a.median_minutes)), row(w("p90"), minutes(a.p90_minutes)),
        row(w("gini"), number(a.gini_minutes, 2)), row(w(a.supply ? `gini_access_${a.supply}` : "gini_access"), number(a.gini_access, 2)),
        ...(a.worst_area ? [row(w("worst"), `${a.worst_area.name || a.worst_area.code} ${share(a.worst_area.share)}`)] : []))));
  }

  function closures() {
    const list = audit.closures || [];
    if (!list.length) return;
    const stations = new Map(audit.stations.map((s) => [s.code, s]));
    byId("gc-closures").replaceChildren(
      element("h2", {}, w("closures")), element("p", { class: "gc-note" }, w("closures_note")),
      element("ol", { class: "gc-list-rows" }, ...list.map((one) => element("li", {},
        element("span", {}, one.name || one.code, element("small", {}, `${number(one[audit.unit])} ${unit}`)),
        stations.has(one.code) ? element("button", { type: "button", class: "gc-quiet", onclick: () => {
          const at = stations.get(one.code);
          goTo(at.lat, at.lon);
          trial.put("closed", at);
        } }, w("try_it")) : ""))));
  }

  let order = { key: "share", down: false };
  function areas() {
    const byRule = audit.rules.filter((r) => Object.keys(r.areas).length);
    const rule = element("select", { id: "gc-area-rule", "aria-label": w("rule") });
    Gridcircle.options(rule, byRule.map((r) => [r.id, title(ruleOf(r.id))]), audit.main_rule);
    rule.addEventListener("change", () => drawAreas(rule, byRule.find((r) => r.id === rule.value)));
    const chosen = main() || byRule[0];
    if (chosen) drawAreas(rule, chosen);
  }

  function drawAreas(rule, first) {
    const levels = LEVELS.filter((level) => first.areas[level]);
    const ofHomes = first.id === audit.main_rule || ["households", "buildings"].includes(first.unit);
    const select = element("select", { id: "gc-level", "aria-label": w("by_area") });
    Gridcircle.options(select, [...(ofHomes ? [["tree", TREE.filter((l) => first.areas[l]).map((l) => w(l)).join(" › ")]] : []), ...levels.map((l) => [l, w(l)])], ofHomes ? "tree" : levels[0]);
    const box = element("div", { class: "gc-scroll" });
    const show = () => box.replaceChildren(select.value === "tree" ? tree(first.areas) : table(first.areas[select.value], show, ofHomes, select.value));
    select.addEventListener("change", show);
    byId("gc-areas").replaceChildren(element("h2", {}, w("by_area")), element("label", { class: "gc-field gc-inline" }, rule), element("label", { class: "gc-field gc-inline" }, select), box);
    show();
  }

  function tree(byLevel) {
    const levels = TREE.filter((level) => byLevel[level]);
    const nodes = new Map();
    for (const level of levels) for (const row of byLevel[level]) if (row.code) nodes.set(`${level}/${row.code}`, { ...row, level, children: [] });
    const roots = [];
    for (const node of nodes.values()) {
      const above = levels.slice(0, levels.indexOf(node.level)).reverse();
      const parent = above.map((level) => nodes.get(`${level}/${node.parent}`)).find(Boolean);
      (parent ? parent.children : roots).push(node);
    }
    const worst = (a, b) => (a.share ?? 2) - (b.share ?? 2) || b.denominator - a.denominator;
    const draw = (some) => some.sort(worst).map((node) =>
      element("details", { class: "gc-tree", open: node.level === "district" },
        element("summary", { class: node.children.length ? "" : "gc-leaf" },
          element("span", {}, node.name || node.code, element("small", {}, `${w(node.level)} · ${number(node.denominator - node.numerator)} ${unit} ${w("outside")}`)),
          bar(node.share), element("span", { class: "gc-number" }, share(node.share)),
          weekOf && node.level === "grid" ? element("button", { type: "button", class: "gc-quiet gc-week-pick", "aria-label": `${w("week")}: ${node.name || node.code}`,
            onclick: (event) => { event.preventDefault(); weekOf("grid", node.code, node.name); } }, w("week_pick")) : ""),
        element("div", {}, ...draw(node.children))));
    return element("div", {}, ...draw(roots));
  }

  function table(rows, again, ofHomes, level) {
    const columns = [
      ["name", w("name"), (r) => (weekOf && r.code
        ? element("button", { type: "button", class: "gc-name", title: w("week"), onclick: () => weekOf(level, r.code, r.name) }, r.name || r.code)
        : r.name || r.code || w("none_area"))],
      ["share", w(ofHomes ? "share" : "verdict"), (r) => (ofHomes ? share(r.share) : tag(r.verdict))],
      ...(ofHomes
        ? [["outside", w("outside"), (r) => number(r.denominator - r.numerator)], ["denominator", unit, (r) => number(r.denominator)]]
        : [["numerator", w("there"), (r) => number(r.numerator)], ["denominator", w("needed"), (r) => number(r.denominator)]]),
    ];
    const value = (r) => (order.key === "outside" ? r.denominator - r.numerator : order.key === "name" ? r.name || "" : r[order.key] ?? -1);
    const sorted = [...rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      return (order.down ? -1 : 1) * (typeof x === "string" ? x.localeCompare(y, "zh-CN") : x - y);
    });
    return element("table", { id: "gc-sums" },
      element("thead", {}, element("tr", {}, ...columns.map(([key, text], place) =>
        element("th", { scope: "col", class: place ? "gc-number" : "", "aria-sort": order.key === key ? (order.down ? "descending" : "ascending") : "none" },
          element("button", { type: "button", onclick: () => { order = { key, down: order.key === key ? !order.down : place > 1 }; again(); } },
            text, order.key === key ? (order.down ? " ▾" : " ▴") : ""))))),
      element("tbody", {}, ...sorted.slice(0, 500).map((r) => element("tr", {}, ...columns.map(([, , text], place) =>
        element("td", { class: place ? "gc-number" : "" }, text(r)))))));
  }

  const goTo = (lat, lon) => {
    if (Gridcircle.isNarrow()) byId("gc-panel").dataset.state = "low";
    map.setView([lat, lon], 17, { animate: false });
  };

  function change(found) {
    if (!found) return w("change_none");
    const values = { gain: number(found.gain), unit, name: found.name || found.code, metres: number(found.metres) };
    const said = w(`change_${found.kind}`, values);
    return found.cost === undefined ? said : `${said} · ${w("cost_about", { cost: number(found.cost) })}`;
  }

  /** A change that can be tried on the map, with a button that does. */
  function tryable(found) {
    const step = { site: ["station", [found.lon, found.lat]], gate: ["bridge", found.line], crossing: ["crossing", found.line], footbridge: ["bridge", found.line] }[found.kind];
    return element("li", {}, element("span", {}, change(found)), step ? element("button", { type: "button", class: "gc-quiet", onclick: () => {
      goTo(found.lat, found.lon);
      trial.put(...step);
    } }, w("try_it")) : "");
  }

  function zones() {
    const list = audit.zones || [];
    byId("gc-zone-list").replaceChildren(
      element("h2", {}, `${w("zones")} (${list.length})`),
      list.length
        ? element("ol", { class: "gc-zones" }, ...list.slice(0, 100).map((zone) =>
            element("li", {}, element("button", { type: "button", onclick: () => {
              const shape = L.geoJSON(zone.outline);
              if (Gridcircle.isNarrow()) byId("gc-panel").dataset.state = "low";
              Gridcircle.show(map, shape.getBounds().pad(0.3));
            } },
            element("b", {}, `${number(zone[audit.unit])} ${unit} · ${zone.buildings} ${w("buildings")} · ${w("max_minutes")} ${minutes(zone.minutes_max)}`),
            element("small", {}, zone.community ? `${zone.community} · ` : "", change(zone.change))),
            zone.options?.length ? element("details", { class: "gc-options" }, element("summary", {}, `${w("other_changes")} (${zone.options.length})`),
              element("ul", {}, ...zone.options.map(tryable))) : "")))
        : element("p", { class: "gc-hint" }, w("nothing")));
    for (const zone of list) {
      L.geoJSON(zone.outline, { style: { color: "#1b1b1b", weight: 1.6, dashArray: "5 4", fillOpacity: 0 }, interactive: false }).addTo(marks);
      if (zone.rank <= 10) {
        L.marker([zone.lat, zone.lon], { interactive: false, keyboard: false,
          icon: L.divIcon({ className: "gc-rank", html: element("span", {}, String(zone.rank)), iconSize: [22, 22] }) }).addTo(marks);
      }
    }
    for (const line of audit.links || []) {
      L.polyline(line.map(([lon, lat]) => [lat, lon]), { color: "#b5007f", weight: 4, dashArray: "3 4", interactive: false }).addTo(marks);
    }
  }

  function sites() {
    const p = audit.proposals || { sites: [] };
    if (!p.sites.length) return;
    byId("gc-sites").replaceChildren(
      element("h2", {}, w("sites")),
      element("p", { class: "gc-note" }, [w(`sites_${p.source}`), w("sites_note"), p.knee ? w("knee", { k: p.knee }) : "",
        p.enough !== null ? w("enough", { k: p.enough }) : w("not_enough")].join(" ")),
      curve(p),
      element("ol", { class: "gc-zones gc-site-list" }, ...p.sites.map((site) =>
        element("li", {}, element("button", { type: "button", onclick: () => goTo(site.lat, site.lon) },
          element("b", {}, site.name || site.code),
          element("small", {}, `${w("gain")} +${number(site.gain)} ${unit} · ${w("cumulative")} ${share(site.covered / p.total)} · ${w("at_most")} ${share(site.at_most / p.total)}`))))),
    );
    for (const site of p.sites) {
      L.marker([site.lat, site.lon], { interactive: false, keyboard: false,
        icon: L.divIcon({ className: "gc-rank gc-site", html: element("span", {}, String(site.rank)), iconSize: [22, 22] }) }).addTo(marks);
    }
  }

  const SVG = "http://www.w3.org/2000/svg";
  const svg = (tag, attributes) => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };

  function curve(p) {
    const covered = [p.covered_now, ...p.sites.map((s) => s.covered)];
    const bound = [p.covered_now, ...p.sites.map((s) => s.at_most)];
    const low = Math.max(0, p.covered_now / p.total - 0.05);
    const at = (k, v) => [34 + (300 * k) / p.sites.length, 110 - (100 * (v / p.total - low)) / Math.max(1 - low, 1e-9)];
    const box = svg("svg", { viewBox: "0 0 340 130", class: "gc-curve", role: "img", "aria-label": w("sites") });
    for (const s of [low, (1 + low) / 2, 1]) {
      const y = at(0, s * p.total)[1];
      box.append(svg("path", { d: `M34 ${y}H334`, stroke: "#dcd8cf" }));
      const text = svg("text", { x: 30, y: y + 4, "text-anchor": "end", "font-size": 11 });
      text.textContent = `${Math.round(100 * s)}%`;
      box.append(text);
    }
    const points = (series) => series.map((v, k) => at(k, v).join(",")).join(" ");
    box.append(
      svg("polyline", { points: points(bound), fill: "none", stroke: "#8d8a86", "stroke-dasharray": "5 4" }),
      svg("polyline", { points: points(covered), fill: "none", stroke: "#1a7f4b", "stroke-width": 2.5 }));
    if (p.knee) {
      const [cx, cy] = at(p.knee, covered[p.knee]);
      box.append(svg("circle", { cx, cy, r: 5, fill: "#1a7f4b", stroke: "#fff" }));
    }
    return box;
  }

  async function week() {
    if (!audit.week?.required) return;
    const select = element("select", { id: "gc-week-of", "aria-label": w("week_of") });
    const levels = ["street", "community"].filter((level) => audit.week.areas[level]?.length);
    const places = levels.flatMap((level) => audit.week.areas[level].map((row) => [`${level}/${row.code}`, `${w(level)} ${row.name || row.code}`]));
    Gridcircle.options(select, [["", w("whole_city")], ...places], "");
    const box = element("div", { "aria-live": "polite" });
    byId("gc-week").replaceChildren(
      element("h2", {}, w("week")),
      element("label", { class: "gc-field gc-inline" }, select),
      audit.levels.includes("grid") ? element("p", { class: "gc-hint" }, w("week_grid")) : "",
      box,
      element("p", { class: "gc-note" }, [w("week_note"), w("hours_unknown", { n: audit.week.stations_of_unknown_hours })].join(" ")));
    let asked = 0;
    const show = async () => {
      const turn = ++asked;
      const [level, ...code] = select.value.split("/");
      const query = new URLSearchParams({ level, code: code.join("/"), lang: page.language });
      box.classList.add("gc-waiting");
      const told = await Gridcircle.guarded(() => Gridcircle.ask(`${base}/week?${query}`, { quiet: true }));
      if (turn !== asked) return; // another area was chosen meanwhile
      box.classList.remove("gc-waiting");
      box.replaceChildren(...(told ? [strip(told), element("ul", { class: "gc-week-words" }, ...told.words.map((line) => element("li", {}, line)))] : []));
      box.dataset.of = select.value;
    };
    select.addEventListener("change", () => {
      picked.clearLayers();
      show();
    });
    weekOf = (level, code, name) => {
      const value = `${level}/${code}`;
      if (![...select.options].some((option) => option.value === value)) {
        select.append(element("option", { value }, `${w(level)} ${name || code}`));
      }
      select.value = value;
      if (Gridcircle.isNarrow() && byId("gc-panel").dataset.state === "low") byId("gc-panel").dataset.state = "half";
      byId("gc-week").scrollIntoView({ block: "start" });
      return show();
    };
    await show();
  }

  // A click that sets a pin of a trial picks no grid; who was first to hear of it does not matter.
  let placing = false;
  map.on("preclick", () => { placing = trial.isPlacing(); });
  map.on("click", async ({ latlng }) => {
    if (placing || !weekOf || !audit.levels.includes("grid")) return;
    // A box of a few decimetres: one without any area touches nothing.
    const box = [[latlng.lng, -1], [latlng.lat, -1], [latlng.lng, 1], [latlng.lat, 1]].map(([value, side]) => (value + side * 2e-6).toFixed(7));
    const found = await Gridcircle.guarded(() => Gridcircle.ask(`/api/v1/layers/grids?kind=base&limit=1&bbox=${box}`, { quiet: true }));
    const grid = found?.features[0];
    picked.clearLayers();
    if (!grid) return;
    const { code, name } = grid.properties;
    picked.addLayer(L.geoJSON(grid, { interactive: false, style: { color: "#0b5394", weight: 3, fillOpacity: 0.06 } }));
    await weekOf("grid", code, name);
  });

  function strip(told) {
    const total = told.total || 1;
    const held = (told.held / total) * (1 - 1e-12);
    const days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"];
    const values = [...told.surely, ...told.holiday];
    return element("div", { class: "gc-week", role: "img", "aria-label": `${w("week")}: ${told.words.join(" ")}` },
      element("i", {}), ...Array.from({ length: 24 }, (_, h) => element("i", { class: "gc-hour" }, h % 6 === 0 ? String(h) : "")),
      ...days.flatMap((day, d) => [element("b", {}, w(day)), ...Array.from({ length: 24 }, (_, h) => {
        const s = values[d * 24 + h] / total;
        return element("i", { title: `${w(day)} ${h}:00 ${share(s)}`, class: s < held ? "gc-below" : "",
          style: { backgroundColor: `rgba(11, 83, 148, ${0.08 + 0.85 * s})` } });
      })]));
  }

  function quality() {
    const q = audit.quality;
    if (!q) return;
    const row = (name, value) => element("tr", {}, element("td", {}, name), element("td", { class: "gc-number" }, value));
    byId("gc-quality").replaceChildren(
      element("h2", {}, w("quality")),
      element("p", { class: "gc-note" }, w("band", { n: q.doubtful_links, high: share(q.band.high), low: share(q.band.low) })),
      element("table", {}, element("tbody", {},
        row(w("estimated"), `${number(q.estimated)} / ${number(q.total)}`),
        row(w("off_network_h"), `${number(q.off_network)} ${unit}`), row(w("on_islands"), `${number(q.on_islands)} ${unit}`),
        row(w("stations_off"), number(q.stations_off_network.length)), row(w("stations_outside"), number(q.stations_outside.length)),
        row(w("no_hours"), number(q.stations_without_hours)), row(w("no_area"), number(q.stations_without_area)),
        ...(q.stations_without_places === undefined ? [] : [row(w("no_places"), number(q.stations_without_places))]),
        row(w("gates"), number(q.gates_not_joined)))));
  }

  async function changes() {
    const told = await Gridcircle.ask("/api/v1/audits?limit=200", { quiet: true });
    const before = told.audits.find((a) => a.id < page.audit && a.rule_set === audit.rule_set.name);
    if (!before) return;
    const found = await Gridcircle.ask(`${base}/compare/${before.id}`, { quiet: true });
    const line = (r) => element("li", {}, title(ruleOf(r.id)), element("small", {},
      r.before ? `${number(r.before.numerator)} / ${number(r.before.denominator)} → ${number(r.after.numerator)} / ${number(r.after.denominator)}` : ""));
    const changed = found.rules.filter((r) => JSON.stringify(r.before) !== JSON.stringify(r.after));
    byId("gc-changes").replaceChildren(
      element("h2", {}, w("changes"), " ", element("a", { href: `/audits/${before.id}?lang=${page.language}` }, `#${before.id}`)),
      found.same ? element("p", { class: "gc-hint" }, w("same"))
        : element("div", {}, element("ul", { class: "gc-rule-list gc-plain" }, ...changed.map(line)),
            element("ul", { class: "gc-rule-list gc-plain" }, ...found.areas.slice(0, 12).map((a) =>
              element("li", {}, `${w(a.level)} ${a.name || a.code}`, element("small", {}, `${share(a.before)} → ${share(a.after)} · ${a.causes.map((c) => w(c)).join("、")}`))))));
  }

  const trial = GridcircleTrial(map, { base, w, share });

  // Dots.
  let asking = null;
  async function places() {
    asking?.abort();
    asking = new AbortController();
    const box = map.getBounds();
    const found = await Gridcircle.guarded(() =>
      Gridcircle.ask(`${base}/homes?limit=8000&bbox=${[box.getWest(), box.getSouth(), box.getEast(), box.getNorth()].map((v) => v.toFixed(6)).join(",")}`,
        { signal: asking.signal, quiet: true }));
    if (!found) return;
    dots.clearLayers();
    const radius = Math.max(2, map.getZoom() - 11);
    for (const [id, lon, lat, reason, m, households, name] of found.rows.reverse()) {
      const dot = L.circleMarker([lat, lon], { renderer, pane: "dots", radius, weight: reason ? 1 : 0, color: "#fff", fillOpacity: 0.92,
        fillColor: page.colours[reason || "covered"] });
      dot.bindTooltip(() => element("span", {}, `${name} · ${number(households)} ${unit} · ${reason ? w(reason) : w("inside")} · ${minutes(m)}`), { className: "gc-tip", direction: "top" });
      dot.on("click", (event) => { L.DomEvent.stop(event); if (!trial.isPlacing()) explain(id); });
      dots.addLayer(dot);
    }
    byId("gc-more").hidden = !found.more;
    byId("gc-more").textContent = w("more_places");
  }

  async function explain(id) {
    const found = await Gridcircle.guarded(() => Gridcircle.ask(`${base}/homes/${id}`));
    if (!found) return;
    const { home, walk: way, straight, blocks, alternatives, links } = found;
    walk.clearLayers();
    if (straight) L.geoJSON(straight.geometry, { style: { color: "#555", weight: 2, dashArray: "4 6" }, interactive: false }).addTo(walk);
    if (way) L.geoJSON(way.geometry, { style: { color: "#0b5394", weight: 5, opacity: 0.9 }, interactive: false }).addTo(walk);
    for (const link of links) L.polyline(link.line.map(([lon, lat]) => [lat, lon]), { color: "#b5007f", weight: 6 }).addTo(walk);
    const drawn = L.featureGroup(walk.getLayers());
    if (walk.getLayers().length) Gridcircle.show(map, drawn.getBounds().pad(0.25));
    const parts = way ? [["access", way.access_minutes], ["on_street", way.street_minutes], ["waiting", way.waiting_minutes]] : [];
    const term = (name, ...value) => [element("dt", {}, name), element("dd", {}, ...value)];
    put("gc-home",
      element("h2", {}, home.name || home.code),
      element("p", { class: "gc-tags" },
        element("span", {}, Gridcircle.swatch({ background: page.colours[home.reason || "covered"], width: "11px", height: "11px", marginRight: "6px" }), home.reason ? w(home.reason) : w("inside")),
        element("span", {}, `${number(home.households)} ${unit}${home.estimated ? ` · ${w("households_est")}` : ""}`),
        element("span", {}, w("limit", { m: number(found.cutoff_minutes, 1) })),
        home.false_circle ? element("span", {}, w("false")) : null),
      way
        ? element("div", {},
            element("p", {}, element("b", {}, way.station_name), ` · ${w("minutes_walk", { m: number(way.minutes, 1) })} · ${number(way.metres)} m`),
            element("div", { class: "gc-parts", "aria-hidden": "true" }, ...parts.filter(([, m]) => m > 0).map(([name, m]) =>
              element("i", { style: { flexGrow: String(m), background: { access: "#f0b849", on_street: "#0b5394", waiting: "#b5302b" }[name] } }))),
            element("dl", {}, ...parts.flatMap(([name, m]) => term(w(name), minutes(m))),
              ...(straight?.detour ? term(w("detour_factor"), number(straight.detour, 2)) : [])))
        : element("p", {}, w("no_way")),
      element("dl", {},
        ...(straight ? term(w("straight_line"), `${number(straight.metres)} m · ${straight.station_name}`) : []),
        ...(blocks.length ? term(w("crosses"), blocks.map((b) => `${b.name || w(b.layer)}${b.times > 1 ? ` ×${b.times}` : ""} (${number(b.metres)} m)`).join("、")) : []),
        ...(alternatives.length ? term(w("next_stations"), alternatives.map((a) => `${a.name} ${minutes(a.minutes)}`).join("、")) : [])),
      links.length ? element("p", { class: "gc-note" }, w("links_near", { n: links.length })) : null,
      found.stale ? element("p", { class: "gc-note" }, w("stale")) : null,
    );
    byId("gc-home").scrollIntoView({ block: "nearest" });
    if (Gridcircle.isNarrow() && byId("gc-panel").dataset.state === "low") byId("gc-panel").dataset.state = "half";
  }

  byId("gc-legend").replaceChildren(...Object.entries(page.colours).map(([name, color]) =>
    Gridcircle.legendRow(Gridcircle.swatch({ background: color, borderRadius: "50%", width: "13px" }), w(name))));

  Gridcircle.guarded(async () => {
    audit = await Gridcircle.ask(base);
    unit = w(audit.unit);
    verdict();
    rules();
    reasons();
    falseCircles();
    spread();
    await week();
    areas();
    zones();
    sites();
    trial.draw(unit);
    closures();
    quality();
    map.on("moveend", places);
    await places();
    for (const station of audit.stations) {
      const marker = Gridcircle.stationMarker({ geometry: { coordinates: [station.lon, station.lat] },
        properties: { kind: station.kind, status: "open", name: station.name } }, { small: true });
      marker.on("click", (event) => { L.DomEvent.stop(event); trial.station(station); });
      marks.addLayer(marker);
    }
    await changes();
    byId("gc-verdict").dataset.ready = "true";
  });
};
