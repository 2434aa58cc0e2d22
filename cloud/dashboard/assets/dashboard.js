// What HTML and htmx do not do: questions before what cannot be undone, copying, names of columns on phones, parts of a
// page that say when they no longer refresh themselves, charts. A page works without any of it.
//
//   data-confirm="…"        on a form or a button in it: asks before it is sent
//   data-copy="#id"         on a button: copies that element's text; every .secret gets one
//   data-chart="bars|lines" with data-src, and perhaps data-every (seconds), data-height, data-label: a chart
"use strict";

(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const language = root.lang || "en";
  // Browsers know little of Kazakh; its numbers and units are written as Russian ones are.
  const locale = language === "kk" ? "ru" : language;
  const zone = root.dataset.zone || "UTC";
  const words = document.getElementById("words")?.dataset ?? {};
  const banner = document.getElementById("connection");
  const live = document.getElementById("live");
  const clock = new Intl.DateTimeFormat(locale, { timeStyle: "medium", timeZone: zone });

  // Whether what is on the page is as it is at the hub.

  let asOf = new Date();
  let isOver = false; // the session: nothing more is asked

  function fill(text, fields) {
    return text.replace(/\{(\w+)\}/g, (whole, name) => fields[name] ?? whole);
  }

  function tell(text, kind, link) {
    if (!banner) return;
    banner.className = kind === "good" ? "banner banner-good" : "banner";
    banner.textContent = `${text} `;
    if (link) {
      const anchor = document.createElement("a");
      anchor.href = link.href;
      anchor.textContent = link.words;
      banner.append(anchor);
    }
    banner.hidden = false;
  }

  function showLive() {
    if (!live) return;
    const refreshes = document.querySelector("[hx-trigger*='every'], [data-chart]") !== null;
    const isOn = refreshes && !document.hidden && (banner?.hidden || banner?.classList.contains("banner-good"));
    live.hidden = !refreshes || typeof htmx === "undefined";
    live.classList.toggle("live-off", !isOn);
    live.textContent = isOn ? live.dataset.live : live.dataset.paused;
  }

  function isFresh() {
    asOf = new Date();
    if (banner && !banner.hidden && !banner.classList.contains("banner-good")) {
      tell(banner.dataset.again, "good");
      setTimeout(() => {
        if (banner.classList.contains("banner-good")) banner.hidden = true;
      }, 4000);
    }
    showLive();
  }

  function isLost() {
    tell(fill(banner?.dataset.lost ?? "", { at: clock.format(asOf) }), "bad");
    showLive();
  }

  function isRefused(why) {
    tell(fill(banner?.dataset.refused ?? "", { why }), "bad");
    showLive();
  }

  function hasEnded() {
    isOver = true;
    const here = location.pathname + location.search;
    const href = `/dashboard/sign-in?next=${encodeURIComponent(here)}`;
    tell(fill(banner?.dataset.ended ?? "", { at: clock.format(asOf) }), "bad", { href, words: banner?.dataset.signIn });
    showLive();
  }

  const isPoll = (element) => (element?.getAttribute?.("hx-trigger") ?? "").includes("every");

  /** Whether somebody is at work in a part that would be put anew under their hands. */
  function isInUse(part) {
    const at = document.activeElement;
    if (at && part.contains(at) && at.matches("input:not([type=hidden]), textarea, select")) return true;
    if (part.querySelector("details[open], dialog[open], :popover-open")) return true;
    const selection = getSelection();
    return selection && !selection.isCollapsed && part.contains(selection.anchorNode);
  }

  function nameOfFocus(part) {
    const at = document.activeElement;
    if (!at || !part.contains(at) || at === part) return null;
    if (at.id) return `#${CSS.escape(at.id)}`;
    const tag = at.tagName.toLowerCase();
    for (const name of ["href", "name", "value", "data-key"]) {
      const value = at.getAttribute(name);
      if (value) return `${tag}[${name}="${CSS.escape(value)}"]`;
    }
    return tag;
  }

  let focused = null;
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (isPoll(event.detail.elt) && (document.hidden || isOver)) event.preventDefault();
  });
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const to = event.detail.xhr.getResponseHeader("HX-Redirect") ?? "";
    if (isPoll(event.detail.elt) && to.startsWith("/dashboard/sign-in")) {
      event.preventDefault(); // what is on the page may still be wanted
      hasEnded();
    }
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { elt, target, xhr } = event.detail;
    if (xhr.status >= 400) return;
    isFresh();
    if (isPoll(elt) && isInUse(target)) event.detail.shouldSwap = false;
    else focused = nameOfFocus(target);
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (focused && document.activeElement === document.body) {
      document.querySelector(focused)?.focus({ preventScroll: true });
    }
    focused = null;
  });
  // What a form finds as one types is an address too: to be loaded anew, kept, sent to somebody, come back to.
  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, xhr, successful } = event.detail;
    if (!successful || !elt.matches?.("form[data-address]") || !xhr.responseURL) return;
    const address = new URL(xhr.responseURL);
    for (const [name, value] of [...address.searchParams]) if (!value) address.searchParams.delete(name);
    history.replaceState(null, "", address.pathname + address.search);
  });
  document.addEventListener("htmx:sendError", isLost);
  document.addEventListener("htmx:timeout", isLost);
  document.addEventListener("htmx:responseError", (event) => {
    const { xhr } = event.detail;
    if (xhr.status === 502 || xhr.status === 504) return isLost(); // a proxy, of a hub that restarts
    const kind = xhr.getResponseHeader("Content-Type") ?? "";
    isRefused(kind.startsWith("text/plain") ? xhr.responseText : `${xhr.status}`);
  });
  document.addEventListener("visibilitychange", showLive);

  // Before what cannot be undone.

  const dialog = document.getElementById("confirm");
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
    if (!question || form.dataset.confirmed || !dialog?.showModal) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    document.getElementById("confirm-words").textContent = question;
    const yes = document.getElementById("confirm-yes");
    yes.textContent = event.submitter?.textContent.trim() || yes.textContent;
    dialog.returnValue = "no";
    dialog.addEventListener(
      "close",
      () => {
        if (dialog.returnValue !== "yes") return;
        form.dataset.confirmed = "yes";
        if (!form.elements.sure) {
          const sure = document.createElement("input"); // where the hub asks who has no script
          Object.assign(sure, { type: "hidden", name: "sure", value: "yes" });
          form.append(sure);
        }
        form.requestSubmit(event.submitter);
        delete form.dataset.confirmed;
      },
      { once: true },
    );
    dialog.showModal();
  }, true);

  // Copying.

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const field = document.createElement("textarea"); // a page that came by plain http has no clipboard
      field.value = text;
      field.className = "visually-hidden";
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const of = document.querySelector(button.dataset.copy);
    await copy((of?.value ?? of?.textContent ?? "").trim());
    const before = button.dataset.words ?? button.textContent;
    button.dataset.words = before;
    button.textContent = words.copied;
    button.classList.add("copied");
    setTimeout(() => {
      button.textContent = before;
      button.classList.remove("copied");
    }, 2000);
  });

  let secrets = 0;
  function offerCopies(part) {
    for (const secret of part.querySelectorAll(".secret:not([data-offered])")) {
      secret.dataset.offered = "";
      secret.id ||= `secret-${++secrets}`;
      if (document.querySelector(`[data-copy="#${CSS.escape(secret.id)}"]`)) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button button-small";
      button.dataset.copy = `#${secret.id}`;
      button.textContent = words.copy;
      const row = document.createElement("p");
      row.append(button);
      secret.after(row);
    }
  }

  // On a phone a row of a table is a paragraph: cells tell which column they are of, and what they are.

  function nameCells(part) {
    for (const table of part.querySelectorAll("table.list:not([data-named])")) {
      table.dataset.named = "";
      const names = [...table.querySelectorAll("thead th")].map((cell) => cell.textContent.trim());
      table.setAttribute("role", "table");
      for (const group of table.querySelectorAll("thead, tbody, tfoot")) group.setAttribute("role", "rowgroup");
      for (const row of table.rows) {
        row.setAttribute("role", "row");
        [...row.cells].forEach((cell, index) => {
          const isHead = cell.tagName === "TH";
          cell.setAttribute("role", isHead ? (cell.closest("thead") ? "columnheader" : "rowheader") : "cell");
          if (names[index] && cell.colSpan === 1 && !cell.closest("thead")) cell.dataset.label ??= names[index];
        });
      }
    }
    for (const wrap of part.querySelectorAll(".table-wrap, pre")) {
      if (wrap.scrollWidth > wrap.clientWidth + 1) wrap.tabIndex = 0; // so that keys can move it
    }
  }

  // Charts.

  const drawn = new Map(); // element → { plot, timer, asked }

  function colour(key, index) {
    const style = getComputedStyle(root);
    const named = style.getPropertyValue(`--chart-${key}`).trim();
    return named || style.getPropertyValue(`--chart-${(index % 6) + 1}`).trim();
  }

  const formats = new Map();
  function format(seconds, options) {
    const key = JSON.stringify(options);
    if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(locale === "en" ? "en-GB" : locale, { timeZone: zone, ...options }));
    return formats.get(key).format(seconds * 1000);
  }

  const days = language === "en" ? { day: "numeric", month: "short" } : { day: "2-digit", month: "2-digit" };
  const minutes = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

  function ticks(splits, gap) {
    if (gap >= 86400) return splits.map((at) => format(at, days));
    return splits.map((at) => {
      const time = format(at, minutes);
      return time === "00:00" ? format(at, days) : time;
    });
  }

  function amount(value, unit) {
    if (value == null) return "—";
    const plain = (number, digits) => new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(number);
    const measure = (number, digits, name) =>
      new Intl.NumberFormat(locale, {
        style: "unit", unit: name, unitDisplay: "narrow", maximumFractionDigits: digits,
      }).format(number);
    if (unit !== "seconds") return plain(value, 2);
    if (value > 0 && value < 1) return measure(value * 1000, value < 0.01 ? 1 : 0, "millisecond");
    return measure(value, value < 10 ? 1 : 0, "second");
  }

  function series(kind, told) {
    const values = told.series.map((one) => one.values);
    if (kind === "lines") return values;
    const sums = []; // each upon those before it
    for (const row of values) {
      const below = sums.at(-1);
      sums.push(row.map((value, at) => (value ?? 0) + (below ? below[at] : 0)));
    }
    return sums;
  }

  function draw(element, told) {
    const kind = element.dataset.chart;
    const known = drawn.get(element);
    known.told = told;
    known.plot?.destroy();
    element.textContent = "";
    if (!told.at.length || told.series.every((one) => one.values.every((value) => !value))) {
      const empty = document.createElement("p");
      empty.className = "chart-words";
      empty.textContent = words.chartEmpty;
      element.append(empty);
      known.plot = null;
      return;
    }
    const style = getComputedStyle(root);
    const muted = style.getPropertyValue("--muted").trim();
    const grid = { stroke: style.getPropertyValue("--chart-grid").trim(), width: 1 };
    const font = `12px ${style.getPropertyValue("--sans").trim()}`;
    const axis = { stroke: muted, font, grid, ticks: { show: false } };
    const heights = series(kind, told);
    const step = told.step || 60;
    const lines = told.series.map((one, index) => {
      const stroke = colour(one.key, index);
      const value = (plot, _height, _series, at) => amount(at == null ? null : one.values[at], told.unit);
      const few = one.values.filter((each) => each != null).length < 3; // too few for a line
      const points = few ? { show: true, size: 6, fill: stroke } : {};
      if (kind === "lines") return { label: one.label, stroke, width: 1.75, value, points, spanGaps: false };
      return { label: one.label, fill: stroke, stroke, width: 0, points: { show: false }, value,
        paths: uPlot.paths.bars({ size: [0.82, 24], align: 0 }) };
    });
    // Bars that stand upon others are drawn first, so that those in front hide all of them but their own part.
    const order = kind === "lines" ? lines.map((_, at) => at) : lines.map((_, at) => at).reverse();
    const half = kind === "lines" ? 0 : step / 2;
    known.plot = new uPlot(
      {
        width: element.clientWidth,
        height: Number(element.dataset.height) || 220,
        tzDate: (at) => uPlot.tzDate(new Date(at * 1000), zone),
        cursor: { y: false, drag: { x: false, y: false }, points: { show: kind === "lines" } },
        legend: { live: true },
        padding: [8, 12, 0, 0],
        scales: {
          x: { range: (_plot, low, high) => [low - half, high + half] },
          y: { range: (_plot, _low, high) => [0, Math.max(high * 1.08, told.unit === "seconds" ? 0.01 : 4)] },
        },
        series: [
          { value: (_plot, at) => (at == null ? "—" : format(at, { ...days, ...minutes })), label: words.chartTime },
          ...order.map((at) => lines[at]),
        ],
        axes: [
          { ...axis, size: 28, space: 64, grid: { show: false }, values: (_plot, splits, _index, _space, gap) => ticks(splits, gap) },
          { ...axis, size: 56, space: 34, values: (_plot, splits) => splits.map((value) => amount(value, told.unit)) },
        ],
      },
      [told.at, ...order.map((at) => heights[at])],
      element,
    );
  }

  async function ask(element) {
    const known = drawn.get(element);
    if (!known || !element.isConnected) return forget(element);
    if (document.hidden || isOver) return undefined;
    const stop = new AbortController();
    const patience = setTimeout(() => stop.abort(), 15000);
    try {
      const answer = await fetch(element.dataset.src, {
        headers: { Accept: "application/json", "HX-Request": "true" },
        signal: stop.signal,
        redirect: "error",
      });
      if (answer.headers.get("HX-Redirect")) return hasEnded();
      if (!answer.ok) {
        if (answer.status === 502 || answer.status === 504) isLost();
        else isRefused((answer.headers.get("Content-Type") ?? "").startsWith("text/plain") ? await answer.text() : `${answer.status}`);
        return undefined;
      }
      draw(element, await answer.json());
      isFresh();
    } catch {
      isLost();
    } finally {
      clearTimeout(patience);
    }
    return undefined;
  }

  function forget(element) {
    const known = drawn.get(element);
    if (!known) return;
    clearInterval(known.timer);
    known.plot?.destroy();
    sizes.unobserve(element);
    drawn.delete(element);
  }

  const sizes = new ResizeObserver((entries) => {
    for (const entry of entries) {
      const plot = drawn.get(entry.target)?.plot;
      const width = Math.floor(entry.contentRect.width);
      if (plot && width > 0 && plot.width !== width) plot.setSize({ width, height: plot.height });
    }
  });

  function startCharts(part) {
    if (typeof uPlot === "undefined") return;
    for (const element of [...drawn.keys()]) if (!element.isConnected) forget(element);
    const found = [...part.querySelectorAll("[data-chart][data-src]")];
    if (part.matches?.("[data-chart][data-src]")) found.push(part);
    for (const element of found) {
      if (drawn.has(element)) continue;
      const every = Math.max(Number(element.dataset.every) || 30, 5);
      drawn.set(element, { plot: null, told: null, timer: setInterval(() => ask(element), every * 1000) });
      sizes.observe(element);
      ask(element);
    }
  }

  function drawAgain() {
    for (const [element, known] of drawn) if (known.told) draw(element, known.told);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAgain);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) for (const element of drawn.keys()) ask(element);
  });

  // All of it, on the page and on what is put into it later.

  function equip(part) {
    nameCells(part);
    offerCopies(part);
    startCharts(part);
    showLive();
  }
  equip(document);
  document.addEventListener("htmx:load", (event) => equip(event.detail.elt.parentElement ?? document));
  // Back from another page: what the browser kept may be long past.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
})();
