"""The times of a part file, read and checked: min, typ and max in order, sizes that exist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flash_emulator.parts.part_model import Span, Timing
from flash_emulator.parts.part_tables import Table, text, time_us, times_by_size

Times = Mapping[str, float | Mapping[int, float]]


def changed(timing: Timing, sizes: tuple[int, ...], times: Times, *, name: str) -> Timing:
    """*timing* with *times* over it; their names are those of a part file."""
    data = {**keys_of(timing), **_texted(times)}
    table = Table(data, file=name, name="timing", documents={})
    made = read_timing(table, sizes)
    table.done()
    return made


def read_timing(table: Table, sizes: tuple[int, ...]) -> Timing:
    return Timing(
        condition=table.maybe("condition", text) or "",
        program_unit=_time(table, "program_unit"),
        sector_erase=_sector_times(table, sizes),
        bank_erase=_time(table, "bank_erase"),
        mass_erase=_time(table, "mass_erase"),
    )


def _time(table: Table, kind: str) -> Span:
    typ, longest, shortest = (
        table.maybe(f"{kind}_{mode}_us", time_us) for mode in ("typ", "max", "min")
    )
    return _ordered(table, kind, Span(typ, longest, shortest))


def _sector_times(table: Table, sizes: tuple[int, ...]) -> dict[int, Span]:
    given = {
        mode: table.maybe(f"sector_erase_{mode}_us", times_by_size) or {}
        for mode in ("typ", "max", "min")
    }
    for mode, times in given.items():
        for size in set(times) - set(sizes) - {0}:
            expected = f"sizes of sectors: {', '.join(map(str, sorted(set(sizes))))}"
            raise table.wrong(f"sector_erase_{mode}_us", expected, str(size))
    spans = {
        size: Span(**{mode: times.get(size, times.get(0)) for mode, times in given.items()})
        for size in sorted(set(sizes))
    }
    return {size: _ordered(table, "sector_erase", span) for size, span in spans.items()}


def _ordered(table: Table, kind: str, span: Span) -> Span:
    known = [time for time in (span.min, span.typ, span.max) if time is not None]
    if known != sorted(known):
        found = ", ".join(f"{time:g}" for time in known)
        raise table.wrong(f"{kind}_max_us", "min, typ and max in this order", found)
    return span


def keys_of(timing: Timing) -> dict[str, Any]:
    """The keys of a part file that give *timing*."""
    data: dict[str, Any] = {"condition": timing.condition} if timing.condition else {}
    for mode in ("typ", "max", "min"):
        for kind in ("program_unit", "bank_erase", "mass_erase"):
            data[f"{kind}_{mode}_us"] = getattr(timing.span(kind), mode)
        by_size = timing.sector_erase if isinstance(timing.sector_erase, Mapping) else {}
        times = {str(size): getattr(span, mode) for size, span in by_size.items()}
        data[f"sector_erase_{mode}_us"] = {k: v for k, v in times.items() if v is not None} or None
    return {key: value for key, value in data.items() if value is not None}


def _texted(times: Times) -> dict[str, Any]:
    """Sizes as TOML has them: keys are texts."""
    return {
        key: {str(size): time for size, time in value.items()}
        if isinstance(value, Mapping)
        else value
        for key, value in times.items()
    }
