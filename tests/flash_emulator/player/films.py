"""A reader of films of its own: what the player must come to, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def signs_of(film: Mapping[str, Any]) -> Iterator[str]:
    """Of all sectors, in every frame."""
    signs = ["."] * sum(count for count, _ in film["map"]["sizes"])
    for frame in film["frames"]:
        for first, text in frame[5]:
            signs[first : first + len(text)] = text
        yield "".join(signs)
