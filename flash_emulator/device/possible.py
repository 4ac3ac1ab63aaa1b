"""What a unit may ever read, as long as no operation touches it: for searches, not for boots.

Nothing here counts as a look: the answer is about all that the cells may come to, and whoever asks
has to tell the states apart that it differs for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash_emulator.array import cuts
from flash_emulator.array.cells import Cells
from flash_emulator.array.pages import RawUnit, Slice
from flash_emulator.power import Outcome

if TYPE_CHECKING:
    from flash_emulator.device.flash import EmulatedFlash


def may_hold(cells: Cells, unit: int, wanted: Slice) -> bool:
    """Whether a read may ever give this slice, as long as no operation touches the unit.

    Not where more bits differ for good than the ECC corrects, nor where that is all that is known.
    """
    if cells.is_unknown(unit):
        return wanted not in cells.not_held(unit)
    return _may_hold(cells, cuts.held(cells, unit), wanted)


def may_be_corrected(cells: Cells, plain: bytes, wanted: Slice) -> bool:
    """``may_hold`` of a plain unit with these data, which are not the ones that are wanted."""
    begin, part = wanted
    held = int.from_bytes(plain[begin : begin + len(part)], "little")
    differs = held ^ int.from_bytes(part, "little")
    return cells.code is not None and differs.bit_count() <= 1


def may_hold_after_erase(
    flash: EmulatedFlash, address: int, unit: int, outcome: Outcome, wanted: Slice, draw: int = 0
) -> bool:
    """The same of a *unit* in the sector at physical *address*, whose erase is cut so."""
    cells = flash.cells
    if cells.is_unknown(unit) and outcome not in (Outcome.BLANK, Outcome.AFTER):
        return True
    offset = flash.array_offset(address)
    size = flash.part.sector_starts[offset]
    units = range(offset // cells.unit, (offset + size) // cells.unit)
    raw = cuts.erased_unit(cells, units, unit, outcome, flash.draw_seed(offset, draw))
    return _may_hold(cells, raw, wanted)


def _may_hold(cells: Cells, raw: RawUnit, wanted: Slice) -> bool:
    begin, part = wanted
    unsure = raw.metastable | raw.fading[0] | raw.fading[1] | raw.fading[2]
    mask = ((1 << 8 * len(part)) - 1) << 8 * begin
    differs = (raw.word ^ int.from_bytes(part, "little") << 8 * begin) & mask & ~unsure
    return differs.bit_count() <= (1 if cells.code else 0)
