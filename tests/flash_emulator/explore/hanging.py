"""Boot functions that never come to rest, each in another way. Other processes import them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from flash_emulator import EmulatedFlash
from tests.flash_emulator.explore import subjects
from tests.flash_emulator.explore.protocols import DONE, read
from tests.flash_emulator.tiny_silicon import BASE, SECTOR


def loop(_: EmulatedFlash) -> None:
    while True:
        pass


def sleep(_: EmulatedFlash) -> None:
    time.sleep(3600)


def wait_for_a_lock(_: EmulatedFlash) -> None:
    threading.Event().wait()


def read_on_and_on(device: EmulatedFlash) -> None:
    while True:
        device.read(BASE, 8)


def swallow_everything(_: EmulatedFlash) -> None:
    while True:
        try:  # noqa: SIM105 - as one finds it
            time.sleep(1)
        except BaseException:
            pass


def recurse(_: EmulatedFlash) -> None:
    def deeper(depth: int) -> None:
        while depth < 200:
            deeper(depth + 1)

    deeper(0)


def backtrack(_: EmulatedFlash) -> None:
    """In C, with no other thread running all the time."""
    re.match(r"(a+)+$", "a" * 60 + "b")


def count_in_c(_: EmulatedFlash) -> None:
    """In C, which looks at nothing: only the end of its process ends it."""
    sum(iter(int, 1))


def same_again(device: EmulatedFlash) -> None:
    while True:
        device.erase(BASE)
        device.program(BASE, DONE)


def yield_on_and_on(_: EmulatedFlash) -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


def wait_for_the_other_half(device: EmulatedFlash) -> None:
    """It only hangs where a cut has left the first half without the second."""
    if read(device, BASE) == DONE:
        while read(device, BASE + SECTOR) != DONE:
            pass
    device.erase(BASE)
    device.erase(BASE + SECTOR)
    device.program(BASE, DONE)
    device.program(BASE + SECTOR, DONE)


def raise_deep(device: EmulatedFlash) -> None:
    subjects.install(device)
    with suppress(LookupError):
        _deeper(3)


def _deeper(levels: int) -> None:
    if levels:
        _deeper(levels - 1)
    raise ZeroDivisionError("nobody expects it")


def leave(_: EmulatedFlash) -> None:
    raise SystemExit(3)
