"""What a loss of power leaves.

A cut hits one operation, the program of one unit or the erase of one sector. All operations before
it are complete, none behind it has begun. What becomes of the one that was hit is the outcome;
what becomes of everything else is the contract.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from flash_emulator.contract.bench import (
    check,
    check_span,
    cut,
    cut_and_restart,
    ending,
    fill,
    fill_sector,
    hexed,
    is_erased,
    reads_or_oserror,
    said,
)
from flash_emulator.contract.layout import Expected, Layout, Sector
from flash_emulator.contract.shape import Cuttable, Flash, can_be_switched, digest
from flash_emulator.power import CutAt, Outcome, SteadySupply

MakeCuttable = Callable[[], Cuttable]
Hit = Callable[[Cuttable, Expected, Outcome], range]


def hit_program(device: Cuttable, expected: Expected, outcome: Outcome) -> range:
    """Cut the program of one unit between data. Returns what the cut may have touched."""
    layout = expected.layout
    units = list(layout.units(layout.small))
    address = units[len(units) // 2]
    fill(device, expected, [unit for unit in units if abs(unit - address) == layout.unit])
    cut(device, 1, outcome, lambda: device.program(address, layout.data(address)))
    return range(address, address + layout.unit)


def hit_erase(device: Cuttable, expected: Expected, outcome: Outcome) -> range:
    """Cut the erase of a sector between others that hold data."""
    sector = expected.layout.small
    _surround(device, expected, sector)
    cut(device, 1, outcome, lambda: device.erase(sector.address))
    return sector.span


HITS = pytest.mark.parametrize(
    "hit", [pytest.param(hit_program, id="program"), pytest.param(hit_erase, id="erase")]
)


def _surround(device: Flash, expected: Expected, sector: Sector) -> None:
    """Fill *sector*, and put data at the ends of all landmarks and of its neighbours."""
    layout = expected.layout
    fill_sector(device, expected, sector)
    near = [s for s in layout.sectors if s.end == sector.address or s.address == sector.end]
    for other in {*near, *layout.landmarks} - {sector}:
        fill(device, expected, layout.ends(other))


PROMISES = pytest.mark.parametrize(
    "outcome", [Outcome.BEFORE, Outcome.BLANK, Outcome.WEAK, Outcome.AFTER], ids=str
)
"""The outcomes that say something of the place that was hit."""


def sector_of(layout: Layout, address: int) -> Sector:
    return next(sector for sector in layout.sectors if address in sector.span)


# --- the end of the call, and of the device


@HITS
def test_a_cut_ends_the_call_with_what_no_handler_of_errors_catches(
    cuttable: Cuttable, expected: Expected, outcome: Outcome, hit: Hit
) -> None:
    """The call that power was cut in does not return: it raises a BaseException that is no
    Exception. Losing power ends the caller; it is not an error that could be handled."""
    hit(cuttable, expected, outcome)


@HITS
def test_a_cut_leaves_the_device_dead_until_power_on(
    cuttable: Cuttable, expected: Expected, outcome: Outcome, hit: Hit
) -> None:
    """After a cut every call raises what the cut raised, even from `finally`, with whatever supply,
    and changes nothing. After power_on the device works."""
    device, layout = cuttable, expected.layout
    touched = hit(device, expected, outcome)
    free = layout.sectors[-1]
    wanted = (
        ("read", lambda: device.read(layout.base, 1)),
        ("program", lambda: device.program(free.end - layout.unit, layout.data(free.address))),
        ("program of many", lambda: device.program(layout.base, bytes(2 * layout.unit))),
        ("erase", lambda: device.erase(layout.base)),
        ("erase of the cut sector", lambda: device.erase(sector_of(layout, touched.start).address)),
    )
    for _ in range(2):
        for name, call in wanted:
            _is_dead(name, call)
        device.supply = SteadySupply()
    switch: Flash = device
    if can_be_switched(switch):
        _is_dead("map_bank", partial(switch.map_bank, 1))
    device.power_on()
    check(device, expected, without=touched)
    if outcome is Outcome.BEFORE:
        check(device, expected)


def _is_dead(name: str, call: Callable[[], object]) -> None:
    error = ending(call)
    if error is None or isinstance(error, Exception):
        pytest.fail(
            f"{name} after the cut: expected the BaseException of a device without power, "
            f"found {said(error)}"
        )


def test_nothing_in_a_finally_reaches_the_flash(cuttable: Cuttable, expected: Expected) -> None:
    """Code that cleans up while power is gone leaves no trace."""
    device, layout = cuttable, expected.layout
    first, second = layout.run()[:2]

    def tidy() -> None:
        try:
            device.program(first, layout.data(first))
        finally:
            try:
                device.program(second, layout.data(second))
            finally:
                device.erase(layout.base)

    cut_and_restart(device, 1, Outcome.AFTER, tidy)
    expected.put(first, layout.data(first))
    check(device, expected)


# --- a cut program


def _programmed_until(
    device: Cuttable, expected: Expected, position: int, outcome: Outcome, at_once: bool
) -> range:
    """Cut a run of units at the one in *position*, and power on. Returns that unit."""
    layout = expected.layout
    run, unit = layout.run(), layout.unit

    def program() -> None:
        if at_once:
            device.program(run.start, layout.data(run.start, len(run)))
        else:
            for address in run:
                device.program(address, layout.data(address))

    cut_and_restart(device, position + 1, outcome, program)
    expected.put(run.start, layout.data(run.start, position))
    return range(run[position], run[position] + unit)


def test_a_cut_program_touches_its_own_unit_only(
    make_cuttable: MakeCuttable, outcome: Outcome
) -> None:
    """Wherever a bulk program is cut: units before the cut one are complete, those behind it are
    untouched, and so are all other sectors and the other bank."""
    for position in range(len(Layout.of(make_cuttable().geometry).run())):
        device = make_cuttable()
        layout = Layout.of(device.geometry)
        expected = Expected(layout)
        far = [unit for s in layout.landmarks for unit in layout.ends(s)]
        fill(device, expected, [unit for unit in far if unit not in layout.run()])
        touched = _programmed_until(device, expected, position, outcome, at_once=True)
        check(device, expected, without=touched)


def test_units_behind_a_cut_program_are_still_erased(
    make_cuttable: MakeCuttable, outcome: Outcome
) -> None:
    """Units behind the cut one do not only read 0xFF: they can be programmed, and stay right."""
    for position in range(len(Layout.of(make_cuttable().geometry).run())):
        device = make_cuttable()
        expected = Expected(Layout.of(device.geometry))
        touched = _programmed_until(device, expected, position, outcome, at_once=True)
        behind = list(expected.layout.run())[position + 1 :]
        fill(device, expected, behind)
        for _ in range(3):
            for address in behind:
                span = range(address, address + expected.layout.unit)
                check_span(device, span, expected.get(span))
            device.power_on()
        check(device, expected, without=touched)


def test_a_cut_in_a_bulk_program_equals_a_cut_in_single_calls(
    make_cuttable: MakeCuttable, outcome: Outcome
) -> None:
    """A bulk program that is cut leaves, at every position, what single calls that are cut there
    leave: outside the cut unit byte for byte, and for a device with a digest all of it."""
    for position in range(len(Layout.of(make_cuttable().geometry).run())):
        seen = []
        for at_once in (True, False):
            device = make_cuttable()
            expected = Expected(Layout.of(device.geometry))
            touched = _programmed_until(device, expected, position, outcome, at_once)
            check(device, expected, without=touched)
            seen.append(digest(device))
        assert seen[0] == seen[1], f"digests differ after a cut at unit {position}"


@PROMISES
def test_a_cut_program_leaves_what_its_outcome_says(
    cuttable: Cuttable, expected: Expected, layout: Layout, outcome: Outcome
) -> None:
    """BEFORE: the unit reads 0xFF and can be programmed. AFTER: it is complete, for good. BLANK:
    it reads 0xFF. WEAK: it reads right after the first power-on. Others promise nothing."""
    touched = hit_program(cuttable, expected, outcome)
    cuttable.power_on()
    match outcome:
        case Outcome.BEFORE:
            assert is_erased(cuttable, touched)
            fill(cuttable, expected, [touched.start])
        case Outcome.BLANK:
            assert is_erased(cuttable, touched)
        case Outcome.WEAK | Outcome.AFTER:
            expected.put(touched.start, layout.data(touched.start))
            check(cuttable, expected)
        case _:
            raise AssertionError(outcome)
    if outcome in (Outcome.BEFORE, Outcome.AFTER):
        for _ in range(3):
            cuttable.power_on()
            check(cuttable, expected)


def test_a_cut_in_a_program_over_data_touches_its_own_unit_only(
    cuttable: Cuttable, expected: Expected, layout: Layout, outcome: Outcome
) -> None:
    """Where a unit that is not erased takes a program (zeros, by most rules), that is an operation
    as any other: it can be cut, and touches nothing but its unit. BEFORE leaves the old data, AFTER
    zeros; an erase and a program heal whatever it left."""
    units = list(layout.units(layout.small))[:3]
    fill(cuttable, expected, units)
    address = units[len(units) // 2]
    zeros = bytes(layout.unit)
    supply = CutAt(1, outcome)
    cuttable.supply = supply
    loss = ending(partial(cuttable.program, address, zeros))
    if isinstance(loss, OSError) and not supply.taken:
        pytest.skip("the device refuses to program a unit twice, even with zeros")
    if loss is None or isinstance(loss, Exception):
        pytest.fail(f"power was cut, and the call ended with {said(loss)}")
    cuttable.supply = SteadySupply()
    cuttable.power_on()
    check(cuttable, expected, without=range(address, address + layout.unit))
    if outcome is Outcome.AFTER:
        expected.put(address, zeros)
    if outcome in (Outcome.BEFORE, Outcome.AFTER):
        check(cuttable, expected)
    cuttable.erase(layout.small.address)
    expected.erase(layout.small)
    fill(cuttable, expected, units, salt=1)
    for _ in range(3):
        check(cuttable, expected)
        cuttable.power_on()


# --- a cut erase


def test_a_cut_erase_touches_no_other_sector(make_cuttable: MakeCuttable, outcome: Outcome) -> None:
    """A cut erase may leave anything in its own sector; all other sectors keep their data, the
    neighbours of another size and the other bank among them, over three power-ons."""
    for sector in Layout.of(make_cuttable().geometry).on_edges:
        device = make_cuttable()
        expected = Expected(Layout.of(device.geometry))
        _surround(device, expected, sector)
        cut_and_restart(device, 1, outcome, partial(device.erase, sector.address))
        for _ in range(3):
            check(device, expected, without=sector.span)
            device.power_on()


def test_a_cut_erase_leaves_erased_units_of_other_sectors_programmable(
    cuttable: Cuttable, expected: Expected, layout: Layout, outcome: Outcome
) -> None:
    """Units outside the cut sector that were erased before can still be programmed."""
    touched = hit_erase(cuttable, expected, outcome)
    cuttable.power_on()
    sectors = [s for s in layout.landmarks if s.address not in touched]
    free = [unit + layout.unit for s in sectors for unit in layout.ends(s)]
    fill(cuttable, expected, [unit for unit in free if _is_free(expected, unit, touched)])
    for _ in range(3):
        check(cuttable, expected, without=touched)
        cuttable.power_on()


def _is_free(expected: Expected, unit: int, touched: range) -> bool:
    span = range(unit, unit + expected.layout.unit)
    inside = unit < expected.layout.end and unit not in touched
    return inside and expected.get(span) == b"\xff" * len(span)


@PROMISES
def test_a_cut_erase_leaves_what_its_outcome_says(
    cuttable: Cuttable, expected: Expected, layout: Layout, outcome: Outcome
) -> None:
    """BEFORE: the sector keeps its data. AFTER: it reads 0xFF and can be programmed for good.
    BLANK and WEAK: it reads 0xFF after the first power-on. Others promise nothing."""
    touched = hit_erase(cuttable, expected, outcome)
    sector = sector_of(layout, touched.start)
    cuttable.power_on()
    match outcome:
        case Outcome.BEFORE:
            check(cuttable, expected)
        case Outcome.BLANK | Outcome.WEAK:
            assert is_erased(cuttable, touched)
        case Outcome.AFTER:
            expected.erase(sector)
            check(cuttable, expected)
            fill_sector(cuttable, expected, sector, salt=1)
        case _:
            raise AssertionError(outcome)
    if outcome in (Outcome.BEFORE, Outcome.AFTER):
        for _ in range(3):
            cuttable.power_on()
            check(cuttable, expected)


# --- and afterwards


@HITS
def test_an_erase_and_a_program_heal_what_a_cut_left(
    cuttable: Cuttable, expected: Expected, layout: Layout, outcome: Outcome, hit: Hit
) -> None:
    """After power_on, an erase of the sector that completes makes all its units erased again, and
    what is then programmed stays right over three power-ons."""
    sector = sector_of(layout, hit(cuttable, expected, outcome).start)
    cuttable.power_on()
    cuttable.erase(sector.address)
    expected.erase(sector)
    check(cuttable, expected)
    fill_sector(cuttable, expected, sector, salt=2)
    for _ in range(3):
        check(cuttable, expected)
        cuttable.power_on()
    check(cuttable, expected)


@HITS
def test_an_erase_that_is_cut_again_can_be_healed_too(
    cuttable: Cuttable, expected: Expected, layout: Layout, outcome: Outcome, hit: Hit
) -> None:
    """Two cuts on top of one another, the second in the erase that was to heal the first, leave
    nothing that a third erase does not."""
    sector = sector_of(layout, hit(cuttable, expected, outcome).start)
    cuttable.power_on()
    cut_and_restart(cuttable, 1, outcome, lambda: cuttable.erase(sector.address))
    check(cuttable, expected, without=sector.span)
    cuttable.erase(sector.address)
    expected.erase(sector)
    fill_sector(cuttable, expected, sector, salt=2)
    for _ in range(3):
        check(cuttable, expected)
        cuttable.power_on()


@HITS
def test_a_read_after_a_cut_raises_nothing_but_oserror(
    cuttable: Cuttable, expected: Expected, layout: Layout, outcome: Outcome, hit: Hit
) -> None:
    """What a cut left may read as anything, differently each time, or be unreadable: OSError. It
    never raises anything else, and does not spread: units that the cut did not touch read right,
    also when they are read one by one beside it."""
    touched = hit(cuttable, expected, outcome)
    unit = layout.unit
    around = range(max(layout.base, touched.start - unit), min(layout.end, touched.stop + unit))
    for _ in range(3):
        cuttable.power_on()
        reads_or_oserror(cuttable, touched.start, len(touched))
        reads_or_oserror(cuttable, around.start + 1, len(around) - 1)
        for address in touched[: 64 * unit : unit]:
            reads_or_oserror(cuttable, address, unit)
            reads_or_oserror(cuttable, address + unit - 1, 1)
        for near in (around.start, around.stop - unit):
            if near not in touched:
                span = range(near, near + unit)
                check_span(cuttable, span, expected.get(span))


@HITS
def test_a_program_over_what_a_cut_left_touches_nothing_else(
    cuttable: Cuttable, expected: Expected, layout: Layout, outcome: Outcome, hit: Hit
) -> None:
    """Programming a unit that a cut has hit may succeed or raise OSError; nothing else happens to
    it or to any other unit."""
    touched = hit(cuttable, expected, outcome)
    cuttable.power_on()
    for address in touched[: 16 * layout.unit : layout.unit]:
        error = ending(partial(cuttable.program, address, layout.data(address, salt=3)))
        if error is not None and not isinstance(error, OSError):
            pytest.fail(f"program at {hexed(address)}: expected OSError, found {said(error)}")
    check(cuttable, expected, without=touched)
