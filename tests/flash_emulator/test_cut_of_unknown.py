"""What a cut leaves of a unit does not depend on what is known of its neighbours."""

from __future__ import annotations

import pytest
from worlds import tiny_part

from flash_emulator import CutAt, EmulatedFlash, Outcome, PowerLoss
from flash_emulator.cells import Cells


def cut_erase(flash: EmulatedFlash, outcome: Outcome) -> Cells:
    flash.draws_by_place = True
    flash.supply = CutAt(1, outcome)
    with pytest.raises(PowerLoss):
        flash.erase(flash.part.base)
    return flash.cells


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("ecc", [True, False])
def test_units_behind_a_forgotten_one_are_left_as_without(outcome: Outcome, ecc: bool) -> None:
    part = tiny_part([512] * 2, ecc=ecc)
    flash = EmulatedFlash(part, seed=3)
    flash.program(part.base, bytes(range(256)) * 2)
    twin = flash.fork()
    twin.forget(part.base + 8, 64)
    plain, partly = cut_erase(flash, outcome), cut_erase(twin, outcome)
    others = [unit for unit in range(64) if not 1 <= unit < 9]
    assert [plain.word(u) for u in others] == [partly.word(u) for u in others]
    assert [plain.raw(u) for u in others] == [partly.raw(u) for u in others]
