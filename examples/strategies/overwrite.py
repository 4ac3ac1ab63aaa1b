"""Overwrite with staging, as MCUboot's overwrite-only mode has it.

While the secondary slot is marked and its image is whole, the primary slot is erased and written
anew at every start; then the header of the secondary is erased, and its trailer. There is no way
back to the image before.
"""

from __future__ import annotations

from examples.strategies.flash_steps import copy_sector, write_image
from examples.strategies.images import Images
from examples.strategies.places import IMAGE_SECTORS, Places, span
from examples.strategies.trailer import Flag, Trailer
from examples.strategies.world import Algorithm, Steps, Stuck
from flash_emulator import EmulatedFlash, Part


class Overwrite(Algorithm):
    def __init__(self, part: Part) -> None:
        places = Places(part)
        self._size = places.sector_size
        self._primary = places.slot(IMAGE_SECTORS)
        *secondary, trailer = places.slot(IMAGE_SECTORS + 1)
        self._secondary = tuple(secondary)
        self._trailer = Trailer(trailer, self._size, part.program_unit, 0)
        self.images = Images(places.image_size)
        self.run_address = self._primary[0]
        self.areas = {
            **self._trailer.areas("secondary trailer"),
            "secondary slot": span(self._secondary, self._size),
            "primary slot": span(self._primary, self._size),
        }

    def factory(self, flash: EmulatedFlash, image: bytes) -> None:
        flash.preload(self.run_address, image)

    def start(self, flash: EmulatedFlash) -> Steps:
        is_staged = self._trailer.magic(flash) is Flag.SET
        if is_staged and self.images.is_whole(flash, self._secondary[0]):
            for source, target in zip(self._secondary, self._primary, strict=True):
                yield target
                copy_sector(flash, source, target, self._size)
            yield "copied"
            flash.erase(self._secondary[0])
            self._trailer.erase(flash)
        if not self.images.is_whole(flash, self.run_address):
            raise Stuck("the primary slot has no whole image, and nothing is staged")

    def stage(self, flash: EmulatedFlash, image: bytes) -> Steps:
        self._trailer.erase(flash)
        yield from write_image(flash, self._secondary, self._size, image)
        self._trailer.write_magic(flash)

    def confirm(self, flash: EmulatedFlash) -> Steps:
        """Overwrite-only has nothing to confirm."""
        del flash
        yield from ()
