"""Programs that are done later: consecutive units become one operation.

Firmware programs a unit at a time. Where nothing looks at the flash between two units, and nothing
leaves the chip, a cut cannot tell whether they were one operation or two: every unit of a bulk
operation can be cut, too. As one operation they cost less, and a search takes what nobody looks at
for unknown by whole pages, and not unit by unit.
"""

from __future__ import annotations

from abc import abstractmethod

from flash_emulator.device.erasing import Erasing

_MOST = 1 << 16  # bytes that are kept


class Postponed(Erasing):
    """The part of the device that keeps programs. Whatever is asked of the device does them first,
    but for looks at other places, and ``takes``.

    So which programs are one operation depends on what firmware does, and on nothing else.
    """

    @abstractmethod
    def program(self, address: int, data: bytes) -> None:
        """At once."""

    def program_later(self, address: int, data: bytes) -> None:
        """As ``program``, but it may be done later: call ``settle`` before anything else in the
        world can depend on its being done.

        Only what ``program`` would take without a flag is kept, as long as it follows what was kept
        before; all else is done at once. Raises what ``program`` raises, PowerLoss maybe later.
        """
        size = len(data)
        if address == self._room_at and 0 < size <= self._room and not size % self._unit:
            self._kept += data  # most of them
        elif self.may_be_kept(address, size):
            self._kept += data
            self._room = self._room_from(address)
        else:
            self.program(address, data)
            return
        self._room_at, self._room = address + size, self._room - size

    @property
    def room(self) -> tuple[int, int]:
        """The address of the unit that ``program_later`` keeps next without a look at anything,
        and how many bytes from there on it does: for whoever keeps them in its place, and gives
        them in one call later, before anything else is asked of the device."""
        return self._room_at, self._room

    def may_be_kept(self, address: int, size: int) -> bool:
        """Whether ``program_later`` keeps it; what cannot wait any longer is done. To be asked by
        whoever has to know before that no flag will come of it."""
        if self._kept and not self._follows(address):
            self.settle()
        if self.background or not size or not self.takes(address, size):
            self.settle()
            return False
        if not self._kept:
            self._kept_at = address
        return True

    def _room_from(self, address: int) -> int:
        """How many bytes from *address* on may be kept without a further look: erased units of its
        page, and no more than are kept at all. No page lies in two banks."""
        unit = self._unit
        erased = self.cells.virgin_ahead(self._offset(address, unit) // unit, _MOST // unit)
        return min(erased * unit, _MOST - (address - self._kept_at))

    def settle(self) -> None:
        """Do what is kept."""
        self._room = 0
        if self._kept:
            at, data = self._kept_at, bytes(self._kept)
            self._kept = bytearray()
            self.program(at, data)

    def takes(self, address: int, size: int) -> bool:
        """Whether ``program`` of so many bytes would simply be done: whole units, all of them
        erased, nothing protects them, and nothing is under way.

        Raises UnknownContent as ``program`` does.
        """
        self._powered_up()
        unit = self._unit
        if any(self._busy_until_us) or address % unit or size % unit:
            return False
        offset = self._offset(address, size)
        if self._is_protected(offset, size):
            return False
        first, count = offset // unit, size // unit
        return self.cells.virgin_run(first, count) == count

    def _follows(self, address: int) -> bool:
        """Whether one operation can go on there: banks may be mapped elsewhere."""
        if address != self._kept_at + len(self._kept) or len(self._kept) >= _MOST:
            return False
        return (address - self._base) % self.part.bank_size != 0
