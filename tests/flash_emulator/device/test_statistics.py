"""The chances that ``cuts.py`` states, held to their distribution.

Every test has a fixed seed, so it always gives the same figures; the bounds are 4.5 sigma, so that
another seed would pass as well.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from math import sqrt

import pytest

from flash_emulator import Outcome
from flash_emulator.array.cells import Cells
from flash_emulator.array.cuts import chance, cut_erase, cut_program, pick, some
from flash_emulator.array.ecc import Code, code_for
from flash_emulator.array.pages import Mark, RawUnit
from tests.flash_emulator.tiny_silicon import BASE, SECTOR, cut, flash, held, state, units

SIGMAS = 4.5
ECC = pytest.mark.parametrize("ecc", [True, False])


def check_share(found: int, of: int, expected: float) -> None:
    """*found* of *of* independent trials, each with probability *expected*."""
    sigma = sqrt(of * expected * (1 - expected))
    assert abs(found - of * expected) <= SIGMAS * sigma, (found / of, expected)


def code(ecc: bool) -> Code | None:
    return code_for(256, 10) if ecc else None


def programs(outcome: Outcome, count: int, *, ecc: bool = True) -> Iterator[tuple[int, RawUnit]]:
    """*count* cut programs of random data into a flash word of H7: cells that move, and the rest.

    Moving cells are those that are 0 in the data and its check bits.
    """
    cells = Cells(32 * count, 32, code(ecc), 32)
    rng = random.Random(f"{outcome}/{count}")
    for unit in range(count):
        value = rng.getrandbits(256)
        target = cells.code.encode(value) if cells.code else value
        moving = cells.word(unit) & ~target
        cut_program(cells, unit, target, outcome, rng)
        raw = cells.raw(unit) or RawUnit(cells.word(unit))
        assert raw.word | moving == (1 << cells.word_bits) - 1, "another cell has moved"
        yield moving, raw


def erased(
    outcome: Outcome, sectors: int, *, ecc: bool = True, units_each: int = 64
) -> Iterator[tuple[int, RawUnit]]:
    """Cut erases of sectors full of random data: 1 bits of the old words, and what is there now."""
    size = 32 * units_each
    for sector in range(sectors):
        cells = Cells(size, 32, code(ecc), size)
        rng = random.Random(f"{outcome}/{sector}")
        cells.program(0, rng.randbytes(size))
        old = [cells.word(unit) for unit in range(units_each)]
        cut_erase(cells, 0, size, outcome, rng)
        for unit, before in enumerate(old):
            yield before, cells.raw(unit) or RawUnit(cells.word(unit))


# --- random numbers


@pytest.mark.parametrize("share", [1, 5, 64, 128, 200, 251, 255])
def test_chance_gives_every_bit_the_same_share(share: int) -> None:
    rng, counts, draws = random.Random(1), Counter[int](), 4000
    for _ in range(draws):
        mask = chance(rng, 40, share)
        assert mask < 1 << 40
        counts.update(bit for bit in range(40) if mask >> bit & 1)
    for bit in range(40):
        check_share(counts[bit], draws, share / 256)


def test_chance_draws_every_bit_by_itself() -> None:
    """Pairs of bits agree as often as independence says."""
    rng, draws = random.Random(2), 4000
    masks = [chance(rng, 16, 64) for _ in range(draws)]
    for one in range(15):
        both = sum(mask >> one & mask >> (one + 1) & 1 for mask in masks)
        check_share(both, draws, 1 / 16)


def test_pick_takes_each_bit_of_a_mask_equally_often() -> None:
    rng, mask, draws = random.Random(3), 0b1011_0001_0100, 6000
    counts = Counter(pick(rng, mask) for _ in range(draws))
    assert set(counts) == {1 << bit for bit in range(12) if mask >> bit & 1}
    for count in counts.values():
        check_share(count, draws, 1 / 5)
    assert pick(rng, 0) == 0


def test_some_takes_one_in_four_and_at_least_one() -> None:
    rng, mask, draws = random.Random(4), (1 << 60) - 1 << 7, 2000
    taken = [some(rng, mask, 72) for _ in range(draws)]
    assert all(bits and bits & ~mask == 0 for bits in taken)
    check_share(sum(bits.bit_count() for bits in taken), draws * 60, 1 / 4)
    for bit in (1, 1 << 40):
        assert all(some(rng, bit, 72) == bit for _ in range(20))
    assert some(rng, 0, 72) == 0


# --- programs


@ECC
def test_the_share_of_moved_cells_is_even_from_2_to_98_percent(ecc: bool) -> None:
    count = 3000
    shares = [
        (moving & ~raw.word).bit_count() / moving.bit_count()
        for moving, raw in programs(Outcome.TORN, count, ecc=ecc)
    ]
    # mean and variance of a uniform share, and of the cells drawn with it, about 128 each
    width, cells = 246 / 256, 128
    variance = width**2 / 12 + 1 / 6 / cells
    assert abs(sum(shares) / count - 0.5) < SIGMAS * sqrt(variance / count)
    for low, high in ((0.1, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9)):
        check_share(sum(low < share <= high for share in shares), count, 0.2 / width)
    assert min(shares) < 0.06
    assert max(shares) > 0.94


def test_each_cell_of_a_torn_program_moves_by_itself() -> None:
    """Neighbours agree no more often than cells far apart: one share, independent cells."""
    near = far = pairs = 0
    for moving, raw in programs(Outcome.TORN, 2000):
        moved = moving & ~raw.word
        for distance in (1, 100):
            both = moving & moving >> distance & (1 << 156) - 1
            differ = ((moved ^ moved >> distance) & both).bit_count()
            if distance == 1:
                near, pairs = near + differ, pairs + both.bit_count()
            else:
                far += differ
    assert abs(near - far) < 0.02 * pairs
    # with a share p, two cells differ with probability 2p(1-p): a third over an even p
    assert 0.30 < near / pairs < 0.36


@ECC
def test_torn_leaves_nothing_that_changes(ecc: bool) -> None:
    for _, raw in programs(Outcome.TORN, 300, ecc=ecc):
        assert (raw.metastable, raw.fading, raw.consumed, raw.marginal) == (
            0,
            (0, 0, 0),
            True,
            False,
        )


@ECC
def test_one_in_four_of_the_moving_cells_is_metastable(ecc: bool) -> None:
    unsure = total = 0
    for moving, raw in programs(Outcome.METASTABLE, 1500, ecc=ecc):
        assert raw.metastable
        assert raw.metastable & ~moving == 0
        assert raw.fading == (0, 0, 0)
        unsure, total = unsure + raw.metastable.bit_count(), total + moving.bit_count()
    check_share(unsure, total, 1 / 4)


def test_metastable_bits_are_as_often_of_moved_as_of_unmoved_cells() -> None:
    moved = total = 0
    for _, raw in programs(Outcome.METASTABLE, 1500):
        moved += (raw.metastable & ~raw.word).bit_count()
        total += raw.metastable.bit_count()
    # the cells of one unit share one share, so the units are the sample, not the cells
    assert abs(moved / total - 0.5) < SIGMAS * sqrt((246 / 256) ** 2 / 12 / 1500) + 0.005


def test_a_program_that_moves_one_cell_leaves_that_one_metastable() -> None:
    for seed in range(20):
        cells = Cells(8, 8, None, 8)
        target = (1 << 64) - 1 ^ 1 << 17
        cut_program(cells, 0, target, Outcome.METASTABLE, random.Random(seed))
        raw = cells.raw(0)
        assert raw is not None
        assert raw.metastable == 1 << 17


@ECC
def test_a_metastable_bit_reads_either_way_equally_often(ecc: bool) -> None:
    device = flash(ecc=ecc)
    draws = 4000
    code = device.cells.code
    word, unsure = (code.encode(0x5A5A), 0b1) if code else (0x5A5A, 0b11 << 8)
    device.cells.set_word(0, RawUnit(word, metastable=unsure))
    if ecc:  # one bit: always corrected to what it was, half of the times a correction
        for _ in range(draws):
            assert device.read(BASE, 8) == (0x5A5A).to_bytes(8, "little")
        check_share(device.usage.corrected, draws, 1 / 2)
        return
    reads = [int.from_bytes(device.read(BASE, 8), "little") for _ in range(draws)]
    counts = Counter(read >> 8 & 0b11 for read in reads)
    for value in range(4):
        check_share(counts[value], draws, 1 / 4)
    assert all((read ^ 0x5A5A) & ~0x300 == 0 for read in reads)
    repeated = sum(one == two for one, two in pairwise(reads))
    check_share(repeated, draws - 1, 1 / 4)


def test_other_units_and_other_power_ons_flicker_in_another_way() -> None:
    device = flash(ecc=False)
    for unit in (0, 1):
        device.cells.set_word(unit, RawUnit(0, metastable=(1 << 64) - 1))
    twin = device.fork()
    seen = [device.read(BASE, 8) for _ in range(8)] + [device.read(BASE + 8, 8) for _ in range(8)]
    assert [twin.read(BASE, 8) for _ in range(8)] == seen[:8]  # same seed, same history
    device.power_on()
    seen += [device.read(BASE, 8) for _ in range(8)]
    assert len(set(seen)) == len(seen)


def test_blank_moves_exactly_one_cell_on_parts_with_ecc_and_none_on_others() -> None:
    places: Counter[int] = Counter()
    for moving, raw in programs(Outcome.BLANK, 2000):
        zeros = (1 << 266) - 1 ^ raw.word
        assert zeros.bit_count() == 1
        assert zeros & ~moving == 0
        assert raw == RawUnit(raw.word)
        places[zeros.bit_length() - 1] += 1
    assert len(places) == 266
    check_share(sum(n for place, n in places.items() if place < 133), 2000, 1 / 2)
    for _, raw in programs(Outcome.BLANK, 50, ecc=False):
        assert raw == RawUnit((1 << 256) - 1, consumed=False, marginal=True)


@ECC
def test_weak_cells_are_one_in_four_and_half_of_them_fade_first(ecc: bool) -> None:
    fading = early = total = 0
    for moving, raw in programs(Outcome.WEAK, 1500, ecc=ecc):
        none, first, second = raw.fading
        assert raw.word == raw.word & ~moving  # complete
        assert none == first & second == raw.metastable == 0
        assert (first | second) & ~moving == 0
        assert first | second
        fading += (first | second).bit_count()
        early += first.bit_count()
        total += moving.bit_count()
    check_share(fading, total, 1 / 4)
    check_share(early, fading, 1 / 2)


def test_a_program_that_moves_one_cell_leaves_that_one_fading() -> None:
    lifetimes: Counter[int] = Counter()
    for seed in range(1500):
        cells = Cells(8, 8, None, 8)
        cut_program(cells, 0, (1 << 64) - 2, Outcome.WEAK, random.Random(seed))
        for power_ons in range(1, 5):
            cells.power_on()
            raw = cells.raw(0)
            assert raw is not None
            if raw.metastable:
                lifetimes[power_ons] += 1
                break
    assert set(lifetimes) == {2, 3}
    check_share(lifetimes[2], 1500, 1 / 2)


@ECC
def test_what_is_programmed_into_a_frail_unit_fades_in_the_same_way(ecc: bool) -> None:
    fading = early = total = 0
    for seed in range(60):
        device = flash(ecc=ecc, seed=seed)
        cut(device, 1, Outcome.WEAK, partial(device.erase, BASE))
        device.power_on()
        device.program(BASE, units(seed, 8))
        for unit in range(8):
            raw = held(device, unit)
            assert raw.fading[0] == raw.metastable == 0
            fading += (raw.fading[1] | raw.fading[2]).bit_count()
            early += raw.fading[1].bit_count()
            total += device.cells.word_bits - raw.word.bit_count()
            assert any(raw.fading)
    check_share(fading, total, 1 / 4)
    check_share(early, fading, 1 / 2)


# --- erases


def zeros_of(words: list[int], bits: int) -> int:
    return sum(bits - word.bit_count() for word in words)


@ECC
@pytest.mark.parametrize("outcome", [Outcome.TORN, Outcome.METASTABLE])
def test_a_torn_erase_moves_one_share_of_the_cells_over_the_whole_sector(
    outcome: Outcome, ecc: bool
) -> None:
    bits, units_each, shares = (266 if ecc else 256), 64, []
    found = list(erased(outcome, 150, ecc=ecc, units_each=units_each))
    for begin in range(0, len(found), units_each):
        sector = found[begin : begin + units_each]
        quarters = []
        for quarter in range(0, units_each, 16):
            part = sector[quarter : quarter + 16]
            zeros = zeros_of([old for old, _ in part], bits)
            left = zeros_of([raw.word for _, raw in part], bits)
            quarters.append(1 - left / zeros)
        share = sum(quarters) / 4
        zeros = zeros_of([old for old, _ in sector], bits)
        for quarter_share in quarters:  # no quarter is ahead of the others
            spread = sqrt(max(share * (1 - share), 0.02) / (zeros / 4))
            assert abs(quarter_share - share) < SIGMAS * spread
        shares.append(share)
    assert abs(sum(shares) / 150 - 0.5) < SIGMAS * sqrt(1 / 12 / 150)
    assert min(shares) < 0.1
    assert max(shares) > 0.9


@ECC
@pytest.mark.parametrize("outcome", [Outcome.TORN, Outcome.METASTABLE])
def test_an_erase_sets_bits_and_clears_none(outcome: Outcome, ecc: bool) -> None:
    for old, raw in erased(outcome, 8, ecc=ecc):
        assert raw.word & old == old
        assert raw.metastable & old == 0


def test_one_in_four_of_the_cells_that_an_erase_moves_is_metastable() -> None:
    unsure = total = 0
    for old, raw in erased(Outcome.METASTABLE, 20):
        assert raw.metastable
        unsure += raw.metastable.bit_count()
        total += 266 - old.bit_count()
    check_share(unsure, total, 1 / 4)


@ECC
def test_blank_and_weak_erases_leave_all_cells_at_one(ecc: bool) -> None:
    ones = (1 << (266 if ecc else 256)) - 1
    for outcome in (Outcome.BLANK, Outcome.WEAK):
        consumed = ecc and outcome is Outcome.BLANK
        for _, raw in erased(outcome, 2, ecc=ecc):
            kept = replace(raw, fading=(0, 0, 0)) if outcome is Outcome.WEAK else raw
            assert kept == RawUnit(ones, consumed=consumed, marginal=not consumed)


@ECC
def test_one_in_four_of_the_cells_that_a_weak_erase_moves_may_come_back(ecc: bool) -> None:
    """Half of them after one power-on, the others after two; none that was 1 before."""
    early = late = total = 0
    for old, raw in erased(Outcome.WEAK, 20, ecc=ecc):
        first, second, third = raw.fading
        assert first == 0 and second & third == 0 and (second | third)
        assert (second | third) & old == 0
        early, late = early + second.bit_count(), late + third.bit_count()
        total += (266 if ecc else 256) - old.bit_count()
    check_share(early + late, total, 1 / 4)
    check_share(early, early + late, 1 / 2)


def test_a_torn_erase_on_a_part_with_ecc_gives_every_kind_of_unit() -> None:
    """Clean, corrected, unreadable, silently wrong, and blank (facts, section 4.3, E1)."""
    kinds: Counter[str] = Counter()
    for seed in range(60):
        device = flash(seed=seed)
        device.program(BASE, units(0, 4) + bytes([0xFE]) + b"\xff" * 31)
        old = [device.cells.word(unit) for unit in range(8)]
        cut(device, 1, Outcome.TORN, partial(device.erase, BASE))
        device.power_on()
        for unit in range(8):
            decoded = device.cells.decode(held(device, unit), 0)
            data = old[unit] & (1 << 64) - 1
            if held(device, unit).word == (1 << 72) - 1:
                kinds["blank"] += 1
            elif decoded.verdict.value != "double error" and decoded.data != data:
                kinds["wrong"] += 1
            else:
                kinds[decoded.verdict.value] += 1
    assert set(kinds) == {"blank", "wrong", "clean", "corrected", "double error"}


# --- the same silicon


@ECC
@pytest.mark.parametrize("outcome", list(Outcome))
def test_the_same_seed_gives_the_same_silicon_whatever_happened_before(
    outcome: Outcome, ecc: bool
) -> None:
    """The place and the number of the operation matter, not what was read or forked meanwhile."""
    ends = []
    for reads in (0, 3):
        device = flash(ecc=ecc, seed=11)
        device.program(BASE, units(0, 4))
        for _ in range(reads):
            device.read(BASE, SECTOR)
            device = device.fork()
        cut(device, 3, outcome, partial(device.program, BASE + 64, units(4, 5)))
        device.power_on()
        cut(device, 1, outcome, partial(device.erase, BASE))
        ends.append((state(device), device.digest()))
    assert ends[0] == ends[1]


@ECC
@pytest.mark.parametrize("outcome", [Outcome.TORN, Outcome.METASTABLE, Outcome.WEAK])
def test_another_seed_or_operation_number_gives_other_silicon(outcome: Outcome, ecc: bool) -> None:
    ends = set()
    for seed in range(4):
        for before in range(4):
            device = flash(ecc=ecc, seed=seed)
            call = lambda device=device, n=before: device.program(  # noqa: E731
                BASE + 64 - 8 * n, b"\xff" * 8 * n + bytes(8)
            )
            cut(device, before + 1, outcome, call)
            ends.add(held(device, 8))
    assert len(ends) >= 15


def test_a_torn_erase_of_virgin_cells_moves_nothing_and_spoils_them_all() -> None:
    cells = Cells(512, 8, code_for(64, 8), 512)
    cut_erase(cells, 0, 512, Outcome.TORN, random.Random(1))
    data, marks, raw = cells.export()
    assert data == b"\xff" * 512
    assert set(marks) == {Mark.RAW}
    assert set(raw.values()) == {RawUnit((1 << 72) - 1, consumed=False, marginal=True)}
