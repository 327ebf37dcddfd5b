/* What all pages share: data of the page, requests, stations, controls, the panel. */
"use strict";

window.Gridcircle = (function () {
  let page = null; // the page's JSON
  let words = {};
  let waiting = 0;
  let waitingTimer = 0;
  let standing = null; // what is wrong as long as the page is open

  const byId = (id) => document.getElementById(id);
  const word = (key, values = {}) =>
    (words[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

  /** Make an element. Text comes in as text nodes only: no name can become markup. */
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === undefined || value === null || value === false) continue;
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (name === "style") Object.assign(made.style, value);
      else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  const locale = () => (page.language === "zh" ? "zh-CN" : "en");
  const number = (value, decimals = 0) =>
    value === null || value === undefined
      ? "–"
      : new Intl.NumberFormat(locale(), { maximumFractionDigits: decimals }).format(value);
  const percent = (share) =>
    share === null || share === undefined
      ? "–"
      : new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 1 }).format(share);
  const minutes = (value) => (value === null || value === undefined ? "–" : `${number(value, 1)} ${word("min")}`);

  /**
   * Show what went wrong and what to do. The kind of a problem, the last part of its `type`, has words
   * in the page's language. Where the service says the case itself in Chinese (`detail_zh`), a Chinese
   * page shows that; else the kind's advice, and the English detail folds away.
   */
  function showProblem(told) {
    const problem = told || standing;
    const box = byId("gc-problem");
    box.replaceChildren();
    box.hidden = !problem;
    if (!problem) return;
    const kind = (problem.type || "").split("/").pop();
    const known = words[`p_${kind}`];
    box.append(element("strong", {}, known || problem.title || word("failed")));
    if (!known || page.language === "en") {
      for (const text of [problem.detail, problem.remedy]) {
        if (text) box.append(element("span", {}, text));
      }
      return;
    }
    if (problem.detail_zh) {
      for (const text of [problem.detail_zh, problem.remedy_zh]) if (text) box.append(element("span", {}, text));
      return;
    }
    box.append(element("span", {}, word(`r_${kind}`)));
    if (problem.detail) {
      box.append(
        element("details", {}, element("summary", {}, word("details")),
          element("span", { lang: "en" }, [problem.detail, problem.remedy].filter(Boolean).join(" "))),
      );
    }
  }

  /** Say that an answer is awaited, but only where it takes long enough to wonder. */
  function showWaiting(change) {
    waiting += change;
    const box = byId("gc-loading");
    if (waiting === 0) {
      clearTimeout(waitingTimer);
      waitingTimer = 0;
      box.hidden = true;
    } else if (!waitingTimer) {
      waitingTimer = setTimeout(() => (box.hidden = false), 300);
    }
  }

  /** Ask the service for JSON; a problem document becomes an error that holds it. */
  async function ask(path, { method, body, signal, quiet = false, headers = {} } = {}) {
    if (!quiet) showWaiting(+1);
    try {
      const answer = await fetch(path, {
        method: method ?? (body ? "POST" : "GET"),
        headers: { ...(body ? { "Content-Type": "application/json" } : {}), ...headers },
        body: body ? JSON.stringify(body) : undefined,
        signal,
      }).catch((error) => {
        if (error.name === "AbortError") throw error;
        throw Object.assign(new Error(error.message), { problem: { title: word("unreachable") } });
      });
      const told = await answer.json().catch((error) => {
        // Given up between its head and its end: no answer, not an empty one.
        if (error.name === "AbortError") throw error;
        return {};
      });
      if (!answer.ok) throw Object.assign(new Error(told.detail), { problem: told, status: answer.status });
      return told;
    } finally {
      if (!quiet) showWaiting(-1);
    }
  }

  /** Run a task; its failure is shown, a task given up for a newer one is not. */
  async function guarded(task) {
    try {
      showProblem(null);
      return await task();
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      showProblem(error.problem || { title: word("failed"), detail: String(error.message || "") });
      return undefined;
    }
  }

  // Shape and colour both tell the kind.
  const SHAPES = {
    service_centre: ["M4 4h16v16H4z", "#1d4f7c"],
    red_station: ["M12 3a9 9 0 1 1 0 18a9 9 0 1 1 0-18z", "#b5302b"],
    rider_station: ["M12 2.5L22 20H2z", "#a45f00"],
  };
  const SVG = "http://www.w3.org/2000/svg";

  function symbol(kind, status = "open", size = 20) {
    const [path, color] = SHAPES[kind] || SHAPES.red_station;
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("width", size);
    svg.setAttribute("height", size);
    svg.setAttribute("aria-hidden", "true");
    const shape = document.createElementNS(SVG, "path");
    shape.setAttribute("d", path);
    shape.setAttribute("fill", status === "open" ? color : "#ffffff");
    shape.setAttribute("stroke", status === "open" ? "#ffffff" : color);
    shape.setAttribute("stroke-width", status === "open" ? "2" : "3");
    if (status === "closed") shape.setAttribute("stroke-dasharray", "4 3");
    svg.append(shape);
    return svg;
  }

  /** All stations as GeoJSON features. */
  async function readStations() {
    const found = [];
    for (let offset = 0; ; offset += 10000) {
      const part = await ask(`/api/v1/layers/stations?limit=10000&offset=${offset}`, { quiet: true });
      found.push(...part.features);
      if (found.length >= part.numberMatched || part.features.length === 0) return found;
    }
  }

  // From so many stations on they are drawn on one canvas: a thousand elements make a map slow.
  const MANY = 400;
  const CanvasPin = L.CircleMarker.extend({
    _updatePath() {
      const renderer = this._renderer;
      if (!renderer._drawing || this._empty()) return;
      const { kind, status } = this.options;
      const [path, color] = SHAPES[kind] || SHAPES.red_station;
      const size = renderer._map.getZoom() < 14 ? 12 : 16;
      const pen = renderer._ctx;
      const shape = new Path2D(path);
      pen.save();
      pen.translate(this._point.x - size / 2, this._point.y - size / 2);
      pen.scale(size / 24, size / 24);
      pen.fillStyle = status === "open" ? color : "#ffffff";
      pen.strokeStyle = status === "open" ? "#ffffff" : color;
      pen.lineWidth = status === "open" ? 3 : 4;
      pen.setLineDash(status === "closed" ? [4, 3] : []);
      pen.fill(shape);
      pen.stroke(shape);
      pen.restore();
    },
  });
  let canvas = null;

  /** A pin: an element the keyboard reaches, or, where there are many, a mark on the canvas. */
  function stationMarker(feature, { onclick, small = false, many = false } = {}) {
    const [lon, lat] = feature.geometry.coordinates;
    const { kind, status, name } = feature.properties;
    if (many) {
      canvas ??= L.canvas({ pane: "pins", padding: 0.3, tolerance: 4 });
      const pin = new CanvasPin([lat, lon], { renderer: canvas, radius: 8, kind, status, bubblingMouseEvents: false });
      pin.bindTooltip(element("span", {}, name).innerHTML, { direction: "top", offset: [0, -8] });
      if (onclick) pin.on("click", () => onclick(feature));
      return pin;
    }
    const marker = L.marker([lat, lon], {
      icon: L.divIcon({
        className: `gc-pin gc-pin-${kind}`,
        html: symbol(kind, status, small ? 14 : 20),
        iconSize: small ? [24, 24] : [32, 32],
      }),
      alt: name,
      title: name,
      riseOnHover: true,
    });
    if (onclick) marker.on("click", () => onclick(feature));
    return marker;
  }

  const DAYS = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];

  /** Opening hours in words where they are simple; otherwise as they are written. */
  function hours(text) {
    if (!text) return word("hours_unknown");
    if (text === "24/7") return word("hours_always");
    const names = word("hours_days").split(" ");
    const parts = text.split(";").map((part) => {
      const rule = part.trim();
      if (/^PH off$/i.test(rule)) return word("hours_holidays");
      const found = /^(?:([A-Z][a-z])(?:-([A-Z][a-z]))? )?(\d\d:\d\d-\d\d:\d\d(?:,\d\d:\d\d-\d\d:\d\d)*)$/.exec(rule);
      if (!found) return null;
      const [, from, to, times] = found;
      if (from && !DAYS.includes(from)) return null;
      if (to && !DAYS.includes(to)) return null;
      const days = !from || (from === "Mo" && to === "Su")
        ? word("hours_daily")
        : names[DAYS.indexOf(from)] + (to ? word("hours_to") + names[DAYS.indexOf(to)] : "");
      return `${days} ${times.replaceAll("-", "–").replaceAll(",", word("hours_and"))}`;
    });
    return parts.includes(null) ? text : parts.join(word("hours_then"));
  }

  function term(name, ...value) {
    return [element("dt", {}, name), element("dd", {}, ...value)];
  }

  /** What is known of a station, as a card. */
  function stationCard(feature, { onclose, link = true } = {}) {
    const about = feature.properties;
    const facilities = (about.facilities || []).map((name) =>
      element("li", {}, word(`f_${name}`)),
    );
    return [
      element(
        "header",
        {},
        symbol(about.kind, about.status, 22),
        element("h2", {}, about.name),
        onclose
          ? element("button", { type: "button", class: "gc-close", "aria-label": word("close"), onclick: onclose }, "×")
          : null,
      ),
      element(
        "p",
        { class: "gc-tags" },
        element("span", {}, word(about.kind)),
        element("span", { class: `gc-status-${about.status}` }, word(`status_${about.status}`)),
        about.outside_areas ? element("span", {}, word("outside")) : null,
      ),
      element(
        "dl",
        {},
        ...term(word("hours"), hours(about.opening_hours)),
        ...(about.address ? term(word("address"), about.address) : []),
        ...(about.community ? term(word("community"), about.community) : []),
        ...(about.area_m2 ? term(word("area"), `${number(about.area_m2)} ${word("m2")}`) : []),
        ...(about.places === null || about.places === undefined ? [] : term(word("places"), number(about.places))),
      ),
      facilities.length
        ? element("ul", { class: "gc-facilities", "aria-label": word("facilities") }, ...facilities)
        : null,
      link
        ? element(
            "a",
            { class: "gc-button", href: `/maps/catchment?station=${feature.id}&lang=${page.language}` },
            word("to_circle"),
          )
        : null,
    ].filter(Boolean);
  }

  function options(select, choices, chosen) {
    select.replaceChildren(
      ...choices.map(([value, label]) =>
        element("option", { value, selected: String(value) === String(chosen) }, label),
      ),
    );
  }

  function travelControls(chosen, onchange) {
    options(byId("gc-profile"), page.profiles.map((p) => [p.name, p.label]), chosen.profile);
    options(byId("gc-waits"), Object.keys(page.waits).map((w) => [w, word(`waits_${w}`)]), chosen.waits);
    for (const id of ["gc-profile", "gc-waits"]) byId(id).addEventListener("change", onchange);
    return () => ({ profile: byId("gc-profile").value, waits: byId("gc-waits").value });
  }

  function speedText(travel) {
    const profile = page.profiles.find((p) => p.name === travel.profile);
    const speed = travel.speed_mps ?? profile?.speed_mps;
    return word("speed_note", { speed: number(speed, 2), waits: word(`waits_${travel.waits}`) });
  }

  /** Keep what is asked in the address, so that it can be sent on, and in the language switch. */
  function remember(asked) {
    const own = new URLSearchParams(asked);
    own.set("lang", page.language);
    history.replaceState(null, "", `?${own}`);
    const other = new URLSearchParams(asked);
    const link = byId("gc-language");
    other.set("lang", new URLSearchParams(link.search).get("lang"));
    link.search = `?${other}`;
  }

  /** The menus of the bar open and close without a script; with one, a tap beside or Esc closes them. */
  function closeMenus() {
    const close = (target) => {
      for (const menu of document.querySelectorAll(".gc-menu[open], .gc-account[open]")) if (!menu.contains(target)) menu.open = false;
    };
    document.addEventListener("pointerdown", (event) => close(event.target), true);
    document.addEventListener("keydown", (event) => event.key === "Escape" && close(null));
  }

  function check(label, checked, onchange, mark, count = null) {
    const box = element("input", { type: "checkbox", checked });
    box.addEventListener("change", () => onchange(box.checked));
    return element("label", { class: "gc-check" }, box, mark || null, element("span", {}, label),
      count === null ? null : element("small", { class: "gc-count" }, number(count)));
  }

  const swatch = (style) => element("i", { class: "gc-swatch", style });
  const legendRow = (mark, label) => element("li", {}, mark, element("span", {}, label));

  const isNarrow = () => window.matchMedia("(max-width: 760px)").matches;

  /** Fit the map to a box, clear of the panel. */
  function show(map, bounds, { maxZoom = 17 } = {}) {
    const sheet = isNarrow() ? byId("gc-panel").offsetHeight : 0;
    const edge = isNarrow() ? 6 : 24;
    map.fitBounds(bounds, {
      maxZoom,
      paddingTopLeft: [edge, edge],
      paddingBottomRight: [edge, edge + sheet],
      animate: false,
    });
  }

  function sheet(map) {
    const panel = byId("gc-panel");
    const handle = panel.querySelector(".gc-handle");
    const set = (state) => {
      panel.dataset.state = state;
      handle.setAttribute("aria-expanded", String(state !== "low"));
    };
    set("half");
    handle.addEventListener("click", () => {
      set({ low: "half", half: "full", full: "low" }[panel.dataset.state]);
      setTimeout(() => map.invalidateSize(), 250);
    });
    let from = null;
    handle.addEventListener("pointerdown", (event) => {
      from = event.clientY;
      handle.setPointerCapture(event.pointerId);
    });
    handle.addEventListener("pointerup", (event) => {
      const moved = from === null ? 0 : event.clientY - from;
      from = null;
      if (Math.abs(moved) < 24) return;
      const order = ["low", "half", "full"];
      const next = order.indexOf(panel.dataset.state) + (moved < 0 ? 1 : -1);
      set(order[Math.max(0, Math.min(2, next))]);
      handle.addEventListener("click", (click) => click.stopImmediatePropagation(), { once: true, capture: true });
    });
  }

  const api = {
    get page() {
      return page;
    },
    byId, word, element, number, percent, minutes, ask, guarded, showProblem, symbol, readStations,
    stationMarker, MANY, stationCard, options, travelControls, speedText, remember, check, swatch, legendRow, show,
    isNarrow, begin: null,
    /** Called with the map when Folium has made it. */
    start(map) {
      page = JSON.parse(byId("gc-data").textContent);
      words = page.words;
      map.attributionControl.setPrefix(false);
      if (page.attribution) map.attributionControl.addAttribution(
        // Leaflet takes markup here: the text is escaped by the browser itself.
        element("span", {}, page.attribution).innerHTML,
      );
      map.createPane("pins").style.zIndex = 600;
      L.control.zoom({ position: "topright" }).addTo(map);
      L.control.scale({ imperial: false, position: "bottomright", maxWidth: 140 }).addTo(map);
      sheet(map);
      // The view first: tiles of any other would be asked for in vain.
      show(map, page.bounds);
      const far = () => map.getContainer().classList.toggle("gc-far", map.getZoom() < 14);
      map.on("zoomend", far);
      far();
      // Names stay legible above colours and circles; clicks go through them.
      const overNames = map.createPane("names");
      overNames.style.zIndex = page.page === "catchment" ? 450 : 260;
      overNames.style.pointerEvents = "none";
      const base = GridcircleBase.layers({
        quiet: page.page !== "city",
        labelPane: page.page === "city" ? undefined : "names",
      });
      for (const layer of base) layer.addTo(map);
      api.base = base;
      if (!page.hasNetwork) standing = { title: word("empty_network") };
      showProblem(null);
      window.addEventListener("resize", () => map.invalidateSize());
      closeMenus();
      api.begin(map);
    },
  };
  return api;
})();
