"""What another tool found, held against the hall.

A tool's results are one JSON object: by the name of a brick, what the tool says of the brick and of
its good twin, true where it says that a cut of power breaks it::

    {"option_byte_toggle": {"brick": true, "twin": false}, ...}
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.table import Table

from examples.hall_of_bricks.catalogue import CLASSES, Brick, bricks

Results = Mapping[str, Mapping[str, bool]]


class BadResults(ValueError):
    """The file is not of the form that is expected."""


def read(path: Path, known: Sequence[str]) -> Results:
    """The results in *path*. Raises BadResults, with what is wrong."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
    except (OSError, ValueError, RecursionError) as error:
        raise BadResults(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadResults(f"{path}: expected an object by name of brick, found {data!r:.40}")
    for name, said in data.items():
        if name not in known:
            raise BadResults(f"{path}: {name}: no brick of that name")
        is_complete = isinstance(said, dict) and said.keys() == {"brick", "twin"}
        if not is_complete or not all(isinstance(each, bool) for each in said.values()):
            raise BadResults(
                f'{path}: {name}: expected {{"brick": true or false, "twin": true or false}}, '
                f"found {json.dumps(said)}"
            )
    return data


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON. Raises ValueError where it has a name twice: which one would count?"""
    made = dict(pairs)
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise ValueError(f"{name}: {count} times in one object")
    return made


COLUMNS = "bricks", "told apart", "found", "good twins accused", "not run"


def scored(results: Results, chosen: Sequence[Brick]) -> list[tuple[str | int, ...]]:
    """By class, the COLUMNS. *told apart*: found, and the good twin is not accused; a tool that
    accuses everything tells nothing apart."""
    rows: list[tuple[str | int, ...]] = []
    for each in CLASSES:
        of_class = [brick.name for brick in chosen if brick.found_by == each]
        said = [results[name] for name in of_class if name in results]
        found = sum(one["brick"] for one in said)
        accused = sum(one["twin"] for one in said)
        apart = sum(one["brick"] and not one["twin"] for one in said)
        rows.append((each, len(of_class), apart, found, accused, len(of_class) - len(said)))
    return rows


def show(path: Path, chosen: Sequence[Brick], fail: Callable[[str], NoReturn]) -> int:
    """Print the score. Exit code 0 when each of the *chosen* is told apart from its good twin."""
    try:
        rows = scored(read(path, [brick.name for brick in bricks()]), chosen)
    except BadResults as error:
        fail(str(error))
    made = Table("the least that finds it", *COLUMNS)
    total = [sum(map(int, numbers)) for numbers in zip(*(row[1:] for row in rows), strict=True)]
    for row in [*rows, ("all", *total)]:
        made.add_row(*map(str, row))
    Console().print(made)
    return 0 if total[1] == total[0] else 1
