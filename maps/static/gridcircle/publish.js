/* The publisher's desk: everything is asked of the service and shown as it answers. */
"use strict";

(function () {
  const data = JSON.parse(document.getElementById("pb-data").textContent);
  const words = data.words;
  const byId = (id) => document.getElementById(id);
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key]);
  const api = "/api/v1/publications";
  let slug = new URLSearchParams(location.search).get("map");
  let one = null;
  let checked = null;

  function say(text, bad) {
    const said = byId("pb-said");
    said.textContent = text;
    said.classList.toggle("pb-bad", Boolean(bad));
  }

  function make(tag, values, ...children) {
    const element = Object.assign(document.createElement(tag), values);
    element.append(...children);
    return element;
  }

  async function ask(address, options) {
    const answer = await fetch(address, options);
    const body = await answer.json().catch(() => ({}));
    if (answer.ok) return body;
    const kind = (body.type || "").split("/").pop();
    const faults = (body.errors || []).slice(0, 5).map((f) => {
      const check = /^stations\.\d+\.(\w+)$/.exec(f.field);
      if (check) return `${f.value}: ${words["check_" + check[1]]} ${words.bad}`;
      return `${words["field_" + f.field] || f.field}: ${f.reason}`;
    });
    if (data.language === "zh" && body.detail_zh) {
      throw Object.assign(new Error(body.detail_zh + (body.remedy_zh || "")), { status: answer.status });
    }
    const said = words["p_" + kind] || body.detail;
    const why = [said, ...(faults.length ? faults : [words["p_" + kind] && body.detail])].filter(Boolean).join(" · ");
    throw Object.assign(new Error(why || String(answer.status)), { status: answer.status });
  }

  function send(address, method, body, version) {
    const headers = { "Content-Type": "application/json" };
    if (version !== undefined) headers["If-Match"] = `"${version}"`;
    return ask(address, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  }

  async function doing(work) {
    say("");
    try {
      await work();
    } catch (error) {
      if (error.status === 412) {
        await load();
        say(words.stale, true);
      } else say(fill(words.failed, { why: error.message }), true);
    }
  }

  async function load() {
    const { publications } = await ask(api);
    if (!publications.some((p) => p.slug === slug)) slug = publications[0]?.slug;
    const list = byId("pb-maps");
    list.replaceChildren(
      ...publications.map((p) => {
        const line = p.state === "published" ? fill(words.edition, { n: p.current_number }) : "";
        const button = make("button", { type: "button" }, p.title,
          make("small", {}, ["/s/" + p.slug, words["state_" + p.state], line].filter(Boolean).join(" · ")));
        button.setAttribute("aria-current", String(p.slug === slug));
        button.addEventListener("click", () => doing(() => open(p.slug, true)));
        return make("li", {}, button);
      }),
    );
    if (!publications.length) list.append(make("li", { className: "pb-quiet" }, words.none));
    byId("pb-new").open = !publications.length;
    if (slug) await show();
  }

  async function open(next, focus) {
    slug = next;
    const address = new URL(location.href);
    address.searchParams.set("map", slug);
    history.replaceState(null, "", address);
    await load();
    if (focus) byId("pb-title").focus();
  }

  async function show() {
    const base = `${api}/${slug}`;
    const [found, stations, reports] = await Promise.all([
      ask(base), ask(`${base}/stations`), ask(`${base}/reports?state=open`),
    ]);
    one = found;
    checked = stations;
    byId("pb-one").hidden = false;
    byId("pb-title").textContent = one.title;
    const line = one.current_number ? fill(words.edition, { n: one.current_number }) : words.no_edition;
    byId("pb-state").textContent = `${words["state_" + one.state]} · ${line}`;
    const next = (one.editions[0]?.number || 0) + 1;
    byId("pb-publish").textContent = fill(words.publish, { n: next });
    byId("pb-preview").href = `/publish/${slug}/preview?lang=${data.language}`;
    showOut();
    showChecks();
    showReports(reports.reports);
    byId("pb-editions").replaceChildren(
      ...one.editions.map((e) => {
        const number = one.state === "published"
          ? make("a", { href: `/s/${slug}/${e.number}`, target: "_blank" }, fill(words.edition, { n: e.number }))
          : fill(words.edition, { n: e.number });
        return make("tr", {}, make("td", {}, number), make("td", {}, when(e.published_at)), make("td", {}, e.editor), make("td", {}, String(e.stations)));
      }),
    );
  }

  function when(time) {
    return new Date(time).toLocaleString(data.language === "zh" ? "zh-CN" : "en-GB", { dateStyle: "medium", timeStyle: "short" });
  }

  function showOut() {
    const out = one.state === "published";
    byId("pb-out").hidden = !out;
    if (!out) return;
    const page = `/s/${slug}`;
    byId("pb-qr").src = `${page}/qr.svg`;
    byId("pb-open").href = page;
    byId("pb-open").textContent = location.origin + page;
    const files = [["poster_a4", "poster-a4.pdf"], ["poster_a3", "poster-a3.pdf"], ["picture", "map.png"], ["single", "map.html"], ["qr", "qr.png"]];
    byId("pb-downloads").replaceChildren(
      ...files.map(([word, file]) => make("a", { href: `${page}/${file}?lang=${data.language}`, target: "_blank" }, words[word])),
    );
    byId("pb-embed").value = `<iframe src="${location.origin}${page}/embed" width="100%" height="640" style="border:0" title="${one.title.replace(/"/g, "")}" allow="geolocation"></iframe>`;
  }

  function found(check) {
    const value = check.value;
    if (check.key === "entrance") return value === null ? words.entrance_far : fill(words.entrance_m, { n: value });
    if (check.key === "verified") return value === null ? words.never : value === 0 ? words.today : fill(words.days, { n: value });
    if (check.key === "hours") return value || words.bad;
    if (check.key === "facilities") return value ? String(value) : words.bad;
    return words[check.verdict];
  }

  function showChecks() {
    const only = byId("pb-only").checked;
    byId("pb-sum").textContent = fill(words.check_sum, { ready: checked.ready, bad: checked.not_ready, out: checked.left_out });
    byId("pb-publish").disabled = !checked.ready || (checked.not_ready > 0 && !byId("pb-unready").checked);
    byId("pb-allow").hidden = !checked.stations.some(
      (s) => !s.left_out && s.checks.some((c) => c.key === "public" && c.verdict === "bad"),
    );
    byId("pb-stations").replaceChildren(
      ...checked.stations.filter((s) => !only || !s.ready).map((s) => {
        const shown = make("input", { type: "checkbox", checked: !s.left_out });
        shown.setAttribute("aria-label", `${words.show}: ${s.name}`);
        shown.addEventListener("change", () => doing(() => leaveOut(s.id, !shown.checked)));
        const row = make("tr", { className: s.left_out ? "pb-left" : "" }, make("td", {}, shown),
          make("td", {}, make("b", {}, s.name), make("small", {}, s.address || s.community)));
        for (const check of s.checks) {
          if (check.key === "photo") {
            row.append(photoCell(s, check.value));
            continue;
          }
          const cell = make("td", { className: check.verdict === "bad" ? "pb-badly" : "pb-" + check.verdict });
          cell.append((check.verdict === "bad" ? "✕ " : check.verdict === "warning" ? "! " : "✓ ") + found(check));
          if (check.key === "verified" && check.value !== 0) cell.append(" ", action(words.verify_now, s, { verified_on: today() }));
          if (check.key === "public" && check.verdict === "bad") cell.append(" ", action(words.allow, s, { published: true }));
          row.append(cell);
        }
        const sign = make("td");
        if (one.state === "published" && s.ready && !s.left_out) {
          const link = make("a", { href: `/s/${slug}/stations/${s.id}/sign.pdf`, target: "_blank" }, "PDF");
          link.setAttribute("aria-label", `${words.sign}: ${s.name}`);
          sign.append(link);
        }
        row.append(sign);
        return row;
      }),
    );
  }

  function today() {
    return new Date(Date.now() + 480 * 60000).toISOString().slice(0, 10);
  }

  function action(label, station, changes) {
    const button = make("button", { type: "button" }, label);
    button.setAttribute("aria-label", `${label}: ${station.name}`);
    button.addEventListener("click", () =>
      doing(async () => {
        await send(`/api/v1/stations/${station.id}`, "PATCH", changes, station.version);
        await show();
      }),
    );
    return button;
  }

  /* A photo is optional: small, with what can be done about it. */
  function photoCell(station, digest) {
    const cell = make("td", { className: "pb-photo" });
    const address = `/api/v1/stations/${station.id}/photo`;
    const file = make("input", { type: "file", accept: "image/jpeg,image/png,image/webp" });
    const word = digest ? words.photo_change : words.photo_add;
    file.setAttribute("aria-label", `${word}: ${station.name}`);
    file.addEventListener("change", () => {
      const [chosen] = file.files;
      if (!chosen) return;
      if (chosen.size > 8 << 20) say(words.photo_large, true);
      else if (confirm(words.photo_sure)) {
        doing(async () => {
          await ask(address, { method: "PUT", headers: { "Content-Type": chosen.type || "image/jpeg" }, body: chosen });
          await show();
          say(words.photo_done);
        });
      }
      file.value = "";
    });
    if (digest) {
      const picture = make("img", { src: `${address}?of=${digest}`, loading: "lazy", width: 96, height: 72, alt: fill(words.photo_of, { n: station.name }) });
      cell.append(make("a", { href: `${address}?of=${digest}`, target: "_blank" }, picture));
    } else cell.append(make("span", { className: "pb-quiet" }, words.photo_none));
    const row = make("div", {}, make("label", {}, word, file));
    if (digest) row.append(taking(words.photo_remove, words.photo_remove_sure, address, station), taking(words.photo_erase, words.photo_erase_sure, `${address}?erase=true`, station));
    cell.append(row);
    return cell;
  }

  function taking(label, sure, address, station) {
    const button = make("button", { type: "button" }, label);
    button.setAttribute("aria-label", `${label}: ${station.name}`);
    button.addEventListener("click", () => {
      if (!confirm(sure)) return;
      doing(async () => {
        await ask(address, { method: "DELETE" });
        await show();
      });
    });
    return button;
  }

  async function leaveOut(id, out) {
    const left = new Set(one.left_out);
    left[out ? "add" : "delete"](id);
    await send(`${api}/${slug}`, "PATCH", { left_out: [...left] }, one.version);
    await show();
  }

  function showReports(reports) {
    byId("pb-reports").replaceChildren(
      ...reports.map((r) => {
        const button = make("button", { type: "button" }, words.resolve);
        button.setAttribute("aria-label", `${words.resolve}: ${r.station_name}`);
        button.addEventListener("click", () =>
          doing(async () => {
            await send(`${api}/${slug}/reports/${r.id}/resolve`, "POST");
            await show();
          }),
        );
        return make("li", {}, make("div", {}, make("b", {}, r.station_name), words["reason_" + r.reason], r.note ? `：${r.note}` : "",
          make("small", {}, ` ${when(r.at)} · ${fill(words.edition, { n: r.edition })} · ${r.lon}, ${r.lat}`)), button);
      }),
    );
    if (!reports.length) byId("pb-reports").append(make("li", { className: "pb-quiet" }, words.no_reports));
  }

  byId("pb-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    doing(async () => {
      const made = await send(api, "POST", {
        slug: form.get("slug"), title: form.get("title"), title_en: form.get("title_en"),
        kinds: form.getAll("kinds"), area: form.get("area") || null,
      });
      event.target.reset();
      await open(made.slug, true);
    });
  });
  byId("pb-publish").addEventListener("click", () =>
    doing(async () => {
      const unready = byId("pb-unready").checked ? "leave_out" : "refuse";
      const made = await send(`${api}/${slug}/editions`, "POST", { unready }, one.version);
      await load();
      say(fill(words.published, { n: made.number, s: made.stations }));
    }),
  );
  byId("pb-withdraw").addEventListener("click", () => {
    if (!confirm(words.withdraw_sure)) return;
    doing(async () => {
      await send(`${api}/${slug}/withdraw`, "POST", undefined, one.version);
      await load();
      say(words.withdrawn);
    });
  });
  byId("pb-allow").addEventListener("click", () => {
    if (!confirm(words.allow_sure)) return;
    doing(async () => {
      await send(`${api}/${slug}/stations/allow`, "POST");
      await show();
    });
  });
  byId("pb-only").addEventListener("change", showChecks);
  byId("pb-unready").addEventListener("change", showChecks);
  const compound = byId("pb-compound");
  function linkCompound() {
    document.querySelectorAll("[data-file]").forEach((link) => {
      link.href = `/publish/compounds/${compound.value}/${link.dataset.file}?lang=${data.language}`;
    });
  }
  function showCompound(about) {
    const is = about.number !== null;
    byId("pb-compound-state").textContent = is
      ? fill(words.compound_public, { n: about.number, d: new Date(about.published_at).toLocaleDateString(data.language) })
      : words.compound_private;
    byId("pb-compound-public").hidden = byId("pb-compound-frame").hidden = byId("pb-compound-withdraw").hidden = !is;
    const name = compound.selectedOptions[0].textContent.replace(/"/g, "");
    byId("pb-compound-embed").value = `<iframe src="${location.origin}${about.address}/embed" width="100%" height="640" style="border:0" title="${name}"></iframe>`;
    document.querySelectorAll("[data-public]").forEach((link) => {
      link.href = `${about.address}${link.dataset.public}?lang=${data.language}`;
    });
  }
  const aboutCompound = () => {
    const asked = compound.value;
    linkCompound();
    return doing(async () => {
      const about = await ask(`/publish/compounds/${asked}/edition`);
      if (compound.value === asked) showCompound(about);
    });
  };
  if (compound) {
    compound.addEventListener("change", aboutCompound);
    byId("pb-compound-publish").addEventListener("click", () =>
      doing(async () => showCompound(await send(`/publish/compounds/${compound.value}/editions`, "POST"))));
    byId("pb-compound-withdraw").addEventListener("click", () =>
      doing(async () => showCompound(await send(`/publish/compounds/${compound.value}/withdraw`, "POST"))));
    aboutCompound();
  }
  doing(load).then(() => (document.documentElement.dataset.ready = "yes"));
})();
