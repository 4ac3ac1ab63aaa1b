"""What a cut leaves, outcome by outcome; and that nobody touches flash after it."""

from __future__ import annotations

import pytest
from tiny_silicon import BASE, SECTOR, UNIT, cut, flash, state, units

from flash_emulator import (
    CutAt,
    EmulatedFlash,
    Outcome,
    PowerLoss,
    ProgramError,
    SteadySupply,
    UnreadableUnit,
)
from flash_emulator.cells import Mark

BLANK = b"\xff" * UNIT
EVERY = pytest.mark.parametrize("outcome", list(Outcome))


def cut_program(outcome: Outcome, *, ecc: bool = True, seed: int = 0) -> EmulatedFlash:
    """Five units, cut in the third, and powered on again."""
    device = flash(ecc=ecc, seed=seed)
    cut(device, 3, outcome, lambda: device.program(BASE, units(0, 5)))
    device.power_on()
    return device


def cut_erase(outcome: Outcome, *, ecc: bool = True, seed: int = 0) -> EmulatedFlash:
    """Three full sectors; power is lost in the erase of the second one, and comes again."""
    device = flash(ecc=ecc, seed=seed)
    device.program(BASE, units(0, 24))
    cut(device, 1, outcome, lambda: device.erase(BASE + SECTOR))
    device.power_on()
    return device


def is_virgin(device: EmulatedFlash, unit: int) -> bool:
    """Asked of the silicon, not of the marks."""
    try:
        device.program(BASE + unit * UNIT, units(30, 1))
    except ProgramError:
        return False
    return True


# --- programs


@EVERY
def test_units_before_the_cut_are_complete_and_units_behind_it_untouched(outcome: Outcome) -> None:
    device = cut_program(outcome)
    assert device.read(BASE, 2 * UNIT) == units(0, 2)
    assert device.read(BASE + 3 * UNIT, 2 * UNIT) == BLANK * 2
    assert not is_virgin(device, 1)
    assert is_virgin(device, 3)
    assert is_virgin(device, 4)


def test_before_leaves_the_unit_untouched() -> None:
    device = cut_program(Outcome.BEFORE)
    assert device.read(BASE + 2 * UNIT, UNIT) == BLANK
    assert is_virgin(device, 2)


def test_torn_is_unreadable_where_there_is_ecc() -> None:
    device = cut_program(Outcome.TORN)
    with pytest.raises(UnreadableUnit) as caught:
        device.read(BASE, 5 * UNIT)
    assert caught.value.address == BASE + 2 * UNIT
    assert not is_virgin(device, 2)


def test_torn_is_a_part_of_the_bits_where_there_is_none() -> None:
    device = cut_program(Outcome.TORN, ecc=False)
    held, want = device.read(BASE + 2 * UNIT, UNIT), units(2, 1)
    assert held not in (want, BLANK)
    assert all(h | w == h for h, w in zip(held, want, strict=True))
    assert not is_virgin(device, 2)


def test_blank_reads_ff_and_takes_nothing() -> None:
    device = cut_program(Outcome.BLANK)
    assert device.read(BASE + 2 * UNIT, UNIT) == BLANK
    assert not is_virgin(device, 2)


def test_weak_reads_right_after_one_power_on_and_not_after_two() -> None:
    device = cut_program(Outcome.WEAK)
    assert device.read(BASE, 3 * UNIT) == units(0, 3)
    assert device.read(BASE, 3 * UNIT) == units(0, 3)  # reading does not wear it
    device.reset()
    assert device.read(BASE, 3 * UNIT) == units(0, 3)  # nor does a reset
    device.power_on()
    for _ in range(3):
        with pytest.raises(UnreadableUnit):
            device.read(BASE + 2 * UNIT, UNIT)
        assert device.read(BASE, 2 * UNIT) == units(0, 2)
        device.power_on()
    assert not is_virgin(device, 2)


def test_after_is_as_if_nothing_had_happened() -> None:
    device, whole = cut_program(Outcome.AFTER), flash()
    whole.program(BASE, units(0, 3))
    assert state(device) == state(whole)
    device.power_on()
    device.power_on()
    assert state(device) == state(whole)


