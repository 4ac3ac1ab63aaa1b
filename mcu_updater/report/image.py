"""An image file: what it holds, a picture of its memory, and where it fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from mcu_updater.core.errors import address_text
from mcu_updater.report.part import size_text
from mcu_updater.report.schema import SCHEMA

_COLUMNS = 64  # of the picture
_LISTED = 12  # ranges and segments in a table


@dataclass(frozen=True, slots=True)
class Fit:
    """One slot. *why* not; empty: it fits, and *sectors* with *erased* bytes would be erased."""

    part: str
    strategy: str
    address: int
    room: int
    why: str
    sectors: int
    erased: int


@dataclass(frozen=True, slots=True)
class ImageReport:
    """What ``image inspect`` shows. Addresses of a raw image without --base are offsets."""

    names: tuple[str, ...]
    file_size: int
    format: str
    inner: str
    placed: bool
    segments: tuple[tuple[int, int], ...]  # address, size
    memories: tuple[str, ...]  # that each segment lies in; none where it is not placed
    entry: int | None
    stack: int | None
    reset: int | None
    problems: tuple[str, ...]
    identities: Mapping[str, str]
    hashes: Mapping[str, str]
    packed: Mapping[str, float]
    members: tuple[tuple[str, int | None], ...]
    images: tuple[tuple[str, str, str, tuple[str, ...]], ...]  # component, version, part, files
    picture: str
    fits: tuple[Fit, ...]


def image_json(report: ImageReport) -> dict[str, Any]:
    return {"schema": SCHEMA, **asdict(report)}


def image_view(report: ImageReport) -> list[RenderableType]:
    parts: list[RenderableType] = [_facts(report)]
    if report.members:
        files = ", ".join(name for name, _ in report.members)
        parts.append(Text(f"\nfiles: {files}"))
    if len(report.segments) > 1:
        parts += [Text("\nsegments", style="bold"), _segments(report.segments, report.memories)]
    parts += [Text("\nmemory", style="bold"), Text(_drawn(report))]
    good = [fit for fit in report.fits if not fit.why]
    if good:
        parts += [Text("\nfits", style="bold"), _fits(good)]
    elif report.fits:
        parts += [Text("\nfits no slot", style="bold")]
        if len(report.fits) <= _LISTED:
            parts += [Text(f"  {f.part}, {f.strategy}: {f.why}") for f in report.fits]
    return parts


def _facts(report: ImageReport) -> Table:
    inner = "" if report.inner == report.format else f", holding {report.inner}"
    begin, end = report.segments[0][0], sum(report.segments[-1])
    given = sum(size for _, size in report.segments)
    facts = {
        "file": f"{', '.join(report.names)}, {report.file_size} bytes",
        "format": f"{report.format}{inner}",
        "data": f"{given} bytes in {len(report.segments)} "
        f"segment{'s' if len(report.segments) > 1 else ''}, {end - begin - given} in gaps",
        "from": f"{_place(report, begin)} to {_place(report, end - 1)}",
        "entry": "" if report.entry is None else address_text(report.entry),
        "vectors": _vectors(report),
        **report.identities,
        **report.hashes,
        "packed": ", ".join(f"{name} {value:g}" for name, value in report.packed.items()),
    }
    for component, version, part, files in report.images:
        facts[f"image {files[0]}"] = f"{component or 'any'} {version} for {part or 'any part'}"
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        if fact:
            table.add_row(name, fact)
    return table


def _place(report: ImageReport, address: int) -> str:
    return address_text(address) if report.placed else f"offset {address}"


def _vectors(report: ImageReport) -> str:
    if report.stack is None or report.reset is None:
        return "none: the image is too short"
    said = f"stack {address_text(report.stack)}, reset {address_text(report.reset)}"
    return f"{said}; {', '.join(report.problems)}" if report.problems else f"{said}; sane"


def _segments(segments: Sequence[tuple[int, int]], memories: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("from", "to", "size", "gap behind"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("memory")
    named = memories or [""] * len(segments)
    for (address, size), after, memory in zip(segments, [*segments[1:], None], named, strict=True):
        if table.row_count == _LISTED:
            table.add_row("...", "", f"{len(segments) - _LISTED} more", "", "")
            break
        gap = "" if after is None else size_text(after[0] - address - size)
        table.add_row(
            address_text(address), address_text(address + size - 1), size_text(size), gap, memory
        )
    return table


def _drawn(report: ImageReport) -> str:
    begin, end = report.segments[0][0], sum(report.segments[-1])
    step = size_text(-(-(end - begin) // _COLUMNS))
    return (
        f"{_place(report, begin)} |{report.picture}| {_place(report, end - 1)}\n"
        f"one column: {step} at most. # data, + data and blank, . blank (FF), space: gap"
    )


def picture(start: int, end: int, segments: Iterable[tuple[int, bytes]]) -> str:
    """One line for [start, end): what each column's bytes are."""
    columns = min(_COLUMNS, end - start)
    edges = [start + (end - start) * i // columns for i in range(columns + 1)]
    used, given = [0] * columns, [0] * columns
    for address, data in segments:
        for column in range(columns):
            low, high = max(edges[column], address), min(edges[column + 1], address + len(data))
            if low < high:
                piece = data[low - address : high - address]
                given[column] += len(piece)
                used[column] += len(piece) - piece.count(0xFF)
    halves = [(edges[i + 1] - edges[i]) / 2 for i in range(columns)]
    return "".join(map(_column, given, used, halves))


def _column(given: int, used: int, half: float) -> str:
    if not used:
        return "." if given else " "
    return "#" if used > half else "+"


def _fits(fits: Sequence[Fit]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("part", "strategy", "slot", "room", "would be erased"):
        table.add_column(name, no_wrap=True)
    for fit in fits:
        erased = f"{fit.sectors} sectors, {size_text(fit.erased)}"
        row = (fit.part, fit.strategy, address_text(fit.address), size_text(fit.room), erased)
        table.add_row(*row)
    return table


def difference_view(
    names: tuple[str, str], kinds: Mapping[str, Sequence[range]], sectors: str
) -> list[RenderableType]:
    if not any(kinds.values()):
        return [Text(f"{names[0]} and {names[1]} hold the same bytes at the same addresses")]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("what", "from", "to", "bytes"):
        table.add_column(name, no_wrap=True)
    for kind, ranges in kinds.items():
        for one in ranges[:_LISTED]:
            where = address_text(one.start), address_text(one.stop - 1)
            table.add_row(kind, *where, str(len(one)))
        if len(ranges) > _LISTED:
            rest = ranges[_LISTED:]
            table.add_row(kind, "...", f"{len(rest)} more", str(sum(map(len, rest))))
    totals = ", ".join(f"{kind}: {sum(map(len, r))} bytes" for kind, r in kinds.items())
    return [table, Text(f"\n{totals}"), Text(sectors)] if sectors else [table, Text(f"\n{totals}")]
