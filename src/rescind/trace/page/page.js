"use strict";
(() => {
  const page = JSON.parse(document.getElementById("data").textContent);
  const main = document.getElementById("main");
  const { texts, reasons } = page;
  const END = Math.max(page.ended, 1);
  const ROW = 22;
  const MOST = 100; // rows of a table, alike ones that are listed, arrows at a time
  const GLYPH = { completed: "✓", failed: "✕", canceled: "■", dropped: "▼", abandoned: "◆", absorbed: "○", open: "▸" };
  const WORD = { absorbed: "canceled, but went on", open: "not ended" };

  /** Make an element. Strings become text, never markup. */
  function h(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (value === true) element.setAttribute(key, "");
      else if (value !== false && value != null) element.setAttribute(key, value);
    }
    element.append(...children.flat(3).filter((child) => child != null && child !== false));
    return element;
  }
  const number = (count) => count.toLocaleString("en");
  const plural = (count, word, several) => `${number(count)} ${count === 1 ? word : several || word + "s"}`;

  const gather = (map, key, one) => { if (map.has(key)) map.get(key).push(one); else map.set(key, [one]); };

  /** Say how long some nanoseconds are. */
  function time(ns) {
    if (ns == null) return "";
    const size = Math.abs(ns);
    const [unit, word] = size < 1e3 ? [1, "ns"] : size < 1e6 ? [1e3, "µs"] : size < 1e9 ? [1e6, "ms"] : [1e9, "s"];
    const value = ns / unit;
    return `${size < 1e3 ? value.toFixed(0) : Number(value.toPrecision(3)).toLocaleString("en")} ${word}`;
  }

  // -- what there is ------------------------------------------------------------------------------

  function sums(differences) {
    const all = new Float64Array(differences.length);
    let sum = 0;
    differences.forEach((one, index) => { all[index] = sum += one; });
    return all;
  }

  function waits(flat) {
    const all = [];
    let begun = 0;
    for (let at = 0; at < flat.length; at += 6) {
      begun += flat[at];
      all.push({ begun, ended: flat[at + 1] == null ? null : begun + flat[at + 1], what: texts[flat[at + 2]], place: texts[flat[at + 3]], woken: flat[at + 4] == null ? null : begun + flat[at + 4], by: flat[at + 5] });
    }
    return all;
  }

  const lives = new Map();
  const groups = new Map();
  const labels = new Map();
  const asks = ([at, by, reason]) => ({ at, by, reason });
  for (const [no, kind, name, task, parent, maker, group, begun, ended, how, detail, absorbed, polls, parks, requests, deliveries] of page.lives) {
    const life = { no, kind, name: texts[name], task, parent, maker, group, begun, ended, how, detail: texts[detail], polls: sums(polls), waits: waits(parks), requests: requests.map(asks),
      deliveries: deliveries.map(([at, reason, place, own]) => ({ at, reason, place: texts[place], own })), causes: [] };
    life.label = task == null ? life.name : `task ${task} '${life.name}'`;
    life.out = absorbed ? "absorbed" : how || "open";
    life.last = ended == null ? END : ended;
    const own = life.deliveries.find((one) => one.own);
    life.cleaned = own ? own.at : null; // since when it cleans up
    life.cleanup = own && ended != null ? ended - own.at : null;
    life.asked = life.requests.length ? life.requests[0].at : null;
    life.delay = own && life.asked != null ? own.at - life.asked : null;
    lives.set(no, life);
    if (task != null) labels.set(life.label, life);
  }
  for (const [no, name, by, begun, ended, requests] of page.groups) {
    groups.set(no, { no, name: texts[name], by, begun, ended, last: ended == null ? END : ended, requests: requests.map(asks), asked: requests.length ? requests[0][0] : null });
  }
  for (const life of lives.values()) {
    const by = life.requests.length ? lives.get(life.requests[0].by) : null;
    if (by && by !== life) by.causes.push(life);
  }
  const BEGIN = Math.min(END - 1, ...[...lives.values()].slice(0, 1000).map((life) => life.begun));
  const ALL = { from: BEGIN - (END - BEGIN) * 0.01, to: END + (END - BEGIN) * 0.025 };
  const tasks = [...lives.values()].filter((life) => life.kind === "task");
  const canceled = [...lives.values()].filter((life) => life.requests.length);

  /** The links of a reason, the nearest first. */
  function chain(index) {
    const links = [];
    for (let at = index; at >= 0; at = links[links.length - 1].cause) {
      const [kind, message, by, where, when, cause] = reasons[at];
      links.push({ kind, message, by, where, when, cause });
    }
    return links;
  }
  const words = (link) => (link.message ? `${link.kind}: ${link.message}` : link.kind);
  const whence = (link) => [link.by && `by ${link.by}`, link.where && `at ${link.where}`].filter(Boolean).join(", ");
  const outcome = (life) => WORD[life.out] || life.out;
  const glyph = (out) => h("span", { class: `out ${out}`, "aria-hidden": "true" }, GLYPH[out]);
  const named = (life, text) => h("button", { type: "button", class: "link", onclick: () => choose(life, true) }, text || life.label);
  const alike = (life) => `${life.name.replace(/\d+/g, "#")}\n${life.out}`;

  function found(life) {
    if (life.search == null) {
      const said = life.requests.flatMap((one) => chain(one.reason)).flatMap((link) => [link.kind, link.message, link.by, link.where]);
      life.search = [life.label, life.kind, outcome(life), life.out, life.detail, ...said, ...life.deliveries.map((one) => one.place)].filter(Boolean).join("\n").toLowerCase();
    }
    return filter.words.every((word) => life.search.includes(word)) && (!filter.out || life.out === filter.out);
  }
  const filter = { words: [], out: null };

  // -- the head -----------------------------------------------------------------------------------

  function hero() {
    const counts = {};
    for (const life of tasks) counts[life.out] = (counts[life.out] || 0) + 1;
    const gone = tasks.filter((life) => life.requests.length).length;
    const roots = page.why.length;
    const worst = page.why.map((one) => ({ one, size: below(one).length })).sort((one, other) => other.size - one.size)[0];
    const lede = worst ? [roots === 1 ? "The reason: " : `${number(roots)} reasons; the one with the most: `, h("b", {}, words(chain(worst.one.reason)[0])), whence(chain(worst.one.reason)[0]) ? `, ${whence(chain(worst.one.reason)[0])}.` : "."] : "Nothing was asked to cancel.";
    const chips = Object.keys(GLYPH).filter((out) => counts[out]).map((out) => {
      const chip = h("button", { type: "button", "aria-pressed": "false", title: "Show only these", "data-out": out, onclick: () => { filter.out = filter.out === out ? null : out; update(); } }, glyph(out), h("b", {}, number(counts[out])), WORD[out] || out);
      return chip;
    });
    hero.update = () => { for (const chip of chips) chip.setAttribute("aria-pressed", String(filter.out === chip.dataset.out)); };
    return h("div", { class: "hero" },
      h("div", { class: "target mono" }, page.program),
      h("h1", {}, lives.size ? [plural(tasks.length, "task"), gone ? `, ${number(gone)} asked to cancel` : ", none canceled"] : "Nothing was recorded"),
      h("p", { class: "lede" }, lede),
      h("div", { class: "counts", role: "group", "aria-label": "Outcomes" }, chips),
      h("ul", { class: "stats" },
        lives.size ? h("li", {}, `${time(END - BEGIN)} recorded`) : null, page.started ? h("li", {}, page.started) : null,
        lives.size > tasks.length ? h("li", {}, plural(lives.size - tasks.length, "child", "children")) : null,
        groups.size ? h("li", {}, plural(groups.size, "group")) : null,
        page.overruns.length ? h("li", { class: "warn" }, plural(page.overruns.length, "overrun")) : null,
        page.dropped ? h("li", { class: "warn" }, `${plural(page.dropped, "event")} lost: beginnings may be missing`) : null,
        page.skipped ? h("li", { class: "warn", title: page.faults.join("\n") }, `${plural(page.skipped, "damaged line")} left out`) : null,
        h("li", {}, page.made)));
  }

  // -- why ----------------------------------------------------------------------------------------

  function below(node) {
    return [...node.lives.map((no) => lives.get(no)), ...node.next.flatMap(below)];
  }
  const most = (all, key) => all.reduce((sum, life) => Math.max(sum, life[key] || 0), 0);

  function why() {
    if (!page.why.length) return null;
    const scale = most(canceled, "cleanup") || 1;
    const slow = most(canceled, "delay") || 1;
    const bar = (ns, of, cls) => {
      const mark = h("i", { class: cls || "", "aria-hidden": "true" });
      mark.style.width = `${Math.max(2, (44 * ns) / of)}px`;
      return mark;
    };
    const item = (life, rest) => h("div", { class: "one" },
      h("span", { class: "name" }, glyph(life.out), named(life, life.name)),
      h("small", { class: "where" }, [outcome(life), life.deliveries.find((one) => one.own)?.place].filter(Boolean).join(", at ")),
      h("span", { class: "time wait", title: "from the request to its delivery" }, life.delay == null ? "never raised" : [bar(life.delay, slow, "held"), time(life.delay)]),
      h("span", { class: "time", title: "cleanup" }, life.cleanup == null ? "" : [bar(life.cleanup, scale), `${time(life.cleanup)} cleanup`]), rest);
    const cluster = (all) => {
      const order = [...all].sort((one, other) => (other.cleanup || 0) - (one.cleanup || 0));
      const line = h("li", {}, item(order[0]));
      if (order.length === 1) return line;
      const more = h("button", { type: "button", class: "more", "aria-expanded": "false", onclick: () => {
        more.setAttribute("aria-expanded", "true");
        more.replaceWith(h("ul", { class: "tree" }, order.slice(1, MOST + 1).map((life) => h("li", {}, item(life))), order.length > MOST + 1 ? h("li", {}, h("small", {}, `and ${number(order.length - MOST - 1)} more, in the timeline`)) : null));
      } }, `${number(order.length - 1)} more like it`);
      line.append(more);
      return line;
    };
    const clusters = (nos) => {
      const kinds = new Map();
      for (const life of nos.map((no) => lives.get(no))) gather(kinds, alike(life), life);
      return [...kinds.values()].sort((one, other) => most(other, "cleanup") - most(one, "cleanup")).map(cluster);
    };
    const branch = (node) => {
      const link = chain(node.reason)[0];
      return h("details", { open: true }, h("summary", {}, h("b", {}, words(link)), h("small", {}, [whence(link), plural(below(node).length, "canceled", "canceled")].filter(Boolean).join(" · "))), tree(node));
    };
    const branches = (all) => {
      const kinds = new Map();
      for (const node of all) gather(kinds, words(chain(node.reason)[0]).replace(/\d+/g, "#"), node);
      return [...kinds.values()].map((nodes) => {
        const order = nodes.map((node) => ({ node, size: below(node).length })).sort((one, other) => other.size - one.size).map((one) => one.node);
        const line = h("li", {}, branch(order[0]));
        if (order.length > 1) {
          const more = h("button", { type: "button", class: "more", onclick: () => { more.replaceWith(h("ul", { class: "tree" }, order.slice(1, MOST).map((node) => h("li", {}, branch(node))))); } },
            `${number(order.length - 1)} more like it, with ${number(order.slice(1).reduce((sum, node) => sum + below(node).length, 0))} canceled`);
          line.append(more);
        }
        return line;
      });
    };
    const tree = (node) => h("ul", { class: "tree" }, clusters(node.lives), branches(node.next));
    const card = (node, open) => {
      const link = chain(node.reason)[0];
      const all = below(node);
      const count = all.length;
      const card = h("details", { class: "root", open }, h("summary", {},
        h("b", {}, words(link)),
        h("span", { class: "sub" }, [whence(link), `at ${time(all[0].asked)}`].filter(Boolean).join(" · ")),
        h("span", { class: "sum" }, h("b", {}, number(count)), " canceled", h("br"), `longest cleanup ${time(most(all, "cleanup")) || "none"}`)));
      card.fill = () => { if (card.open && !card.filled) { card.filled = true; card.append(tree(node)); } };
      card.addEventListener("toggle", card.fill);
      card.fill();
      card.all = all;
      cards.push(card);
      return card;
    };
    const cards = [];
    const kinds = new Map();
    for (const node of page.why) {
      const link = chain(node.reason)[0];
      gather(kinds, `${words(link)}\n${link.where}`.replace(/\d+/g, "#"), { node, size: below(node).length });
    }
    const size = (all) => all.reduce((sum, one) => sum + one.size, 0);
    const order = [...kinds.values()].sort((one, other) => size(other) - size(one));
    const shelf = (all, index) => {
      all.sort((one, other) => other.size - one.size);
      const others = all.slice(1, MOST).map((one) => one.node);
      const more = all.length > 1 && h("button", { type: "button", class: "more", onclick: () => { more.replaceWith(...others.map((node) => card(node, false))); why.update(); } }, `${number(all.length - 1)} more like it, with ${number(size(all) - all[0].size)} canceled`);
      return [card(all[0].node, index < 2), more && h("div", { class: "others" }, more)];
    };
    const roots = order.slice(0, MOST).map(shelf);
    why.update = () => { for (const one of cards) one.hidden = !one.all.some(found); };
    return h("section", { id: "why" }, h("h2", {}, "Who canceled whom, and why"),
      h("p", { class: "about" }, "Each reason that follows from no other, what followed from it, and the tasks at the end of that. Bars: violet, from the request until it was raised at an await; amber, the cleanup."), roots);
  }

  // -- rows of the timeline -----------------------------------------------------------------------

  const nodes = [];
  const nodeOf = new Map();
  (() => {
    for (const one of groups.values()) nodeOf.set(one, { group: one, of: one, kids: [], open: true });
    for (const one of lives.values()) nodeOf.set(one, { life: one, of: one, kids: [], open: true });
    const roots = [];
    for (const node of nodeOf.values()) {
      const one = node.of;
      const above = node.group ? lives.get(one.by) : groups.get(one.group) || lives.get(one.parent) || lives.get(one.maker);
      if (above && above !== one) { node.above = nodeOf.get(above); node.above.kids.push(node); } else roots.push(node);
    }
    const order = (all) => all.sort((one, other) => one.of.begun - other.of.begun || one.of.no - other.of.no);
    const walk = (all) => {
      const stack = order(all).reverse().map((node) => [node, 0]);
      while (stack.length) {
        const [node, depth] = stack.pop();
        if (node.depth != null) continue;
        node.depth = depth;
        nodes.push(node);
        for (const kid of order(node.kids).reverse()) stack.push([kid, depth + 1]);
      }
    };
    walk(roots);
    walk([...nodeOf.values()].filter((node) => node.depth == null)); // whatever a damaged trace says
  })();

  let rows = nodes;
  let place = new Map();
  let matching = 0;

  /** Find out which rows there are: those that match, and what they are in. */
  function arrange() {
    const filtered = filter.words.length || filter.out;
    const kept = new Map();
    matching = 0;
    if (filtered) {
      for (const node of nodes) {
        if (!node.life || !found(node.life)) continue;
        matching += 1;
        kept.set(node, true);
        for (let above = node.above; above && !kept.has(above); above = above.above) kept.set(above, false);
      }
    }
    rows = [];
    let hidden = Infinity;
    for (const node of nodes) {
      if (filtered ? !kept.has(node) : node.depth > hidden) continue;
      hidden = Infinity;
      node.dim = filtered && !kept.get(node);
      rows.push(node);
      if (!node.open && node.kids.length) hidden = node.depth;
    }
    place = new Map(rows.map((node, index) => [node, index]));
  }

  // -- the timeline -------------------------------------------------------------------------------

  let shown = { ...ALL }; // the part of time
  let chosen = null;
  let over = null;
  const scroller = h("div", { class: "rows", id: "rows", tabindex: "0", role: "tree", "aria-label": "Tasks over time" });
  const names = h("div", { class: "names" });
  const chart = h("canvas", { "aria-hidden": "true" });
  const view = h("div", { class: "view" }, names, chart);
  const space = h("div", { class: "space" });
  const top = h("canvas", { id: "overview", "aria-label": "How many tasks were alive over time; drag to zoom" });
  const about = h("div", { class: "about" });
  const range = h("span", { class: "range" });
  const nothing = h("div", { class: "nothing", hidden: true });
  const board = h("div", { class: "board" });
  const tell = h("div", { class: "tell", id: "tell", role: "tooltip", hidden: true });
  const pool = [];
  let colors = {};
  let hatch = null;
  let waiting = false;
  let drawn = 0;

  function palette() {
    const style = getComputedStyle(document.documentElement);
    colors = Object.fromEntries(["run", "wait", "clean", "tidy", "held", "heldback", "asked", "span", "grid", "row", "ink", "soft", "faint", "line", "card", "sunk", "green", "red", "blue", "focus"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    colors.blueSoft = style.getPropertyValue("--blue-soft").trim();
    const tile = document.createElement("canvas");
    tile.width = tile.height = 6;
    const ink = tile.getContext("2d");
    ink.fillStyle = colors.heldback;
    ink.fillRect(0, 0, 6, 6);
    ink.strokeStyle = colors.held;
    ink.lineWidth = 1.6;
    ink.beginPath();
    for (const at of [-6, 0, 6]) { ink.moveTo(at, 6); ink.lineTo(at + 6, 0); }
    ink.stroke();
    hatch = tile;
  }

  /** Return the context of a canvas that is as large as its place, in device pixels. */
  function paper(canvas, width, height) {
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const ink = canvas.getContext("2d");
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink.clearRect(0, 0, width, height);
    return ink;
  }

  const span = () => shown.to - shown.from;
  const breadth = () => chart.clientWidth || 1;
  const x = (at) => ((at - shown.from) / span()) * breadth();
  const when = (px) => shown.from + (px / breadth()) * span();

  function look(from, to) {
    const least = Math.max(100, END / 1e7);
    const all = ALL;
    const size = Math.min(Math.max(to - from, least), all.to - all.from);
    const middle = (from + to) / 2;
    const start = Math.min(Math.max(middle - size / 2, all.from), all.to - size);
    shown = { from: start, to: start + size };
    draw();
  }
  const zoom = (factor, px) => { const at = when(px == null ? breadth() / 2 : px); look(at - (at - shown.from) * factor, at + (shown.to - at) * factor); };
  const pan = (ns) => look(shown.from + ns, shown.to + ns);
  const fit = () => look(ALL.from, ALL.to);

  function draw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; paint(); });
  }

  /** The first index whose value is not less. */
  function bisect(all, value) {
    let low = 0;
    let high = all.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (all[middle] < value) low = middle + 1; else high = middle;
    }
    return low;
  }

  function paint() {
    const height = scroller.clientHeight;
    const first = Math.max(0, Math.floor(scroller.scrollTop / ROW));
    const last = Math.min(rows.length, Math.ceil((scroller.scrollTop + height) / ROW));
    const shift = -scroller.scrollTop;
    drawn = last - first;
    label(first, last, shift);
    const ink = paper(chart, breadth(), height);
    ruled(ink, height);
    for (let index = first; index < last; index += 1) {
      const node = rows[index];
      const y = index * ROW + shift;
      if (node === chosen || node === over) { ink.fillStyle = node === chosen ? colors.blueSoft : colors.row; ink.globalAlpha = 0.7; ink.fillRect(0, y, breadth(), ROW); ink.globalAlpha = 1; }
      ink.globalAlpha = node.dim ? 0.35 : 1;
      if (node.group) grouped(ink, node.group, y); else lived(ink, node.life, y);
    }
    ink.globalAlpha = 1;
    arrows(ink, height, shift);
    paintTop();
    range.textContent = `${time(Math.max(BEGIN, shown.from))} – ${time(Math.min(END, shown.to))} · ${time(Math.min(END, shown.to) - Math.max(BEGIN, shown.from))} shown`;
    document.documentElement.dataset.rows = String(drawn);
  }

  function ticks() {
    const rough = span() / Math.max(2, breadth() / 110);
    const ten = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((one) => one * ten >= rough) * ten;
    const all = [];
    for (let at = Math.max(0, Math.ceil(shown.from / step) * step); at <= shown.to; at += step) all.push(at);
    return { all, step };
  }
  function tick(at, step) {
    const [unit, word] = span() < 2e3 ? [1, "ns"] : span() < 2e6 ? [1e3, "µs"] : span() < 2e9 ? [1e6, "ms"] : [1e9, "s"];
    return `${(at / unit).toFixed(Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9)))} ${word}`;
  }

  function ruled(ink, height) {
    ink.fillStyle = colors.grid;
    for (const at of ticks().all) ink.fillRect(Math.round(x(at)), 0, 1, height);
    if (page.why.length > 12) return;
    ink.strokeStyle = colors.asked;
    ink.globalAlpha = 0.55;
    ink.setLineDash([3, 3]);
    ink.beginPath();
    for (const at of causes) { const px = Math.round(x(at)) + 0.5; ink.moveTo(px, 0); ink.lineTo(px, height); }
    ink.stroke();
    ink.setLineDash([]);
    ink.globalAlpha = 1;
  }

  function block(ink, from, to, y, tall, color, least) {
    const left = Math.max(-2, x(from));
    const right = Math.min(breadth() + 2, x(to));
    if (right < -1 || left > breadth() + 1) return;
    ink.fillStyle = color;
    ink.fillRect(left, y, Math.max(least || 0, right - left), tall);
  }

  function grouped(ink, group, y) {
    block(ink, group.begun, group.last, y + 9, 3, colors.span, 2);
    block(ink, group.begun, group.begun, y + 6, 9, colors.span, 1.5);
    block(ink, group.last, group.last, y + 6, 9, colors.span, 1.5);
    if (group.asked != null) block(ink, group.asked, group.asked, y + 3, 16, colors.asked, 2);
  }

  function lived(ink, life, y) {
    const tidy = life.cleaned == null ? life.last : life.cleaned;
    block(ink, life.begun, tidy, y + 6, 10, colors.wait, 1);
    if (life.cleaned != null) block(ink, life.cleaned, life.last, y + 6, 10, colors.tidy, 1);
    if (life.asked != null) {
      const until = life.cleaned == null ? life.last : life.cleaned;
      if (x(until) - x(life.asked) > 1.5) block(ink, life.asked, until, y + 6, 10, ink.createPattern(hatch, "repeat"));
    }
    // From one pixel to the next: what is between needs no look.
    const { polls } = life;
    const pixel = span() / breadth();
    for (let at = bisect(polls, shown.from) & ~1; at < polls.length && polls[at] <= shown.to;) {
      let end = polls[at + 1];
      let next = at + 2;
      if (end - polls[at] < pixel) next = Math.max(next, (bisect(polls, polls[at] + pixel) + 1) & ~1);
      const cleaning = life.cleaned != null && end > life.cleaned;
      if (cleaning && polls[at] < life.cleaned) {
        block(ink, polls[at], life.cleaned, y + 4, 14, colors.run, 1);
        block(ink, life.cleaned, end, y + 4, 14, colors.clean, 1);
      } else block(ink, polls[at], end, y + 4, 14, cleaning ? colors.clean : colors.run, 1);
      at = next;
    }
    if (life.asked != null) block(ink, life.asked, life.asked, y + 2, 18, colors.asked, 1.6);
    mark(ink, life.out, x(life.last) + 6, y + 11);
  }

  const OUT = { completed: "green", failed: "red", abandoned: "red", canceled: "clean", dropped: "held", absorbed: "blue", open: "soft" };
  function mark(ink, out, cx, cy) {
    if (cx < -8 || cx > breadth() + 8) return;
    ink.fillStyle = ink.strokeStyle = colors[OUT[out]];
    ink.lineWidth = 1.8;
    ink.beginPath();
    if (out === "completed") { ink.moveTo(cx - 3.5, cy); ink.lineTo(cx - 1, cy + 3); ink.lineTo(cx + 4, cy - 3.5); ink.stroke(); }
    else if (out === "failed") { ink.moveTo(cx - 3.5, cy - 3.5); ink.lineTo(cx + 3.5, cy + 3.5); ink.moveTo(cx + 3.5, cy - 3.5); ink.lineTo(cx - 3.5, cy + 3.5); ink.stroke(); }
    else if (out === "canceled") ink.fillRect(cx - 3, cy - 3, 6, 6);
    else if (out === "absorbed") { ink.arc(cx, cy, 3.2, 0, 7); ink.stroke(); }
    else {
      const points = { dropped: [[-4, -3], [4, -3], [0, 4]], abandoned: [[0, -4.5], [4.5, 0], [0, 4.5], [-4.5, 0]], open: [[-3, -4], [4, 0], [-3, 4]] }[out];
      points.forEach(([dx, dy], index) => (index ? ink.lineTo(cx + dx, cy + dy) : ink.moveTo(cx + dx, cy + dy)));
      ink.fill();
    }
  }

  /** Return where a row is, or the nearest one around it that is shown. */
  function level(one, shift) {
    let node = nodeOf.get(one);
    while (node && !place.has(node)) node = node.above;
    return node ? place.get(node) * ROW + ROW / 2 + shift : null;
  }

  function arrows(ink, height, shift) {
    const life = (over || chosen)?.life;
    if (!life) return;
    const by = life.requests.length ? lives.get(life.requests[0].by) : null;
    const pairs = [...(by && by !== life ? [[by, life]] : []), ...life.causes.slice(0, MOST).map((one) => [life, one])];
    ink.strokeStyle = ink.fillStyle = colors.asked;
    ink.lineWidth = 1.4;
    for (const [from, to] of pairs) {
      const [y1, y2] = [level(from, shift), level(to, shift)];
      if (y1 == null || y2 == null || y1 === y2 || Math.max(y1, y2) < 0 || Math.min(y1, y2) > height) continue;
      const px = x(to.asked);
      const bend = Math.min(46, 14 + Math.abs(y2 - y1) / 6);
      ink.beginPath();
      ink.moveTo(px, y1);
      ink.bezierCurveTo(px - bend, y1, px - bend, y2, px - 5, y2);
      ink.stroke();
      ink.beginPath();
      ink.moveTo(px, y2); ink.lineTo(px - 7, y2 - 3.5); ink.lineTo(px - 7, y2 + 3.5);
      ink.fill();
      ink.beginPath();
      ink.arc(px, y1, 3, 0, 7);
      ink.fill();
    }
  }

  /** Write the names of the rows that are seen, into elements that are used again. */
  function label(first, last, shift) {
    while (pool.length < last - first) {
      const fold = h("button", { type: "button", class: "fold", tabindex: "-1", "aria-hidden": "true" });
      const row = { fold, text: h("span", { class: "label" }), out: h("span"), id: h("span", { class: "id" }) };
      row.element = h("div", { class: "row", role: "treeitem" }, fold, row.out, row.text, row.id);
      row.element.row = row;
      pool.push(row);
      names.append(row.element);
    }
    pool.forEach((row, index) => {
      const node = rows[first + index];
      const { element } = row;
      element.hidden = first + index >= last;
      if (element.hidden) return;
      row.node = node;
      element.style.transform = `translateY(${(first + index) * ROW + shift}px)`;
      element.className = `row ${node.group ? "group" : node.life.kind}${node.dim ? " dim" : ""}${node === over ? " over" : ""}`;
      element.style.paddingLeft = `${6 + Math.min(node.depth, 12) * (innerWidth > 900 ? 13 : 7)}px`;
      element.id = node === chosen ? "chosen" : "";
      element.setAttribute("aria-level", String(node.depth + 1));
      element.setAttribute("aria-selected", String(node === chosen));
      if (node.kids.length) element.setAttribute("aria-expanded", String(node.open)); else element.removeAttribute("aria-expanded");
      row.fold.textContent = node.kids.length ? (node.open ? "▾" : "▸") : "";
      row.out.className = node.life ? `out ${node.life.out}` : "";
      row.out.textContent = node.life ? GLYPH[node.life.out] : "";
      row.text.textContent = node.group ? `group ${node.group.name}` : node.life.name;
      row.id.textContent = node.open || !node.kids.length ? (node.life?.task != null ? `#${node.life.task}` : "") : `${number(node.kids.length)} within`;
      element.title = row.text.textContent;
    });
  }

  // -- the overview: how many were alive, and how many cleaned up ---------------------------------

  const BINS = 600;
  const alive = new Float64Array(BINS + 1);
  const tidying = new Float64Array(BINS + 1);
  const causes = page.why.map((node) => below(node).reduce((first, life) => Math.min(first, life.asked), END));
  for (const life of tasks) {
    const bin = (at) => Math.min(BINS - 1, Math.max(0, Math.floor(((at - BEGIN) / (END - BEGIN)) * BINS)));
    const add = (sum, from, to) => { sum[bin(from)] += 1; sum[bin(to) + 1] -= 1; };
    add(alive, life.begun, life.last);
    if (life.asked != null) add(tidying, life.asked, life.last);
  }
  for (let at = 1; at <= BINS; at += 1) { alive[at] += alive[at - 1]; tidying[at] += tidying[at - 1]; }
  const peak = Math.max(1, ...alive);
  let dragged = null;

  function paintTop() {
    const width = top.clientWidth || 1;
    const ink = paper(top, width, 78);
    const all = ALL;
    const at = (ns) => ((ns - all.from) / (all.to - all.from)) * width;
    const [low, tall] = [50, 40];
    const area = (sum, color) => {
      ink.fillStyle = color;
      ink.beginPath();
      ink.moveTo(at(BEGIN), low);
      for (let bin = 0; bin < BINS; bin += 1) { const y = low - (sum[bin] / peak) * tall; ink.lineTo(at(BEGIN + (bin / BINS) * (END - BEGIN)), y); ink.lineTo(at(BEGIN + ((bin + 1) / BINS) * (END - BEGIN)), y); }
      ink.lineTo(at(END), low);
      ink.fill();
    };
    area(alive, colors.wait);
    area(tidying, colors.clean);
    ink.fillStyle = colors.asked;
    for (const one of causes) ink.fillRect(at(one), 4, 1.5, low - 4);
    ink.fillStyle = colors.sunk;
    ink.globalAlpha = 0.72;
    ink.fillRect(0, 0, at(shown.from), low);
    ink.fillRect(at(shown.to), 0, width - at(shown.to), low);
    ink.globalAlpha = 1;
    ink.strokeStyle = colors.focus;
    if (span() < (ALL.to - ALL.from) * 0.999) ink.strokeRect(at(shown.from) + 0.5, 0.5, Math.max(2, at(shown.to) - at(shown.from) - 1), low);
    if (dragged) { ink.fillStyle = colors.focus; ink.globalAlpha = 0.25; ink.fillRect(Math.min(...dragged), 0, Math.abs(dragged[1] - dragged[0]), low); ink.globalAlpha = 1; }
    ink.fillStyle = colors.line;
    ink.fillRect(0, low, width, 1);
    ink.fillStyle = colors.soft;
    ink.font = "11.5px system-ui, sans-serif";
    ink.textAlign = "center";
    const { all: times, step } = ticks();
    for (const one of times) {
      const px = ((one - shown.from) / span()) * width;
      const text = tick(one, step);
      const half = ink.measureText(text).width / 2;
      if (px - half > 2 && px + half < width - 2) ink.fillText(text, px, 70);
      ink.fillRect(Math.round(px), low + 1, 1, 5);
    }
  }

  // -- hovering, choosing, keys -------------------------------------------------------------------

  const ago = (begun, ended) => time(ended - begun);
  const waited = (wait) => [wait.what || "the next turn", wait.place && `at ${wait.place}`].filter(Boolean).join(", ");

  /** Say what a life did at a time. */
  function doing(life, at, near) {
    if (at < life.begun - near || at > life.last + near * 8) return null;
    if (at >= life.last) return [`${outcome(life)} after ${ago(life.begun, life.last)}`, life.detail];
    const cleaning = life.cleaned != null && at >= life.cleaned ? "cleaning up, " : life.asked != null && at >= life.asked ? "asked to cancel, not raised yet; " : "";
    const next = bisect(life.polls, at - near) & ~1;
    const close = life.polls.length > next && life.polls[next] <= at + near;
    const parked = life.waits[Math.max(0, bisectWaits(life.waits, at) - 1)];
    if (close && !(parked && parked.begun <= at && (parked.ended == null || parked.ended > at) && near < (parked.ended ?? END) - parked.begun && life.polls[next + 1] < at - near)) return [`${cleaning}running ${ago(life.polls[next], life.polls[next + 1])}`, null];
    if (parked && parked.begun <= at) {
      const by = parked.by == null ? null : lives.get(parked.by);
      return [`${cleaning}waiting ${ago(parked.begun, parked.ended ?? END)} for ${waited(parked)}`, by ? `woken by ${by.label}` : null];
    }
    return [`${cleaning}${life.polls.length && at >= life.polls[0] ? "ready" : "not started"}`, null];
  }
  function bisectWaits(all, at) {
    let low = 0;
    let high = all.length;
    while (low < high) { const middle = (low + high) >> 1; if (all[middle].begun <= at) low = middle + 1; else high = middle; }
    return low;
  }

  function hover(event) {
    const inside = event.clientY - scroller.getBoundingClientRect().top;
    const node = rows[Math.floor((scroller.scrollTop + inside) / ROW)] || null;
    if (node !== over) { over = node; draw(); }
    const px = event.clientX - chart.getBoundingClientRect().left;
    if (!node || px < 0) { tell.hidden = true; return; }
    const at = when(px);
    const lines = node.group ? groupWords(node.group) : doing(node.life, at, (span() / breadth()) * 2);
    const life = node.life;
    const asked = life && life.asked != null ? chain(life.requests[0].reason) : [];
    tell.replaceChildren(h("b", {}, node.group ? `group ${node.group.name}` : life.label), ...(lines || [outcome(life)]).filter(Boolean).map((line) => h("div", {}, line)),
      asked.length ? h("div", {}, `canceled: ${words(asked[asked.length - 1])}`) : "");
    tell.hidden = false;
    const size = tell.getBoundingClientRect();
    tell.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - size.width - 8))}px`;
    tell.style.top = `${event.clientY + 18 + size.height < innerHeight ? event.clientY + 18 : event.clientY - size.height - 12}px`;
  }
  const groupWords = (group) => [`open for ${ago(group.begun, group.last)}`, group.requests.length ? `canceled: ${words(chain(group.requests[0].reason)[0])}` : null];

  function leave() { tell.hidden = true; if (over) { over = null; draw(); } }

  function reveal(node) {
    for (let above = node.above; above; above = above.above) if (!above.open) { above.open = true; refresh(); }
    if (!place.has(node)) { search.value = ""; filter.words = []; filter.out = null; update(); }
    const y = place.get(node) * ROW;
    if (y < scroller.scrollTop + ROW || y > scroller.scrollTop + scroller.clientHeight - 2 * ROW) scroller.scrollTop = y - scroller.clientHeight / 2;
  }

  /** Show the details of a task, a child or a group; null: of none. */
  function choose(one, go) {
    chosen = one ? nodeOf.get(one) : null;
    board.querySelector(".panel")?.remove();
    board.classList.toggle("with", Boolean(chosen));
    if (chosen) {
      board.append(panel(chosen));
      scroller.setAttribute("aria-activedescendant", "chosen");
      reveal(chosen);
      if (go) {
        if (one.last < shown.from || one.begun > shown.to) look(one.begun - (one.last - one.begun) * 0.3, one.last + (one.last - one.begun) * 0.3);
        document.getElementById("timeline").scrollIntoView({ block: "start" });
        scroller.focus({ preventScroll: true });
      }
    }
    draw();
  }

  const because = (index) => h("ol", { class: "because" }, chain(index).map((link) => h("li", {}, words(link), whence(link) ? h("small", {}, whence(link)) : null)));

  function panel({ life, group }) {
    const one = life || group;
    const facts = [];
    const fact = (name, value) => { if (value) facts.push(h("dt", {}, name), h("dd", {}, value)); };
    const parts = [];
    const part = (title, content) => parts.push(h("h4", {}, title), content);
    fact("from", time(one.begun));
    fact("to", one.ended == null ? "not ended" : time(one.ended));
    fact("lasted", ago(one.begun, one.last));
    if (life) {
      const owner = groups.get(life.group);
      fact("ended", [glyph(life.out), " ", outcome(life)]);
      if (life.detail) fact("with", life.detail);
      if (owner) fact("group", h("button", { type: "button", class: "link", onclick: () => choose(owner) }, owner.name));
      const maker = lives.get(life.parent) || lives.get(life.maker);
      if (maker) fact(life.parent ? "part of" : "made by", named(maker));
      let ran = 0;
      for (let at = 0; at < life.polls.length; at += 2) ran += life.polls[at + 1] - life.polls[at];
      fact("ran", `${time(ran)} in ${plural(life.polls.length / 2, "poll")}`);
      if (life.delay != null) fact("until raised", time(life.delay));
      if (life.cleaned != null) fact("cleanup", life.cleanup == null ? "not ended" : time(life.cleanup));
    } else fact("tasks", number(nodeOf.get(group).kids.length));
    one.requests.slice(0, MOST).forEach((request, index) => {
      const by = lives.get(request.by);
      part(index ? `asked again at ${time(request.at)}` : `asked to cancel at ${time(request.at)}`, [because(request.reason), by && by !== one ? h("div", {}, "in a step of ", named(by)) : null]);
    });
    if (life && life.deliveries.length) part("raised", h("ul", {}, life.deliveries.slice(0, MOST).map((delivery) => h("li", {}, `at ${time(delivery.at)}`, delivery.place ? `, ${delivery.place}` : "", delivery.own ? null : h("small", {}, "for a block inside it, not for all of it")))));
    if (life && life.causes.length) part(`canceled ${plural(life.causes.length, "other")}`, h("ul", {}, life.causes.slice(0, 12).map((other) => h("li", {}, glyph(other.out), " ", named(other))), life.causes.length > 12 ? h("li", {}, `and ${number(life.causes.length - 12)} more`) : null));
    if (life && life.waits.length) {
      const longest = [...life.waits].sort((left, right) => (right.ended ?? END) - right.begun - ((left.ended ?? END) - left.begun)).slice(0, 8);
      part(life.waits.length > 8 ? `the longest of ${plural(life.waits.length, "wait")}` : plural(life.waits.length, "wait"), h("ul", {}, longest.map((wait) => {
        const by = wait.by == null ? null : lives.get(wait.by);
        return h("li", {}, h("b", {}, ago(wait.begun, wait.ended ?? END)), ` ${wait.what || "the next turn"}`, h("small", {}, [wait.place && `at ${wait.place}`, `from ${time(wait.begun)}`].filter(Boolean).join(", "), by ? [", woken by ", named(by)] : null));
      })));
    }
    return h("aside", { class: "panel", "aria-label": "Details" }, h("header", {}, h("h3", {}, life ? life.label : `group ${group.name}`), h("button", { type: "button", class: "close", title: "Close", "aria-label": "Close", onclick: () => choose(null) }, "✕")),
      h("dl", { class: "facts" }, facts), parts);
  }

  function refresh() {
    arrange();
    space.style.height = `${rows.length * ROW}px`;
    const height = Math.min(Math.max(rows.length * ROW, 6 * ROW), Math.max(12 * ROW, Math.round(innerHeight * 0.68)));
    scroller.style.height = `${height}px`;
    view.style.height = `${height}px`;
    view.style.marginBottom = `-${height}px`;
    chart.style.height = `${height}px`;
    const bar = scroller.offsetWidth - scroller.clientWidth;
    scroller.parentElement?.style.setProperty("--bar", `${bar}px`);
    const filtered = filter.words.length || filter.out;
    nothing.hidden = rows.length > 0;
    nothing.textContent = filtered ? "Nothing matches." : "Nothing was recorded.";
    about.replaceChildren(h("b", {}, filtered ? `${number(matching)} of ${number(lives.size)}` : plural(rows.length, "row")), filtered ? "match" : lives.size ? `up to ${number(peak)} alive at once` : "");
    draw();
  }

  function fold(node) { node.open = !node.open; refresh(); }

  function timeline() {
    scroller.append(view, space);
    const folding = (open) => () => { for (const node of nodes) node.open = open || node.depth === 0; refresh(); };
    const tool = (text, title, act) => h("button", { type: "button", title, "aria-label": title, onclick: act }, text);
    board.append(h("div", { class: "chart" }, h("div", { class: "top" }, about, top), scroller, nothing));
    operate();
    return h("section", { id: "timeline" }, h("h2", {}, "Timeline"),
      h("p", { class: "about" }, "A row for each task, child and group, inside what it belongs to. Drag to move, drag in the overview or turn the wheel there to zoom, in the rows with Ctrl. Choose a row to see why."),
      h("div", { class: "tools" }, tool("+", "Zoom in", () => zoom(0.5)), tool("−", "Zoom out", () => zoom(2)), tool("All", "Show all of the time", fit),
        nodes.some((node) => node.kids.length) ? [tool("Fold", "Fold all groups and tasks", folding(false)), tool("Unfold", "Unfold all", folding(true))] : null, range),
      board,
      h("div", { class: "key" }, [["run", "runs"], ["wait", "waits"], ["asked", "asked to cancel"], ["held", "asked, not raised yet: shielded, or waiting for its own"], ["clean", "cleans up"]].map(([cls, word]) => h("span", {}, h("i", { class: cls }), word)),
        Object.keys(GLYPH).filter((out) => tasks.some((life) => life.out === out)).map((out) => h("span", {}, glyph(out), " ", WORD[out] || out))));
  }

  function wheel(event, canvas, always) {
    const sideways = event.shiftKey ? event.deltaY : event.deltaX;
    if (always || event.ctrlKey || event.metaKey) {
      event.preventDefault();
      zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 240))), event.clientX - canvas.getBoundingClientRect().left);
    } else if (sideways) {
      event.preventDefault();
      pan((sideways / breadth()) * span());
    }
  }

  function operate() {
    let grab = null;
    chart.addEventListener("pointerdown", (event) => { if (event.button === 0) { grab = { px: event.clientX, from: shown.from, to: shown.to, moved: false, id: event.pointerId }; } });
    chart.addEventListener("pointermove", (event) => {
      if (!grab) return;
      const by = event.clientX - grab.px;
      if (!grab.moved && Math.abs(by) < 4) return;
      if (!grab.moved) { grab.moved = true; try { chart.setPointerCapture(grab.id); } catch { /* it has gone */ } }
      chart.classList.add("drag");
      const ns = (by / breadth()) * (grab.to - grab.from);
      look(grab.from - ns, grab.to - ns);
    });
    const drop = (event) => {
      if (grab && !grab.moved && event.type === "pointerup") pick(event);
      grab = null;
      chart.classList.remove("drag");
    };
    chart.addEventListener("pointerup", drop);
    chart.addEventListener("pointercancel", drop);
    const pick = (event) => {
      const node = rows[Math.floor((scroller.scrollTop + event.clientY - scroller.getBoundingClientRect().top) / ROW)];
      if (node) choose(node === chosen ? null : node.of);
      scroller.focus({ preventScroll: true });
    };
    chart.addEventListener("dblclick", () => { if (chosen) { const one = chosen.of; const edge = (one.last - one.begun) * 0.1; look(one.begun - edge, one.last + edge); } });
    names.addEventListener("click", (event) => {
      const { row } = event.target.closest(".row") || {};
      if (!row) return;
      if (event.target === row.fold && row.node.kids.length) fold(row.node); else choose(row.node === chosen ? null : row.node.of);
    });
    scroller.addEventListener("mousemove", hover);
    scroller.addEventListener("mouseleave", leave);
    scroller.addEventListener("scroll", () => { tell.hidden = true; draw(); }, { passive: true });
    scroller.addEventListener("wheel", (event) => wheel(event, chart, false), { passive: false });
    top.addEventListener("wheel", (event) => wheel(event, top, true), { passive: false });
    const at = (event) => event.clientX - top.getBoundingClientRect().left;
    top.addEventListener("pointerdown", (event) => { dragged = [at(event), at(event)]; try { top.setPointerCapture(event.pointerId); } catch { /* it has gone */ } });
    top.addEventListener("pointermove", (event) => { if (dragged) { dragged[1] = at(event); draw(); } });
    top.addEventListener("pointerup", () => {
      if (!dragged) return;
      const [one, other] = dragged.map((px) => ALL.from + (px / (top.clientWidth || 1)) * (ALL.to - ALL.from)).sort((left, right) => left - right);
      const moved = Math.abs(dragged[1] - dragged[0]) > 3;
      dragged = null;
      if (moved) look(one, other); else look(one - span() / 2, one + span() / 2);
    });
    scroller.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const index = chosen && place.has(chosen) ? place.get(chosen) : -1;
      const step = (by) => { const node = rows[Math.min(rows.length - 1, Math.max(0, index + by))]; if (node) choose(node.of); };
      const act = { "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: fit, ArrowLeft: () => pan(-span() / 5), ArrowRight: () => pan(span() / 5), ArrowDown: () => step(1), ArrowUp: () => step(-1), PageDown: () => step(20), PageUp: () => step(-20),
        Home: () => step(-Infinity), End: () => step(Infinity), Enter: () => { if (chosen?.kids.length) fold(chosen); }, " ": () => { if (chosen?.kids.length) fold(chosen); } }[event.key];
      if (act) { event.preventDefault(); act(); }
    });
    new ResizeObserver(refresh).observe(board);
  }

  // -- tables -------------------------------------------------------------------------------------

  /** Make a table that can be sorted; each column has a title, a value to sort by, and a cell. */
  function table(name, columns, all, by) {
    const body = h("tbody");
    const heads = columns.map((column, index) => h("th", { scope: "col", class: column.no ? "no" : "" }, h("button", { type: "button", onclick: () => sort(index) }, column.title)));
    let order = { index: -1, down: true };
    const sort = (index) => {
      order = { index, down: order.index === index ? !order.down : Boolean(columns[index].no) };
      heads.forEach((head, other) => { if (other === index) head.setAttribute("aria-sort", order.down ? "descending" : "ascending"); else head.removeAttribute("aria-sort"); });
      const value = columns[index].value;
      const sorted = all.filter((one) => !one.requests || found(one)).sort((one, other) => {
        const [left, right] = [value(one), value(other)];
        return (left == null ? -1 : right == null ? 1 : left < right ? -1 : left > right ? 1 : 0) * (order.down ? -1 : 1);
      });
      body.replaceChildren(...sorted.slice(0, MOST).map((one) => h("tr", {}, columns.map((column) => h("td", { class: column.no ? "no" : "" }, column.cell(one))))));
      if (!sorted.length) body.append(h("tr", {}, h("td", { colspan: String(columns.length) }, "Nothing matches.")));
    };
    sort(by);
    const element = h("div", { class: "lists", tabindex: "0", role: "region", "aria-label": name }, h("table", {}, h("thead", {}, h("tr", {}, heads)), body));
    element.update = () => { order.down = !order.down; sort(order.index); };
    return element;
  }

  const TASK = { title: "task", value: (life) => life.label, cell: (life) => named(life) };
  const OUTCOME = { title: "outcome", value: outcome, cell: (life) => [glyph(life.out), " ", outcome(life)] };
  const CLEANUP = { title: "cleanup", no: true, value: (life) => life.cleanup, cell: (life) => time(life.cleanup) };
  const DELAY = { title: "until raised", no: true, value: (life) => life.delay, cell: (life) => time(life.delay) };
  const WHERE = { title: "raised at", value: (life) => life.deliveries.find((one) => one.own)?.place || "", cell: (life) => h("code", {}, life.deliveries.find((one) => one.own)?.place || "") };
  const WHY = { title: "because", value: (life) => words(chain(life.requests[0].reason).pop()), cell: (life) => words(chain(life.requests[0].reason).pop()) };

  function ranked(id, title, about, key, columns, by) {
    const make = () => {
      const all = canceled.filter((life) => life[key] != null);
      if (!all.length) return null;
      const list = table(title, columns, all, by);
      make.update = list.update;
      return h("section", { id }, h("h2", {}, title), h("p", { class: "about" }, about, all.length > MOST ? ` ${MOST} of ${number(all.length)} are shown.` : ""), list);
    };
    return make;
  }
  const slowest = ranked("slowest", "Slowest cleanups", "From where the cancellation was raised to the end.", "cleanup", [TASK, CLEANUP, DELAY, OUTCOME, WHERE, WHY], 1);
  const late = ranked("late", "Longest until raised", "From the request to the await at which it was raised: behind a shield, while a parent waits for its own, or in a step that takes long.", "delay", [TASK, DELAY, CLEANUP, OUTCOME, WHERE, WHY], 1);

  function overran() {
    const all = [...page.overruns.map(([at, label, where, seconds]) => ({ at, label, what: `still at ${where}, ${seconds.toFixed(1)} s after it was canceled` })),
      ...page.abandoned.map(([at, message]) => ({ at, label: "", what: message }))];
    if (!all.length) return null;
    return h("section", { id: "overruns" }, h("h2", {}, "Overruns and what was abandoned"), h("p", { class: "about" }, "Cleanups that took longer than their grace, and were dropped or left behind."),
      table("Overruns", [{ title: "at", no: true, value: (one) => one.at, cell: (one) => time(one.at) },
        { title: "who", value: (one) => one.label, cell: (one) => { const life = labels.get(one.label); return life ? named(life) : one.label; } },
        { title: "what", value: (one) => one.what, cell: (one) => one.what }], all, 0));
  }

  // -- the page -----------------------------------------------------------------------------------

  function update() {
    for (const part of [hero, why, slowest, late]) part.update?.();
    refresh();
  }

  function theme() {
    const root = document.documentElement;
    const store = (value) => { try { if (value) localStorage.setItem("rescind-theme", value); return localStorage.getItem("rescind-theme"); } catch { return value; } };
    const known = store();
    if (known === "dark" || known === "light") root.dataset.theme = known;
    const dark = matchMedia("(prefers-color-scheme: dark)");
    document.getElementById("theme").addEventListener("click", () => {
      root.dataset.theme = (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches) ? "light" : "dark";
      store(root.dataset.theme);
      palette();
      draw();
    });
    dark.addEventListener("change", () => { palette(); draw(); });
  }

  theme();
  palette();
  document.body.append(tell);
  const search = document.getElementById("search");
  const sections = [why, timeline, slowest, late, overran].map((part) => part()).filter(Boolean);
  main.append(hero(), ...sections);
  document.getElementById("nav").append(...sections.map((section) => h("a", { href: `#${section.id}` }, { why: "Why", overruns: "Overruns" }[section.id] || section.querySelector("h2").textContent)));
  document.getElementById("foot").append("Keys in the timeline: arrows move, ", h("kbd", {}, "+"), " ", h("kbd", {}, "−"), " zoom, ", h("kbd", {}, "0"), " shows all, ", h("kbd", {}, "Enter"), " folds. Anywhere: ", h("kbd", {}, "/"), " search, ", h("kbd", {}, "Esc"), " clears.");
  search.addEventListener("input", () => { filter.words = search.value.toLowerCase().split(/\s+/).filter(Boolean); scroller.scrollTop = 0; update(); });
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(event.target.tagName) && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape") {
      search.value = "";
      filter.words = [];
      filter.out = null;
      choose(null);
      update();
    }
  });
  addEventListener("resize", refresh);
  refresh();
})();
