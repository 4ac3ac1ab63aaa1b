"""How long a plan takes by the stub: line and flash work at once, behind the stub's own upload."""

from __future__ import annotations

from dataclasses import dataclass

from mcu_updater.stm32.chip import FRAME_SIZE
from mcu_updater.stm32.estimate import (
    READ_OVERHEAD,
    WRITE_OVERHEAD,
    Estimate,
    LineSpeed,
    estimate,
)
from mcu_updater.stm32.plan import FlashPlan
from mcu_updater.stm32.stub.images import StubImage
from mcu_updater.stm32.stub.writing import requests

_REPLY_BYTES = 10
_QUERIES = 8  # SYNC, speed, CRCs before and after: each waits for its answer


@dataclass(frozen=True, slots=True)
class StubEstimate(Estimate):
    """*upload_s*: until the stub runs, part of *wire_s*."""

    upload_s: float = 0.0

    @property
    def total_s(self) -> float:
        flash_s = (self.erase_s or 0) + (self.program_s or 0)
        return self.upload_s + max(self.wire_s - self.upload_s, flash_s) + self.latency_s


def estimate_by_stub(
    plan: FlashPlan, image: StubImage, rom: LineSpeed, by_stub: LineSpeed
) -> StubEstimate:
    """*by_stub*: once it runs. What reading back on the first use takes is not in it."""
    blocks = -(-len(image.data) // FRAME_SIZE)
    loaded = 2 * len(image.data) + blocks * (WRITE_OVERHEAD + READ_OVERHEAD)
    sent = sum(len(request.framed(0)) + _REPLY_BYTES for request in requests(plan, image))
    turns = 5 * blocks + _QUERIES
    upload_s = rom.wire_s(loaded)
    by_rom = estimate(plan, rom, checksum=False, verify=False)
    slower = image.slower
    return StubEstimate(
        wire_bytes=loaded + sent,
        turnarounds=turns,
        wire_s=upload_s + by_stub.wire_s(sent),
        latency_s=turns * rom.latency_s,
        erase_s=None if by_rom.erase_s is None else by_rom.erase_s * slower.erase,
        program_s=None if by_rom.program_s is None else by_rom.program_s * slower.program,
        upload_s=upload_s,
    )
