"""The hall of bricks: every brick and its good twin, by four methods.

    python -m examples.hall_of_bricks.hall               all of them, and the table
    python -m examples.hall_of_bricks.hall NAME ...      some of them
    python -m examples.hall_of_bricks.hall --write       and the table into its page
    python -m examples.hall_of_bricks.hall --score FILE  what another tool says of them

Exit code 1 when something is not as ``hall.toml`` has it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NoReturn

from rich import box
from rich.console import Console
from rich.table import Table

from examples.hall_of_bricks import score, table
from examples.hall_of_bricks.catalogue import Brick, bricks
from examples.hall_of_bricks.methods import METHODS, Found, look

Looks = dict[tuple[str, str], Found]


def looks_of(brick: Brick) -> Looks:
    """By all methods."""
    return {
        (which, method): look(brick, which, method)
        for method in METHODS
        for which in ("brick", "twin")
    }


def all_looks(chosen: Sequence[Brick], jobs: int) -> Iterator[tuple[Brick, Looks]]:
    if jobs == 1:
        yield from ((brick, looks_of(brick)) for brick in chosen)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from zip(chosen, pool.map(looks_of, chosen), strict=True)


def shown(rows: Sequence[tuple[Brick, Looks]]) -> Table:
    caption = "Seconds of one core; the good twin: by closure."
    made = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False, caption=caption)
    for name in ("brick", *METHODS, "cuts", "good twin"):
        made.add_column(name.replace(" ", "\n"), overflow="fold", no_wrap=name in METHODS)
    for brick, looks in rows:
        cells = [_cell(looks["brick", method]) for method in METHODS]
        cuts = str(looks["brick", "closure"].cuts)
        made.add_row(brick.name, *cells, cuts, _twin(looks))
    return made


def _cell(found: Found) -> str:
    return f"{'yes' if found.is_brick else 'no'} {found.seconds:.1f}"


def _twin(looks: Looks) -> str:
    accusing = [method for method in METHODS if looks["twin", method].is_brick]
    if accusing:
        return f"ACCUSED by {', '.join(accusing)}"
    closure = looks["twin", "closure"]
    said = "passed" if closure.is_complete else "NOT COMPLETE"
    return f"{said} {closure.seconds:.1f}"


def run(chosen: Sequence[Brick], *, jobs: int, page: Path | None) -> int:
    """Look at them, show the table, and write it to *page*. The exit code."""
    console, progress, began = Console(), Console(stderr=True), time.perf_counter()
    rows = []
    for brick, looks in all_looks(chosen, jobs):
        rows.append((brick, looks))
        progress.print(f"{len(rows)} of {len(chosen)}: {brick.name}", highlight=False)
        for fault in table.wrong(brick, looks):
            console.print(f"{brick.name}: {fault}", style="red", markup=False, soft_wrap=True)
    console.print(shown(rows))
    wrong = sum(bool(table.wrong(*each)) for each in rows)
    console.print(
        f"{len(rows)} bricks, {wrong} not as expected, {time.perf_counter() - began:.0f} s"
    )
    if page is not None and not wrong:
        table.write(page, chosen, [table.row(*each) for each in rows])
    return 1 if wrong else 0


def _choose(names: Sequence[str], fail: Callable[[str], NoReturn]) -> tuple[Brick, ...]:
    known = {brick.name: brick for brick in bricks()}
    for name in names:
        if name not in known:
            fail(f"{name}: no brick of that name; expected one of {', '.join(known)}")
    return tuple(known[name] for name in names) or tuple(known.values())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="hall", description="Every brick and its good twin.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these bricks")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--write", action="store_true", help="write the table into its page")
    parser.add_argument("--score", type=Path, metavar="FILE", help="score the results of a tool")
    given = parser.parse_args(arguments)
    chosen = _choose(given.names, parser.error)
    if given.write and given.names:
        parser.error("--write: the page has all bricks; expected no names")
    if given.score is not None:
        return score.show(given.score, chosen, parser.error)
    return run(chosen, jobs=given.jobs, page=table.PAGE if given.write else None)


if __name__ == "__main__":
    sys.exit(main())
