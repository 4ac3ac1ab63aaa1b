"""Events to lines: what a person reads while an update runs, and what a program reads."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, assert_never

from mcu_updater.core.events import (
    Booted,
    Decided,
    Event,
    JournalWritten,
    ModuleSaid,
    ModuleTold,
    Problem,
    Progress,
    Resumed,
    SelfTested,
)
from mcu_updater.report.schema import event_name

if TYPE_CHECKING:
    from rich.table import Table

_STYLES = {  # the word always says what the colour says
    "boot": "bold",
    "module": "cyan",
    "problem": "bold yellow",
    "decide": "dim",
}
_CAUSES = {
    "power": "power-on",
    "software": "a software reset",
    "watchdog": "a watchdog reset",
    "unknown": "an unknown reset",
}
_TIME_WIDTH, _KIND_WIDTH = 10, 7


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened, for people. *kind* is one word."""

    kind: str
    text: str


def line_of(event: Event) -> Line | None:
    """The line for *event*; None for Progress, which is drawn, not told."""
    match event:
        case Booted(bank, version, mode, cause, reasons):
            what = f"bank {bank}, version {version}" if bank else "nothing can be run"
            after = _CAUSES.get(cause, cause)
            return Line("boot", f"{what} ({mode}, after {after}): {'; '.join(reasons)}")
        case Decided(step, active, inactive, module):
            return Line("decide", f"{step}: active {active}, inactive {inactive}, module {module}")
        case ModuleSaid(code, text):
            return Line("module", f"{code} {text}".rstrip())
        case ModuleTold(text):
            return Line("tell", text)
        case JournalWritten(bank, phase, detail):
            return Line("journal", f"bank {bank} {phase}" + (f": {detail}" if detail else ""))
        case Resumed(bank, sectors_done, piece_start):
            start = f", package read from byte {piece_start}" if piece_start else ""
            return Line("resume", f"bank {bank}: sectors done already: {sectors_done}{start}")
        case SelfTested(passed):
            return Line("test", f"the new image's self-test {'passed' if passed else 'failed'}")
        case Problem(text):
            return Line("problem", text)
        case Progress():
            return None
        case _:
            assert_never(event)


def plain_line(line: Line, time_us: int) -> str:
    """For a file: whatever its length, one line, so that it can be searched."""
    time = f"{time_us / 1e6:.3f} s"
    return f"{time:>{_TIME_WIDTH}} {line.kind:<{_KIND_WIDTH}} {line.text}"


def render_line(line: Line, time_us: int) -> Table:
    """Three columns: simulated time, kind, text; long text hangs below itself."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=_TIME_WIDTH, justify="right", no_wrap=True)
    grid.add_column(width=_KIND_WIDTH, no_wrap=True)
    grid.add_column(overflow="fold")
    style = _STYLES.get(line.kind, "")
    time = Text(f"{time_us / 1e6:.3f} s", style="dim")
    grid.add_row(time, Text(line.kind, style=style), Text(line.text))
    return grid


def event_json(event: Event, time_us: int) -> dict[str, Any]:
    """The event's own fields, its name first, and the simulated time at the end."""
    return {"event": event_name(type(event).__name__), **asdict(event), "time_us": time_us}
