"""What is remembered of chips, in small JSON files in the user's cache folder.

``PID-UID.json``: what this computer left in the chip's sectors. ``merging/PID-UID.json``: on which
lines to the chip, at which speed, commands in one write have worked.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from mcu_updater.core.errors import PortError
from mcu_updater.stm32.merging import MergeRecord
from mcu_updater.stm32.sector_cache import SectorCache
from mcu_updater.storage import write_whole


def default_folder() -> Path:
    """As the XDG base directory specification has it."""
    return (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mcu-updater" / "chips"
    )


class CacheFolder:
    """``CacheStore``. A file that cannot be read or written costs time, never an error."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, pid: int, uid: bytes) -> SectorCache:
        try:
            kept = json.loads(self._path(pid, uid).read_text(encoding="utf-8"))
            return SectorCache(
                {int(number): str(digest) for number, digest in kept["digests"].items()},
                {int(number) for number in kept["doubtful"]},
                str(kept.get("shape", "")),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return SectorCache()

    def store(self, pid: int, uid: bytes, cache: SectorCache) -> None:
        path = self._path(pid, uid)
        kept = {
            "shape": cache.shape,
            "digests": cache.digests,
            "doubtful": sorted(cache.doubtful),
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(kept).encode())
        except (OSError, PortError):
            with suppress(OSError):
                path.unlink()  # what was kept is no longer true

    def _path(self, pid: int, uid: bytes) -> Path:
        return self._folder / f"{pid:04x}-{uid.hex()}.json"


class MergeFile:
    """``MergeMemory`` of the chip *uid* at the end of *line*, which names adapter and speed."""

    def __init__(self, folder: Path, pid: int, uid: bytes, line: str) -> None:
        self._path = folder / "merging" / f"{pid:04x}-{uid.hex()}.json"
        self._line = line

    def load(self) -> MergeRecord:
        try:
            kept = self._lines()[self._line]
            return MergeRecord(frozenset(map(int, kept["passed"])), int(kept["doubts"]))
        except (ValueError, KeyError, TypeError):
            return MergeRecord()

    def store(self, record: MergeRecord) -> None:
        lines = self._lines()
        lines[self._line] = {"passed": sorted(map(int, record.passed)), "doubts": record.doubts}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, json.dumps(lines).encode())
        except (OSError, PortError):
            with suppress(OSError):
                self._path.unlink()

    def _lines(self) -> dict[str, Any]:
        try:
            lines = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return lines if isinstance(lines, dict) else {}
