"""What fixed pieces of work cost, by turns with the commit before.

    python -m benchmarks.history run [--before REV] [--commit REV] [--runs N] [--only NAME ...]
    python -m benchmarks.history say [--before REV] [--runs N]
    python -m benchmarks.history page

``run`` writes benchmarks/history/results/COMMIT.json and draws the page again; ``say`` writes
nothing, prints what costs more than a tenth more than before, and ends with 0 whatever it finds:
a clock decides nothing here. ``page`` draws docs/explanation/speed.md from the files.
"""

from __future__ import annotations

import argparse
import os
import sys

from benchmarks.history import page
from benchmarks.history.kernels import KERNELS
from benchmarks.history.measure import DEARER, NotThere, Run, line, measured, resolved


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.history", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("what", choices=("run", "say", "page"))
    parser.add_argument("--before", default="HEAD^", metavar="REV", help="default: %(default)s")
    parser.add_argument("--commit", metavar="REV", help="instead of the sources as they lie here")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="default: %(default)s")
    parser.add_argument("--only", nargs="+", choices=KERNELS, default=[*KERNELS], metavar="NAME")
    options = parser.parse_args()
    if options.what != "page":
        run = _run(options)
        if options.what == "say":
            _say(run)
            return 0
        page.keep(run)
    page.draw()
    return 0


def _run(options: argparse.Namespace) -> Run:
    try:
        now = resolved(options.commit) if options.commit else None
        before = resolved(options.before)
    except NotThere:
        if options.commit or options.what == "run":
            sys.exit(f"history: no commit {options.commit or options.before} in this clone")
        print(f"history: no commit {options.before} in this clone (shallow?): nothing to compare")
        sys.exit(0)
    print(f"by turns with {before[:12]}, {options.runs} samples each, CPU time", flush=True)
    return measured(options.only, options.runs, before=before, now=now, tell=_tell)


def _tell(text: str) -> None:
    print(text, flush=True)


def _say(run: Run) -> None:
    dearer = {name: figure for name, figure in run.figures.items() if figure.dearer}
    for name, figure in dearer.items():
        text = f"costs more than {DEARER - 1:.0%} more than before: {line(name, figure)}"
        print(f"::warning title=Speed::{text}" if os.environ.get("GITHUB_ACTIONS") else text)
    if not dearer:
        print(f"nothing costs more than {DEARER - 1:.0%} more than before")


if __name__ == "__main__":
    sys.exit(main())
