"""The device behind the row: the film of an emulated board, or why there is none.

A device of a fleet is run again in a process of its own, one at a time, and what comes of it is
kept; a board file is shown as it is. Nothing is changed by either.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from mcu_updater.board.file import load_board
from mcu_updater.cloud.center.load import CenterFile
from mcu_updater.cloud.center.store import Ending, FleetRun, Store
from mcu_updater.core.errors import UpdaterError
from mcu_updater.fleet.recording import LIMIT_S, record_apart
from mcu_updater.storage import holder_of

SUFFIX = ".board"

_KEPT = 16  # films
_WAITING = 8  # requests: each of them has a thread that other pages need
_BUSY_S = 5.0
_MOST_NAME = 200  # bytes


class Followed(Protocol):
    """The center file, read again where it has changed."""

    def now(self) -> CenterFile: ...


class Seen(Protocol):
    """What is needed of a console. *boards*: the folder of board files; None: there is none."""

    @property
    def file(self) -> Followed: ...
    @property
    def db(self) -> Path: ...
    @property
    def boards(self) -> Path | None: ...


def film_of(console: Seen, device_id: str) -> dict[str, Any]:
    """What the player takes: a film, or ``reason``, why there is none.

    Raises PortError where the state file cannot be read, BadCenterFile where the center file never
    could.
    """
    return _FILMS.of(console, device_id)


@dataclass(frozen=True, slots=True)
class _Key:
    db: Path
    run: FleetRun
    ending: Ending


class DeviceFilms:
    """Makes films, and keeps the last of them. For any number of threads."""

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._kept: OrderedDict[_Key, tuple[CenterFile, dict[str, Any]]] = OrderedDict()
        self._lock = threading.Lock()
        self._at_work = threading.Lock()  # one replay at a time: the center needs the other core
        self._waiting = threading.BoundedSemaphore(_WAITING)

    def of(self, console: Seen, device_id: str) -> dict[str, Any]:
        """See ``film_of``."""
        with closing(Store.open(console.db, read_only=True)) as store:
            store.wait_at_most(_BUSY_S)
            with store.snapshot():
                run, ending = store.fleet(), store.ending(device_id)
                is_known = store.product_of(device_id) is not None
        if ending is not None:
            return self._of_fleet(console, run, ending)
        if run is not None and is_known:
            return _none(f"{device_id} of this fleet has not ended yet: its film comes then.")
        path = board_file(console.boards, device_id)
        if path is None:
            return _none(_only_emulated(console.boards, device_id))
        return _of_board(path, device_id)

    def _of_fleet(self, console: Seen, run: FleetRun | None, ending: Ending) -> dict[str, Any]:
        if run is None:
            return _none(
                "An earlier version has run this fleet, and did not keep how. mcu-updater fleet "
                f"with --replay {ending.device} and the options of then shows the device again."
            )
        file = console.file.now()
        key = _Key(console.db, run, ending)
        found = self._known(key, file)
        if found is not None:
            return found
        if not self._waiting.acquire(blocking=False):
            return _none("Films of many devices are being made. Load the page again.")
        try:
            with self._at_work:
                return self._known(key, file) or self._made(key, file)
        finally:
            self._waiting.release()

    def _known(self, key: _Key, file: CenterFile) -> dict[str, Any] | None:
        with self._lock:
            found = self._kept.get(key)
            if found is None or found[0] is not file:
                return None
            self._kept.move_to_end(key)
            return found[1]

    def _made(self, key: _Key, file: CenterFile) -> dict[str, Any]:
        try:
            film = record_apart(file, key.run, key.ending, self._limit_s).film
        except UpdaterError as error:
            return _none(f"The device cannot be run again: {error.message}.")
        with self._lock:
            self._kept[key] = file, film
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return film


_FILMS = DeviceFilms()


def _none(reason: str) -> dict[str, Any]:
    return {"reason": reason}


# --- board files


def board_file(boards: Path | None, device_id: str) -> Path | None:
    """The board file of *device_id* in the folder *boards*, and nowhere else; None: it has none."""
    is_plain = not set(device_id) & set("/\\\0:") and device_id.isprintable()
    if boards is None or not is_plain or not 0 < len(device_id.encode()) <= _MOST_NAME:
        return None
    path = boards / f"{device_id}{SUFFIX}"
    try:
        is_inside = path.resolve().parent == boards.resolve()  # no link leads elsewhere
        return path if is_inside and path.is_file() else None
    except (OSError, ValueError):
        return None


def _only_emulated(boards: Path | None, device_id: str) -> str:
    where = (
        "this console was started without --boards DIR"
        if boards is None
        else f"{boards} has no {device_id}{SUFFIX}"
    )
    return (
        f"Only emulated boards can be seen: devices of a fleet, and board files. Of {device_id} no "
        f"fleet has told how it ended, and {where}. What a real device holds nobody can see from "
        "here: its log tells what it has reported."
    )


def _of_board(path: Path, device_id: str) -> dict[str, Any]:
    from mcu_updater.board_view.now import film_of_now  # loads the search's renderers

    try:
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        board = load_board(path)
        notes = [f"{path.name} as it was written at {changed:%Y-%m-%d %H:%M:%S} UTC."]
        holder = holder_of(path)
        if holder is not None:
            notes.append(f"It is in use by {holder}: what that does is not in the file yet.")
        return film_of_now(board, device_id, tuple(notes))
    except (UpdaterError, OSError) as error:
        return _none(f"The board file cannot be shown: {error}.")
