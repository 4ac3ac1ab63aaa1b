"""Flash as the CPU reads and executes it: pages that are looked at once, units that are not plain.

Pages of the device that are plain and known are shown to the engine as memory, read-only and by
content: a page that was changed is another one, so nothing that the engine has translated is ever
out of date. All other pages are read unit by unit through the register front, so that ECC errors,
metastable bits and what a search has forgotten are met where the firmware looks.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.machine.engine import FETCH, MAY_FETCH, MAY_READ, MAY_WRITE, PAGE, Mapping

FRAMES, FRAMES_SIZE = 0xC000_0000, 1 << 24  # of the engine's physical memory
WINDOW = 0xC800_0000
TRAP = b"\xde\xde"
"""``udf #222``: stands for what has to be read before it is executed."""


_HALF = FRAMES_SIZE // 2


class FlashMemory:
    """Pages of a flash, which is another one at each start. *memory*: where the engine finds them.

    *fetched* is told of each page that is executed the first time, and where; *flush* makes the
    engine ask for every page again.
    """

    def __init__(
        self,
        memory: mmap.mmap,
        base: int,
        *,
        fetched: Callable[[int, bytes], object],
        flush: Callable[[], object],
    ) -> None:
        self._memory, self._base = memory, base
        self._fetched, self._flush = fetched, flush
        self._data = _Frames(memory, FRAMES, 0)
        self._code = _Frames(memory, FRAMES + _HALF, _HALF)
        self._flash: EmulatedFlash
        self._patched: dict[int, bytes] = {}  # units that were read to be executed, by address

    def begin(self, flash: EmulatedFlash) -> None:
        """Another flash, or power is back."""
        self._flash = flash
        self._patched.clear()

    @property
    def is_full(self) -> bool:
        """Whether there is room for little code more: ``clear`` before the next start."""
        return self._code.used > _HALF - (_HALF >> 2)

    def clear(self) -> None:
        """Forget all pages. The engine must forget its code, too."""
        self._data.clear()
        self._code.clear()

    def page(self, address: int, access: int, seen_at: int | None = None) -> Mapping:
        """Where the engine finds the page at *address*, which the CPU sees at *seen_at*: there,
        where it is None. A device's error passes through."""
        data = self._flash.read_if_plain(address, PAGE)
        if access == FETCH:
            return self._code_page(address, data, address if seen_at is None else seen_at)
        if data is None:
            return Mapping(WINDOW + address - self._base, MAY_READ)
        place = self._data.place(address, data)
        if place is None:
            self._data.clear()
            self._flush()
            place = self._data.place(address, data)
            assert place is not None
        return Mapping(place, MAY_READ)

    def window(self, address: int) -> Mapping:
        """Stores to the page at *address* are calls."""
        return Mapping(WINDOW + address - self._base, MAY_WRITE)

    def _code_page(self, address: int, data: bytes | None, seen_at: int) -> Mapping:
        rights = MAY_FETCH if data is None else MAY_READ | MAY_FETCH
        data = self._code_of(address) if data is None else data
        before = self._code.used
        place = self._code.place(seen_at, data)
        if place is None:
            raise MemoryError(f"one boot executes more than {_HALF // PAGE} different pages")
        if self._code.used > before:
            self._fetched(seen_at, data)
        return Mapping(place, rights)

    def seen_at(self, place: int) -> int | None:
        """Where the CPU sees what lies at *place* of the engine's physical memory; None where that
        is no flash. Of data, where it is without its alias."""
        if WINDOW <= place < WINDOW + FRAMES_SIZE:
            return self._base + place - WINDOW
        page, within = place // PAGE * PAGE, place % PAGE
        for frames in (self._data, self._code):
            address = frames.address(page)
            if address is not None:
                return address + within
        return None

    # --- execution of units that are not plain

    def _code_of(self, address: int) -> bytes:
        """The page for execution: units that have to be read first are traps until they are."""
        unit, found = self._flash.part.program_unit, bytearray()
        for at in range(address, address + PAGE, unit):
            data = self._patched.get(at)
            if data is None:
                data = self._flash.read_if_plain(at, unit) or TRAP * (unit // 2)
            found += data
        return bytes(found)

    def read_trap(self, address: int, read: Callable[[int, int], int]) -> bool:
        """The CPU has come to a trap at *address*: read the unit. False where it was none."""
        unit = self._flash.part.program_unit
        at = address - address % unit
        if at in self._patched or self._flash.read_if_plain(at, unit) is not None:
            return False
        words = [
            read(at + n, min(4, unit)).to_bytes(min(4, unit), "little") for n in range(0, unit, 4)
        ]
        self._patched[at] = b"".join(words)
        return True


class _Frames:
    """Pages by address and content, in half of the engine's memory. None is ever changed."""

    def __init__(self, memory: mmap.mmap, place: int, begin: int) -> None:
        self._memory, self._place, self._begin = memory, place, begin
        self.clear()

    def clear(self) -> None:
        self._places: dict[tuple[int, bytes], int] = {}
        self._addresses: dict[int, int] = {}
        self.used = 0

    def place(self, address: int, data: bytes) -> int | None:
        """Where that page lies; None where there is no room left for it."""
        place = self._places.get((address, data))
        if place is None:
            if self.used == _HALF:
                return None
            at = self._begin + self.used
            self._memory[at : at + PAGE] = data
            place = self._places[address, data] = self._place + self.used
            self._addresses[place] = address
            self.used += PAGE
        return place

    def address(self, place: int) -> int | None:
        """Of the page at *place*; None where there is none."""
        return self._addresses.get(place)
