"""Both bootloaders under every cut: the first try fails, and says how to see why."""

from __future__ import annotations

import zlib

import bootloader
import first_try
import pytest
from bootloader import MARK, RUN, SIZE, STAGED

from flash_emulator import EmulatedFlash, MetastableMode
from flash_emulator.explore import Violation


def image(version: int) -> bytes:
    body = bytes([version]) * (SIZE - 4)
    return body + zlib.crc32(body).to_bytes(4, "little")


@pytest.fixture
def flash(emulated_flash: EmulatedFlash) -> EmulatedFlash:
    """Version 1 runs, version 2 is staged."""
    emulated_flash.preload(RUN, image(1))
    emulated_flash.preload(MARK, bootloader.mark_of(image(1)))
    emulated_flash.preload(STAGED, image(2))
    return emulated_flash


def runs_version_2(flash: EmulatedFlash) -> None:
    """RUN must be the new image, however the cells read that a cut has left metastable."""
    for mode in MetastableMode:
        twin = flash.fork()
        twin.metastable_mode = mode
        if bootloader.read(twin, RUN, SIZE) != image(2):
            raise Violation("safe", "RUN does not always read as version 2")


def test_bootloader(flash, powerloss) -> None:
    powerloss(flash, bootloader.boot, runs_version_2)


def test_first_try(flash, powerloss) -> None:
    powerloss(flash, first_try.boot, runs_version_2)
