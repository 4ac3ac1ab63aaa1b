"""What stands before the patch: for which base, what it makes, and what it costs to apply.

Patches carry no integrity of their own, and they do not name the image that they are for. So the
container does, and a wrong base is refused before a byte of the new image exists. Its bytes are
drawn in FORMAT.md, section 10.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, NoReturn, Self, TypeVar

from mcu_updater.core.delta.errors import DeltaRejected
from mcu_updater.core.image import DELTA_MAGIC

MAGIC: Final = DELTA_MAGIC
FORMAT: Final = 1
VERSION_MAX: Final = 64
SIGNATURE_MAX: Final = 512
KEY_ID_SIZE: Final = 8

_PREFIX: Final = struct.Struct("<4sHH")  # magic, format, header size
_FIXED: Final = struct.Struct("<4sHHBB2sIIII32s32s")
_SIZE: Final = struct.Struct("<H")
_CRC: Final = struct.Struct("<I")
PREFIX_SIZE: Final = _PREFIX.size
_LEAST: Final = _FIXED.size + 2 + _SIZE.size + _CRC.size
HEADER_MAX: Final = _LEAST + 2 * VERSION_MAX + 1 + KEY_ID_SIZE + SIGNATURE_MAX

_Kind = TypeVar("_Kind", bound=IntEnum)

assert (_PREFIX.size, _FIXED.size) == (8, 92)


class Algorithm(IntEnum):
    """How the patch is packed. Both hold detools' sequential format, version 0.53."""

    HEATSHRINK = 1  # the device profile: a window of a few hundred bytes
    LZMA = 2  # the host profile: smaller, for some KB of memory


class Filter(IntEnum):
    """How old bytes and differences are added."""

    NONE = 0  # byte by byte, as detools does
    SHIFTS = 1  # calls and pointers of a Cortex-M are foretold, see ``shifts``


class SignatureKind(IntEnum):
    """How the signature was made, over the signed part."""

    ED25519 = 1  # RFC 8032
    ECDSA = 2  # P-256 with SHA-256, P-384 with SHA-384; two numbers of equal size
    RSA_PSS = 3  # SHA-256, salt of 32 bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """*key_id*: the first 8 bytes of the SHA-256 of the public key, encoded as MCUboot does it."""

    kind: SignatureKind
    key_id: bytes
    value: bytes

    def __post_init__(self) -> None:
        if len(self.key_id) != KEY_ID_SIZE or not 0 < len(self.value) <= SIGNATURE_MAX:
            raise ValueError(
                f"a signature has {KEY_ID_SIZE} bytes of key and 1 to {SIGNATURE_MAX} of its own, "
                f"got {len(self.key_id)} and {len(self.value)}"
            )

    def pack(self) -> bytes:
        return bytes([self.kind]) + self.key_id + self.value


@dataclass(frozen=True, slots=True)
class Limits:
    """What a receiver takes, in bytes. What lies above is refused when the header is read."""

    image: int = 16 << 20
    payload: int = 16 << 20
    window: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Header:
    """The container's header. *window*: bytes of past output that the patch may refer to."""

    algorithm: Algorithm
    filter: Filter
    base_size: int
    target_size: int
    payload_size: int
    window: int
    base_sha256: bytes
    target_sha256: bytes
    base_version: str
    target_version: str
    signature: Signature | None = None

    def __post_init__(self) -> None:
        for name in (self.base_version, self.target_version):
            if len(name) > VERSION_MAX or not name.isascii():
                raise ValueError(f"a version is at most {VERSION_MAX} ASCII characters: {name!r}")

    @property
    def size(self) -> int:
        """Bytes that it takes in the package."""
        signature = len(self.signature.pack()) if self.signature else 0
        return _LEAST + len(self.base_version) + len(self.target_version) + signature

    def signed_part(self) -> bytes:
        """What a signature is made of: all before it. The size of the signature is in it."""
        signature = len(self.signature.pack()) if self.signature else 0
        fixed = _FIXED.pack(
            MAGIC,
            FORMAT,
            self.size,
            self.algorithm,
            self.filter,
            bytes(2),
            self.base_size,
            self.target_size,
            self.payload_size,
            self.window,
            self.base_sha256,
            self.target_sha256,
        )
        versions = _counted(self.base_version) + _counted(self.target_version)
        return fixed + versions + _SIZE.pack(signature)

    def pack(self) -> bytes:
        body = self.signed_part() + (self.signature.pack() if self.signature else b"")
        return body + _CRC.pack(zlib.crc32(body))

    def signed(self, kind: SignatureKind, key_id: bytes, sign: Callable[[bytes], bytes]) -> Self:
        """This header with a signature of *kind* by *sign*, which is called twice: its first
        answer only tells the length, which is signed, too."""
        draft = replace(self, signature=Signature(kind, key_id, sign(self.signed_part())))
        value = sign(draft.signed_part())
        return replace(self, signature=Signature(kind, key_id, value))


