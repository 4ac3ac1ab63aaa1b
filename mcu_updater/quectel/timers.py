"""Named moments in explicit time. What will fire next is data, so that it can be saved."""

from __future__ import annotations

from collections.abc import Hashable, Mapping


class Timers:
    """At most one moment per name; times in seconds."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s
        self._due_s: dict[str, float] = {}

    def start(self, name: str, after_s: float | None) -> None:
        """(Re)start; None: it never fires."""
        if after_s is not None:
            self._due_s[name] = self.now_s + after_s

    def stop(self, *names: str) -> None:
        for name in names:
            self._due_s.pop(name, None)

    def stop_all(self) -> None:
        self._due_s.clear()

    def runs(self, name: str) -> bool:
        return name in self._due_s

    def next_s(self) -> float | None:
        return min(self._due_s.values(), default=None)

    def pop_due(self, now_s: float) -> str | None:
        """The next name that is due by *now_s*, with the time set to its moment."""
        due_s = self.next_s()
        if due_s is None or due_s > now_s:
            self.now_s = max(self.now_s, now_s)
            return None
        name = next(name for name, at_s in self._due_s.items() if at_s == due_s)
        del self._due_s[name]
        self.now_s = max(self.now_s, due_s)
        return name

    def memory(self, now_s: float) -> Hashable:
        """What will fire next, in its order, and in how many milliseconds from *now_s*."""
        due = sorted(self._due_s.items(), key=lambda named: named[1])
        return tuple([(name, round(1000 * (due_s - now_s))) for name, due_s in due])

    def order(self) -> tuple[str, ...]:
        """Names in the order in which they will fire."""
        return tuple(sorted(self._due_s, key=lambda name: self._due_s[name]))

    def save(self, now_s: float) -> dict[str, float]:
        return {name: due_s - now_s for name, due_s in self._due_s.items()}

    def load(self, saved: Mapping[str, float], now_s: float) -> None:
        self.now_s = now_s
        self._due_s = {name: now_s + after_s for name, after_s in saved.items()}
