"""What the register fronts of all families have in common: decoding, and the way to the device.

A front knows registers, keys and flags. What flash does stays with the device: a front calls its
one door and turns what comes back into flags. ``PowerLoss`` passes through. After
``EmulatedFlash.power_on`` or ``reset``, call ``reset`` of the front too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.errors import AlignmentError, FlashError, ReadProtected, UnreadableUnit
from flash_emulator.parts.part import Part
from flash_emulator.registers.faults import BusError

REFUSED = "refused"
"""In place of a flag: the operation cannot be had on this part (RDP level 2, no such sector)."""


@dataclass(frozen=True, slots=True)
class Register:
    """One row of a register map. *offset* from the base, *name* as the manual has it.

    *holds* are the bits that keep what is written; a register that holds none acts on each write,
    or can only be read.
    """

    offset: int
    name: str
    holds: int = 0
    reset: int = 0


WHOLE = 0xFFFF_FFFF


class Front(ABC):
    """The flash interface of one chip, as its bus sees it.

    Offsets are from ``base``; widths are 1, 2 or 4 bytes, and for the array 8 too. *poll_us* is
    the time that one read of a status register takes while the device works in the background.
    Registers that are not in the map read as 0 and ignore writes.
    """

    def __init__(
        self, flash: EmulatedFlash, registers: tuple[Register, ...], *, poll_us: int = 1
    ) -> None:
        base = flash.part.identity.flash_reg_base
        if base is None:
            raise AlignmentError(f"{flash.part.name}: no register base is known (flash_reg_base)")
        self.flash, self.base = flash, base
        self.poll_us = poll_us
        self.undefined: list[str] = []
        """What firmware did that the manual calls unpredictable; nothing was done."""
        self._map = {register.offset: register for register in registers}
        self._values: dict[str, int] = {}
        self._readers: dict[str, Callable[[], int]] = {}
        self._writers: dict[str, Callable[[int], None]] = {}

    @property
    def part(self) -> Part:
        """What the chip is now: an option may have made one bank of two (DBANK)."""
        return self.flash.part

    def reset(self) -> None:
        """Registers at their reset values. The device is reset by whoever resets the chip."""
        self._values = {register.name: register.reset for register in self._map.values()}

    # --- the register bus

    def read(self, offset: int, width: int = 4) -> int:
        """The register at *offset*, or *width* bytes of it."""
        register = self._map.get(offset & ~3)
        if register is None:
            return 0
        return self._value(register) >> 8 * (offset & 3) & (1 << 8 * width) - 1

    def write(self, offset: int, width: int, value: int) -> None:
        """Write a register, or *width* bytes of it; see the family's front for what it raises."""
        register = self._map.get(offset & ~3)
        if register is None:
            return
        shift = 8 * (offset & 3)
        lanes = ((1 << 8 * width) - 1) << shift & WHOLE
        rest = self._value(register) & ~lanes if register.holds and lanes != WHOLE else 0
        value = rest | value << shift & lanes
        writer = self._writers.get(register.name)
        if writer is not None:
            writer(value)
        elif register.holds:
            held = self._values[register.name] & ~register.holds
            self._values[register.name] = held | value & register.holds

    def _value(self, register: Register) -> int:
        reader = self._readers.get(register.name)
        return reader() if reader is not None else self._values[register.name]

    # --- the array

    def load(self, address: int, width: int = 4) -> int:
        """What a read of the array gives. Raises Nmi or BusError for a double ECC error."""
        try:
            data, corrected = self.flash.read_and_verdict(address, width)
        except UnreadableUnit as error:
            return self._met_double_error(error)
        except ReadProtected:
            return self._met_read_protection(address)
        except AlignmentError as error:
            raise BusError(str(error), address) from error
        if corrected:
            self._met_single_error(address)
        return int.from_bytes(data, "little")

    @abstractmethod
    def store(self, address: int, width: int, value: int) -> None:
        """A write to the array. Raises BusError outside of it."""

    def _met_double_error(self, error: UnreadableUnit) -> int:
        raise BusError(str(error), error.address) from error

    def _met_single_error(self, address: int) -> None:  # noqa: B027  no ECC: nothing to do
        """An error was corrected in the unit at *address*."""

    def _met_read_protection(self, address: int) -> int:
        raise BusError("read-protected", address)

    def _inside(self, address: int) -> int:
        """Offset of a CPU address from the start of flash. Raises BusError outside."""
        offset = address - self.part.base
        if not 0 <= offset < self.part.size:
            raise BusError("no flash there", address)
        return offset

    # --- the device

    def _attempt(self, operation: Callable[[], None]) -> str:
        """Do it. The flag with which the device refused, "" where it did not."""
        try:
            operation()
        except FlashError as error:
            return error.flag
        except AlignmentError:
            return REFUSED
        return ""

    def _poll(self, bank: int | None = None) -> bool:
        """Whether a status register shows BSY; looking takes time while it does."""
        busy = self.flash.is_busy(bank)
        if busy:
            self.flash.pass_time(self.poll_us)
        return busy

    def _aliased(self, offset: int) -> int:
        """Offset as the CPU sees it of a physical one, and the other way round."""
        bank, within = divmod(offset, self.part.bank_size)
        return (bank ^ self.flash.mapped_bank) * self.part.bank_size + within

    def _sector_address(self, index: int) -> int:
        """CPU address at which the physical sector *index* begins now."""
        starts = list(self.part.sector_starts)
        return self.part.base + self._aliased(starts[index])

    def _protected_sectors(self) -> list[int]:
        """Indices of the physical sectors that WRP or PCROP protects."""
        options, starts = self.flash.options, self.part.sector_starts
        return [
            index
            for index, start in enumerate(starts)
            if options.write_protected or start in options.protected
        ]
