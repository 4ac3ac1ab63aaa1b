"""What both swaps of MCUboot share: which swap is due, and what an application may ask for.

primary trailer            secondary trailer      due
any                        magic                  test (with image ok: permanent)
magic, copy done, no ok    no magic               revert

MCUboot had it so up to 2.1. Since 2.2 the last one is due whatever the secondary's magic reads.
"""

from __future__ import annotations

from examples.strategies.flash_steps import copy_sector, write_image
from examples.strategies.images import Images
from examples.strategies.places import IMAGE_SECTORS, Places, span
from examples.strategies.trailer import Flag, Swap, Trailer
from examples.strategies.world import Algorithm, Steps, Stuck
from flash_emulator import EmulatedFlash, Part


class SwapAlgorithm(Algorithm):
    """*spare*: how many sectors more than the secondary slot the primary has. *entries*: of the
    status area."""

    def __init__(self, part: Part, *, spare: int, entries: int) -> None:
        self.places = places = Places(part)
        self.size = places.sector_size
        self.unit = part.program_unit
        *primary, trailer = places.slot(IMAGE_SECTORS + spare + 1)
        *secondary, other = places.slot(IMAGE_SECTORS + 1)
        self.primary, self.secondary = tuple(primary), tuple(secondary)
        self.mine = Trailer(trailer, self.size, self.unit, entries)
        self.other = Trailer(other, self.size, self.unit, entries)
        self.images = Images(places.image_size)
        self.run_address = self.primary[0]
        self.areas = {
            **self.mine.areas("primary trailer"),
            **self.other.areas("secondary trailer"),
            "primary slot": span(self.primary, self.size),
            "secondary slot": span(self.secondary, self.size),
        }

    def factory(self, flash: EmulatedFlash, image: bytes) -> None:
        flash.preload(self.run_address, image)

    def due(self, flash: EmulatedFlash) -> Swap:
        if self.other.magic(flash) is Flag.SET:
            is_ok = self.other.flag(flash, "image ok") is Flag.SET
            return Swap.PERMANENT if is_ok else Swap.TEST
        is_on_trial = (
            self.mine.magic(flash) is Flag.SET
            and self.other.magic(flash) is Flag.UNSET
            and self.mine.flag(flash, "image ok") is Flag.UNSET
            and self.mine.flag(flash, "copy done") is Flag.SET
        )
        return Swap.REVERT if is_on_trial else Swap.NONE

    def validated(self, flash: EmulatedFlash, swap: Swap) -> Swap:
        """Nothing is swapped in that is not whole."""
        is_due = swap is not Swap.NONE and self.images.is_whole(flash, self.secondary[0])
        return swap if is_due else Swap.NONE

    def finish(self, flash: EmulatedFlash, swap: Swap) -> None:
        """All sectors are where they belong."""
        is_kept = swap in (Swap.REVERT, Swap.PERMANENT)
        if is_kept and self.mine.flag(flash, "image ok") is Flag.UNSET:
            self.mine.set(flash, "image ok")
        self.mine.set(flash, "copy done")

    def check(self, flash: EmulatedFlash) -> None:
        if not self.images.is_whole(flash, self.run_address):
            raise Stuck("the primary slot has no whole image")

    def copy(self, flash: EmulatedFlash, source: int, target: int) -> None:
        copy_sector(flash, source, target, self.size)

    # --- the application

    def stage(self, flash: EmulatedFlash, image: bytes) -> Steps:
        self.other.erase(flash)
        yield from write_image(flash, self.secondary, self.size, image)
        self.other.write_magic(flash)

    def confirm(self, flash: EmulatedFlash) -> Steps:
        """What is set already, or no flag at all, is left alone."""
        yield from ()
        if self.mine.magic(flash) is not Flag.SET:
            return
        if self.mine.flag(flash, "image ok") is Flag.UNSET:
            self.mine.set(flash, "image ok")
