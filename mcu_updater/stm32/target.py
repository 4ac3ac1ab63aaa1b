"""The flash of a chip behind its boot ROM as the updater's core wants it.

The ROM shows both banks where they are, with no alias. Where the CPU would see bank 2 at the base
address (FB_MODE), the host keeps that in mind and translates; as the alias, it goes with a reset.
What the ROM acknowledges it has not promised, so every program is read back.
"""

from __future__ import annotations

from collections.abc import Sequence

from mcu_updater.core.errors import ChipRefused, InternalError, address_text
from mcu_updater.core.flash import Geometry
from mcu_updater.stm32.chip import FRAME_SIZE, WORD
from mcu_updater.stm32.flasher import Flasher
from mcu_updater.stm32.retry import PartialWrite


class RomFlash:
    """``FlashDevice`` and run-time ``BankSwitch``. *bank_starts*: with no bank aliased.

    A link that fails is a LinkError, never OSError: it says nothing of the flash. The update then
    stops, and the next run goes on from the journals.
    """

    maps_at_once = True

    def __init__(self, flasher: Flasher, geometry: Geometry, bank_starts: Sequence[int]) -> None:
        self.geometry = geometry
        self.mapped_bank = 0
        self._flasher, self._rom = flasher, flasher.connection.rom
        self._starts = tuple(bank_starts)
        self._bank_size = sum(geometry.sector_sizes)

    def map_bank(self, bank: int) -> None:
        """Takes effect at once, writes no flash, and is gone at the next ``reset``."""
        self.mapped_bank = bank

    def reset(self) -> None:
        """What a reset of the MCU does to the alias."""
        self.mapped_bank = 0

    def read(self, address: int, size: int) -> bytes:
        """See ``FlashDevice``. OSError where the ROM refuses to read."""
        data = bytearray()
        while len(data) < size:
            at = address + len(data)
            data += self._read(
                at, min(self._rom.read_size, size - len(data), self._left_in_bank(at))
            )
        return bytes(data)

    def _read(self, address: int, size: int) -> bytes:
        try:
            return self._rom.read(self._physical(address), size)
        except ChipRefused as error:
            raise OSError(error.message) from error

    def program(self, address: int, data: bytes) -> None:
        """See ``FlashDevice``. Whole words too: the ROM takes no less."""
        unit = max(self.geometry.program_unit, WORD)
        if address % unit or len(data) % unit:
            raise OSError(
                f"{address_text(address)}: {len(data)} bytes; the ROM writes multiples of {unit}"
            )
        done = 0
        while done < len(data):
            at = address + done
            room = FRAME_SIZE - at % FRAME_SIZE
            self._program(at, data[done : done + room])
            done += room

    def _program(self, address: int, data: bytes) -> None:
        physical = self._physical(address)
        try:
            self._rom.write(physical, data)
        except (PartialWrite, ChipRefused) as error:
            raise OSError(f"{address_text(address)}: not programmed: {error}") from error
        if (
            self._rom.read(physical, len(data)) != data
            and self._rom.read(physical, len(data)) != data
        ):
            raise OSError(f"{address_text(address)}: acknowledged, and not programmed")

    def erase(self, address: int) -> None:
        """See ``FlashDevice``."""
        physical = self._physical(address)
        chip = self._flasher.chip
        sector = next((s for s in chip.sectors if s.start == physical), None)
        if sector is None:
            raise InternalError(f"{address_text(address)} is not the start of a sector")
        try:
            self._rom.erase_sectors(self._flasher.connection.info, [sector.number])
        except ChipRefused as error:
            raise OSError(error.message) from error

    def _left_in_bank(self, address: int) -> int:
        return self._bank_size - (address - self.geometry.base) % self._bank_size

    def _physical(self, address: int) -> int:
        """Where the ROM has what the CPU would have at *address*."""
        bank, offset = divmod(address - self.geometry.base, self._bank_size)
        if not 0 <= bank < len(self._starts):
            raise InternalError(f"{address_text(address)} is not in the flash")
        return self._starts[bank ^ self.mapped_bank] + offset
