"""One look after another at the center file and the state file: what is new since the last one."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mcu_updater.cloud.center.device_session import now_of, seen_states
from mcu_updater.cloud.center.log_feed import (
    Numbered,
    data_version,
    epoch_of,
    last_number,
    lines_after,
)
from mcu_updater.cloud.center.store import Store
from mcu_updater.console.console import Console, identity
from mcu_updater.core.errors import UpdaterError

PAGE = 512
"""Lines that are read at a time for who is behind."""

_STATES_EVERY = 5  # looks: plans end as time goes on, with nobody writing


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look found. *problem*: why the state file could not be looked at."""

    epoch: str = ""
    last: int = 0
    plans: Mapping[str, str] = field(default_factory=dict)
    center: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


class Look:
    """For one thread: it keeps the state file open, for only so does SQLite tell of changes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._store: Store | None = None
        self._identity: object = None
        self._version = -1
        self._count = 0

    def again(self, before: Seen, limit: int) -> tuple[Seen, list[Numbered]]:
        """What is there now, and the lines of the log since *before*, *limit* at most."""
        self._count += 1
        before = replace(before, center=self._center())
        try:
            return self._changes(replace(before, problem=""), limit)
        except (UpdaterError, sqlite3.Error, OSError) as error:
            self.close()
            return replace(before, problem=str(error)), []

    def lines(self, number: int, last: int) -> list[Numbered]:
        """Those behind *number*, some of them; none where the state file cannot be read now."""
        try:
            return lines_after(self._opened(), number, last, PAGE)
        except (UpdaterError, sqlite3.Error):
            return []

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
        self._store = None

    def _changes(self, before: Seen, limit: int) -> tuple[Seen, list[Numbered]]:
        store = self._opened()
        version = data_version(store)
        if version == self._version and self._count % _STATES_EVERY:
            return before, []
        with store.snapshot():
            epoch, last = epoch_of(store), last_number(store)
            center = self._console.file.now().center
            states = seen_states(center, store, now_of(store))
            start = before.last if before.epoch == epoch else last
            new = lines_after(store, start, last, limit)
        self._version = version if len(new) < limit else -1
        plans = {name: state.value for name, state in states.items()}
        return replace(before, epoch=epoch, last=new[-1][0] if new else last, plans=plans), new

    def _opened(self) -> Store:
        """Again, where another file has taken the place of the one that is open."""
        found = identity(self._console.db)
        if self._store is None or found != self._identity:
            self.close()
            self._console.store().close()  # with all plans in it
            self._store = Store.open(self._console.db, read_only=True)
            self._identity, self._version = identity(self._console.db), -1
        return self._store

    def _center(self) -> dict[str, Any]:
        """A revision of the center file, and what is wrong with the newest."""
        revision, fault = self._console.revision(), self._console.file.fault
        return {"revision": revision, "fault": None if fault is None else fault.message}
