// One stream of events for a page, whoever of its modules listens. A tab that nobody sees closes its
// stream, for browsers keep few connections to one server, and goes on where it was when it is seen.

const handlers = new Map();
let source = null;
let last = "";

/** Calls *handler* with the data of every event of that *kind*, and with its id. */
export function listen(kind, handler) {
  if (!handlers.has(kind)) handlers.set(kind, []);
  handlers.get(kind).push(handler);
  source?.close();
  source = null;
  queueMicrotask(open);
}

function address() {
  const query = new URLSearchParams();
  if (!handlers.has("log")) query.set("device", "-"); // nobody reads lines of the log here
  else if (last) query.set("after", last);
  return `/api/events?${query}`;
}

function open() {
  if (source || document.hidden || !handlers.size) return;
  source = new EventSource(address());
  source.addEventListener("open", () => tell("open", null, ""));
  source.addEventListener("error", () => tell("lost", null, ""));
  for (const kind of handlers.keys()) {
    if (kind === "open" || kind === "lost") continue;
    source.addEventListener(kind, (event) => {
      if (event.lastEventId) last = event.lastEventId;
      tell(kind, JSON.parse(event.data), event.lastEventId);
    });
  }
}

function tell(kind, data, id) {
  for (const handler of handlers.get(kind) ?? []) handler(data, id);
}

function close() {
  source?.close();
  source = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
addEventListener("pagehide", close);
addEventListener("pageshow", open);
