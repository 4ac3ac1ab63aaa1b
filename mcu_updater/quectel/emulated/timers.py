"""Named moments in explicit time. What will fire next is data, so that it can be saved.

Moments are whole nanoseconds inside: a time that is reached in many small steps, or carried to
another process, is then the same moment as one that is reached in a single step. As a float it
would differ in the last bits, and fall on the other side of a deadline.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping

NS_PER_S = 1_000_000_000


class Timers:
    """At most one moment per name; times in seconds, to the nanosecond."""

    def __init__(self, now_s: float = 0.0) -> None:
        self._now_ns = _ns(now_s)
        self._due_ns: dict[str, int] = {}

    @property
    def now_s(self) -> float:
        return self._now_ns / NS_PER_S

    def start(self, name: str, after_s: float | None) -> None:
        """(Re)start; None: it never fires."""
        if after_s is not None:
            self._due_ns[name] = self._now_ns + _ns(after_s)

    def stop(self, *names: str) -> None:
        for name in names:
            self._due_ns.pop(name, None)

    def stop_all(self, *, but: Collection[str] = ()) -> None:
        """Stop every one that is not named in *but*."""
        self.stop(*[name for name in self._due_ns if name not in but])

    def runs(self, name: str) -> bool:
        return name in self._due_ns

    def left_s(self, name: str) -> float:
        """How long until it fires; 0 where it does not run."""
        return max(0, self._due_ns.get(name, 0) - self._now_ns) / NS_PER_S

    def next_s(self) -> float | None:
        due_ns = min(self._due_ns.values(), default=None)
        return None if due_ns is None else due_ns / NS_PER_S

    def pop_due(self, now_s: float) -> str | None:
        """The next name that is due by *now_s*, with the time set to its moment."""
        now_ns = _ns(now_s)
        due_ns = min(self._due_ns.values(), default=None)
        if due_ns is None or due_ns > now_ns:
            self._now_ns = max(self._now_ns, now_ns)
            return None
        name = next(name for name, at_ns in self._due_ns.items() if at_ns == due_ns)
        del self._due_ns[name]
        self._now_ns = max(self._now_ns, due_ns)
        return name

    def memory(self, now_s: float) -> Hashable:
        """What will fire next, in its order, and in how many milliseconds from *now_s*."""
        now_ns = _ns(now_s)
        due = sorted(self._due_ns.items(), key=lambda named: named[1])
        return tuple([(name, round((due_ns - now_ns) / 1_000_000)) for name, due_ns in due])

    def order(self) -> tuple[str, ...]:
        """Names in the order in which they will fire."""
        return tuple(sorted(self._due_ns, key=lambda name: self._due_ns[name]))

    def save(self, now_s: float) -> dict[str, float]:
        now_ns = _ns(now_s)
        return {name: (due_ns - now_ns) / NS_PER_S for name, due_ns in self._due_ns.items()}

    def load(self, saved: Mapping[str, float], now_s: float) -> None:
        self._now_ns = now_ns = _ns(now_s)
        self._due_ns = {name: now_ns + _ns(after_s) for name, after_s in saved.items()}


def _ns(time_s: float) -> int:
    return round(time_s * NS_PER_S)
