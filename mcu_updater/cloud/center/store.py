"""The state file of a center: SQLite, so that a campaign can be looked at while it runs.

In WAL mode one process writes at a time and any number read, each a state that was whole. Every
change is one transaction: who reads never sees half a report.

``center``   one row: the file it belongs to, whether its time is simulated
``plan``     state as stored, and a digest of what the plan was when it was first seen
``device``   every device that is known, with its product
``version``  the version of each component, as the device reported it last
``entry``    one upgrade on one device: state, failures, times; see ``rules.Entry``
``log``      every status that a device reported, and what the owner did, in order of arrival
``ending``   one row a device of a fleet: how it ended
``fleet``    one row: how the fleet was run, so that a device of it can be run again

Schema 1 had no ``fleet``. Who may write brings such a file up to date when it opens it; who reads
takes it as it is. Times are seconds since 1970. docs/how-to/center.md shows queries.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from mcu_updater.cloud.center.connections import connect, connect_to_read, made, port_errors
from mcu_updater.cloud.center.lifecycle import PlanState
from mcu_updater.cloud.center.rules import Entry, Key
from mcu_updater.cloud.center.schema import (
    ADDED,
    APPLICATION_ID,
    READABLE,
    SCHEMA,
    TABLES,
    statements,
)
from mcu_updater.cloud.single_device import ComponentState
from mcu_updater.core.errors import PortError


@dataclass(frozen=True, slots=True)
class LogLine:
    """One thing that happened: a status that a device reported, or what the owner did."""

    at_s: float
    device: str
    plan: str
    component: str
    text: str


class Ended(StrEnum):
    """How a device of a fleet ended."""

    UPGRADED = "upgraded"
    FAILED = "failed"
    LATE = "failed, runs the target"  # the version came after the module's time limit
    REFUSED = "refused"  # battery or signal is too low for the plan
    NOT_OFFERED = "not offered"
    INCONSISTENT = "inconsistent report"  # what it reported is not true

    @classmethod
    def _missing_(cls, value: object) -> Ended | None:
        """As state files of earlier development versions have it."""
        return cls.INCONSISTENT if value == "dishonest" else None


@dataclass(frozen=True, slots=True)
class Ending:
    """One device of a fleet. *digest* is of all that it did: a replay has the same."""

    device: str
    outcome: Ended
    text: str
    version: str
    cuts: int
    faults: int
    sessions: int
    digest: str

    @property
    def is_consistent(self) -> bool:
        return self.outcome is not Ended.INCONSISTENT


@dataclass(frozen=True, slots=True)
class FleetRun:
    """How a fleet was run. *settings*: ``fleet.FleetSettings`` as JSON. *epoch_s*: when its time
    began. *devices*: how many took the place of those in the center file; None: none did."""

    settings: str
    epoch_s: float
    devices: int | None


class Store:
    """An open state file. For one thread of one process; each has its own."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection

    @classmethod
    def create(cls, path: Path, file: str, *, simulated: bool, now_s: float) -> Store:
        """A new state file. Raises PortError where there is one already, or it cannot be made."""
        with port_errors(path), made(path):
            store = cls(path, connect(path, "rw"))
            store._db.execute("PRAGMA journal_mode = WAL")
            store._db.execute("PRAGMA synchronous = NORMAL")
            with store.transaction():
                for statement in statements(TABLES + ADDED):
                    store._db.execute(statement)
                store._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                store._db.execute(f"PRAGMA user_version = {SCHEMA}")
                store._db.execute("INSERT INTO center VALUES (?, ?, ?)", (file, simulated, now_s))
        return store

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Store:
        """A state file that is there, brought up to date unless it is *read_only*.

        Raises PortError where it is none, or of a schema that is not known.
        """
        with port_errors(path):
            if path.exists() and not path.is_file():
                raise PortError("is no file", where=str(path), expected="a state file of a center")
            if not path.is_file():
                raise PortError(
                    "no such state file",
                    where=str(path),
                    then="A fleet or a served module makes it",
                )
            store = cls(path, connect_to_read(path) if read_only else connect(path, "rw"))
            found = store._pragma("application_id"), store._pragma("user_version")
            if found[0] != APPLICATION_ID or found[1] not in READABLE:
                store.close()
                readable = " or ".join(map(str, READABLE))
                raise PortError(
                    "is no state file of a center that this version reads",
                    where=str(path),
                    expected=f"application {APPLICATION_ID:#x}, schema {readable}",
                    found=f"application {found[0]:#x}, schema {found[1]}",
                )
            if not read_only:
                store._db.execute("PRAGMA synchronous = NORMAL")
                if found[1] != SCHEMA:
                    store._upgrade()
        return store

    def _upgrade(self) -> None:
        """From schema 1, unless somebody else has just done it."""
        with self.transaction():
            if self._pragma("user_version") == 1:
                for statement in statements(ADDED):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {SCHEMA}")

    @classmethod
    def remove(cls, path: Path) -> None:
        """A state file and its companions. Raises PortError where it is none, or somebody has it
        open: only then does it leave WAL mode."""
        with port_errors(path), closing(cls.open(path)) as store:
            store.leave_wal()
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)

    def leave_wal(self) -> None:
        """One file, without companions. Fails where anybody else has it open."""
        self._db.execute("PRAGMA busy_timeout = 0")
        self._db.execute("PRAGMA journal_mode = DELETE")

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def wait_at_most(self, busy_s: float) -> None:
        """How long to wait for whoever else writes, from now on; a minute if nobody says."""
        self._db.execute(f"PRAGMA busy_timeout = {round(1000 * busy_s)}")

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing, and nobody writes in between."""
        with port_errors(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read in it is of one moment."""
        with port_errors(self.path):
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("ROLLBACK")

    def read(self, sql: str, parameters: Mapping[str, object]) -> Iterator[tuple[Any, ...]]:
        """The answer to a question about the tables: in a snapshot or a transaction."""
        return self._db.execute(sql, parameters)

    # --- the center and its plans

    @property
    def simulated(self) -> bool:
        """Its time is that of emulated devices, and stands still when they do."""
        return bool(self._db.execute("SELECT simulated FROM center").fetchone()[0])

    def latest_s(self) -> float | None:
        """The last moment of which it knows."""
        found: float | None = self._db.execute("SELECT max(at_s) FROM log").fetchone()[0]
        return found

    def plan_states(self) -> dict[str, PlanState]:
        """As stored; ``lifecycle.seen_state`` says what that is at a given moment."""
        rows = self._db.execute("SELECT name, state FROM plan ORDER BY position")
        return {name: PlanState(state) for name, state in rows}

    def plan_digests(self) -> dict[str, str]:
        return dict(self._db.execute("SELECT name, digest FROM plan"))

    def put_plan(self, name: str, position: int, state: PlanState, digest: str) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO plan VALUES (?, ?, ?, ?)", (name, position, state, digest)
        )

    def set_plan_state(self, name: str, state: PlanState) -> None:
        self._db.execute("UPDATE plan SET state = ? WHERE name = ?", (state, name))

    def forget_plan(self, name: str) -> None:
        """A plan that devices have not seen, with its entries."""
        self._db.execute("DELETE FROM plan WHERE name = ?", (name,))
        self._db.execute("DELETE FROM entry WHERE plan = ?", (name,))

    def begun_plans(self) -> set[str]:
        """Those that a device has confirmed."""
        rows = self._db.execute(
            "SELECT name FROM plan WHERE EXISTS (SELECT 1 FROM entry"
            " WHERE entry.plan = plan.name AND confirmed_at_s IS NOT NULL)"
        )
        return {name for (name,) in rows}

    # --- devices

    def devices(self) -> dict[str, str]:
        """Product by device."""
        return dict(self._db.execute("SELECT id, product FROM device ORDER BY id"))

    def product_of(self, device: str) -> str | None:
        """None: the device is not known."""
        row = self._db.execute("SELECT product FROM device WHERE id = ?", (device,)).fetchone()
        return None if row is None else str(row[0])

    def add_device(self, device: str, product: str, entries: list[Key]) -> None:
        """Known from now on, with an entry for each of *entries*; what is there already stays."""
        self._db.execute("INSERT OR IGNORE INTO device VALUES (?, ?)", (device, product))
        fresh = Entry()
        self._db.executemany(
            "INSERT OR IGNORE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_row(plan, device, component, fresh) for plan, component in entries],
        )

    def heard_devices(self) -> dict[str, str]:
        """Product by device: of those that have come, or that the owner has acted on."""
        return dict(
            self._db.execute(
                "SELECT id, product FROM device WHERE id IN (SELECT device FROM version)"
                " OR id IN (SELECT device FROM log) ORDER BY id"
            )
        )

    def move_device(self, device: str, product: str) -> None:
        """It is of another product: what plans of the old one did not begin is forgotten."""
        self._db.execute("UPDATE device SET product = ? WHERE id = ?", (product, device))
        untouched = (device, ComponentState.NOT_RECEIVED.value)
        self._db.execute("DELETE FROM entry WHERE device = ? AND state = ?", untouched)

    def forget_entries_but(self, devices: Iterable[str]) -> None:
        """What plans want of other devices than these."""
        unwanted = self.devices().keys() - set(devices)
        rows = [(name,) for name in unwanted]
        self._db.executemany("DELETE FROM entry WHERE device = ?", rows)

    def versions(self, device: str) -> dict[str, str]:
        rows = self._db.execute(
            "SELECT component, version FROM version WHERE device = ?", (device,)
        )
        return dict(rows)

    def all_versions(self) -> dict[tuple[str, str], str]:
        rows = self._db.execute("SELECT device, component, version FROM version")
        return {(device, component): version for device, component, version in rows}

    def put_versions(self, device: str, versions: Mapping[str, str], now_s: float) -> None:
        """All that the device reports; what it does not name any more is forgotten."""
        self._db.execute("DELETE FROM version WHERE device = ?", (device,))
        self._db.executemany(
            "INSERT INTO version VALUES (?, ?, ?, ?)",
            [(device, component, version, now_s) for component, version in versions.items()],
        )

    # --- entries and log

    def entries(self, device: str) -> dict[Key, Entry]:
        rows = self._db.execute("SELECT * FROM entry WHERE device = ?", (device,))
        return {(row[0], row[2]): entry_of_row(row) for row in rows}

    def entered(self) -> dict[Key, set[str]]:
        """The devices that have an entry, by what it is for: in a snapshot or a transaction."""
        found: dict[Key, set[str]] = {}
        for plan, component, device in self._db.execute(
            "SELECT plan, component, device FROM entry"
        ):
            found.setdefault((plan, component), set()).add(device)
        return found

    def all_entries(self) -> Iterator[tuple[str, Key, Entry]]:
        """Device, key, entry; by device."""
        for row in self._db.execute("SELECT * FROM entry ORDER BY device, plan, component"):
            yield row[1], (row[0], row[2]), entry_of_row(row)

    def put_entry(self, device: str, key: Key, entry: Entry) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            _row(key[0], device, key[1], entry),
        )

    def add_log(self, line: LogLine) -> None:
        self._db.execute(
            "INSERT INTO log (at_s, device, plan, component, text) VALUES (?, ?, ?, ?, ?)",
            (line.at_s, line.device, line.plan, line.component, line.text),
        )

    def log(self, device: str | None = None) -> list[LogLine]:
        """In order of arrival; of one device, or of all."""
        rows = self._db.execute(
            "SELECT at_s, device, plan, component, text FROM log"
            " WHERE ?1 IS NULL OR device = ?1 ORDER BY id",
            (device,),
        )
        return [LogLine(*row) for row in rows]

    def log_page(self, device: str, limit: int | None) -> list[tuple[int, LogLine]]:
        """The newest lines of *device*, newest first, with their numbers; None: all."""
        rows = self._db.execute(
            "SELECT id, at_s, device, plan, component, text FROM log WHERE device = ?"
            " ORDER BY id DESC LIMIT ?",
            (device, -1 if limit is None else limit),
        )
        return [(number, LogLine(*line)) for number, *line in rows]

    def last_changes(self) -> dict[tuple[str, str, str], LogLine]:
        """The last line of each entry, by device, plan and component."""
        rows = self._db.execute(
            "SELECT at_s, device, plan, component, text FROM log"
            " WHERE id IN (SELECT max(id) FROM log GROUP BY device, plan, component)"
        )
        lines = [LogLine(*row) for row in rows]
        return {(line.device, line.plan, line.component): line for line in lines}

    # --- endings

    def put_ending(self, ending: Ending) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO ending VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                ending.device,
                ending.outcome.value,
                ending.text,
                ending.version,
                ending.cuts,
                ending.faults,
                ending.sessions,
                ending.digest,
            ),
        )

    def ending(self, device: str) -> Ending | None:
        """How that one ended; None: it has not, or is of no fleet."""
        row = self._db.execute("SELECT * FROM ending WHERE device = ?", (device,)).fetchone()
        return None if row is None else _ending(*row)

    def endings(self) -> list[Ending]:
        rows = self._db.execute("SELECT * FROM ending ORDER BY device")
        return [_ending(*row) for row in rows]

    # --- the fleet

    def put_fleet(self, run: FleetRun) -> None:
        self._db.execute("DELETE FROM fleet")
        self._db.execute(
            "INSERT INTO fleet VALUES (?, ?, ?)", (run.settings, run.epoch_s, run.devices)
        )

    def fleet(self) -> FleetRun | None:
        """How it was run; None: no fleet was, or one of schema 1."""
        if self._pragma("user_version") == 1:
            return None
        row = self._db.execute("SELECT settings, epoch_s, devices FROM fleet").fetchone()
        return None if row is None else FleetRun(*row)


def _row(plan: str, device: str, component: str, entry: Entry) -> tuple[object, ...]:
    return (
        plan,
        device,
        component,
        entry.state.value,
        entry.failures,
        entry.pushed_at_s,
        entry.confirmed_at_s,
        entry.user_confirmed,
        entry.closed,
    )


def entry_of_row(row: tuple[str, str, str, str, int, float, float | None, int, str]) -> Entry:
    _, _, _, state, failures, pushed_at_s, confirmed_at_s, user_confirmed, closed = row
    return Entry(
        ComponentState(state), failures, pushed_at_s, confirmed_at_s, bool(user_confirmed), closed
    )


def _ending(device: str, outcome: str, *rest: Any) -> Ending:
    return Ending(device, Ended(outcome), *rest)
