"""Plans as values: what they would leave on a chip, and what they would spare."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash_emulator import load_part
from mcu_updater.cli.flasher.chips import chip_of, chips_with, choose_chip
from mcu_updater.core.errors import ImageRejected, UsageError
from mcu_updater.core.image import Extent, Rule
from mcu_updater.files.segments import assemble
from mcu_updater.stm32.chip import Chip, chip_of_geometry
from mcu_updater.stm32.estimate import LineSpeed, erase_s, estimate
from mcu_updater.stm32.firmware import Firmware, Segment, check_fits, check_starts, join
from mcu_updater.stm32.plan import Erase, EraseKind, covered_sectors, make_plan
from tests.stm32.emulated_chip import PARTS

BASE = 0x0800_0000
SMALL = chip_of_geometry(None, BASE, [(4, 512), (2, 1024)], 8)


@st.composite
def firmwares(draw: st.DrawFn) -> Firmware:
    byte = st.sampled_from([b"\xff", b"\xff" * 40, b"\x00", b"abc"])
    extents = []
    at = BASE
    for _ in range(draw(st.integers(1, 5))):
        at += draw(st.integers(0, 700))
        data = b"".join(draw(st.lists(byte, min_size=1, max_size=20)))[: BASE + 4096 - at]
        if data:
            extents.append(Extent(at, data, 0))
        at += len(data) + 1
    image = assemble(extents or [Extent(BASE, b"x", 0)])
    return Firmware(tuple(Segment(*segment) for segment in image.segments))


@given(firmwares(), st.sets(st.integers(0, 5)), st.booleans())
def test_a_plan_leaves_the_image_and_touches_nothing_else(firmware, same, erase_chip):
    plan = make_plan(SMALL, firmware, same, erase_chip=erase_chip)
    before = bytearray(b"\x55" * 4096)
    for sector in covered_sectors(SMALL, firmware):
        if sector.number in same:
            for part in plan.firmware.within(sector.start, sector.stop):
                before[part.address - BASE : part.stop - BASE] = part.data
    flash, programmed = bytearray(before), set[int]()
    for sector in plan.erase.sectors:
        flash[sector.start - BASE : sector.stop - BASE] = b"\xff" * sector.size
    for block in plan.writes:
        assert block.address % 8 == len(block.data) % 8 == 0 and 0 < len(block.data) <= 256
        assert block.address // 256 == (block.stop - 1) // 256
        span = set(range(block.address, block.stop))
        assert not span & programmed
        programmed |= span
        assert any(s.start <= block.address and block.stop <= s.stop for s in plan.erase.sectors)
        flash[block.address - BASE : block.stop - BASE] = block.data
    for segment in firmware.segments:
        assert flash[segment.address - BASE : segment.stop - BASE] == segment.data
    if not erase_chip:
        covered = {s.number for s in covered_sectors(SMALL, firmware)}
        for sector in SMALL.sectors:
            if sector.number not in covered or sector.number in same:
                whole = slice(sector.start - BASE, sector.stop - BASE)
                assert flash[whole] == before[whole]


def test_blank_units_are_not_written_and_long_blanks_split_a_block():
    data = b"\xff" * 64 + b"a" * 8 + b"\xff" * 80 + b"b" * 8 + b"\xff" * 8 + b"c" * 8 + b"\xff" * 80
    plan = make_plan(SMALL, Firmware((Segment(BASE, data),)))
    assert [(block.address - BASE, len(block.data)) for block in plan.writes] == [
        (64, 8),
        (152, 24),
    ]
    assert plan.blank_size == len(data) - 32


def test_the_vector_table_is_written_last():
    plan = make_plan(SMALL, Firmware((Segment(BASE, b"v" * 1000),)))
    assert plan.writes[-1].address == BASE
    assert [block.address for block in plan.writes[:-1]] == [BASE + 256, BASE + 512, BASE + 768]


@pytest.mark.parametrize(
    ("size", "kind", "bank"),
    [
        (0x100000, EraseKind.CHIP, 0),
        (0x80000, EraseKind.BANK, 0),
        (0x80000 - 2048, EraseKind.SECTORS, 0),
        (0x80000 + 4096, EraseKind.BANK, 0),
    ],
)
def test_a_bulk_erase_where_nothing_else_is_lost(size, kind, bank):
    chip = chip_of(load_part("STM32L476xG"))
    erase = make_plan(chip, Firmware((Segment(BASE, b"x" * size),))).erase
    assert (erase.kind, erase.bank) == (kind, bank)
    assert sum(sector.size for sector in erase.sectors) == size
    assert [sector.number for sector in erase.rest] == ([256, 257] if size == 0x81000 else [])


def test_a_bank_and_two_sectors_take_as_long_as_three_sectors():
    chip = chip_of(load_part("STM32L476xG"))
    plan = make_plan(chip, Firmware((Segment(BASE, b"x" * 0x81000),)))
    sector_s = erase_s(chip, Erase(EraseKind.SECTORS, chip.sectors[:1]))
    assert sector_s is not None
    assert erase_s(chip, plan.erase) == pytest.approx(3 * sector_s, rel=0.1)
    cost = estimate(plan, LineSpeed(115_200), checksum=True, verify=False)
    assert cost.turnarounds == 3 * len(plan.writes) + 4


def test_records_that_contradict_each_other_and_those_that_agree():
    agreed = join([Extent(BASE, b"abcd", 1), Extent(BASE + 2, b"cdef", 2)])
    assert agreed.segments == (Segment(BASE, b"abcdef"),)
    with pytest.raises(ImageRejected, match="line 2"):
        join([Extent(BASE, b"abcd", 1), Extent(BASE + 2, b"xd", 2)])


@pytest.mark.parametrize(
    "segment",
    [Segment(BASE + 4000, b"x" * 97), Segment(0x2000_0000, b"x"), Segment(BASE - 1, b"xy")],
)
def test_what_does_not_fit_is_rejected(segment):
    with pytest.raises(ImageRejected, match="Nothing was changed"):
        check_fits(Firmware((segment,)), SMALL)


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_found_by_pid_and_size(name):
    part = load_part(name)
    assert part.identity.usart_pid is not None
    known = chips_with(part.identity.usart_pid)
    assert part.name in [chip.name for chip in known]
    chip = chip_of(part)
    assert chip.sectors[0].start == part.base and chip.size == part.size
    assert [sector.number for sector in chip.sectors] == list(range(part.sector_count))


def test_a_smaller_chip_of_one_bank_is_cut_down_and_two_shapes_are_no_choice():
    half = choose_chip(chips_with(0x413), 768 * 1024)
    assert half.size == 768 * 1024 and "768 KiB" in half.name and len(half.banks) == 1
    with pytest.raises(UsageError, match="--part"):
        choose_chip(chips_with(0x469), 512 * 1024)
    with pytest.raises(UsageError, match="more flash"):
        choose_chip(chips_with(0x415), 1 << 22)


def test_the_estimate_is_the_sum_of_the_frames():
    chip: Chip = chip_of(load_part("STM32L476xG"))
    plan = make_plan(chip, Firmware((Segment(BASE, b"x" * 256 * 1024),)))
    slow = estimate(plan, LineSpeed(115_200, 0.016), checksum=False)
    assert slow.turnarounds > 3 * 1024 and slow.is_complete
    assert 50 < slow.wire_s < 55  # measured by others: 52.4 s
    assert estimate(plan, LineSpeed(115_200), checksum=True).wire_s < 27
    unknown = chip_of_geometry(None, BASE, [(128, 2048)], 8)
    assert not estimate(
        make_plan(unknown, plan.firmware), LineSpeed(115_200), checksum=True
    ).is_complete


def vectored(start: int, reset: int, size: int = 64) -> Firmware:
    head = struct.pack("<II", 0x2000_2000, reset)
    return Firmware((Segment(start, head + bytes(size - 8)),))


def test_what_goes_to_flash_begins_with_vectors_for_that_place() -> None:
    check_starts(vectored(0x0800_0000, 0x0800_0021))
    check_starts(vectored(0x0800_0000, 0x0800_0101))  # blank bytes at its end were cut off
    signed = struct.pack("<IIHH", 0x96F3_B83D, 0, 32, 0).ljust(32, b"\0")
    inner = vectored(0x0800_0020, 0x0800_0041).segments[0].data
    check_starts(Firmware((Segment(0x0800_0000, signed + inner),)))
    check_starts(Firmware((Segment(0x0807_F000, b"settings, no code"),)))
    ram = Segment(0x0000_0000, b"itcm")
    check_starts(Firmware((ram, *vectored(0x0800_0000, 0x0800_0021).segments)))
    check_starts(vectored(0x0000_8000, 0x0800_0101))  # in no flash: no --force would write it


@pytest.mark.parametrize(
    ("firmware", "what"),
    [
        (vectored(0x0800_0000, 0x0800_8101), "image linked for another address"),
        (vectored(0x0800_0000, 0x0800_8101, 0x2000), "image linked for another address"),
        (vectored(0x0800_8000, 0x0800_0101), "image linked for another address"),
        (vectored(0x0800_0000, 0x0800_0020), "reset vector has no Thumb bit"),
        (Firmware((Segment(0x0800_0000, b"\xff" * 64),)), "initial stack pointer is not aligned"),
        (Firmware((Segment(0x0800_0000, bytes(64)),)), "initial stack pointer is not in RAM"),
        (Firmware((Segment(0x0800_0000, bytes(7)),)), "image is shorter than its vector table"),
    ],
)
def test_what_would_not_start_is_told_before_anything_is_erased(
    firmware: Firmware, what: str
) -> None:
    with pytest.raises(ImageRejected, match=what) as caught:
        check_starts(firmware)
    assert caught.value.rule == Rule.VECTORS


def test_what_lies_in_another_memory_is_named() -> None:
    flash, ram = Segment(BASE, b"code"), Segment(0x2000_0000, b"data")
    with pytest.raises(ImageRejected, match="part of the image lies outside the flash") as caught:
        check_fits(Firmware((flash, ram)), SMALL)
    assert caught.value.rule == Rule.OUTSIDE
    assert "0x2000_0000 up to 0x2000_0004 (4 bytes, RAM)" in caught.value.found
    for segments in ((ram,), (flash, Segment(BASE + 4090, b"1234567"))):
        with pytest.raises(ImageRejected) as caught:
            check_fits(Firmware(segments), SMALL)
        assert caught.value.rule == ""  # nothing to keep, or too big
