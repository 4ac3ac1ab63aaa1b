// Monitoring pages: kept up to date while devices upgrade, twice a second at most; filters and the
// drawer without a new page.

import { listen } from "./events.js";
import { morph } from "./morph.js";

const PAUSE_MS = 500;
const TYPING_MS = 250;
const WIDE = matchMedia("(min-width: 66rem)");
const live = document.getElementById("live");
const drawer = document.getElementById("drawer");
const form = document.getElementById("filter");

let last = 0; // when the last look began
let timer = 0;
let running = null;
let isStale = false;

// --- what is shown, and that it is so still

function own(search = location.search) {
  const query = new URLSearchParams(search);
  query.set("fragment", "1");
  return `${location.pathname}?${query}`;
}

async function look() {
  timer = 0;
  last = performance.now();
  isStale = false;
  const asked = new AbortController();
  running = asked;
  try {
    const answer = await fetch(own(), { signal: asked.signal });
    if (!answer.ok) throw new Error(`${answer.status}`);
    show(await answer.text());
    say("live", "");
  } catch (error) {
    if (error.name !== "AbortError") say("lost", "What is shown is not up to date; it is asked again in a moment.");
    if (error.name !== "AbortError") isStale = true;
  } finally {
    if (running === asked) running = null;
    if (isStale) later();
  }
}

function show(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    if (fresh && part.isConnected) update(part, fresh);
  }
  const time = document.querySelector("#banners time"); // simulated: it goes on with the devices
  if (time) time.textContent = page.querySelector("[data-now]")?.textContent ?? time.textContent;
}

function update(part, fresh) {
  if (part.id === "drawer") fresh.setAttribute("data-live", "");
  if (part.id === "drawer") fresh.setAttribute("aria-label", "Device");
  if (!part.isEqualNode(fresh)) morph(part, fresh);
}

// A burst of events is one look; the next comes half a second later.
function later() {
  isStale = true;
  if (running || timer) return;
  timer = setTimeout(look, Math.max(0, last + PAUSE_MS - performance.now()));
}

function now() {
  running?.abort();
  clearTimeout(timer);
  return look();
}

function concerns(line) {
  const counts = document.getElementById("plan-counts");
  const alone = drawer === null ? document.getElementById("device")?.dataset.device : undefined;
  if (alone !== undefined) return line.device === alone || line.device === "";
  return !counts || line.plan === counts.dataset.plan || line.plan === "" || line.device === chosen();
}

function say(kind, text) {
  live.hidden = text === "" && kind !== "live";
  live.classList.toggle("lost", kind === "lost");
  const words = text || "Live";
  if (live.textContent !== words) live.textContent = words;
}

let wasLost = false;
listen("log", (line) => concerns(line) && later());
listen("plans", later);
listen("center", later);
listen("reset", later);
listen("open", () => {
  if (wasLost) say("live", "Connected again.");
  wasLost = false;
  later();
});
listen("lost", () => {
  wasLost = true;
  say("lost", "The connection is lost; it is tried again every second.");
});

// --- other filters, other pages

function go(search) {
  history.pushState(null, "", location.pathname + search);
  return now();
}

function fill() {
  const query = new URLSearchParams(location.search);
  for (const field of form?.elements ?? []) if (field.name) field.value = query.get(field.name) ?? "";
}

function typed() {
  const query = new URLSearchParams(new FormData(form));
  for (const [name, value] of [...query]) if (!value.trim()) query.delete(name);
  if (chosen()) query.set("device", chosen());
  history.replaceState(null, "", `${location.pathname}?${query}`);
  now();
}

let typing = 0;
form?.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(typed, TYPING_MS);
});
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  typed();
});
addEventListener("popstate", () => {
  fill();
  now();
});

// --- the drawer

const chosen = () => new URLSearchParams(location.search).get("device");

function choose(device) {
  const query = new URLSearchParams(location.search);
  if (device) query.set("device", device);
  else query.delete("device");
  return go(`?${query}`);
}

async function open(device) {
  await choose(device);
  drawer.scrollTop = 0;
  drawer.querySelector("h1")?.focus({ preventScroll: true });
}

async function close() {
  const link = document.querySelector(`a[data-device="${CSS.escape(chosen() ?? "")}"]`);
  await choose(null);
  link?.focus({ preventScroll: true });
}

function clicked(event) {
  const link = event.target.closest?.("a[data-soft], a[data-device], [data-close]");
  const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button);
  if (!link || !isPlain) return;
  if (link.matches("[data-close]")) close();
  else if (link.matches("[data-soft]")) soft(link);
  else if (WIDE.matches && drawer) open(link.dataset.device);
  else return;
  event.preventDefault();
}

async function soft(link) {
  const query = new URLSearchParams(new URL(link.href).search);
  if (chosen()) query.set("device", chosen());
  await go(`?${query}`);
  fill();
}

document.addEventListener("click", clicked);
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && drawer?.contains(document.activeElement)) close();
});

// --- what the owner does, and the film

let isActing = false; // the key of a button may be held down

document.addEventListener("submit", async (event) => {
  if (!event.target.matches("form[data-act]")) return;
  event.preventDefault();
  if (isActing) return;
  isActing = true;
  try {
    await act(event);
  } finally {
    isActing = false;
  }
});

async function act(event) {
  const body = new URLSearchParams(new FormData(event.target, event.submitter));
  const answer = await fetch(`${event.target.getAttribute("action")}?fragment=1`, { method: "POST", body });
  if (!answer.ok) return told(await answer.text());
  document.getElementById("told").hidden = true;
  await now();
}

function told(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const place = document.getElementById("told");
  place.textContent = page.querySelector("main .card p")?.textContent ?? "It could not be done.";
  place.hidden = false;
}

document.addEventListener("toggle", (event) => {
  const film = event.target.dataset?.film;
  const place = event.target.querySelector?.("[data-still]");
  if (!film || !event.target.open || place.firstChild) return;
  const player = document.createElement("flash-player");
  player.setAttribute("src", film);
  place.append(player);
}, true);
