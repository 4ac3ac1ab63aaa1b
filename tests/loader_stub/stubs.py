"""What the tests of the loader stub share: a chip that runs it, and a host that talks to it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from benchmarks.loader_stub.chip import StubChip
from benchmarks.loader_stub.flashing import BASE, PAGE_SIZE, Done, Job, flash
from benchmarks.loader_stub.frames import Reply, Request
from benchmarks.loader_stub.session import Batch, Session, Work
from flash_emulator import EmulatedFlash, Trace, load_part
from tests.places import FIXTURES

FIRMWARE = (FIXTURES / "fixture-2.0.0.bin").read_bytes()
PART = "STM32L476xG"


def noise_of(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@cache
def _full_flash() -> EmulatedFlash:
    """Something in all of flash, so that what is lost shows."""
    device = EmulatedFlash(load_part(PART), seed=1)
    for bank in range(2):
        device.preload(BASE + bank * 0x8_0000, noise_of(0x8_0000, 99 + bank))
    return device


def made_chip(**given: Any) -> StubChip:
    device = _full_flash().fork()
    device.trace = Trace()
    return StubChip(device, **given)


def run(chip: StubChip, work: Work[Any], *, window: int = 8, baud: int = 115_200) -> Session[Any]:
    session: Session[Any] = Session(work, baud=baud, window=window)
    chip.run(session)
    return session


def flashed(chip: StubChip, job: Job, *, window: int = 8) -> Done:
    result = run(chip, flash(job), window=window, baud=job.rom_baud).result
    assert isinstance(result, Done)
    return result


def ask(chip: StubChip, *requests: Request) -> list[Reply]:
    """One after the other, each with its reply."""

    def work() -> Work[list[Reply]]:
        replies = []
        for request in requests:
            replies += yield Batch((request,))
        return replies

    result: list[Reply] | None = run(chip, work()).result
    assert result is not None
    return result


def contents(chip: StubChip) -> bytes:
    """All of flash, as its cells are."""
    return bytes(chip.flash.cells.raw_data(0, chip.flash.part.size))


def expected_after(before: bytes, job: Job) -> bytes:
    """All of flash when *job* is done: its pages, and nothing else is another than before."""
    after = bytearray(before)
    for address, data in job.pages.items():
        after[address - BASE : address - BASE + PAGE_SIZE] = data
    return bytes(after)


def check(chip: StubChip, job: Job, flash_it: Callable[[], Any]) -> None:
    """Do it, and compare every byte of the chip."""
    before = contents(chip)
    flash_it()
    assert contents(chip) == expected_after(before, job)


def operations(chip: StubChip) -> Sequence[str]:
    assert chip.flash.trace is not None
    return [str(operation) for operation in chip.flash.trace]
