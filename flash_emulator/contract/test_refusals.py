"""Calls that make no sense: ValueError, for the mistake is the caller's, and nothing changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flash_emulator.contract.bench import check, fill, refusal
from flash_emulator.contract.layout import Expected, Layout
from flash_emulator.contract.shape import Flash, Switchable

Call = Callable[[], object]


def refused_programs(device: Flash, layout: Layout) -> dict[str, Call]:
    unit, base, end = layout.unit, layout.base, layout.end
    two = layout.data(base, 2)

    def program(address: int, data: bytes) -> Call:
        return lambda: device.program(address, data)

    calls = {
        "before the array": program(base - unit, two[:unit]),
        "into the array from before it": program(base - unit, two),
        "behind the array": program(end, two[:unit]),
        "over the end of the array": program(end - unit, two),
        "far outside": program(end + layout.size, two),
        "at a negative address": program(-unit, two[:unit]),
    }
    if unit == 1:
        return calls
    free = base + 4 * unit
    return calls | {
        "at an address that is no unit's": program(free + 1, two[:unit]),
        "at half a unit": program(free + unit // 2, two[:unit]),
        "of a unit less a byte": program(free, two[: unit - 1]),
        "of a unit and a byte": program(free, two[: unit + 1]),
        "of a byte": program(free, two[:1]),
        "of the last unit, a byte too far": program(end - unit + 1, two[:unit]),
    }


def refused_erases(device: Flash, layout: Layout) -> dict[str, Call]:
    def erase(address: int) -> Call:
        return lambda: device.erase(address)

    calls = {
        "before the array": erase(layout.base - layout.sectors[0].size),
        "behind the array": erase(layout.end),
        "far outside": erase(layout.end + layout.size),
        "at a negative address": erase(-layout.base or -layout.size),
    }
    for sector in layout.landmarks:
        inside = {sector.address + 1, sector.address + sector.size // 2, sector.end - layout.unit}
        inside |= {sector.address + layout.unit, sector.address + layout.small.size}
        for address in inside & set(sector.span) - {sector.address}:
            calls[f"at {address - layout.base:#x}, inside a sector"] = erase(address)
    return calls


def refused_reads(device: Flash, layout: Layout) -> dict[str, Call]:
    def read(address: int, size: int) -> Call:
        return lambda: device.read(address, size)

    return {
        "before the array": read(layout.base - 1, 1),
        "into the array from before it": read(layout.base - 1, 2),
        "behind the array": read(layout.end, 1),
        "over the end of the array": read(layout.end - 1, 2),
        "of more than the array": read(layout.base, layout.size + 1),
        "at a negative address": read(-1, 1),
        "of a negative size": read(layout.base, -1),
    }


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(refused_programs, id="program"),
        pytest.param(refused_erases, id="erase"),
        pytest.param(refused_reads, id="read"),
    ],
)
def test_unaligned_or_outside_is_a_valueerror_and_changes_nothing(
    device: Flash,
    expected: Expected,
    layout: Layout,
    refused: Callable[[Flash, Layout], dict[str, Call]],
) -> None:
    """A program that is not whole units, an erase that does not begin with a sector, and any call
    that leaves the array raise ValueError, not OSError. No byte changes, and erased units stay
    erased: they can be programmed."""
    for sector in layout.landmarks:
        fill(device, expected, layout.ends(sector)[1:2])
    for what, call in refused(device, layout).items():
        refusal(call, f"{call.__qualname__.split('.')[-3].removeprefix('refused_')[:-1]} {what}")
        check(device, expected)
    for sector in layout.landmarks:
        fill(device, expected, [layout.ends(sector)[0], layout.ends(sector)[-1]])
    check(device, expected)


@pytest.mark.parametrize("bank", [-1, 2])
def test_mapping_a_bank_that_is_none_is_a_valueerror(
    switchable: Switchable, expected: Expected, bank: int
) -> None:
    """map_bank takes 0 and 1."""
    refusal(lambda: switchable.map_bank(bank), f"map_bank({bank})")
    assert switchable.mapped_bank == 0
    check(switchable, expected)