def _counted(name: str) -> bytes:
    return bytes([len(name)]) + name.encode("ascii")


def header_size(prefix: bytes) -> int:
    """How many bytes the header has, by its first PREFIX_SIZE. Raises DeltaRejected."""
    magic, version, size = _PREFIX.unpack_from(prefix)
    if magic != MAGIC:
        _reject("not a delta package", 0, f"magic {MAGIC.hex(' ')}", magic.hex(" "))
    if version != FORMAT:
        _reject("unknown format version", 4, str(FORMAT), str(version))
    if not _LEAST <= size <= HEADER_MAX:
        _reject("header has an impossible size", 6, f"{_LEAST} to {HEADER_MAX}", str(size))
    return int(size)


def parse_header(data: bytes, limits: Limits | None = None) -> Header:
    """The header that *data* begins with.

    Raises DeltaRejected where it is incomplete, damaged, of an unknown kind or above *limits*.
    """
    if len(data) < PREFIX_SIZE:
        _reject("package ends in its header", len(data), f"{PREFIX_SIZE} bytes or more", "the end")
    size = header_size(data)
    if len(data) < size:
        _reject("package ends in its header", len(data), f"{size} bytes or more", "the end")
    raw = data[: size - _CRC.size]
    (crc,) = _CRC.unpack_from(data, size - _CRC.size)
    if crc != zlib.crc32(raw):
        _reject("header is damaged", 0, f"CRC-32 {zlib.crc32(raw):08X}", f"{crc:08X}")
    header = _parse(raw)
    _check(header, limits or Limits())
    return header


def _parse(raw: bytes) -> Header:
    _, _, _, algorithm, kind, reserved, base, target, payload, window, *digests = (
        _FIXED.unpack_from(raw)
    )
    if any(reserved):
        _reject("reserved bytes are used", 10, "00 00", reserved.hex(" "))
    at = _FIXED.size
    base_version, at = _name(raw, at)
    target_version, at = _name(raw, at)
    if at + _SIZE.size > len(raw):
        _reject("header ends early", at, "the size of a signature", "the end")
    (size,) = _SIZE.unpack_from(raw, at)
    block = raw[at + _SIZE.size :]
    if size != len(block):
        _reject("signature has the wrong size", at, str(len(block)), str(size))
    return Header(
        algorithm=_member(Algorithm, algorithm, "algorithm", 8),
        filter=_member(Filter, kind, "filter", 9),
        base_size=base,
        target_size=target,
        payload_size=payload,
        window=window,
        base_sha256=digests[0],
        target_sha256=digests[1],
        base_version=base_version,
        target_version=target_version,
        signature=_signature(block, at + _SIZE.size) if block else None,
    )


def _name(raw: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + raw[at] if at < len(raw) else len(raw) + 1
    name = raw[at + 1 : end]
    if end > len(raw) or len(name) > VERSION_MAX or not name.isascii():
        _reject("no version stands here", at, f"at most {VERSION_MAX} ASCII characters", "others")
    return name.decode("ascii"), end


def _signature(block: bytes, at: int) -> Signature:
    kind = _member(SignatureKind, block[0], "kind of signature", at)
    try:
        return Signature(kind, block[1 : 1 + KEY_ID_SIZE], block[1 + KEY_ID_SIZE :])
    except ValueError as error:
        raise DeltaRejected("signature has the wrong size", found=str(error)) from error


def _member(kinds: type[_Kind], value: int, what: str, at: int) -> _Kind:
    try:
        return kinds(value)
    except ValueError:
        known = ", ".join(f"{kind.value} ({kind.name})" for kind in kinds)
        _reject(f"unknown {what}", at, known, str(value))


def _check(header: Header, limits: Limits) -> None:
    sizes = (
        ("base image", 12, header.base_size, limits.image),
        ("target image", 16, header.target_size, limits.image),
        ("patch", 20, header.payload_size, limits.payload),
        ("window", 24, header.window, limits.window),
    )
    for what, at, size, limit in sizes:
        if not 0 < size <= limit:
            _reject(f"{what} has a size that is not taken", at, f"1 to {limit} bytes", str(size))


def _reject(what: str, at: int, expected: str, found: str) -> NoReturn:
    raise DeltaRejected(what, where=f"offset {at}", expected=expected, found=found)
