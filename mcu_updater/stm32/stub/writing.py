"""What the host does with the stub: see who it is, choose a speed, find what differs, write, check.

Everything here is work for a ``Session``; nothing here touches a line. The plan is the one that is
made for the boot ROM; its writes are cut into larger blocks, and compressed where that is shorter.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from mcu_updater.core.errors import address_text
from mcu_updater.stm32.bulk_erase import candidates
from mcu_updater.stm32.chip import Chip, Sector
from mcu_updater.stm32.compare import without
from mcu_updater.stm32.events import FlasherEvent, Planned, Problem, Progress, Stage, StubStarted
from mcu_updater.stm32.firmware import ERASED, Firmware, Segment, blank_firmware
from mcu_updater.stm32.plan import (
    Erase,
    EraseKind,
    FlashPlan,
    covered_sectors,
    make_plan,
)
from mcu_updater.stm32.stub import frames
from mcu_updater.stm32.stub.frames import (
    BLOCK_SIZE,
    MOST_RANGES,
    Command,
    Encoding,
    Facts,
    Reply,
    Request,
    Status,
)
from mcu_updater.stm32.stub.images import VERSION, StubImage
from mcu_updater.stm32.stub.lz4 import Lz4Encoder
from mcu_updater.stm32.stub.session import Batch, Noise, Silence, StubTrouble, Work

SMALL_PIECE: Final = 256
BY_STUB: Final = "the stub's CRC"
ROUNDS: Final = 3  # of writing what does not verify
LOWEST_BRR: Final = 32
"""Ticks of the USART's clock to a bit: 352 to a byte, in which the stub must look for it once."""
_SPEED_TOLERANCE: Final = 0.015
_SHOWN: Final = 4  # sectors that a text names


@dataclass(frozen=True, slots=True)
class Given:
    """What the stub has to find: *uid* is empty where the ROM does not give it. *bauds*: speeds to
    try, in order; *rom_baud*: the one there is."""

    image: StubImage
    chip: Chip
    uid: bytes
    rom_baud: int
    bauds: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """*doubtful*: numbers of sectors that are written anew whatever they read as. *diff*: leave
    alone what holds the image."""

    firmware: Firmware  # padded
    doubtful: Collection[int] = ()
    diff: bool = True
    erase_chip: bool = False


def flash(order: Order, given: Given, begin: Callable[[Sequence[Sector]], None]) -> Work[FlashPlan]:
    """The whole of it; what was done. *begin* hears of the sectors that are touched, before they
    are. Raises StubTrouble."""
    baud = yield from greet(given)
    yield StubStarted(given.image.name, baud)
    plan = yield from plan_for(order, given)
    yield Planned(plan, BY_STUB)
    if plan.erase.sectors:
        begin(plan.erase.sectors)
        yield from carry_out(plan, given.image)
    return plan


# --- getting acquainted


def greet(given: Given) -> Work[int]:
    """The speed that is spoken from now on. Raises StubTrouble for another chip or stub."""
    (reply,) = yield Batch((frames.sync(),))
    try:
        facts = Facts.of(reply)
    except ValueError as error:
        raise StubTrouble(f"the stub says nothing that makes sense: {error}") from error
    _check(facts, given)
    for baud in given.bauds:
        if (yield from _speaks_at(baud, facts, given.rom_baud)):
            return baud
    return given.rom_baud


def _check(facts: Facts, given: Given) -> None:
    image = given.image
    found = (facts.version, facts.idcode & 0xFFF, facts.flash_kib)
    if found != (VERSION, image.device_id, image.flash_kib):
        raise StubTrouble(
            f"the stub found another chip: expected version {VERSION}, device "
            f"0x{image.device_id:03X}, {image.flash_kib} KiB, found version {found[0]}, "
            f"0x{found[1]:03X}, {found[2]} KiB"
        )
    if given.uid not in (b"", facts.uid):
        raise StubTrouble(
            f"the stub read UID {facts.uid.hex()}, and the boot ROM {given.uid.hex()}"
        )
    if facts.is_mapped_otherwise:
        raise StubTrouble("the chip's banks are exchanged or joined, which the stub does not know")


