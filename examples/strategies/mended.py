"""The same three algorithms, mended: same copies, in the same order, under another status.

What was changed:

* the status is one number in two sectors that are written in turns, and is affirmed at every start
  before anything is done on the strength of it (``status_log``): no magic, no flags, no gaps;
* so each copy begins with the erase of its target, and is repeated as long as it is not recorded;
* a unit that cannot be read is one that says nothing, and no fault;
* overwriting keeps the old image in a third slot, and can take it back.

The number in the log:

    0 nothing to do   1 staged   1+k copies there done   T tried   T+k copies back done
    the last of these: reverted   then: confirmed, refused
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from examples.strategies import swap_move, swap_scratch
from examples.strategies.flash_steps import copy_sector, write_image
from examples.strategies.images import Images
from examples.strategies.places import IMAGE_SECTORS, Places, span
from examples.strategies.status_log import StatusLog
from examples.strategies.world import Algorithm, Steps, Stuck
from flash_emulator import EmulatedFlash, Part

Copies = Sequence[tuple[int, int]]
_IDLE, _STAGED = 0, 1


class Mended(Algorithm):
    """Copies *there* and *back* between *slots*, under a log in two more sectors of *places*."""

    def __init__(
        self,
        part: Part,
        places: Places,
        slots: Mapping[str, tuple[int, ...]],
        there: Copies,
        back: Copies,
    ) -> None:
        self._size = places.sector_size
        self._secondary = slots["secondary slot"]
        self.run_address = slots["primary slot"][0]
        self._there, self._back = there, back
        self._tried = _STAGED + len(there) + 1
        self._reverted = self._tried + len(back)
        self._confirmed = self._reverted + 1
        self._refused = self._confirmed + 1
        halves = places.single(), places.single()
        self._log = StatusLog(halves, part.program_unit, self._refused + 1, self._follows)
        self.images = Images(places.image_size)
        self.areas = {name: span(slot, self._size) for name, slot in slots.items()}
        self.areas |= {f"half {n} of the log": (half, self._size) for n, half in enumerate(halves)}

    def factory(self, flash: EmulatedFlash, image: bytes) -> None:
        flash.preload(self.run_address, image)
        self._log.factory(flash, _IDLE)

    def start(self, flash: EmulatedFlash) -> Steps:
        if self._is_over(self._log.read(flash)):
            return
        state = self._log.affirm(flash)
        yield "affirmed", state
        if state == _STAGED and not self.images.is_whole(flash, self._secondary[0]):
            self._log.write(flash, self._refused)
            return
        if _STAGED <= state < self._tried:
            yield from self._copy(flash, self._there, state, _STAGED)
            self._log.write(flash, self._tried)
        elif self._tried <= state < self._reverted:
            yield from self._copy(flash, self._back, state, self._tried)

    def _copy(self, flash: EmulatedFlash, copies: Copies, state: int, begin: int) -> Steps:
        for done, (source, target) in enumerate(copies, begin + 1):
            if done > state:
                copy_sector(flash, source, target, self._size)
                self._log.write(flash, done)
                yield done

    def _is_over(self, state: int) -> bool:
        return state == _IDLE or state >= self._reverted

    def _follows(self, state: int, following: int) -> bool:
        """Idle follows what is over, so that no two numbers follow each other."""
        if following == _IDLE:
            return state >= self._reverted
        special = {(self._tried, self._confirmed), (_STAGED, self._refused)}
        in_order = following == state + 1 and following <= self._reverted
        return in_order or (state, following) in special

    # --- the application

    def stage(self, flash: EmulatedFlash, image: bytes) -> Steps:
        state = self._log.affirm(flash)
        yield "affirmed", state
        if not self._is_over(state):
            return  # something was staged before: the bootloader knows what to do
        if state != _IDLE:
            self._log.write(flash, _IDLE)
        yield "idle"
        yield from write_image(flash, self._secondary, self._size, image)
        self._log.write(flash, _STAGED)

    def confirm(self, flash: EmulatedFlash) -> Steps:
        state = self._log.affirm(flash)
        yield "affirmed", state
        if state == self._tried:
            self._log.write(flash, self._confirmed)
        elif state != self._confirmed:
            raise Stuck(f"the image runs, and the log says {state}")


def overwrite(part: Part) -> Mended:
    """With a backup of what is overwritten."""
    places = Places(part)
    primary, secondary, backup = (places.slot(IMAGE_SECTORS) for _ in range(3))
    there = [*zip(primary, backup, strict=True), *zip(secondary, primary, strict=True)]
    back = list(zip(backup, primary, strict=True))
    slots = {"primary slot": primary, "secondary slot": secondary, "backup": backup}
    return Mended(part, places, slots, there, back)


def swap_by_scratch(part: Part) -> Mended:
    places = Places(part)
    primary, secondary = (places.slot(IMAGE_SECTORS) for _ in range(2))
    scratch = places.slot(1)
    copies = swap_scratch.copies(primary, secondary, scratch[0])
    slots = {"primary slot": primary, "secondary slot": secondary, "scratch": scratch}
    return Mended(part, places, slots, copies, copies)


def swap_by_move(part: Part) -> Mended:
    places = Places(part)
    primary, secondary = places.slot(IMAGE_SECTORS + 1), places.slot(IMAGE_SECTORS)
    copies = swap_move.copies(primary, secondary)
    slots = {"primary slot": primary, "secondary slot": secondary}
    return Mended(part, places, slots, copies, copies)
