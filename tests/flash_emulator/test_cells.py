"""The array alone: data and marks, without power, addresses or rules."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash_emulator.cells import Cells, Mark


def test_new_cells_are_virgin_and_read_ff() -> None:
    cells = Cells(64, 8)
    assert bytes(cells.data) == b"\xff" * 64
    assert cells.virgin_run(0, 8) == 8
    assert cells.unreadable(0, 64) is None


def test_virgin_run_ends_at_the_first_unit_that_is_not() -> None:
    cells = Cells(64, 8)
    cells.program(3, bytes(8))
    assert cells.virgin_run(0, 8) == 3
    assert cells.virgin_run(3, 5) == 0
    assert cells.virgin_run(4, 4) == 4


@given(bad=st.integers(0, 7), begin=st.integers(0, 63), size=st.integers(0, 64))
def test_unreadable_names_the_first_bad_unit_that_the_range_touches(
    bad: int, begin: int, size: int
) -> None:
    size = min(size, 64 - begin)
    cells = Cells(64, 8)
    cells.set_mark(bad, Mark.UNREADABLE)
    touched = any(begin <= byte < begin + size for byte in range(bad * 8, bad * 8 + 8))
    assert cells.unreadable(begin, size) == (bad * 8 if touched else None)


@given(
    target=st.binary(min_size=8, max_size=8),
    seed=st.integers(),
    ecc=st.booleans(),
    old=st.sampled_from([b"\xff" * 8, bytes(range(0x80, 0x88))]),
)
def test_a_torn_program_clears_some_of_the_bits_and_sets_none(
    target: bytes, seed: int, ecc: bool, old: bytes
) -> None:
    cells = Cells(24, 8)
    cells.data[8:16] = old
    cells.tear_program(1, target, ecc=ecc, dice=random.Random(seed))
    for before, want, after in zip(old, target, cells.data[8:16], strict=True):
        assert after & before == after  # 0 to 1 needs an erase
        assert after | (before & want) == after  # a bit that should stay 1 stays 1
    assert cells.marks[1] == (Mark.UNREADABLE if ecc else Mark.WRITTEN)
    assert cells.data[:8] + cells.data[16:] == b"\xff" * 16


@given(seed=st.integers(), ecc=st.booleans())
def test_a_torn_erase_sets_some_bits_over_the_whole_sector_and_clears_none(
    seed: int, ecc: bool
) -> None:
    cells = Cells(192, 8)
    cells.program(0, bytes(192))
    cells.tear_erase(64, 64, ecc=ecc, dice=random.Random(seed))
    assert bytes(cells.data[:64]) == bytes(64)
    assert bytes(cells.data[128:]) == bytes(64)
    for unit in range(8, 16):
        assert any(cells.data[unit * 8 : unit * 8 + 8]), "a unit that did not move at all"
    held = set(cells.marks[8:16])
    assert held <= ({Mark.UNREADABLE, Mark.WRITTEN} if ecc else {Mark.WRITTEN})


def test_a_torn_erase_spoils_some_units_for_the_reader_and_not_others() -> None:
    cells = Cells(64 * 8, 8)
    cells.program(0, bytes(64 * 8))
    cells.tear_erase(0, 64 * 8, ecc=True, dice=random.Random(1))
    assert {Mark.UNREADABLE, Mark.WRITTEN} == set(cells.marks)


def test_a_torn_erase_of_blank_units_leaves_them_readable_and_not_virgin() -> None:
    cells = Cells(64, 8)
    cells.tear_erase(0, 64, ecc=True, dice=random.Random(1))
    assert bytes(cells.data) == b"\xff" * 64
    assert set(cells.marks) == {Mark.WRITTEN}


def test_weak_units_decay_step_by_step_and_stay_unreadable() -> None:
    cells = Cells(16, 8)
    cells.program(0, bytes(16))
    cells.set_mark(0, Mark.FRESH_WEAK)
    seen = []
    for _ in range(4):
        cells.power_on()
        seen.append((Mark(cells.marks[0]), Mark(cells.marks[1])))
    assert seen == [
        (Mark.WEAK, Mark.WRITTEN),
        (Mark.UNREADABLE, Mark.WRITTEN),
        (Mark.UNREADABLE, Mark.WRITTEN),
        (Mark.UNREADABLE, Mark.WRITTEN),
    ]


@pytest.mark.parametrize("mark", list(Mark))
def test_an_array_that_was_saved_behaves_like_the_one_it_was(mark: Mark) -> None:
    cells, copy = Cells(16, 8), Cells(16, 8)
    cells.program(0, bytes(16))
    cells.set_mark(1, mark)
    copy.restore(bytes(cells.data), bytes(cells.marks))
    for _ in range(3):
        assert copy.unreadable(0, 16) == cells.unreadable(0, 16)
        assert copy.marks == cells.marks
        cells.power_on()
        copy.power_on()


@pytest.mark.parametrize(("data", "marks"), [(15, 2), (16, 1), (16, 3), (0, 0)])
def test_an_array_of_another_size_is_refused(data: int, marks: int) -> None:
    with pytest.raises(ValueError, match="expected 16 and 2"):
        Cells(16, 8).restore(bytes(data), bytes(marks))
