"""Runs are joined at a point only where metastable bits are read in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from worlds import tiny_part

from flash_emulator import EmulatedFlash
from flash_emulator.cells import RawUnit
from flash_emulator.explore import Report, Violation, explore


def boot(flash: EmulatedFlash, *, points: bool) -> Iterator[str]:
    base, sector = flash.part.base, flash.part.sector_sizes[0]
    if points:
        yield "before anything was read"
    bit = flash.read(base, 2)[0] & 1
    flash.erase(base + sector)
    flash.program(base + sector, bytes([bit, 0]))
    if bit:
        raise Violation("safe", "the bit reads 1")


def explored(*, points: bool) -> Report:
    flash = EmulatedFlash(tiny_part([512] * 2, unit=2, ecc=False))
    flash.cells.set_word(0, RawUnit(0, metastable=1))
    return explore(flash, partial(boot, points=points))


def test_a_point_before_a_metastable_bit_hides_none_of_its_readings() -> None:
    with_points, without = explored(points=True), explored(points=False)
    assert without.violation_count
    assert with_points.violation_count == without.violation_count
    assert with_points.states == without.states
