"""What a cut leaves of the operation that it hits, cell by cell.

The model, with all its chances:

* A cell *moves* when the operation changes it: from 1 to 0 in a program, from 0 to 1 in an erase.
  No other cell is touched.
* TORN: a share of the moving cells has moved, each by itself. The share is drawn for each cut,
  evenly from 2 to 98 percent.
* METASTABLE: as TORN, and one in four of the moving cells, at least one, is metastable.
* BLANK: of a program on a part with ECC, exactly one cell has moved: the unit reads 0xFF,
  corrected, and is consumed. On a part without ECC no cell has moved; a blank unit is marginal. Of
  an erase: all cells read 1, and the units of an ECC part are consumed; without ECC they are
  marginal.
* WEAK: all cells have moved. Of a program, one in four of the moving cells, at least one, is
  fading: it reads right after the next power-on; half of them (evenly) no longer after the one
  that follows, the others after one more. Of an erase, the units are marginal: they can be
  programmed, and what is programmed fades like that. And one in four of the cells that the erase
  has moved, at least one in each unit, is fading too: later reads may show the old zeros again.
* An erase that was cut decides what was metastable or fading: such a cell has moved, or holds its
  last stable state. (The model's choice; no document says.)
* Where a word is given for a unit that is left torn or metastable, that takes the place of the draw
  of which cells have moved. It must be one that the draw could come to.
* A unit of a sector whose erase was cut is marginal where all its cells read 1, whatever it was
  before. Only an erase that completes makes it virgin.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from flash_emulator.array.cells import Cells
from flash_emulator.array.pages import Mark, RawUnit
from flash_emulator.power import Outcome

Draw = tuple[int, int, float]

_NONE: Mapping[int, int] = MappingProxyType({})
SHARES = range(5, 252)  # of 256: evenly from 2 to 98 percent
WEAK_SHARE = 64  # of 256: one in four


def cut_program(
    cells: Cells,
    unit: int,
    new: int,
    outcome: Outcome,
    rng: random.Random,
    words: Mapping[int, int] = _NONE,
) -> None:
    """Leave of programming the word *new* (check bits included) into *unit* what *outcome* says.

    *words*: those given, by unit. ValueError where that cannot be left of this.
    """
    _check_words(words, outcome, range(unit, unit + 1))
    old = held(cells, unit)
    moving = old.word & ~new
    bits = cells.word_bits
    match outcome:
        case Outcome.BEFORE:
            pass
        case Outcome.TORN | Outcome.METASTABLE:
            moved = moving & chance(rng, bits, rng.choice(SHARES))
            if unit in words:
                moved = _moved_to(unit, old.word, moving, words[unit])
            unsure = some(rng, moving, bits) if outcome is Outcome.METASTABLE else 0
            torn = cleared(old, moved)
            cells.set_word(unit, RawUnit(torn.word, torn.metastable | unsure, torn.fading))
        case Outcome.BLANK if cells.code:
            cells.set_word(unit, cleared(old, pick(rng, moving)))
        case Outcome.BLANK:
            if old.word == (1 << bits) - 1:
                raw = RawUnit(old.word, old.metastable, old.fading, consumed=False, marginal=True)
                cells.set_word(unit, raw)
        case Outcome.WEAK:
            cells.set_word(unit, weak(old, moving, bits, rng))
        case Outcome.AFTER:
            cells.set_word(unit, programmed(old, new, bits, rng))


def _check_words(words: Mapping[int, int], outcome: Outcome, units: range) -> None:
    if words and outcome not in (Outcome.TORN, Outcome.METASTABLE):
        raise ValueError(f"outcome {outcome} leaves no word of one's own choice")
    for unit in words:
        if unit not in units:
            raise ValueError(f"unit {unit:x} is not cut: expected one of {units.start:x} on")


def _moved_to(unit: int, old: int, moving: int, word: int) -> int:
    """Which cells have moved where *old* has become *word*."""
    if (moved := old ^ word) & ~moving:
        raise ValueError(f"unit {unit:x}: of {old:x} a cut does not leave {word:x}")
    return moved


def held(cells: Cells, unit: int) -> RawUnit:
    """The unit bit by bit, also where it is plain."""
    return cells.raw(unit) or RawUnit(cells.word(unit))


def programmed(old: RawUnit, new: int, bits: int, rng: random.Random) -> RawUnit:
    """A unit after a whole program of the word *new*: cells only go from 1 to 0.

    Cells that *new* leaves 1 get no pulse: what was metastable or fading there stays so.
    """
    if old.marginal:
        return weak(old, old.word & ~new, bits, rng)
    return cleared(old, ~new)


def cleared(old: RawUnit, cells: int) -> RawUnit:
    """*old* with these cells at 0, for good."""
    first, second, third = (mask & ~cells for mask in old.fading)
    return RawUnit(old.word & ~cells, old.metastable & ~cells, (first, second, third))


def weak(old: RawUnit, moved: int, bits: int, rng: random.Random) -> RawUnit:
    """*old* with its *moved* cells at 0: they read right, some of them not for long."""
    unit = cleared(old, moved)
    drifting = some(rng, moved, bits)
    early = drifting & rng.getrandbits(bits)
    first, second, third = unit.fading
    fading = (first, second | early, third | drifting & ~early)
    return RawUnit(unit.word, unit.metastable, fading)


def cut_erase(
    cells: Cells,
    offset: int,
    size: int,
    outcome: Outcome,
    rng: random.Random,
    seed: str | None = None,
    words: Mapping[int, int] = _NONE,
) -> None:
    """Leave of erasing a sector what *outcome* says, over its whole length.

    *seed*: what *rng* was made of; where the same sector is cut again and again, its draws are
    remembered by it. *words*: those given, by unit. ValueError where that cannot be left of this.
    """
    units = range(offset // cells.unit, (offset + size) // cells.unit)
    _check_words(words, outcome, units)
    if outcome is Outcome.BEFORE:
        return
    if outcome is Outcome.AFTER:
        cells.erase(offset, size)
        return
    for unit, raw in _erased(cells, units, outcome, rng, seed, words):
        cells.set_word(unit, raw)


def _erased(
    cells: Cells,
    units: range,
    outcome: Outcome,
    rng: random.Random,
    seed: str | None,
    words: Mapping[int, int],
) -> Iterator[tuple[int, RawUnit]]:
    bits = cells.word_bits
    ones = (1 << bits) - 1
    if outcome is Outcome.BLANK:
        refuses = cells.code is not None
        raw = RawUnit(ones, consumed=refuses, marginal=not refuses)
        yield from ((unit, raw) for unit in units)
        return
    if outcome is Outcome.WEAK:
        yield from _weakly_erased(cells, units, rng, seed)
        return
    unsure = outcome is Outcome.METASTABLE
    if seed is None:
        draws = _erase_draws(rng, len(units), bits, unsure)
    else:
        draws = _remembered_draws(seed, len(units), bits, unsure)
    marks = cells.marks(units.start, len(units))
    for unit, mark, (moved, quarter, one) in zip(units, marks, draws, strict=True):
        if mark == Mark.UNKNOWN:
            if unit in words:
                raise ValueError(f"unit {unit:x}: nothing is known of what it held")
            continue  # nothing is known of what part of it is left
        old = cells.word(unit)
        word = old | moved
        if unit in words:
            word = old | _moved_to(unit, old, ones & ~old, words[unit])
        doubtful = _some(ones & ~old, quarter, one) if unsure else 0
        clean = word == ones and not doubtful
        yield unit, RawUnit(word, metastable=doubtful, consumed=not clean, marginal=clean)


def _weakly_erased(
    cells: Cells, units: range, rng: random.Random, seed: str | None
) -> Iterator[tuple[int, RawUnit]]:
    bits = cells.word_bits
    draws = _weak_draws(rng, len(units), bits) if seed is None else _kept(seed, len(units), bits)
    for unit, draw in zip(units, draws, strict=True):
        if not cells.is_unknown(unit):  # of those nobody knows what may come back
            yield unit, _weakly_erased_unit(cells, unit, draw)


def _weakly_erased_unit(cells: Cells, unit: int, draw: Draw) -> RawUnit:
    """All cells read 1; some that were 0 do so for one power-on, others for two."""
    quarter, early, one = draw
    ones = (1 << cells.word_bits) - 1
    drifting = _some(ones & ~cells.word(unit), quarter, one)
    return RawUnit(
        ones, fading=(0, drifting & early, drifting & ~early), consumed=False, marginal=True
    )


def weaken_erase(cells: Cells, before: Cells, units: range, seed: str) -> None:
    """The complete erase of *units* was weak after all; *before*: what they were."""
    draws = _kept(seed, len(units), cells.word_bits)
    for unit, draw in zip(units, draws, strict=True):
        if before.is_unknown(unit):  # as in ``_weakly_erased``: it is as it was
            cells.forget(unit * cells.unit, cells.unit)
            cells.exclude(unit, before.not_held(unit))
        else:
            cells.set_word(unit, _weakly_erased_unit(before, unit, draw))


def drift(cells: Cells, units: range, seed: str) -> None:
    """Of *units* that are virgin, some cells drift back to 0, whatever they were before."""
    bits, draws = cells.word_bits, _kept(seed, len(units), cells.word_bits)
    ones = (1 << bits) - 1
    for unit, (quarter, early, one) in zip(units, draws, strict=True):
        if not cells.is_unknown(unit) and cells.is_virgin(unit):
            drifting = _some(ones, quarter, one)
            fading = (0, drifting & early, drifting & ~early)
            cells.set_word(unit, RawUnit(ones, fading=fading, consumed=False, marginal=True))


def erased_unit(cells: Cells, units: range, unit: int, outcome: Outcome, seed: str) -> RawUnit:
    """What ``cut_erase`` of the sector of *units*, with the same draws, leaves of one *unit*."""
    ones = (1 << cells.word_bits) - 1
    match outcome:
        case Outcome.BEFORE:
            return held(cells, unit)
        case Outcome.TORN | Outcome.METASTABLE:
            unsure = outcome is Outcome.METASTABLE
            draws = _remembered_draws(seed, len(units), cells.word_bits, unsure)
            moved, quarter, one = draws[unit - units.start]
            old = cells.word(unit)
            return RawUnit(old | moved, _some(ones & ~old, quarter, one) if unsure else 0)
        case Outcome.WEAK:
            draws = _kept(seed, len(units), cells.word_bits)
            return _weakly_erased_unit(cells, unit, draws[unit - units.start])
        case _:
            return RawUnit(ones)


def _erase_draws(rng: random.Random, units: int, bits: int, unsure: bool) -> tuple[Draw, ...]:
    """For each unit: cells that have moved; and, of those that are unsure, a quarter and one."""
    share = rng.choice(SHARES)
    return tuple(
        (
            chance(rng, bits, share),
            chance(rng, bits, WEAK_SHARE) if unsure else 0,
            rng.random() if unsure else 0.0,
        )
        for _ in range(units)
    )


@lru_cache(maxsize=128)
def _remembered_draws(seed: str, units: int, bits: int, unsure: bool) -> tuple[Draw, ...]:
    return _erase_draws(random.Random(seed), units, bits, unsure)  # noqa: S311


def _weak_draws(rng: random.Random, units: int, bits: int) -> tuple[Draw, ...]:
    """For each unit: a quarter of its cells, half of them, and one."""
    return tuple(
        (chance(rng, bits, WEAK_SHARE), rng.getrandbits(bits), rng.random()) for _ in range(units)
    )


@lru_cache(maxsize=128)
def _kept(seed: str, units: int, bits: int) -> tuple[Draw, ...]:
    return _weak_draws(random.Random(seed), units, bits)  # noqa: S311


def chance(rng: random.Random, bits: int, share: int) -> int:
    """*bits* random bits, each 1 with probability *share* / 256."""
    mask = 0
    for position in range(8):
        if share >> position & 1:
            mask |= rng.getrandbits(bits)
        else:
            mask &= rng.getrandbits(bits)
    return mask


def some(rng: random.Random, mask: int, bits: int) -> int:
    """One in four of the bits of *mask*, at least one where there is any.

    It takes as much of *rng* for every mask, so that what comes next does not depend on this one.
    """
    quarter = chance(rng, bits, WEAK_SHARE)
    return _some(mask, quarter, rng.random())


def _some(mask: int, quarter: int, one: float) -> int:
    return mask & quarter or _nth(mask, int(one * mask.bit_count()))


def pick(rng: random.Random, mask: int) -> int:
    """One bit of *mask*, each with the same chance; none where there is none."""
    return _nth(mask, int(rng.random() * mask.bit_count()))


def _nth(mask: int, place: int) -> int:
    """The bit of *mask* that has *place* lower ones below it."""
    for _ in range(place):
        mask &= mask - 1
    return mask & -mask
