"""Swap by scratch, as MCUboot has it: each sector by way of a third one, the last sector first.

erase scratch, copy the secondary's sector there      status
erase that of the secondary, copy the primary's       status
erase that of the primary, copy scratch there         status
"""

from __future__ import annotations

from collections.abc import Sequence

from examples.strategies.places import IMAGE_SECTORS
from examples.strategies.swap import SwapAlgorithm
from examples.strategies.trailer import Flag, Swap, Trailer
from examples.strategies.world import Steps
from flash_emulator import EmulatedFlash, Part


def copies(primary: Sequence[int], secondary: Sequence[int], scratch: int) -> list[tuple[int, int]]:
    """Source and target of each copy of a whole sector, in their order."""
    pairs = list(zip(primary, secondary, strict=True))
    return [
        copy
        for mine, other in reversed(pairs)
        for copy in ((other, scratch), (mine, other), (scratch, mine))
    ]


class SwapByScratch(SwapAlgorithm):
    def __init__(self, part: Part) -> None:
        super().__init__(part, spare=0, entries=3 * IMAGE_SECTORS)
        self._scratch = self.places.slot(1)[0]
        self._aside = Trailer(self._scratch, self.size, self.unit, self.mine.entries)
        self.areas |= {
            **self._aside.areas("trailer in scratch"),
            "scratch": (self._scratch, self.size),
        }

    def start(self, flash: EmulatedFlash) -> Steps:
        source = self._source(flash)
        done = source.done(flash)[0] if source else 0
        swap = source.swap(flash) if source and source.magic(flash) is Flag.SET else Swap.NONE
        if not done:
            swap = self.validated(flash, swap if swap is not Swap.NONE else self.due(flash))
        if swap is not Swap.NONE:
            yield from self._run(flash, swap, done)
            self.finish(flash, swap)
            yield "done"
        self.check(flash)

    def _source(self, flash: EmulatedFlash) -> Trailer | None:
        """Where the status of a swap stands that was cut."""
        mine, aside = self.mine.magic(flash), self._aside.magic(flash)
        copy_done = self.mine.flag(flash, "copy done")
        if mine is Flag.SET and copy_done is Flag.SET:
            return None
        if mine is Flag.SET and aside is not Flag.SET and copy_done is Flag.UNSET:
            return self.mine
        if aside is Flag.SET:
            return self._aside
        return None

    def _run(self, flash: EmulatedFlash, swap: Swap, done: int) -> Steps:
        if done == 0:
            self._begin(flash, swap)
        steps = copies(self.primary, self.secondary, self._scratch)
        for entry, (source, target) in enumerate(steps):
            if entry < done:
                continue
            yield swap, entry
            self.copy(flash, source, target)
            if entry == 1:
                self.other.erase(flash)
            self.mine.write_status(flash, entry)

    def _begin(self, flash: EmulatedFlash, swap: Swap) -> None:
        """What is to be done stands in the scratch sector while the primary's trailer is erased."""
        size = self.images.size
        is_ok = self.other.flag(flash, "image ok") is Flag.SET
        flash.erase(self._scratch)
        self._aside.begin(flash, swap, size, image_ok=is_ok)
        self.mine.erase(flash)
        self.mine.begin(flash, swap, size, image_ok=is_ok)
