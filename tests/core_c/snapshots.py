"""Snapshots and readings, as C and as Python have them."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from mcu_updater.core.image_version import NO_FLOOR, SecurityVersion, Version
from mcu_updater.core.journal import JournalState, Package, Phase, Reason, Snapshot

words = st.integers(0, 0xFFFF_FFFF)


def texts(most: int) -> st.SearchStrategy[str]:
    """Text of *most* bytes at most in UTF-8."""
    return st.text(max_size=most).filter(lambda text: len(text.encode()) <= most)


packages = st.builds(
    Package,
    length=words,
    md5=st.binary(min_size=16, max_size=16),
    sha256=st.binary(min_size=32, max_size=32),
)
security_versions = st.builds(
    SecurityVersion,
    st.builds(Version, st.integers(0, 255), st.integers(0, 255), st.integers(0, 0xFFFF), words),
    words,
)
snapshots = st.builds(
    Snapshot,
    phase=st.sampled_from([phase for phase in Phase if phase is not Phase.TRIAL]),
    generation=words,
    component=texts(32),
    version=texts(64),
    reason=st.sampled_from(Reason),
    package=st.none() | packages,
    image_size=words,
    image_sha256=st.binary(min_size=32, max_size=32),
    piece_start=words,
    security_version=st.none() | security_versions,
    floor=st.just(NO_FLOOR) | security_versions,
)


def without_checkpoint(snapshot: Snapshot) -> Snapshot:
    """Size and CRC in its place, as C has it."""
    if not snapshot.checkpoint:
        return snapshot
    told = struct.pack("<II", len(snapshot.checkpoint), zlib.crc32(snapshot.checkpoint))
    return replace(snapshot, checkpoint=told)


def to_c(ffi: Any, snapshot: Snapshot) -> Any:
    """``struct fwu_snapshot *``; the checkpoint by size and CRC."""
    made = ffi.new("struct fwu_snapshot *")
    made.phase, made.reason = int(snapshot.phase), int(snapshot.reason)
    made.generation, made.image_size = snapshot.generation, snapshot.image_size
    made.piece_start, made.sectors_done = snapshot.piece_start, snapshot.sectors_done
    if snapshot.checkpoint:
        made.checkpoint_size = len(snapshot.checkpoint)
        made.checkpoint_crc = zlib.crc32(snapshot.checkpoint)
    made.has_package = snapshot.package is not None
    if snapshot.package is not None:
        made.package.length = snapshot.package.length
        made.package.md5 = snapshot.package.md5
        made.package.sha256 = snapshot.package.sha256
    made.image_sha256 = snapshot.image_sha256
    for field, text in (("component", snapshot.component), ("version", snapshot.version)):
        raw = text.encode()
        getattr(made, field).size = len(raw)
        ffi.memmove(getattr(made, field).text, raw, len(raw))
    made.is_signed = snapshot.security_version is not None
    if snapshot.security_version is not None:
        security_version_to_c(made.security_version, snapshot.security_version)
    security_version_to_c(made.floor, snapshot.floor)
    return made


def security_version_to_c(made: Any, given: SecurityVersion) -> None:
    made.version, made.counter = given.version.pack(), given.counter


def security_version_from_c(ffi: Any, given: Any) -> SecurityVersion:
    return SecurityVersion(Version.unpack(bytes(ffi.buffer(given.version))), given.counter)


def from_c(ffi: Any, told: Any) -> Snapshot:
    """Of ``struct fwu_snapshot``; compare it with one ``without_checkpoint``."""

    def text(field: Any) -> str:
        return bytes(ffi.buffer(field.text, field.size)).decode()

    package = told.package
    checkpoint = struct.pack("<II", told.checkpoint_size, told.checkpoint_crc)
    return Snapshot(
        Phase(told.phase),
        told.generation,
        text(told.component),
        text(told.version),
        Reason(told.reason),
        Package(package.length, bytes(package.md5), bytes(package.sha256))
        if told.has_package
        else None,
        told.image_size,
        bytes(told.image_sha256),
        told.piece_start,
        told.sectors_done,
        checkpoint if told.checkpoint_size else b"",
        security_version_from_c(ffi, told.security_version) if told.is_signed else None,
        security_version_from_c(ffi, told.floor),
    )


def state_from_c(ffi: Any, told: Any) -> JournalState:
    """Of ``struct fwu_journal``."""
    if not told.is_there:
        return JournalState()
    return JournalState(
        told.half,
        from_c(ffi, told.snapshot),
        told.settled,
        told.switched,
        told.attempts,
        told.failed,
        told.turn,
    )


def state_without_checkpoint(state: JournalState) -> JournalState:
    if state.snapshot is None:
        return state
    return replace(state, snapshot=without_checkpoint(state.snapshot))
