"""What operations cost: time, energy, erase cycles, and waiting for a bank that is busy."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import pytest

from flash_emulator import (
    BusyError,
    EmulatedFlash,
    EnduranceWarning,
    Outcome,
    UnknownTiming,
    load_part,
    part_names,
)
from flash_emulator.parts.part import Part
from flash_emulator.parts.part_model import Endurance, Mode, Span, Timing
from tests.flash_emulator.tiny_silicon import BANK, BASE, SECTOR, cut, part, units

TIMES = Timing(
    program_unit=Span(50, 90.5),
    sector_erase={SECTOR: Span(10_000, 24_000)},
    bank_erase=Span(20_000, 40_000),
    mass_erase=Span(30_000, 60_000),
)
MODES: list[tuple[Mode, tuple[int, int, int, int]]] = [
    ("typ", (50, 10_000, 20_000, 30_000)),
    ("max", (91, 24_000, 40_000, 60_000)),  # rounded up
]


def timed(timing: Mode = "max", **kw: Any) -> EmulatedFlash:
    return EmulatedFlash(replace(part(), timing=TIMES, **kw), timing=timing)


# --- time


@pytest.mark.parametrize(("mode", "times"), MODES)
def test_every_operation_takes_its_typical_or_maximal_time(
    mode: Mode, times: tuple[int, int, int, int]
) -> None:
    device = timed(mode)
    program_us, sector_us, bank_us, mass_us = times
    device.program(BASE, units(0, 3))
    assert device.elapsed_us() == device.usage.program_us == 3 * program_us
    device.erase(BASE)
    assert device.usage.erase_us == sector_us
    device.erase_bank(1)
    assert device.usage.erase_us == sector_us + bank_us
    device.erase_all()
    assert device.usage.erase_us == sector_us + bank_us + mass_us
    assert device.elapsed_us() == 3 * program_us + sector_us + bank_us + mass_us
    assert device.is_timed


def test_the_maximum_is_what_a_device_takes_unless_told_otherwise() -> None:
    device = EmulatedFlash(replace(part(), timing=TIMES))
    device.program(BASE, units(0, 1))
    assert device.clock.now_us == 91


def test_sectors_take_the_time_of_their_size() -> None:
    f4 = load_part("STM32F429xI")
    expected: dict[Mode, tuple[int, ...]] = {"typ": (250, 550, 1000), "max": (500, 1100, 2000)}
    for mode, times in expected.items():
        device = EmulatedFlash(f4, timing=mode)
        for index, time_ms in zip((0, 4, 5), times, strict=True):
            before = device.clock.now_us
            device.erase(f4.base + list(f4.sector_starts)[index])
            assert device.clock.now_us - before == 1000 * time_ms


@pytest.mark.parametrize("name", part_names())
@pytest.mark.parametrize("mode", ["typ", "max"])
def test_operations_whose_time_no_document_gives_are_counted_and_time_is_refused(
    name: str, mode: Mode
) -> None:
    device = EmulatedFlash(load_part(name), timing=mode)
    base, unit, timing = device.part.base, device.part.program_unit, device.part.timing
    known = (
        timing.of("program_unit", mode=mode),
        timing.of("sector_erase", size=device.part.sector_sizes[0], mode=mode),
        timing.of("bank_erase", mode=mode),
        timing.of("mass_erase", mode=mode),
    )
    device.program(base, bytes(4 * unit))
    device.erase(base)
    device.erase_bank(0)
    device.erase_all()
    counts = (4, 1, 1, 1)
    total = sum(t * n for t, n in zip(known, counts, strict=True) if t is not None)
    untimed = sum(n for t, n in zip(known, counts, strict=True) if t is None)
    assert (device.clock.now_us, device.usage.untimed) == (total, untimed)
    assert device.is_timed == (untimed == 0)
    if untimed:
        with pytest.raises(UnknownTiming, match=f"{name}: {untimed} operations"):
            device.elapsed_us()
    else:
        assert device.elapsed_us() == total


def test_a_user_gives_the_times_that_no_document_gives() -> None:
    bare = load_part("STM32L552xE")
    device = EmulatedFlash(
        bare.with_timing(program_unit_max_us=80, sector_erase_max_us=25_000), timing="max"
    )
    device.program(bare.base, bytes(8))
    device.erase(bare.base)
    assert device.elapsed_us() == 25_080


def test_a_part_that_takes_no_time_is_not_asked_for_any() -> None:
    assert EmulatedFlash(load_part("STM32H7A3xI")).elapsed_us() == 0


def test_a_cut_operation_takes_no_time_and_the_ones_before_it_do() -> None:
    device = timed()
    cut(device, 3, Outcome.TORN, lambda: device.program(BASE, units(0, 5)))
    assert (device.clock.now_us, device.usage.programs) == (182, 2)


# --- energy


def test_energy_is_that_of_the_operations() -> None:
    device = EmulatedFlash(part(), energy_uj={"program": 0.5, "erase": 40})
    device.program(BASE, units(0, 3))
    device.erase(BASE)
    assert device.energy_used_uj() == pytest.approx(41.5)
    device.erase_bank(1)
    assert device.energy_used_uj() == pytest.approx(41.5 + 4 * 40)


@pytest.mark.parametrize("given", [{}, {"program": 1.0}, {"erase": 1.0}])
def test_energy_that_nobody_gave_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(UnknownTiming, match="no energy was given"):
        EmulatedFlash(part(), energy_uj=given).energy_used_uj()


# --- wear


def test_erases_are_counted_by_physical_sector() -> None:
    device = timed()
    for _ in range(3):
        device.erase(BASE + SECTOR)
    device.map_bank(1)
    device.erase(BASE + SECTOR)
    device.erase_bank(0)
    assert device.erase_counts == [1, 4, 1, 1, 0, 1, 0, 0]
    device.erase_all()
    assert device.erase_counts == [2, 5, 2, 2, 1, 2, 1, 1]
    assert device.usage.erases == 4 + 4 + 8


def test_the_first_erase_beyond_the_endurance_warns_once_for_each_sector() -> None:
    device = timed(endurance=Endurance(cycles=2))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(5):
            device.erase(BASE)
            device.erase(BASE + SECTOR)
    assert [w.category for w in caught] == [EnduranceWarning] * 2
    assert "erased 3 times; guaranteed are 2" in str(caught[0].message)


@pytest.mark.filterwarnings("ignore::flash_emulator.EnduranceWarning")
def test_sectors_beyond_their_endurance_are_named_by_physical_address() -> None:
    device = timed(endurance=Endurance(cycles=3))
    assert device.worn_sectors() == []
    for _ in range(3):
        device.erase(BASE + SECTOR)
    assert device.worn_sectors() == []
    device.erase(BASE + SECTOR)
    device.map_bank(1)
    for _ in range(4):
        device.erase(BASE)
    assert device.worn_sectors() == [BASE + SECTOR, BASE + BANK]


def test_without_a_figure_nothing_is_called_worn() -> None:
    device = timed()
    for _ in range(50):
        device.erase(BASE)
    assert device.worn_sectors() == []


def test_an_erase_that_was_cut_is_no_cycle() -> None:
    device = timed()
    cut(device, 1, Outcome.TORN, lambda: device.erase(BASE))
    assert device.erase_counts == [0] * 8


# --- a bank that is busy


def busy(rww: bool = True, while_write: str | None = "refused") -> EmulatedFlash:
    """Bank A is busy for 24 ms."""
    device = timed(rww=rww, write_while_write=while_write)
    device.background = True
    device.erase(BASE)
    assert device.clock.now_us == 0
    assert device.usage.erase_us == 24_000
    return device


def test_a_read_of_the_busy_bank_stalls_and_does_not_fail() -> None:
    device = busy()
    assert device.read(BASE, 8) == b"\xff" * 8
    assert device.clock.now_us == device.usage.stall_us == 24_000
    device.read(BASE, 8)
    assert device.usage.stall_us == 24_000


def test_a_stall_is_as_long_as_the_bank_is_still_busy() -> None:
    device = busy()
    device.clock.advance_us(20_000)
    device.read(BASE + BANK - 8, 8)
    assert (device.clock.now_us, device.usage.stall_us) == (24_000, 4_000)


def test_a_read_of_the_other_bank_is_free() -> None:
    device = busy()
    device.read(BASE + BANK, 8)
    assert (device.clock.now_us, device.usage.stall_us) == (0, 0)


def test_without_read_while_write_any_read_stalls() -> None:
    device = busy(rww=False)
    device.read(BASE + BANK, 8)
    assert (device.clock.now_us, device.usage.stall_us) == (24_000, 24_000)


def test_the_busy_bank_is_a_physical_one() -> None:
    device = busy()
    device.map_bank(1)
    device.read(BASE, 8)
    assert device.usage.stall_us == 0
    device.read(BASE + BANK, 8)
    assert device.usage.stall_us == 24_000


def test_a_read_that_reaches_into_the_busy_bank_stalls() -> None:
    device = timed(rww=True)
    device.background = True
    device.erase(BASE + BANK)
    device.read(BASE + BANK - 8, 16)
    assert device.usage.stall_us == 24_000


def test_a_mass_erase_keeps_both_banks_busy() -> None:
    device = timed(rww=True)
    device.background = True
    device.erase_all()
    device.read(BASE + BANK, 8)
    assert device.usage.stall_us == 60_000


def test_nothing_can_be_read_at_the_end_of_the_array() -> None:
    assert timed(rww=True).read(BASE + 2 * BANK, 0) == b""


@pytest.mark.parametrize("while_write", ["refused", None])
@pytest.mark.parametrize("address", [BASE, BASE + BANK])
def test_another_operation_is_refused_while_one_is_under_way(
    while_write: str | None, address: int
) -> None:
    device = busy(while_write=while_write)
    taken = device.supply.taken
    for call in (
        lambda: device.program(address, bytes(8)),
        lambda: device.erase(address),
        lambda: device.erase_bank(1),
        device.erase_all,
    ):
        with pytest.raises(BusyError, match="BSY"):
            call()
    assert device.supply.taken == taken
    device.wait()
    assert device.clock.now_us == 24_000
    device.program(address, bytes(8))


def test_another_operation_is_queued_behind_that_of_its_own_bank() -> None:
    device = busy(while_write="queued")
    device.erase(BASE + SECTOR)  # behind the first
    device.program(BASE + BANK, bytes(8))  # beside it
    assert device.clock.now_us == 0
    device.read(BASE + BANK, 8)
    assert device.clock.now_us == 91
    device.read(BASE, 8)
    assert device.clock.now_us == 48_000
    assert device.usage.stall_us == 48_000


def test_time_that_passes_ends_the_operation() -> None:
    device = busy()
    device.clock.advance_us(23_999)
    with pytest.raises(BusyError):
        device.program(BASE, bytes(8))
    device.clock.advance_us(1)
    device.program(BASE, bytes(8))
    assert device.usage.stall_us == 0


def test_to_wait_where_nothing_is_under_way_takes_no_time() -> None:
    device = timed()
    device.wait()
    device.background = True
    device.wait()
    assert device.clock.now_us == 0
    device.clock.advance_us(7)
    device.wait()
    assert device.clock.now_us == 7


@pytest.mark.parametrize("start", ["reset", "power_on"])
def test_a_reset_ends_what_is_under_way(start: str) -> None:
    device = busy()
    getattr(device, start)()
    device.program(BASE + BANK, bytes(8))
    device.wait()
    assert device.clock.now_us == 91


def test_in_the_foreground_nothing_ever_stalls() -> None:
    device = timed()
    device.erase(BASE)
    device.read(BASE, 8)
    device.program(BASE, bytes(8))
    assert (device.clock.now_us, device.usage.stall_us) == (24_091, 0)


@pytest.mark.parametrize("name", [n for n in part_names() if load_part(n).bank_count == 2])
def test_parts_with_two_banks_read_one_while_the_other_is_busy(name: str) -> None:
    given: Part = replace(load_part(name), timing=Timing(sector_erase=10_000))
    device = EmulatedFlash(given)
    device.background = True
    device.erase(given.base)
    device.read(given.base + given.bank_size, 4)
    assert device.usage.stall_us == 0
    device.read(given.base, 4)
    assert device.usage.stall_us == 10_000
