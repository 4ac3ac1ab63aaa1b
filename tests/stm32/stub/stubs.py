"""What the tests of the loader stub share: a chip that runs it, and a host that talks to it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from benchmarks.loader_stub.chip import StubChip
from flash_emulator import EmulatedFlash, Trace, load_part
from mcu_updater.cli.flasher.chips import chip_of
from mcu_updater.stm32.chip import Chip
from mcu_updater.stm32.firmware import Firmware, Segment
from mcu_updater.stm32.plan import FlashPlan, covered_sectors
from mcu_updater.stm32.stub import writing
from mcu_updater.stm32.stub.frames import Reply, Request
from mcu_updater.stm32.stub.images import STUBS
from mcu_updater.stm32.stub.session import Batch, Session, Work
from mcu_updater.stm32.stub.writing import Given, Order
from tests.places import FIXTURES

FIRMWARE = (FIXTURES / "fixture-2.0.0.bin").read_bytes()
PART = "STM32L476xG"
PARTS = tuple(STUBS)
BASE = 0x0800_0000
PAGE_SIZE = 2048  # of L476 and G0B1
UID = b"twelve bytes"
ROM_BAUD = 115_200


@dataclass(frozen=True, slots=True)
class Job:
    """*begun*: numbers of sectors that a run has touched and not verified, kept up to date."""

    image: bytes
    address: int = BASE
    baud: int = ROM_BAUD
    diff: bool = True
    erase_all: bool = False
    begun: set[int] = field(default_factory=set)

    def firmware(self, chip: Chip) -> Firmware:
        return Firmware((Segment(self.address, self.image),)).padded(chip.alignment)


@dataclass(frozen=True, slots=True)
class Done:
    baud: int
    plan: FlashPlan

    @property
    def written(self) -> tuple[int, ...]:
        """Addresses of sectors."""
        return tuple(sector.start for sector in self.plan.touched)


def noise_of(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@cache
def _full_flash(part_name: str) -> EmulatedFlash:
    """Something in all of flash, so that what is lost shows."""
    part = load_part(part_name)
    device = EmulatedFlash(part, seed=1)
    size = part.size // part.bank_count
    for bank in range(part.bank_count):
        device.preload(BASE + bank * size, noise_of(size, 99 + bank))
    return device


def made_chip(part: str = PART, **given: Any) -> StubChip:
    device = _full_flash(part).fork()
    device.trace = Trace()
    return StubChip(device, **{"uid": UID, **given})


def host_chip(chip: StubChip) -> Chip:
    return chip_of(load_part(chip.flash.part.name))


def flash(chip: StubChip, job: Job, bauds: Sequence[int] = ()) -> Work[Done]:
    """*bauds*: speeds to try before that of *job*."""
    host = host_chip(chip)
    bauds = (*bauds, *((job.baud,) if job.baud != ROM_BAUD else ()))
    given = Given(STUBS[host.name], host, UID, ROM_BAUD, bauds)
    firmware = job.firmware(host)
    order = Order(firmware, frozenset(job.begun), diff=job.diff, erase_chip=job.erase_all)
    plan = yield from writing.flash(
        order, given, lambda sectors: job.begun.update(sector.number for sector in sectors)
    )
    job.begun.clear()
    return Done(round(chip.usart.baud), plan)


def run(chip: StubChip, work: Work[Any], *, window: int = 8, baud: int = ROM_BAUD) -> Session[Any]:
    session: Session[Any] = Session(work, baud=baud, window=window)
    session.wake_at_us += chip.now_us
    chip.run(session)
    return session


def flashed(chip: StubChip, job: Job, *, window: int = 8) -> Done:
    result = run(chip, flash(chip, job), window=window).result
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


def expected_after(chip: StubChip, before: bytes, job: Job) -> bytes:
    """All of flash when *job* is done: its sectors, and nothing else is another than before."""
    after = bytearray(before)
    host = host_chip(chip)
    for sector in covered_sectors(host, job.firmware(host)):
        after[sector.start - BASE : sector.stop - BASE] = b"\xff" * sector.size
    start = job.address - BASE
    after[start : start + len(job.image)] = job.image
    return bytes(after)


def check(chip: StubChip, job: Job, flash_it: Callable[[], Any]) -> None:
    """Do it, and compare every byte of the chip."""
    before = contents(chip)
    flash_it()
    assert contents(chip) == expected_after(chip, before, job)


def operations(chip: StubChip) -> Sequence[str]:
    assert chip.flash.trace is not None
    return [str(operation) for operation in chip.flash.trace]