def _speaks_at(baud: int, facts: Facts, rom_baud: int) -> Generator[Batch, list[Reply], bool]:
    """Whether the clock divides to *baud* and the stub answers at it; else all is as it was."""
    clock = facts.brr * rom_baud  # as the ROM has measured it
    brr = round(clock / baud)
    if brr < LOWEST_BRR or abs(clock / brr - baud) > _SPEED_TOLERANCE * baud:
        return False
    with suppress(Silence):  # whether it has changed, SYNC tells
        yield Batch((frames.speed(brr),), tries=1)
    try:
        yield Batch((frames.sync(),), baud=baud, tries=3)
    except StubTrouble:
        yield Batch((frames.sync(),), baud=rom_baud)
        return False
    return True


# --- what is there


def differing(
    parts: Sequence[Segment], stage: Stage
) -> Generator[Batch | FlasherEvent, list[Reply], set[int]]:
    """Places in *parts* of those that flash does not hold, or that cannot be read."""
    total, done = sum(len(part.data) for part in parts), 0

    def progress(request: Request) -> Progress:
        nonlocal done
        done += request.covers
        return Progress(stage, done, total)

    replies = yield Batch([*_ranges(parts)], on_done=progress)
    if any(reply.status is not Status.OK for reply in replies):
        raise StubTrouble("the stub does not give a CRC of flash")
    found = [crc for reply in replies for crc in reply.checksums()]
    if len(found) != len(parts):
        raise StubTrouble(f"the stub gives {len(found)} CRCs of {len(parts)} ranges")
    return {at for at, part in enumerate(parts) if found[at] != zlib.crc32(part.data)}


def _ranges(parts: Sequence[Segment]) -> Iterator[Request]:
    """As few as there may be: ranges of one size that adjoin are asked for together."""
    begun: list[Segment] = []
    for part in (*parts, None):
        if begun and (
            part is None
            or len(begun) == MOST_RANGES
            or part.address != begun[-1].stop
            or len(part.data) != len(begun[0].data)
        ):
            yield frames.checksum(begun[0].address, len(begun[0].data), len(begun))
            begun = []
        if part is not None:
            begun.append(part)


def plan_for(order: Order, given: Given) -> Work[FlashPlan]:
    """What has to be done. Changes nothing."""
    covered = covered_sectors(given.chip, order.firmware)
    same: set[int] = set()
    if order.diff and not order.erase_chip:
        asked = without(covered, set(order.doubtful))
        same = {s.number for s in asked} - (
            yield from _not_holding(order.firmware, asked, Stage.COMPARE)
        )
    blank: frozenset[int] = frozenset()
    if not order.erase_chip:
        blank = yield from _blank_beside(without(covered, same), order, given)
    return make_plan(given.chip, order.firmware, same, erase_chip=order.erase_chip, blank=blank)


def _not_holding(
    firmware: Firmware, sectors: Sequence[Sector], stage: Stage
) -> Generator[Batch | FlasherEvent, list[Reply], set[int]]:
    """Numbers of those *sectors* in which flash does not hold *firmware*."""
    owned = [(s.number, part) for s in sectors for part in firmware.within(s.start, s.stop)]
    bad = yield from differing([part for _, part in owned], stage)
    return {owned[at][0] for at in bad}


def _blank_beside(
    stale: Sequence[Sector], order: Order, given: Given
) -> Generator[Batch | FlasherEvent, list[Reply], frozenset[int]]:
    """Sectors beside *stale* that hold nothing, where one erase of all would pay."""
    for beside in candidates(given.chip, stale, order.doubtful, _crc_s):
        bad = yield from _not_holding(blank_firmware(beside), beside, Stage.COMPARE)
        if not bad:
            return frozenset(sector.number for sector in beside)
    return frozenset()


def _crc_s(sectors: Sequence[Sector]) -> float:
    """What a CRC of *sectors* takes, about."""
    return sum(sector.size for sector in sectors) / 2e6


# --- writing


