"""A center file that others edit meanwhile, with a program or by hand: as it is now."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from mcu_updater.cloud.center.faults import BadCenterFile
from mcu_updater.cloud.center.load import CenterFile, Sign, read_center, sign_of
from mcu_updater.core.errors import UpdaterError

_FRESH_NS = 2_000_000_000
"""Of two changes within a tick of the file system's clock, the second one leaves no sign. So a
file that changed a moment ago is read once more when it is older than the coarsest of them."""
_MOST_READS = 3


class _Known(NamedTuple):
    """Bytes of a package. *is_settled*: no second change could have hidden behind its sign when
    they were read."""

    sign: Sign
    is_settled: bool
    data: bytes


class FollowedFile:
    """For any number of threads. *fault*: what is wrong with the newest content, while ``now``
    still gives the last that was good."""

    def __init__(self, path: Path) -> None:
        """Raises BadCenterFile."""
        self.path = path
        self.fault: BadCenterFile | None = None
        self._lock = threading.Lock()
        self._bytes: dict[Path, _Known] = {}
        self._signs: dict[Path, Sign] = {}
        self._again_at_ns = 0
        self._file: CenterFile | None = None
        self._failed: tuple[float, UpdaterError] | None = None
        self._check: Callable[[CenterFile], object] = _anything
        self._read()
        if self.fault is not None:
            raise self.fault

    def now(self) -> CenterFile:
        """What the file holds; read again only where it, or a package, has another time or size."""
        asked_s = time.monotonic()
        with self._lock:
            if self._failed is not None and self._failed[0] >= asked_s:
                raise self._failed[1]
            if self._has_changed():
                self._read_for_all()
            assert self._file is not None
            return self._file

    def _read_for_all(self) -> None:
        """Who waited while a check failed (another process has the state file) fails with it: each
        would wait as long again, one after the other."""
        self._failed = None
        try:
            self._read()
        except UpdaterError as error:
            self._failed = time.monotonic(), error
            raise

    def accept_only(self, check: Callable[[CenterFile], object]) -> None:
        """From now on *check* looks at each new content; what it raises BadCenterFile for is at
        fault, and not followed. So is what there is now: then that is raised here."""
        with self._lock:
            assert self._file is not None
            check(self._file)
            self._check = check

    def _has_changed(self) -> bool:
        if self._again_at_ns and time.time_ns() >= self._again_at_ns:
            return True
        return any(sign_of(path) != sign for path, sign in self._signs.items())

    def _read(self) -> None:
        """Until nobody has changed it while it was read."""
        for _ in range(_MOST_READS):
            before = {path: sign_of(path) for path in [self.path, *self._signs]}
            self._read_once()
            self._signs = {path: sign_of(path) for path in self._paths()}
            if all(before.get(path, sign) == sign for path, sign in self._signs.items()):
                break
        self._again_at_ns = _when_settled(self._signs.values())
        self._bytes = {path: kept for path, kept in self._bytes.items() if path in self._signs}

    def _read_once(self) -> None:
        try:
            file = read_center(self.path, read_file=self._package)
        except BadCenterFile as error:
            self.fault = error
            return
        if file != self._file:
            try:
                self._check(file)
            except BadCenterFile as error:
                self.fault = BadCenterFile(self.path, error.faults, _packages(file))
                return
            self._file = file
        self.fault = None

    def _paths(self) -> set[Path]:
        """The file, and the packages that it named: those that were missing may come."""
        if self.fault is not None:
            return {self.path, *self.fault.files}
        return {self.path, *(() if self._file is None else _packages(self._file))}

    def _package(self, path: Path) -> bytes:
        """The bytes of a package; those that are known, where its sign has not changed."""
        sign = sign_of(path)
        known = self._bytes.get(path)
        if known is None or known.sign != sign or not known.is_settled:
            known = _Known(sign, not _when_settled([sign]), path.read_bytes())
            self._bytes[path] = known
        return known.data


def _packages(file: CenterFile) -> list[Path]:
    return [file.path.parent / name for p in file.center.packages for name in p.files]


def _anything(file: CenterFile) -> None:
    del file


def _when_settled(signs: Iterable[Sign]) -> int:
    """Nanoseconds since 1970 from which on these files are known; 0: they are already."""
    now_ns = time.time_ns()
    latest_ns = max((max(sign[:2]) for sign in signs if sign), default=0)
    is_fresh = now_ns - _FRESH_NS < latest_ns <= now_ns
    return latest_ns + _FRESH_NS if is_fresh else 0
