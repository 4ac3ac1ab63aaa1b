"""What is remembered of loader stubs on chips: one small JSON file a chip, beside its cache."""

from __future__ import annotations

from pathlib import Path

from mcu_updater.host.cache_folder import load_object, store_object
from mcu_updater.stm32.stub.records import StubState


class StubFolder:
    """``StubRecords``. A file that cannot be read or written costs time: each use is the first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, pid: int, uid: bytes, digest: str) -> StubState:
        try:
            return StubState(load_object(self._path(pid, uid))[digest])
        except (KeyError, ValueError):
            return StubState.UNKNOWN

    def store(self, pid: int, uid: bytes, digest: str, state: StubState) -> None:
        """States of older stubs stay: a downgrade finds them."""
        path = self._path(pid, uid)
        store_object(path, {**load_object(path), digest: str(state)})

    def _path(self, pid: int, uid: bytes) -> Path:
        return self._folder / f"{pid:04x}-{uid.hex()}.stub.json"
