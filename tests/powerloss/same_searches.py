"""Whether two versions search alike: reports and certificates of both, times and sources excepted.

    mcu-updater powerloss --json-file one/r.json --certificates one --no-config ...   # each version
    python -m tests.powerloss.same_searches one other

For whoever makes the search faster: states, boots, cuts, verdicts, segments and certificates must
stay what they were. Exit code 1 where anything differs, and what.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

_OWN = {"elapsed_s", "seconds", "created", "command_line", "made_of", "chain", "certificate"}
"""What differs between two runs, or with the sources: the chain of a certificate is over those."""


def differences(one: Path, other: Path) -> Iterator[str]:
    """Of two folders, by file and place in it."""
    ours, theirs = (_files(folder) for folder in (one, other))
    yield from (f"{name}: only in one of them" for name in sorted(ours ^ theirs))
    if not ours & theirs:
        yield f"nothing to compare in {one} and {other}"
    for name in sorted(ours & theirs):
        yield from _between(_values(one / name), _values(other / name), name)


def _files(folder: Path) -> set[str]:
    every = (path for path in folder.rglob("*") if path.suffix in (".json", ".gz"))
    return {str(path.relative_to(folder)) for path in every}


def _values(path: Path) -> list[Any]:
    """A report is one value, a certificate one a line."""
    if path.suffix == ".json":
        return [json.loads(path.read_bytes())]
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def _between(one: Any, other: Any, place: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted((one.keys() | other.keys()) - _OWN):
            yield from _between(one.get(key), other.get(key), f"{place}.{key}")
    elif isinstance(one, list) and isinstance(other, list):
        for index, both in enumerate(zip_longest(one, other)):
            yield from _between(*both, f"{place}[{index}]")
    elif one != other:
        yield f"{place}: {one!r} and {other!r}"


if __name__ == "__main__":
    found = list(differences(Path(sys.argv[1]), Path(sys.argv[2])))
    print("\n".join(found) or "the same")
    sys.exit(bool(found))
