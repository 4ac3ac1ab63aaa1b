"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const STEPS = 5;
const FOLD = 6; // so many sectors in a row that nothing happens to are drawn as one

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

/* Index, offset, size and label of every sector. */
function sectorsOf(data) {
  const sizes = data.sizes.flatMap(([count, size]) => Array(count).fill(size));
  const labels = data.labels.flatMap(([count, label]) => Array(count).fill(label));
  let offset = 0;
  return sizes.map((size, index) => {
    const sector = { index, offset, size, label: labels[index], place: address(data.base + offset) };
    offset += size;
    return sector;
  });
}

/* Cells by region; sectors that are not *shown* are folded where there are many in a row.
   Returns the map and the cells by index. */
function drawMap(sectors, shown, folded) {
  const map = make("div", "map");
  const cells = new Map();
  let at = 0;
  while (at < sectors.length) {
    const region = make("div", "region");
    const row = make("div", "cells");
    const label = sectors[at].label;
    if (label) region.append(make("b", "", label));
    while (at < sectors.length && sectors[at].label === label) {
      let end = at;
      while (end < sectors.length && sectors[end].label === label && !shown.has(end)) end++;
      if (end - at >= FOLD) {
        row.append(make("span", "gap", `${number(end - at)} sectors ${folded(at)}`));
        at = end;
        continue;
      }
      do {
        const cell = make("i", "cell");
        cell.dataset.index = at;
        cells.set(at, cell);
        row.append(cell);
        at++;
      } while (at < end);
    }
    region.append(row);
    map.append(region);
  }
  return [map, cells];
}

/* --- heat map */

function drawHeat(box, data) {
  const sectors = sectorsOf(data);
  const heat = new Map(data.heat.map(([index, violations, ...cuts]) =>
    [index, { violations, cuts, all: cuts.reduce((a, b) => a + b, 0) }]));
  const [map, cells] = drawMap(sectors, new Set(heat.keys()), () => "never cut");
  const tools = make("div", "tools");
  const choice = make("div");
  const legend = make("div", "legend");
  const readout = make("output", "readout", "Point at a sector, or choose one with the arrow keys.");
  const values = { cuts: each => each.all, violations: each => each.violations };
  const buttons = Object.keys(values).map(name => {
    const button = make("button", "", name);
    button.type = "button";
    button.addEventListener("click", () => paint(name));
    choice.append(button);
    return button;
  });
  map.tabIndex = 0;
  map.setAttribute("role", "group");
  map.setAttribute("aria-label", "Map of the sectors; arrow keys choose one; the table has the same numbers");

  function paint(name) {
    const value = values[name];
    const most = Math.max(0, ...[...heat.values()].map(value));
    const bounds = boundsUpTo(most);
    map.classList.toggle("violations", name === "violations");
    buttons.forEach(button => button.setAttribute("aria-pressed", String(button.textContent === name)));
    for (const [index, cell] of cells) {
      const count = heat.has(index) ? value(heat.get(index)) : 0;
      cell.dataset.step = count ? bounds.findIndex(bound => count <= bound) + 1 + (STEPS - bounds.length) : 0;
    }
    drawLegend(legend, bounds, name);
    legend.classList.toggle("violations", name === "violations");
  }

  let chosen = null;
  function choose(index) {
    if (!cells.has(index)) return;
    if (chosen !== null) cells.get(chosen).classList.remove("here");
    chosen = index;
    cells.get(index).classList.add("here");
    readout.textContent = heatText(sectors[index], heat.get(index), data.outcomes);
  }
  const indices = [...cells.keys()];
  for (const event of ["pointerover", "click"])
    map.addEventListener(event, at => {
      const cell = at.target.closest(".cell");
      if (cell) choose(Number(cell.dataset.index));
    });
  map.addEventListener("keydown", event => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = chosen === null ? 0 : indices.indexOf(chosen) + step;
    choose(indices[Math.min(Math.max(next, 0), indices.length - 1)]);
  });
  tools.append(choice, legend);
  box.append(tools, map, readout);
  paint("cuts");
}

/* Upper bounds of the steps, evenly on a logarithmic scale; fewer where counts are small. */
function boundsUpTo(most) {
  if (!most) return [];
  const all = Array.from({ length: STEPS }, (_, step) => Math.round(most ** ((step + 1) / STEPS)));
  return [...new Set(all)];
}

