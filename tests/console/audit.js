// What is wrong with a page as it is drawn now: for people who see little, or who have a keyboard only.
const found = [];
const name = (element) => `<${element.tagName.toLowerCase()} ${element.id || element.name || element.className}> ${(element.textContent || "").trim().slice(0, 40)}`;
const isShown = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })
  && element.getClientRects().length > 0 && !element.closest(".unseen, .skip");

// --- sideways
if (document.documentElement.scrollWidth > innerWidth) {
  for (const element of document.querySelectorAll("body *")) {
    if (element.getBoundingClientRect().right > innerWidth + 1 && isShown(element)) { found.push(`too wide: ${name(element)}`); break; }
  }
  found.push(`scrolls sideways: ${document.documentElement.scrollWidth} > ${innerWidth}`);
}

for (const part of document.querySelectorAll(".table")) {
  if (isShown(part) && part.scrollWidth > part.clientWidth + 1) found.push(`cut: ${part.scrollWidth} > ${part.clientWidth} ${name(part)}`);
}

// --- names
for (const field of document.querySelectorAll("input, select, textarea")) {
  if (field.type === "hidden" || !isShown(field)) continue;
  if (!field.labels?.length && !field.getAttribute("aria-label")) found.push(`no label: ${name(field)}`);
}
for (const button of document.querySelectorAll("button, a, summary")) {
  if (isShown(button) && !button.textContent.trim() && !button.getAttribute("aria-label")) found.push(`no name: ${name(button)}`);
}
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
for (const id of new Set(ids.filter((one, at) => ids.indexOf(one) !== at))) found.push(`id twice: ${id}`);
let level = 0;
for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
  const own = Number(heading.tagName[1]);
  if (own > level + 1) found.push(`heading leaps: ${name(heading)}`);
  level = own;
}

// --- contrast
const channels = (text) => {
  const parts = text.match(/[\d.]+/g).map(Number);
  return parts.length < 4 ? [...parts, 1] : parts;
};
const over = (top, below) => top.slice(0, 3).map((value, at) => value * top[3] + below[at] * (1 - top[3]));
const ground = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    const colour = channels(getComputedStyle(at).backgroundColor);
    if (colour[3]) layers.push(colour);
    if (colour[3] === 1) break;
  }
  return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
};
const light = (colour) => {
  const [red, green, blue] = colour.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const contrast = (one, other) => {
  const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let texts = 0;
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !isShown(element) || element.closest(":disabled, option, script, .stale")) continue;
  texts += 1;
  const box = element.getBoundingClientRect();
  const size = parseFloat(getComputedStyle(element).fontSize);
  if (box.width < 2 * size && box.height > 5 * size) found.push(`squeezed: ${name(element)}`);
  const below = ground(element);
  const ratio = contrast(over(channels(getComputedStyle(element).color), below), below);
  if (ratio < 4.5) found.push(`contrast ${ratio.toFixed(2)}: ${name(element)}`);
}
for (const field of document.querySelectorAll("input, select, textarea, button")) {
  if (!isShown(field) || ["hidden", "file", "checkbox", "radio"].includes(field.type) || field.disabled || field.readOnly) continue;
  const style = getComputedStyle(field);
  const edge = contrast(over(channels(style.borderTopColor), ground(field)), ground(field.parentElement));
  const back = contrast(ground(field), ground(field.parentElement));
  if (Math.max(edge, back) < 3 && parseFloat(style.borderTopWidth)) found.push(`edge ${edge.toFixed(2)}: ${name(field)}`);
}

// --- focus
const before = document.activeElement;
for (const element of document.querySelectorAll("a[href], button, input, select, textarea, summary")) {
  if (!isShown(element) || element.disabled || element.type === "hidden") continue;
  element.focus({ focusVisible: true, preventScroll: true });
  const style = getComputedStyle(element);
  if (document.activeElement === element && (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2)) found.push(`no focus to be seen: ${name(element)}`);
}
before?.focus?.({ preventScroll: true });
return { found, texts };
