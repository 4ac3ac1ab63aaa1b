"""The writer in C against that in Python: the same units of flash in the same order, in all."""

from __future__ import annotations

import hashlib
import random
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_updater.core.errors import ImageRejected, VerificationFailed
from mcu_updater.core.image import Extent
from mcu_updater.core.writer import SectorWriter
from tests.core_c.faults import CODES, name_of
from tests.core_c.hal import SpiedFlash, Step, Weakness, hal, operations
from tests.core_c.libraries import PARTS, campaign, library, target
from tests.thorough import THOROUGH

pytestmark = pytest.mark.judge("gcc")
EVERY_PART = pytest.mark.parametrize("name", PARTS)
ALL, SECTOR, FAULT, NOT_HELD = range(4)  # enum fwu_put
Told = list[tuple[object, ...]]
"""Sectors with the cursor behind each, then how it ended."""


def written_by_python(flash: SpiedFlash, extents: list[Extent], done: int) -> Told:
    digest = hashlib.sha256()
    writer = SectorWriter(flash.bank.slot, digest, done=done)
    told: Told = []
    try:
        for extent in extents:
            for sector in writer.put(extent):
                told.append(("sector", sector))
        for sector in writer.finish():
            told.append(("sector", sector))
    except ImageRejected as error:
        return [*told, (CODES[error.what],)]
    except VerificationFailed:
        return [*told, ("NOT_HELD",)]
    return [*told, ("done", writer.cursor, digest.digest())]


class WriterInC:
    def __init__(self, name: str, flash: SpiedFlash, done: int) -> None:
        self.core, self.hal = library(name), hal(name)
        self.ffi, self.lib = self.core.ffi, self.core.lib
        self.bank = self.hal.use(flash)
        self.c = self.ffi.new("struct fwu_writer *")
        self.sector, self.fault = self.ffi.new("uint32_t *"), self.ffi.new("enum fwu_fault *")
        self.lib.fwu_writer_begin(self.c, self.bank, done, True)
        self.told: Told = []

    def _until_all(self, call: Any, *arguments: Any) -> bool:
        """False: that was the end."""
        while (put := call(self.c, *arguments, self.sector, self.fault)) == SECTOR:
            self.hal.settle()
            self.told.append(("sector", self.sector[0]))
        self.hal.settle()
        if put == ALL:
            return True
        name = name_of(self.core, self.fault[0]) if put == FAULT else "NOT_HELD"
        self.told.append((name,))
        return False

    def put(self, extent: Extent) -> bool:
        memory = self.ffi.new("uint8_t[]", extent.data)
        given_extent = self.ffi.new(
            "struct fwu_extent *", (extent.address, memory, len(extent.data))
        )
        return self._until_all(self.lib.fwu_writer_put, given_extent)

    def finish(self) -> None:
        cursor = self.lib.fwu_writer_cursor(self.c)
        if not self._until_all(self.lib.fwu_writer_finish):
            return
        assert self.lib.fwu_writer_cursor(self.c) == cursor
        digest = self.ffi.new("uint8_t[32]")
        self.lib.fwu_hash_end(self.ffi.addressof(self.c.digest), digest)
        self.told.append(("done", cursor, bytes(digest)))


def written_by_c(name: str, flash: SpiedFlash, extents: list[Extent], done: int) -> Told:
    writer = WriterInC(name, flash, done)
    if all(writer.put(extent) for extent in extents):
        writer.finish()
    return writer.told


def check(
    name: str,
    extents: list[Extent],
    done: int = 0,
    weakness: dict[str, dict[int, int]] | None = None,
) -> tuple[Told, list[Step]]:
    flashes = [SpiedFlash(name, Weakness()) for _ in range(2)]
    for flash in flashes:
        for kind, times in (weakness or {}).items():
            getattr(flash.weakness, kind).update(times)
    told = written_by_python(flashes[0], extents, done)
    assert written_by_c(name, flashes[1], extents, done) == told
    assert flashes[1].log == flashes[0].log
    slot = flashes[1].bank.slot
    assert all(slot.address <= at < slot.address + slot.size for _, at, _ in flashes[1].log)
    return told, flashes[0].log


# --- extents


def content(size: int, seed: int) -> bytes:
    """*size* bytes; stretches of them are blank."""
    chance = random.Random(seed)
    data = bytearray(chance.randbytes(size))
    for _ in range(chance.randrange(4)):
        begin = chance.randrange(size + 1)
        end = begin + chance.randrange(1 + size)
        data[begin:end] = b"\xff" * len(data[begin:end])
    return bytes(data)


def link(name: str) -> tuple[int, int, tuple[int, ...]]:
    """Where images are linked, the slot's size, and its sectors' sizes."""
    slot = SpiedFlash(name).bank.slot
    return slot.link_address, slot.size, slot.sector_sizes


LINKS = {name: link(name) for name in PARTS}
stacks = st.sampled_from([0x2000_8000] * 9 + [0x2000_8001, 0x0FFF_FFFC, 0x4000_0000, 0x96F3_B83D])


