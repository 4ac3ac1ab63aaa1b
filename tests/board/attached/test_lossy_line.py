"""A line that loses bytes: reads shrink until they get through, and grow again."""

from __future__ import annotations

import pytest

from mcu_updater.quectel.at import Final, Payload, ResponseParser, format_final, format_payload
from mcu_updater.quectel.read_size import GROW_AFTER, SMALLEST, ReadSize
from tests.places import ROOT, load_script

BENCHMARK = ROOT / "benchmarks" / "at_leg.py"


@pytest.fixture(scope="module")
def at_leg():
    return load_script("at_leg_lossy", BENCHMARK)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("burst", [1, 4, 16])
@pytest.mark.parametrize("rate", [0.0001, 0.0005, 0.001, 0.003])
def test_everything_gets_through_and_nothing_wrong(at_leg, rate, burst, seed):
    run = at_leg.measure_loss(16 * 1024, rate, burst, seed)
    assert run.bytes_per_s > 0
    assert run.wrong == 0


def test_reads_of_1024_bytes_at_a_loss_of_one_in_a_thousand(at_leg):
    runs = [at_leg.measure_loss(64 * 1024, 0.001, 1, seed) for seed in range(6)]
    assert all(run.bytes_per_s > 500 and run.wrong == 0 for run in runs)
    assert all(run.smallest < 1024 for run in runs)


def test_nothing_changes_on_a_line_without_errors(at_leg):
    run = at_leg.measure_loss(16 * 1024, 0.0, 1, 0)
    assert (run.retries, run.smallest) == (0, 1024)


def test_what_is_lost_without_end_is_given_up_with_nothing_wrong(at_leg):
    for seed in range(6):
        assert at_leg.measure_loss(8 * 1024, 0.03, 1, seed).wrong == 0


# --- the size by itself


def test_size_halves_down_to_the_smallest_and_grows_to_the_most():
    size = ReadSize(1024)
    for expected in (512, 256, 128, 64, 32, 32):
        size.spoilt(size.now)
        assert size.now == expected
    assert size.is_smallest and SMALLEST == 32
    for _ in range(5 * GROW_AFTER):
        size.good(size.now)
    assert size.now == 1024


def test_the_size_that_counts_is_that_of_what_came():
    """A single byte that was asked for shows nothing; a piece's short end neither."""
    size = ReadSize(1024)
    size.spoilt(1024)
    for _ in range(100):
        size.good(1)
        size.good(511)
    assert size.now == 512
    size.spoilt(100)
    assert size.now == 50


@pytest.mark.parametrize("most", [1, 2, 31, 33, 100, 974, 4096])
def test_any_most(most):
    size = ReadSize(most)
    for _ in range(20):
        size.spoilt(size.now)
        assert 1 <= size.now <= most
    for _ in range(20 * GROW_AFTER):
        size.good(size.now)
    assert size.now == most


def test_where_nothing_was_spoilt_nothing_is_remembered():
    size = ReadSize(1024)
    before = size.memory()
    for _ in range(100):
        size.good(1024)
    assert size.memory() == before
    size.spoilt(1024)
    assert size.memory() != before


# --- the parser


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("lost", [1, 2, 3, 4])
@pytest.mark.parametrize("keep_cr", [True, False])
def test_an_answer_that_lost_data_ends_at_once_and_is_not_believed(lost, cut, keep_cr):
    data = bytes(range(65, 129))
    whole = format_payload(0, data) + format_final(True)
    first = whole.index(data)
    there = whole[:first] + whole[first + lost :]
    if not keep_cr:
        there = there.replace(b",64\r\n", b",64\n", 1)
    parser, values = ResponseParser(), []
    for at in range(0, len(there), cut):
        values += parser.feed(there[at : at + cut])
    payloads = [value for value in values if isinstance(value, Payload)]
    assert [payload.clean for payload in payloads] == [False]
    assert any(isinstance(value, Final) and value.ok for value in values)


def test_a_header_that_lost_its_cr_does_not_make_a_style_of_it():
    """A data byte and the last LF are lost, too: what is left looks like lines that end in LF."""
    parser = ResponseParser()
    whole = format_payload(0, b"A" * 8) + format_final(True)
    assert [value.clean for value in parser.feed(whole) if isinstance(value, Payload)] == [True]
    there = b"\r\n+QIOTOTARD: 0,8\n" + b"A" * 7 + b"\r\n\rOK\r\n"
    assert [value.clean for value in parser.feed(there) if isinstance(value, Payload)] == [False]
    parser.reset()
    lost_cr_only = whole.replace(b",8\r\n", b",8\n", 1)
    assert [value.clean for value in parser.feed(lost_cr_only) if isinstance(value, Payload)] == [
        True
    ]
