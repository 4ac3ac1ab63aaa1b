"""What ``match`` answers and tells, beside what a read of the same bytes gives."""

from __future__ import annotations

import random

import pytest

from flash_emulator import EmulatedFlash, MetastableMode, Outcome
from flash_emulator.array.pages import Slice
from flash_emulator.device.possible import may_hold
from flash_emulator.errors import UnreadableUnit
from tests.flash_emulator.tiny_silicon import BASE, SECTOR, UNIT, cut, flash, units


class Told:
    """A watch that keeps what was compared."""

    def __init__(self) -> None:
        self.comparisons: list[tuple[int, Slice, bool]] = []

    def read(self, offset: int, size: int) -> None: ...

    def compared(self, unit: int, wanted: Slice, *, never: bool) -> None:
        self.comparisons.append((unit, wanted, never))

    def operation(self, operation: object) -> None: ...

    def moment(self) -> None: ...


def torn(*, ecc: bool, outcome: Outcome) -> EmulatedFlash:
    """Plain units, virgin ones, and one that a cut has left."""
    device = flash(ecc=ecc, seed=4)
    device.program(BASE, units(0, 3))
    cut(device, 1, outcome, lambda: device.program(BASE + 3 * UNIT, units(3, 1)))
    device.power_on()
    return device


def near(data: bytes, rng: random.Random) -> bytes:
    """The same bytes, or with one bit or a few turned."""
    turned = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 9))):
        turned[rng.randrange(len(turned))] ^= 1 << rng.randrange(8)
    return bytes(turned)


@pytest.mark.parametrize("ecc", [True, False])
@pytest.mark.parametrize("outcome", [Outcome.TORN, Outcome.BLANK, Outcome.WEAK])
def test_a_unit_holds_what_a_read_gives_and_never_what_no_read_ever_gives(
    ecc: bool, outcome: Outcome
) -> None:
    device, rng = torn(ecc=ecc, outcome=outcome), random.Random(7)
    seen = set()
    for _ in range(400):
        unit, begin = rng.randrange(SECTOR // UNIT), rng.randrange(UNIT)
        size, address = rng.randrange(1, UNIT - begin + 1), BASE + unit * UNIT + begin
        expected = near(device.cells.peek(unit * UNIT + begin, size), rng)
        try:
            is_held = device.read(address, size) == expected
        except UnreadableUnit:
            is_held = False
        told = device.watch = Told()
        assert device.match(address, expected) == (size if is_held else 0)
        device.watch = None
        wanted = (begin, expected)
        never = not is_held and not may_hold(device.cells, unit, wanted)
        assert told.comparisons == [(unit, wanted, never)]
        seen.add((is_held, never))
    expected_kinds = {(True, False), (False, True)} | ({(False, False)} if ecc else set())
    assert seen >= expected_kinds  # with ECC one wrong cell may be corrected


def test_what_was_read_elsewhere_is_told_what_it_is_compared_with() -> None:
    """A copy is right as long as its source reads so: the source might read otherwise."""
    device = flash()
    device.program(BASE, units(0, 1) + units(4, 1))
    boot = device.for_boot(MetastableMode.STABLE, frozenset())
    boot.power_on()
    told = boot.watch = Told()
    source = boot.read(BASE, UNIT)
    assert boot.match(BASE + UNIT, source) == 0
    assert told.comparisons == [(0, (0, units(4, 1)), False), (1, (0, units(0, 1)), True)]