function drawLegend(legend, bounds, name) {
  const entry = (step, text) => {
    const span = make("span");
    const cell = make("i", "cell");
    cell.dataset.step = step;
    span.append(cell, text);
    return span;
  };
  const first = STEPS - bounds.length + 1;
  const ranges = bounds.map((bound, at) => {
    const from = at ? bounds[at - 1] + 1 : 1;
    return entry(first + at, from === bound ? number(bound) : `${number(from)}\u2013${number(bound)}`);
  });
  legend.replaceChildren(entry(0, "none"), ...ranges, make("span", "", name));
}

function heatText(sector, heat, outcomes) {
  const where = `${sector.place}, ${number(sector.size)} bytes${sector.label ? `, ${sector.label}` : ""}`;
  if (!heat) return `${where}: never cut`;
  const parts = outcomes.map((outcome, at) => `${outcome} ${number(heat.cuts[at])}`).join(", ");
  return `${where}: ${number(heat.all)} cuts (${parts}), ${number(heat.violations)} violations`;
}

/* --- films */

const SIGNS = [[".", "erased"], ["#", "programmed"], ["+", "partly programmed"], ["!", "spoilt by a cut"]];

class FilmView {
  constructor(box, data, film) {
    this.film = film;
    this.sectors = sectorsOf(data);
    this.signs = this.allSigns();
    this.at = -1;
    this.draw(box);
    this.show(0);
  }

  /* The signs of all sectors in every frame. */
  allSigns() {
    let signs = Array(this.sectors.length).fill(".");
    return this.film.map(([, , , , , changes]) => {
      if (changes.length) signs = signs.slice();
      for (const [first, text] of changes) [...text].forEach((sign, at) => { signs[first + at] = sign; });
      return signs;
    });
  }

  draw(box) {
    const shown = new Set();
    this.film.forEach(([, , , , at, changes], frame) => {
      if (at >= 0) shown.add(at);
      if (frame) for (const [first, text] of changes) for (let i = 0; i < text.length; i++) shown.add(first + i);
    });
    const names = Object.fromEntries(SIGNS);
    let map;
    [map, this.cells] = drawMap(this.sectors, shown, index => this.foldedName(index, names, shown));
    this.slider = make("input");
    Object.assign(this.slider, { type: "range", min: 0, max: this.film.length - 1, value: 0, step: 1 });
    this.slider.setAttribute("aria-label", "Moment");
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value)));
    this.now = make("div", "now");
    this.moment = make("div");
    this.words = make("ol", "words");
    this.frames = make("ol", "frames");
    this.lines = this.film.map((frame, index) => this.line(frame, index));
    this.frames.append(...this.lines);
    const panes = make("div", "panes");
    panes.append(titled("What happens", this.frames));
    if (this.film.some(frame => frame[2] === "word")) panes.append(titled("What the subject says, in this boot", this.words));
    box.append(this.tools(), this.ticks(), this.slider, this.now, this.moment, map, signLegend(), panes);
    box.addEventListener("keydown", event => this.key(event));
  }

  foldedName(index, names, shown) {
    const kinds = new Set();
    for (let at = index; at < this.sectors.length && this.sectors[at].label === this.sectors[index].label && !shown.has(at); at++)
      kinds.add(names[this.signs[0][at]]);
    return `${[...kinds].join(" or ")}, untouched`;
  }

  tools() {
    const tools = make("div", "tools");
    const group = make("div");
    const jump = (text, target) => {
      const button = make("button", "", text);
      button.type = "button";
      button.addEventListener("click", () => this.show(target()));
      group.append(button);
    };
    jump("Back", () => this.at - 1);
    jump("Next", () => this.at + 1);
    jump("Next cut", () => {
      const next = this.film.findIndex(([, , kind], index) => index > this.at && (kind === "cut" || kind === "violation"));
      return next < 0 ? this.film.length - 1 : next;
    });
    jump("Start", () => 0);
    jump("End", () => this.film.length - 1);
    tools.append(group, make("span", "legend", "arrow keys move, too"));
    return tools;
  }

  ticks() {
    const ticks = make("div", "ticks");
    ticks.setAttribute("aria-hidden", "true");
    const percent = index => `${100 * index / Math.max(1, this.film.length - 1)}%`;
    const starts = this.film.flatMap(([, , kind], index) => kind === "boot" ? [index] : []);
    starts.forEach((start, at) => {
      const boot = make("span", "stretch", `boot ${at + 1}`);
      boot.style.left = percent(start);
      boot.style.width = percent((starts[at + 1] ?? this.film.length - 1) - start);
      ticks.append(boot);
    });
    this.film.forEach(([, , kind], index) => {
      if (kind !== "cut" && kind !== "violation") return;
      const tick = make("i", `tick ${kind}`);
      tick.style.left = percent(index);
      ticks.append(tick);
    });
    return ticks;
  }

  line([boot, , kind, text], index) {
    const line = make("li", kind === "boot" ? "boot-line" : kind, kind === "boot" ? `boot ${boot}` : text);
    line.addEventListener("click", () => this.show(index));
    return line;
  }

  key(event) {
    if (event.target === this.slider) return;
    const target = { ArrowRight: this.at + 1, ArrowLeft: this.at - 1, Home: 0, End: this.film.length - 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    this.show(target);
  }

  show(index) {
    index = Math.min(Math.max(index, 0), this.film.length - 1);
    const [boot, operation, kind, text, sector, , moment] = this.film[index];
    const before = this.at < 0 ? null : this.signs[this.at];
    const signs = this.signs[index];
    for (const [at, cell] of this.cells) {
      if (!before || before[at] !== signs[at]) {
        cell.dataset.sign = signs[at];
        cell.title = `${this.sectors[at].place}: ${SIGNS.find(([sign]) => sign === signs[at])[1]}`;
      }
      cell.classList.toggle("here", at === sector);
    }
    if (this.at >= 0) this.lines[this.at].removeAttribute("aria-current");
    this.at = index;
    this.slider.value = index;
    this.slider.setAttribute("aria-valuetext", `boot ${boot}: ${text}`);
    this.now.className = `now ${kind}`;
    const where = `moment ${index + 1} of ${this.film.length}, boot ${boot}${operation ? `, operation ${operation}` : ""}`;
    this.now.replaceChildren(make("small", "", where), text);
    this.moment.replaceChildren(...(moment ? [drawMoment(moment)] : []));
    const said = this.film.slice(0, index + 1).filter(frame => frame[0] === boot && frame[2] === "word");
    this.words.replaceChildren(...said.map(frame => make("li", "", frame[3])));
    this.words.scrollTop = this.words.scrollHeight;
    this.lines[index].setAttribute("aria-current", "true");
    keepInView(this.frames, this.lines[index]);
  }
}

