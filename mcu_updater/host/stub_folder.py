"""What is remembered of loader stubs on chips: one small JSON file a chip, beside its cache."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from mcu_updater.core.errors import PortError
from mcu_updater.stm32.stub.records import StubState
from mcu_updater.storage import write_whole


class StubFolder:
    """``StubRecords``. A file that cannot be read or written costs time: each use is the first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, pid: int, uid: bytes, digest: str) -> StubState:
        try:
            return StubState(self._all(pid, uid)[digest])
        except (KeyError, ValueError):
            return StubState.UNKNOWN

    def store(self, pid: int, uid: bytes, digest: str, state: StubState) -> None:
        """States of older stubs stay: a downgrade finds them."""
        path = self._path(pid, uid)
        kept = {**self._all(pid, uid), digest: str(state)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(kept).encode())
        except (OSError, PortError):
            with suppress(OSError):
                path.unlink()  # what was kept may no longer be true

    def _all(self, pid: int, uid: bytes) -> dict[str, str]:
        try:
            kept = json.loads(self._path(pid, uid).read_text(encoding="utf-8"))
            return {str(digest): str(state) for digest, state in kept.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def _path(self, pid: int, uid: bytes) -> Path:
        return self._folder / f"{pid:04x}-{uid.hex()}.stub.json"