@EVERY
def test_an_erase_that_completes_mends_all_that_a_cut_program_left(outcome: Outcome) -> None:
    device = cut_program(outcome)
    device.erase(BASE)
    device.program(BASE, units(0, 8))
    for _ in range(3):
        assert device.read(BASE, SECTOR) == units(0, 8)
        device.power_on()


@EVERY
def test_a_cut_overwrite_with_zero_leaves_what_a_cut_program_leaves(outcome: Outcome) -> None:
    device = flash()
    device.program(BASE, units(0, 2))
    cut(device, 1, outcome, lambda: device.program(BASE, bytes(UNIT)))
    device.power_on()
    match outcome:
        case Outcome.BEFORE | Outcome.BLANK:  # a program sets no bit: what held data holds it
            assert device.read(BASE, UNIT) == units(0, 1)
        case Outcome.TORN:
            with pytest.raises(UnreadableUnit):
                device.read(BASE, UNIT)
        case Outcome.WEAK | Outcome.AFTER:
            assert device.read(BASE, UNIT) == bytes(UNIT)
    assert device.read(BASE + UNIT, UNIT) == units(1, 1)


# --- erases


@EVERY
def test_a_cut_erase_stays_within_its_sector(outcome: Outcome) -> None:
    device = cut_erase(outcome)
    assert device.read(BASE, SECTOR) == units(0, 8)
    assert device.read(BASE + 2 * SECTOR, SECTOR) == units(16, 8)


def test_an_erase_that_never_began_leaves_the_sector() -> None:
    assert cut_erase(Outcome.BEFORE).read(BASE + SECTOR, SECTOR) == units(8, 8)


def test_a_torn_erase_leaves_neither_the_old_data_nor_a_blank_sector() -> None:
    device = cut_erase(Outcome.TORN, ecc=False)
    held = device.read(BASE + SECTOR, SECTOR)
    assert held not in (units(8, 8), b"\xff" * SECTOR)
    assert all(h & o == o for h, o in zip(held, units(8, 8), strict=True))


def test_a_torn_erase_is_unreadable_somewhere_where_there_is_ecc() -> None:
    with pytest.raises(UnreadableUnit):
        cut_erase(Outcome.TORN).read(BASE + SECTOR, SECTOR)


@pytest.mark.parametrize("outcome", [Outcome.BLANK, Outcome.WEAK, Outcome.AFTER])
def test_other_cut_erases_read_blank(outcome: Outcome) -> None:
    device = cut_erase(outcome)
    for _ in range(3):
        assert device.read(BASE + SECTOR, SECTOR) == b"\xff" * SECTOR
        device.power_on()


@EVERY
@pytest.mark.parametrize("ecc", [True, False])
def test_only_an_erase_that_completes_makes_a_unit_virgin(outcome: Outcome, ecc: bool) -> None:
    device = cut_erase(outcome, ecc=ecc)
    virgin = [is_virgin(device, unit) for unit in range(8, 16)]
    assert virgin == [outcome is Outcome.AFTER] * 8
    device.erase(BASE + SECTOR)
    assert all(is_virgin(device, unit) for unit in range(8, 16))


@pytest.mark.parametrize("outcome", [Outcome.TORN, Outcome.BLANK, Outcome.WEAK])
def test_a_cut_erase_takes_virginity_from_units_that_had_it(outcome: Outcome) -> None:
    device = flash()
    cut(device, 1, outcome, lambda: device.erase(BASE))
    device.power_on()
    assert device.read(BASE, SECTOR) == b"\xff" * SECTOR
    assert not any(is_virgin(device, unit) for unit in range(8))


# --- dead is dead


@EVERY
def test_the_device_is_dead_until_it_is_powered_on(outcome: Outcome) -> None:
    device = flash()
    touched: list[str] = []

    def call() -> None:
        try:
            device.program(BASE, units(0, 3))
        except Exception:
            touched.append("except Exception")
        finally:
            for name, touch in (
                ("read", lambda: device.read(BASE, 1)),
                ("program", lambda: device.program(BASE + SECTOR, units(0, 1))),
                ("erase", lambda: device.erase(BASE)),
            ):
                with pytest.raises(PowerLoss):
                    touch()
                    touched.append(name)

    cut(device, 2, outcome, call)
    assert touched == []
    after = state(device)
    with pytest.raises(PowerLoss):
        device.erase(BASE)
    assert state(device) == after
    device.power_on()
    device.erase(BASE)
    assert device.read(BASE, SECTOR) == b"\xff" * SECTOR


