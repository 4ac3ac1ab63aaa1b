"""Erases of a sector, a bank, the whole chip; and what a cut leaves of them."""

from __future__ import annotations

import warnings

from flash_emulator.array import cuts
from flash_emulator.device.banks import Banks
from flash_emulator.device.trace import Operation
from flash_emulator.errors import AlignmentError, EnduranceWarning
from flash_emulator.parts.part_model import Kind
from flash_emulator.power import Outcome


class Erasing(Banks):
    """The part of the device that erases."""

    _sector_indices: dict[int, int]  # by offset in the array

    def erase(self, address: int) -> None:
        """Erase the sector that starts at *address*. A cut: see ``Outcome``."""
        self._alive()
        offset = self._offset(address, 1)
        index = self._sector_indices.get(offset)
        if index is None:
            raise AlignmentError(f"no sector starts at 0x{address:08X}")
        size = self.part.sector_starts[offset]
        self._wait_for_write(address)
        self._check_protection(offset, size, address)
        if self._watch is not None:
            self._watch.operation(Operation("erase", self._address(offset)))
        if self._supply.take(1) < 1:
            self._decay_at_cut()
            rng, seed = self._rng(offset), self.draw_seed(offset)
            outcome, words = self._supply.outcome, self._given_words()
            cuts.cut_erase(self.cells, offset, size, outcome, rng, seed, words)
            self._die("erase", offset)
        self._completes_erase(offset, size)
        self._erased(index, offset, size)
        time_us = self.part.timing.of("sector_erase", size=size, mode=self.timing)
        self._spend("erase_us", offset, time_us, 1)
        self._note(Operation("erase", self._address(offset)))

    def _erased(self, index: int, offset: int, size: int) -> None:
        self.cells.erase(offset, size)
        self._erase_counts[index] += 1
        self._usage.erases += 1
        endurance = self.part.endurance
        worn = endurance is not None and self._erase_counts[index] == endurance.cycles + 1
        if worn and not self._explored:  # a search adds up the erases of all boots
            place, cycles = f"0x{self._address(offset):08X}", self._erase_counts[index] - 1
            text = f"{self.part.name}: sector at {place} erased {cycles + 1} times"
            warnings.warn(f"{text}; guaranteed are {cycles}", EnduranceWarning, 3)

    def erase_bank(self, bank: int) -> None:
        """Erase physical bank *bank* (MER1, MER2 name physical banks). One operation.

        A cut leaves all its sectors as ``Outcome`` says where the family pulses them together
        (L4 class); else sectors in ascending order: some erased, one as it says, the rest
        untouched.
        """
        if not 0 <= bank < self.part.bank_count:
            raise AlignmentError(f"{self.part.name} has no bank {bank}")
        self._erase_banks(range(bank, bank + 1), "bank_erase")

    def erase_all(self) -> None:
        """Mass erase: all banks. One operation; a cut hits all banks, see ``erase_bank``."""
        self._erase_banks(range(self.part.bank_count), "mass_erase")

    def _erase_banks(self, banks: range, kind: Kind, *, protected: bool = True) -> None:
        self._alive()
        per_bank = len(self.part.sector_sizes)
        for bank in banks:
            start = bank * self.part.bank_size
            self._wait_for_write(self._address(start))
            if protected:
                self._check_protection(start, self.part.bank_size, self._address(start))
        start = self._address(banks.start * self.part.bank_size)
        if self._watch is not None:
            self._watch.operation(Operation(kind.replace("_", " "), start))
        if self._supply.take(1) < 1:
            self._decay_at_cut()
            for bank in banks:
                self._cut_bank_erase(bank)
            self._die(kind.replace("_", " "), banks.start * self.part.bank_size)
        self.forget_completed()
        sectors = list(self.part.sector_starts.items())
        for index in range(banks.start * per_bank, banks.stop * per_bank):
            self._erased(index, *sectors[index])
        time_us = self.part.timing.of(kind, mode=self.timing)
        self._spend("erase_us", banks.start * self.part.bank_size, time_us, 1)
        busy = self._busy_until_us
        busy[banks.start : banks.stop] = [max(busy[banks.start : banks.stop])] * len(banks)
        self._note(Operation(kind.replace("_", " "), start))

    def _cut_bank_erase(self, bank: int) -> None:
        outcome, start = self._supply.outcome, bank * self.part.bank_size
        rng = self._rng(start)
        per_bank = len(self.part.sector_sizes)
        sectors = list(self.part.sector_starts.items())[bank * per_bank :][:per_bank]
        if self.part.bulk_erase == "parallel" or outcome in (Outcome.BEFORE, Outcome.AFTER):
            for offset, size in sectors:
                words = self._words_within(offset, size)
                cuts.cut_erase(self.cells, offset, size, outcome, rng, words=words)
            return
        reached = rng.randrange(per_bank)
        for offset, size in sectors[:reached]:
            self.cells.erase(offset, size)
        words = self._words_within(start, self.part.bank_size)
        cuts.cut_erase(self.cells, *sectors[reached], outcome, rng, words=words)

    def _words_within(self, offset: int, size: int) -> dict[int, int]:
        units = range(offset // self._unit, (offset + size) // self._unit)
        return {unit: word for unit, word in self._given_words().items() if unit in units}

    def unprotect_readout(self) -> None:
        """RDP level 1 to 0: erases all banks. Options keep their values, but for PCROP."""
        self._alive()
        self.options.check_unprotect()
        self._erase_banks(range(self.part.bank_count), "mass_erase", protected=False)
        self.options.unprotect()
        self.launch_options()
