"""The cells of the table: what is searched, and what came of it as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from examples.strategies import mended
from examples.strategies.judge import OPTIONS_LOST
from examples.strategies.ours import Ours, ours, swap_of_banks
from examples.strategies.overwrite import Overwrite
from examples.strategies.places import DoesNotFit, shortened
from examples.strategies.sentences import sentence
from examples.strategies.swap_move import SwapByMove
from examples.strategies.swap_scratch import SwapByScratch
from examples.strategies.world import World
from flash_emulator import EmulatedFlash, Part, load_part
from flash_emulator.explore import (
    Counterexample,
    ExternalState,
    Film,
    Limits,
    Path,
    Report,
    Search,
    SearchOptions,
    replay,
)
from flash_emulator.power import Outcome as Cut
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.strategies import hazard

PARTS: Mapping[str, str] = {
    "f1": "STM32F103x8",
    "f4": "STM32F429xI",
    "l4": "STM32L476xG",
    "u5": "STM32U575xI",
    "h5": "STM32H563xI",
    "h7": "STM32H743xI",
    "h7ab": "STM32H7A3xI",
}
"""One part of each class of ``flash_emulator/classes.toml``."""

PUBLISHED, MENDED, OURS = "as published", "mended", "ours"

STRATEGIES: Mapping[str, tuple[str, ...]] = {
    "overwrite": (PUBLISHED, MENDED),
    "swap-scratch": (PUBLISHED, MENDED),
    "swap-move": (PUBLISHED, MENDED),
    "bank-swap": (OURS,),
    "copy": (OURS,),
    "option-toggle": (OURS,),
}
"""All six, with the variants of each."""

IMAGES = ("good", "bad")
"""A good image, to be installed; one that fails its test, to be reverted."""

_ALGORITHMS = {
    ("overwrite", PUBLISHED): Overwrite,
    ("overwrite", MENDED): mended.overwrite,
    ("swap-scratch", PUBLISHED): SwapByScratch,
    ("swap-scratch", MENDED): mended.swap_by_scratch,
    ("swap-move", PUBLISHED): SwapByMove,
    ("swap-move", MENDED): mended.swap_by_move,
}
SECTOR_UNITS = 64  # of the smallest sector: the trailer takes 22 on an F1
_STATES = 3000  # of one search, at most
_STOPPED = {"states": f"nothing found within {_STATES:,} states"}
_SAFE_FIRST = ("safe", "lost", "live")


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One search: of a *strategy* in one *variant* on the part of a class, with one *image*."""

    strategy: str
    variant: str
    family: str
    image: str

    @property
    def id(self) -> str:
        variant = "published" if self.variant == PUBLISHED else self.variant
        return f"{self.strategy}/{variant}/{PARTS[self.family]}/{self.image}"

    @property
    def part(self) -> Part:
        return load_part(PARTS[self.family])


def all_cells() -> list[Cell]:
    return [
        Cell(strategy, variant, family, image)
        for strategy, variants in STRATEGIES.items()
        for variant in variants
        for family in PARTS
        for image in IMAGES
    ]


def cell_of(name: str) -> Cell:
    """Raises ValueError for one that is none."""
    found = next((cell for cell in all_cells() if cell.id == name), None)
    if found is None:
        raise ValueError(f"no such cell: {name}; expected one such as {all_cells()[0].id}")
    return found


def subject_of(cell: Cell, *, units: int | None = SECTOR_UNITS) -> World | Ours:
    """*units*: of a sector in the first three strategies; None: as many as the part has.

    Raises DoesNotFit.
    """
    is_good = cell.image == "good"
    make = _ALGORITHMS.get((cell.strategy, cell.variant))
    if make is None:
        return ours(cell.part, _strategy(cell), is_good=is_good)
    part = cell.part if units is None else shortened(cell.part, units)
    return World(part, make(part), is_good=is_good)


def _strategy(cell: Cell) -> Strategy:
    named = {"copy": Strategy.COPY, "option-toggle": Strategy.OPTION_TOGGLE}
    return named.get(cell.strategy) or swap_of_banks(cell.part)


def from_certificate(world: Mapping[str, str]) -> tuple[World | Ours, EmulatedFlash, ExternalState]:
    """What a certificate is of: for ``flash_emulator.certificate_check``."""
    subject = subject_of(cell_of(world["cell"]))
    return subject, subject.flash, subject.external


# --- searches


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one cell: "passed", "known hazard", "failed", "does not fit", or "not closed"
    where the limit of states stopped a search that found nothing.

    *cuts* in a row to the shortest counterexample; *text*: a sentence on it, or why it does not
    fit. *searched*: states by the least number of cuts to them.
    """

    cell: str
    verdict: str
    question: str = ""
    cuts: int | None = None
    path: str = ""
    text: str = ""
    searched: tuple[int, ...] = ()


def explore_cell(cell: Cell) -> Outcome:
    try:
        subject = subject_of(cell)
    except DoesNotFit as why:
        return Outcome(cell.id, "does not fit", text=str(why))
    options = SearchOptions(limits_of(cell))
    report = Search(subject, subject.flash, subject.external, options).run()
    return outcome_of(cell, subject, report)


def limits_of(cell: Cell) -> Limits:
    """A hazard that is known is found again and again; anything else ends a search."""
    violations = None if _is_hazardous(cell) else 1
    return Limits(states=_STATES, violations=violations)


def outcome_of(cell: Cell, subject: World | Ours, report: Report) -> Outcome:
    if not report.violations:
        verdict = "passed" if report.complete else "not closed"
        text = _STOPPED.get(report.stopped_by, "")
        return Outcome(cell.id, verdict, text=text, searched=report.levels)
    unexplained = [v for v in report.violations if not v.text.startswith(OPTIONS_LOST)]
    is_hazard = _is_hazardous(cell) and not unexplained and report.complete
    first = min(unexplained or report.violations, key=_shortness)
    film = film_of(subject, first.path)
    return Outcome(
        cell.id,
        "known hazard" if is_hazard else "failed",
        first.question,
        len(first.path.cuts),
        str(first.path),
        sentence(film, subject),
        report.levels,
    )


def _is_hazardous(cell: Cell) -> bool:
    return cell.variant == OURS and not hazard(cell.part, _strategy(cell)).harmless


def _shortness(found: Counterexample) -> tuple[object, ...]:
    """Fewest cuts first; then those that need no unit to read otherwise than it last did; a unit
    that is torn is what most readers expect."""
    text = str(found.path)
    cuts = found.path.cuts
    others = sum(cut.outcome is not Cut.TORN for cut in cuts)
    question = _SAFE_FIRST.index(found.question) if found.question in _SAFE_FIRST else 9
    return len(cuts), text.count("!"), question, others, len(text), text


def film_of(subject: World | Ours, path: Path) -> Film:
    """Raises PathLeft where *path* does not fit."""
    return replay(subject, subject.flash, subject.external, path, SearchOptions())
