/* The catchment page: circles of a station, or of any point one clicks or drags the pin to. */
"use strict";

Gridcircle.begin = function (map) {
  const { byId, word, element, number, page } = Gridcircle;
  const COLORS = ["#0b5394", "#5b9bd5", "#a8c9e8"];
  const drawn = L.layerGroup().addTo(map);
  const straight = L.layerGroup().addTo(map);
  const others = L.layerGroup().addTo(map);
  let pin = null;
  let stations = [];
  let asking = null;
  let origin = null; // { station_id } or { lon, lat }
  let last = null;

  const travel = Gridcircle.travelControls(page.defaults, () => draw());

  function placePin([lon, lat]) {
    if (pin) {
      pin.setLatLng([lat, lon]);
      return;
    }
    pin = L.marker([lat, lon], {
      draggable: true,
      autoPan: true,
      zIndexOffset: 1000,
      title: word("drag_pin"),
      alt: word("drag_pin"),
      icon: L.divIcon({ className: "gc-origin", html: element("span"), iconSize: [44, 44] }),
    }).addTo(map);
    pin.on("dragend", () => {
      const at = pin.getLatLng();
      whatIf(at);
    });
  }

  function whatIf(at) {
    byId("gc-station").value = "";
    origin = { lon: Number(at.lng.toFixed(6)), lat: Number(at.lat.toFixed(6)) };
    Gridcircle.remember(origin);
    draw();
  }

  function chooseStation(id, { fit = false } = {}) {
    byId("gc-station").value = String(id);
    Gridcircle.remember({ station: id });
    origin = { station_id: id };
    draw({ fit });
  }

  async function draw({ fit = false } = {}) {
    if (!origin) return;
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    if (origin.station_id === undefined) placePin([origin.lon, origin.lat]);
    const told = await Gridcircle.guarded(() =>
      Gridcircle.ask("/api/v1/catchments", {
        body: { ...origin, ...travel(), minutes: page.minutes, lines: true },
        signal,
      }),
    );
    if (signal.aborted) return;
    drawn.clearLayers();
    straight.clearLayers();
    last = null;
    byId("gc-result").replaceChildren();
    if (!told) return;
    last = told.features;
    show(told.features, fit);
  }

  function show(features, fit) {
    const widest = [...features].sort((a, b) => b.properties.minutes - a.properties.minutes);
    placePin(widest[0].properties.point);
    widest.forEach((feature, place) => {
      const color = COLORS[widest.length - 1 - place] || COLORS[2];
      L.geoJSON(feature, {
        interactive: false,
        style: {
          color, weight: 1.4, fillColor: color, fillOpacity: place === 0 ? 0.16 : 0.2,
          dashArray: place === 0 ? "6 4" : null,
        },
      }).addTo(drawn);
    });
    // Reached streets, the nearer ones last so that they lie on top.
    widest.forEach((feature, place) => {
      if (!feature.lines) return;
      const color = COLORS[widest.length - 1 - place] || COLORS[2];
      L.geoJSON(feature.lines, { interactive: false, style: { color, weight: place ? 1.5 : 1.2, opacity: place ? 0.75 : 0.8 } })
        .addTo(drawn);
    });
    drawStraight();
    table([...features].sort((a, b) => a.properties.minutes - b.properties.minutes));
    if (fit) Gridcircle.show(map, L.geoJSON(widest[0]).getBounds());
  }

  function drawStraight() {
    straight.clearLayers();
    if (!byId("gc-straight").checked || !last) return;
    for (const { properties } of last) {
      const [lon, lat] = properties.point;
      const speed = properties.speed_mps;
      L.circle([lat, lon], {
        radius: properties.minutes * 60 * speed,
        interactive: false, fill: false, color: "#7a4a00", weight: 1.8, dashArray: "2 6",
      }).addTo(straight);
    }
  }

  function table(features) {
    const first = features[0].properties;
    const rows = [
      ["households", (p) => (p.households_estimated
        ? element("abbr", { title: word("estimated_of", { n: number(p.households_estimated) }) }, `≈ ${number(p.households)}`)
        : number(p.households))],
      ["people", (p) => number(p.people)],
      ["buildings", (p) => number(p.buildings)],
      ["reached", (p) => `${number(p.reached_m / 1000, 1)} ${word("km")}`],
    ];
    const name = first.station ? first.station.name : word("what_if");
    byId("gc-result").replaceChildren(
      element("h2", {}, name),
      element(
        "table",
        { class: "gc-table" },
        element(
          "thead", {},
          element("tr", {}, element("th", { scope: "col" }, word("within")),
            ...features.map(({ properties }, place) =>
              element("th", { scope: "col", class: "gc-number" },
                Gridcircle.swatch({ background: COLORS[place] || COLORS[2] }),
                ` ${number(properties.minutes)} ${word("minutes")}`),
            )),
        ),
        element(
          "tbody", {},
          ...rows.map(([key, value]) =>
            element("tr", {}, element("th", { scope: "row" }, word(key)),
              ...features.map(({ properties }) => element("td", { class: "gc-number" }, value(properties))))),
        ),
      ),
      element("p", { class: "gc-note" }, Gridcircle.speedText(first), word("counts_note")),
      byId("gc-straight").checked ? element("p", { class: "gc-note" }, word("straight_note")) : "",
    );
  }

  byId("gc-straight").addEventListener("change", () => {
    drawStraight();
    if (last) table([...last].sort((a, b) => a.properties.minutes - b.properties.minutes));
  });
  byId("gc-station").addEventListener("change", (event) => {
    if (event.target.value) chooseStation(Number(event.target.value), { fit: true });
  });
  map.on("click", (event) => whatIf(event.latlng));
  // A what-if that was sent on: its point stands in the address.
  const sent = new URLSearchParams(location.search);
  const [lon, lat] = [sent.get("lon"), sent.get("lat")].map((text) => (text ? Number(text) : NaN));
  if (page.hasNetwork && page.station === null && Math.abs(lon) <= 180 && Math.abs(lat) <= 85) {
    origin = { lon, lat };
    draw({ fit: true });
  }
  if (page.hasNetwork && page.station !== null) {
    origin = { station_id: page.station };
    draw({ fit: true });
  }

  Gridcircle.guarded(async () => {
    stations = await Gridcircle.readStations();
    const chosen = origin?.station_id ?? "";
    const groups = {};
    for (const feature of stations) (groups[feature.properties.kind] ||= []).push(feature);
    byId("gc-station").append(
      ...Object.entries(groups).map(([kind, features]) =>
        element("optgroup", { label: word(kind) },
          ...features.map((f) =>
            element("option", { value: f.id, selected: f.id === chosen }, f.properties.name)))),
    );
    for (const feature of stations) {
      others.addLayer(
        Gridcircle.stationMarker(feature, {
          small: true, many: stations.length > Gridcircle.MANY, onclick: (f) => chooseStation(f.id),
        }),
      );
    }
  });
};
