"""MCUboot's image, taken apart as it streams by (MCUboot: ``bootutil/image.h``, docs/design.md).

    0                 header_size          + body_size        + protected_size
    | header | padding | body: vectors ... | protected TLVs   | TLVs: digest, key, signature |
    |<------------------ what digest and signature cover ---->|

Little-endian throughout. The body begins with the vector table, so the CPU starts at slot
+ header_size. Memory is bounded: the first bytes, the hash states, and at most MAX_TLVS bytes.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag
from typing import Final

from mcu_updater.core.errors import UntrustedImage, address_text
from mcu_updater.core.image.vectors import SIGNED_MAGIC
from mcu_updater.core.image_version import Version
from mcu_updater.core.trust.tlv import INFO, UNPROTECTED_MAGIC

_HEADER: Final = struct.Struct("<IIHHIIBBHII")
HEADER_SIZE: Final = 32
assert _HEADER.size == HEADER_SIZE

MAX_TLVS: Final = 16 * 1024
"""Bytes behind the body that are kept in RAM. A signature with its key takes about 1 KiB."""

VECTORS_SIZE: Final = 8
"""Bytes of the body that are kept for a look at the vector table."""


class Flag(IntFlag):
    """``IMAGE_F_*``. What is not here is refused."""

    PIC = 0x1
    ENCRYPTED_AES128 = 0x4
    ENCRYPTED_AES256 = 0x8
    NON_BOOTABLE = 0x10
    RAM_LOAD = 0x20
    ROM_FIXED = 0x100
    COMPRESSED_LZMA1 = 0x200
    COMPRESSED_LZMA2 = 0x400
    COMPRESSED_ARM_THUMB = 0x800


_ACCEPTED: Final = Flag.PIC | Flag.ROM_FIXED


@dataclass(frozen=True, slots=True)
class Header:
    """Sizes in bytes. *protected_size* counts the protected TLVs with their own header."""

    load_address: int
    header_size: int
    protected_size: int
    body_size: int
    flags: Flag
    version: Version

    @property
    def tlv_offset(self) -> int:
        """Where the body ends and the TLVs begin, the protected ones first."""
        return self.header_size + self.body_size

    @property
    def signed_size(self) -> int:
        """How many bytes digest and signature cover, from the first on."""
        return self.tlv_offset + self.protected_size

    @property
    def is_fixed(self) -> bool:
        """Whether *load_address* says where the image must stand."""
        return Flag.ROM_FIXED in self.flags

    def pack(self) -> bytes:
        return _HEADER.pack(
            SIGNED_MAGIC,
            self.load_address,
            self.header_size,
            self.protected_size,
            self.body_size,
            self.flags,
            *self.version,
            0,
        )


def parse_header(raw: bytes) -> Header:
    """The header in the first HEADER_SIZE bytes of *raw*. Raises UntrustedImage."""
    if len(raw) < HEADER_SIZE:
        raise cut_short(HEADER_SIZE, len(raw))
    magic, load_address, header_size, protected_size, body_size, flags, *rest = _HEADER.unpack(
        raw[:HEADER_SIZE]
    )
    *version, reserved = rest
    if magic != SIGNED_MAGIC:
        expected = f"MCUboot's magic 0x{SIGNED_MAGIC:08X}"
        raise _bad(0, "no signed image", expected, f"0x{magic:08X}")
    if flags & ~_ACCEPTED:
        known = Flag(flags & ~_ACCEPTED)
        raise _bad(16, "an image of a kind that cannot be run from a slot", "no such flag",
                   f"0x{flags:X}, {known.name or 'unknown flags'}")  # fmt: skip
    header = Header(
        load_address, header_size, protected_size, body_size, Flag(flags), Version(*version)
    )
    if load_address and not header.is_fixed:
        raise _bad(4, "a load address that no flag explains", "0", address_text(load_address))
    if header_size < HEADER_SIZE or header_size % 4:
        raise _bad(8, "header of an impossible size",
                   f"{HEADER_SIZE} or more, a multiple of 4", f"{header_size}")  # fmt: skip
    if body_size < VECTORS_SIZE:
        raise _bad(12, "image without a vector table", f"{VECTORS_SIZE} bytes or more",
                   f"{body_size}")  # fmt: skip
    if 0 < protected_size < INFO.size or protected_size > MAX_TLVS - INFO.size:
        raise _bad(10, "protected TLVs of an impossible size",
                   f"0, or {INFO.size} to {MAX_TLVS - INFO.size}", f"{protected_size}")  # fmt: skip
    if reserved:
        raise _bad(28, "reserved bytes of the header are in use", "0", f"0x{reserved:X}")
    return header


class SignedStream:
    """Takes a signed image's bytes in order, however they are cut.

    *hashes*: names of the digests to take of the signed part, as hashlib knows them.
    """

    def __init__(self, hashes: Iterable[str]) -> None:
        self.header: Header | None = None
        self.size = 0  # bytes taken
        self._head = b""
        self._vectors = b""
        self._tlvs = bytearray()
        self._end: int | None = None  # of the whole image, once the last TLVs say it
        self._hashes = {name: hashlib.new(name) for name in hashes}

    def feed(self, data: bytes) -> None:
        """Raises UntrustedImage at the first byte that shows that this is no signed image."""
        begin, self.size = self.size, self.size + len(data)
        if self.header is None:
            self._head += data
            if len(self._head) < HEADER_SIZE:
                return
            self.header = parse_header(self._head)
            begin, data, self._head = 0, self._head, b""
        self._sort(self.header, begin, memoryview(data))

    def _sort(self, header: Header, begin: int, data: memoryview) -> None:
        """Each byte to where it belongs; *begin* is the offset of the first."""
        if begin < header.signed_size:
            signed = data[: header.signed_size - begin]
            for digest in self._hashes.values():
                digest.update(signed)
        wanted = header.header_size + len(self._vectors)
        if len(self._vectors) < VECTORS_SIZE and begin + len(data) > wanted:
            at = wanted - begin
            self._vectors += bytes(data[at : at + VECTORS_SIZE - len(self._vectors)])
        if begin + len(data) > header.tlv_offset:
            self._keep(header, data[max(0, header.tlv_offset - begin) :])

    def _keep(self, header: Header, data: memoryview) -> None:
        room = MAX_TLVS - len(self._tlvs)
        self._tlvs += data[:room]
        known = len(self._tlvs) - header.protected_size
        if self._end is None and known >= INFO.size:
            magic, size = INFO.unpack_from(self._tlvs, header.protected_size)
            if magic != UNPROTECTED_MAGIC:
                raise _bad(header.signed_size, "no TLVs behind the image",
                           f"magic 0x{UNPROTECTED_MAGIC:04X}", f"0x{magic:04X}")  # fmt: skip
            if not INFO.size <= size <= MAX_TLVS - header.protected_size:
                raise _bad(header.signed_size + 2, "TLVs of an impossible size",
                           f"{INFO.size} to {MAX_TLVS - header.protected_size} bytes",
                           f"{size}")  # fmt: skip
            self._end = header.signed_size + size
        if self._end is not None and self.size > self._end:
            raise _bad(self._end, "bytes behind the signed image", "its end",
                       f"{self.size - self._end} bytes or more")  # fmt: skip

    @property
    def vectors(self) -> bytes | None:
        """The first VECTORS_SIZE bytes of the body, once they have come."""
        return self._vectors if len(self._vectors) == VECTORS_SIZE else None

    def finish(self) -> tuple[Header, bytes, bytes]:
        """Header, protected TLVs, TLVs: both areas as they came, their own headers included.

        Raises UntrustedImage when the image ends too soon.
        """
        header = self.header
        if header is None:
            raise cut_short(HEADER_SIZE, self.size)
        if self._end is None or self.size < self._end:
            raise cut_short(self._end or header.signed_size + INFO.size, self.size)
        protected = bytes(self._tlvs[: header.protected_size])
        return header, protected, bytes(self._tlvs[header.protected_size :])

    def digests(self) -> dict[str, bytes]:
        """Of the signed part, by name; whole once ``finish`` has not raised."""
        return {name: digest.digest() for name, digest in self._hashes.items()}


def cut_short(expected: int, found: int) -> UntrustedImage:
    return UntrustedImage(
        "the signed image is cut short",
        where=f"image offset {found}",
        expected=f"{expected} bytes or more",
        found=str(found),
        then="It will not be booted",
    )


def _bad(offset: int, what: str, expected: str, found: str) -> UntrustedImage:
    return UntrustedImage(
        what,
        where=f"image offset {offset}",
        expected=expected,
        found=found,
        then="It will not be booted",
    )
