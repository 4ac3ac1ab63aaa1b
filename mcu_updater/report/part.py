"""A part: its facts with their sources, and a drawing of its banks and sectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from rich.console import (
    Console,
    ConsoleOptions,
    Group,
    JustifyMethod,
    RenderableType,
    RenderResult,
)
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mcu_updater.core.errors import address_text
from mcu_updater.report.schema import SCHEMA

_BAR = 16  # columns of a whole bank
_ALIASES = {"none": "-", "fb_mode": "fb_mode", "swap_option": "option"}


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring sectors of one size. Numbers are inclusive, as ST's manuals give them."""

    address: int
    count: int
    sector_size: int
    first_number: int
    first_register: int | None

    @property
    def size(self) -> int:
        return self.count * self.sector_size


@dataclass(frozen=True, slots=True)
class BankMap:
    """One bank. *start* is its address while no bank is aliased."""

    number: int  # from 1, as ST counts
    start: int
    size: int
    runs: tuple[Run, ...]
    selector: str = ""  # what chooses the bank in a register


@dataclass(frozen=True, slots=True)
class Row:
    """A part in the list of all parts."""

    name: str
    size: int
    bank_count: int
    sectors: tuple[tuple[int, int], ...]  # of one bank: count, size
    program_unit: int
    ecc_check_bits: int | None  # 0: no ECC; None: not known
    aliasing: str
    usart_pid: int | None


@dataclass(frozen=True, slots=True)
class Section:
    """Facts of one kind, and what stands behind them."""

    title: str
    facts: Mapping[str, str]
    sources: Sequence[str]
    standings: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StrategyReport:
    """One way to bring an image to the CPU, what a cut in it comes to, and the layout for it."""

    name: str
    harmless: bool
    why: str
    window: str
    layout: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PartReport:
    """All there is to tell of a part. *strategies*, the default first, are those with a layout."""

    name: str
    note: str
    banks: tuple[BankMap, ...]
    register: str  # SNB or PNB
    alias: str
    sections: tuple[Section, ...]
    strategies: tuple[StrategyReport, ...]
    documents: Mapping[str, str]


# --- the list


_COLUMNS = ("part", "size", "banks", "sectors of a bank", "unit", "ECC", "alias", "PID")
_NARROW = ("part", "size", "banks", "sectors of a bank", "PID")
_NARROWEST = ("part", "size", "PID")
_LEGENDS = {
    "unit": "unit: bytes programmed at a time.",
    "ECC": "ECC: check bits of a unit, ? not known.",
    "alias": "alias: bank 2 comes to the base address at run time (fb_mode) or by an option.",
}
_BOUNDLESS = 1000  # columns: to ask a table how wide it would be
_TO_THE_RIGHT = ("size", "banks", "unit", "ECC")


