"""Boots on the emulated flash beside ``plain_cells``: each operation, each read, each cut."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from flash_emulator import EmulatedFlash, MetastableMode, Outcome, PowerLoss
from flash_emulator.array.pages import Mark
from flash_emulator.certificate_check.plain_cells import (
    Mismatch,
    PlainCells,
    Refused,
    Unit,
    Unknown,
)
from flash_emulator.errors import ProgramError, UnreadableUnit
from flash_emulator.parts.part_model import Kind


class Shadowed(EmulatedFlash):
    """An emulated flash with the plain model beside it. Raises Mismatch where the two differ."""

    plain: PlainCells
    compared: list[int]  # how many operations, cuts and reads, in one place for all boots
    turned_here: set[int]

    @classmethod
    def of(cls, flash: EmulatedFlash, plain: PlainCells, compared: list[int]) -> Shadowed:
        """*flash*, which has just been powered on, with nobody else on it."""
        twin = cls.__new__(cls)
        flash.become_fork(twin)
        twin.plain, twin.compared, twin.turned_here = plain, compared, set()
        return twin

    # --- reading

    def read(self, address: int, size: int) -> bytes:
        try:
            data = super().read(address, size)
        except UnreadableUnit as error:
            self._same_read(address, size, None, error.address)
            raise
        self._same_read(address, size, data, 0)
        return data

    def sha256(self, address: int, size: int) -> bytes:
        digest = super().sha256(address, size)
        units = self._units(address, size)
        known = {index: self.plain.units.get(index) for index in units}
        if not any(unit is not None and any(unit.unsure) for unit in known.values()):
            data = b"".join(self._values(index)[0] or b"" for index in units)
            begin = self._place(address) - units.start * self._unit
            self._agree(sha256(data[begin : begin + size]).digest(), digest, f"sha256 {address:x}")
        return digest

    def match(self, address: int, expected: bytes) -> int:
        found = super().match(address, expected)
        if self.options.read_protected:
            return found
        count = 0
        place = self._place(address)
        while count < len(expected):
            index, begin = divmod(place + count, self._unit)
            part = expected[count : count + self._unit - begin]
            try:
                values = self._values(index)
            except Unknown:  # it is not known to hold anything
                break
            holds = [v is not None and v[begin : begin + len(part)] == part for v in values]
            if any(holds) != all(holds):
                return found  # drawn: either may be
            if not all(holds):
                break
            count += len(part)
        self._agree(count, found, f"match {address:x}")
        return found

    def _same_read(self, address: int, size: int, data: bytes | None, bad: int) -> None:
        """Unit by unit, up to the one that cannot be read."""
        place = self._place(address)
        for index in self._units(address, size):
            begin = index * self._unit - place
            try:
                values = self._values(index)
            except Unknown:
                if self.plain.units.get(index, True) is None:
                    raise Mismatch(f"unit {index:x}: unknown, and read") from None
                continue  # too many unsure cells to go through
            if data is None and address + begin == bad:
                self._one_of(None, values, f"read of unit {index:x}")
                return
            low, high = max(begin, 0), min(begin + self._unit, size)
            cut = slice(low - begin, high - begin)
            found = data[low:high] if data is not None else None
            may_be = [v[cut] for v in values if v is not None]
            if data is not None:
                self._one_of(found, may_be, f"read of unit {index:x}")
            elif not may_be:
                raise Mismatch(f"unit {index:x}: the plain model cannot read it, the device can")

    def _values(self, index: int) -> list[bytes | None]:
        """What the unit may read now, as the boot reads metastable cells."""
        opposite: bool | None
        match self.metastable_mode:
            case MetastableMode.STABLE:
                opposite = index in self.flips
            case MetastableMode.FLIPPED:
                opposite = True
            case MetastableMode.DRAWN:
                opposite = None
            case MetastableMode.TURNING:
                unit = self.plain.units.get(index)
                if unit is not None and any(unit.unsure):
                    self.turned_here ^= {index}
                opposite = index not in self.turned_here
        return list(self.plain.values(index, opposite=opposite))

    def _one_of(self, found: object, values: list[Any], what: str) -> None:
        self.compared[0] += 1
        if found not in values:
            raise Mismatch(f"{what}: the device has {found!r}, the plain model {values!r}")

    def _agree(self, plain: object, found: object, what: str) -> None:
        self.compared[0] += 1
        if plain != found:
            raise Mismatch(f"{what}: the device has {found!r}, the plain model {plain!r}")

    # --- programming

    def _program(self, address: int, data: bytes, *, fast: bool = False) -> None:
        if not self._powered:
            super()._program(address, data, fast=fast)
            return
        self.settle()  # power may go in a program that was postponed: that is no cut of this one
        taken, size = self._supply.taken, self._unit
        try:
            super()._program(address, data, fast=fast)
        except PowerLoss:
            done = self._supply.taken - taken - 1
            self._programmed_plainly(address, data[: done * size], fast=fast)
            self._cut_plainly(address + done * size, data[done * size : (done + 1) * size])
            raise
        except ProgramError as error:
            done = (error.address - address) // size
            self._programmed_plainly(address, data[: done * size], fast=fast)
            self._refused_plainly(error.address, data[done * size : (done + 1) * size], fast=fast)
            raise
        self._programmed_plainly(address, data, fast=fast)

    def _programmed_plainly(self, address: int, data: bytes, *, fast: bool) -> None:
        for index, each in self._pieces(address, data):
            self.compared[0] += 1
            try:
                self.plain.program(index, each, fast=fast, found=plain_unit(self, index))
            except Refused:
                raise Mismatch(f"unit {index:x}: programmed, the plain model refuses") from None

    def _refused_plainly(self, address: int, data: bytes, *, fast: bool) -> None:
        ((index, each),) = self._pieces(address, data)
        try:
            self.plain.program(index, each, fast=fast, found=None)
        except Refused:
            self._same_unit(index)
            return
        except Mismatch:
            pass
        raise Mismatch(f"unit {index:x}: refused, the plain model programs it")

    def _cut_plainly(self, address: int, data: bytes) -> None:
        ((index, each),) = self._pieces(address, data)
        self.compared[0] += 1
        self.plain.cut_program(index, each, self._supply.outcome, plain_unit(self, index))

    def _pieces(self, address: int, data: bytes) -> list[tuple[int, bytes]]:
        first, size = self._place(address) // self._unit, self._unit
        count = len(data) // size
        return [(first + at, data[at * size : (at + 1) * size]) for at in range(count)]

    # --- erasing

    def erase(self, address: int) -> None:
        if not self._powered:
            super().erase(address)
            return
        start = self._place(address)
        self.settle()
        try:
            super().erase(address)
        except PowerLoss:
            self._each_unit_of(start, self._cut_erase_plainly(self._supply.outcome))
            raise
        self._each_unit_of(start, self.plain.erase)

    def _cut_erase_plainly(self, outcome: Outcome) -> Callable[[int, Unit | None], None]:
        return lambda index, found: self.plain.cut_erase(index, outcome, found)

    def _each_unit_of(self, start: int, act: Callable[[int, Unit | None], None]) -> None:
        size = self.part.sector_starts[start]
        for index in range(start // self._unit, (start + size) // self._unit):
            self.compared[0] += 1
            act(index, plain_unit(self, index))

    def _erase_banks(self, banks: range, kind: Kind, *, protected: bool = True) -> None:
        if not self._powered:
            super()._erase_banks(banks, kind, protected=protected)
            return
        self.settle()
        try:
            super()._erase_banks(banks, kind, protected=protected)
        except PowerLoss:
            self._each_unit_in(banks, self._cut_bank_plainly(self._supply.outcome))
            raise
        self._each_unit_in(banks, self.plain.erase)

    def _each_unit_in(self, banks: range, act: Callable[[int, Unit | None], None]) -> None:
        for start in self.part.sector_starts:
            if start // self.part.bank_size in banks:
                self._each_unit_of(start, act)

    def _cut_bank_plainly(self, outcome: Outcome) -> Callable[[int, Unit | None], None]:
        """All sectors are cut at a time, or one after the other: some whole, some untouched."""
        if self.part.bulk_erase == "parallel":
            return self._cut_erase_plainly(outcome)

        def act(index: int, found: Unit | None) -> None:
            for each in (Outcome.BEFORE, Outcome.AFTER):
                try:
                    self.plain.cut_erase(index, each, found)
                except Mismatch:
                    continue
                return
            self.plain.cut_erase(index, outcome, found)

        return act

    # --- places

    def _place(self, address: int) -> int:
        """In the array: the other bank's where the banks are mapped."""
        offset = self.part.offset_of(address)
        assert offset is not None
        return (offset + self.mapped_bank * self.part.bank_size) % self.part.size

    def _units(self, address: int, size: int) -> range:
        place = self._place(address)
        return range(place // self._unit, -(-(place + size) // self._unit))

    def _same_unit(self, index: int) -> None:
        self._agree(self.plain.unit(index), plain_unit(self, index), f"unit {index:x}")


_ABSENT = object()  # erased, and nothing since


def plain_unit(flash: EmulatedFlash, index: int) -> Unit | None:
    """The unit of the device as a list of cells; None where it is unknown."""
    cells, width = flash.cells, flash.cells.word_bits
    mark = cells.mark(index)
    if mark is Mark.UNKNOWN:
        return None
    raw = cells.raw(index)
    if raw is None:
        return Unit.plain(_list(cells.word(index), width), erased=mark is Mark.VIRGIN)
    weak = [0] * width
    for age, mask in enumerate(raw.fading, 1):
        weak = [age if mask >> at & 1 else found for at, found in enumerate(weak)]
    unsure = tuple(bool(bit) for bit in _list(raw.metastable, width))
    return Unit(_list(raw.word, width), unsure, tuple(weak), marginal=raw.marginal)


def _list(word: int, width: int) -> tuple[int, ...]:
    return tuple(word >> at & 1 for at in range(width))


def plain_twin(flash: EmulatedFlash) -> PlainCells:
    """All units of *flash*, as a plain model."""
    code, data_bits = flash.cells.code, flash.part.program_unit * 8
    columns = tuple(code.check(1 << bit) for bit in range(data_bits)) if code else ()
    plain = PlainCells(flash.part, columns)
    take_over(plain, flash)
    return plain


def _used(plain: PlainCells, flash: EmulatedFlash) -> list[int]:
    """Units that are not virgin, in one of both."""
    found, at, end = set(plain.units), 0, flash.part.size // flash.part.program_unit
    while at < end:
        virgin = flash.cells.virgin_ahead(at, end - at)
        if not virgin:
            found.add(at)
        at += virgin or 1
    return sorted(found)


def take_over(plain: PlainCells, flash: EmulatedFlash) -> int:
    """What differs, from *flash*; how many units did."""
    differ = 0
    for index in _used(plain, flash):
        found = plain_unit(flash, index)
        if plain.units.get(index, _ABSENT) != found:
            differ += 1
            plain.take_over(index, found)
    return differ


def same(plain: PlainCells, flash: EmulatedFlash) -> None:
    """Every unit. Raises Mismatch."""
    for index in _used(plain, flash):
        found = plain_unit(flash, index)
        if plain.units.get(index, _ABSENT) != found:
            raise Mismatch(f"unit {index:x}: the plain model has another one than {found}")


class Shadow:
    """The plain model through the boots of one path, and what was compared in all of them."""

    def __init__(self) -> None:
        self.boots = 0
        self.compared = [0]
        self.promised = 0  # units that the subject's representative has put in place of others

    def begin(self, flash: EmulatedFlash) -> None:
        self._plain = plain_twin(flash)

    def powered(self, flash: EmulatedFlash) -> Shadowed:
        """*flash*, which has just been powered on, with the plain model beside it."""
        self.boots += 1
        if not flash.kept_power:
            self._plain.power_on()
        shadowed = Shadowed.of(flash, self._plain, self.compared)
        same(self._plain, shadowed)
        return shadowed

    def cut(self, flash: EmulatedFlash, left: EmulatedFlash, *, merge: bool) -> None:
        """A boot was cut; *left* is what the search goes on with."""
        same(self._plain, flash)
        if merge:
            self._plain.fade()
        self.promised += take_over(self._plain, left)

    def rest(self, flash: EmulatedFlash) -> None:
        same(self._plain, flash)
