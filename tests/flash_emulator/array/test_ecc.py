"""The decoder: what it corrects, what it detects, and what virgin flash is to it."""

from __future__ import annotations

import random
from functools import reduce
from itertools import combinations
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash_emulator.array.ecc import Code, Verdict, code_for

SIZES = [(64, 8), (128, 9), (256, 10)]
CODES = pytest.mark.parametrize(
    "code", [code_for(*size) for size in SIZES], ids=["64", "128", "256"]
)


def bits_of(code: Code) -> int:
    return code.data_bits + code.check_bits


def columns(code: Code) -> list[int]:
    """The parity-check matrix, as encoding shows it: data columns, then check columns."""
    data = [code.check(1 << bit) for bit in range(code.data_bits)]
    return data + [1 << row for row in range(code.check_bits)]


def words(code: Code, count: int = 12) -> list[int]:
    """Data of all kinds, away from virgin flash."""
    rng = random.Random(code.data_bits)
    mask = (1 << code.data_bits) - 1
    fixed = [0, 1, mask >> 8, 0x5555_5555, mask ^ 0xFF00FF]
    return fixed + [rng.getrandbits(code.data_bits) for _ in range(count)]


@CODES
def test_a_word_reads_as_it_was_programmed(code: Code) -> None:
    for data in words(code, 200):
        found = code.decode(code.encode(data))
        assert (found.data, found.verdict) == (data, Verdict.CLEAN)
        assert code.encode(data) & (1 << code.data_bits) - 1 == data


@CODES
def test_all_zero_data_have_all_zero_check_bits(code: Code) -> None:
    """What lets a consumed unit be overwritten with zeros (RM0440, X-CUBE-EEPROM)."""
    assert code.encode(0) == 0


@CODES
@given(data=st.data())
def test_the_code_is_linear(code: Code, data: st.DataObject) -> None:
    """So what the columns say of one word they say of all."""
    numbers = st.integers(0, (1 << code.data_bits) - 1)
    one, other = data.draw(numbers), data.draw(numbers)
    assert code.encode(one) ^ code.encode(other) == code.encode(one ^ other)


@CODES
def test_every_column_is_odd_and_there_once(code: Code) -> None:
    """Distance 4: no one, two or three columns add up to nothing."""
    found = columns(code)
    assert len(set(found)) == len(found) == bits_of(code)
    assert all(column.bit_count() % 2 for column in found)
    assert all(column.bit_count() >= 3 for column in found[: code.data_bits])


@CODES
def test_every_single_error_is_corrected(code: Code) -> None:
    for data in words(code):
        word = code.encode(data)
        for bit in range(bits_of(code)):
            found = code.decode(word ^ 1 << bit)
            assert (found.data, found.verdict) == (data, Verdict.CORRECTED), bit


@CODES
def test_every_double_error_is_detected(code: Code) -> None:
    for data in words(code, 1)[-2:]:
        word = code.encode(data)
        for one, other in combinations(range(bits_of(code)), 2):
            found = code.decode(word ^ 1 << one ^ 1 << other)
            assert found.verdict is Verdict.DETECTED, (one, other)


@CODES
def test_three_errors_may_pass_for_one(code: Code) -> None:
    word, wrong, verdicts = code.encode(0x1234), 0, set()
    rng = random.Random(5)
    for _ in range(300):
        bad = reduce(xor, (1 << bit for bit in rng.sample(range(bits_of(code)), 3)))
        found = code.decode(word ^ bad)
        verdicts.add(found.verdict)
        wrong += found.verdict is Verdict.CORRECTED and found.data != 0x1234
    assert verdicts == {Verdict.CORRECTED, Verdict.DETECTED}
    assert wrong > 50


# --- virgin flash


@CODES
def test_no_code_word_is_taken_for_virgin_flash(code: Code) -> None:
    """Proved from the columns: a code word with some zeros is a set of columns that adds up to the
    syndrome of virgin flash. Of no column there is none, of one column none either."""
    found = columns(code)
    syndrome = reduce(xor, found)
    assert syndrome != 0
    assert syndrome not in found


@CODES
def test_virgin_flash_reads_ff(code: Code) -> None:
    found = code.decode(code.virgin)
    assert (found.data, found.verdict) == ((1 << code.data_bits) - 1, Verdict.CLEAN)
    assert code.encode(found.data) != code.virgin  # FF that was programmed is another word


@CODES
def test_one_error_in_virgin_flash_is_detected_and_corrected(code: Code) -> None:
    """RM0440: "For a virgin data ... one error is detected and corrected"."""
    for bit in range(bits_of(code)):
        found = code.decode(code.virgin ^ 1 << bit)
        assert (found.data, found.verdict) == ((1 << code.data_bits) - 1, Verdict.CORRECTED)


@CODES
def test_two_errors_in_virgin_flash_are_not_detected(code: Code) -> None:
    """RM0440: "... but two errors detection is not supported"."""
    ones = (1 << code.data_bits) - 1
    for one, other in combinations(range(bits_of(code)), 2):
        bad = 1 << one | 1 << other
        found = code.decode(code.virgin ^ bad)
        assert (found.data, found.verdict) == (ones & ~bad, Verdict.CLEAN)


@CODES
def test_three_errors_in_virgin_flash_go_through_the_decoder(code: Code) -> None:
    found, verdicts = columns(code), set()
    virgin = reduce(xor, found)
    for bits in list(combinations(range(0, bits_of(code), 5), 3))[:2000]:
        bad = reduce(xor, (1 << bit for bit in bits))
        syndrome = virgin ^ reduce(xor, (found[bit] for bit in bits))
        decoded = code.decode(code.virgin ^ bad)
        if syndrome in found:
            data = code.virgin ^ bad ^ 1 << found.index(syndrome)
            assert decoded.verdict is Verdict.CORRECTED
            assert decoded.data == data & (1 << code.data_bits) - 1
        else:
            assert decoded.verdict is (Verdict.DETECTED if syndrome else Verdict.CLEAN)
        verdicts.add(decoded.verdict)
    assert Verdict.DETECTED in verdicts


@CODES
def test_programmed_ff_reads_ff(code: Code) -> None:
    ones = (1 << code.data_bits) - 1
    found = code.decode(code.encode(ones))
    assert (found.data, found.verdict) == (ones, Verdict.CLEAN)


# --- what there is no code for


def test_one_code_is_made_for_each_size() -> None:
    assert code_for(64, 8) is code_for(64, 8)
    assert code_for(64, 8) is not code_for(128, 9)


@pytest.mark.parametrize(("data_bits", "check_bits"), [(64, 7), (128, 8), (256, 9), (8, 3)])
def test_too_few_check_bits_are_refused(data_bits: int, check_bits: int) -> None:
    with pytest.raises(ValueError, match="do not cover"):
        Code(data_bits, check_bits)


@CODES
def test_data_that_are_too_long_are_refused(code: Code) -> None:
    with pytest.raises(OverflowError):
        code.check(1 << code.data_bits)
