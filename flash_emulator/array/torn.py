"""What a unit may be left as, so that it reads as somebody wants: for searches, not for boots.

A cut leaves each cell that the operation moves as it was, or moved, each by itself. So a unit may
hold any word between its old and its new one. Of those a search needs the few that the code under
test tells apart: the ones that read as what it compares them with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, combinations

from flash_emulator.array.ecc import Code, Verdict
from flash_emulator.array.pages import Slice

_MOST_PAIRS = 256  # of cells that are turned together, to make a word read otherwise


def reads_as(code: Code | None, word: int, wanted: Slice) -> bool:
    """Whether a read of the cells *word* gives this slice; not where it cannot be read."""
    mask, value = _cells_of([wanted]) or (0, 0)
    if code is None:
        return word & mask == value
    decoded = code.decode(word)
    return decoded.verdict is not Verdict.DETECTED and decoded.data & mask == value


def torn_word(code: Code | None, word: int, moving: int, wanted: Iterable[Slice]) -> int | None:
    """Cells that differ from *word* in *moving* ones only, and read as all of *wanted*.

    As few differ as is simple to find. None where no such cells read so: with ECC the check bits
    must fit, but for one wrong cell, which is corrected.
    """
    cells = _cells_of(wanted)
    if cells is None:
        return None
    mask, value = cells
    if code is None:
        return word & ~mask | value if not (word ^ value) & mask & ~moving else None
    for found in _code_words(code, word, moving, mask, value):
        decoded = code.decode(found)
        fits = not (found ^ word) & ~moving and decoded.data & mask == value
        if fits and decoded.verdict is not Verdict.DETECTED:
            return found
    return None


def other_word(
    code: Code | None, word: int, moving: int, unwanted: Slice, kept: Sequence[Slice]
) -> int | None:
    """Cells that differ from *word* in few *moving* ones, and do not read as *unwanted*.

    But still as all of *kept*. None where none is found.
    """
    mask, _ = _cells_of([unwanted]) or (0, 0)
    free = list(_bits(moving & ~(_cells_of(kept) or (0, 0))[0]))
    inside = [bit for bit in free if mask >> bit & 1]
    pairs = combinations([*inside, *(bit for bit in free if bit not in inside)], 2)
    turns = chain(([bit] for bit in inside), (list(pair) for pair in pairs))
    for turned, _ in zip(turns, range(_MOST_PAIRS), strict=False):
        found = word ^ sum(1 << bit for bit in turned)
        if not reads_as(code, found, unwanted) and all(reads_as(code, found, k) for k in kept):
            return found
    return None


def _cells_of(slices: Iterable[Slice]) -> tuple[int, int] | None:
    """Which data cells the slices name, and what these hold; None where two slices disagree."""
    mask = value = 0
    for begin, part in slices:
        cells = ((1 << 8 * len(part)) - 1) << 8 * begin
        number = int.from_bytes(part, "little") << 8 * begin
        if (value ^ number) & mask & cells:
            return None
        mask, value = mask | cells, value | number
    return mask, value


def _code_words(code: Code, word: int, moving: int, mask: int, value: int) -> Iterator[int]:
    """Candidates: code words, and those with one wrong cell, whose data are *value* in *mask*.

    Data cells outside of *mask* that move are free. They are chosen so that the check cells that
    do not move are right: a system of linear equations over two elements, one for each of those.
    """
    size = code.data_bits
    data = word & (1 << size) - 1 & ~mask | value
    wrong = (word ^ data) & mask & ~moving
    if wrong.bit_count() > 1:  # the decoder corrects one
        return
    fixed = ~(moving >> size) & (1 << code.check_bits) - 1
    free = _Basis((bit, code.check(1 << bit) & fixed) for bit in _bits(moving & ~mask, size))
    syndrome = (code.check(data) ^ word >> size) & fixed
    if wrong:
        yield from (code.encode(data ^ turned) ^ wrong for turned in free.sums_to(syndrome))
        return
    yield from (code.encode(data ^ turned) for turned in free.sums_to(syndrome))
    for row in _bits(fixed):
        for turned in free.sums_to(syndrome ^ 1 << row):
            yield code.encode(data ^ turned) ^ 1 << size + row
    for bit in _bits(~moving & ~mask, size):
        for turned in free.sums_to(syndrome ^ code.check(1 << bit) & fixed):
            yield code.encode(data ^ turned ^ 1 << bit) ^ 1 << bit


class _Basis:
    """What sums of some columns can be, and of which."""

    def __init__(self, columns: Iterable[tuple[int, int]]) -> None:
        """*columns*: a bit, and what it adds."""
        self._rows: dict[int, tuple[int, int]] = {}  # by its highest bit: a sum, and of what
        for bit, column in columns:
            rest, turned = self._reduced(column, 1 << bit)
            if rest:
                self._rows[rest.bit_length()] = rest, turned

    def _reduced(self, column: int, turned: int) -> tuple[int, int]:
        while column and (found := self._rows.get(column.bit_length())):
            column, turned = column ^ found[0], turned ^ found[1]
        return column, turned

    def sums_to(self, column: int) -> Iterator[int]:
        """The bits that add up to *column*, or nothing."""
        rest, turned = self._reduced(column, 0)
        if not rest:
            yield turned


def _bits(mask: int, size: int = 512) -> Iterator[int]:
    return (bit for bit in range(size) if mask >> bit & 1)
