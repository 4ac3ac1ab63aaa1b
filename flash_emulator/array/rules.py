"""Named behaviours: which program operation a family's controller executes, and what it does.

Each rule looks at a unit that is not fresh from an erase (those every family programs) and says
what comes of programming *data* over it. Sources: RM0091 and RM0364 (F1), RM0090 (F4), RM0440
(L4, G4), RM0456 (U5), RM0399 (H7), a capture of a chip (H5); what is not known is FORBIDDEN.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from flash_emulator.parts.part_model import Overwrite


class Effect(Enum):
    """What the controller does with one program operation."""

    REFUSED = auto()  # nothing is written, an error flag is set
    REPLACES = auto()  # cells take the new word, as from a virgin unit
    CLEARS = auto()  # bits go from 1 to 0 only: old AND new


@dataclass(frozen=True, slots=True)
class UnitView:
    """What the controller knows of a unit before it programs it."""

    virgin: bool  # a completed erase, nothing since
    reads_erased: bool  # a read gives 0xFF throughout, without error


def overwrite(rule: Overwrite, unit: UnitView, data: bytes) -> Effect:
    """What becomes of programming *data* over *unit*."""
    if unit.virgin:
        return Effect.REPLACES
    return _RULES[rule](unit, data)


def _only_zero_halfword(unit: UnitView, data: bytes) -> Effect:
    """F0, F1, F3: the location is read first; "The only exception ... 0x0000 is programmed"."""
    if unit.reads_erased:
        return Effect.REPLACES
    return Effect.REFUSED if any(data) else Effect.CLEARS


def _clear_bits(_: UnitView, __: bytes) -> Effect:
    """F2, F4, F7: "Successive write operations are possible ... changing bits from 1 to 0"."""
    return Effect.CLEARS


def _only_all_zero(_: UnitView, data: bytes) -> Effect:
    """L4, G4, L5, U5, G0, WB: "not allowed except if the data to write are all 0", else PROGERR."""
    return Effect.REFUSED if any(data) else Effect.CLEARS


def _executed(_: UnitView, __: bytes) -> Effect:
    """H7: "It is not recommended to overwrite a flash word that is not virgin"; it is executed.

    H5 too, as seen on a chip; and fast programming of the L4 class, which verifies nothing.
    """
    return Effect.CLEARS


def _forbidden(_: UnitView, __: bytes) -> Effect:
    """Nothing is known of it: the emulator refuses, so that no firmware relies on it."""
    return Effect.REFUSED


_RULES = {
    Overwrite.ONLY_ZERO_HALFWORD: _only_zero_halfword,
    Overwrite.CLEAR_BITS: _clear_bits,
    Overwrite.ONLY_ALL_ZERO: _only_all_zero,
    Overwrite.EXECUTES: _executed,
    Overwrite.FORBIDDEN: _forbidden,
}
