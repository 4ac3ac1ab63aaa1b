"""JSON as a pack has it: written in one way only, so that a file is its value and nothing else."""

from __future__ import annotations

import json
from typing import Any


class Malformed(ValueError):
    """A text that is no JSON, or not in the one way that it is written in a pack."""


def text_of(value: Any) -> bytes:
    """Two spaces, keys in their order, characters as they are, a line end behind it."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def parsed(data: bytes) -> Any:
    """The value. Raises Malformed."""
    try:
        value = json.loads(data.decode(), object_pairs_hook=_once)
        again = text_of(value)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"no JSON text: {error}") from error
    if again != data:
        raise Malformed("not in the one way that JSON is written in a pack")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice in an object")
    return value
