/* What if: pins dropped and dragged, gates, footbridges and crossings drawn, stations shut; counted at once. */
"use strict";

function GridcircleTrial(map, { base, w, share }) {
  const { byId, element, number, page } = Gridcircle;
  const drawn = L.layerGroup().addTo(map);
  const effect = L.layerGroup().addTo(map);
  const renderer = L.canvas({ padding: 0.2 });
  let unit = "";
  let steps = [];
  const past = [];
  const future = [];
  let placing = null;
  let pending = null;
  let asking = null;
  const answer = element("p", { class: "gc-trial-answer", role: "status" });
  const hint = element("p", { class: "gc-note", role: "status" });
  const list = element("ol", { class: "gc-trial" });
  const undo = element("button", { type: "button", class: "gc-quiet", onclick: () => turn(past, future) }, w("undo"));
  const redo = element("button", { type: "button", class: "gc-quiet", onclick: () => turn(future, past) }, w("redo"));
  const clear = element("button", { type: "button", class: "gc-quiet", onclick: () => change([]) }, w("clear"));

  const rounded = (latlng) => [Number(latlng.lng.toFixed(7)), Number(latlng.lat.toFixed(7))];
  const latlng = ([lon, lat]) => [lat, lon];

  function turn(from, to) {
    if (!from.length) return;
    stop();
    to.push(steps);
    steps = from.pop();
    show();
  }

  /** Put other steps in the place of those there are; undo gives them back. */
  function change(next) {
    stop();
    past.push(steps);
    future.length = 0;
    steps = next;
    show();
  }

  function stop() {
    placing = pending = null;
    hint.textContent = "";
    map.getContainer().style.cursor = "";
  }

  function begin(kind) {
    stop();
    placing = kind;
    hint.textContent = w(kind === "gate" ? "click_wall" : kind === "closed" ? "click_station" : "click_map");
    map.getContainer().style.cursor = "crosshair";
    if (Gridcircle.isNarrow()) byId("gc-panel").dataset.state = "low";
  }

  function place(kind, at) {
    change([...steps, { kind, at }]);
  }

  function draw(unitWord) {
    unit = unitWord;
    const button = (key, kind) => element("button", { type: "button", class: "gc-quiet", onclick: () => begin(kind) }, w(key));
    byId("gc-whatif").replaceChildren(
      element("h2", {}, w("whatif")), element("p", { class: "gc-hint" }, w("whatif_hint")),
      element("p", { class: "gc-links" }, button("add_station", "station"), button("add_gate", "gate"), button("add_bridge", "bridge"),
        button("add_crossing", "crossing"), button("close_station", "closed")),
      hint, answer, list,
      element("p", { class: "gc-links" }, undo, redo, clear));
    show();
  }

  const pin = (text, kind) => L.divIcon({ className: `gc-rank gc-trial-pin gc-trial-${kind}`, html: element("span", {}, text), iconSize: [28, 28] });

  /** A pin that may be dragged: where it is dropped becomes a step that undo takes back. */
  function draggable(at, icon, title, moved) {
    const marker = L.marker(latlng(at), { draggable: true, icon, title, alt: title }).addTo(drawn);
    marker.on("dragend", () => moved(rounded(marker.getLatLng())));
    return marker;
  }

  function moved(place_, at) {
    change(steps.map((s, k) => (k === place_ ? { ...s, at } : s)));
  }

  function show() {
    drawn.clearLayers();
    undo.disabled = !past.length;
    redo.disabled = !future.length;
    clear.disabled = !steps.length;
    list.replaceChildren(...steps.map((s, k) => element("li", {},
      element("span", {}, w(`trial_${s.kind}`), s.kind === "closed" ? `：${s.at.name || s.at.code}` : ""),
      element("button", { type: "button", class: "gc-quiet", "aria-label": `${w("remove")} ${k + 1}`, onclick: () => change(steps.filter((other) => other !== s)) }, "×"))));
    steps.forEach((s, k) => {
      const title = w(`trial_${s.kind}`);
      if (s.kind === "station") draggable(s.at, pin("+", "station"), title, (at) => moved(k, at));
      else if (s.kind === "gate") draggable(s.at, pin(page.language === "zh" ? "门" : "G", "gate"), title, (at) => moved(k, at));
      else if (s.kind === "closed") L.marker([s.at.lat, s.at.lon], { icon: pin("×", "closed"), interactive: false, keyboard: false }).addTo(drawn);
      else {
        const color = s.kind === "bridge" ? "#0b7a75" : "#1a7f4b";
        L.polyline(s.at.map(latlng), { color, weight: 6, dashArray: s.kind === "crossing" ? "3 7" : undefined, interactive: false }).addTo(drawn);
        s.at.forEach((end, side) => draggable(end, pin("", "end"), title, (at) => moved(k, s.at.map((e, i) => (i === side ? at : e)))));
      }
    });
    tryOut();
  }

  async function tryOut() {
    asking?.abort();
    if (!steps.length) {
      effect.clearLayers();
      answer.textContent = "";
      return;
    }
    asking = new AbortController();
    const of = (...kinds) => steps.filter((s) => kinds.includes(s.kind)).map((s) => s.at);
    const body = { stations: of("station"), gates: of("gate"), links: of("bridge", "crossing"), closed: of("closed").map((s) => s.code) };
    const begun = performance.now();
    const told = await Gridcircle.guarded(() => Gridcircle.ask(`${base}/what-if`, { body, signal: asking.signal }));
    if (!told) return;
    effect.clearLayers();
    const dots = (places, color) => places.forEach((at) =>
      L.circleMarker(latlng(at), { renderer, radius: Math.max(4, map.getZoom() - 10), weight: 2, color: "#fff", fillColor: color, fillOpacity: 1, interactive: false }).addTo(effect));
    dots(told.gained_at, "#1a7f4b");
    dots(told.lost_at, "#b5302b");
    for (const path of told.paths) L.polyline(path.map(latlng), { color: "#1a7f4b", weight: 3, dashArray: "2 5", interactive: false }).addTo(effect);
    const gain = told.after - told.before + told.lost_weight;
    answer.replaceChildren(
      element("b", {}, w("gain_now", { n: number(gain), unit, before: share(told.before / told.total), after: share(told.after / told.total) })),
      told.lost ? element("span", { class: "gc-lost" }, w("lost_now", { n: number(told.lost_weight), unit, b: number(told.lost) })) : "");
    answer.dataset.ms = String(Math.round(performance.now() - begun));
    if (Gridcircle.isNarrow() && byId("gc-panel").dataset.state === "low") byId("gc-panel").dataset.state = "half";
  }

  map.on("click", (event) => {
    if (!placing || placing === "closed") return;
    const at = rounded(event.latlng);
    if (placing === "station" || placing === "gate") place(placing, at);
    else if (!pending) {
      pending = at;
      hint.textContent = w("click_second");
      L.circleMarker(latlng(at), { radius: 7, color: "#1a7f4b", interactive: false }).addTo(drawn);
    } else place(placing, [pending, at]);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && placing) { stop(); show(); }
  });

  return {
    draw,
    isPlacing: () => Boolean(placing),
    /** A station that is clicked: shut, while one is being chosen to shut. */
    station(station) {
      if (placing !== "closed" || steps.some((s) => s.kind === "closed" && s.at.code === station.code)) return;
      place("closed", station);
    },
    /** Try a proposed site or a zone's change. */
    put: (kind, at) => place(kind, at),
  };
}
