"""The 256 bytes of a header. FORMAT.md has them one by one."""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache

from mcu_updater.core.image_version import NO_FLOOR, SecurityVersion, Version
from mcu_updater.core.journal.snapshot import (
    COMPONENT_SIZE,
    SIGNED_FORMAT_VERSION,
    VERSION_SIZE,
    Package,
    Phase,
    Reason,
    Snapshot,
)

HEADER_SIZE = 256
_MAGIC = b"MCUJ"
_HEADER = struct.Struct(f"<4sHBBIIII4x16s32s32s{COMPONENT_SIZE + 1}p{VERSION_SIZE + 1}pB")
_END = struct.Struct("<I4s")  # CRC, end mark
END_MARK = b"DONE"  # no part of it reads blank, whatever the program unit
TURN_AT = _HEADER.size + 8  # behind length and CRC of the checkpoint
TURNS = 4  # enough to tell the newer of two
_SECURITY_VERSIONS = struct.Struct(
    "<B8sI8sI"
)  # signed or not; version and counter of the image; the floor's
_SECURITY_VERSIONS_AT = TURN_AT + 1
CRC_AT = HEADER_SIZE - _END.size
assert _SECURITY_VERSIONS_AT + _SECURITY_VERSIONS.size <= CRC_AT


def encode_header(snapshot: Snapshot, turn: int = 0) -> bytes:
    """The 256 bytes of a header; the end mark is its last word, so the last unit completes it.

    Raises ValueError for a component or a version that does not fit; they are never cut short.
    """
    for name, text, limit in (
        ("component", snapshot.component, COMPONENT_SIZE),
        ("version", snapshot.version, VERSION_SIZE),
    ):
        if len(text.encode()) > limit:
            raise ValueError(f"{name} {text!r}: at most {limit} bytes")
    package = snapshot.package or Package(0, bytes(16), bytes(32))
    body = _HEADER.pack(
        _MAGIC,
        snapshot.format_version,
        snapshot.phase,
        snapshot.reason,
        snapshot.generation,
        snapshot.image_size,
        package.length,
        snapshot.piece_start,
        package.md5,
        package.sha256,
        snapshot.image_sha256,
        snapshot.component.encode(),
        snapshot.version.encode(),
        snapshot.package is not None,
    )
    body += struct.pack("<IIB", len(snapshot.checkpoint), zlib.crc32(snapshot.checkpoint), turn)
    security_version, floor = snapshot.security_version or NO_FLOOR, snapshot.floor
    body += _SECURITY_VERSIONS.pack(
        snapshot.security_version is not None,
        security_version.version.pack(),
        security_version.counter,
        floor.version.pack(),
        floor.counter,
    )
    body = body.ljust(HEADER_SIZE - _END.size, b"\0")
    return body + _END.pack(zlib.crc32(body), END_MARK)


def with_turn(raw: bytes, turn: int) -> bytes:
    """The 256 bytes of a header, with another turn."""
    body = raw[:TURN_AT] + bytes([turn]) + raw[TURN_AT + 1 : -_END.size]
    return body + _END.pack(zlib.crc32(body), END_MARK)


@lru_cache(maxsize=16)  # the journal is read at every step, and seldom says something new
def decode_header(raw: bytes) -> Snapshot | None:
    """The snapshot of 256 bytes, or None when they are no header of this format.

    Its checkpoint holds length and CRC as they stand in the header, empty when there is none; of
    sectors done the header says nothing.
    """
    if len(raw) != HEADER_SIZE:
        return None
    body = raw[: -_END.size]
    if _END.unpack_from(raw, len(body)) != (zlib.crc32(body), END_MARK):
        return None
    try:
        return _snapshot_of(body)
    except ValueError:  # a phase, a reason or a text that no version of this program writes
        return None


def _snapshot_of(body: bytes) -> Snapshot | None:
    magic, version, phase, reason, generation, image_size, length, piece_start, *rest = (
        _HEADER.unpack_from(body)
    )
    md5, sha256, image_sha256, component, target, has_package = rest
    if magic != _MAGIC or phase == Phase.TRIAL:
        return None
    security_version, floor = (
        _security_versions_of(body) if version == SIGNED_FORMAT_VERSION else (None, NO_FLOOR)
    )
    checkpoint = body[_HEADER.size : _HEADER.size + 8]
    snapshot = Snapshot(
        Phase(phase),
        generation,
        component.decode(),
        target.decode(),
        Reason(reason),
        Package(length, md5, sha256) if has_package else None,
        image_size,
        image_sha256,
        piece_start,
        checkpoint=b"" if checkpoint[:4] == bytes(4) else checkpoint,
        security_version=security_version,
        floor=floor,
    )
    return snapshot if snapshot.format_version == version else None


def _security_versions_of(body: bytes) -> tuple[SecurityVersion | None, SecurityVersion]:
    """Of the image, where it has one; and the rollback floor."""
    is_signed, version, counter, floor_version, floor_counter = _SECURITY_VERSIONS.unpack_from(
        body, _SECURITY_VERSIONS_AT
    )
    security_version = SecurityVersion(Version.unpack(version), counter) if is_signed else None
    return security_version, SecurityVersion(Version.unpack(floor_version), floor_counter)
