"""What the register fronts of all families have in common: decoding, and the way to the device.

A front knows registers, keys and flags. What flash does stays with the device: a front calls its
one door and turns what comes back into flags. ``PowerLoss`` passes through. After
``EmulatedFlash.power_on`` or ``reset``, call ``reset`` of the front too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

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


class Holder(Protocol):
    """A part of a front that holds the device."""

    def attach(self, flash: EmulatedFlash) -> None:
        """Hold another one."""


class Front(ABC):
    """The flash interface of one chip, as its bus sees it.

    Offsets are from ``base``; widths are 1, 2 or 4 bytes, and for the array 8 too. *poll_us* is
    the time that one read of a status register takes while the device works in the background.
    Registers that are not in the map read as 0 and ignore writes.
    """

    programmer: Callable[[int, bytes], None]
    """What programs a whole unit: ``EmulatedFlash.program`` of the device, or what somebody has put
    in its place, who then answers for the same errors. Rows and bursts go to the device."""

    plain_reads: frozenset[str] = frozenset()
    """Registers that a read only looks at, as long as nothing is under way in the background."""

    plain_writes: Mapping[str, int] = {}
    """Registers whose writes change the front alone, then; but for these bits of what is written,
    which start something."""

    option_area: range = range(0)
    """Option bytes that are memory, for ``load`` and ``store``: F1. Others have registers."""

    def __init__(
        self, flash: EmulatedFlash, registers: tuple[Register, ...], *, poll_us: int = 1
    ) -> None:
        base = flash.part.identity.flash_reg_base
        if base is None:
            raise AlignmentError(f"{flash.part.name}: no register base is known (flash_reg_base)")
        self.flash, self.base = flash, base
        self.programmer = flash.program
        self._holders: list[Holder] = []  # parts of the front that hold the device, too
        self.poll_us = poll_us
        self.undefined: list[str] = []
        """What firmware did that the manual calls unpredictable; nothing was done."""
        self._map = {register.offset: register for register in registers}
        self._values: dict[str, int] = {}
        self._readers: dict[str, Callable[[], int]] = {}
        self._writers: dict[str, Callable[[int], None]] = {}
        self._reader_at: dict[int, Callable[[], int]] = {}
        self._writer_at: dict[int, Callable[[int], None]] = {}
        self._resets = {register.name: register.reset for register in registers}

    def attach(self, flash: EmulatedFlash) -> None:
        """Be the front of another device of the same part, as after a reset; cheaper than a new
        one. ``programmer`` is the device's again."""
        self.flash, self.programmer = flash, flash.program
        for holder in self._holders:
            holder.attach(flash)
        self.reset()

    @property
    def registers(self) -> tuple[Register, ...]:
        """The register map, by offset."""
        return tuple(self._map.values())

    @property
    def part(self) -> Part:
        """What the chip is now: an option may have made one bank of two (DBANK)."""
        return self.flash.part

    def reset(self) -> None:
        """Registers at their reset values. The device is reset by whoever resets the chip."""
        self._values = dict(self._resets)
        part = self.flash.part
        self._array_base, self._array_size = part.base, part.size
        self._has_hole = part.bank_starts[-1] != part.base + part.bank_size * (part.bank_count - 1)
        if not self._reader_at:
            self._index()

    def _index(self) -> None:
        """What reads and writes the register at each offset, once for all."""
        for offset, register in self._map.items():
            name = register.name
            self._reader_at[offset] = self._readers.get(name) or self._reader_of(name)
            self._writer_at[offset] = self._writers.get(name) or self._writer_of(register)

    def _reader_of(self, name: str) -> Callable[[], int]:
        return lambda: self._values[name]

    def _writer_of(self, register: Register) -> Callable[[int], None]:
        """It holds what is written, as far as it holds anything."""
        name, holds = register.name, register.holds

        def write(value: int) -> None:
            self._values[name] = self._values[name] & ~holds | value & holds

        return write

    # --- state

    def state(self) -> Hashable:
        """All that the front holds, locks, latches and unfinished units too.

        Fronts of one part in equal states, over devices in equal states, behave alike.
        ``undefined`` is a report and no part of it.
        """
        return tuple(self._values.values()), self._own_state()

    def restore(self, state: Hashable) -> None:
        """Hold *state*, which a front of the same part has told, from now on."""
        assert isinstance(state, tuple)
        values, own = state
        self.reset()
        self._values = dict(zip(self._resets, values, strict=True))
        self._restore_own(own)

    @abstractmethod
    def _own_state(self) -> tuple[Hashable, ...]:
        """What the family's front holds beside ``_values``."""

    @abstractmethod
    def _restore_own(self, own: tuple[Any, ...]) -> None:
        """The other way round."""

    def is_plain(self, offset: int, written: int | None = None) -> bool:
        """Whether a read of the word at *offset*, or a write of *written* to it, does nothing
        beyond the front, and does it in each state that is the same: for whoever remembers."""
        register = self._map.get(offset)
        if register is None:
            return False
        if written is None:
            return register.name in self.plain_reads
        starts = self.plain_writes.get(register.name)
        return starts is not None and not written & starts

    @property
    @abstractmethod
    def follows_state(self) -> bool:
        """Whether what comes next follows from ``state`` alone, and no unit is begun: no time that
        passes changes anything."""

    @abstractmethod
    def store_width(self, address: int) -> int:
        """How wide stores at *address* are now, of which a unit takes shape one behind the other,
        whatever they hold; 0 where stores do something else."""

    # --- the register bus

    def read(self, offset: int, width: int = 4) -> int:
        """The register at *offset*, or *width* bytes of it."""
        reader = self._reader_at.get(offset & ~3)
        if reader is None:
            return 0
        if width == 4 and not offset & 3:
            return reader()
        return reader() >> 8 * (offset & 3) & (1 << 8 * width) - 1

    def held(self, offset: int) -> int:
        """What the register at *offset* keeps. A read may give more: flags that are made up then,
        and it may take time."""
        register = self._map.get(offset & ~3)
        return 0 if register is None else self._values.get(register.name, 0)

    def name_of(self, offset: int) -> str:
        """Of the register at *offset*; empty where there is none."""
        register = self._map.get(offset & ~3)
        return "" if register is None else register.name

    def write(self, offset: int, width: int, value: int) -> None:
        """Write a register, or *width* bytes of it; see the family's front for what it raises."""
        writer = self._writer_at.get(offset & ~3)
        if writer is None:
            return
        if width == 4 and not offset & 3:
            writer(value & WHOLE)
        else:
            writer(self._merged(offset, width, value))

    def _merged(self, offset: int, width: int, value: int) -> int:
        """*width* bytes of a register with what the others hold."""
        word, shift = offset & ~3, 8 * (offset & 3)
        lanes = ((1 << 8 * width) - 1) << shift & WHOLE
        rest = self._reader_at[word]() & ~lanes if self._map[word].holds else 0
        return rest | value << shift & lanes

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
        """Offset in the array of a CPU address, no bank mapped. Raises BusError outside."""
        offset = self._array_offset(address) if self._has_hole else address - self._array_base
        if not 0 <= offset < self._array_size:
            raise BusError("no flash there", address)
        return offset

    def _array_offset(self, address: int) -> int:
        """The same where a hole parts the banks (G474 with 256 KB, dual bank)."""
        try:
            return self.flash.array_offset(address)
        except AlignmentError as error:
            raise BusError(str(error), address) from error

    # --- the device

    def _program(self, address: int, data: bytes) -> str:
        """One unit. The flag with which the device refused, "" where it did not."""
        try:
            self.programmer(address, data)
        except FlashError as error:
            return error.flag
        except AlignmentError:
            return REFUSED
        return ""

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
        if not self.flash.is_busy(bank):
            return False
        self.flash.pass_time(self.poll_us)
        return True

    def _aliased(self, offset: int) -> int:
        """Offset as the CPU sees it of a physical one, and the other way round."""
        bank, within = divmod(offset, self.part.bank_size)
        return (bank ^ self.flash.mapped_bank) * self.part.bank_size + within

    def _sector_address(self, index: int) -> int:
        """CPU address at which the physical sector *index* begins now."""
        starts = list(self.part.sector_starts)
        return self.part.address_of(self._aliased(starts[index]))

    def _protected_sectors(self) -> list[int]:
        """Indices of the physical sectors that WRP or PCROP protects."""
        everything, some = self.flash.options.write_protected, self.flash.protected
        if not everything and not some:
            return []
        starts = enumerate(self.part.sector_starts)
        return [index for index, start in starts if everything or start in some]
