// Makes a part of a page what a fresh one is, and touches nothing that is the same already: what has
// the focus keeps it, what was opened or scrolled stays so. Children with data-key are found by it.

const KEPT = new Set(["open"]); // attributes that are the reader's

export function morph(old, fresh) {
  if (old.hasAttribute("data-still")) return; // whoever made it sees to it
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !KEPT.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !KEPT.has(name)) old.setAttribute(name, value);
  }
  children(old, fresh);
}

const keyOf = (node) => node.dataset?.key;

function isLike(old, fresh) {
  return old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && keyOf(old) === keyOf(fresh);
}

function children(parent, fresh) {
  const keyed = new Map();
  for (const node of parent.children) if (keyOf(node)) keyed.set(keyOf(node), node);
  let at = parent.firstChild;
  for (const node of [...fresh.childNodes]) {
    const found = keyOf(node) ? keyed.get(keyOf(node)) : at;
    if (!found || !isLike(found, node)) {
      parent.insertBefore(document.importNode(node, true), at);
      continue;
    }
    if (found === at) at = at.nextSibling;
    else parent.insertBefore(found, at);
    if (found.isEqualNode(node)) continue;
    if (found.nodeType === Node.ELEMENT_NODE) morph(found, node);
    else found.nodeValue = node.nodeValue;
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}
