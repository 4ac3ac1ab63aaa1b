"""A part small enough to look at every unit of it: two banks of four sectors of eight units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flash_emulator import CutAt, EmulatedFlash, Outcome, Part, PowerLoss, SteadySupply
from flash_emulator.array.pages import RawUnit
from flash_emulator.parts.part_model import Aliasing, Ecc, OptionModel, Overwrite, Timing

BASE = 0x0800_0000
UNIT = 8
SECTOR = 64
BANK = 4 * SECTOR

ERASED = b"\xff" * UNIT


def part(
    *,
    ecc: bool = True,
    aliasing: Aliasing = Aliasing.FB_MODE,
    times: tuple[int | None, int | None] = (90, 24_000),
    **kw: Any,
) -> Part:
    """The rules of an L4, without ECC those of an F1. Program and erase *times* in microseconds."""
    fields = {
        "name": "tiny",
        "family": "l4",
        "base": BASE,
        "program_unit": UNIT,
        "bank_count": 2,
        "sector_sizes": (SECTOR,) * 4,
        "overwrite": Overwrite.ONLY_ALL_ZERO if ecc else Overwrite.ONLY_ZERO_HALFWORD,
        "overwrite_flag": "PROGERR" if ecc else "PGERR",
        "ecc": Ecc(64, 8) if ecc else None,
        "aliasing": aliasing,
        "options": OptionModel(),
        "timing": Timing(*times),
    }
    return Part(**{**fields, **kw})


def flash(*, ecc: bool = True, seed: int = 0, **kw: Any) -> EmulatedFlash:
    return EmulatedFlash(part(ecc=ecc, **kw), seed=seed)


def units(first: int, count: int) -> bytes:
    """*count* units that all differ, none of them blank or zero."""
    return b"".join(bytes([0x10 + first + i]) * UNIT for i in range(count))


def cut(
    device: EmulatedFlash, operation: int, outcome: Outcome, call: Callable[[], Any]
) -> PowerLoss:
    """Run *call* and lose power in it. The device stays dead; the supply is steady again."""
    device.supply = CutAt(operation, outcome)
    try:
        call()
    except PowerLoss as loss:
        device.supply = SteadySupply()
        return loss
    raise AssertionError("the cut never fired")


State = tuple[bytes, bytes, tuple[tuple[int, RawUnit], ...]]


def state(device: EmulatedFlash) -> State:
    """All cells, and what they have been through."""
    data, marks, raw = device.cells.export()
    return data, marks, tuple(sorted(raw.items(), key=lambda item: item[0]))


def held(device: EmulatedFlash, unit: int) -> RawUnit:
    """The unit's cells, whatever is known of them."""
    return device.cells.raw(unit) or RawUnit(device.cells.word(unit))
