"""Trailers in all the states that tests can think of: written, cut, damaged, garbage."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from typing import Any

from flash_emulator import EmulatedFlash, Outcome
from mcu_updater.core.bank import Bank
from mcu_updater.core.errors import VerificationFailed
from mcu_updater.core.image_version import SecurityVersion, Version
from mcu_updater.core.journal import (
    HEADER_SIZE,
    MAX_ATTEMPTS,
    TURNS,
    Package,
    Phase,
    Reason,
    Record,
    Snapshot,
    encode_header,
    record_bytes,
    record_offset,
    record_size,
)
from tests.worlds import DAMAGES, cut, damage_unit

PLANNED = Snapshot(Phase.PLANNED, 7, "STM32", "2.0.0")
PACKAGE = Package(4500, bytes(range(16)), bytes(range(32)))
LOADING = replace(PLANNED, phase=Phase.LOADING, package=PACKAGE)
VERIFIED = replace(
    PLANNED, phase=Phase.VERIFIED, package=PACKAGE, image_size=64, image_sha256=bytes(range(32))
)
CONFIRMED = replace(VERIFIED, phase=Phase.CONFIRMED)
FAILED = replace(VERIFIED, phase=Phase.FAILED, reason=Reason.SELF_TEST)
SIGNED = replace(
    CONFIRMED,
    security_version=SecurityVersion(Version(1, 2, 3, 4), 5),
    floor=SecurityVersion(Version(1, 2, 3, 4), 5),
)
KINDS = (PLANNED, LOADING, VERIFIED, VERIFIED, CONFIRMED, FAILED, SIGNED)


def any_snapshot(rng: random.Random, bank: Bank) -> Snapshot:
    """One that fits the trailer of *bank*."""
    snapshot = replace(rng.choice(KINDS), generation=rng.randint(1, 3))
    if snapshot.phase is not Phase.LOADING:
        return snapshot
    sectors = len(bank.slot.sector_sizes)
    size = rng.choice((0, 1, 60, 64, 65, 128, 300))
    return replace(
        snapshot,
        sectors_done=rng.choice((0, 1, sectors - 1, sectors, rng.randint(0, sectors))),
        checkpoint=rng.randbytes(min(size, bank.journal.checkpoint_capacity)),
        piece_start=1500,
    )


def any_trailer(rng: random.Random, device: EmulatedFlash, bank: Bank) -> None:
    """Some things happen to the trailer of *bank*."""
    for _ in range(rng.randint(1, 5)):
        happen = rng.choices(
            (_write, _record, _plant_header, _plant_record, _damage), (4, 4, 2, 2, 3)
        )[0]
        _maybe_cut(rng, device, partial(happen, rng, device, bank))


def _maybe_cut(rng: random.Random, device: EmulatedFlash, call: Any) -> None:
    def quietly() -> None:
        try:
            call()
        except (OSError, ValueError, VerificationFailed):
            return  # it is too worn, or not settled: that, too, is a trailer

    if rng.random() < 0.5:
        quietly()
    else:
        cut(
            device,
            rng.choice((1, 2, 3, 8, rng.randint(1, 150))),
            rng.choice(list(Outcome)),
            quietly,
        )


def _write(rng: random.Random, _: EmulatedFlash, bank: Bank) -> None:
    bank.journal.snapshot(any_snapshot(rng, bank))


def _any_record(rng: random.Random) -> tuple[Record, int]:
    record = rng.choice(list(Record))
    most = {Record.SECTOR: 4, Record.ATTEMPT: MAX_ATTEMPTS}.get(record, 1)
    return record, rng.randrange(most)


def _record(rng: random.Random, _: EmulatedFlash, bank: Bank) -> None:
    bank.journal.record(bank.journal.read(), *_any_record(rng))


def _plant_header(rng: random.Random, device: EmulatedFlash, bank: Bank) -> None:
    """In either half, with any turn, and maybe cut short or with a byte that is wrong."""
    half = rng.choice(bank.halves)
    raw = bytearray(encode_header(any_snapshot(rng, bank), rng.randrange(TURNS)))
    if rng.random() < 0.2:
        raw[rng.randrange(HEADER_SIZE)] ^= 1 << rng.randrange(8)
    if rng.random() < 0.8:
        half.erase_sector(0)
    half.program(0, bytes(raw))


def _plant_record(rng: random.Random, device: EmulatedFlash, bank: Bank) -> None:
    half, size = rng.choice(bank.halves), record_size(device.part.program_unit)
    record, index = _any_record(rng)
    data = record_bytes(record, index, rng.randint(1, 3), size)
    if rng.random() < 0.2:
        data = rng.randbytes(size)
    half.program(record_offset(record, index, size), data)


def _damage(rng: random.Random, device: EmulatedFlash, bank: Bank) -> None:
    half, unit = rng.choice(bank.halves), device.part.program_unit
    end = rng.choice((HEADER_SIZE, HEADER_SIZE + 16 * max(8, unit), min(half.size, 3000)))
    at = rng.choice((HEADER_SIZE - unit, rng.randrange(0, end, unit)))
    damage_unit(device, half.address + at, rng.choice(DAMAGES))
