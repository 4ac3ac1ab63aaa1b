"""Power-on, reset, option bytes: which bank the CPU sees then, and which sectors are protected."""

from __future__ import annotations

import json
from abc import abstractmethod

from flash_emulator.device.injection import Injection
from flash_emulator.device.trace import Operation
from flash_emulator.errors import AlignmentError, UnreadableUnit, WriteProtected
from flash_emulator.parts.catalogue import packaged_part
from flash_emulator.parts.part import Part
from flash_emulator.parts.part_model import Aliasing, BankSelect
from flash_emulator.parts.protection import protected_sectors

_SRAM = range(0x2000_0000, 0x4000_0000)  # Armv7-M, DDI 0403, table B3-1


class Banks(Injection):
    """The part of the device that starts, and that the option bytes rule."""

    _protecting_options: dict[str, int] | None
    """The loaded options that ``_protected_by_option`` was worked out for: they are replaced, never
    changed in place."""
    _protected_by_option: frozenset[int]

    @abstractmethod
    def _set_up(self) -> None:
        """Take from the part what every operation asks for."""

    def power_on(self) -> None:
        """After a cut or at the start of a session: registers reset, weak units a step weaker."""
        self.kept_power, self._keeps_power = self._keeps_power, False
        self._powered = True
        self.forget_completed()
        self._power_ons += 1
        self._forget_flickers()
        if not self.kept_power:
            self.cells.power_on()
            self.options.load()
        self.reset()

    def keep_power(self) -> None:
        """It was no power cut that ended the last operation, but a reset (watchdog, NRST).

        The cells are as ``Outcome`` says, for a reset is no better to them. But the next
        ``power_on`` is a system reset: nothing ages, and options that count from a load on are not
        loaded. Part of the ``digest``, and so is what is loaded then.
        """
        self._keeps_power = True

    def reset(self) -> None:
        """System reset: a run-time alias is gone, and with it all that is under way."""
        self.settle()
        self.options.reset()
        self._follow_bank_option()
        self._busy_until_us = [0] * self.part.bank_count
        self._mapped = self._bank_after_reset()

    def _follow_bank_option(self) -> None:
        """One bank or two, as the loaded options say, where the other part is known.

        What the array holds stays at its addresses. That is a choice: with one bank two units are
        read side by side, and no document at hand says how they come to lie after a change. A chip
        that a mismatch has changed shows nothing before it is erased anyway.
        """
        name = self.part.options.other_part(self.options.loaded)
        if name is None:
            return
        other = packaged_part(name)
        if (other.size, other.program_unit) == (self.part.size, self.part.program_unit):
            self._become(other)

    def _become(self, other: Part) -> None:
        """Wear and write protection of old sectors are those of the new ones in their place."""
        wear = _counts_by_place(self.part, self._erase_counts)
        protected = self.options.protected
        self.part = other
        self.options.take_model(other.options)
        self.options.unprotect_sectors()
        self._erase_counts = []
        for start, size in other.sector_starts.items():
            here = [(at, count) for at, end, count in wear if at < start + size and start < end]
            self._erase_counts.append(max(count for _, count in here))
            if any(at in protected for at, _ in here):
                self.options.protect({start})
        self._set_up()

    def _bank_after_reset(self) -> int:
        match self.part.aliasing:
            case Aliasing.SWAP_OPTION:
                return int(self.options.swapped)
            case Aliasing.FB_MODE:
                return int(self.options.rom_chooses_bank and self._rom_takes_bank_1())
            case Aliasing.NONE:
                return 0

    def _rom_takes_bank_1(self) -> bool:
        """The boot ROM looks at the first word of bank 1 (ST: bank 2), an initial stack pointer.

        Where it is one, the ROM sets FB_MODE and jumps (RM0440, 2.6.1; the rule as in ST's F1
        FLASH_DualBoot). Which addresses it takes for RAM is assumed: the SRAM region.
        """
        offset = self.part.bank_size
        if self.options.read_protected:
            return False
        data, raw_units = self._cells_seen(offset, 4)
        try:
            word = self._decoded(data, self._address(offset), offset, raw_units)
        except UnreadableUnit:
            return False
        return int.from_bytes(word, "little") in _SRAM

    @property
    def mapped_bank(self) -> int:
        """Physical bank at the base address."""
        return self._mapped

    def named_bank(self, number: int, select: BankSelect) -> int:
        """The physical bank that *number* names in an erase, as the banks are mapped now."""
        return number ^ self._mapped if select is BankSelect.MAPPED else number

    @property
    def maps_at_once(self) -> bool:
        """Whether ``map_bank`` takes effect at once; else the option counts from a reset on."""
        return self.part.aliasing is not Aliasing.SWAP_OPTION

    def map_bank(self, bank: int) -> None:
        """Let the CPU see *bank* at the base address.

        FB_MODE parts: at once, volatile, costs no operation. Parts with a swap option: the option
        is programmed, which is an operation that can be cut; it counts from the next option load
        or reset on, as the family has it. Other parts cannot: AlignmentError.
        """
        self._alive()
        if not 0 <= bank < self.part.bank_count or self.part.aliasing is Aliasing.NONE:
            raise AlignmentError(f"{self.part.name} cannot map bank {bank}")
        if self.part.aliasing is Aliasing.FB_MODE:
            self._mapped = bank
        else:
            self.program_options(**self.options.swap_to(bank))

    def program_options(self, **fields: int) -> None:
        """Change option bytes. One operation; its outcomes are those of the family.

        They count from the next option load or reset on. Raises AlignmentError for a field that
        the part does not have.
        """
        self._alive()
        self.options.check(fields)
        data = json.dumps(fields, sort_keys=True).encode()
        if self._watch is not None:
            self._watch.operation(Operation("options", self._base, data))
        if self._supply.take(1) < 1:
            self._decay_at_cut()
            self.options.cut(fields, self._supply.outcome)
            self._die("options", 0)
        self.options.program(fields)
        self.forget_completed()
        self._note(Operation("options", self._base, data))

    def launch_options(self) -> None:
        """OBL_LAUNCH: load the option bytes and reset."""
        self._alive()
        self.options.load()
        self.reset()

    def protect_sectors(self, *addresses: int) -> None:
        """Write-protect the sectors that start at *addresses* (WRP), at once."""
        sectors = {self._offset(address, 1) for address in addresses}
        if not sectors <= self.part.sector_starts.keys():
            raise AlignmentError("protection goes by sectors: an address is no sector's start")
        self.options.protect(sectors)

    @property
    def protected(self) -> frozenset[int]:
        """Offsets of the sectors that WRP protects now, by option or by ``protect_sectors``."""
        if self.options.loaded is not self._protecting_options:
            self._protecting_options = self.options.loaded
            self._protected_by_option = protected_sectors(self.part, self.options.loaded)
        by_option, by_hand = self._protected_by_option, self.options.protected
        return by_hand | by_option if by_option else by_hand

    def _check_protection(self, offset: int, size: int, address: int) -> None:
        if self._is_protected(offset, size):
            which = "all sectors are" if self.options.write_protected else "the sector is"
            raise WriteProtected("WRPERR", f"{which} protected", address)

    def _is_protected(self, offset: int, size: int) -> bool:
        starts = self.part.sector_starts
        return self.options.write_protected or any(
            sector < offset + size and offset < sector + starts[sector] for sector in self.protected
        )


def _counts_by_place(part: Part, counts: list[int]) -> list[tuple[int, int, int]]:
    """First byte, byte behind the last, and how often erased, of every sector."""
    spans = zip(part.sector_starts.items(), counts, strict=True)
    return [(start, start + size, count) for (start, size), count in spans]
