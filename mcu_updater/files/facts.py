"""What can be told of an image by looking at its bytes: vectors, version, how it compresses."""

from __future__ import annotations

import hashlib
import lzma
import math
import struct
import zlib
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from mcu_updater.core.image.vectors import (
    HEAD_SIZE,
    SIGNED_MAGIC,
    STACK_RANGE,
    place_of,
    signed_header_size,
)
from mcu_updater.files.segments import MemoryImage

_SAMPLE = 4 << 20  # bytes that are compressed to say how well that goes
_MCUBOOT_MAGIC = struct.pack("<I", SIGNED_MAGIC)  # MCUboot's docs/design.md, "Image Format"
_MCUBOOT_VERSION = struct.Struct("<BBHI")
_MCUBOOT_VERSION_AT = 20
_NOTE = struct.pack("<III", 4, 20, 3) + b"GNU\0"  # ELF note of type NT_GNU_BUILD_ID with a SHA-1
_FIXTURE = b"MCUFIXT\0"  # fixtures/firmware/build_id.h
_FIXTURE_VERSION_AT, _FIXTURE_VERSION_SIZE = 16, 16


@dataclass(frozen=True, slots=True)
class Vectors:
    """The first two vectors, and what is wrong with them; *problems* empty: nothing."""

    stack: int
    reset: int
    problems: tuple[str, ...]


def header_size(image: MemoryImage) -> int:
    """Bytes before the vector table: MCUboot's header where the image begins with one."""
    return signed_header_size(image.segments[0].data)


def vectors(image: MemoryImage, *, placed: bool) -> Vectors | None:
    """None where the image has no room for them. *placed*: its addresses are where it will run."""
    head = image.read(image.start + header_size(image), HEAD_SIZE)
    if head is None:
        return None
    stack, reset = struct.unpack("<II", head)
    problems = []
    if stack % 4:
        problems.append("stack pointer is no multiple of 4")
    if stack not in STACK_RANGE:
        problems.append("stack pointer is not in RAM")
    if not reset & 1:
        problems.append("reset vector has no Thumb bit")
    inside = any(reset & ~1 in place_of(s.address, s.end) for s in image.segments)
    if placed and not inside:
        problems.append("reset vector is not inside the image")
    return Vectors(stack, reset, tuple(problems))


def identities(image: MemoryImage) -> dict[str, str]:
    """Versions and build IDs that the bytes carry, by where they come from."""
    found = {}
    for segment in image.segments:
        data = segment.data
        at = data.find(_NOTE)
        if at >= 0 and len(data) >= at + len(_NOTE) + 20:
            found["GNU build ID"] = data[at + len(_NOTE) : at + len(_NOTE) + 20].hex()
        at = data.find(_FIXTURE)
        if at >= 0:
            begin = at + len(_FIXTURE) + 8
            text = data[begin : begin + _FIXTURE_VERSION_SIZE].split(b"\0")[0]
            found["fixture's version"] = text.decode("ascii", "replace")
    first = image.segments[0].data
    if first.startswith(_MCUBOOT_MAGIC) and len(first) >= _MCUBOOT_VERSION_AT + 8:
        major, minor, revision, build = _MCUBOOT_VERSION.unpack_from(first, _MCUBOOT_VERSION_AT)
        found["MCUboot header"] = f"{major}.{minor}.{revision}+{build}"
    return found


@dataclass(frozen=True, slots=True)
class Compressibility:
    """Of the first *sample* bytes that the file gives: sizes after packing, and entropy."""

    sample: int
    deflate: int
    lzma: int
    bits_of_byte: float
    blank: int  # bytes that are 0xFF


def compressibility(image: MemoryImage) -> Compressibility:
    data = b"".join(segment.data for segment in image.segments)[:_SAMPLE]
    counts = Counter(data)
    entropy = -sum(n / len(data) * math.log2(n / len(data)) for n in counts.values())
    return Compressibility(
        len(data),
        len(zlib.compress(data, 9)),
        len(lzma.compress(data, lzma.FORMAT_ALONE)),
        abs(entropy),
        counts[0xFF],
    )


def hashes(data: bytes) -> dict[str, str]:
    return {
        "MD5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "SHA-256": hashlib.sha256(data).hexdigest(),
    }


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two images differ: half-open ranges of addresses, by what is there."""

    changed: tuple[range, ...]
    only_first: tuple[range, ...]
    only_second: tuple[range, ...]

    @property
    def is_none(self) -> bool:
        return not (self.changed or self.only_first or self.only_second)


def difference(first: MemoryImage, second: MemoryImage) -> Difference:
    """Compare byte by byte; ranges that touch are joined."""
    borders = sorted({edge for i in (first, second) for s in i.segments for edge in s[::2]}
                     | {s.end for i in (first, second) for s in i.segments})  # fmt: skip
    kinds: dict[str, list[range]] = {"changed": [], "first": [], "second": []}
    cursors = [iter(first.segments), iter(second.segments)]
    held = [next(cursor, None) for cursor in cursors]
    for begin, end in pairwise(borders):
        pieces: list[bytes | None] = []
        for side in (0, 1):
            segment = held[side]
            while segment is not None and segment.end <= begin:
                segment = held[side] = next(cursors[side], None)
            inside = segment is not None and segment.address <= begin
            pieces.append(
                segment.data[begin - segment.address : end - segment.address]
                if inside and segment is not None
                else None
            )
        one, two = pieces
        if one is None and two is None:
            continue
        if one is not None and two is not None:
            _join(kinds["changed"], _changes(one, two, begin))
        else:
            _join(kinds["second" if one is None else "first"], [range(begin, end)])
    return Difference(tuple(kinds["changed"]), tuple(kinds["first"]), tuple(kinds["second"]))


_STEP = 4096


def _changes(one: bytes, two: bytes, address: int) -> list[range]:
    found: list[range] = []
    for start in range(0, len(one), _STEP):
        a, b = one[start : start + _STEP], two[start : start + _STEP]
        if a == b:
            continue
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            if x != y:
                at = address + start + index
                _join(found, [range(at, at + 1)])
    return found


def _join(ranges: list[range], more: list[range]) -> None:
    for one in more:
        if ranges and ranges[-1].stop == one.start:
            ranges[-1] = range(ranges[-1].start, one.stop)
        else:
            ranges.append(one)
