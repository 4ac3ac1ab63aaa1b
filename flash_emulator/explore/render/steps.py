"""Films of searches for the player."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flash_emulator.explore.render.film import operation_kind
from flash_emulator.explore.render.moment import moment_texts
from flash_emulator.explore.replay import Film, Frame
from flash_emulator.player import FlashMap, Step, film_json
from flash_emulator.player.film import doing_of


def steps_of_film(film: Film) -> Iterator[Step]:
    """One for each frame."""
    yield from map(_step, film.frames)


def _step(frame: Frame) -> Step:
    moment = frame.moment
    return Step(
        frame.boot,
        frame.operation,
        frame.kind,
        frame.text,
        frame.sectors,
        frame.address,
        doing_of(operation_kind(frame)),
        frame.span,
        is_mapped=frame.is_mapped,
        moment=None if moment is None else moment_texts(moment, is_end=frame.kind != "cut"),
    )


def played(film: Film, array: FlashMap, facts: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    """All of *film*, as the player takes it."""
    return film_json(array, steps_of_film(film), facts=list(facts))