@st.composite
def extents_of(draw: st.DrawFn, name: str) -> list[Extent]:
    base, room, sectors = LINKS[name]
    first, unit = sectors[0], target(name)[0].program_unit
    reset = draw(st.sampled_from([base + 0x41] * 9 + [base + 0x40, base - 1, base + room + 1]))
    head = struct.pack("<II", draw(stacks), reset)
    made: list[Extent] = []
    offset = draw(st.sampled_from([0] * 12 + [-1, 4, first]))
    gaps = st.sampled_from([0, 0, 0, 1, unit - 1, unit, 100, first - 8, first, first + 3, -1])
    sizes = st.sampled_from([1, 3, unit, 16, 255, first - 8, first, first + 5, 2 * first + 1])
    count = draw(st.integers(0, 4 if first <= 4096 else 2))
    for number in range(count):
        size, seed = draw(sizes), draw(st.integers(0, 99))
        data = (head if not number else b"") + content(size, seed)
        if not number:
            split = draw(st.sampled_from([0, 0, 0, 1, 4, 7]))
            made += [Extent(base + offset, data[:split], 1)] * bool(split)
            offset, data = offset + split, data[split:]
        else:
            offset += draw(gaps)
        made.append(Extent(base + offset, data, number + 2))
        offset += len(data)
    return made


@pytest.mark.parametrize(
    ("name", "examples"),
    [(name, examples) for name, examples in zip(PARTS, (50, 50, 6, 1), strict=True)],
)
def test_any_extents(name: str, examples: int) -> None:
    @settings(max_examples=campaign(examples))
    @given(extents=extents_of(name), done=st.sampled_from([0, 0, 0, 1, 2]))
    def compare(extents: list[Extent], done: int) -> None:
        check(name, extents, done)

    compare()


def whole(name: str, size: int, step: int = 400) -> list[Extent]:
    """An image of *size* bytes, in extents of *step*."""
    base, _, _ = LINKS[name]
    data = (struct.pack("<II", 0x2000_8000, base + 0x41) + content(size, 7))[:size]
    return [Extent(base + at, data[at : at + step], 1) for at in range(0, size, step)]


@EVERY_PART
@pytest.mark.parametrize("done", [0, 1, 9])
def test_images_about_as_long_as_a_sector(name: str, done: int) -> None:
    first, unit = LINKS[name][2][0], target(name)[0].program_unit
    for size in (7, 8, 9, first - 1, first, first + 1, first + unit):
        told, log = check(name, whole(name, size), done)
        assert (told[-1][0] == "done") == (size >= 8)
        assert bool(operations(log)) == (size >= 8 and done * first < size)


@pytest.mark.parametrize("name", PARTS[:2])
def test_a_slot_that_is_full_and_one_byte_more(name: str) -> None:
    _, room, sectors = LINKS[name]
    told, _ = check(name, whole(name, room, 9000))
    assert [sector for what, sector, *_ in told if what == "sector"] == list(range(len(sectors)))
    told, _ = check(name, [*whole(name, room, 9000), Extent(LINKS[name][0] + room, b"x", 1)])
    assert told[-1] == ("OUTSIDE",)


def test_addresses_at_both_ends_of_what_32_bits_can_say() -> None:
    name = PARTS[0]
    base, room, _ = LINKS[name]
    for address in (0, 1, base - 1, base + room, base + room + 1, 0xFFFF_FFFF, 0xFFFF_FFF0):
        told, log = check(name, [Extent(address, b"0123456789abcdef", 1)])
        assert told == [("OUTSIDE",)]
        assert log == []


@pytest.mark.parametrize("name", PARTS if THOROUGH else PARTS[:2])
@pytest.mark.parametrize("kind", ["program", "erase", "look", "bit"])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_flash_that_does_not_hold_what_is_written(name: str, kind: str, times: int) -> None:
    """In the first and in the second sector, at its first, a middle and its last unit."""
    slot = SpiedFlash(name).bank.slot
    for sector, start in enumerate(slot.sector_starts[:2]):
        size = slot.sector_sizes[sector]
        for at in {0} if kind == "erase" else {0, size // 2, size - slot.unit}:
            weakness = {kind: {slot.address + start + at: times}}
            told, log = check(name, whole_solid(name, start + size + 5), weakness=weakness)
            erases = sum(step[0] == "erase" for step in log)
            assert told[-1][0] == ("done" if times < 2 else "NOT_HELD")
            assert erases == sector + 2 + (1 if times < 2 else 0)


def whole_solid(name: str, size: int) -> list[Extent]:
    """As ``whole``, with no blank unit."""
    base, _, _ = LINKS[name]
    data = (struct.pack("<II", 0x2000_8000, base + 0x41) + b"\x5a" * size)[:size]
    return [Extent(base + at, data[at : at + 9000], 1) for at in range(0, size, 9000)]
