"""The device with power on: what it takes, what it refuses, and what that leaves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash_emulator import (
    AlignmentError,
    EmulatedFlash,
    FlashError,
    ProgramError,
    UnreadableUnit,
    load_part,
)
from flash_emulator.array.pages import Mark, RawUnit
from flash_emulator.parts.part_model import Aliasing
from tests.flash_emulator.tiny_silicon import BANK, BASE, SECTOR, UNIT, flash, part, state, units

BLANK = b"\xff" * UNIT


def test_what_was_programmed_is_read_at_any_alignment() -> None:
    device = flash()
    device.program(BASE + 16, units(0, 3))
    whole = b"\xff" * 16 + units(0, 3) + b"\xff" * 24
    assert device.read(BASE, SECTOR) == whole
    for begin in range(SECTOR):
        assert device.read(BASE + begin, 5) == (whole + b"\xff" * 8)[begin : begin + 5]
    assert device.read(BASE + 3, 0) == b""


def test_erase_takes_one_sector_and_its_neighbours_stay() -> None:
    device = flash()
    device.program(BASE, units(0, 24))
    device.erase(BASE + SECTOR)
    assert device.read(BASE, 3 * SECTOR) == units(0, 8) + b"\xff" * SECTOR + units(16, 8)
    device.program(BASE + SECTOR, units(8, 8))
    assert device.read(BASE, 3 * SECTOR) == units(0, 24)


@pytest.mark.parametrize(
    ("offset", "size"), [(1, 8), (4, 8), (0, 7), (0, 9), (8, 4), (-8, 8), (2 * BANK, 8)]
)
def test_a_program_that_no_unit_can_take_is_refused(offset: int, size: int) -> None:
    device = flash()
    before = state(device)
    with pytest.raises(AlignmentError):
        device.program(BASE + offset, bytes(size))
    assert state(device) == before
    assert device.supply.taken == 0


@pytest.mark.parametrize("offset", [1, UNIT, SECTOR - 1, SECTOR + UNIT, -SECTOR, 2 * BANK])
def test_an_erase_that_no_sector_starts_at_is_refused(offset: int) -> None:
    device = flash()
    with pytest.raises(AlignmentError):
        device.erase(BASE + offset)
    assert device.supply.taken == 0


@pytest.mark.parametrize(
    ("offset", "size"), [(-1, 1), (2 * BANK, 1), (2 * BANK - 1, 2), (0, 2 * BANK + 1), (0, -1)]
)
def test_reads_outside_the_array_are_refused(offset: int, size: int) -> None:
    with pytest.raises(AlignmentError):
        flash().read(BASE + offset, size)


def test_alignment_errors_are_the_callers_and_flash_errors_the_hardware_s() -> None:
    assert issubclass(AlignmentError, ValueError)
    assert not issubclass(AlignmentError, OSError)
    assert issubclass(FlashError, OSError)
    assert issubclass(ProgramError, FlashError)
    assert issubclass(UnreadableUnit, FlashError)


def test_the_end_of_the_array_belongs_to_it() -> None:
    device = flash()
    device.program(BASE + 2 * BANK - UNIT, units(0, 1))
    assert device.read(BASE + 2 * BANK - UNIT, UNIT) == units(0, 1)
    device.erase(BASE + 2 * BANK - SECTOR)
    assert device.read(BASE + 2 * BANK - UNIT, UNIT) == BLANK


@pytest.mark.parametrize("bank", [-1, 2, 5])
def test_a_bank_that_is_not_there_is_not_erased(bank: int) -> None:
    device = flash()
    with pytest.raises(AlignmentError):
        device.erase_bank(bank)
    assert device.supply.taken == 0


def test_a_protection_that_no_sector_starts_at_is_refused() -> None:
    device = flash()
    try:
        device.protect_sectors(BASE + UNIT)
    except AlignmentError:
        return
    device.program(BASE, units(0, 1))


# --- a unit is programmed once


def test_a_unit_that_is_not_virgin_refuses_and_nothing_is_written() -> None:
    device = flash()
    device.program(BASE + 8, units(0, 1))
    before = state(device)
    with pytest.raises(ProgramError) as caught:
        device.program(BASE + 8, units(1, 1))
    assert caught.value.address == BASE + 8
    assert "0x0800_0008" in str(caught.value)
    assert state(device) == before


def test_the_same_data_again_is_refused_too() -> None:
    device = flash()
    device.program(BASE, units(0, 1))
    with pytest.raises(ProgramError):
        device.program(BASE, units(0, 1))


@given(bad=st.integers(0, 7))
def test_a_bulk_program_stops_at_the_first_unit_that_refuses(bad: int) -> None:
    device = flash()
    device.program(BASE + bad * UNIT, units(40, 1))
    with pytest.raises(ProgramError) as caught:
        device.program(BASE, units(0, 8))
    assert caught.value.address == BASE + bad * UNIT
    assert device.read(BASE, SECTOR) == units(0, bad) + units(40, 1) + BLANK * (7 - bad)
    assert {device.cells.mark(unit) for unit in range(bad + 1, 8)} <= {Mark.VIRGIN}
    assert device.usage.programs == bad + 1


def test_all_zero_may_overwrite_as_often_as_it_likes() -> None:
    device = flash()
    device.program(BASE, units(0, 3))
    device.program(BASE, units(0, 0) + bytes(UNIT))
    device.program(BASE, bytes(3 * UNIT))
    device.program(BASE, bytes(UNIT))
    assert device.read(BASE, 4 * UNIT) == bytes(3 * UNIT) + BLANK


def test_zero_and_virgin_units_mix_in_one_call() -> None:
    device = flash()
    device.program(BASE + 8, units(0, 1))
    device.program(BASE, units(5, 1) + bytes(UNIT) + units(6, 1))
    assert device.read(BASE, 3 * UNIT) == units(5, 1) + bytes(UNIT) + units(6, 1)


def test_almost_all_zero_is_not_all_zero() -> None:
    device = flash()
    device.program(BASE, units(0, 1))
    with pytest.raises(ProgramError):
        device.program(BASE, bytes(UNIT - 1) + b"\x01")


def test_a_unit_programmed_with_ff_is_not_virgin() -> None:
    device = flash()
    device.program(BASE, BLANK)
    assert device.read(BASE, UNIT) == BLANK
    with pytest.raises(ProgramError):
        device.program(BASE, units(0, 1))
    device.erase(BASE)
    device.program(BASE, units(0, 1))


def test_an_unreadable_unit_stops_reads_that_touch_it_and_no_others() -> None:
    device = flash()
    device.program(BASE, units(0, 8))
    device.spoil(BASE + 3 * UNIT)
    with pytest.raises(UnreadableUnit) as caught:
        device.read(BASE + 1, SECTOR - 1)
    assert caught.value.address == BASE + 3 * UNIT
    assert device.read(BASE, 3 * UNIT) == units(0, 3)
    assert device.read(BASE + 4 * UNIT, 4 * UNIT) == units(4, 4)
    device.erase(BASE)
    assert device.read(BASE, SECTOR) == b"\xff" * SECTOR


# --- banks


def test_mapping_exchanges_the_banks_and_a_reset_takes_it_back() -> None:
    device = flash()
    device.program(BASE, units(0, 1))
    device.program(BASE + BANK, units(1, 1))
    assert device.mapped_bank == 0
    device.map_bank(1)
    assert device.mapped_bank == 1
    assert device.read(BASE, UNIT) == units(1, 1)
    assert device.read(BASE + BANK, UNIT) == units(0, 1)
    device.reset()
    assert device.mapped_bank == 0
    assert device.read(BASE, UNIT) == units(0, 1)


def test_a_power_on_takes_the_mapping_back_too() -> None:
    device = flash()
    device.map_bank(1)
    device.power_on()
    assert device.mapped_bank == 0


def test_programs_and_erases_follow_the_mapping() -> None:
    device = flash()
    device.map_bank(1)
    device.program(BASE, units(0, 1))
    device.program(BASE + BANK, units(1, 1))
    device.erase(BASE + BANK)
    device.reset()
    assert device.read(BASE, UNIT) == BLANK
    assert device.read(BASE + BANK, UNIT) == units(0, 1)


def test_mapping_costs_no_operation_and_no_time() -> None:
    device = flash()
    device.map_bank(1)
    assert (device.supply.taken, device.clock.now_us) == (0, 0)


@pytest.mark.parametrize("bank", [-1, 2])
def test_there_is_no_such_bank(bank: int) -> None:
    with pytest.raises(AlignmentError, match="cannot map"):
        flash().map_bank(bank)


def test_a_part_without_an_alias_maps_nothing() -> None:
    with pytest.raises(AlignmentError, match="cannot map"):
        flash(aliasing=Aliasing.NONE).map_bank(1)


def test_a_range_across_mapped_banks_is_refused_and_across_unmapped_ones_is_not() -> None:
    device = flash()
    edge = BASE + BANK - UNIT
    device.program(edge, units(0, 2))
    assert device.read(edge, 2 * UNIT) == units(0, 2)
    device.map_bank(1)
    with pytest.raises(AlignmentError, match="across"):
        device.read(edge, 2 * UNIT)
    with pytest.raises(AlignmentError, match="across"):
        device.program(edge, bytes(2 * UNIT))
    assert device.read(edge, UNIT) == BLANK
    assert device.read(edge + UNIT, UNIT) == BLANK


def test_errors_name_the_address_that_the_cpu_used() -> None:
    device = flash()
    device.program(BASE + BANK + 8, units(0, 1))
    device.spoil(BASE + BANK + 8)
    device.map_bank(1)
    with pytest.raises(UnreadableUnit) as caught:
        device.read(BASE, SECTOR)
    assert caught.value.address == BASE + 8


# --- what it costs


def test_time_and_usage_are_counted_by_unit_and_by_sector() -> None:
    device = flash(times=(90, 24_000))
    device.program(BASE, units(0, 5))
    device.erase(BASE)
    device.erase(BASE + SECTOR)
    assert (device.usage.programs, device.usage.erases) == (5, 2)
    assert (device.usage.program_us, device.usage.erase_us) == (450, 48_000)
    assert device.clock.now_us == 48_450
    assert device.clock.now_s() == pytest.approx(0.04845)
    assert device.supply.taken == 7


def test_reads_and_refusals_cost_nothing() -> None:
    device = flash()
    device.program(BASE, units(0, 1))
    taken, now = device.supply.taken, device.clock.now_us
    device.read(BASE, SECTOR)
    with pytest.raises(ProgramError):
        device.program(BASE, units(1, 1))
    assert (device.supply.taken, device.clock.now_us) == (taken, now)


def test_unknown_times_pass_no_time() -> None:
    device = flash(times=(None, None))
    device.program(BASE, units(0, 1))
    device.erase(BASE)
    assert device.clock.now_us == 0
    assert (device.usage.programs, device.usage.erases) == (1, 1)
    assert device.usage.untimed == 2


def test_time_does_not_go_back() -> None:
    device = flash()
    with pytest.raises(ValueError, match="cannot go back"):
        device.clock.advance_us(-1)
    device.clock.sleep(1.5)
    assert device.clock.now_us == 1_500_000


def test_a_fork_has_the_same_silicon_and_a_life_of_its_own() -> None:
    device = flash(seed=5)
    device.program(BASE, units(0, 2))
    device.cells.set_word(1, RawUnit(device.cells.word(1), fading=(1, 2, 4)))
    device.map_bank(1)
    twin = device.fork()
    assert state(twin) == state(device)
    assert (twin.mapped_bank, twin.seed, twin.clock.now_us) == (1, 5, device.clock.now_us)
    before = state(device)
    twin.erase(BASE + BANK)
    twin.power_on()
    assert state(device) == before
    assert device.mapped_bank == 1


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("erase"), st.integers(0, 7), st.just(0)),
            st.tuples(st.just("program"), st.integers(0, 63), st.integers(1, 20)),
        ),
        max_size=20,
    )
)
def test_any_sequence_equals_a_plain_model(steps: list[tuple[str, int, int]]) -> None:
    device = EmulatedFlash(part())
    data, virgin = bytearray(b"\xff" * 2 * BANK), [True] * 64
    for step, (what, index, count) in enumerate(steps):
        if what == "erase":
            device.erase(BASE + index * SECTOR)
            data[index * SECTOR : (index + 1) * SECTOR] = b"\xff" * SECTOR
            virgin[index * 8 : index * 8 + 8] = [True] * 8
            continue
        count = min(count, 64 - index)
        refused = next((i for i in range(index, index + count) if not virgin[i]), None)
        new = bytes([step + 1]) * UNIT
        if refused is None:
            device.program(BASE + index * UNIT, new * count)
        else:
            with pytest.raises(ProgramError):
                device.program(BASE + index * UNIT, new * count)
        for i in range(index, index + count if refused is None else refused):
            data[i * UNIT : i * UNIT + UNIT], virgin[i] = new, False
        assert device.read(BASE, 2 * BANK) == data


def test_the_real_part_is_as_large_as_its_file_says() -> None:
    device = EmulatedFlash(load_part("STM32L476xG"))
    assert device.geometry.sector_sizes == (2048,) * 256
    assert len(device.read(0x0800_0000, 1 << 20)) == 1 << 20
    with pytest.raises(AlignmentError):
        device.read(0x0810_0000, 1)
