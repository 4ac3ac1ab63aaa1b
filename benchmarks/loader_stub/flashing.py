"""What the host does with the stub: look, choose a speed, find what differs, write, verify."""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import lz4.block

from benchmarks.loader_stub import frames
from benchmarks.loader_stub.frames import (
    EVERYTHING,
    MOST_RANGES,
    Encoding,
    Facts,
    Reply,
    Request,
    Status,
)
from benchmarks.loader_stub.session import Batch, Silence, Work

BASE = 0x0800_0000
PAGE_SIZE = 2048
BLANK = b"\xff" * PAGE_SIZE
DICTIONARY_SIZE = 0xFFFF  # as far as an LZ4 match reaches back
L476 = 0x415
SMALL_PIECE = 256
ROUNDS = 3  # of writing what does not verify
_FB_MODE = 1 << 8
_SPEED_TOLERANCE = 0.015


class WrongChip(Exception):
    """Not the chip that this stub is for; nothing was changed."""


class NotHeld(Exception):
    """Flash does not hold the image, however often it is written."""


@dataclass(frozen=True, slots=True)
class Job:
    """*image* is to be at *address*, a page's start; the rest of its last page becomes blank.

    *begun* are pages that an earlier run erased or wrote and did not verify: they are written anew
    whatever they read as. ``flash`` keeps it up to date. *erase_all* gives up what else is there.
    """

    image: bytes
    address: int = BASE
    rom_baud: int = 115_200
    baud: int = 115_200
    diff: bool = True
    erase_all: bool = False
    compress: bool = True
    begun: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not self.image or self.address % PAGE_SIZE:
            raise ValueError(f"0x{self.address:08X}: an image begins with a page, and is not empty")

    @property
    def pages(self) -> dict[int, bytes]:
        """By address."""
        padded = self.image + BLANK[: -len(self.image) % PAGE_SIZE]
        return {
            self.address + at: padded[at : at + PAGE_SIZE]
            for at in range(0, len(padded), PAGE_SIZE)
        }


@dataclass(frozen=True, slots=True)
class Done:
    baud: int
    written: tuple[int, ...]  # pages, in order; some twice where they did not verify


def flash(job: Job) -> Work[Done]:
    """Raises WrongChip before anything is changed, NotHeld, and Silence."""
    (reply,) = yield Batch((frames.sync(),))
    facts = Facts.of(reply)
    _check(facts)
    baud = job.rom_baud if job.baud == job.rom_baud else (yield from _change_speed(job, facts))
    written: list[int] = []
    piece_size = PAGE_SIZE
    for attempt in range(ROUNDS):
        yield Batch((frames.sync(),))  # what failed in the last round is forgotten
        takes_all = not attempt and (job.erase_all or not job.diff)
        pages = job.pages if takes_all else (yield from _stale(job))
        if not pages:
            return Done(baud, tuple(written))
        job.begun.update(pages)
        requests = list(_requests(job, pages, piece_size, is_first=not attempt))
        try:
            replies = yield Batch(requests)
        except Silence:  # short frames get through a line that long ones do not
            if piece_size == SMALL_PIECE:
                raise
            piece_size = SMALL_PIECE
            continue
        written += pages
        if all(reply.status is Status.OK for reply in replies) and (yield from _is_whole(job)):
            job.begun.clear()
            return Done(baud, tuple(written))
    raise NotHeld(f"{len(pages)} pages from 0x{min(pages):08X} on do not hold the image")


def _check(facts: Facts) -> None:
    found = facts.idcode & 0xFFF
    if found != L476 or facts.flash_kib != 1024 or facts.version != 1:
        raise WrongChip(
            f"expected an STM32L476xG (0x{L476:03X}, 1024 KiB) and stub version 1, found "
            f"0x{found:03X}, {facts.flash_kib} KiB, version {facts.version}"
        )
    if facts.memrmp & _FB_MODE:
        raise WrongChip("FB_MODE is set: bank 2 is at the base, and pages have other numbers")


def _change_speed(job: Job, facts: Facts) -> Generator[Batch, list[Reply], int]:
    """The new speed, or the old one where the clock does not divide to it or nobody answers."""
    clock = facts.brr * job.rom_baud  # as the ROM has measured it
    brr = round(clock / job.baud)
    if brr < 16 or abs(clock / brr - job.baud) > _SPEED_TOLERANCE * job.baud:
        return job.rom_baud
    with suppress(Silence):  # whether it has changed, SYNC tells
        yield Batch((frames.speed(brr),), tries=1)
    try:
        yield Batch((frames.sync(),), baud=job.baud, tries=4)
    except Silence:
        yield Batch((frames.sync(),), baud=job.rom_baud)
        return job.rom_baud
    return job.baud


# --- what is there


def _stale(job: Job) -> Generator[Batch, list[Reply], dict[int, bytes]]:
    """Pages that do not hold what they should, cannot be read, or were begun and not verified."""
    stale = {}
    pages = list(job.pages.items())
    for first in range(0, len(pages), MOST_RANGES):
        some = pages[first : first + MOST_RANGES]
        (reply,) = yield Batch((frames.checksum(some[0][0], PAGE_SIZE, len(some)),))
        for (address, data), crc in zip(some, reply.checksums(), strict=True):
            if crc != zlib.crc32(data) or address in job.begun:
                stale[address] = data
    return stale


def _is_whole(job: Job) -> Generator[Batch, list[Reply], bool]:
    """One CRC over all."""
    data = b"".join(job.pages.values())
    (reply,) = yield Batch((frames.checksum(job.address, len(data)),))
    return reply.checksums() == [zlib.crc32(data)]


# --- writing


def _requests(
    job: Job, pages: dict[int, bytes], piece_size: int, *, is_first: bool
) -> Iterator[Request]:
    """Erase and write *pages*; the vector table comes last."""
    erase_all = job.erase_all and is_first
    if erase_all:
        yield frames.erase(EVERYTHING)
    for address in sorted(pages, key=lambda page: (page == job.address, page)):
        if not erase_all:
            yield frames.erase(address)
        for at in range(0, PAGE_SIZE, piece_size):
            data = pages[address][at : at + piece_size].rstrip(b"\xff")
            data += b"\xff" * (-len(data) % 8)
            if data:
                yield _written(job, address + at, data)


def _written(job: Job, address: int, data: bytes) -> Request:
    """Compressed where that is shorter. What is before it in flash is the dictionary: all that the
    image has there but for its first page, which is written last."""
    if job.compress:
        before = job.image[PAGE_SIZE : max(PAGE_SIZE, address - job.address)]
        block = lz4.block.compress(
            data,
            mode="high_compression",
            compression=12,
            store_size=False,
            dict=before[-DICTIONARY_SIZE:] if address != job.address else b"",
        )
        if len(block) < len(data):
            return frames.write(address, data, Encoding.LZ4, block)
    return frames.write(address, data, Encoding.RAW, data)
