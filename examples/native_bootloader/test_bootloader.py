"""Both bootloaders under every cut: the first try fails, and says how to see why."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from flash_emulator import EmulatedFlash, MetastableMode, UnreadableUnit
from flash_emulator.explore import Violation
from flash_emulator.native import NativeSubject

HERE = Path(__file__).parent
RUN, STAGED = 0x0800_8000, 0x0800_8800
SIZE = 64


def image(version: int) -> bytes:
    body = bytes([version]) * (SIZE - 4)
    return body + zlib.crc32(body).to_bytes(4, "little")


@pytest.fixture
def flash(emulated_flash: EmulatedFlash) -> EmulatedFlash:
    """Version 1 runs, version 2 is staged."""
    emulated_flash.preload(RUN, image(1))
    emulated_flash.preload(RUN + SIZE, b"DONE" + image(1)[-4:])
    emulated_flash.preload(STAGED, image(2))
    return emulated_flash


def runs_version_2(flash: EmulatedFlash, returned: int) -> None:
    """RUN must be the new image, however the cells read that a cut has left metastable."""
    for mode in MetastableMode:
        twin = flash.fork()
        twin.metastable_mode = mode
        try:
            found = twin.read(RUN, SIZE)
        except UnreadableUnit:
            found = b""
        if returned or found != image(2):
            raise Violation("safe", "RUN does not always read as version 2")


def test_bootloader(flash, powerloss) -> None:
    powerloss(flash, NativeSubject([HERE / "bootloader.c", HERE / "image.c"], runs_version_2))


def test_first_try(flash, powerloss) -> None:
    powerloss(flash, NativeSubject([HERE / "first_try.c", HERE / "image.c"], runs_version_2))
