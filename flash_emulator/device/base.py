"""What every operation of the emulated flash stands on: fields, addresses, random numbers, end.

``EmulatedFlash`` is one class, because every operation asks the same cells, supply and clock. It is
written in parts, a concern each, every one on top of the one before: ``guarded``, this one,
``decay``, ``timekeeping``, ``sensing``, ``matching``, ``injection``, ``banks``, ``erasing``,
``postponed``, ``keyed``. In one line, for such a class can be compiled. A part names the fields
that are its own; the device sets them.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

from flash_emulator.array import cuts
from flash_emulator.array.cells import Cells
from flash_emulator.array.option_bytes import OptionBytes
from flash_emulator.device.guarded import Guarded
from flash_emulator.device.trace import Operation, Trace
from flash_emulator.errors import AlignmentError
from flash_emulator.parts.part import Part
from flash_emulator.power import Outcome, PowerLoss


@dataclass(frozen=True, slots=True)
class Interrupted:
    """FLASH_OPSR of U5 and H5 after a reset: the operation that it broke off."""

    kind: str
    address: int


class DeviceBase(Guarded):
    """The fields that all parts of the device use, and what each of its operations needs."""

    part: Part
    seed: int
    trace: Trace | None
    draws_by_place: bool  # what a cut leaves depends on seed and place alone
    options: OptionBytes
    stuck: dict[int, int]  # by unit: cells that no program moves
    cells: Cells
    _base: int
    _size: int  # of the array
    _hole: int  # bytes between the banks where there is no flash; as a rule none
    _unit: int
    _mapped: int
    _kept: bytearray  # programs that are done later, see ``postponed``
    _kept_at: int
    _room_at: int  # where the next unit would follow
    _room: int  # and how many bytes may, with no further look
    _powered: bool
    _keeps_power: bool
    kept_power: bool  # the last start was a reset, see ``keep_power``

    def check_power(self) -> None:
        """Raises PowerLoss where power is gone, also where the boot has hidden that."""
        self._alive()

    @abstractmethod
    def settle(self) -> None:
        """Do the programs that were kept for later."""

    def _alive(self) -> None:
        """The door of all that the device does."""
        self._powered_up()
        if self._kept:
            self.settle()

    def _alive_to_look(self, address: int, size: int) -> None:
        """The door of looks: what is kept for later elsewhere may wait."""
        if self.cells.halt.reason is not None or not self._powered:
            self._powered_up()
        if self._kept and self._keeps(address, size):
            self.settle()

    def _keeps(self, address: int, size: int) -> bool:
        """Whether what is kept for later touches these bytes."""
        return self._kept_at < address + size and address < self._kept_at + len(self._kept)

    def _powered_up(self) -> None:
        halt = self.cells.halt
        if halt.reason is not None:
            halt.check()
        if not self._powered:
            raise PowerLoss(
                self._supply.taken, self._supply.outcome, "none: power is off", self._base
            )

    def _offset(self, address: int, size: int) -> int:
        """Offset in the array. A range must not leave it, nor cross banks while they are mapped."""
        offset = address - self._base
        if not self._mapped and not self._hole and offset >= 0 and 0 <= size <= self._size - offset:
            return offset  # most of them
        offset = self.array_offset(address)
        if self._hole and offset < self.part.bank_size < offset + size:
            raise AlignmentError(f"0x{address:08X}, {size} bytes: not in one bank")
        if offset < 0 or size < 0 or offset + size > self._size:
            raise AlignmentError(f"0x{address:08X}, {size} bytes: outside {self.part.name}")
        if self._mapped:
            bank_size = self.part.bank_size
            if offset < bank_size < offset + size:
                raise AlignmentError(f"0x{address:08X}, {size} bytes: across mapped banks")
            offset += bank_size if offset < bank_size else -bank_size
        return offset

    def mapped_offset(self, address: int, size: int) -> int:
        """Offset in the array of what the CPU sees at *address* now. Raises AlignmentError where
        *size* bytes do not lie in it."""
        return self._offset(address, size)

    def array_offset(self, address: int) -> int:
        """Offset in the array, in which no bank is mapped and there is no hole."""
        offset = address - self._base
        if not self._hole or offset < self.part.bank_size:
            return offset
        if offset < self.part.bank_size + self._hole:
            raise AlignmentError(f"0x{address:08X}: between the banks of {self.part.name}")
        return offset - self._hole

    def _address(self, offset: int) -> int:
        """The address of *offset* in the array, with no bank mapped."""
        is_behind = self._hole and offset >= self.part.bank_size
        return self._base + offset + (self._hole if is_behind else 0)

    def _rng(self, place: int) -> random.Random:
        """The same seed, place and operation number give the same silicon."""
        return random.Random(self.draw_seed(place))  # noqa: S311

    def _given_words(self) -> Mapping[int, int]:
        """What the cut leaves of units, where the supply says so."""
        words: Mapping[int, int] = getattr(self._supply, "words", {})
        return words

    def draw_seed(self, place: int, draw: int | None = None) -> str:
        """What the draws of a cut at *place* (unit, or offset of a sector) are made of.

        *draw*: of that number, on a device that draws by place.
        """
        number = self._supply.taken
        if self.draws_by_place:
            number = getattr(self._supply, "draw", 0) if draw is None else draw
            elsewhere = getattr(self._supply, "place", None)
            place = place if elsewhere is None else elsewhere
        return f"{self.seed}/{place}/{number}"

    def _word(self, data: bytes) -> int:
        """*data* of one unit with the check bits that belong to them."""
        value = int.from_bytes(data, "little")
        return self.cells.code.encode(value) if self.cells.code else value

    def _keep_stuck(self, units: range) -> None:
        for unit, cells in self.stuck.items():
            if unit in units and not self.cells.is_virgin(unit):
                held = cuts.held(self.cells, unit)
                self.cells.set_word(unit, replace(held, word=held.word | cells))

    def _note(self, operation: Operation) -> None:
        self.interrupted = None
        if self.trace is not None:
            self.trace.operations.append(operation)

    def _die(self, kind: str, offset: int) -> None:
        """Power is gone. On parts with OPSR the next start can see what was under way."""
        address, outcome = self._address(offset), self._supply.outcome
        if self.trace is not None:
            self.trace.operations.append(Operation(kind, address, done=0, outcome=outcome))
        if self.part.opsr and outcome not in (Outcome.BEFORE, Outcome.AFTER):
            self.interrupted = Interrupted(kind, address)
        self._powered = False
        raise PowerLoss(self._supply.taken, outcome, kind, address)
