"use strict";
(() => {
  const page = JSON.parse(document.getElementById("data").textContent);
  // Of several targets, `data` is the one that is shown; null: all of them.
  let data = page.reports ? null : page;
  const main = document.getElementById("main");
  const WORDS = { s: "survived", b: "broken", u: "unresolved", n: "not tried" };
  const SHORT = { "before the first poll": "start", "parked": "park", "woken, not resumed": "woke", "between callbacks": "call" };
  const CLASS = { "broken": "broken", "survived": "survived", "shielded": "shielded", "not canceled": "seen", "never reached": "never" };
  // What is shown: one place, one mode, and what is searched for.
  const filter = { place: null, mode: null, text: "" };

  /** Make an element. Strings become text, never markup. */
  function h(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (value === true) element.setAttribute(key, "");
      else if (value !== false && value != null) element.setAttribute(key, value);
    }
    element.append(...children.flat(2).filter((child) => child != null && child !== false));
    return element;
  }
  const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

  /** Show the file and line of a place stronger than the function. */
  function placed(place) {
    const at = place.lastIndexOf(" in ");
    if (at < 0) return [h("b", {}, place)];
    return [h("b", {}, place.slice(0, at)), place.slice(at)];
  }

  // -- summary ----------------------------------------------------------------------------------

  function summary() {
    const title = data.broken ? `${plural(data.broken, "place")} broken` : data.verdict === "clean" ? "Nothing broke" : "Unresolved";
    const first = data.groups.find((group) => group.kind === "broken");
    const lede = first
      ? [h("code", {}, first.place), ": " + first.findings[0].sentence + "."]
      : data.verdict === "clean"
        ? ["Every cancellation that was tried was survived", data.aside.length || data.unresolved.length || data.totals.some((text) => text.includes("not made")) ? "; not all was tried, as is told below." : "."]
        : ["No run could be used; the reasons are below."];
    return h("div", { class: "hero" },
      page.reports ? h("a", { class: "back", href: "#all" }, `${page.title}`) : null,
      h("div", { class: "target mono" }, data.target),
      h("h1", { class: data.verdict }, title),
      h("p", { class: "lede" }, lede),
      h("ul", { class: "stats" }, data.totals.map((text) => h("li", { class: /unresolved|not made/.test(text) ? "warn" : "" }, text)),
        data.awaits ? h("li", {}, `${data.percent} % of ${plural(data.awaits, "await")} canceled`) : null,
        h("li", {}, page.made)),
      tally(data.tally, "survived", "of every point, instant and mode that was tried"));
  }

  /** Show how many there are of each kind, as a bar and in words. */
  function tally({ s, b, u }, good, of) {
    return [
      h("div", { class: "tally", "aria-hidden": "true" },
        [["b", b], ["u", u], ["s", s]].filter(([, count]) => count).map(([kind, count]) => {
          const part = h("i", { class: kind });
          part.style.flex = String(count);
          return part;
        })),
      h("div", { class: "legend" },
        h("span", {}, h("b", {}, String(b)), " broken"),
        h("span", {}, h("b", {}, String(u)), " unresolved"),
        h("span", {}, h("b", {}, String(s)), ` ${good}`),
        h("span", {}, of))];
  }

  // -- several targets ----------------------------------------------------------------------------

  const KINDS = { broken: "b", unresolved: "u", clean: "s" };
  const WORST = ["broken", "unresolved", "clean"];

  function everything() {
    const counts = { b: 0, u: page.left.length, s: 0 };
    for (const one of page.reports) counts[KINDS[one.verdict]] += 1;
    const title = counts.b ? `${counts.b} of ${plural(page.reports.length + page.left.length, "target")} broken` : page.verdict === "clean" ? "Nothing broke" : "Unresolved";
    const sum = (key) => page.reports.reduce((all, one) => all + one[key], 0);
    const lede = counts.b
      ? `${plural(sum("broken"), "place")} where a cancellation breaks something.`
      : page.verdict === "clean" ? "Every cancellation that was tried was survived." : "Not all could be checked; the reasons are below.";
    return h("div", { class: "hero" },
      h("div", { class: "target mono" }, page.title),
      h("h1", { class: page.verdict }, title),
      h("p", { class: "lede" }, lede),
      h("ul", { class: "stats" },
        h("li", {}, plural(sum("runs"), "run")), h("li", {}, `${sum("seconds").toFixed(1)} s`),
        page.awaits ? h("li", {}, `${page.percent} % of ${plural(page.awaits, "await")} canceled`) : null,
        h("li", {}, page.made)),
      tally(counts, "clean", "of all targets"));
  }

  function targets() {
    const order = page.reports.map((one, index) => [one, index]).sort(([one], [other]) =>
      WORST.indexOf(one.verdict) - WORST.indexOf(other.verdict) || other.broken - one.broken);
    const lines = order.map(([one, index]) => {
      const first = one.groups.find((group) => group.kind === "broken");
      const said = first ? [h("code", {}, first.place), `: ${first.findings[0].sentence}`, one.broken > 1 ? h("small", {}, `and ${plural(one.broken - 1, "more place")}`) : null]
        : one.verdict === "clean" ? (one.hints ? plural(one.hints, "hint") : "") : "no run could be used";
      const line = h("tr", { class: one.verdict },
        h("td", {}, h("span", { class: `cell ${KINDS[one.verdict]}`, role: "img", "aria-label": one.verdict })),
        h("th", { scope: "row" }, h("a", { href: `#report-${index}` }, one.target), h("div", { class: "said" }, said)),
        h("td", { class: "no" }, String(one.runs)), h("td", { class: "no" }, `${one.seconds.toFixed(1)} s`));
      line.addEventListener("click", (event) => { if (!event.target.closest("a") && !String(getSelection())) location.hash = `#report-${index}`; });
      line.search = line.textContent.toLowerCase();
      return line;
    });
    targets.update = () => { for (const line of lines) line.hidden = Boolean(filter.text) && !line.search.includes(filter.text); };
    return h("section", { id: "targets", tabindex: "-1" }, h("h2", {}, "Targets"),
      h("p", { class: "about" }, "The worst first. Choose one to see its findings, and its matrix."),
      h("div", { class: "list" }, h("table", { class: "targets" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }), h("th", { scope: "col" }, "target"), h("th", { scope: "col", class: "no" }, "runs"), h("th", { scope: "col", class: "no" }, "time"))), h("tbody", {}, lines))));
  }

  function left() {
    if (!page.left.length) return null;
    return h("section", { id: "left" }, h("h2", {}, "Not checked"),
      h("p", { class: "about" }, "The verdict says nothing about these."),
      h("ul", { class: "aside" }, page.left.map((one) => h("li", {}, h("code", {}, one.target), h("small", {}, one.why)))));
  }

  /** Show the target that the address names; without one, all of them. */
  function route() {
    const named = /^#report-(\d+)$/.exec(location.hash);
    const one = named && page.reports[Number(named[1])];
    if (!one && location.hash && location.hash !== "#all") return; // a section of what is shown
    filter.place = filter.mode = null;
    data = one || null;
    render();
    scrollTo(0, 0);
    if (chosen) {
      const [place, mode] = chosen;
      chosen = null;
      choose(place, mode, true);
    }
  }
  let chosen = null;

  // -- findings ---------------------------------------------------------------------------------

  function contrast(finding) {
    const marked = (parts) => {
      // Where nearly everything differs, nothing is marked.
      const size = (which) => which.reduce((sum, part) => sum + part[1].trim().length, 0);
      const all = size(parts.filter((part) => part[0])) > 0.6 * size(parts);
      return parts.map(([changed, text]) => changed && !all ? h("mark", {}, text) : text);
    };
    if (!finding.left.length && !finding.right.length) return null;
    return h("div", { class: "beside" },
      h("div", { class: "left" }, h("h4", {}, "expected"), h("pre", {}, marked(finding.left))),
      h("div", { class: "right" }, h("h4", {}, "seen"), h("pre", {}, marked(finding.right))));
  }

  function stack(frames) {
    if (!frames.length) return null;
    return [h("div", { class: "label" }, "where it was canceled, outermost first"),
      h("ol", { class: "stack" }, frames.map((frame) => h("li", { class: frame.kind },
        h("code", {}, frame.place),
        frame.kind === "here" ? h("span", { class: "hereis" }, "◂ canceled here") : null,
        frame.source ? h("code", { class: "src" }, frame.source) : null)))];
  }

  function replay(command) {
    const code = h("code", { tabindex: "0", "aria-label": "the command that makes this run again" }, command);
    const button = h("button", { type: "button", onclick: () => copy(command, code, button) }, "Copy");
    return h("div", { class: "replay" }, code, button);
  }

  async function copy(text, element, button) {
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      const range = document.createRange();
      range.selectNodeContents(element);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      done = document.execCommand("copy");
    }
    button.textContent = done ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  }

  function body(finding, modes) {
    return h("div", { class: "body" },
      h("dl", { class: "facts" },
        h("dt", {}, "canceled"), h("dd", {}, `${finding.when}, ${finding.how}`),
        modes && modes.length > 1 ? [h("dt", {}, "also under"), h("dd", {}, modes.filter((mode) => mode !== finding.mode).join(", "))] : null,
        h("dt", {}, "found by"), h("dd", {}, finding.detector),
        finding.rate < 100 ? [h("dt", {}, "flaky"), h("dd", {}, `seen in ${finding.rate} % of the runs`)] : null),
      contrast(finding),
      stack(finding.stack),
      finding.remedy ? h("div", { class: "remedy" }, h("div", { class: "label" }, "what usually mends it"), finding.remedy) : null,
      replay(finding.replay));
  }

  const lazily = (details, make) => {
    // A body is made when it is first seen: a page with hundreds of findings opens at once.
    const fill = () => { if (details.open && details.children.length === 1) details.append(make()); };
    details.addEventListener("toggle", fill);
    fill();
    return details;
  };

  function group(one, open) {
    const lead = one.findings[0];
    const others = one.findings.slice(1);
    const card = h("details", { class: `group ${one.kind}`, open },
      h("summary", {},
        h("div", { class: "what" }, lead.sentence),
        h("div", { class: "place mono" }, placed(one.place)),
        h("div", { class: "tags" },
          one.kind === "hint" ? h("span", { class: "tag hint" }, "hint") : h("span", { class: "tag broken" }, lead.detector),
          h("span", { class: "tag" }, lead.mode),
          lead.rate < 100 ? h("span", { class: "tag flaky" }, `flaky ${lead.rate} %`) : null,
          others.length ? h("span", { class: "tag" }, `+${others.length} also`) : null)));
    one.text = [one.place, ...one.findings.flatMap((finding) => [finding.sentence, finding.detector, finding.when, finding.how, ...finding.right.map((part) => part[1]), ...finding.stack.map((frame) => frame.place)])].join("\n").toLowerCase();
    one.card = lazily(card, () => {
      const inside = body(lead, one.modes);
      if (others.length) inside.append(h("div", { class: "also" }, h("div", { class: "label" }, "also seen here, most likely of the same cause"),
        others.map((other) => lazily(h("details", {}, h("summary", {}, other.sentence,
          other.kind === "hint" ? h("span", { class: "tag hint" }, "hint") : h("span", { class: "tag" }, other.detector))), () => body(other)))));
      return inside;
    });
    return card;
  }

  function findings() {
    const chip = h("button", { class: "chip", type: "button", hidden: true, title: "Show all again", onclick: () => choose(null, null) });
    const none = h("p", { class: "none", hidden: true });
    const section = h("section", { id: "findings", tabindex: "-1" }, h("h2", {}, "Findings"),
      h("p", { class: "about" }, data.groups.length ? "One for each place, the most telling first. What else was seen at the same place is inside." : ""),
      chip, none, data.groups.map((one, index) => group(one, index === 0)));
    findings.update = () => {
      let shown = 0;
      for (const one of data.groups) {
        const fits = (!filter.place || one.place === filter.place) && (!filter.mode || one.modes.includes(filter.mode)) && (!filter.text || one.text.includes(filter.text));
        one.card.hidden = !fits;
        shown += fits;
      }
      chip.hidden = !filter.place && !filter.mode;
      chip.textContent = [filter.place, filter.mode && `under ${filter.mode}`].filter(Boolean).join(" ");
      none.hidden = shown > 0;
      none.textContent = data.groups.length ? "Nothing here fits what is chosen or searched for." : "Nothing broke.";
    };
    return section;
  }

  /** Show one place, or one place under one mode, alone; null: all. */
  function choose(place, mode, go) {
    if (!data) {
      const index = page.reports.findIndex((one) => one.groups.some((group) => group.place === place));
      if (index >= 0) {
        chosen = [place, mode];
        location.hash = `#report-${index}`;
      }
      return;
    }
    filter.place = place;
    filter.mode = mode;
    for (const cell of document.querySelectorAll(".cell.chosen")) cell.classList.remove("chosen");
    update();
    const found = data.groups.filter((one) => one.place === place);
    if (go && found.length) {
      found[0].card.open = true;
      document.getElementById("findings").scrollIntoView();
      found[0].card.querySelector("summary").focus({ preventScroll: true });
    }
  }

  // -- the matrix -------------------------------------------------------------------------------

  const RANK = { n: 0, s: 1, u: 2, b: 3 };
  const tell = h("div", { class: "tell", id: "tell", role: "tooltip", hidden: true });

  function row(columns, place, name, cells, cls, heading) {
    const line = h("tr", { class: cls }, h("th", { scope: "row" }, h("div", {}, heading)));
    columns.forEach((column, index) => {
      const cell = cells[index];
      const edge = index === 0 || columns[index - 1].mode !== column.mode;
      const kind = cell ? cell[0] : "n";
      const says = `${column.mode}, ${column.instant}: ${WORDS[kind]}`;
      const mark = h("span", { class: `cell ${kind}`, tabindex: "-1", role: "button", "aria-label": `${name}; ${says}` });
      mark.told = { title: says, name, notes: cell ? cell.slice(1).map((number) => data.matrix.notes[number]) : [] };
      mark.place = place;
      mark.mode = column.mode;
      line.append(h("td", { class: edge ? "edge" : "" }, mark));
    });
    line.search = `${name} ${line.textContent}`.toLowerCase();
    return line;
  }

  function worst(rows, columns) {
    return columns.map((_, index) => {
      const all = rows.map((one) => one.cells[index]).filter(Boolean);
      if (!all.length) return null;
      const kind = all.map((cell) => cell[0]).reduce((one, other) => (RANK[other] > RANK[one] ? other : one));
      return [kind, ...new Set(all.flatMap((cell) => cell.slice(1)))];
    });
  }

  function matrix() {
    const { columns, rows } = data.matrix;
    if (!rows.length) return null;
    const places = new Map();
    for (const one of rows) places.set(one.place, [...(places.get(one.place) || []), one]);
    const tbody = h("tbody");
    const lines = [];
    for (const [place, inner] of places) {
      const visits = [];
      const button = h("button", { type: "button", title: "Show what was found here", onclick: () => choose(place, null, true) }, place);
      const more = inner.length > 1 && h("button", { type: "button", class: "more", "aria-expanded": "false", onclick: () => {
        const open = more.getAttribute("aria-expanded") !== "true";
        more.setAttribute("aria-expanded", String(open));
        for (const visit of visits) visit.hidden = !open;
      } }, plural(inner.length, "point"));
      const line = row(columns, place, place, worst(inner, columns), "place", [button, more]);
      line.visits = visits;
      tbody.append(line);
      lines.push(line);
      if (inner.length > 1) {
        for (const one of inner) {
          const visit = row(columns, place, `${place}, ${one.point}`, one.cells, "visit", one.point || "start");
          visit.hidden = true;
          visits.push(visit);
          tbody.append(visit);
        }
      }
    }
    matrix.update = () => {
      for (const line of lines) {
        line.hidden = Boolean(filter.text) && !line.search.includes(filter.text);
        const open = line.querySelector(".more")?.getAttribute("aria-expanded") === "true";
        for (const visit of line.visits) visit.hidden = line.hidden || !open;
      }
    };
    const modes = [];
    for (const column of columns) {
      const last = modes[modes.length - 1];
      if (last && last.mode === column.mode) last.span += 1;
      else modes.push({ mode: column.mode, span: 1 });
    }
    const table = h("table", { "aria-label": "places, modes and instants" }, h("thead", {},
      h("tr", {}, h("th", { scope: "col", rowspan: "2" }, "place"), modes.map((one) => h("th", { scope: "colgroup", colspan: String(one.span), class: "edge" }, one.mode))),
      h("tr", {}, columns.map((column, index) => h("th", { scope: "col", title: column.instant, class: index === 0 || columns[index - 1].mode !== column.mode ? "edge" : "" }, SHORT[column.instant] || column.instant)))), tbody);
    operate(table);
    const first = table.querySelector(".cell");
    if (first) first.tabIndex = 0;
    return h("section", { id: "matrix" }, h("h2", {}, "Matrix"),
      h("p", { class: "about" }, "Every place under every mode, at each instant: the worst that is known. Hover a cell, or go there with the arrow keys, to read what broke; choose it to see the finding."),
      h("div", { class: "grid" }, table),
      h("div", { class: "key" }, Object.entries(WORDS).map(([kind, word]) => h("span", {}, h("span", { class: `cell ${kind}`, "aria-hidden": "true" }), word)),
        h("span", {}, "start: before the first poll"), h("span", {}, "park: parked"), h("span", {}, "woke: woken, not resumed"),
        columns.some((column) => SHORT[column.instant] === "call") ? h("span", {}, "call: between callbacks") : null));
  }

  function operate(table) {
    const show = (cell) => {
      const { title, name, notes } = cell.told;
      tell.replaceChildren(h("b", {}, title), h("div", {}, name),
        notes.length ? h("ul", {}, notes.slice(0, 8).map((note) => h("li", {}, note)), notes.length > 8 ? h("li", {}, `and ${notes.length - 8} more`) : null) : "");
      tell.hidden = false;
      const box = cell.getBoundingClientRect();
      const size = tell.getBoundingClientRect();
      const left = Math.min(Math.max(8, box.left + box.width / 2 - size.width / 2), innerWidth - size.width - 8);
      const below = box.bottom + 8 + size.height < innerHeight;
      tell.style.left = `${left}px`;
      tell.style.top = `${below ? box.bottom + 8 : Math.max(8, box.top - size.height - 8)}px`;
      cell.setAttribute("aria-describedby", "tell");
    };
    const hide = () => { tell.hidden = true; };
    const act = (cell) => {
      const chosen = cell.classList.contains("chosen");
      choose(chosen ? null : cell.place, chosen ? null : cell.mode, !chosen);
      if (!chosen) cell.classList.add("chosen");
    };
    const on = (name, handler) => table.addEventListener(name, (event) => {
      const cell = event.target.closest(".cell");
      if (cell) handler(cell, event);
    });
    on("mouseover", show);
    on("mouseout", hide);
    on("focusin", (cell) => {
      table.querySelector('.cell[tabindex="0"]')?.setAttribute("tabindex", "-1");
      cell.tabIndex = 0;
      if (cell.matches(":focus-visible")) show(cell);
    });
    on("focusout", hide);
    on("click", act);
    on("keydown", (cell, event) => {
      const td = cell.parentElement;
      const cells = (line) => line.querySelectorAll(".cell");
      const index = [...cells(td.parentElement)].indexOf(cell);
      const step = (line, next) => {
        let one = line[next];
        while (one && one.hidden) one = one[next];
        return one;
      };
      let target = null;
      if (event.key === "ArrowRight") target = cells(td.parentElement)[index + 1];
      else if (event.key === "ArrowLeft") target = cells(td.parentElement)[index - 1];
      else if (event.key === "Home") target = cells(td.parentElement)[0];
      else if (event.key === "End") target = [...cells(td.parentElement)].pop();
      else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        const line = step(td.parentElement, event.key === "ArrowDown" ? "nextElementSibling" : "previousElementSibling");
        target = line && cells(line)[index];
      } else if (event.key === "Enter" || event.key === " ") act(cell);
      else if (event.key === "Escape") { hide(); return; }
      else return;
      event.preventDefault();
      if (target) target.focus();
    });
    addEventListener("scroll", hide, { passive: true, capture: true });
  }

  // -- coverage ---------------------------------------------------------------------------------

  function listing(file) {
    const lines = [];
    let next = 1;
    const gap = (count) => h("tr", { class: "gap" }, h("td", { class: "no" }, "⋯"), h("td", { colspan: "2" }, `${plural(count, "line")} with nothing to cancel`));
    for (const part of file.parts) {
      if (part.first > next) lines.push(gap(part.first - next));
      part.lines.forEach((spans, offset) => {
        const number = part.first + offset;
        const known = file.awaits[number];
        let state = "";
        if (known) {
          const also = [known.cleanup && "in cleanup too", known.shielded && known.state !== "shielded" && "shielded at times"].filter(Boolean);
          const word = [known.state, ...also].join(", ");
          const one = known.state === "broken" && (data ? [data] : page.reports).flatMap((report) => report.groups).find((one) => one.findings.some((finding) => finding.stack.some((frame) => frame.place.startsWith(`${file.name}:${number} `))));
          state = one ? h("button", { type: "button", title: "Show what broke here", onclick: () => choose(one.place, null, true) }, word) : word;
        }
        lines.push(h("tr", { class: known ? CLASS[known.state] : "" }, h("td", { class: "no" }, String(number)),
          h("td", { class: "src" }, spans.map(([kind, text]) => kind ? h("span", { class: kind }, text) : text)), h("td", { class: "state" }, state)));
      });
      next = part.first + part.lines.length;
    }
    if (next <= file.length) lines.push(gap(file.length - next + 1));
    return h("div", { class: "listing", tabindex: "0", role: "region", "aria-label": `source of ${file.name}` }, h("table", {}, h("tbody", {}, lines)));
  }

  function coverage() {
    if (!page.files.length) return null;
    const cards = page.files.map((file, index) => {
      const all = Object.values(file.counts).reduce((one, other) => one + other, 0) || 1;
      const meter = h("span", { class: "meter", "aria-hidden": "true" }, ["broken", "survived", "shielded", "not canceled"].map((state) => {
        const part = h("i", { class: CLASS[state] });
        part.style.width = `${(100 * file.counts[state]) / all}%`;
        return part;
      }));
      const said = Object.entries(file.counts).filter(([, count]) => count).map(([state, count]) => `${count} ${state}`);
      const card = h("details", { class: "file", open: page.files.length < 4 || (index === 0 && !page.reports) }, h("summary", {},
        h("code", {}, file.name), file.own ? null : h("span", { class: "tag" }, "library"), h("span", { class: "legend" }, said.join(" · ")),
        meter, h("span", { class: "pc" }, file.own ? `${file.percent} %` : "")));
      card.search = [file.name, ...file.parts.flatMap((part) => part.lines.map((line) => line.map((span) => span[1]).join("")))].join("\n").toLowerCase();
      return lazily(card, () => listing(file));
    });
    coverage.update = () => { for (const card of cards) card.hidden = Boolean(filter.text) && !card.search.includes(filter.text); };
    return h("section", { id: "coverage" }, h("h2", {}, "Coverage"),
      h("p", { class: "about" }, "Each await by its line: broken or survived, if a cancellation was raised there; shielded, if one was sent and held back; not canceled, if runs were parked there but none was canceled; never reached, if no run was parked there."),
      cards);
  }

  // -- what the verdict does not rest on ----------------------------------------------------------

  function aside() {
    if (!data.aside.length && !data.unresolved.length) return null;
    return h("section", { id: "aside" }, h("h2", {}, "Not found out"),
      h("p", { class: "about" }, "What the verdict says nothing about."),
      h("ul", { class: "aside" },
        data.aside.map((text) => h("li", {}, text, h("small", {}, "not tried"))),
        data.unresolved.map((one) => h("li", {}, one.why, h("small", {}, `${plural(one.runs, "run")} unresolved, at ${one.places.slice(0, 6).join("; ")}${one.places.length > 6 ? "; …" : ""}`)))));
  }

  // -- the page ---------------------------------------------------------------------------------

  function update() {
    for (const part of [findings, matrix, coverage, targets]) part.update?.();
  }

  function theme() {
    const root = document.documentElement;
    const store = (value) => { try { if (value) localStorage.setItem("rescind-theme", value); return localStorage.getItem("rescind-theme"); } catch { return value; } };
    const known = store();
    if (known === "dark" || known === "light") root.dataset.theme = known;
    document.getElementById("theme").addEventListener("click", () => {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      store(root.dataset.theme);
    });
  }

  function render() {
    for (const part of [findings, matrix, coverage, targets]) part.update = null;
    tell.hidden = true;
    const parts = data ? [findings, matrix, ...(page.reports ? [] : [coverage]), aside] : [targets, coverage, left];
    const sections = parts.map((part) => part()).filter(Boolean);
    main.replaceChildren(data ? summary() : everything(), ...sections);
    const counts = data
      ? { findings: data.groups.length, matrix: data.matrix.rows.length, aside: data.aside.length + data.unresolved.length }
      : { targets: page.reports.length, left: page.left.length };
    counts.coverage = page.files.length;
    document.getElementById("nav").replaceChildren(
      ...(data && page.reports ? [h("a", { href: "#all" }, "Targets", h("span", {}, String(page.reports.length)))] : []),
      ...sections.map((section) => h("a", { href: `#${section.id}` }, section.querySelector("h2").textContent, h("span", {}, String(counts[section.id])))));
    document.querySelector(".skip").href = `#${sections[0].id}`;
    update();
  }

  theme();
  document.body.append(tell);
  document.getElementById("foot").append("Keys: ", h("kbd", {}, "/"), " search, ", h("kbd", {}, "Esc"), " show all, arrows walk the matrix, ", h("kbd", {}, "Enter"), " opens what is chosen.");
  const search = document.getElementById("search");
  search.addEventListener("input", () => { filter.text = search.value.trim().toLowerCase(); update(); });
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(event.target.tagName) && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape") {
      search.value = "";
      filter.text = "";
      if (data) choose(null, null);
      else update();
    }
  });
  render();
  if (page.reports) {
    addEventListener("hashchange", route);
    if (location.hash) route();
  }
})();
