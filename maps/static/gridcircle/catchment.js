// The catchment page: circles of a station, or of any point that is clicked.
"use strict";
Gridcircle.pages.catchment = async (map) => {
  const { data, t, el, number, request } = Gridcircle;
  Gridcircle.baseMap(map);
  const result = document.getElementById("gc-result");
  if (!data.hasNetwork) {
    result.replaceChildren(el("p", { class: "gc-card" }, t("empty_network")));
    return;
  }
  const profile = document.getElementById("gc-profile");
  const waits = document.getElementById("gc-waits");
  const straight = document.getElementById("gc-straight");
  const select = document.getElementById("gc-station");
  Gridcircle.options(profile, Gridcircle.profileItems(), "norm");
  Gridcircle.options(waits, Gridcircle.waitItems(), "none");
  const FILL = ["#0b5e6b", "#5aa9a2"];
  const shown = L.layerGroup().addTo(map);
  const circles = L.layerGroup().addTo(map);
  const pin = L.marker([0, 0], { draggable: true, keyboard: true, title: t("what_if"), icon: L.divIcon({ className: "", html: '<div class="gc-pin"></div>', iconSize: [22, 22], iconAnchor: [11, 25] }) });

  const stations = await Gridcircle.allStations();
  Gridcircle.options(select, [["", t("any_point")], ...stations.map((s) => [s.id, `${s.properties.name} · ${t(`short_${s.properties.kind}`)}`])], data.station ?? "");
  for (const s of stations) {
    const [lon, lat] = s.geometry.coordinates;
    L.circleMarker([lat, lon], { ...Gridcircle.stationMark(s.properties.kind), radius: 5, bubblingMouseEvents: false })
      .on("click", () => { select.value = s.id; ask({ station_id: s.id }, { fit: true }); })
      .addTo(map);
  }

  let present = null;
  let asked;
  async function ask(where, { fit = false } = {}) {
    present = where;
    asked?.abort();
    asked = new AbortController();
    let answer;
    try {
      answer = await request("/api/v1/catchments", {
        method: "POST",
        signal: asked.signal,
        body: { ...where, minutes: data.minutes, profile: profile.value, waits: waits.value, lines: true },
      });
    } catch (error) {
      if (error.name !== "AbortError") { shown.clearLayers(); circles.clearLayers(); result.replaceChildren(); }
      return;
    }
    const station = stations.find((s) => s.id === where.station_id);
    const [lon, lat] = station ? station.geometry.coordinates : [where.lon, where.lat];
    pin.setLatLng([lat, lon]).addTo(map);
    shown.clearLayers();
    circles.clearLayers();
    const areas = answer.features.filter((f) => f.geometry && f.geometry.type.includes("Polygon")).sort((a, b) => b.properties.minutes - a.properties.minutes);
    const lines = answer.features.filter((f) => f.geometry && f.geometry.type.includes("Line"));
    const colour = (minutes) => FILL[Math.max(data.minutes.indexOf(minutes), 0)] ?? FILL[1];
    for (const f of areas) {
      L.geoJSON(f, { interactive: false, style: { color: colour(f.properties.minutes), weight: 2, fillColor: colour(f.properties.minutes), fillOpacity: 0.2 } }).addTo(shown);
    }
    const widest = lines.sort((a, b) => b.properties.minutes - a.properties.minutes);
    for (const f of widest) L.geoJSON(f, { interactive: false, style: { color: colour(f.properties.minutes), weight: 2.2, opacity: 0.75 } }).addTo(shown);
    const speed = areas[0].properties.speed_mps;
    if (straight.checked) {
      for (const minutes of data.minutes) L.circle([lat, lon], { radius: minutes * 60 * speed, interactive: false, color: "#6b3fa0", weight: 1.5, dashArray: "6 5", fill: false }).addTo(circles);
    }
    const columns = areas.slice().reverse();
    const row = (name, cell) => el("tr", {}, el("td", {}, name), ...columns.map((f) => el("td", {}, cell(f.properties))));
    result.replaceChildren(
      el("h2", {}, station ? `${t("circle_of")} ${station.properties.name}` : t("what_if")),
      el("table", {},
        el("thead", {}, el("tr", {}, el("th"), ...columns.map((f) => el("th", { scope: "col" }, el("span", { class: "gc-key", style: `display:inline-block;margin-right:6px;background:${colour(f.properties.minutes)}` }), `${f.properties.minutes} ${t("minutes")}`)))),
        el("tbody", {},
          row(t("households"), (p) => number.format(p.households)),
          row(t("people"), (p) => number.format(p.people)),
          row(t("buildings"), (p) => number.format(p.buildings)),
          row(t("reached"), (p) => `${number.format(Math.round(p.reached_m / 100) / 10)} km`))),
      el("p", { class: "gc-hint" }, Gridcircle.speedNote(areas[0].properties)),
      straight.checked ? el("p", { class: "gc-hint" }, t("straight_note")) : null,
    );
    document.documentElement.dataset.asked = String(Number(document.documentElement.dataset.asked ?? 0) + 1);
    if (fit) map.fitBounds(L.geoJSON(areas[0]).getBounds(), { padding: [24, 24] });
  }
  const point = (latlng) => { select.value = ""; ask({ lon: Number(latlng.lng.toFixed(7)), lat: Number(latlng.lat.toFixed(7)) }); };
  map.on("click", (event) => point(event.latlng));
  pin.on("dragend", () => point(pin.getLatLng()));
  select.addEventListener("change", () => { if (select.value) ask({ station_id: Number(select.value) }, { fit: true }); });
  for (const control of [profile, waits, straight]) control.addEventListener("change", () => { if (present) ask(present); });
  if (data.station != null) await ask({ station_id: data.station }, { fit: true });
  else if (stations.length) { select.value = stations[0].id; await ask({ station_id: stations[0].id }, { fit: true }); }
};
