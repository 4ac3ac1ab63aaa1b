"""Toys whose boots look at what earlier ones erase unseen: a swap by a scratch sector, and a retry.

The swap is as bootloaders have it: sector by sector, over a scratch sector, with a record of each
step. Where records are torn it writes them anew, and where none is left it looks at the sectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flash_emulator import EmulatedFlash, FlashError
from flash_emulator.explore import Violation
from tests.flash_emulator.tiny_silicon import BASE, part

UNIT = 8
ERASED = b"\xff" * UNIT
MARK = b"\x5a\xa5\x3c\xc3" * 2


@dataclass(frozen=True)
class Swap:
    """*sectors* of *size* bytes in each slot: slot 1 in bank 0, slot 2 in bank 1.

    Behind each slot: in bank 0 the scratch sector and the records, in bank 1 the request.
    """

    sectors: int
    size: int

    def device(self) -> EmulatedFlash:
        flash = EmulatedFlash(part(sector_sizes=(self.size,) * (self.sectors + 2)))
        for index in range(self.sectors):
            flash.preload(self.slot(flash, 0, index), self.image(0, index))
            flash.preload(self.slot(flash, 1, index), self.image(1, index))
        flash.preload(self.slot(flash, 1, self.sectors), MARK)
        return flash

    def slot(self, flash: EmulatedFlash, number: int, index: int) -> int:
        return BASE + number * flash.part.bank_size + index * self.size

    def image(self, number: int, index: int) -> bytes:
        first = bytes([number + 1, index + 1]) * (UNIT // 2)
        return (first + bytes([0x40 + number, index]) * (UNIT // 2)) * (self.size // (2 * UNIT))

    # --- the bootloader

    def boot(self, flash: EmulatedFlash) -> Iterator[object]:
        request, records = self.slot(flash, 1, self.sectors), self.record(flash, 0)
        blank = ERASED * self.steps
        if flash.match(request, MARK) == UNIT:
            for number in range(self.resumed(flash), self.steps):
                self.step(flash, number)
                yield number
        if flash.match(records, blank) < len(blank):
            flash.erase(request)
            flash.erase(records)

    @property
    def steps(self) -> int:
        return 3 * self.sectors

    def step(self, flash: EmulatedFlash, number: int) -> None:
        source, target, _ = self.places(flash, number)
        data = flash.read(source, self.size)
        flash.erase(target)
        flash.program(target, data)
        flash.program(self.record(flash, number), MARK)

    def places(self, flash: EmulatedFlash, number: int) -> tuple[int, int, bytes]:
        """From where a step copies, where to, and what."""
        index, step = divmod(number, 3)
        one, two = (self.slot(flash, slot, index) for slot in (0, 1))
        scratch = self.slot(flash, 0, self.sectors)
        old, new = self.image(0, index), self.image(1, index)
        return ((one, scratch, old), (two, one, new), (scratch, two, old))[step]

    def record(self, flash: EmulatedFlash, number: int) -> int:
        return self.slot(flash, 0, self.sectors + 1) + UNIT * number

    def resumed(self, flash: EmulatedFlash) -> int:
        """How many steps are done. Records of which one is torn are written anew; where all are
        lost, the sectors themselves say it: only then is anything else looked at."""
        records = self.record(flash, 0)
        done = flash.match(records, MARK * self.steps) // UNIT
        rest = ERASED * (self.steps - done)
        if done and flash.match(records + done * UNIT, rest) == len(rest):
            return done
        done = done or self.by_content(flash)
        flash.erase(records)
        flash.program(records, MARK * done)
        return done

    def by_content(self, flash: EmulatedFlash) -> int:
        """The last step whose target is whole; it is done again where its source still is."""
        for number in reversed(range(self.steps)):
            source, target, data = self.places(flash, number)
            if self.holds(flash, target, data):
                return number if self.holds(flash, source, data) else number + 1
        return 0

    def holds(self, flash: EmulatedFlash, address: int, data: bytes) -> bool:
        return flash.match(address, data) == len(data)

    def verdict(self, flash: EmulatedFlash) -> None:
        for index in range(self.sectors):
            for number in (0, 1):
                wanted = self.image(1 - number, index)
                if not self.holds(flash, self.slot(flash, number, index), wanted):
                    raise Violation("live", f"slot {number + 1}, sector {index}: not swapped")


@dataclass(frozen=True)
class Retry:
    """Data behind a mark. A boot that finds the mark reads the data, unit by unit; where they are
    not whole, it takes the mark away and begins anew: by the mark."""

    size: int

    def device(self) -> EmulatedFlash:
        return EmulatedFlash(part(sector_sizes=(self.size,) * 2))

    def boot(self, flash: EmulatedFlash) -> None:
        data, mark = BASE, BASE + self.size
        if flash.match(mark, MARK) == UNIT and self.is_whole(flash, data):
            return
        flash.erase(mark)
        flash.program(mark, MARK)
        flash.erase(data)
        flash.program(data, self.payload())

    def payload(self) -> bytes:
        return bytes(range(1, 9)) * (self.size // UNIT)

    def is_whole(self, flash: EmulatedFlash, data: int) -> bool:
        wanted = self.payload()
        try:
            return all(
                flash.read(data + at, UNIT) == wanted[at : at + UNIT]
                for at in range(0, self.size, UNIT)
            )
        except FlashError:
            return False

    def verdict(self, flash: EmulatedFlash) -> None:
        if not self.is_whole(flash, BASE):
            raise Violation("live", "not whole")
