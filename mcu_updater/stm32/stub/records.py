"""What is remembered of a stub on one chip: it has worked, or it has said what was not so."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class StubState(StrEnum):
    UNKNOWN = "unknown"
    PROVEN = "proven"  # what it wrote was read back through the boot ROM, and was right
    FAILED = "failed"  # it said that flash holds what it does not hold


class StubRecords(Protocol):
    """By the chip's UID, and the digest of the stub."""

    def load(self, pid: int, uid: bytes, digest: str) -> StubState: ...
    def store(self, pid: int, uid: bytes, digest: str, state: StubState) -> None: ...


class NoRecords:
    """Forgets everything: each use is the first."""

    def load(self, pid: int, uid: bytes, digest: str) -> StubState:
        del pid, uid, digest
        return StubState.UNKNOWN

    def store(self, pid: int, uid: bytes, digest: str, state: StubState) -> None: ...
