"""The array alone: pages, marks and raw units, without power, addresses or rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash_emulator.array.cells import Cells
from flash_emulator.array.ecc import Verdict, code_for
from flash_emulator.array.pages import Mark, RawUnit
from flash_emulator.errors import UnknownContent

CODE = code_for(64, 8)
ONES = (1 << 72) - 1


def array(*, sectors: int = 4, ecc: bool = True) -> Cells:
    """Sectors, hence pages, of eight units."""
    return Cells(64 * sectors, 8, CODE if ecc else None, 64)


def test_new_cells_are_virgin_and_read_ff() -> None:
    cells = array()
    assert cells.raw_data(0, 256) == b"\xff" * 256
    assert cells.virgin_run(0, 32) == 32
    assert cells.raw_units(0, 256) == []
    assert cells.word(3) == ONES
    assert cells.mark(3) is Mark.VIRGIN


@given(first=st.integers(0, 31), count=st.integers(0, 31), asked=st.integers(0, 31))
def test_virgin_run_ends_at_the_first_unit_that_is_not(first: int, count: int, asked: int) -> None:
    cells = array()
    count = min(count, 32 - first)
    cells.program(first, bytes(8 * count))
    end = next((i for i in range(asked, 32) if count and first <= i < first + count), 32)
    assert cells.virgin_run(asked, 32 - asked) == end - asked
    assert cells.virgin_run(asked, 1) == (end > asked)


@given(bad=st.integers(0, 31), begin=st.integers(0, 255), size=st.integers(1, 256))
def test_raw_units_are_those_that_the_range_touches(bad: int, begin: int, size: int) -> None:
    size = min(size, 256 - begin)
    cells = array()
    cells.set_word(bad, RawUnit(0x1234))
    touched = any(begin <= byte < begin + size for byte in range(bad * 8, bad * 8 + 8))
    assert cells.raw_units(begin, size) == ([bad] if touched else [])


def test_raw_units_come_in_ascending_order_over_all_pages() -> None:
    cells = array()
    for unit in (30, 1, 17, 16, 3):
        cells.set_word(unit, RawUnit(1))
    assert cells.raw_units(0, 256) == [1, 3, 16, 17, 30]
    assert cells.raw_units(17 * 8, 8) == [17]


@given(data=st.binary(min_size=8, max_size=8), ecc=st.booleans())
def test_a_programmed_unit_holds_its_data_and_check_bits(data: bytes, ecc: bool) -> None:
    cells = array(ecc=ecc)
    cells.program(9, data)
    value = int.from_bytes(data, "little")
    assert cells.word(9) == (CODE.encode(value) if ecc else value)
    assert cells.raw_data(72, 8) == data
    assert cells.mark(9) is Mark.PROGRAMMED
    assert cells.mark(8) is cells.mark(10) is Mark.VIRGIN


@given(data=st.binary(min_size=8, max_size=8), ecc=st.booleans())
def test_cells_that_are_as_a_program_leaves_them_are_plain(data: bytes, ecc: bool) -> None:
    programmed, given_cells = array(ecc=ecc), array(ecc=ecc)
    programmed.program(5, data)
    given_cells.set_word(5, RawUnit(0, metastable=1))
    given_cells.set_word(5, RawUnit(programmed.word(5)))
    assert given_cells.export() == programmed.export()


@pytest.mark.parametrize(
    "raw",
    [
        RawUnit(CODE.encode(7), metastable=1),
        RawUnit(CODE.encode(7), fading=(0, 0, 1)),
        RawUnit(CODE.encode(7), marginal=True),
        RawUnit(CODE.encode(7) ^ 1),
        RawUnit(ONES, consumed=False),
        RawUnit(ONES),
    ],
)
def test_all_other_cells_are_kept_bit_by_bit(raw: RawUnit) -> None:
    cells = array()
    cells.set_word(5, raw)
    assert cells.raw(5) == raw
    assert cells.mark(5) is Mark.RAW
    assert cells.word(5) == raw.word
    assert cells.virgin_run(5, 1) == 0
    assert cells.raw(13) is None


def test_metastable_bits_read_as_the_flicker_has_them_and_others_do_not_change() -> None:
    cells = array(ecc=False)
    raw = RawUnit(0b0101, metastable=0b0011)
    assert cells.decode(raw, 0).data == 0b0101
    assert cells.decode(raw, 0b1111).data == 0b0110
    assert cells.decode(raw, 0b0001).data == 0b0100


def test_metastable_bits_go_through_the_decoder() -> None:
    cells = array()
    raw = RawUnit(CODE.encode(0), metastable=0b11)
    verdicts = [cells.decode(raw, flicker).verdict for flicker in range(4)]
    assert verdicts == [
        Verdict.CLEAN,
        Verdict.CORRECTED,
        Verdict.CORRECTED,
        Verdict.DETECTED,
    ]


def test_weak_bits_fade_one_power_on_after_the_other() -> None:
    cells = array(sectors=2)
    cells.program(0, bytes(128))
    cells.set_word(9, RawUnit(0, fading=(0b001, 0b010, 0b100)))
    seen = []
    for _ in range(5):
        raw = cells.raw(9)
        seen.append(raw and raw.metastable)
        cells.power_on()
    assert seen == [0, 0b001, 0b011, 0b111, 0b111]
    assert cells.raw(9) == RawUnit(0, metastable=0b111)
    assert cells.raw_units(0, 128) == [9]


@pytest.mark.parametrize("ecc", [True, False])
@pytest.mark.parametrize("offset", [0, 64, 192])
def test_an_erased_range_is_virgin_and_its_neighbours_stay(ecc: bool, offset: int) -> None:
    cells = array(ecc=ecc)
    cells.program(0, bytes(256))
    cells.set_word(offset // 8 + 1, RawUnit(0xFF, metastable=1))
    before = cells.export()
    cells.erase(offset, 64)
    data, marks, raw = cells.export()
    assert data[offset : offset + 64] == b"\xff" * 64
    assert marks[offset // 8 : offset // 8 + 8] == bytes(8)
    assert raw == {}
    assert data[:offset] + data[offset + 64 :] == before[0][:offset] + before[0][offset + 64 :]
    fresh = array(ecc=ecc)
    cells.erase(0, 256)
    assert (cells.export(), cells.digest()) == (fresh.export(), fresh.digest())


def test_a_range_smaller_than_a_page_is_erased_alone() -> None:
    cells = array()
    cells.program(0, bytes(64))
    cells.set_word(2, RawUnit(5))
    cells.set_word(6, RawUnit(5))
    cells.erase(8, 32)
    assert cells.raw_data(0, 64) == bytes(8) + b"\xff" * 32 + bytes(8) + cells.raw_data(48, 16)
    assert [cells.mark(unit) for unit in (0, 1, 4, 5)] == [
        Mark.PROGRAMMED,
        Mark.VIRGIN,
        Mark.VIRGIN,
        Mark.PROGRAMMED,
    ]
    assert cells.raw_units(0, 64) == [6]


RAWS = st.builds(
    RawUnit,
    word=st.integers(0, ONES),
    metastable=st.integers(0, ONES),
    fading=st.tuples(*[st.integers(0, 3)] * 3),
    consumed=st.booleans(),
    marginal=st.booleans(),
)


@given(raw=st.dictionaries(st.integers(0, 31), RAWS, max_size=4), filled=st.booleans())
def test_an_array_that_was_saved_behaves_like_the_one_it_was(
    raw: dict[int, RawUnit], filled: bool
) -> None:
    cells, copy = array(), array()
    copy.program(3, bytes(8))  # to be overwritten
    if filled:
        cells.program(0, bytes(range(128)))
    for unit, one in raw.items():
        cells.set_word(unit, one)
    copy.restore(*cells.export())
    for _ in range(4):
        assert copy.export() == cells.export()
        assert copy.digest() == cells.digest()
        cells.power_on()
        copy.power_on()


@pytest.mark.parametrize(("data", "marks"), [(255, 32), (256, 31), (256, 33), (0, 0)])
def test_an_array_of_another_size_is_refused(data: int, marks: int) -> None:
    with pytest.raises(ValueError, match="expected 256 and 32"):
        array().restore(bytes(data), bytes(marks), {})


@pytest.mark.parametrize("whole_page", [True, False])
def test_a_unit_that_is_forgotten_is_not_looked_at_by_itself_either(whole_page: bool) -> None:
    """Whoever reads one unit, or a few bytes of one, meets what is forgotten, and nothing else."""
    cells = array()
    cells.program(0, bytes(64))
    first, count = (0, 8) if whole_page else (3, 2)
    cells.forget(8 * first, 8 * count)
    for unit in range(8):
        for look in (cells.raw, cells.word, lambda at: cells.look(8 * at + 7, 1)):
            if first <= unit < first + count:
                with pytest.raises(UnknownContent):
                    look(unit)
            else:
                look(unit)
    assert cells.is_known(64, 64)
    assert cells.is_known(0, 0)
    assert not cells.is_known(8 * first - 4 * (first > 0), 8)  # one half of it
    assert not cells.is_known(8 * (first + count) - 4, 8)
