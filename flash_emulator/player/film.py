"""A film as the player takes it: JSON, of frames that say what has changed since the last one.

``map``     see ``FlashMap.as_json``
``frames``  rows: boot, operation, kind, text, index of the sector or -1, changes, milliseconds or
            null, and where there is any, more: ``doing`` (erase or program, index of the first
            sector, number of sectors), ``moment`` (stack, source, registers, flash),
            ``mapped`` (true where the CPU sees both banks exchanged)

Changes are runs of sectors, as index of the first and new signs; before the first frame all are
erased. Besides, where they are known: ``title``, ``facts`` (name and text), ``notes``, ``sections``
(heading and lines).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from flash_emulator.player.flash_map import FlashMap
from flash_emulator.printable import printable

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One moment of a film. *kind*: boot, operation, word, cut, violation, end.

    *signs*: of all sectors as they are then. *address*: what it is about. *doing*: erase or
    program, where an operation begins that works on *span*, offset and size in the array.
    *time_us*: of the device's clock. *moment*: see ``explore.render.moment.moment_texts``.
    *is_mapped*: the CPU sees each of two banks where the other one is in the array.
    """

    boot: int
    operation: int
    kind: str
    text: str
    signs: str
    address: int | None = None
    doing: str = ""
    span: tuple[int, int] | None = None
    time_us: int | None = None
    moment: Mapping[str, Any] | None = None
    is_mapped: bool = False


def film_json(flash_map: FlashMap, steps: Iterable[Step], **more: Any) -> dict[str, Any]:
    """*more*: title, facts, notes, sections."""
    frames = list(frame_rows(flash_map, steps))
    return {"format": FORMAT, "map": flash_map.as_json(), "frames": frames, **more}


def frame_rows(flash_map: FlashMap, steps: Iterable[Step]) -> Iterator[list[Any]]:
    """See above."""
    before = "." * len(flash_map.sectors)
    for step in steps:
        row: list[Any] = [step.boot, step.operation, step.kind, printable(step.text)]
        at = -1 if step.address is None else flash_map.index_of(step.address)
        time_ms = None if step.time_us is None else round(step.time_us / 1000)
        row += [at, changes(before, step.signs), time_ms]
        more = _more(flash_map, step)
        yield [*row, more] if more else row
        before = step.signs


def _more(flash_map: FlashMap, step: Step) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if step.doing and step.span is not None:
        indices = flash_map.indices(*step.span)
        more["doing"] = [step.doing, indices.start, len(indices)]
    if step.moment is not None:
        more["moment"] = step.moment
    if step.is_mapped:
        more["mapped"] = True
    return more


def doing_of(kind: str) -> str:
    """What an operation of that kind does to its sectors."""
    return "erase" if kind.endswith("erase") else "program" if kind.endswith("program") else ""


def changes(before: str, now: str) -> list[tuple[int, str]]:
    """Runs of *now* that differ from *before*, which is as long: index of the first, and signs."""
    if before == now:
        return []
    runs = groupby(range(len(now)), lambda index: now[index] != before[index])
    found = [list(run) for differs, run in runs if differs]
    return [(run[0], now[run[0] : run[-1] + 1]) for run in found]
