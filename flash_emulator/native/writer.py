"""Programs of single units, one behind the other, become one bulk program.

Most drivers program unit by unit. For a search that is one operation after the other, each with
states of its own, where a bulk call is one with all its units, whose cuts it takes together. So
what is programmed right behind what was programmed before waits here, as long as nobody could tell:

* only in sectors that this boot has erased itself, in ascending order: there the flash refuses
  nothing, and no content has to be looked at to know that;
* until another operation is asked for, somebody looks at what waits, or the boot ends in whatever
  way. Looks at other places may come before it: what is there does not depend on it.

The operations are the same, in the same order, and so are their cuts; only what the bootloader does
between two of them, looks and work in RAM, comes before both.
"""

from __future__ import annotations

from flash_emulator.device.flash import EmulatedFlash


class Writer:
    """Programs and erases of one boot. *waits*: whether programs may wait at all."""

    def __init__(self, flash: EmulatedFlash, *, waits: bool) -> None:
        self._flash = flash
        self._waits = waits and not flash.background  # else the flash may refuse as busy
        self._unit = flash.part.program_unit
        self._free: dict[int, int] = {}  # sectors erased by this boot: their end, by first free
        self._address = 0
        self._data = bytearray()

    def flush(self) -> None:
        """Program what waits."""
        if self._data:
            data = bytes(self._data)
            self._data.clear()
            self._flash.program(self._address, data)

    def look(self, address: int, size: int) -> None:
        """Somebody is about to look at these bytes."""
        end = self._address + len(self._data)
        if self._data and address < end and address + size > self._address:
            self.flush()

    def forget(self) -> None:
        """Addresses may mean something else from now on; nothing waits."""
        self._free.clear()

    def erase(self, address: int) -> None:
        self.flush()
        offset = self._flash.array_offset(address)
        size = self._flash.part.sector_starts.get(offset, 0)
        inside = [first for first in self._free if address <= first < address + size]
        for first in inside:
            del self._free[first]
        self._flash.erase(address)
        if self._waits:
            self._free[address] = address + size

    def program(self, address: int, data: bytes) -> None:
        if not self._takes(address, len(data)):
            self.flush()
            self._flash.program(address, data)
            return
        if address != self._address + len(self._data):
            self.flush()
        if not self._data:
            self._address = address
        self._data += data

    def _takes(self, address: int, size: int) -> bool:
        """Whether the flash would do it without a word; and what is free behind it."""
        if not size or address % self._unit or size % self._unit:
            self._free.clear()  # it is refused: nothing is taken for granted any more
            return False
        if address not in self._free:
            self._skip_to(address)
        takes, stop = True, address + size
        while address < stop:
            end = self._free.pop(address, None)
            if end is None:
                takes = False
                end = self._next_sector(address, stop)
            elif stop < end:
                self._free[stop] = end
            address = min(stop, end)
        return takes

    def _skip_to(self, address: int) -> None:
        """Units that are left out stay blank, and are not taken for free any more."""
        for first, end in list(self._free.items()):
            if first < address < end:
                self._free[address] = self._free.pop(first)

    def _next_sector(self, address: int, stop: int) -> int:
        """The first of the sectors behind *address* in which something is free."""
        return min((first for first in self._free if address < first < stop), default=stop)
