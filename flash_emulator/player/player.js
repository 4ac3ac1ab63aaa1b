"use strict";
/* Flash over time: what each sector holds, at every step of a film. The data: see film.py.
   FlashPlayer.mount(node, data), or <flash-player src="URL of the data"></flash-player>. */
const FlashPlayer = (() => {
  const FOLD = 6; // so many sectors in a row that nothing happens to are drawn as one
  const MANY = 64; // an operation on more sectors than that is that of a bank, or of all
  const KEY_FRAMES = 32;
  const FORMAT = 1; // of the data
  const SIGNS = [[".", "erased"], ["#", "programmed"], ["+", "partly programmed"], ["!", "spoilt by a cut"]];
  const NAMES = Object.fromEntries(SIGNS);
  const DOING = { erase: "being erased", program: "being programmed" };
  const SPEEDS = [["slow", 4], ["normal", 1], ["fast", 0.25]];
  const isStop = kind => kind === "cut" || kind === "violation";

  function make(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function number(value) {
    return String(value).replace(/\B(?=(\d{3})+$)/g, "\u2009");
  }

  function address(value) {
    return "0x" + value.toString(16).toUpperCase().padStart(8, "0");
  }

  function spread(runs) {
    return runs.flatMap(([count, value]) => Array(count).fill(value));
  }

  /* Index, offset, size, label, role, bank and place of every sector. */
  function sectorsOf(map) {
    const labels = spread(map.labels), roles = spread(map.roles);
    const banks = map.banks.length ? map.banks : [[map.base, Infinity]];
    let offset = 0, bank = 0, begin = 0;
    return spread(map.sizes).map((size, index) => {
      while (offset >= begin + banks[bank][1] && bank + 1 < banks.length) begin += banks[bank++][1];
      const place = address(banks[bank][0] + offset - begin);
      const sector = { index, offset, size, bank, place, label: labels[index], role: roles[index] };
      offset += size;
      return sector;
    });
  }

  /* Width in pixels by size: to scale, as far as the smallest can still be seen. */
  function widths(sectors) {
    const sizes = sectors.map(sector => sector.size);
    const smallest = Math.min(...sizes), largest = Math.max(...sizes);
    const scale = Math.min(14 / smallest, 160 / largest);
    return size => Math.max(8, Math.round(size * scale));
  }

  /* Cells by bank and region; sectors that are not *shown* are folded where there are many in a
     row of one *kind*. Returns the map and the cells by index. */
  function drawMap(map, sectors, shown, folded, kind = () => "") {
    const box = make("div", "flash-map");
    const cells = new Map();
    const width = sectors.length ? widths(sectors) : null;
    const hasBanks = map.banks.length > 1;
    let at = 0, bank = null, regions = box;
    while (at < sectors.length) {
      const { label, role, bank: here } = sectors[at];
      const isSame = index => index < sectors.length && sectors[index].label === label && sectors[index].bank === here;
      if (hasBanks && here !== bank) {
        bank = here;
        const [begin, size] = map.banks[here];
        const part = make("div", "bank");
        part.append(make("b", "", `flash bank ${here + 1}, from ${address(begin)}, ${number(size / 1024)} KiB`));
        regions = make("div", "regions");
        part.append(regions);
        box.append(part);
      }
      const region = make("div", "region");
      if (role) region.dataset.role = role;
      if (label) region.append(make("b", "", label));
      const row = make("div", "cells");
      while (isSame(at)) {
        let end = at;
        while (isSame(end) && !shown.has(end) && kind(end) === kind(at)) end++;
        if (end - at >= FOLD) {
          row.append(make("span", "gap", `${number(end - at)} sectors ${folded(at)}`));
          at = end;
          continue;
        }
        do {
          const cell = make("i", "cell");
          cell.dataset.index = at;
          cell.style.width = `${width(sectors[at].size)}px`;
          cells.set(at, cell);
          row.append(cell);
          at++;
        } while (at < end);
      }
      region.append(row);
      regions.append(region);
    }
    return [box, cells];
  }

  /* A cell of the map may be chosen, by pointer or arrow keys; *tell*(index) says what it is. */
  function makeChoosable(map, cells, name, tell) {
    const readout = make("output", "readout", "Point at a sector, or choose one with the arrow keys.");
    const indices = [...cells.keys()];
    let chosen = null;
    map.tabIndex = 0;
    map.setAttribute("role", "group");
    map.setAttribute("aria-label", name);
    function choose(index) {
      if (!cells.has(index)) return;
      if (chosen !== null) cells.get(chosen).classList.remove("chosen");
      chosen = index;
      cells.get(index).classList.add("chosen");
      readout.textContent = tell(index);
    }
    for (const event of ["pointerover", "click"])
      map.addEventListener(event, at => {
        const cell = at.target.closest(".cell");
        if (cell) choose(Number(cell.dataset.index));
      });
    map.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      const next = chosen === null ? 0 : indices.indexOf(chosen) + step;
      choose(indices[Math.min(Math.max(next, 0), indices.length - 1)]);
    });
    return { readout, again: () => { if (chosen !== null) readout.textContent = tell(chosen); } };
  }

  /* The signs of all sectors in any frame: kept in some, made from changes in between. */
  class Signs {
    constructor(count, frames) {
      this.frames = frames;
      this.kept = [];
      let signs = ".".repeat(count);
      frames.forEach((frame, index) => {
        signs = changed(signs, frame[5]);
        if (index % KEY_FRAMES === 0) this.kept.push(signs);
      });
    }

    at(index) {
      const first = index - index % KEY_FRAMES;
      let signs = this.kept[first / KEY_FRAMES];
      for (let each = first + 1; each <= index; each++) signs = changed(signs, this.frames[each][5]);
      return signs;
    }
  }

  function changed(signs, changes) {
    for (const [first, text] of changes) signs = signs.slice(0, first) + text + signs.slice(first + text.length);
    return signs;
  }

  class Player {
    constructor(box, data) {
      this.map = data.map;
      this.frames = data.frames;
      this.sectors = sectorsOf(data.map);
      this.signs = new Signs(this.sectors.length, this.frames);
      this.at = -1;
      this.shownSigns = null;
      this.pace = 1;
      this.box = box;
      this.draw(data);
      this.show(0);
    }

    get last() { return this.frames.length - 1; }

    draw(data) {
      const hasMany = this.frames.length > 1;
      const first = this.signs.at(0), passed = this.passed();
      const [map, cells] = drawMap(
        this.map, this.sectors, this.shown(),
        at => `${NAMES[first[at]]}${!hasMany ? "" : passed.has(at) ? ", erased again" : ", untouched"}`,
        at => `${first[at]}${passed.has(at)}`);
      this.cells = cells;
      this.choice = makeChoosable(map, cells, "Sectors; arrow keys choose one", index => this.sectorText(index));
      this.slider = make("input");
      Object.assign(this.slider, { type: "range", min: 0, max: Math.max(0, this.last), value: 0, step: 1 });
      this.slider.setAttribute("aria-label", "Moment");
      this.slider.addEventListener("input", () => { this.stop(); this.show(Number(this.slider.value)); });
      this.now = make("div", "now");
      this.now.setAttribute("role", "status");
      this.now.setAttribute("aria-live", "polite");
      this.now.setAttribute("aria-atomic", "true");
      this.moment = make("div");
      this.words = make("ol", "words");
      const panes = make("div", "panes");
      panes.append(titled("What happens", this.list()));
      if (this.frames.some(frame => frame[2] === "word")) panes.append(titled(data.wordsTitle || "What the subject says, in this boot", this.words));
      this.words.tabIndex = 0;
      this.words.setAttribute("aria-label", "What it says, in this boot");
      this.box.replaceChildren(...head(data));
      if (hasMany) this.box.append(this.tools(), this.ticks(), this.slider);
      this.box.append(this.now, map, this.choice.readout, legend(hasMany), this.moment);
      if (hasMany) this.box.append(panes);
      const sections = data.sections || [];
      if (hasMany && sections.length) this.box.append(make("p", "note ending", "At the end of the film:"));
      this.box.append(...sections.map(drawSection));
      if (!hasMany) return;
      this.box.addEventListener("keydown", event => this.key(event));
      new ResizeObserver(() => keepInView(this.linesBox, this.lines[this.at])).observe(this.linesBox);
    }

    /* Sectors that anything happens to; but of an operation on many, such as the erase of a bank,
       those that it leaves as they are: those are *passed*. */
    shown() {
      const shown = new Set();
      const many = (first, count) => { for (let i = 0; i < count; i++) shown.add(first + i); };
      this.frames.forEach(([, , , , at, changes, , more], frame) => {
        if (at >= 0) shown.add(at);
        if (more && more.doing && more.doing[2] <= MANY) many(more.doing[1], more.doing[2]);
        if (frame || this.frames.length === 1) for (const [first, text] of changes) many(first, text.length);
      });
      return shown;
    }

    passed() {
      const passed = new Set();
      for (const [, , , , , , , more] of this.frames) {
        if (!more || !more.doing || more.doing[2] <= MANY) continue;
        for (let i = 0; i < more.doing[2]; i++) passed.add(more.doing[1] + i);
      }
      return passed;
    }

    sectorText(index) {
      const { place, size, label } = this.sectors[index];
      const mapped = this.isMapped ? `, now at ${this.mappedPlace(index)}` : "";
      const where = `${place}${mapped}, ${number(size)} bytes${label ? `, ${label}` : ""}`;
      const doing = this.cells.get(index).dataset.doing;
      return `${where}: ${NAMES[this.shownSigns[index]]}${doing ? `, ${DOING[doing]}` : ""}`;
    }

    /* Where the CPU finds a sector while both banks are exchanged. */
    mappedPlace(index) {
      const { bank, offset } = this.sectors[index];
      const [[first, size], [second]] = this.map.banks;
      return address(bank ? first + offset - size : second + offset);
    }

    tools() {
      const tools = make("div", "tools");
      tools.setAttribute("role", "toolbar");
      tools.setAttribute("aria-label", "Film");
      const group = make("div");
      const button = (text, act) => {
        const made = make("button", "", text);
        made.type = "button";
        made.addEventListener("click", act);
        group.append(made);
        return made;
      };
      const jump = (text, target) => button(text, () => { this.stop(); this.show(target()); });
      this.playButton = button("Play", () => this.toggle());
      jump("Back", () => this.at - 1);
      jump("Next", () => this.at + 1);
      jump("Previous cut", () => this.previousCut());
      jump("Next cut", () => this.nextCut());
      jump("Start", () => 0);
      jump("End", () => this.last);
      const speed = make("select");
      speed.setAttribute("aria-label", "Speed");
      speed.append(...SPEEDS.map(([name, pace]) => {
        const option = make("option", "", name);
        option.value = pace;
        option.selected = pace === 1;
        return option;
      }));
      speed.addEventListener("change", () => { this.pace = Number(speed.value); });
      group.insertBefore(speed, group.children[1]);
      tools.append(group, make("span", "keys", "arrow keys step, Page Up and Page Down go from cut to cut, Space plays"));
      return tools;
    }

    nextCut() {
      const next = this.frames.findIndex(([, , kind], index) => index > this.at && isStop(kind));
      return next < 0 ? this.last : next;
    }

    previousCut() {
      for (let at = this.at - 1; at > 0; at--) if (isStop(this.frames[at][2])) return at;
      return 0;
    }

    ticks() {
      const ticks = make("div", "ticks");
      ticks.setAttribute("aria-hidden", "true");
      const percent = index => `${100 * index / Math.max(1, this.last)}%`;
      const starts = this.frames.flatMap(([, , kind], index) => kind === "boot" ? [index] : []);
      starts.forEach((start, at) => {
        const boot = make("span", "stretch");
        boot.append(make("span", "", `boot ${at + 1}`));
        boot.style.left = percent(start);
        boot.style.width = percent((starts[at + 1] ?? this.last) - start);
        ticks.append(boot);
      });
      this.frames.forEach(([, , kind], index) => {
        if (!isStop(kind)) return;
        const tick = make("i", `tick ${kind}`);
        tick.style.left = percent(index);
        ticks.append(tick);
      });
      return ticks;
    }

    list() {
      this.lines = this.frames.map(([boot, , kind, text]) =>
        make("li", kind === "boot" ? "boot-line" : kind, kind === "boot" ? `boot ${boot}` : text));
      this.linesBox = make("ol", "frames");
      this.linesBox.tabIndex = 0;
      this.linesBox.setAttribute("aria-label", "All steps");
      this.linesBox.append(...this.lines);
      this.linesBox.addEventListener("click", event => {
        const line = event.target.closest("li");
        if (line) { this.stop(); this.show(this.lines.indexOf(line)); }
      });
      return this.linesBox;
    }

    /* --- moving */

    key(event) {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const { tagName, type } = event.target;
      const isOurs = [" ", "PageDown", "PageUp"].includes(event.key);
      if (tagName === "SELECT" || (type === "range" && !isOurs)) return;
      const isButton = tagName === "BUTTON" || tagName === "A" || tagName === "SUMMARY";
      if (event.key === " ") {
        if (isButton) return;
        event.preventDefault();
        this.toggle();
        return;
      }
      const target = {
        ArrowRight: () => this.at + 1, ArrowLeft: () => this.at - 1, Home: () => 0, End: () => this.last,
        PageDown: () => this.nextCut(), PageUp: () => this.previousCut(),
      }[event.key];
      if (!target) return;
      event.preventDefault();
      this.stop();
      this.show(target());
    }

    toggle() {
      if (this.timer) {
        this.stop();
        return;
      }
      if (this.at === this.last) this.show(0);
      this.playButton.textContent = "Pause";
      this.box.classList.add("playing");
      this.now.setAttribute("aria-live", "off"); // else a screen reader is behind for minutes
      this.plan();
    }

    plan() {
      const [, , kind] = this.frames[this.at];
      const usual = Math.min(600, Math.max(60, 30000 / this.frames.length));
      const wait = (isStop(kind) ? Math.max(1500, usual) : usual) * this.pace;
      this.timer = setTimeout(() => {
        if (!this.box.isConnected || this.at === this.last) {
          this.stop();
          return;
        }
        this.show(this.at + 1);
        this.plan();
      }, wait);
    }

    stop() {
      if (!this.timer) return;
      clearTimeout(this.timer);
      this.timer = null;
      this.playButton.textContent = "Play";
      this.box.classList.remove("playing");
      this.now.setAttribute("aria-live", "polite");
      this.tell();
    }

    show(index) {
      index = Math.min(Math.max(index, 0), this.last);
      if (index === this.at) return;
      const [boot, , , text, sector, , , more] = this.frames[index];
      this.isMapped = Boolean(more && more.mapped);
      this.paint(this.signs.at(index), sector, more && more.doing);
      if (this.at >= 0) this.lines[this.at].removeAttribute("aria-current");
      this.at = index;
      this.slider.value = index;
      this.slider.setAttribute("aria-valuetext", `boot ${boot}: ${text}`);
      this.tell();
      this.moment.replaceChildren(...(more && more.moment ? [drawMoment(more.moment)] : []));
      this.sayWords(boot);
      this.lines[index].setAttribute("aria-current", "true");
      keepInView(this.linesBox, this.lines[index]);
      this.choice.again();
    }

    paint(signs, sector, doing) {
      const [what, first, count] = doing || ["", -1, 0];
      for (const [at, cell] of this.cells) {
        const isBusy = at >= first && at < first + count;
        if (!this.shownSigns || this.shownSigns[at] !== signs[at]) cell.dataset.sign = signs[at];
        if (isBusy) cell.dataset.doing = what;
        else if (cell.dataset.doing) delete cell.dataset.doing;
        cell.classList.toggle("here", at === sector || isBusy);
      }
      this.shownSigns = signs;
      for (const [at, cell] of this.cells) {
        const text = this.sectorText(at);
        if (cell.title !== text) cell.title = text;
      }
    }

    tell() {
      const [boot, operation, kind, text, , , time] = this.frames[this.at];
      this.now.className = `now ${kind}`;
      const words = this.last ? [`moment ${this.at + 1} of ${this.frames.length}, boot ${boot}`] : ["now"];
      if (operation) words.push(`operation ${operation}`);
      if (time !== null) words.push(timeText(time));
      if (this.isMapped) words.push(`flash bank 2 is mapped at ${address(this.map.base)}`);
      this.now.replaceChildren(make("small", "", words.join(", ")), text);
    }

    /* What was said in this boot so far, the last 500 of it. */
    sayWords(boot) {
      const said = [];
      for (let at = this.at; at >= 0 && this.frames[at][0] === boot && said.length < 500; at--)
        if (this.frames[at][2] === "word") said.push(make("li", "", this.frames[at][3]));
      this.words.replaceChildren(...said.reverse());
      this.words.scrollTop = this.words.scrollHeight;
    }
  }

  function timeText(ms) {
    if (ms < 600000) return `${(ms / 1000).toFixed(3)} s`;
    const minutes = Math.floor(ms / 60000);
    return `${minutes < 600 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`} ${Math.floor(ms / 1000) % 60} s`;
  }

  function head(data) {
    const nodes = (data.notes || []).map(text => make("p", "note", text));
    if (data.facts && data.facts.length) {
      const facts = make("dl", "facts");
      for (const [name, value] of data.facts) {
        const entry = make("div");
        entry.append(make("dt", "", name), make("dd", "", value));
        facts.append(entry);
      }
      nodes.push(facts);
    }
    return nodes;
  }

  function drawSection({ heading, lines }) {
    const list = make("ul");
    list.append(...lines.map(text => make("li", "", text)));
    const section = titled(heading, list);
    section.className = "section";
    return section;
  }

  function titled(title, node) {
    const box = make("div"); // no heading: nobody knows its level on the page around
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", title);
    box.append(make("p", "title", title), node);
    return box;
  }

  function keepInView(box, line) {
    if (line.offsetTop < box.scrollTop) box.scrollTop = line.offsetTop;
    const below = line.offsetTop + line.offsetHeight - box.clientHeight;
    if (below > box.scrollTop) box.scrollTop = below;
  }

  function legend(isFilm) {
    const box = make("div", "signs");
    const entry = (mark, text) => {
      const span = make("span"), cell = make("i", "cell");
      mark(cell);
      span.append(cell, text);
      box.append(span);
    };
    for (const [sign, name] of SIGNS) entry(cell => { cell.dataset.sign = sign; }, name);
    if (isFilm) {
      for (const [doing, name] of Object.entries(DOING)) entry(cell => { cell.dataset.doing = doing; }, name);
      entry(cell => cell.classList.add("here"), "the operation at this moment");
    }
    return box;
  }

  /* What ran when power went, and what the flash held: stack, source or instructions, registers. */
  function drawMoment(moment) {
    const panes = make("div", "panes moment");
    const held = moment.flash.length ? [titled("Flash", make("pre", "held", moment.flash.join("\n")))] : [];
    if (moment.stack) {
      const stack = make("ol", "stack");
      stack.append(...moment.stack.map((text, at) => make("li", "", `${at ? "called from" : "in"} ${text}`)));
      panes.append(titled("Call stack", stack));
      const notes = make("div");
      notes.append(...moment.missing.map(text => make("p", "missing", text)));
      if (moment.source.length) panes.append(titled(moment.file, sourceLines(moment)));
      else panes.append(titled("Instructions", notes));
      if (moment.code.length) notes.append(codeLines(moment.code));
      const registers = make("dl", "registers");
      for (const [name, value] of moment.registers) {
        const entry = make("div");
        entry.append(make("dt", "", name), make("dd", "", value));
        registers.append(entry);
      }
      held.push(titled("Registers", registers));
    }
    panes.append(...held);
    return panes;
  }

  function numbered(rows) {
    const box = make("pre", "source");
    box.tabIndex = 0;
    for (const [label, text, marked] of rows) {
      const line = make("span", marked ? "marked" : "");
      if (marked) line.setAttribute("aria-current", "true");
      line.append(make("i", "", label), text);
      box.append(line, "\n");
    }
    return box;
  }

  function sourceLines(moment) {
    return numbered(moment.source.map(([number, text]) => [String(number), text, number === moment.marked]));
  }

  function codeLines(code) {
    return numbered(code.map(([place, bytes, text, next]) => [place, `${bytes.padEnd(12)} ${text}`, next]));
  }

  /* --- into a page */

  function mount(node, data) {
    node.classList.add("flash-player");
    const say = text => { node.replaceChildren(make("p", "note", text)); return null; };
    if (!data || !data.frames || !data.frames.length)
      return say(data && (data.reason || data.detail || data.title) || "There is nothing to be shown.");
    if ((data.format ?? FORMAT) !== FORMAT)
      return say(`The film has format ${data.format}, this page knows ${FORMAT}. Load the page again.`);
    try {
      return new Player(node, data);
    } catch (error) {
      return say(`The film is damaged and cannot be shown: ${error.message}`);
    }
  }

  class FlashPlayerElement extends HTMLElement {
    connectedCallback() {
      if (!this.dataset.asked && this.getAttribute("src")) this.load();
    }

    async load() {
      this.dataset.asked = "yes";
      this.classList.add("flash-player");
      this.setAttribute("aria-busy", "true");
      this.replaceChildren(make("p", "note", this.getAttribute("waiting") || "The film is being made \u2026"));
      let data;
      try {
        const answer = await fetch(this.getAttribute("src"), { headers: { Accept: "application/json" } });
        data = await answer.json();
      } catch (error) {
        data = { reason: `The film did not come: ${error.message}. Load the page again.` };
      }
      this.removeAttribute("aria-busy");
      mount(this, data);
    }
  }
  if (!customElements.get("flash-player")) customElements.define("flash-player", FlashPlayerElement);

  return { mount, make, number, sectorsOf, drawMap, makeChoosable };
})();
