"""The flags of an update lie in the sector in which its image ends.

To set a flag, the sector is read, erased and written again, with the flag: sectors of this part
are large, and the end of the image shares one with the flags. A cut in between, and the update is
lost.

Mended: the flags have a sector of their own.
"""

from __future__ import annotations

from examples.hall_of_bricks.common.marks import always, holds, install, is_marked, mark, mark_anew
from flash_emulator import EmulatedFlash
from flash_emulator.explore import Violation

RUN, UPDATE, UPDATE_END, FLAGS, DONE = (0x0804_0000 + 0x2_0000 * sector for sector in range(5))
OLD, HEAD, END = (
    b"image 1 of 32 bytes, all of them",
    b"image 2, beginning " + b"." * 13,
    b"end2" * 8,
)
FLAG = 32  # behind the end of the image


def prepare(flash: EmulatedFlash) -> None:
    flash.preload(RUN, OLD)
    flash.preload(UPDATE, HEAD)
    flash.preload(UPDATE_END, END)


def ask_for_the_update(flash: EmulatedFlash, *, mended: bool) -> None:
    if mended:
        mark_anew(flash, FLAGS)
    else:
        end = flash.read(UPDATE_END, len(END))
        install(flash, UPDATE_END, end)
        mark(flash, UPDATE_END + FLAG)


def boot(flash: EmulatedFlash, *, mended: bool) -> None:
    if is_marked(flash, DONE):
        return
    if not is_marked(flash, FLAGS if mended else UPDATE_END + FLAG):
        ask_for_the_update(flash, mended=mended)
    if holds(flash, UPDATE, HEAD) and holds(flash, UPDATE_END, END):
        flash.erase(DONE)
        install(flash, RUN, HEAD + END)
        mark(flash, DONE)


def verdict(flash: EmulatedFlash) -> None:
    if not always(flash, lambda f: holds(f, RUN, HEAD + END)):
        raise Violation("live", "the update is lost")


def brick(flash: EmulatedFlash) -> None:
    boot(flash, mended=False)


def twin(flash: EmulatedFlash) -> None:
    boot(flash, mended=True)
