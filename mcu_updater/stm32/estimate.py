"""How long a plan takes at a baud rate and a latency: the sum over its frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mcu_updater.stm32.chip import FRAME_SIZE, Chip, Sector
from mcu_updater.stm32.plan import Erase, EraseKind, FlashPlan

BITS_PER_BYTE = 11  # start, 8 data, even parity, stop: AN3155 2
WRITE_OVERHEAD = 2 + 5 + 1 + 1 + 3  # command, address, length, checksum; three ACKs
READ_OVERHEAD = 2 + 5 + 2 + 3
CHECKSUM_BYTES = 2 + 5 + 5 + 5 + 5 + 6 + 5  # command, four frames, six ACKs, answer
PACKET_SIZE = 62  # data bytes of an FTDI's USB packet: a full one does not wait for the timer
FULL_READ_SIZE = 4 * PACKET_SIZE - 1  # with the ACK before it, it fills packets


@dataclass(frozen=True, slots=True)
class LineSpeed:
    """*latency_s*: what each change of direction costs, an adapter's latency timer above all."""

    baud: int
    latency_s: float = 0.001

    def wire_s(self, size: int) -> float:
        return size * BITS_PER_BYTE / self.baud


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds. *erase_s* and *program_s* are None where the part's times are not known."""

    wire_bytes: int
    turnarounds: int
    wire_s: float
    latency_s: float
    erase_s: float | None
    program_s: float | None

    @property
    def total_s(self) -> float:
        return self.wire_s + self.latency_s + (self.erase_s or 0) + (self.program_s or 0)

    @property
    def is_complete(self) -> bool:
        return self.erase_s is not None and self.program_s is not None


def estimate(plan: FlashPlan, speed: LineSpeed, *, checksum: bool, verify: bool = True) -> Estimate:
    """For erasing, writing and verifying. What finding out the differences took is not in it."""
    wire = sum(len(block.data) + WRITE_OVERHEAD for block in plan.writes)
    turns = 3 * len(plan.writes)
    if plan.erase.sectors:
        named = _named_sectors(plan.erase)
        wire += sum(2 + 2 + 2 + (2 * count or 1) for count in named)
        turns += 2 * len(named)
    if verify:
        sizes = [
            len(part.data) for s in plan.touched for part in plan.firmware.within(s.start, s.stop)
        ]
        more_wire, more_turns = _verify_cost(sizes, checksum)
        wire, turns = wire + more_wire, turns + more_turns
    return Estimate(
        wire_bytes=wire,
        turnarounds=turns,
        wire_s=speed.wire_s(wire),
        latency_s=turns * speed.latency_s,
        erase_s=erase_s(plan.chip, plan.erase),
        program_s=_program_s(plan),
    )


def _named_sectors(erase: Erase) -> list[int]:
    """How many sectors each command names; 0: a bulk code."""
    if erase.kind is EraseKind.SECTORS:
        return [len(erase.sectors)]
    return [0, len(erase.rest)] if erase.rest else [0]


def _verify_cost(sizes: Iterable[int], checksum: bool) -> tuple[int, int]:
    wire = turns = 0
    for size in sizes:
        frames = 1 if checksum else -(-size // FULL_READ_SIZE)
        wire += CHECKSUM_BYTES if checksum else size + frames * READ_OVERHEAD
        turns += 6 if checksum else 2 * frames
    return wire, turns


def erase_s(chip: Chip, erase: Erase) -> float | None:
    """Seconds that the erase takes; None where no document says."""
    times = chip.times
    at_once = tuple(sector for sector in erase.sectors if sector not in erase.rest)
    one_by_one_us = _one_by_one_us(chip, at_once)
    match erase.kind:
        case EraseKind.NOTHING:
            return 0.0
        case EraseKind.SECTORS:
            time_us = one_by_one_us
        case EraseKind.BANK:
            time_us = times.bank_erase or one_by_one_us
        case EraseKind.CHIP:
            time_us = times.mass_erase or times.bank_erase or one_by_one_us
    rest_us = _one_by_one_us(chip, erase.rest)
    return None if time_us is None or rest_us is None else (time_us + rest_us) / 1e6


def _one_by_one_us(chip: Chip, sectors: Iterable[Sector]) -> int | None:
    each = [chip.times.sector_erase.get(sector.size) for sector in sectors]
    return None if None in each else sum(time for time in each if time is not None)


def saved_by_erasing_all_s(plan: FlashPlan) -> float:
    """Seconds that one erase of the whole chip would save; what else is on the chip would go."""
    everything = erase_s(plan.chip, Erase(EraseKind.CHIP, plan.chip.sectors))
    planned = erase_s(plan.chip, plan.erase)
    return 0.0 if everything is None or planned is None else max(0.0, planned - everything)


def _program_s(plan: FlashPlan) -> float | None:
    time_us = plan.chip.times.program_unit
    return None if time_us is None else plan.write_size / plan.chip.program_unit * time_us / 1e6


__all__ = ["FRAME_SIZE", "Estimate", "LineSpeed", "erase_s", "estimate", "saved_by_erasing_all_s"]
