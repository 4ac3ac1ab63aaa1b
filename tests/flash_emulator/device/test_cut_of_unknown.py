"""What a cut leaves of a unit does not depend on what is known of its neighbours."""

from __future__ import annotations

import pytest

from flash_emulator import CutAt, EmulatedFlash, Outcome, PowerLoss
from flash_emulator.array.cells import Cells
from tests.flash_emulator.tiny_silicon import BASE, SECTOR, UNIT, units
from tests.flash_emulator.tiny_silicon import flash as tiny_flash

UNITS = SECTOR // UNIT


def cut_erase(flash: EmulatedFlash, outcome: Outcome) -> Cells:
    flash.draws_by_place = True
    flash.supply = CutAt(1, outcome)
    with pytest.raises(PowerLoss):
        flash.erase(BASE)
    return flash.cells


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("ecc", [True, False])
def test_units_behind_a_forgotten_one_are_left_as_without(outcome: Outcome, ecc: bool) -> None:
    flash = tiny_flash(ecc=ecc, seed=3)
    flash.program(BASE, units(0, UNITS))
    twin = flash.fork()
    twin.forget(BASE + UNIT, 3 * UNIT)
    plain, partly = cut_erase(flash, outcome), cut_erase(twin, outcome)
    others = [unit for unit in range(UNITS) if not 1 <= unit < 4]
    assert [plain.word(u) for u in others] == [partly.word(u) for u in others]
    assert [plain.raw(u) for u in others] == [partly.raw(u) for u in others]