class PartList:
    """All parts, with as many columns as there is room for; nothing is cut off."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._cells = [_cells(row) for row in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for columns in (_COLUMNS, _NARROW, _NARROWEST):
            table = self._table(columns)
            wanted = console.measure(table, options=options.update(width=_BOUNDLESS)).maximum
            if wanted <= options.max_width or columns is _NARROWEST:
                yield table
                yield Text(f"\n{_legend(columns)}", style="dim")
                return

    def _table(self, columns: Sequence[str]) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for name in columns:
            justify: JustifyMethod = "right" if name in _TO_THE_RIGHT else "left"
            table.add_column(name, justify=justify, no_wrap=True)
        for cells in self._cells:
            table.add_row(*(cells[name] for name in columns))
        return table


def _legend(columns: Sequence[str]) -> str:
    lines = [text for name, text in _LEGENDS.items() if name in columns]
    left_out = [name for name in _COLUMNS if name not in columns]
    if left_out:
        lines.append(f"Left out, as the terminal is narrow: {', '.join(left_out)}.")
    return "\n".join(lines)


def _cells(row: Row) -> dict[str, str]:
    return {
        "part": row.name,
        "size": short_size(row.size),
        "banks": str(row.bank_count),
        "sectors of a bank": _runs(row.sectors),
        "unit": str(row.program_unit),
        "ECC": _ecc(row.ecc_check_bits),
        "alias": _ALIASES[row.aliasing],
        "PID": "-" if row.usart_pid is None else f"0x{row.usart_pid:03X}",
    }


def _ecc(check_bits: int | None) -> str:
    return "?" if check_bits is None else str(check_bits or "-")


def _runs(sectors: Sequence[tuple[int, int]]) -> str:
    shown = (f"{count}x{short_size(size)}" for count, size in sectors)
    return " ".join(text.removeprefix("1x") for text in shown)


def short_size(size: int) -> str:
    for unit, letter in ((1 << 20, "M"), (1 << 10, "K")):
        if size % unit == 0:
            return f"{size // unit}{letter}"
    return str(size)


def size_text(size: int) -> str:
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} bytes"


def range_text(start: int, size: int) -> str:
    return f"{address_text(start)} to {address_text(start + size - 1)}"


def rows_json(rows: Sequence[Row]) -> dict[str, Any]:
    return {"schema": SCHEMA, "parts": [plain(row) for row in rows]}


# --- one part


def part_view(report: PartReport) -> list[RenderableType]:
    head = Text(report.name, style="bold")
    if report.note:
        head.append(f"\n{report.note}", style="not bold")
    return [head, *_map(report), *map(_section, report.sections), _strategies(report), _key(report)]


def _map(report: PartReport) -> Iterator[RenderableType]:
    end = None
    for bank in report.banks:
        if end is not None and bank.start > end:
            hole = f"\nhole    {range_text(end, bank.start - end)}  {size_text(bank.start - end)}"
            yield Text(hole, style="dim")
        title = f"\nbank {bank.number}  {range_text(bank.start, bank.size)}  {size_text(bank.size)}"
        title += f"  {bank.selector}" if bank.selector else ""
        yield Text(title, style="bold")
        yield _bank(bank, report.register)
        end = bank.start + bank.size
    if report.alias:
        yield Text(f"\n{report.alias}")


def _bank(bank: BankMap, register: str) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(width=_BAR + 2, no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    for run in bank.runs:
        bar = _bar(run.address - bank.start, run.size, bank.size)
        grid.add_row(address_text(run.address), bar, _sizes(run), _numbers(run, register))
    return Padding(grid, (0, 0, 0, 2), expand=False)


def _bar(offset: int, size: int, whole: int) -> Text:
    """Where in the bank the run lies; a run too small to be seen has one column all the same."""
    first = min(offset * _BAR // whole, _BAR - 1)
    last = max(first + 1, (offset + size) * _BAR // whole)
    bar = "." * first + "#" * (last - first) + "." * (_BAR - last)
    return Text(f"|{bar}|")


def _sizes(run: Run) -> str:
    return f"{run.count} x {size_text(run.sector_size)}"


def _numbers(run: Run, register: str) -> str:
    """ST's numbers; what goes into the register where that is another number."""
    number = f"{'sector' if run.count == 1 else 'sectors'} {_span(run.first_number, run.count)}"
    if run.first_register is None or run.first_register == run.first_number:
        return number
    return f"{number} ({register} {_span(run.first_register, run.count)})"


def _span(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first} to {first + count - 1}"


def _section(section: Section) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=20)
    grid.add_column(overflow="fold")
    for name, value in section.facts.items():
        grid.add_row(name, Text(value))
    parts: list[RenderableType] = [Text(f"\n{section.title}", style="bold")]
    parts.append(Padding(grid, (0, 0, 0, 2), expand=False))
    for word, keys in {"sources": section.sources, **section.standings}.items():
        if keys:
            line = Table.grid(padding=(0, 2, 0, 0))
            line.add_column(width=20)
            line.add_column()
            line.add_row(Text(word, style="dim"), Text(", ".join(keys), style="dim"))
            parts.append(Padding(line, (0, 0, 0, 2), expand=False))
    return Group(*parts)


def _strategies(report: PartReport) -> RenderableType:
    if not report.strategies:
        text = "none known for this part: it can be emulated, not updated yet"
        return _section(Section("Layout of the updater", {"layout": text}, ()))
    default, *_ = report.strategies
    return Group(*(_strategy(strategy, strategy is default) for strategy in report.strategies))


def _strategy(strategy: StrategyReport, is_default: bool) -> RenderableType:
    safety = "harmless" if strategy.harmless else f"HAZARD, for a time that is {strategy.window}"
    title = f"Strategy {strategy.name}{', the default' if is_default else ''}"
    facts = {"power cuts": f"{safety}: {strategy.why}", **strategy.layout}
    return _section(Section(title, facts, ()))


def _key(report: PartReport) -> RenderableType:
    return Group(
        _section(Section("Sources", report.documents, ())),
        Text(
            "\nconfirmed: measured on a chip.\n"
            "recalled: from memory of the manual, not read again.  assumed: no document says.\n"
            "inferred: from what is documented of other parts.  disputed: sources disagree.",
            style="dim",
        ),
    )


# --- for programs


_DRAWN = ("sector_sizes", "sector_starts", "bank_starts")  # the same, sector by sector


def part_json(report: PartReport, part: Any) -> dict[str, Any]:
    """All fields of *part*, a dataclass; sectors by runs."""
    facts = {name: value for name, value in plain(part).items() if name not in _DRAWN}
    banks = [plain(bank) for bank in report.banks]
    strategies = [plain(strategy) for strategy in report.strategies]
    layout = strategies[0]["layout"] if strategies else None
    return {
        "schema": SCHEMA,
        **facts,
        "banks": banks,
        "layout": layout,
        "strategies": strategies,
    }


def plain(value: Any) -> Any:
    """Dataclasses, ranges and enums as JSON has them. A range is [first, size]."""
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, range):
        return [value.start, len(value)]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [plain(item) for item in value]
    return value
