"""What a state says nothing of, and whether a flash is one that it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flash_emulator import EmulatedFlash

Slice = tuple[int, bytes]  # of a unit: where it begins, and what it is


@dataclass(frozen=True, slots=True)
class Unseen:
    """What a state says nothing of: ranges, but for the slices that units do not hold."""

    spans: tuple[tuple[int, int], ...] = ()
    excluded: tuple[tuple[int, frozenset[Slice]], ...] = ()

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Unseen:
        spans = tuple((low, end) for low, end in entry["unknown"])
        excluded = tuple(
            (unit, frozenset((begin, bytes.fromhex(data)) for begin, data in slices))
            for unit, slices in entry["excluded"]
        )
        return cls(spans, excluded)

    @classmethod
    def held_by(cls, flash: EmulatedFlash) -> Unseen:
        """What *flash* says nothing of."""
        return cls(tuple(flash.cells.unknown_spans()), tuple(flash.cells.excluded().items()))

    def fits(self, flash: EmulatedFlash) -> bool:
        """Whether there are such ranges: whole units, all excluded slices within them."""
        unit, size = flash.part.program_unit, flash.part.size
        whole = all(low % unit == end % unit == 0 and end <= size for low, end in self.spans)
        return whole and all(
            any(low <= index * unit < end for low, end in self.spans)
            and all(begin + len(data) <= unit for begin, data in slices)
            for index, slices in self.excluded
        )

    def forgotten(self, flash: EmulatedFlash) -> EmulatedFlash | None:
        """*flash* with all of it forgotten; None where a unit may hold what it must not."""
        if any(may_hold(flash, unit, each) for unit, slices in self.excluded for each in slices):
            return None
        twin = flash.fork()
        for low, high in self.spans:
            twin.forget(flash.part.address_of(low), high - low)
        for unit, slices in self.excluded:
            twin.cells.exclude(unit, slices)
        return twin


def may_hold(flash: EmulatedFlash, unit: int, wanted: Slice) -> bool:
    """Whether a read may ever give this slice: not if more bits differ than the ECC corrects."""
    cells, (begin, data) = flash.cells, wanted
    if cells.is_unknown(unit):
        return wanted not in cells.not_held(unit)
    raw = cells.raw(unit)
    unsure = raw.metastable | raw.fading[0] | raw.fading[1] | raw.fading[2] if raw else 0
    stored = cells.word(unit) >> 8 * begin & (1 << 8 * len(data)) - 1
    differs = (stored ^ int.from_bytes(data, "little")) & ~(unsure >> 8 * begin)
    return differs.bit_count() <= (1 if cells.code else 0)
