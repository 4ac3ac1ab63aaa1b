"""What another tool found, held against the hall.

A tool's results are one JSON object: by the name of a brick, what the tool says of the brick and of
its good twin, true where it says that a cut of power breaks it::

    {"option_byte_toggle": {"brick": true, "twin": false}, ...}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.table import Table

from examples.hall_of_bricks.catalogue import CLASSES, Brick

Results = Mapping[str, Mapping[str, bool]]


class BadResults(ValueError):
    """The file is not of the form that is expected."""


def read(path: Path, known: Sequence[str]) -> Results:
    """The results in *path*. Raises BadResults, with what is wrong."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
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


def scored(results: Results, chosen: Sequence[Brick]) -> list[tuple[str, int, int, int, int]]:
    """By class: bricks, found of them, good twins accused, bricks that the tool was not given."""
    rows = []
    for each in CLASSES:
        of_class = [brick.name for brick in chosen if brick.found_by == each]
        said = [results[name] for name in of_class if name in results]
        found = sum(one["brick"] for one in said)
        accused = sum(one["twin"] for one in said)
        rows.append((each, len(of_class), found, accused, len(of_class) - len(said)))
    return rows


def show(path: Path, chosen: Sequence[Brick], fail: Callable[[str], NoReturn]) -> int:
    """Print the score. Exit code 0 when all bricks were found and no good twin is accused."""
    try:
        rows = scored(read(path, [brick.name for brick in chosen]), chosen)
    except BadResults as error:
        fail(str(error))
    made = Table("the least that finds it", "bricks", "found", "good twins accused", "not run")
    total = [sum(numbers) for numbers in zip(*(row[1:] for row in rows), strict=True)]
    for name, *numbers in [*rows, ("all", *total)]:
        made.add_row(str(name), *map(str, numbers))
    Console().print(made)
    bricks, found, accused, _ = total
    return 0 if found == bricks and not accused else 1
