// Forms: what was typed is not left unsaved by mistake; rows that come and go; counts while typing.

/** Makes the forms within *root* work. Called again for a form that came with an answer. */
export function start(root) {
  for (const form of root.querySelectorAll("form[data-guard]")) guard(form);
  for (const area of root.querySelectorAll("textarea[data-count]")) count(area);
  for (const area of root.querySelectorAll("textarea[data-ids]")) countIds(area);
  for (const button of root.querySelectorAll("button[data-add]")) rows(root, button);
  for (const part of root.querySelectorAll("[data-delta]")) delta(part);
  for (const item of root.querySelectorAll(".without-script")) item.hidden = true;
  for (const item of root.querySelectorAll("[data-with-script]")) item.hidden = false;
}

function snapshot(form) {
  return new URLSearchParams([...new FormData(form)].map(([name, value]) =>
    [name, value instanceof File ? `${value.name} ${value.size}` : value])).toString();
}

function guard(form) {
  const before = snapshot(form);
  const always = form.dataset.guard === "always" || form.closest("main").querySelector("#summary");
  const look = () => form.toggleAttribute("data-dirty", Boolean(always) || snapshot(form) !== before);
  look();
  form.addEventListener("input", look);
  form.addEventListener("change", look);
  form.addEventListener("submit", () => { form.dataset.leaving = "yes"; });
  const leave = () => { form.dataset.leaving = "yes"; };
  document.addEventListener("leaving", leave);
  for (const link of form.querySelectorAll("[data-leave]")) link.addEventListener("click", leave);
}

addEventListener("beforeunload", (event) => {
  const left = [...document.querySelectorAll("form[data-dirty]")].some((form) => !form.dataset.leaving);
  if (left) event.preventDefault();
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-leaving]")) delete form.dataset.leaving;
});

function beside(area) {
  const line = document.createElement("span");
  line.className = "hint";
  area.parentElement.append(line);
  return line;
}

function count(area) {
  const most = Number(area.dataset.count);
  const hint = area.parentElement.querySelector(".hint");
  const line = hint ?? beside(area);
  const show = () => { line.textContent = `${[...area.value].length} of ${most} characters.`; };
  area.addEventListener("input", show);
  show();
}

function countIds(area) {
  const line = beside(area);
  const show = () => {
    const ids = area.value.split(/[\s,;]+/).filter(Boolean);
    const seen = new Set();
    const twice = [...new Set(ids.filter((id) => seen.has(id) || !seen.add(id)))];
    const bad = ids.filter((id) => !/^[!-~]{1,64}$/.test(id));
    const parts = [`${ids.length} device${ids.length === 1 ? "" : "s"}`];
    if (twice.length) parts.push(`twice: ${twice.slice(0, 3).join(", ")}`);
    if (bad.length) parts.push(`no device id: ${bad.slice(0, 3).join(", ")}`);
    line.textContent = ids.length ? parts.join("; ") : "";
    line.classList.toggle("wrong", twice.length + bad.length > 0);
  };
  area.addEventListener("input", show);
  show();
}

function rows(root, button) {
  const name = button.dataset.add;
  const list = root.querySelector(`[data-rows="${name}"]`);
  const template = root.querySelector(`template[data-row="${name}"]`);
  const drops = () => {
    const all = list.querySelectorAll("[data-drop]");
    for (const drop of all) drop.hidden = all.length === 1;
  };
  spare(list);
  let next = list.children.length;
  button.hidden = false;
  button.addEventListener("click", () => {
    const holder = document.createElement("template");
    holder.innerHTML = template.innerHTML.replaceAll(".NEW.", `.${next}.`);
    next += 1;
    list.append(holder.content);
    drops();
    list.lastElementChild.querySelector("input").focus();
  });
  list.addEventListener("click", (event) => {
    const drop = event.target.closest("[data-drop]");
    if (!drop) return;
    const row = drop.closest("li");
    const neighbour = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    drops();
    neighbour?.querySelector("input").focus();
    list.dispatchEvent(new Event("change", { bubbles: true }));
  });
  drops();
}

// Empty rows at the end are for browsers without scripts.
function spare(list) {
  const isEmpty = (row) => ![...row.querySelectorAll("input")].some((input) => input.value);
  while (list.children.length > 1 && isEmpty(list.lastElementChild)) list.lastElementChild.remove();
}

function delta(part) {
  const form = part.closest("form");
  const show = () => {
    const isDelta = form.elements.kind.value === "delta";
    part.hidden = !isDelta;
    for (const input of part.querySelectorAll("input")) input.disabled = !isDelta;
  };
  form.addEventListener("change", show);
  show();
}

start(document);
