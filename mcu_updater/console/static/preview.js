// Beside the form of a plan: who would be offered it, as it is typed; and the product's components.

const form = document.getElementById("plan");
const list = document.getElementById("preview");
const PAUSE_MS = 250;
let timer = 0;
let request = null;

function body() {
  return new URLSearchParams([...new FormData(form)]);
}

async function ask() {
  request?.abort();
  request = new AbortController();
  const own = request;
  list.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(form.dataset.preview, { method: "POST", body: body(), signal: own.signal });
    if (!answer.ok) throw new Error(answer.statusText);
    show(await answer.text());
  } catch (error) {
    if (error.name !== "AbortError") list.classList.add("stale");
  } finally {
    if (own === request) list.removeAttribute("aria-busy");
  }
}

// What was opened stays open, and the keyboard stays where it was.
function show(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const open = new Set([...list.querySelectorAll("li[data-why]:has(details[open])")].map((item) => item.dataset.why));
  const at = document.activeElement?.closest?.("li[data-why]")?.dataset.why;
  if (page.querySelector("[data-why]") === null && list.querySelector("[data-why]")) {
    list.querySelector(".not-shown")?.remove();
    const words = document.importNode(page.body.lastElementChild, true);
    words.classList.add("not-shown");
    list.querySelector("h2").after(words);
    list.classList.add("stale");
    return;
  }
  list.replaceChildren(...document.importNode(page.body, true).childNodes);
  list.classList.remove("stale");
  for (const item of list.querySelectorAll("li[data-why]")) {
    item.querySelector("details").open = open.has(item.dataset.why);
    if (item.dataset.why === at) item.querySelector("summary").focus();
  }
}

// The components are the server's: of another product the whole form comes anew, with what was typed.
async function components() {
  const data = body();
  data.set("do", "show");
  const answer = await fetch(form.action, { method: "POST", body: data });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("upgrades");
  if (fresh) document.getElementById("upgrades").replaceWith(document.importNode(fresh, true));
  ask();
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(ask, PAUSE_MS);
}

form.addEventListener("input", later);
form.addEventListener("change", (event) => (event.target.name === "product" ? components() : later()));
