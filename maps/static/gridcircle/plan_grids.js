/* Grids of a plan on the map: colours by load, labels, tiles, and requests to the plan. */
"use strict";

window.GridcirclePlan = (function () {
  const { element, word, number } = Gridcircle;

  // Blues while a grid is within its limit, orange and dark red above: apart for the colour-blind,
  // and what is over its limit has a dark outline and a mark in its label besides.
  const LOADS = [
    [0.6, "#dcebf7"],
    [0.85, "#a3cbe5"],
    [1.0, "#5a9fcf"],
    [1.2, "#f0a03c"],
    [Infinity, "#a8231c"],
  ];
  const OTHER = "#c9c0d6"; // exclusive grids: no limit of households
  const STATES = ["draft", "review", "published", "archived"];
  let limits = { households: 300, people: 1000 };

  const load = (about) =>
    Math.max((about.households || 0) / limits.households, (about.people || 0) / limits.people);
  const color = (about) =>
    about.kind === "exclusive" ? OTHER : LOADS.find(([to]) => load(about) <= to)[1];
  const broken = (about) =>
    Array.isArray(about.broken) ? about.broken.length : Number(about.broken) || 0;
  const isOver = (about) => about.kind !== "exclusive" && load(about) > 1;
  const inLanguage = (told) => (Gridcircle.page.language === "zh" && told.message_zh) || told.message || told.rule;

  const rulesText = (rules) => rules.map(inLanguage).join(Gridcircle.page.language === "zh" ? "；" : "; ");

  /**
   * The part of a code that tells grids of a community apart: its last three digits; of a
   * micro-grid, those of its base grid and its own two or three.
   */
  function tail(about) {
    const code = String(about.code || "");
    if (!code) return `#${about.id ?? "?"}`;
    if (about.kind !== "micro") return code.slice(-3);
    // After the community's twelve digits, or after the hyphen where it has other codes.
    const [, base, own] = /(?:^\d{12}|-)(\d{3})(\d{2,3})$/.exec(code) || [];
    return base ? `${base}-${own}` : code.slice(-5);
  }
  const title = (about) => about.name || `${word("k_grid")} ${tail(about)}`;

  function legend(target) {
    const { swatch, legendRow } = Gridcircle;
    const steps = LOADS.map(([to], place) => [place ? LOADS[place - 1][0] : 0, to]);
    target.replaceChildren(
      ...steps.map(([from, to], place) =>
        legendRow(
          swatch({ background: LOADS[place][1], border: from >= 1 ? "2px solid #1b1b1b" : "1px solid #7b8794" }),
          to === Infinity
            ? word("load_over", { n: Math.round(from * 100) })
            : `${Math.round(from * 100)}–${Math.round(to * 100)} %`)),
      legendRow(swatch({ background: OTHER, border: "1px solid #7b8794" }), word("kind_exclusive")),
    );
  }

  const style = (about) => ({
    color: isOver(about) || broken(about) ? "#1b1b1b" : "#31475e",
    weight: isOver(about) || broken(about) ? 2.4 : 1.3,
    opacity: 0.95,
    fillColor: color(about),
    fillOpacity: 0.58,
    dashArray: null,
  });

  /** Grids as tiles, for views that hold too many to draw one by one. */
  function tiles(plan, { pane, version = 0 } = {}) {
    const props = (f) => f.props;
    const shown = (f) => f.props.kind !== "micro";
    return protomapsL.leafletLayer({
      url: `/api/v1/plans/${plan}/tiles/{z}/{x}/{y}?v=${version}`,
      maxDataZoom: 16,
      attribution: "",
      pane,
      labelRules: [],
      paintRules: [
        {
          dataLayer: "grids",
          filter: (z, f) => shown(f),
          symbolizer: new protomapsL.PolygonSymbolizer({
            fill: (z, f) => color(props(f)), opacity: 0.62, perFeature: true,
          }),
        },
        {
          dataLayer: "grids",
          filter: (z, f) => shown(f),
          symbolizer: new protomapsL.LineSymbolizer({
            color: (z, f) => (isOver(props(f)) ? "#1b1b1b" : "#31475e"),
            width: (z, f) => (isOver(props(f)) ? Math.max(1, z - 12) * 0.9 : z < 13 ? 0.5 : 0.9),
            perFeature: true,
          }),
        },
      ],
    });
  }

  /* Rings of a geometry as arrays of [lon, lat]. */
  const polygons = (geometry) =>
    !geometry ? [] : geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;

  function inRing([x, y], ring) {
    let inside = false;
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
      const [xi, yi] = ring[i];
      const [xj, yj] = ring[j];
      if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
    }
    return inside;
  }
  const contains = (geometry, point) =>
    polygons(geometry).some(([outer, ...holes]) =>
      inRing(point, outer) && !holes.some((hole) => inRing(point, hole)));

  function box(geometry) {
    let [west, south, east, north] = [180, 90, -180, -90];
    for (const [outer] of polygons(geometry)) {
      for (const [x, y] of outer) {
        west = Math.min(west, x); east = Math.max(east, x);
        south = Math.min(south, y); north = Math.max(north, y);
      }
    }
    return [west, south, east, north];
  }
  const bounds = ([west, south, east, north]) => L.latLngBounds([[south, west], [north, east]]);

  /** A point well inside: the middle of the widest of some level cuts. */
  function labelPoint(geometry) {
    let best = null;
    for (const rings of polygons(geometry)) {
      const [west, south, east, north] = box({ type: "Polygon", coordinates: rings });
      for (const share of [0.5, 0.38, 0.62, 0.26, 0.74]) {
        const y = south + (north - south) * share;
        const cuts = [];
        for (const ring of rings) {
          for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
            const [[xi, yi], [xj, yj]] = [ring[i], ring[j]];
            if (yi > y !== yj > y) cuts.push(((xj - xi) * (y - yi)) / (yj - yi) + xi);
          }
        }
        cuts.sort((a, b) => a - b);
        for (let k = 0; k + 1 < cuts.length; k += 2) {
          // The middle cut is worth a little more: labels sit calmer there.
          const width = (cuts[k + 1] - cuts[k]) * (1 - Math.abs(share - 0.5) * 0.5);
          if (!best || width > best.width) best = { width, at: [y, (cuts[k] + cuts[k + 1]) / 2] };
        }
      }
      if (!best) best = { width: east - west, at: [(south + north) / 2, (west + east) / 2] };
    }
    return best;
  }

  /** Code tail and households; only where the grid is wide enough on the screen. */
  function label(map, feature, { changed = null, force = false, isShort = false } = {}) {
    const about = { id: feature.id, ...feature.properties };
    const spot = labelPoint(feature.geometry);
    if (!spot) return null;
    const wide = spot.width / 360 * 256 * 2 ** map.getZoom();
    if (!force && wide < (isShort ? 44 : 66)) return null;
    const over = isOver(about) || broken(about) > 0;
    const mark = element("span", { class: `gp-label${over ? " gp-over" : ""}${changed ? " gp-changed" : ""}` },
      element("b", {}, `${over ? "▲ " : ""}${tail(about)}`),
      force || !isShort ? element("small", {}, changed ?? word("n_homes", { n: number(about.households) })) : null);
    return L.marker(spot.at, {
      interactive: false,
      keyboard: false,
      icon: L.divIcon({ className: "gp-label-at", html: mark, iconSize: [0, 0] }),
    });
  }

  /** Labels of many grids without one over another: the most loaded first. */
  function labelAll(map, features) {
    const taken = [];
    const placed = new Map();
    for (const feature of [...features].sort((a, b) => load(b.properties) - load(a.properties))) {
      for (const isShort of [false, true]) {
        const made = label(map, feature, { isShort });
        if (!made) continue;
        const at = map.latLngToLayerPoint(made.getLatLng());
        const half = isShort ? [27, 13] : [38, 20];
        const box = L.bounds(at.subtract(half), at.add(half));
        if (taken.some((other) => other.overlaps(box))) continue;
        taken.push(box);
        placed.set(feature.id, made);
        break;
      }
    }
    return placed;
  }

  /** The view as a bbox parameter, a little wider so that small moves need no new answer. */
  function viewBox(map) {
    const view = map.getBounds().pad(0.08);
    return [view.getWest(), view.getSouth(), view.getEast(), view.getNorth()].map((v) => v.toFixed(6)).join(",");
  }

  /** Ask for something of a plan; a write names the version it saw. */
  function ask(plan, path, { method, body, version, signal, quiet = true } = {}) {
    return Gridcircle.ask(`/api/v1/plans/${plan}${path}`, {
      method, body, signal, quiet,
      headers: version === undefined || version === null ? {} : { "If-Match": `"${version}"` },
    });
  }

  /** Base and exclusive grids of a plan; micro-grids lie inside them and are not asked for. */
  async function grids(plan, query, { signal } = {}) {
    const parts = await Promise.all(["base", "exclusive"].map((kind) => ask(plan, `/grids?kind=${kind}&${query}`, { signal })));
    return parts.flatMap((part) => part.features);
  }

  /** The head of a plan's pages: name, state, where else to look at it, figures. */
  function head(target, plan, here) {
    const { totals = {} } = plan;
    const lang = Gridcircle.page.language;
    const link = (page) =>
      element("a", { href: `/plans/${plan.id}/${page}?lang=${lang}`, "aria-current": page === here ? "page" : null },
        word(`plan_to_${page}`));
    const figure = (value, name, alarm = false) =>
      element("div", { class: alarm && value ? "gp-alarm" : "" }, element("dd", {}, number(value)), element("dt", {}, name));
    target.replaceChildren(
      element("a", { class: "gp-back", href: `/plans?lang=${lang}` }, word("plans_back")),
      element("h2", { class: "gp-name" }, plan.name, stateTag(plan.state)),
      element("nav", { class: "gp-views", "aria-label": plan.name }, link("edit"), link("review"), link("compare"), link("scenarios"),
        ...(plan.imported ? [link("import")] : [])),
      element("dl", { class: "gc-figures gp-figures" },
        figure(totals.grids, word("grids")),
        figure(totals.households, word("households")),
        figure(totals.people, word("people")),
        figure(totals.broken, word("plan_broken_short"), true)),
    );
  }
  /** What a plan is compared with: the plan in use, or what was before it; null where nothing is. */
  function earlier(plan, plans) {
    const others = plans.filter((one) => one.id !== plan.id);
    const inUse = others.find((one) => one.state === "published");
    const based = others.find((one) => one.id === plan.based_on);
    const archived = others.filter((one) => one.state === "archived" && one.published_at)
      .sort((a, b) => String(b.published_at).localeCompare(String(a.published_at)))[0];
    return (plan.state === "published" ? archived || based : inUse || based)?.id ?? null;
  }
  const stateTag = (state) => element("span", { class: `gp-state gp-state-${state}` }, word(`plan_state_${state}`));

  const time = (text) =>
    !text ? "" : new Intl.DateTimeFormat(Gridcircle.page.language === "zh" ? "zh-CN" : "en",
      { month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false }).format(new Date(text));

  return {
    STATES, LOADS, load, color, style, isOver, broken, inLanguage, rulesText, tail, title, legend, tiles, polygons, contains,
    box, bounds, label, labelAll, labelPoint, viewBox, ask, grids, head, earlier, stateTag, time,
    get limits() {
      return limits;
    },
    setLimits(told) {
      if (told) limits = { ...limits, ...told };
    },
  };
})();
