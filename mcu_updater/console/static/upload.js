// Files of a version package: dropped or chosen, checked before they are sent, sent with progress.

import { start as startForms } from "./forms.js";

const SIZES = ["B", "KiB", "MiB", "GiB"];

function size(bytes) {
  let at = 0;
  while (bytes >= 1024 && at < SIZES.length - 1) { bytes /= 1024; at += 1; }
  return `${at ? bytes.toFixed(1) : bytes} ${SIZES[at]}`;
}

function fault(form, file) {
  const suffixes = form.dataset.suffixes.split(" ");
  const largest = Number(form.dataset.largest);
  if (!suffixes.some((suffix) => file.name.toLowerCase().endsWith(suffix))) return "the platform takes no such file";
  if (file.size === 0) return "the file is empty";
  return file.size > largest ? `too large: at most ${size(largest)}` : "";
}

function start(form) {
  const input = form.elements.files;
  const zone = form.querySelector("[data-drop-zone]");
  const list = form.querySelector("[data-list]");
  let files = [...input.files];

  const put = (found) => {
    files = found;
    const transfer = new DataTransfer();
    for (const file of files) transfer.items.add(file);
    input.files = transfer.files;
    draw();
    form.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const add = (found) => {
    const names = new Set(found.map((file) => file.name));
    put([...files.filter((file) => !names.has(file.name)), ...found]);
  };
  const draw = () => {
    list.replaceChildren(...files.map((file) => line(form, file, () => put(files.filter((one) => one !== file)))));
    const most = Number(form.dataset.most);
    const kept = form.querySelectorAll('input[name="keep"]:checked').length;
    const bad = files.some((file) => fault(form, file)) || files.length + kept > most;
    input.setCustomValidity(bad ? "Take away what cannot be uploaded" : "");
    if (files.length + kept > most) list.append(wrong(`At most ${most} files: take ${files.length + kept - most} away.`));
  };

  input.addEventListener("change", () => add([...input.files]));
  form.addEventListener("change", (event) => { if (event.target.name === "keep") draw(); });
  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
  }
  zone.addEventListener("dragleave", (event) => { if (!zone.contains(event.relatedTarget)) zone.classList.remove("over"); });
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    add([...event.dataTransfer.files]);
  });
  form.addEventListener("submit", (event) => { event.preventDefault(); send(form, files, event.submitter); });
  draw();
}

function wrong(text) {
  const line = document.createElement("li");
  const words = document.createElement("span");
  words.className = "wrong";
  words.textContent = text;
  line.append(words);
  return line;
}

function line(form, file, take) {
  const item = document.createElement("li");
  const name = document.createElement("b");
  name.textContent = file.name;
  const bytes = document.createElement("span");
  bytes.textContent = size(file.size);
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Remove";
  button.setAttribute("aria-label", `Remove ${file.name}`);
  button.addEventListener("click", () => { take(); form.elements.files.focus(); });
  item.append(name, bytes, button);
  const text = fault(form, file);
  if (text) item.append(...wrong(text).childNodes);
  return item;
}

function send(form, files, submitter) {
  const data = new FormData(form, submitter);
  const request = new XMLHttpRequest();
  const box = form.querySelector("[data-progress]");
  const bar = box.querySelector("progress");
  const said = box.querySelector("[data-said]");
  const buttons = form.querySelectorAll(".foot button");
  const busy = (is) => { for (const button of buttons) button.disabled = is; box.hidden = !is; };
  const failed = (text) => {
    busy(false);
    box.hidden = false;
    said.textContent = `${text} What you typed and chose is still here. Whether it was saved is not known: look at the version packages, or try again.`;
    delete form.dataset.leaving;
  };
  request.upload.addEventListener("progress", (event) => {
    bar.value = event.loaded / event.total;
    said.textContent = event.loaded < event.total
      ? `Uploading: ${size(event.loaded)} of ${size(event.total)}` : "Uploaded; it is checked now.";
  });
  request.addEventListener("load", () => answer(files, request));
  request.addEventListener("error", () => failed("The server does not answer."));
  request.addEventListener("abort", () => failed("The upload was given up."));
  request.open("POST", form.action);
  request.responseType = "document";
  delete form.dataset.leaving; // it is still here until all is sent
  busy(true);
  said.textContent = "Uploading";
  request.send(data);
}

function answer(files, request) {
  const page = request.responseXML;
  if (new URL(request.responseURL).searchParams.has("said")) {
    document.dispatchEvent(new CustomEvent("leaving"));
    location.assign(request.responseURL);
    return;
  }
  const main = document.getElementById("main");
  main.replaceChildren(...document.importNode(page.getElementById("main"), true).childNodes);
  document.title = page.title;
  startForms(main);
  const again = main.querySelector("form[data-upload]");
  if (again) {
    const transfer = new DataTransfer();
    for (const file of files) transfer.items.add(file);
    again.elements.files.files = transfer.files;
    start(again);
  }
  (document.getElementById("summary") ?? main).focus();
}

for (const form of document.querySelectorAll("form[data-upload]")) start(form);
