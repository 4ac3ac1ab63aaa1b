"""What is remembered of chips, in small JSON files in the user's cache folder.

``PID-UID.json``: what this computer left in the chip's sectors. ``merging/PID-UID.json``: on which
lines to the chip, at which speed, commands in one write have worked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
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


def load_object(path: Path) -> dict[str, Any]:
    """The JSON object in *path*; empty where there is none."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def store_object(path: Path, kept: Mapping[str, Any]) -> None:
    """Write *kept* whole. Where that fails the file goes: what it held may no longer be true."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(kept).encode())
    except (OSError, PortError):
        with suppress(OSError):
            path.unlink()


class CacheFolder:
    """``CacheStore``. A file that cannot be read or written costs time, never an error."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, pid: int, uid: bytes) -> SectorCache:
        kept = load_object(self._path(pid, uid))
        try:
            return SectorCache(
                {int(number): str(digest) for number, digest in kept["digests"].items()},
                {int(number) for number in kept["doubtful"]},
                str(kept.get("shape", "")),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return SectorCache()

    def store(self, pid: int, uid: bytes, cache: SectorCache) -> None:
        kept = {
            "shape": cache.shape,
            "digests": cache.digests,
            "doubtful": sorted(cache.doubtful),
        }
        store_object(self._path(pid, uid), kept)

    def _path(self, pid: int, uid: bytes) -> Path:
        return self._folder / f"{pid:04x}-{uid.hex()}.json"


class MergeFile:
    """``MergeMemory`` of the chip *uid* at the end of *line*, which names adapter and speed."""

    def __init__(self, folder: Path, pid: int, uid: bytes, line: str) -> None:
        self._path = folder / "merging" / f"{pid:04x}-{uid.hex()}.json"
        self._line = line

    def load(self) -> MergeRecord:
        try:
            kept = load_object(self._path)[self._line]
            return MergeRecord(frozenset(map(int, kept["passed"])), int(kept["doubts"]))
        except (ValueError, KeyError, TypeError):
            return MergeRecord()

    def store(self, record: MergeRecord) -> None:
        kept = {"passed": sorted(map(int, record.passed)), "doubts": record.doubts}
        store_object(self._path, {**load_object(self._path), self._line: kept})
