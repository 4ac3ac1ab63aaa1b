"""A part small enough to look at every unit of it: two banks of four sectors of eight units."""

from __future__ import annotations

from hypothesis import settings

from flash_emulator import CutAt, EmulatedFlash, Outcome, Part, PowerLoss, SteadySupply
from flash_emulator.part import Timing

settings.register_profile("busy", deadline=None)
settings.load_profile("busy")
"""A machine with other work to do fails no test by being slow."""

BASE = 0x0800_0000
UNIT = 8
SECTOR = 64
BANK = 4 * SECTOR


def part(*, ecc: bool = True, aliasing: str = "fb_mode", times: tuple[int, int] = (90, 24_000)):
    """Program and erase *times* in microseconds."""
    return Part(
        name="tiny",
        family="l4",
        base=BASE,
        program_unit=UNIT,
        bank_count=2,
        sector_sizes=(SECTOR,) * 4,
        overwrite="only_all_zero",
        ecc=ecc,
        aliasing=aliasing,
        options={},
        timing=Timing(*times),
    )


def flash(*, ecc: bool = True, seed: int = 0, **kw) -> EmulatedFlash:
    return EmulatedFlash(part(ecc=ecc, **kw), seed=seed)


def units(first: int, count: int) -> bytes:
    """*count* units that all differ, none of them blank or zero."""
    return b"".join(bytes([0x10 + first + i]) * UNIT for i in range(count))


def cut(device: EmulatedFlash, operation: int, outcome: Outcome, call) -> PowerLoss:
    """Run *call* and lose power in it. The device stays dead; the supply is steady again."""
    device.supply = CutAt(operation, outcome)
    try:
        call()
    except PowerLoss as loss:
        device.supply = SteadySupply()
        return loss
    raise AssertionError("the cut never fired")


def state(device: EmulatedFlash) -> tuple[bytes, bytes]:
    """All that survives."""
    return bytes(device.cells.data), bytes(device.cells.marks)
