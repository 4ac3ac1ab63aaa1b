"""A part: geometry, rules and times of one STM32, read from ``parts/*.toml``.

Every number there has its source beside it; what is unknown is absent, never guessed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from itertools import accumulate
from typing import Any


class PartError(ValueError):
    """A part that does not exist, or a part file that does not hold together."""


@dataclass(frozen=True)
class Timing:
    """Microseconds; None where no document says."""

    program_unit_us: int | None
    sector_erase_us: int | None


@dataclass(frozen=True)
class Part:
    """What one part number is made of. Sizes in bytes. Satisfies the core's ``Geometry``."""

    name: str
    family: str  # behaviour class: "l4"
    base: int
    program_unit: int
    bank_count: int
    sector_sizes: tuple[int, ...]  # of one bank; all banks are laid out alike
    overwrite: str
    ecc: bool
    aliasing: str
    options: Mapping[str, int]
    timing: Timing

    @cached_property
    def bank_size(self) -> int:
        return sum(self.sector_sizes)

    @cached_property
    def size(self) -> int:
        return self.bank_size * self.bank_count

    @cached_property
    def sector_starts(self) -> Mapping[int, int]:
        """Offset in the array of every sector, and its size."""
        offsets = accumulate(self.sector_sizes * self.bank_count, initial=0)
        return dict(zip(offsets, self.sector_sizes * self.bank_count, strict=False))


def part_names() -> list[str]:
    """Names of all parts that come with the package."""
    folder = resources.files("flash_emulator") / "parts"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith("toml"))


def load_part(name: str) -> Part:
    """The part called *name*. Raises PartError, with the names that exist."""
    if name not in part_names():
        raise PartError(f"unknown part {name!r}; known: {', '.join(part_names())}")
    text = (resources.files("flash_emulator") / "parts" / f"{name}.toml").read_text()
    return parse_part(tomllib.loads(text))


def parse_part(data: Mapping[str, Any]) -> Part:
    """A part from the tables of its file."""
    geometry, timing = data["geometry"], data.get("timing", {})
    sizes = tuple(size for count, size in geometry["sectors"] for _ in range(count))
    return Part(
        name=data["name"],
        family=data["class"],
        base=geometry["base"],
        program_unit=geometry["program_unit"],
        bank_count=geometry["bank_count"],
        sector_sizes=sizes,
        overwrite=data["rules"]["overwrite"],
        ecc=data["rules"]["unreadable_after_cut"],
        aliasing=data["banks"]["aliasing"],
        options={k: v for k, v in data.get("options", {}).items() if isinstance(v, int)},
        timing=Timing(
            program_unit_us=timing.get("program_unit_typ_us", timing.get("program_unit_max_us")),
            sector_erase_us=timing.get("sector_erase_typ_us", timing.get("sector_erase_max_us")),
        ),
    )
