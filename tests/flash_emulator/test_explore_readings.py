"""Runs are joined at a point only where metastable bits are read in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tiny_silicon import BASE, SECTOR, part

from flash_emulator import EmulatedFlash
from flash_emulator.cells import RawUnit
from flash_emulator.explore import Report, Violation, explore


def boot(flash: EmulatedFlash, *, points: bool) -> Iterator[str]:

    if points:
        yield "before anything was read"
    bit = flash.read(BASE, 2)[0] & 1
    flash.erase(BASE + SECTOR)
    flash.program(BASE + SECTOR, bytes([bit, 0]))
    if bit:
        raise Violation("safe", "the bit reads 1")


def explored(*, points: bool) -> Report:
    flash = EmulatedFlash(part(ecc=False, program_unit=2))
    flash.cells.set_word(0, RawUnit(0, metastable=1))
    return explore(flash, partial(boot, points=points))


def test_a_point_before_a_metastable_bit_hides_none_of_its_readings() -> None:
    with_points, without = explored(points=True), explored(points=False)
    assert without.violation_count
    assert with_points.violation_count == without.violation_count
    assert with_points.states == without.states
