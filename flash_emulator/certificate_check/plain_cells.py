"""A second model of the cells: lists of bits, and nothing that would make it fast.

It was written from what the docstrings of ``cuts``, ``ecc`` and ``rules`` say, not from their code,
so that a slip in one of the two shows. There are no pages, no marks and no forks: a unit is a list
of cells; a unit that nobody has touched since its erase is not there at all.

What a cut leaves is drawn, and this model draws nothing: it says whether what the device has drawn
may be so, and takes it over (``Mismatch`` where it may not). Two things it has from the device: the
columns of the ECC's matrix, which no document gives, and what is taken over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

from flash_emulator import Outcome
from flash_emulator.parts.part import Part
from flash_emulator.parts.part_model import Overwrite

_MOST_UNSURE = 12  # cells of a unit whose values are gone through where they are drawn


class Mismatch(BaseException):
    """The device does what this model does not. No Exception, so that no subject can hide it."""


class Refused(Exception):
    """The controller programs nothing here."""


class Unknown(Exception):
    """Nothing is assumed of this unit."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Cells in their order, data first. *unsure*: metastable; *weak*: at which of the next
    power-ons a cell becomes so, 0: never. *erased*: a whole erase, and nothing since."""

    bits: tuple[int, ...]
    unsure: tuple[bool, ...]
    weak: tuple[int, ...]
    erased: bool = False
    marginal: bool = False

    @classmethod
    def plain(cls, bits: tuple[int, ...], *, erased: bool = False) -> Unit:
        return cls(bits, (False,) * len(bits), (0,) * len(bits), erased)

    @property
    def is_blank(self) -> bool:
        """Every cell is 1, for the time being."""
        return all(self.bits)

    def cell(self, index: int) -> tuple[int, bool, int]:
        return self.bits[index], self.unsure[index], self.weak[index]


class PlainCells:
    """All units of a part. *columns*: of the ECC's matrix, one for each data bit; none without."""

    def __init__(self, part: Part, columns: tuple[int, ...]) -> None:
        self.part = part
        self._columns = columns
        self._check_bits = part.ecc.modelled_check_bits if part.ecc else 0
        self._width = part.program_unit * 8 + self._check_bits
        self._blank = Unit.plain((1,) * self._width, erased=True)
        self.units: dict[int, Unit | None] = {}  # None: nothing is assumed

    def unit(self, index: int) -> Unit:
        found = self.units.get(index, self._blank)
        if found is None:
            raise Unknown
        return found

    def take_over(self, index: int, unit: Unit | None) -> None:
        self.units[index] = unit
        if unit == self._blank:
            del self.units[index]

    # --- time

    def power_on(self) -> None:
        """Weak cells are a power-on older."""
        self._each(lambda cell: (cell[0], cell[1] or cell[2] == 1, max(0, cell[2] - 1)))

    def fade(self) -> None:
        """Weak cells have had their time."""
        self._each(lambda cell: (cell[0], cell[1] or cell[2] > 0, 0))

    def _each(self, older: Callable[[tuple[int, bool, int]], tuple[int, bool, int]]) -> None:
        for index, unit in self.units.items():
            if unit is not None and any(unit.weak):
                cells = [older(unit.cell(at)) for at in range(self._width)]
                bits, unsure, weak = zip(*cells, strict=True)
                self.units[index] = replace(unit, bits=bits, unsure=unsure, weak=weak)

    # --- reading

    def values(self, index: int, *, opposite: bool | None) -> Iterator[bytes | None]:
        """What a read may give, None: that it cannot be read. *opposite*: of what unsure cells
        last were; None: each may be either."""
        unit = self.unit(index)
        unsure = [at for at in range(self._width) if unit.unsure[at]]
        if opposite is None and len(unsure) > _MOST_UNSURE:
            raise Unknown
        choices = product((0, 1), repeat=len(unsure)) if opposite is None else [[opposite] * 999]
        for choice in choices:
            bits = list(unit.bits)
            for at, turned in zip(unsure, choice, strict=False):
                bits[at] ^= turned
            yield self._decoded(bits)

    def _decoded(self, bits: list[int]) -> bytes | None:
        data_bits = self._width - self._check_bits
        zeros = bits.count(0)
        if not self._columns or zeros in (0, 2):  # two errors of virgin flash are not detected
            return _bytes(bits[:data_bits])
        if zeros == 1:
            return b"\xff" * (data_bits // 8)
        if not self._syndrome(bits):
            return _bytes(bits[:data_bits])
        for at in range(self._width):
            bits[at] ^= 1
            if not self._syndrome(bits):
                return _bytes(bits[:data_bits])
            bits[at] ^= 1
        return None

    def _syndrome(self, bits: list[int]) -> int:
        found = 0
        for bit, column in zip(bits, self._columns, strict=False):
            found ^= column * bit
        for at, bit in enumerate(bits[len(self._columns) :]):
            found ^= bit << at
        return found

    def word(self, data: bytes) -> tuple[int, ...]:
        """The cells of a unit that holds *data*."""
        bits = [byte >> at & 1 for byte in data for at in range(8)]
        if not self._columns:
            return tuple(bits)
        check = self._syndrome([*bits, *[0] * self._check_bits])
        return (*bits, *(check >> at & 1 for at in range(self._check_bits)))

    # --- whole operations

    def program(self, index: int, data: bytes, *, fast: bool, found: Unit | None) -> None:
        """A whole program; *found*: what the device has then. Raises Refused, Mismatch."""
        unit, new = self.unit(index), self.word(data)
        if not self._takes(unit, data, fast=fast):
            raise Refused
        if unit.marginal:
            self._accept(index, found, lambda it: self._is_weak(unit, new, it), "a weak program")
            return
        cells = [unit.cell(at) if new[at] else (0, False, 0) for at in range(self._width)]
        bits, unsure, weak = zip(*cells, strict=True)
        self._expect(index, found, Unit(bits, unsure, weak), "a program")

    def _takes(self, unit: Unit, data: bytes, *, fast: bool) -> bool:
        rule = (self.part.fast_overwrite if fast else None) or self.part.overwrite
        if unit.erased or rule in (Overwrite.CLEAR_BITS, Overwrite.EXECUTES):
            return True
        if unit.marginal or (rule is Overwrite.ONLY_ZERO_HALFWORD and unit.is_blank):
            return True
        return rule is not Overwrite.FORBIDDEN and not any(data)

    def erase(self, index: int, found: Unit | None) -> None:
        self._expect(index, found, self._blank, "an erase")

    def _expect(self, index: int, found: Unit | None, expected: Unit, what: str) -> None:
        if found != expected:
            raise Mismatch(f"unit {index:x}, {what}: expected {_text(expected)}, {_text(found)}")
        self.take_over(index, found)

    def _accept(
        self, index: int, found: Unit | None, may_be: Callable[[Unit], bool], what: str
    ) -> None:
        if found is None or not may_be(found):
            before = _text(self.units.get(index, self._blank))
            raise Mismatch(f"unit {index:x}, {what}: of {before} there cannot come {_text(found)}")
        self.take_over(index, found)

    # --- cuts

    def cut_program(self, index: int, data: bytes, outcome: Outcome, found: Unit | None) -> None:
        """What the cut left of a program must be what *outcome* may leave."""
        unit, new = self.unit(index), self.word(data)
        checks: dict[Outcome, Callable[[Unit], bool]] = {
            Outcome.BEFORE: unit.__eq__,
            Outcome.TORN: lambda it: self._is_torn(unit, new, it),
            Outcome.METASTABLE: lambda it: self._is_metastable(unit, new, it),
            Outcome.BLANK: lambda it: self._is_blank(unit, new, it),
            Outcome.WEAK: lambda it: self._is_weak(unit, new, it),
        }
        if outcome is Outcome.AFTER:
            self.program(index, data, fast=True, found=found)
        else:
            self._accept(index, found, checks[outcome], f"a program cut {outcome}")

    def cut_erase(self, index: int, outcome: Outcome, found: Unit | None) -> None:
        """The same of an erase, of any unit of its sector."""
        if outcome is Outcome.AFTER:
            self.erase(index, found)
            return
        if self.units.get(index, self._blank) is None:
            if found is not None and outcome is not Outcome.BLANK:
                raise Mismatch(f"unit {index:x}: unknown before its erase was cut, known after it")
            self.take_over(index, found)
            return
        before, ones = self.unit(index), (1,) * self._width
        unit = Unit.plain(before.bits)  # what was metastable or weak is decided
        checks: dict[Outcome, Callable[[Unit], bool]] = {
            Outcome.BEFORE: before.__eq__,
            Outcome.TORN: lambda it: (
                self._is_torn(unit, ones, it, up=True) and it.marginal == _is_clean(it)
            ),
            Outcome.METASTABLE: lambda it: (
                self._is_metastable(unit, ones, it, up=True) and it.marginal == _is_clean(it)
            ),
            Outcome.BLANK: lambda it: it == replace(Unit.plain(ones), marginal=not self._columns),
            Outcome.WEAK: lambda it: self._is_weak(unit, ones, it, up=True) and it.marginal,
        }
        self._accept(index, found, checks[outcome], f"an erase cut {outcome}")

    def _moving(self, unit: Unit, new: tuple[int, ...], *, up: bool) -> list[int]:
        """From 1 to 0 in a program, from 0 to 1 in an erase."""
        return [at for at in range(self._width) if unit.bits[at] == (not up) and new[at] == up]

    def _is_torn(self, unit: Unit, new: tuple[int, ...], it: Unit, *, up: bool = False) -> bool:
        """Each cell that moves has moved or has not; all others are as they were."""
        moving = self._moving(unit, new, up=up)
        return not it.erased and all(
            it.cell(at) == unit.cell(at) or (at in moving and it.cell(at) == (int(up), False, 0))
            for at in range(self._width)
        )

    def _is_metastable(
        self, unit: Unit, new: tuple[int, ...], it: Unit, *, up: bool = False
    ) -> bool:
        """As torn, and some of the moving cells, at least one, are metastable."""
        moving = self._moving(unit, new, up=up)
        some = [at for at in moving if it.unsure[at]]
        sure = replace(
            it,
            bits=tuple(unit.bits[at] if at in some else it.bits[at] for at in range(self._width)),
            unsure=tuple(
                unit.unsure[at] if at in some else it.unsure[at] for at in range(self._width)
            ),
            weak=tuple(unit.weak[at] if at in some else it.weak[at] for at in range(self._width)),
        )
        return bool(some or not moving) and self._is_torn(unit, new, sure, up=up)

    def _is_blank(self, unit: Unit, new: tuple[int, ...], it: Unit) -> bool:
        """With ECC exactly one cell has moved; without none, and a blank unit is marginal."""
        if not self._columns:
            return it == (replace(unit, erased=False, marginal=True) if unit.is_blank else unit)
        moving = self._moving(unit, new, up=False)
        moved = [at for at in moving if it.bits[at] == 0]
        return len(moved) == min(1, len(moving)) and self._is_torn(unit, new, it)

    def _is_weak(self, unit: Unit, new: tuple[int, ...], it: Unit, *, up: bool = False) -> bool:
        """All have moved; some of them, at least one, read right for one power-on or two more."""
        moving = self._moving(unit, new, up=up)
        weak = [at for at in moving if it.weak[at]]
        moved = all(it.bits[at] == int(up) and not it.unsure[at] for at in moving)
        short = all(it.weak[at] in (2, 3) for at in weak)
        others = (at for at in range(self._width) if at not in moving)
        kept = all(it.cell(at) == unit.cell(at) for at in others)
        return moved and short and kept and bool(weak or not moving) and not it.erased


def _is_clean(unit: Unit) -> bool:
    return unit.is_blank and not any(unit.unsure)


def _bytes(bits: list[int]) -> bytes:
    return bytes(
        sum(bit << at for at, bit in enumerate(bits[begin : begin + 8]))
        for begin in range(0, len(bits), 8)
    )


def _text(unit: Unit | None) -> str:
    if unit is None:
        return "unknown"
    cells = "".join(
        "?" if unsure else str(bit) for bit, unsure in zip(unit.bits, unit.unsure, strict=True)
    )
    flags = "".join(f" {name}" for name in ("erased", "marginal") if getattr(unit, name))
    weak = f" weak {[at for at, n in enumerate(unit.weak) if n]}" if any(unit.weak) else ""
    return f"{cells}{flags}{weak}"