def test_power_loss_is_no_exception_that_anyone_may_catch() -> None:
    assert not issubclass(PowerLoss, Exception)
    loss = cut(device := flash(), 2, Outcome.TORN, lambda: device.program(BASE, units(0, 3)))
    assert (loss.operation, loss.outcome) == (2, Outcome.TORN)
    assert "operation 2" in str(loss)
    assert "torn" in str(loss)


def test_time_passes_for_what_completed_and_not_for_what_was_cut() -> None:
    device = cut_program(Outcome.AFTER)
    assert device.usage.programs == 2
    assert device.clock.now_us == 180


# --- the same silicon


def test_the_same_seed_gives_the_same_silicon_and_another_seed_another() -> None:
    for cut_one in (cut_program, cut_erase):
        for ecc in (True, False):
            once, again = (cut_one(Outcome.TORN, ecc=ecc, seed=7) for _ in range(2))
            assert state(once) == state(again)
            others = {state(cut_one(Outcome.TORN, ecc=ecc, seed=seed)) for seed in range(8)}
            assert len(others) == 8


def test_two_places_tear_differently() -> None:
    held = set()
    for place in range(4):
        device = flash(ecc=False)
        address = BASE + place * UNIT
        cut(device, 1, Outcome.TORN, lambda device=device, a=address: device.program(a, bytes(8)))
        device.power_on()
        held.add(device.read(address, UNIT))
    assert len(held) == 4


@EVERY
@pytest.mark.parametrize("ecc", [True, False])
def test_a_bulk_call_cut_at_any_unit_equals_single_calls_cut_there(
    outcome: Outcome, ecc: bool
) -> None:
    for operation in range(1, 13):
        bulk, single = flash(ecc=ecc), flash(ecc=ecc)
        for device in (bulk, single):
            device.program(BASE + 4 * UNIT, units(20, 1))  # zero may go over it
        data = units(0, 4) + bytes(UNIT) + units(5, 7)

        def one_by_one(device: EmulatedFlash = single, data: bytes = data) -> None:
            for offset in range(0, len(data), UNIT):
                device.program(BASE + offset, data[offset : offset + UNIT])

        cut(bulk, operation, outcome, lambda device=bulk, data=data: device.program(BASE, data))
        cut(single, operation, outcome, one_by_one)
        assert state(bulk) == state(single)
        assert (bulk.usage, bulk.clock.now_us) == (single.usage, single.clock.now_us)


# --- supplies


def test_a_steady_supply_counts() -> None:
    supply = SteadySupply()
    assert supply.take(3) == 3
    assert supply.take(1) == 1
    assert supply.taken == 4


@pytest.mark.parametrize("operation", range(1, 9))
def test_a_cut_falls_on_the_same_operation_however_they_are_bundled(operation: int) -> None:
    for bundles in ([8], [1] * 8, [3, 5], [2, 2, 4], [7, 1]):
        supply, complete = CutAt(operation, Outcome.BEFORE), 0
        for count in bundles:
            assert not supply.fired
            granted = supply.take(count)
            complete += granted
            if granted < count:
                break
        assert complete == operation - 1
        assert supply.taken == operation
        assert supply.fired


def test_a_cut_comes_once() -> None:
    supply = CutAt(2, Outcome.BEFORE)
    assert supply.take(5) == 1
    assert supply.take(5) == 5
    assert supply.take(1) == 1


def test_a_cut_beyond_the_last_operation_never_fires() -> None:
    supply = CutAt(9, Outcome.BEFORE)
    assert supply.take(8) == 8
    assert not supply.fired


@pytest.mark.parametrize("operation", [0, -1])
def test_there_is_no_operation_before_the_first(operation: int) -> None:
    with pytest.raises(ValueError, match="numbered from 1"):
        CutAt(operation, Outcome.BEFORE)


def test_weak_units_are_told_from_unreadable_ones_in_the_marks() -> None:
    device = cut_program(Outcome.WEAK)
    assert device.cells.marks[2] == Mark.WEAK
