/* The public station map: opening states by the clock, filters, nearest on the network, the map. */
"use strict";

(function () {
  const data = JSON.parse(document.getElementById("rs-data").textContent);
  const words = data.words;
  const byId = (id) => document.getElementById(id);
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key]);
  const list = byId("rs-list");
  const status = byId("rs-status");
  const find = byId("rs-find");
  const cards = [...list.children];
  const needs = new Set();
  let me = null; // [lon, lat]
  let times = null; // by station: {ride_s, walk_s} or {metres}
  let way = ""; // which kind of times these are
  let chosen = -1;

  /* Opening states: lines worked out by the service, read by this clock. */
  const STATES = { o: "open", c: "closed", h: "holiday", u: "unknown" };

  function opening(at, minute) {
    const [first, steps, letters, end] = data.hours[data.stations[at].hours];
    if (minute < first || minute >= end) return { state: "unknown", until: null };
    let began = first;
    let now = "u";
    let k = 0;
    for (; k < steps.length && began + steps[k] <= minute; k++) {
      began += steps[k];
      now = letters[k];
    }
    let until = null;
    for (let later = began; k < steps.length; k++) {
      later += steps[k];
      if ((letters[k] === "o") !== (now === "o")) {
        until = later;
        break;
      }
    }
    return { state: STATES[now], until };
  }

  /* Times of the place, whatever zone the phone is in. */
  function local(minute) {
    return new Date((minute + 480) * 60000); // UTC+8 without summer time, read by its UTC parts
  }

  function clock(minute, from) {
    const at = local(minute);
    const time = at.toISOString().slice(11, 16);
    const days = Math.floor((minute + 480) / 1440) - Math.floor((from + 480) / 1440);
    if (days === 0) return time;
    if (days === 1) return words.tomorrow + " " + time;
    if (days < 7) return words.days.split(" ")[at.getUTCDay()] + " " + time;
    return fill(words.date, { m: at.getUTCMonth() + 1, d: at.getUTCDate() }) + " " + time;
  }

  const states = new Array(cards.length).fill("unknown");

  function showStates() {
    const now = Math.floor(Date.now() / 60000);
    cards.forEach((card) => {
      const at = Number(card.dataset.at);
      const { state, until } = opening(at, now);
      states[at] = state;
      const badge = card.querySelector(".rs-state");
      badge.hidden = false;
      badge.className = "rs-state rs-" + state;
      badge.textContent = words[state];
      let more = card.querySelector(".rs-hours i");
      if (!more) {
        more = document.createElement("i");
        card.querySelector(".rs-hours").append(" ", more);
      }
      more.textContent = until
        ? fill(words[state === "open" ? "until_close" : "until_open"], { t: clock(until, now) })
        : "";
    });
  }

  /* "Verified on": 90 days may pass while a page lies in a phone. */
  function showVerified() {
    const today = new Date(Date.now() + 480 * 60000).toISOString().slice(0, 10);
    cards.forEach((card) => {
      const line = card.querySelector(".rs-verified");
      const day = line.dataset.verified;
      const old = !day || (Date.parse(today) - Date.parse(day)) / 864e5 > data.verifiedDays;
      line.classList.toggle("rs-warn", old);
      if (day) line.textContent = fill(old ? words.verified_old : words.verified, { d: day });
    });
  }

  /* Filters, order and counts. */
  function passes(at) {
    const has = data.stations[at].needs;
    for (const need of needs) {
      if (need === "open" ? states[at] !== "open" : !has.includes(need)) return false;
    }
    return true;
  }

  function rank(at) {
    const time = times && times[at];
    if (!time) return Infinity;
    if (time.metres !== undefined) return time.metres;
    return time.ride_s ?? (time.walk_s === null ? 1e9 + time.line : 1e6 + time.walk_s);
  }

  function show() {
    const order = cards.slice();
    if (times) order.sort((a, b) => rank(Number(a.dataset.at)) - rank(Number(b.dataset.at)));
    let shown = 0;
    order.forEach((card) => {
      const at = Number(card.dataset.at);
      const fits = passes(at);
      card.hidden = !fits;
      shown += fits;
      showWay(card, at);
      list.append(card);
      markers[at]?.getElement()?.classList.toggle("rs-off", !fits);
      markers[at]?.getElement()?.classList.toggle("rs-shut", states[at] === "closed" || states[at] === "holiday");
    });
    const count = fill(needs.size ? words.shown_n : words.stations_n, { shown, n: cards.length });
    status.textContent = (shown ? count : words.none_shown) + (way ? " · " + words[way] : "");
    status.classList.toggle("rs-warn", way === "by_line" || way === "off_street" || way === "no_position");
    return order;
  }

  function minutes(seconds) {
    return seconds < 60 ? "<1" : String(Math.round(seconds / 60));
  }

  function distance(metres) {
    return metres < 950
      ? [String(Math.max(10, Math.round(metres / 10) * 10)), words.m]
      : [(metres / 1000).toFixed(metres < 9950 ? 1 : 0), words.km];
  }

  function showWay(card, at) {
    const line = card.querySelector(".rs-way");
    const time = times && times[at];
    line.hidden = !time;
    line.textContent = "";
    if (!time) return;
    const part = (label, number, unit, second) => {
      const span = document.createElement("span");
      if (second) span.className = "rs-second";
      const strong = document.createElement("b");
      strong.textContent = number;
      span.append(label + " ", strong, unit);
      line.append(span);
    };
    if (time.metres !== undefined) {
      part(words.straight, ...distance(time.metres));
    } else {
      if (time.ride_s !== null) part(words.ride, minutes(time.ride_s), words.min);
      if (time.walk_s !== null && time.walk_s <= 1800)
        part(words.walk, minutes(time.walk_s), words.min, time.ride_s !== null);
      if (!line.children.length) part(words.straight, ...distance(time.line));
    }
  }

  /* Nearest: the service knows the streets; without it the straight line, and that is said. */
  function metresTo(at) {
    const [lon, lat] = data.stations[at].at;
    const rad = Math.PI / 180;
    const a =
      Math.sin(((lat - me[1]) * rad) / 2) ** 2 +
      Math.cos(lat * rad) * Math.cos(me[1] * rad) * Math.sin(((lon - me[0]) * rad) / 2) ** 2;
    return 12742017.6 * Math.asin(Math.sqrt(a));
  }

  let asked = 0;

  async function standAt(lon, lat) {
    me = [lon, lat];
    drawMe();
    const number = ++asked;
    find.setAttribute("aria-busy", "true");
    try {
      if (!data.address) throw new TypeError("a file has no service");
      const answer = await fetch(data.address + "/nearest", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        // Five decimals are a metre; nobody needs to know it better, and nobody keeps it.
        body: JSON.stringify({ lon: +lon.toFixed(5), lat: +lat.toFixed(5), edition: data.number }),
      });
      if (number !== asked) return;
      if (!answer.ok) throw Object.assign(new Error(), { status: answer.status });
      const found = new Map((await answer.json()).stations.map((s) => [s.id, s]));
      times = data.stations.map((s, at) => ({ ride_s: null, walk_s: null, ...found.get(s.id), line: metresTo(at) }));
      way = "by_network";
    } catch (error) {
      if (number !== asked) return;
      times = data.stations.map((_, at) => ({ metres: metresTo(at) }));
      way = error.status === 422 ? "off_street" : "by_line";
    } finally {
      if (number === asked) find.removeAttribute("aria-busy");
    }
    find.querySelector("span").textContent = words.again;
    const first = show().find((card) => !card.hidden);
    if (first) frame(Number(first.dataset.at));
  }

  find.addEventListener("click", () => {
    if (!navigator.geolocation) return noPosition();
    const label = find.querySelector("span");
    const before = label.textContent;
    label.textContent = words.finding;
    find.setAttribute("aria-busy", "true");
    navigator.geolocation.getCurrentPosition(
      (position) => standAt(position.coords.longitude, position.coords.latitude),
      () => {
        label.textContent = before;
        find.removeAttribute("aria-busy");
        noPosition();
      },
      { enableHighAccuracy: true, timeout: 8000, maximumAge: 60000 },
    );
  });

  function noPosition() {
    if (!me) way = "no_position";
    show();
  }

  byId("rs-now").hidden = false;
  document.querySelectorAll("[data-need]").forEach((button) => {
    button.addEventListener("click", () => {
      const need = button.dataset.need;
      const on = !needs.has(need);
      needs[on ? "add" : "delete"](need);
      button.setAttribute("aria-pressed", String(on));
      show();
    });
  });

  /* Reports: one tap on a reason sends it. */
  list.addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    const said = form.querySelector(".rs-sent");
    const reason = event.submitter?.value || "other";
    form.querySelectorAll("button").forEach((b) => (b.disabled = true));
    try {
      const answer = await fetch(form.getAttribute("action"), {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify({
          station: Number(form.dataset.station),
          edition: data.number,
          reason,
          note: form.elements.note.value,
        }),
      });
      if (!answer.ok) {
        const problem = await answer.json().catch(() => ({}));
        const kind = (problem.type || "").split("/").pop();
        throw new Error(words["p_" + kind] || problem.detail || String(answer.status));
      }
      said.className = "rs-sent";
      said.textContent = words.thanks;
      form.querySelector(".rs-reasons").hidden = true;
      form.querySelector("label").hidden = true;
    } catch (error) {
      said.className = "rs-sent rs-warn";
      const why = error instanceof TypeError ? words.offline_now : error.message;
      said.textContent = fill(words.send_failed, { why });
      form.querySelectorAll("button").forEach((b) => (b.disabled = false));
    }
  });

  /* The map. */
  const markers = [];
  let map = null;
  let mark = null;

  function decode(text) {
    const line = [];
    let at = [0, 0];
    let part = 0;
    let value = 0;
    let shift = 0;
    let lat = 0;
    for (let k = 0; k < text.length; k++) {
      const bits = text.charCodeAt(k) - 63;
      value |= (bits & 31) << shift;
      shift += 5;
      if (bits >= 32) continue;
      at[part] += value & 1 ? ~(value >> 1) : value >> 1;
      if (part === 0) lat = at[0];
      else line.push([lat / 1e5, at[1] / 1e5]);
      part = 1 - part;
      value = shift = 0;
    }
    return line;
  }

  const COLOURS = { service_centre: "#1d4f7c", red_station: "#b5302b", rider_station: "#a45f00" };
  const SHAPES = {
    service_centre: '<rect x="10" y="9" width="10" height="10" rx="1.5" fill="#fff"/>',
    red_station: '<circle cx="15" cy="14" r="5.5" fill="#fff"/>',
    rider_station: '<path d="M15 7.5l6.3 11H8.7z" fill="#fff"/>',
  };

  function pin(kind) {
    return (
      '<svg viewBox="0 0 30 38" aria-hidden="true"><path d="M15 37C9 28 2.5 22.500 2.500 14a12.500 12.500 0 0 1 25 0C27.500 22.500 21 28 15 37z" fill="' +
      COLOURS[kind] + '" stroke="#fff" stroke-width="2"/>' + SHAPES[kind] + "</svg>"
    );
  }

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  }

  function drawMap() {
    byId("rs-map-part").hidden = false;
    map = L.map("rs-map", {
      preferCanvas: true, zoomControl: false, minZoom: 10, maxZoom: 18, zoomSnap: 0.25, tap: false,
      bounceAtZoomLimits: false, attributionControl: false,
    });
    L.control.zoom({ position: "bottomright", zoomInTitle: words.zoom_in, zoomOutTitle: words.zoom_out }).addTo(map);
    L.control.scale({ imperial: false, position: "bottomleft", maxWidth: 90 }).addTo(map);
    const attribution = L.control.attribution({ prefix: false, position: "topright" }).addTo(map);
    if (data.attribution) attribution.addAttribution(data.attribution.replace(/</g, "&lt;"));
    all();
    const layers = [];
    const add = (layer, style) => layers.push([layer.addTo(map), style]);
    const canvas = L.canvas({ padding: 0.3 });
    const lines = (name) => data.base[name].map(decode);
    const areas = (name) => data.base[name].map((rings) => rings.map(decode));
    const plain = { renderer: canvas, interactive: false, smoothFactor: 1.2 };
    for (const name of ["green", "water"]) {
      add(L.polygon(areas(name), plain), () => ({ stroke: false, fill: true, fillOpacity: 1, fillColor: colour(name) }));
    }
    const width = (main) => Math.max(main ? 1.6 : 0.8, (main ? 5 : 2.6) * 2 ** (0.55 * (map.getZoom() - 15)));
    const street = (name, main, grow) => () => ({
      color: colour(name), weight: width(main) + grow, opacity: !main && map.getZoom() < 13 ? 0 : 1,
      lineCap: "round", lineJoin: "round",
    });
    const minor = lines("minor");
    const main = lines("main");
    add(L.polyline(minor, plain), street("minor-case", false, 1.5));
    add(L.polyline(main, plain), street("main-case", true, 1.6));
    add(L.polyline(minor, plain), street("minor", false, 0));
    add(L.polyline(main, plain), street("main", true, 0));
    add(L.polyline(lines("rail"), plain), () => ({ color: colour("rail"), weight: 1.6, dashArray: "7 4" }));
    const restyle = () => {
      layers.forEach(([layer, style]) => layer.setStyle(style()));
      byId("rs-map").classList.toggle("rs-far", data.stations.length > 12 && map.getZoom() < 14.5);
    };
    restyle();
    map.on("zoomend", restyle);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
    drawNames();
    data.stations.forEach((station, at) => {
      const marker = L.marker([station.at[1], station.at[0]], {
        icon: L.divIcon({ className: "rs-pin", html: pin(station.kind), iconSize: [44, 44], iconAnchor: [22, 41] }),
        title: station.name, alt: station.name, keyboard: true, riseOnHover: true,
      });
      marker.on("click", () => choose(at, true)).addTo(map);
      marker.getElement().setAttribute("aria-label", station.name);
      markers[at] = marker;
    });
    map.on("click", (event) => {
      if (me === null || way !== "by_network" || !fixed) {
        fixed = false;
        standAt(event.latlng.lng, event.latlng.lat);
      }
    });
    cards.forEach((card) => {
      const heading = card.querySelector("h3");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      button.setAttribute("aria-label", heading.textContent + ": " + words.select);
      button.addEventListener("click", () => choose(Number(card.dataset.at), false));
      heading.replaceChildren(button);
    });
  }

  let fixed = false;

  function all() {
    map.fitBounds(data.stations.map((s) => [s.at[1], s.at[0]]), { padding: [34, 34], maxZoom: 16, animate: false });
  }

  function frame(at) {
    if (!map) return;
    const [lon, lat] = data.stations[at].at;
    choose(at, false, true);
    if (metresTo(at) > 30000) return all(); // somebody in another town: show the stations
    map.fitBounds([[lat, lon], [me[1], me[0]]], { padding: [52, 52], maxZoom: 16 });
  }

  function drawMe() {
    if (!map) return;
    if (mark) mark.setLatLng([me[1], me[0]]);
    else {
      mark = L.marker([me[1], me[0]], {
        icon: L.divIcon({ className: "rs-me", iconSize: [20, 20] }), title: words.you, alt: words.you,
        keyboard: false, zIndexOffset: 800, interactive: false,
      }).addTo(map);
    }
  }

  function choose(at, scroll, still) {
    cards.forEach((card) => card.classList.toggle("rs-chosen", Number(card.dataset.at) === at));
    markers.forEach((marker, k) => marker.getElement()?.classList.toggle("rs-chosen", k === at));
    chosen = at;
    const card = cards.find((c) => Number(c.dataset.at) === at);
    if (scroll) card.scrollIntoView({ block: "start" });
    else if (!still && map) {
      const [lon, lat] = data.stations[at].at;
      map.setView([lat, lon], Math.max(map.getZoom(), 16));
      byId("rs-map-part").scrollIntoView({ block: "start" });
    }
  }

  /* Names where there is room, the more important first. */
  function drawNames() {
    const layer = L.layerGroup().addTo(map);
    const place = () => {
      layer.clearLayers();
      const zoom = map.getZoom();
      const seen = map.getBounds();
      const taken = data.stations.map((s) => {
        const p = map.latLngToContainerPoint([s.at[1], s.at[0]]);
        return [p.x - 18, p.y - 42, p.x + 18, p.y + 2];
      });
      for (const [lon, lat, text, rank] of data.base.names) {
        if (zoom < [11, 13, 15][rank] || !seen.contains([lat, lon])) continue;
        const p = map.latLngToContainerPoint([lat, lon]);
        const half = [...text].reduce((sum, c) => sum + (c > "\u2e80" ? 6.8 : 3.6), 4);
        const box = [p.x - half, p.y - 9, p.x + half, p.y + 9];
        if (taken.some((b) => b[0] < box[2] && box[0] < b[2] && b[1] < box[3] && box[1] < b[3])) continue;
        taken.push(box);
        const html = document.createElement("span");
        html.textContent = text;
        L.marker([lat, lon], {
          icon: L.divIcon({ className: rank ? "rs-name" : "rs-name rs-place", html, iconSize: [0, 0] }),
          interactive: false, keyboard: false, zIndexOffset: -1000,
        }).addTo(layer);
      }
      layer.eachLayer((m) => m.getElement()?.setAttribute("aria-hidden", "true"));
    };
    map.on("moveend", place);
    place();
  }

  showStates();
  showVerified();
  if (window.L && data.stations.length) drawMap();
  show();
  setInterval(() => {
    showStates();
    show();
  }, 60000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      showStates();
      showVerified();
      show();
    }
  });
  if (data.address && data.form === "page" && "serviceWorker" in navigator && window.isSecureContext) {
    navigator.serviceWorker.register("/s/sw.js", { scope: "/s/" }).catch(() => {});
  }
  document.documentElement.dataset.ready = "yes";
})();
