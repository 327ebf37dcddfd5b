/* A layer of grids sent as a file: the form, how far it is, and on to what came of it. */
"use strict";

/** @param {HTMLFormElement} form filled and shown */
GridcirclePlan.upload = function (form) {
  const { word, element, number, page } = Gridcircle;
  const MEGABYTE = 1024 * 1024;
  const field = (label, control, note) => element("label", { class: "gc-field" }, label, control,
    note ? element("small", { class: "gc-note" }, note) : null);
  const file = element("input", { type: "file", id: "gp-import-file", required: true,
    accept: ".gpkg,.geojson,.json,.parquet,.zip" });
  const name = element("input", { type: "text", maxlength: "80" });
  const tolerance = element("input", { type: "number", min: "0", max: "50", step: "0.1", value: "2", required: true, inputmode: "decimal" });
  const other = element("input", { type: "text", maxlength: "40", hidden: true,
    placeholder: word("import_crs_code"), "aria-label": word("import_crs_code") });
  const crs = element("select", {});
  Gridcircle.options(crs, [["", word("import_crs_file")], ["EPSG:4490", word("import_crs_4490")],
    ["gcj02", word("import_crs_gcj02")], ["bd09", word("import_crs_bd09")], ["other", word("import_crs_other")]], "");
  crs.addEventListener("change", () => {
    other.hidden = crs.value !== "other";
    other.required = !other.hidden;
    if (!other.hidden) other.focus();
  });
  const send = element("button", { type: "submit", class: "gc-button", id: "gp-import-send" }, word("import_send"));
  const bar = element("progress", { max: "1", value: "0" });
  const told = element("span", {});
  const progress = element("div", { class: "gp-design-bar", role: "status", hidden: true }, told, bar);
  let request = null;
  const cancel = element("button", { type: "button", class: "gp-action", onclick: () => {
    if (request) request.abort();
    else form.hidden = true;
  } }, word("cancel"));

  function show(text, share) {
    progress.hidden = false;
    if (told.textContent !== text) told.textContent = text;
    if (share === null) bar.removeAttribute("value");
    else bar.value = share;
  }

  /** Send the form; fetch cannot tell how much of a body has gone. */
  const post = (body, id) => new Promise((resolve, reject) => {
    request = new XMLHttpRequest();
    request.open("POST", `/api/v1/plans/import?progress=${id}`);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) =>
      show(word("import_uploading", { n: number((loaded / total) * 100) }), (loaded / total) * 0.3);
    request.upload.onload = () => {
      cancel.disabled = true; // what has come in is worked off to its end
      show(word("import_reading"), 0.3);
    };
    request.onload = () => (request.status < 300 ? resolve(request.response)
      : reject(Object.assign(new Error("refused"), { problem: request.response || { title: word("failed") } })));
    request.onerror = () => reject(Object.assign(new Error("unreachable"), { problem: { title: word("unreachable") } }));
    request.onabort = () => reject(Object.assign(new Error("stopped"), { name: "AbortError" }));
    request.send(body);
  });

  async function follow(id) {
    while (request) {
      await new Promise((wake) => setTimeout(wake, 400));
      if (!request || !cancel.disabled) continue;
      const one = await Gridcircle.ask(`/api/v1/plans/import/${id}`, { quiet: true }).catch(() => null);
      if (one && request && one.stage !== "done") show(word(`import_${one.stage}`), 0.3 + 0.7 * one.share);
    }
  }

  form.replaceChildren(
    element("p", { class: "gc-note" }, word("import_hint")),
    field(word("import_file"), file), field(word("import_name"), name),
    field(word("import_tolerance"), tolerance, word("import_tolerance_hint")),
    field(word("import_crs"), crs), other, progress,
    element("div", { class: "gp-actions" }, send, cancel));
  form.onsubmit = (event) => {
    event.preventDefault();
    const [chosen] = file.files;
    if (request || !chosen) return;
    Gridcircle.guarded(async () => {
      if (chosen.size > page.uploadBytes) {
        throw Object.assign(new Error("too large"), { problem: {
          title: word("import_too_large", { size: number(chosen.size / MEGABYTE), most: number(page.uploadBytes / MEGABYTE) }),
          detail: word("import_too_large_hint") } });
      }
      const body = new FormData();
      body.append("file", chosen);
      body.append("name", name.value.trim());
      body.append("tolerance_m", tolerance.value);
      body.append("crs", crs.value === "other" ? other.value.trim() : crs.value);
      const id = crypto.randomUUID?.() ?? `import-${Date.now()}-${Math.random().toString(36).slice(2)}`;
      send.disabled = true;
      try {
        const sent = post(body, id);
        follow(id);
        const made = await sent;
        show(word("import_done"), 1);
        location.href = `/plans/${made.plan.id}/import?lang=${page.language}`;
      } finally {
        request = null;
        send.disabled = cancel.disabled = false;
        progress.hidden = true;
      }
    });
  };
  form.hidden = false;
  form.scrollIntoView({ block: "nearest" });
};
