/* Several nets into one: where the chosen plans disagree, on the map, and a draft of a single net. */
"use strict";

/**
 * @param {L.Map} map
 * @param {HTMLFormElement} form filled and shown
 * @param {object[]} plans to choose from
 */
GridcirclePlan.mergeNets = function (map, form, plans) {
  const { word, element, number, percent } = Gridcircle;
  const Plan = GridcirclePlan;
  const MOST = 6;
  if (!map.getPane("conflicts")) map.createPane("conflicts").style.zIndex = 420;
  const drawn = L.layerGroup().addTo(map);
  const chosen = []; // in the order they were chosen: the first leads
  const told = element("div", { "aria-live": "polite" });
  const name = element("input", { type: "text", required: true, maxlength: "80", value: word("nets_name") });

  const boxes = plans.map((plan) => {
    const order = element("small", { class: "gc-count" });
    const box = Gridcircle.check(plan.name, false, (on) => {
      if (on) chosen.push(plan.id);
      else chosen.splice(chosen.indexOf(plan.id), 1);
      boxes.forEach(({ mark }, place) => {
        const at = chosen.indexOf(plans[place].id);
        mark.textContent = at < 0 ? "" : at ? `${at + 1}` : word("nets_leads");
      });
      look.disabled = make.disabled = chosen.length < 2 || chosen.length > MOST;
      drawn.clearLayers();
      told.replaceChildren();
    });
    box.append(order);
    return { box, mark: order };
  });

  const body = () => ({
    name: name.value.trim(),
    nets: chosen.map((id) => ({ name: plans.find((plan) => plan.id === id).name.slice(0, 50), plan: id })),
  });
  function show(answer) {
    drawn.clearLayers();
    const { features } = answer.conflicts;
    const shapes = L.geoJSON(answer.conflicts, {
      pane: "conflicts",
      style: { color: "#5b1a7a", weight: 1.4, fillColor: "#5b1a7a", fillOpacity: 0.35 },
      onEachFeature: ({ properties }, layer) => layer.bindTooltip(
        element("div", {}, ...Object.entries(properties.grids || {}).map(([net, code]) =>
          element("div", {}, `${net}: ${code ? String(code).slice(-3) : "–"}`)),
        element("b", {}, word("n_homes", { n: number(properties.households) }))), { className: "gc-tip", sticky: true }),
    }).addTo(drawn);
    told.replaceChildren(
      element("p", { class: features.length ? "gp-alarm" : "gp-fine" }, features.length
        ? word("nets_conflicts", { n: number(features.length), homes: number(answer.households_in_conflict),
            share: percent(answer.households ? answer.households_in_conflict / answer.households : 0) })
        : word("nets_agree")));
    if (features.length) Gridcircle.show(map, shapes.getBounds().pad(0.1));
  }
  const send = (preview) => Gridcircle.guarded(async () => {
    const answer = await Gridcircle.ask(`/api/v1/plans/merge-nets${preview ? "?preview=true" : ""}`, { body: body() });
    if (preview) show(answer);
    else location.href = `/plans/${answer.plan}/edit?lang=${Gridcircle.page.language}`;
  });
  const look = element("button", { type: "button", class: "gp-action", id: "gp-nets-look", disabled: true, onclick: () => send(true) }, word("nets_look"));
  const make = element("button", { type: "submit", class: "gc-button", disabled: true }, word("nets_make"));
  form.replaceChildren(
    element("p", { class: "gc-note" }, word("nets_hint")),
    element("div", { class: "gc-checks" }, ...boxes.map(({ box }) => box)),
    element("label", { class: "gc-field" }, word("plan_name"), name),
    told,
    element("div", { class: "gp-actions" }, look, make,
      element("button", { type: "button", class: "gp-action", onclick: () => {
        form.hidden = true;
        drawn.clearLayers();
      } }, word("cancel"))));
  form.onsubmit = (event) => {
    event.preventDefault();
    send(false);
  };
  form.hidden = false;
};
