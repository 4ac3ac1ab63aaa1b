// Every page: says when the center file has changed on disk since the page was made.

import { listen } from "./events.js";

const SETTLED_MS = 700; // the server looks a few times a second: what it says first may be older than the page

const notice = document.getElementById("changed");
let newest = null;
let timer = 0;

function withoutSaid(search) {
  const query = new URLSearchParams(search);
  query.delete("said");
  const text = query.toString();
  return text ? `?${text}` : "";
}

function reload() {
  document.dispatchEvent(new CustomEvent("leaving"));
  location.assign(location.pathname + withoutSaid(location.search));
}

function say(title, text) {
  const words = document.createElement("div");
  const strong = document.createElement("b");
  strong.textContent = title;
  words.append(strong, ` ${text}`);
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Reload";
  button.addEventListener("click", reload);
  notice.replaceChildren(words, button);
  notice.hidden = false;
}

function look() {
  const file = notice.dataset.file;
  const isTyped = document.querySelector("form[data-dirty]") !== null;
  if (newest.fault && notice.dataset.fault) {
    notice.hidden = true; // the page says so itself
  } else if (newest.fault) {
    say(`${file} is not good as it stands on disk.`, newest.fault);
  } else if (notice.dataset.fault || newest.revision !== notice.dataset.revision) {
    say(`${file} has changed on disk.`, isTyped
      ? "What you typed stays, and saving it overwrites nothing unseen. Reloading drops it."
      : "This page shows what it was.");
  } else {
    notice.hidden = true;
  }
}

// The second click of a double click does nothing: what stands there by then may do the opposite.
document.addEventListener("click", (event) => {
  if (event.detail > 1 && event.target.closest?.("form button:not([type=button])")) event.preventDefault();
}, true);

// What was done a moment ago is not done again by a reload.
if (new URLSearchParams(location.search).has("said")) {
  history.replaceState(null, "", location.pathname + withoutSaid(location.search));
}

if (notice.dataset.revision) {
  listen("center", (center) => {
    newest = center;
    clearTimeout(timer);
    timer = setTimeout(look, SETTLED_MS);
  });
}

document.getElementById("summary")?.focus();
