"""One small JSON file a chip, in the user's cache folder."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from mcu_updater.core.errors import PortError
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
