"""A fresh device, programs, and reads."""

from __future__ import annotations

import pytest

from flash_emulator.contract.bench import (
    check,
    check_span,
    ending,
    fill,
    fill_sector,
    is_erased,
    operations,
)
from flash_emulator.contract.layout import ERASED, Expected, Layout
from flash_emulator.contract.shape import (
    Cuttable,
    Flash,
    Make,
    Powered,
    can_be_cut,
    digest,
)


def test_the_geometry_fits_together(device: Flash) -> None:
    """One bank or two; every sector, and the base address, is a whole number of program units."""
    geometry = device.geometry
    unit = geometry.program_unit
    assert unit >= 1
    assert geometry.bank_count in (1, 2)
    assert len(geometry.sector_sizes) >= 1
    assert geometry.base % unit == 0
    odd = [size for size in geometry.sector_sizes if size < unit or size % unit]
    assert not odd, f"sectors that are no multiple of the unit of {unit} bytes: {odd}"


def test_a_fresh_device_reads_ff(device: Flash, expected: Expected) -> None:
    """Every byte of a fresh device reads 0xFF."""
    check(device, expected)


def test_a_program_reads_back(device: Flash, expected: Expected, layout: Layout) -> None:
    """What is programmed into the first, a middle and the last unit of a sector, of a bank, of the
    device is read back; all other bytes still read 0xFF."""
    for sector in layout.landmarks:
        fill(device, expected, layout.ends(sector))
    check(device, expected)


def test_a_whole_sector_reads_back(device: Flash, expected: Expected, layout: Layout) -> None:
    """One call may program a whole sector."""
    fill_sector(device, expected, layout.small)
    check(device, expected)


def test_one_program_may_cross_sectors(device: Flash, expected: Expected, layout: Layout) -> None:
    """One call may program units of two sectors, where no bank ends between them."""
    run = layout.run(64)
    data = layout.data(run.start, len(run))
    device.program(run.start, data)
    expected.put(run.start, data)
    check(device, expected)


def test_a_read_may_begin_and_end_anywhere(
    device: Flash, expected: Expected, layout: Layout
) -> None:
    """A read of any alignment and size gives those bytes, across units and sectors too."""
    run, unit = layout.run(), layout.unit
    fill(device, expected, list(run)[::2])
    around = range(max(layout.base, run.start - unit), min(layout.end, run.stop + unit))
    for begin in range(2 * unit + 1):
        for end in range(2 * unit + 1):
            span = around[begin : len(around) - end]
            check_span(device, span, expected.get(span))
    for address in around:
        check_span(device, range(address, address + 1), expected.get(range(address, address + 1)))


def test_a_read_of_nothing_is_empty(device: Flash, layout: Layout) -> None:
    """A read of 0 bytes gives 0 bytes."""
    assert device.read(layout.base, 0) == b""


def test_a_read_gives_bytes_that_stay(device: Flash, layout: Layout) -> None:
    """What a read gave does not change when the flash does."""
    before = device.read(layout.base, layout.unit)
    device.program(layout.base, layout.data(layout.base))
    assert isinstance(before, bytes)
    assert before == ERASED * layout.unit


def test_reading_changes_nothing(device: Flash, expected: Expected, layout: Layout) -> None:
    """Units that were read, erased or not, are what they were: they read the same again, and the
    erased ones can be programmed."""
    fill(device, expected, list(layout.run())[::2])
    check(device, expected)
    check(device, expected)
    fill(device, expected, list(layout.run())[1::2])
    check(device, expected)


def test_programming_leaves_neighbours_alone(
    device: Flash, expected: Expected, layout: Layout
) -> None:
    """A program changes its own units only. Neighbours that hold data keep it; neighbours that are
    erased stay erased, and can be programmed."""
    for sector in layout.landmarks:
        units = list(layout.units(sector))
        fill(device, expected, units[1:3:2])
        fill(device, expected, units[:3:2])
        check_span(device, sector.span, expected.get(sector.span))
    check(device, expected)


def test_a_bulk_program_equals_unit_by_unit(make: Make) -> None:
    """One call with many units leaves what as many calls with one unit each leave, and is as many
    operations."""
    seen = []
    for units_at_once in (64, 1):
        device = make()
        layout = Layout.of(device.geometry)
        expected = Expected(layout)
        run = layout.run(64)
        data = layout.data(run.start, len(run))
        expected.put(run.start, data)
        step = units_at_once * layout.unit

        def program(
            device: Flash = device, run: range = run, data: bytes = data, step: int = step
        ) -> None:
            for offset in range(0, len(data), step):
                device.program(run.start + offset, data[offset : offset + step])

        if can_be_cut(device):
            assert operations(device, program) == len(run)
        else:
            program()
        check(device, expected)
        seen.append(digest(device))
    assert seen[0] == seen[1], "the two read alike, and their digests differ"


def test_programming_ff_is_harmless(device: Flash, expected: Expected, layout: Layout) -> None:
    """Programming 0xFF into an erased unit leaves it reading 0xFF, and its neighbours as they were:
    one keeps its data, the other can be programmed. After an erase all three can."""
    sector = layout.small
    units = list(layout.units(sector))[:3]
    if len(units) < 3:
        pytest.skip("a sector has fewer than three units")
    left, middle, right = units
    fill(device, expected, [left])
    device.program(middle, ERASED * layout.unit)
    check(device, expected)
    fill(device, expected, [right])
    check(device, expected)
    device.erase(sector.address)
    expected.erase(sector)
    fill(device, expected, units, salt=1)
    check(device, expected)


def test_an_operation_is_one_unit_or_one_sector(cuttable: Cuttable, layout: Layout) -> None:
    """The supply is asked once for each unit and once for each erase; not for reads, and not for
    calls that the device refuses."""
    run = layout.run()
    data = layout.data(run.start, len(run))
    assert operations(cuttable, lambda: cuttable.read(layout.base, layout.unit)) == 0
    assert operations(cuttable, lambda: cuttable.program(run.start, data)) == len(run)
    assert operations(cuttable, lambda: cuttable.erase(layout.base)) == 1
    assert operations(cuttable, lambda: ending(lambda: cuttable.erase(layout.end))) == 0
    outside = range(layout.end - layout.unit, layout.end + layout.unit)
    two = layout.data(outside.start, 2)
    assert operations(cuttable, lambda: ending(lambda: cuttable.program(outside.start, two))) == 0


def test_power_on_changes_no_data(powered: Powered, expected: Expected, layout: Layout) -> None:
    """A power-on, without a cut before it, changes nothing: data stay, erased units stay erased
    and can be programmed."""
    run = list(layout.run())
    fill(powered, expected, run[::2])
    for _ in range(3):
        powered.power_on()
        check(powered, expected)
    fill(powered, expected, run[1::2])
    check(powered, expected)
    assert not is_erased(powered, range(run[0], run[0] + layout.unit))