function titled(title, node) {
  const box = make("div");
  box.append(make("h4", "", title), node);
  return box;
}

function keepInView(box, line) {
  if (line.offsetTop < box.scrollTop) box.scrollTop = line.offsetTop;
  const below = line.offsetTop + line.offsetHeight - box.clientHeight;
  if (below > box.scrollTop) box.scrollTop = below;
}

function signLegend() {
  const legend = make("div", "legend");
  for (const [sign, name] of SIGNS) {
    const entry = make("span");
    const cell = make("i", "cell");
    cell.dataset.sign = sign;
    entry.append(cell, name);
    legend.append(entry);
  }
  const here = make("span");
  here.append(make("i", "cell here"), "the operation at this moment");
  legend.append(here);
  return legend;
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

/* --- the page */

function drawResult(section) {
  if (section.dataset.drawn) return;
  section.dataset.drawn = "yes";
  const data = DATA[section.dataset.index];
  const heat = section.querySelector(".heat");
  if (heat) drawHeat(heat, data);
  section.querySelectorAll(".film").forEach(box => new FilmView(box, data, data.films[box.dataset.film]));
}

function copyText(text) {
  const area = make("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

async function copy(button) {
  const text = button.dataset.text;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyText(text);
  }
  const before = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
}

function filter() {
  const text = document.getElementById("filter").value.toLowerCase();
  const only = document.getElementById("unexpected").checked;
  document.querySelectorAll(".summary tbody tr").forEach(row => {
    const fits = row.textContent.toLowerCase().includes(text);
    row.hidden = !fits || (only && row.dataset.tone === "good");
  });
}

function openTarget() {
  const section = document.getElementById(location.hash.slice(1));
  const details = section && section.querySelector("details");
  if (!details) return;
  details.open = true;
  section.scrollIntoView();
}

document.querySelectorAll(".result").forEach(section => {
  const details = section.querySelector("details");
  if (details.open) drawResult(section);
  details.addEventListener("toggle", () => details.open && drawResult(section));
});
document.querySelectorAll(".copy").forEach(button => {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
});
document.querySelector(".filter").hidden = DATA.length < 4;
["filter", "unexpected"].forEach(id => document.getElementById(id).addEventListener("input", filter));
addEventListener("hashchange", openTarget);
openTarget();
