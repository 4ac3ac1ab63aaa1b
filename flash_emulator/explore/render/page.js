"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const STEPS = 5;

const { make, number } = FlashPlayer;

/* --- heat map */

function drawHeat(box, data) {
  const sectors = FlashPlayer.sectorsOf(data.map);
  const heat = new Map(data.heat.map(([index, violations, ...cuts]) =>
    [index, { violations, cuts, all: cuts.reduce((a, b) => a + b, 0) }]));
  const [map, cells] = FlashPlayer.drawMap(data.map, sectors, new Set(heat.keys()), () => "never cut");
  const tools = make("div", "tools");
  const choice = make("div");
  const legend = make("div", "legend");
  const values = { cuts: each => each.all, violations: each => each.violations };
  const buttons = Object.keys(values).map(name => {
    const button = make("button", "", name);
    button.type = "button";
    button.addEventListener("click", () => paint(name));
    choice.append(button);
    return button;
  });
  const { readout } = FlashPlayer.makeChoosable(
    map, cells, "Map of the sectors; arrow keys choose one; the table has the same numbers",
    index => heatText(sectors[index], heat.get(index), data.outcomes));

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

/* --- the page */

function drawResult(section) {
  if (section.dataset.drawn) return;
  section.dataset.drawn = "yes";
  const data = DATA[section.dataset.index];
  const heat = section.querySelector(".heat");
  if (heat) drawHeat(heat, data);
  section.querySelectorAll(".film").forEach(box => FlashPlayer.mount(box, { map: data.map, frames: data.films[box.dataset.film] }));
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
