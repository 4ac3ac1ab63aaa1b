"""The emulated flash: one door for every operation.

Each program of a unit and each erase of a sector asks the power supply what happens. Bulk calls
are as fast as slices, and every unit in them can be cut all the same.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from flash_emulator.cells import ERASED, Cells, Mark
from flash_emulator.clock import VirtualClock
from flash_emulator.part import Part
from flash_emulator.power import Outcome, PowerLoss, PowerSupply, SteadySupply


class FlashError(OSError):
    """The controller reports that an operation did not do what was asked."""

    def __init__(self, message: str, address: int) -> None:
        self.address = address
        super().__init__(f"{message} at 0x{address >> 16:04X}_{address & 0xFFFF:04X}")


class ProgramError(FlashError):
    """PROGERR: the unit is not virgin and the data are not all zero. Nothing was written."""


class UnreadableUnit(FlashError):
    """Double ECC error: on L4 an NMI."""


class AlignmentError(ValueError):
    """An address or a size that no such operation can have (PGAERR, SIZERR, outside the array)."""


@dataclass(slots=True)
class Usage:
    """Operations since the device was made, and the time they took."""

    programs: int = 0
    erases: int = 0
    program_us: int = 0
    erase_us: int = 0


class EmulatedFlash:
    """Flash of one part, with power, time and the marks of its past.

    Addresses are those that the CPU uses now. All randomness comes from *seed*.
    """

    def __init__(
        self,
        part: Part,
        *,
        clock: VirtualClock | None = None,
        supply: PowerSupply | None = None,
        seed: int = 0,
    ) -> None:
        self.part = part
        self.clock = clock or VirtualClock()
        self.supply: PowerSupply = supply or SteadySupply()
        self.seed = seed
        self.cells = Cells(part.size, part.program_unit)
        self.options = dict(part.options)
        self.usage = Usage()
        self._mapped = 0
        self._powered = True

    @property
    def geometry(self) -> Part:
        return self.part

    # --- power, reset, banks

    def power_on(self) -> None:
        """After a cut or at the start of a session: registers reset, weak units a step weaker."""
        self.cells.power_on()
        self._powered = True
        self.reset()

    def reset(self) -> None:
        """FB_MODE is 0 after every reset."""
        self._mapped = 0

    @property
    def mapped_bank(self) -> int:
        return self._mapped

    def map_bank(self, bank: int) -> None:
        """Set FB_MODE: *bank* (0 or 1) at the base address. Volatile, costs no operation."""
        if self.part.aliasing != "fb_mode" or not 0 <= bank < self.part.bank_count:
            raise AlignmentError(f"{self.part.name} cannot map bank {bank}")
        self._mapped = bank

    def fork(self) -> EmulatedFlash:
        """A twin with the same silicon, a steady supply, and a clock of its own."""
        twin = EmulatedFlash(self.part, clock=VirtualClock(self.clock.now_us), seed=self.seed)
        twin.cells.restore(self.cells.data, self.cells.marks)
        twin.options = dict(self.options)
        twin._mapped, twin._powered = self._mapped, self._powered
        return twin

    # --- operations

    def read(self, address: int, size: int) -> bytes:
        """Bytes as the CPU reads them. Raises UnreadableUnit with the unit's address."""
        self._alive()
        offset = self._offset(address, size)
        bad = self.cells.unreadable(offset, size)
        if bad is not None:
            raise UnreadableUnit("double ECC error", address + bad - offset)
        return bytes(self.cells.data[offset : offset + size])

    def program(self, address: int, data: bytes) -> None:
        """Program whole units in ascending order, each asked for at the supply.

        Raises ProgramError at the first unit that refuses; those before it are programmed.
        A cut: see ``Outcome``. Units before it are complete, units after it untouched.
        """
        self._alive()
        unit = self.part.program_unit
        if address % unit or len(data) % unit:
            raise AlignmentError(f"program of {len(data)} bytes at 0x{address:08X}: unit is {unit}")
        first = self._offset(address, len(data)) // unit
        done, count = 0, len(data) // unit
        while done < count:
            run = self.cells.virgin_run(first + done, count - done)
            if run == 0:
                self._check_overwrite(address + done * unit, data[done * unit : (done + 1) * unit])
                run = 1
            self._program_run(first + done, data[done * unit : (done + run) * unit])
            done += run

    def erase(self, address: int) -> None:
        """Erase the sector that starts at *address*. A cut: see ``Outcome``."""
        self._alive()
        offset = self._offset(address, 1)
        size = self.part.sector_starts.get(offset)
        if size is None:
            raise AlignmentError(f"no sector starts at 0x{address:08X}")
        if self.supply.take(1) < 1:
            self._cut_erase(offset, size)
        self.cells.erase(offset, size)
        self.usage.erases += 1
        self._spend("erase_us", self.part.timing.sector_erase_us, 1)

    # --- inside

    def _alive(self) -> None:
        if not self._powered:
            raise PowerLoss(self.supply.taken, self.supply.outcome)

    def _offset(self, address: int, size: int) -> int:
        """Offset in the array. A range must not leave it, nor cross banks while they are mapped."""
        offset = address - self.part.base
        if offset < 0 or size < 0 or offset + size > self.part.size:
            raise AlignmentError(f"0x{address:08X}, {size} bytes: outside {self.part.name}")
        if self._mapped:
            bank_size = self.part.bank_size
            if offset < bank_size < offset + size:
                raise AlignmentError(f"0x{address:08X}, {size} bytes: across mapped banks")
            offset += bank_size if offset < bank_size else -bank_size
        return offset

    def _check_overwrite(self, address: int, data: bytes) -> None:
        if any(data):
            raise ProgramError("PROGERR: unit is not virgin", address)

    def _program_run(self, first: int, data: bytes) -> None:
        unit = self.part.program_unit
        count = len(data) // unit
        granted = self.supply.take(count)
        self.cells.program(first, data[: granted * unit])
        self.usage.programs += granted
        self._spend("program_us", self.part.timing.program_unit_us, granted)
        if granted < count:
            self._cut_program(first + granted, data[granted * unit : (granted + 1) * unit])

    def _spend(self, kind: str, time_us: int | None, count: int) -> None:
        if time_us is not None:
            setattr(self.usage, kind, getattr(self.usage, kind) + time_us * count)
            self.clock.advance_us(time_us * count)

    def _dice(self, offset: int) -> random.Random:
        """The same seed, place and operation number give the same silicon."""
        return random.Random(f"{self.seed}/{offset}/{self.supply.taken}")  # noqa: S311

    def _cut_program(self, unit: int, data: bytes) -> None:
        match self.supply.outcome:
            case Outcome.BEFORE:
                pass
            case Outcome.TORN:
                dice = self._dice(unit)
                self.cells.tear_program(unit, data, ecc=self.part.ecc, dice=dice)
            case Outcome.BLANK:
                self.cells.set_mark(unit, Mark.WRITTEN)  # no bit has moved, and yet it is spent
            case Outcome.WEAK:
                self.cells.program(unit, data)
                self.cells.set_mark(unit, Mark.FRESH_WEAK)
            case Outcome.AFTER:
                self.cells.program(unit, data)
        self._die()

    def _cut_erase(self, offset: int, size: int) -> None:
        match self.supply.outcome:
            case Outcome.BEFORE:
                pass
            case Outcome.TORN:
                self.cells.tear_erase(offset, size, ecc=self.part.ecc, dice=self._dice(offset))
            case Outcome.BLANK | Outcome.WEAK:
                unit = self.part.program_unit
                self.cells.program(offset // unit, bytes([ERASED]) * size)
            case Outcome.AFTER:
                self.cells.erase(offset, size)
        self._die()

    def _die(self) -> None:
        self._powered = False
        raise PowerLoss(self.supply.taken, self.supply.outcome)