def carry_out(plan: FlashPlan, image: StubImage) -> Work[None]:
    """Until flash holds the plan's firmware, by the stub's CRC. Raises StubTrouble."""
    todo, piece_size = plan, BLOCK_SIZE
    for round_number in range(ROUNDS):
        yield Batch((frames.sync(),))  # what failed before is forgotten
        try:
            yield _batch(todo, image, piece_size)
        except Noise:
            if piece_size == SMALL_PIECE:
                raise
            piece_size = SMALL_PIECE
            yield Problem("long frames do not get through to the stub: short ones from here on")
            yield Batch((frames.sync(),))
        bad = yield from _not_holding(todo.firmware, todo.touched, Stage.VERIFY)
        if not bad:
            return
        good = {s.number for s in covered_sectors(plan.chip, plan.firmware)} - bad
        todo = make_plan(plan.chip, plan.firmware, good)
        if round_number < ROUNDS - 1:
            yield Problem(f"{len(bad)} sectors do not hold the image: they are erased again")
    names = ", ".join(address_text(sector.start) for sector in todo.touched[:_SHOWN])
    raise StubTrouble(f"{len(bad)} sectors do not hold what the stub writes: {names}")


def _batch(plan: FlashPlan, image: StubImage, piece_size: int) -> Batch:
    totals = {
        Stage.ERASE: sum(sector.size for sector in plan.erase.needed),
        Stage.WRITE: plan.write_size,
    }
    done = dict.fromkeys(totals, 0)

    def progress(request: Request) -> Progress:
        stage = Stage.ERASE if request.command is Command.ERASE else Stage.WRITE
        done[stage] = min(done[stage] + request.covers, totals[stage])
        return Progress(stage, done[stage], totals[stage])

    return Batch(requests(plan, image, piece_size), on_done=progress)


def requests(plan: FlashPlan, image: StubImage, piece_size: int = BLOCK_SIZE) -> Iterator[Request]:
    """Erase and write what *plan* says.

    Where the vector table is touched, it goes first and comes last: a chip that loses power in
    between has none, and does not start half an image.
    """
    one_by_one = plan.erase.sectors
    if plan.erase.kind in (EraseKind.BANK, EraseKind.CHIP):
        yield _bulk_erase(plan.erase, image)
        one_by_one = plan.erase.rest
    encoders = {segment: Lz4Encoder(segment.data) for segment in plan.firmware.segments}
    numbers = {sector.number for sector in one_by_one}
    last: list[Request] = []
    touched = {sector.number for sector in plan.touched}
    for sector in (s for s in plan.chip.sectors if s.number in numbers | touched):
        if sector.number in numbers:
            yield frames.erase(sector.start, work_s=image.sector_erase_s, covers=sector.size)
        if sector.number not in touched:
            continue
        for segment, start, stop in _pieces(plan, sector, piece_size):
            if start < plan.chip.base + BLOCK_SIZE:
                last.append(_raw(segment, start, stop))
            else:
                yield _written(encoders[segment], segment, start, stop, plan.chip.base)
    yield from reversed(last)


def _bulk_erase(erase: Erase, image: StubImage) -> Request:
    is_bank = erase.kind is EraseKind.BANK
    where = (frames.BANK_1, frames.BANK_2)[erase.bank] if is_bank else frames.EVERYTHING
    covers = sum(sector.size for sector in erase.needed if sector not in erase.rest)
    return frames.erase(where, work_s=image.bulk_erase_s, covers=covers)


def _pieces(plan: FlashPlan, sector: Sector, piece_size: int) -> Iterator[tuple[Segment, int, int]]:
    """What of which segment goes to *sector*, without blanks at the ends of each piece."""
    unit = plan.chip.alignment
    for segment in plan.firmware.segments:
        start = max(segment.address, sector.start)
        stop = min(segment.stop, sector.stop)
        while start < stop:
            end = min(stop, start - start % piece_size + piece_size)
            data = segment.data[start - segment.address : end - segment.address]
            filled = len(data.rstrip(ERASED))
            blank = len(data) - len(data.lstrip(ERASED))
            if filled:
                yield segment, start + blank - blank % unit, start + filled + -filled % unit
            start = end


def _written(encoder: Lz4Encoder, segment: Segment, start: int, stop: int, base: int) -> Request:
    """What is before it in the segment is in flash by now, but for the first block of the chip."""
    at = segment.address
    floor = max(at, base + BLOCK_SIZE)
    block = encoder.block(start - at, stop - at, floor - at)
    if len(block) >= stop - start:
        return _raw(segment, start, stop)
    return frames.write(start, segment.data[start - at : stop - at], Encoding.LZ4, block)


def _raw(segment: Segment, start: int, stop: int) -> Request:
    data = segment.data[start - segment.address : stop - segment.address]
    return frames.write(start, data, Encoding.RAW, data)
