"""A board as it is now, for the player: one frame, why it runs what it runs, marks of its past."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flash_emulator.array.pages import Mark
from flash_emulator.explore.render.moment import touched_lines
from flash_emulator.explore.touched import Target, touched
from flash_emulator.player import Step, film_json, sector_signs
from mcu_updater.board import Board
from mcu_updater.board_view.recorder import map_of, reasons, sections_json
from mcu_updater.board_view.view import mapped_next
from mcu_updater.core.errors import address_text
from mcu_updater.report.why import Section

_SHOWN = 8  # units, and sectors


def film_of_now(board: Board, title: str, notes: tuple[str, ...] = ()) -> dict[str, Any]:
    """As the player takes it. Changes nothing."""
    decision = board.would_boot()
    runs = decision.version or "nothing"
    step = Step(
        boot=0,
        operation=0,
        kind="now",
        text=f"the next start runs {runs}: {'; '.join(decision.reasons)}",
        signs=sector_signs(board.device),
        time_us=board.clock.now_us,
        is_mapped=bool(mapped_next(board)),
    )
    sections = [*reasons(board), Section("Marks of its past", tuple(_marks(board)))]
    return film_json(
        map_of(board),
        [step],
        title=title,
        facts=list(_facts(board, runs)),
        notes=list(notes),
        sections=sections_json(sections),
    )


def _facts(board: Board, runs: str) -> Iterator[tuple[str, str]]:
    yield "part", board.part.name
    yield "strategy", board.strategy.value
    yield "component", board.component
    yield "runs", runs


def _marks(board: Board) -> Iterator[str]:
    """Wear, and every unit that a cut or a flipped bit has spoilt."""
    usage = board.device.usage
    yield f"{usage.erases:,} sectors erased, {usage.programs:,} units programmed"
    yield from _worn(board)
    spoilt = list(_spoilt(board))
    yield from (_told(board, unit) for unit in spoilt[:_SHOWN])
    if len(spoilt) > _SHOWN:
        yield f"and {len(spoilt) - _SHOWN:,} more units that do not read as they were written"
    if not spoilt:
        yield "every unit reads as it was written"


def _worn(board: Board) -> Iterator[str]:
    counts = board.device.erase_counts
    most = max(counts, default=0)
    if most:
        index = counts.index(most)
        offset = list(board.part.sector_starts)[index]
        place = address_text(map_of(board).address_of(offset))
        yield f"erased most often: the sector at {place}, {most} times"


def _spoilt(board: Board) -> Iterator[int]:
    """Units, by number, that are kept bit by bit."""
    cells, unit = board.device.cells, board.part.program_unit
    for offset, size in board.part.sector_starts.items():
        marks = cells.marks(offset // unit, size // unit)
        if marks.count(Mark.RAW):
            first = offset // unit
            yield from (first + at for at, mark in enumerate(marks) if mark == Mark.RAW)


def _told(board: Board, unit: int) -> str:
    size = board.part.program_unit
    address = map_of(board).address_of(unit * size)
    target = Target("program", address, unit * size, size, b"", "")
    found = touched(board.device, target, None)
    lines = (line.strip() for line in touched_lines(found, is_end=True))
    return "; ".join(lines).removeprefix("flash now: ")
