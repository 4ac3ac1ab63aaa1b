"""What the chip says of itself: unique ID, flash size, DBGMCU_IDCODE. They can only be read."""

from __future__ import annotations

from collections.abc import Hashable

from flash_emulator.machine.peripherals.base import LANES, Chip, Peripheral, Registers, ignore

IDCODE = 0x00
REV_ID = 0x1001
"""Any: revisions differ in errata, of which none is modelled."""

UID = bytes.fromhex("2f0033000551363330393539")
"""Lot, wafer and place of no chip that ever was."""


class ReadOnly(Peripheral):
    """Bytes that lie at an address of their own."""

    def __init__(self, chip: Chip, name: str, address: int, data: bytes) -> None:
        before = address & 3
        whole = bytes(before) + data
        self._data = whole + bytes(-len(whole) % 4)
        super().__init__(chip, name, address - before, len(self._data))

    def reset(self, *, power_on: bool) -> None:
        pass

    def read(self, offset: int, width: int) -> int:
        return int.from_bytes(self._data[offset : offset + width], "little")

    def held(self, word: int) -> int:
        return self.read(word, 4)

    def write(self, offset: int, width: int, value: int) -> None:
        """Nothing is written."""

    def state(self) -> Hashable:
        return None

    def restore(self, state: Hashable) -> None:
        pass


class Debug(Registers):
    """DBGMCU: IDCODE with the part's DEV_ID; the others hold what is written."""

    def __init__(self, chip: Chip, base: int, device: int) -> None:
        super().__init__(chip, "DBGMCU", base)
        self._idcode = REV_ID << 16 | device & 0xFFF
        self._readers[IDCODE] = lambda: self._idcode
        self._writers[IDCODE] = ignore


def flash_size(kibibytes: int) -> bytes:
    """FLASHSIZE: "the size of the device flash memory expressed in Kbytes"."""
    return (kibibytes & LANES[2]).to_bytes(2, "little")
