"""Swap by move, as MCUboot has it: no scratch, but one more sector in the primary slot.

from the last sector on: erase the next one of the primary, copy this one there      status
then from the first on:  erase the primary's, copy the secondary's there             status
                         erase the secondary's, copy the moved one there             status
"""

from __future__ import annotations

from collections.abc import Sequence

from examples.strategies.places import IMAGE_SECTORS
from examples.strategies.swap import SwapAlgorithm
from examples.strategies.trailer import Flag, Swap
from examples.strategies.world import Steps
from flash_emulator import EmulatedFlash, Part


def copies(primary: Sequence[int], secondary: Sequence[int]) -> list[tuple[int, int]]:
    """Source and target of each copy of a whole sector, in their order."""
    count = len(secondary)
    up = [(primary[index - 1], primary[index]) for index in range(count, 0, -1)]
    swaps = [
        copy
        for index in range(count)
        for copy in (
            (secondary[index], primary[index]),
            (primary[index + 1], secondary[index]),
        )
    ]
    return up + swaps


class SwapByMove(SwapAlgorithm):
    def __init__(self, part: Part) -> None:
        super().__init__(part, spare=1, entries=3 * IMAGE_SECTORS)

    def start(self, flash: EmulatedFlash) -> Steps:
        is_under_way = (
            self.mine.magic(flash) is Flag.SET
            and self.mine.flag(flash, "copy done") is Flag.UNSET
            and self.other.magic(flash) is not Flag.SET
        )
        done = self.mine.done(flash)[0] if is_under_way else 0
        swap = self.mine.swap(flash) if is_under_way else self.due(flash)
        if not done:
            swap = self.validated(flash, swap)
        if swap is not Swap.NONE:
            yield from self._run(flash, swap, done, is_begun=is_under_way)
            self.finish(flash, swap)
            yield "done"
        self.check(flash)

    def _run(self, flash: EmulatedFlash, swap: Swap, done: int, *, is_begun: bool) -> Steps:
        if done == 0:
            self._begin(flash, swap, is_begun=is_begun)
        for entry, (source, target) in enumerate(copies(self.primary, self.secondary)):
            if entry >= done:
                yield swap, entry
                self.copy(flash, source, target)
                self.mine.write_status(flash, entry)

    def _begin(self, flash: EmulatedFlash, swap: Swap, *, is_begun: bool) -> None:
        if swap is Swap.REVERT and self.other.magic(flash) is Flag.UNSET:
            self._look_permanent(flash)
        if not is_begun:
            is_ok = self.other.flag(flash, "image ok") is Flag.SET
            self.mine.erase(flash)
            self.mine.begin(flash, swap, self.images.size, image_ok=is_ok)
        self.other.erase(flash)

    def _look_permanent(self, flash: EmulatedFlash) -> None:
        """A revert that is cut between the erase of the one trailer and its first word goes on as a
        permanent upgrade: the other one says so."""
        self.other.erase(flash)
        self.other.set(flash, "image ok")
        self.other.write_magic(flash)
