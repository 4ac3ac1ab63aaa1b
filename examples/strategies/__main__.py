"""Searches all cells, and makes data, page and picture; or searches or replays one of them."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path as File

from examples.strategies import cells, table
from examples.strategies.picture import picture
from flash_emulator.explore import Path, PathLeft, Search, SearchOptions
from flash_emulator.explore.certificate import CertificateWriter


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; 1 where a counterexample was found or replayed; 2 for what cannot be done."""
    given = _parser().parse_args(arguments)
    try:
        if given.replay:
            return _replay(given.replay)
        if given.cell:
            return _search(cells.cell_of(given.cell), given.certificate)
    except (ValueError, PathLeft) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if given.draw:
        _write(table.load(table.DATA.read_text(encoding="utf-8")))
        return 0
    return _make(given.jobs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.strategies", description=__doc__)
    parser.add_argument("--cell", metavar="CELL", help="search this one alone, and write nothing")
    parser.add_argument(
        "--certificate", metavar="FILE", type=File, help="of the search of one --cell"
    )
    parser.add_argument("--replay", metavar="CELL:PATH", help="one counterexample, step by step")
    parser.add_argument("--draw", action="store_true", help="page and picture from table.json")
    parser.add_argument("--jobs", metavar="N", type=int, default=2, help="processes (default: 2)")
    return parser


def _make(jobs: int) -> int:
    began_s = time.monotonic()
    outcomes = []
    with ProcessPoolExecutor(jobs) as executor:
        for outcome in executor.map(cells.explore_cell, cells.all_cells()):
            outcomes.append(outcome)
            levels = " ".join(map(str, outcome.searched))
            print(f"{outcome.cell}: {table.in_short(outcome)} [{levels}]", flush=True)
    _write(outcomes)
    print(f"{table.counts(outcomes)} {time.monotonic() - began_s:.0f} s")
    return 0


def _write(outcomes: Sequence[cells.Outcome]) -> None:
    table.DATA.write_text(table.save(outcomes), encoding="utf-8")
    page = table.PAGE.read_text(encoding="utf-8")
    table.PAGE.write_text(table.with_tables(page, outcomes), encoding="utf-8")
    table.PICTURE.write_text(picture(outcomes), encoding="utf-8")


def _search(cell: cells.Cell, certificate: File | None) -> int:
    outcome = cells.explore_cell(cell)
    print(f"{outcome.cell}: {table.in_short(outcome)}")
    if outcome.text:
        print(outcome.text)
    if outcome.path:
        print(f"python -m examples.strategies --replay {outcome.cell}:{outcome.path}")
    if certificate is not None:
        _certify(cell, certificate)
    return 1 if outcome.verdict in ("failed", "known hazard") else 0


def _certify(cell: cells.Cell, path: File) -> None:
    subject = cells.subject_of(cell)
    with path.open("w+b") as file:
        writer = CertificateWriter(file, {"cell": cell.id})
        search = Search(
            subject,
            subject.flash,
            subject.external,
            SearchOptions(cells.limits_of(cell)),
            observer=writer,
            began=writer.begin,
        )
        writer.finish(search.run())


def _replay(name: str) -> int:
    """*name*: a cell, a colon, and a path."""
    cell, _, path = name.partition(":")
    subject = cells.subject_of(cells.cell_of(cell))
    film = cells.film_of(subject, Path.parse(path))
    for frame in film.frames:
        print(f"boot {frame.boot}  {frame.text}")
    return 1 if film.violation else 0


if __name__ == "__main__":
    sys.exit(main())
