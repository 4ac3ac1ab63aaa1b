"""What an update came to: one value, shown as a table or as the last JSON line."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mcu_updater.core.errors import address_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class Running:
    """What a start runs, or would run; empty strings when nothing can be run."""

    bank: str
    version: str

    def __str__(self) -> str:
        return f"version {self.version} in bank {self.bank}" if self.bank else "nothing"


@dataclass(frozen=True, slots=True)
class Operations:
    """Flash operations of one kind. *timing*: typ or max, as the part file has it; empty: none."""

    count: int
    time_us: int
    timing: str


@dataclass(frozen=True, slots=True)
class CutMade:
    """Where power was lost. *kind* is program, erase or options; *place* names bank and region.

    *old_kept*: whether the part keeps the old option bytes when their change is cut.
    """

    operation: int
    outcome: str
    kind: str
    address: int
    place: str
    module_too: bool
    old_kept: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """All that is worth knowing when a command ends. Times without a unit in the name: none."""

    outcome: str
    error: str
    before: Running
    after: Running
    package_bytes: int | None
    erases: Operations
    programs: Operations
    link_us: int
    retries: int
    wall_s: float
    real_link: bool = False  # the module is behind a port: link_us is time that really passed
    cut: CutMade | None = None

    @property
    def simulated_us(self) -> int:
        return self.link_us + self.erases.time_us + self.programs.time_us


def summary_json(summary: Summary) -> dict[str, Any]:
    return {"event": "summary", **asdict(summary), "simulated_us": summary.simulated_us}


def summary_view(summary: Summary) -> RenderableType:
    """For people: a table; words for a cut, and where there was nothing to do."""
    from rich.text import Text

    if summary.cut is not None:
        return Text(cut_text(summary.cut))
    if not summary.error and summary.simulated_us == 0:
        return Text(f"Nothing to do: the board {summary.outcome}.")
    return summary_table(summary)


def summary_table(summary: Summary) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"Result: {summary.outcome}", title_justify="left", title_style="bold")
    table.add_column("")
    table.add_column("before", justify="right")
    table.add_column("after", justify="right")
    before, after = summary.before, summary.after
    table.add_row("Version", Text(before.version or "none"), Text(after.version or "none"))
    table.add_row("Bank", before.bank or "none", after.bank or "none", end_section=True)
    _add_counts(table, summary)
    _add_times(table, summary)
    return table


def _add_counts(table: Table, summary: Summary) -> None:
    if summary.package_bytes is not None:
        table.add_row("Package", "", f"{summary.package_bytes} bytes")
    table.add_row("Sectors erased", "", str(summary.erases.count))
    table.add_row("Units programmed", "", str(summary.programs.count))
    table.add_row("Retries on the link", "", str(summary.retries), end_section=True)


def _add_times(table: Table, summary: Summary) -> None:
    link = "Link and download" if summary.real_link else "Simulated: link and download"
    table.add_row(link, "", _seconds(summary.link_us))
    for name, operations in (("erase", summary.erases), ("program", summary.programs)):
        known = operations.timing or not operations.count
        text = _seconds(operations.time_us) if known else "not known"
        table.add_row(f"Simulated: {name}{_timing_note(operations.timing)}", "", text)
    if not summary.real_link:
        table.add_row("Simulated: all", "", _seconds(summary.simulated_us))
    table.add_row("Wall time", "", f"{summary.wall_s:.3f} s")


def _timing_note(timing: str) -> str:
    return f" ({timing} values)" if timing else ""


def _seconds(time_us: int) -> str:
    return f"{time_us / 1e6:.3f} s"


_WHAT_IS_LEFT = {
    ("program", "before"): "it had not begun; the unit is untouched",
    ("program", "torn"): "only part of the unit's bits were written",
    ("program", "metastable"): "some of the unit's bits read differently from time to time",
    ("program", "blank"): "the unit reads 0xFF, and cannot be programmed before an erase",
    ("program", "weak"): "the unit reads right, but not for long",
    ("program", "after"): "it was complete, but nobody lived to see it",
    ("erase", "before"): "it had not begun; the sector is untouched",
    ("erase", "torn"): "the sector holds a mix of old and erased bits",
    ("erase", "metastable"): "some of the sector's bits read differently from time to time",
    ("erase", "blank"): "the sector reads 0xFF, and yet it is not erased",
    ("erase", "weak"): "the sector reads 0xFF, and yet it is not erased",
    ("erase", "after"): "it was complete, but nobody lived to see it",
}


def cut_text(cut: CutMade) -> str:
    """In words: what was cut, where, and what that leaves."""
    what = {"program": "program of the unit", "erase": "erase of the sector"}.get(cut.kind)
    where = f"{what} at {address_text(cut.address)} ({cut.place})"
    left = _left_of_options(cut) if what is None else _WHAT_IS_LEFT[cut.kind, cut.outcome]
    module = " The module lost power too." if cut.module_too else ""
    return (
        f"Power was cut at flash operation {cut.operation}, outcome {cut.outcome}: "
        f"{where if what else 'change of the option bytes'}; {left}.{module}"
    )


def _left_of_options(cut: CutMade) -> str:
    if cut.outcome in ("before", "after"):
        return _WHAT_IS_LEFT["program", cut.outcome].partition(";")[0]
    return "the old ones are kept" if cut.old_kept else "they fit no more, and the chip is locked"
