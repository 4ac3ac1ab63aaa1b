"""Every part that comes with the package, cut down to four sectors of 1 KiB a bank, for speed.

Rules, units, ECC, options, and what banks can do are the part's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flash_emulator import (
    CutAt,
    EmulatedFlash,
    Outcome,
    Part,
    PowerLoss,
    SteadySupply,
    UnreadableUnit,
    load_part,
    part_names,
)
from flash_emulator.array.pages import RawUnit

SECTORS, SECTOR = 4, 1024


def small(name: str) -> Part:
    part = load_part(name)
    sizes = (min(SECTOR, part.sector_sizes[0]),) * SECTORS
    return replace(part, sector_sizes=sizes, bank_starts=(), first_sectors=())


PARTS = [small(name) for name in part_names()]


def each(wanted: Callable[[Part], Any], *, at_least: int = 1) -> pytest.MarkDecorator:
    """Run a test on every part that is *wanted*."""
    parts = [part for part in PARTS if wanted(part)]
    assert len(parts) >= at_least, "the class has lost its parts"
    return pytest.mark.parametrize("part", parts, ids=[part.name for part in parts])


def of_class(*families: str) -> pytest.MarkDecorator:
    return each(lambda part: part.family in families)


every_part = each(lambda part: True, at_least=20)
with_ecc = each(lambda part: part.ecc is not None, at_least=10)
without_ecc = each(lambda part: part.ecc is None, at_least=5)


def word_of(device: EmulatedFlash, data: bytes) -> int:
    """The cells of a unit that was programmed with *data*."""
    value = int.from_bytes(data, "little")
    return device.cells.code.encode(value) if device.cells.code else value


def held(device: EmulatedFlash, unit: int) -> RawUnit:
    """The unit's cells, whatever is known of them."""
    return device.cells.raw(unit) or RawUnit(device.cells.word(unit))


def all_ones(device: EmulatedFlash) -> int:
    return (1 << device.cells.word_bits) - 1


def read_or_none(device: EmulatedFlash, unit: int) -> bytes | None:
    size = device.part.program_unit
    try:
        return device.read(device.part.base + unit * size, size)
    except UnreadableUnit:
        return None


def data_of(part: Part, seed: int = 0) -> bytes:
    """One unit, neither blank nor zero."""
    return bytes((17 * (i + 1) + 29 * seed) % 255 for i in range(part.program_unit))


def cut(device: EmulatedFlash, operation: int, outcome: Outcome, call: Callable[[], Any]) -> None:
    """Lose power in *operation* of *call*, and power on again."""
    device.supply = CutAt(operation, outcome)
    with pytest.raises(PowerLoss):
        call()
    device.supply = SteadySupply()
    device.power_on()


def cut_program(
    part: Part, outcome: Outcome, *, seed: int = 0, data: bytes | None = None
) -> EmulatedFlash:
    """Three units of the first sector, power lost in the second one."""
    device = EmulatedFlash(part, seed=seed)
    data = data or data_of(part)
    cut(device, 2, outcome, lambda: device.program(part.base, data * 3))
    return device


def full_sector(part: Part, seed: int = 0) -> EmulatedFlash:
    """The first two sectors of both banks hold data."""
    device = EmulatedFlash(part, seed=seed)
    for bank in range(part.bank_count):
        size = sum(part.sector_sizes[:2])
        start = part.base + bank * part.bank_size
        device.preload(start, data_of(part) * (size // part.program_unit))
    return device


def cut_erase(part: Part, outcome: Outcome, *, seed: int = 0) -> EmulatedFlash:
    """The erase of the first sector, which holds data; its neighbour does, too."""
    device = full_sector(part, seed)
    cut(device, 1, outcome, lambda: device.erase(part.base))
    return device
