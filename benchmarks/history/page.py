"""The page of the history: docs/explanation/speed.md, and its picture, from the files of results/.

One small drawing a kernel, runs from left to right. Each run has two marks with their spread:
the commit before (hollow) and the commit (full), measured by turns. What moves both is the
machine; what moves them apart is the change.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.history.kernels import KERNELS
from benchmarks.history.measure import ROOT, Figure, Run, amount

RESULTS = Path(__file__).with_name("results")
PAGE = ROOT / "docs/explanation/speed.md"
PICTURE = ROOT / "docs/assets/speed.svg"

_WIDE, _HIGH, _COLUMNS = 310, 176, 3
_LEFT, _TOP, _PLOT_WIDE, _PLOT_HIGH = 16, 46, 278, 92


def keep(run: Run) -> Path:
    """The run's file: one a commit; a second run of the same commit takes its place."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{run.commit[:12]}.json"
    path.write_text(run.to_json())
    return path


def kept() -> list[Run]:
    """All runs that are kept, the oldest commit first."""
    runs = [Run.from_json(path.read_text()) for path in RESULTS.glob("*.json")]
    return sorted(runs, key=lambda run: (run.date, run.commit))


def draw(page: Path = PAGE, picture: Path = PICTURE) -> None:
    runs = kept()
    page.write_text(text_of(runs))
    picture.write_text(picture_of(runs))


def text_of(runs: Sequence[Run]) -> str:
    rows = [
        f"| `{run.commit[:12]}` | `{run.before[:12]}` | {run.date[:10]} | "
        + " | ".join(_cell(run.figures.get(name)) for name in _names(runs))
        + " |"
        for run in reversed(runs)
    ]
    names = _names(runs)
    head = f"| commit | beside | of | {' | '.join(names)} |\n|{'---|' * (len(names) + 3)}"
    machines = {_machine(run): None for run in runs}
    what = "\n".join(f"* *{name}*: {KERNELS[name].what}" for name in names if name in KERNELS)
    return _WORDS.format(table="\n".join([head, *rows]), what=what, machines="; ".join(machines))


def _names(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.figures))


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return ""
    ratio = "" if figure.ratio is None else f"<br>x{figure.ratio:.2f}"
    return f"{amount(statistics.median(figure.now), figure)}{ratio}"


def _machine(run: Run) -> str:
    found = run.machine
    return f"{found['cpu']}, {found['cores']} cores, Python {found['python']}"


_WORDS = """# Speed, commit by commit

What fixed pieces of work cost (`benchmarks/history/kernels.py`), CPU time of one process. Each
commit was measured by turns with another, mostly the one before it, in one run on one machine:
`make bench` writes the file and draws this page.

![What each piece of work cost, by commit](../assets/speed.svg)

Full marks are the commit, hollow ones what it was measured beside; lines go from the least to the
greatest sample. Where both move, the machine is another one or was busy; where they part, the
change did it. Below: medians, and how many times the cost of the other one (the median of pairs).

{table}

{what}

Machines: {machines}.

CI prints the same for what is checked in, by turns with the commit before, and says what costs more
than a tenth more. It does not fail by that: a clock of a shared machine is no judge.
"""


def picture_of(runs: Sequence[Run]) -> str:
    """An SVG that follows the reader's dark or light."""
    names = _names(runs)
    lines = -(-len(names) // _COLUMNS)
    drawings = "\n".join(
        f'<g transform="translate({index % _COLUMNS * _WIDE} {index // _COLUMNS * _HIGH})">'
        f"{_drawing(name, runs)}</g>"
        for index, name in enumerate(names)
    )
    wide, high = _WIDE * _COLUMNS, _HIGH * max(lines, 1) + 8
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" role="img" \
aria-labelledby="title desc">
<title id="title">What each piece of work cost, by commit</title>
<desc id="desc">{escape(_told(runs))}</desc>
<style>
  :root {{ --ink: #1f2933; --soft: #52606d; --line: #cbd2d9; --now: #0f766e; --paper: #f7f9fb; }}
  @media (prefers-color-scheme: dark) {{
    :root {{ --ink: #e6edf3; --soft: #9fb0c0; --line: #36424e; --now: #3fb59f; --paper: #0f151c; }}
  }}
  text {{ font: 13px system-ui, "DejaVu Sans", sans-serif; fill: var(--soft); }}
  .name {{ font-weight: 600; fill: var(--ink); }}
  .axis {{ stroke: var(--line); }}
  .now {{ stroke: var(--now); fill: var(--now); stroke-width: 1.5; }}
  .before {{ stroke: var(--soft); fill: var(--paper); stroke-width: 1.5; }}
</style>
<rect width="{wide}" height="{high}" rx="10" style="fill: var(--paper)"/>
{drawings}
</svg>
"""


def _told(runs: Sequence[Run]) -> str:
    """The same for whoever does not see it: first and last median of each kernel."""
    told = []
    for name in _names(runs):
        found = [run.figures[name] for run in runs if name in run.figures]
        first, last = (amount(statistics.median(found[at].now), found[at]) for at in (0, -1))
        told.append(f"{name}: first {first}, last {last}")
    return "; ".join(told) + "."


def _drawing(name: str, runs: Sequence[Run]) -> str:
    found = [(at, run.figures[name]) for at, run in enumerate(runs) if name in run.figures]
    most = max(value for _, figure in found for value in (*figure.now, *figure.before))
    last, bottom = found[-1][1], _TOP + _PLOT_HIGH
    step = _PLOT_WIDE / max(len(runs), 1)
    marks = []
    for at, figure in found:
        x = _LEFT + step * (at + 0.5)
        if figure.before:
            marks.append(_mark("before", x - 4, figure.before, most))
        marks.append(_mark("now", x + 4, figure.now, most))
    return (
        f'<text class="name" x="{_LEFT}" y="22">{escape(name)}</text>'
        f'<text x="{_LEFT}" y="39">{escape(amount(statistics.median(last.now), last))}</text>'
        f'<line class="axis" x1="{_LEFT}" x2="{_LEFT + _PLOT_WIDE}" y1="{bottom}" y2="{bottom}"/>'
        f'<text x="{_LEFT}" y="{bottom + 17}">{runs[0].commit[:7]}</text>'
        f'<text x="{_LEFT + _PLOT_WIDE}" y="{bottom + 17}" text-anchor="end">'
        f"{runs[-1].commit[:7]}</text>" + "".join(marks)
    )


def _mark(kind: str, x: float, values: Sequence[float], most: float) -> str:
    """A dot at the median and a line over the spread; the axis begins at nothing."""
    low, middle, high = (
        _TOP + _PLOT_HIGH * (1 - value / most)
        for value in (min(values), statistics.median(values), max(values))
    )
    return (
        f'<g class="{kind}"><line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
        f'<circle cx="{x:.1f}" cy="{middle:.1f}" r="3.2"/></g>'
    )
