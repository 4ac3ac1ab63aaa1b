"""Times for a chip that is served in real time: each operation gets one, or is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from flash_emulator.parts.part import Part
from flash_emulator.parts.part_model import Mode

Kind = Literal["program_unit", "sector_erase", "bank_erase", "mass_erase"]


def with_times(
    part: Part,
    mode: Mode,
    *,
    program_unit_us: float | None = None,
    sector_erase_us: float | None = None,
    mass_erase_us: float | None = None,
) -> tuple[Part, tuple[str, ...]]:
    """*part* with one time for each kind of operation, and the kinds that have none all the same.

    A given time counts; else that of *mode*; else, of a typical and a maximal one, the other. A
    bank or mass erase without a time takes as long as one sector where the family pulses all at
    once, else as long as the sectors of a bank in a row.
    """
    sectors = {
        size: sector_erase_us or _known(part, mode, "sector_erase", size)
        for size in set(part.sector_sizes)
    }
    in_bulk = _in_bulk(part, sectors)
    bank = mass_erase_us or _known(part, mode, "bank_erase") or in_bulk
    mass = mass_erase_us or _known(part, mode, "mass_erase") or bank
    unit = program_unit_us or _known(part, mode, "program_unit")
    times: dict[str, float | Mapping[int, float]] = {}
    for kind, time in (("program_unit", unit), ("bank_erase", bank), ("mass_erase", mass)):
        if time is not None:
            times |= {f"{kind}_typ_us": time, f"{kind}_max_us": time}
    known = {size: time for size, time in sectors.items() if time is not None}
    if known:
        times |= {"sector_erase_typ_us": known, "sector_erase_max_us": known}
    untimed = [kind for kind, time in (("program", unit), ("mass erase", mass)) if time is None]
    untimed += [f"erase of {size} bytes" for size in sorted(sectors.keys() - known.keys())]
    return part.with_timing(**times), tuple(untimed)


def _known(part: Part, mode: Mode, kind: Kind, size: int | None = None) -> float | None:
    span = part.timing.span(kind, size)
    first, second = (span.typ, span.max) if mode == "typ" else (span.max, span.typ)
    return first if first is not None else second


def _in_bulk(part: Part, sectors: Mapping[int, float | None]) -> float | None:
    times = [sectors[size] for size in part.sector_sizes]
    known = [time for time in times if time is not None]
    if len(known) < len(times):
        return None
    return max(known) if part.bulk_erase == "parallel" else sum(known)
