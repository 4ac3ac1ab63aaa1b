"""A module that lies, babbles or never ends: a typed error or nothing, in bounded time and memory.

Time here is virtual, but a byte takes its time on the line: so a hostile module cannot say more
than a line carries, and every wait has an end.
"""

from __future__ import annotations

import contextlib
import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_updater.core import ota
from mcu_updater.core.errors import UpdaterError
from mcu_updater.quectel.at import (
    MAX_LINE_SIZE,
    MAX_PAYLOAD_SIZE,
    ResponseParser,
    Urc,
    split_arguments,
)
from mcu_updater.quectel.client import AtClient
from mcu_updater.quectel.link import MOST_EVENTS, MOST_LINES
from mcu_updater.quectel.ota_events import MalformedEventError, parse_ota_event
from tests.quectel.quectel_bench import COMPONENT, OLD, TestClock
from tests.thorough import one_in

LONGEST_S = 200.0  # of one call: 4 attempts of 3 s, each with 4 attempts to get in step


class Hostile:
    """Says *chunks* in turn, one for each read, whatever it is told; then nothing, or all again."""

    def __init__(self, clock, chunks, *, again=False):
        self.clock, self.chunks, self.again, self.at = clock, chunks, again, 0
        self.reads = 0

    def write(self, data):
        self.clock.sleep(len(data) / 11520)

    def read(self, timeout_s):
        self.reads += 1
        if not self.chunks or (self.at >= len(self.chunks) and not self.again):
            self.clock.sleep(timeout_s)
            return b""
        chunk = self.chunks[self.at % len(self.chunks)]
        self.at += 1
        self.clock.sleep(max(1, len(chunk)) / 11520)
        return chunk


NUMBERS = st.sampled_from(
    ["0", "1", "-1", "+1", "01", "1024", "4096", "4097", "4294967295", "4294967296",
     "99999999999999999999", "1e3", "0x10", "", " ", "٣", "²", "1_0", "nan"]
)  # fmt: skip
TEXTS = st.one_of(
    NUMBERS,
    st.sampled_from(['"STM32"', '"', '""', '"a,b"', "STM32", '"' + "x" * 300 + '"', '"\x00"']),
    st.binary(max_size=12).map(lambda raw: raw.decode("latin-1")),
)
ARGUMENTS = st.lists(TEXTS, max_size=9).map(",".join)
LINES = st.one_of(
    st.tuples(st.sampled_from(range(10699, 10710)), ARGUMENTS).map(
        lambda given: f"+QIOTEVT: 7,{given[0]},{given[1]}"
    ),
    ARGUMENTS.map(lambda text: f"+QIOTEVT:{text}"),
    ARGUMENTS.map(lambda text: f"+QIOTOTARD: {text}"),
    ARGUMENTS.map(lambda text: f"+QIOTSTATE: {text}"),
    ARGUMENTS.map(lambda text: f"+QIOTINFO: {text}"),
    ARGUMENTS.map(lambda text: f"+CSQ: {text}"),
    st.sampled_from(["OK", "ERROR", "+CME ERROR: 3", "+QIOTSTATE: 8", "+QIOTREG: 2", ""]),
    st.text(max_size=40),
)
WIRE = st.lists(
    st.one_of(
        LINES.map(lambda line: b"\r\n" + line.encode("utf-8", "replace") + b"\r\n"),
        st.binary(max_size=60),
    ),
    max_size=20,
)

CALLS = {
    "connect": lambda client: client.connect(),
    "report": lambda client: client.report_version(COMPONENT, OLD),
    "request": lambda client: client.request_plan(),
    "confirm": lambda client: client.confirm(),
    "next": lambda client: client.next_piece(),
    "announce": lambda client: client.announce_update(),
    "read": lambda client: client.read(0, 1024),
    "info": lambda client: client.info(),
    "versions": lambda client: client.known_versions(),
    "csq": lambda client: client.csq(),
    "keep_alive": lambda client: client.keep_alive(),
    "event": lambda client: client.next_event(30.0),
}


@settings(max_examples=60)
@given(st.lists(st.sampled_from(sorted(CALLS)), max_size=4), WIRE, st.booleans())
def test_any_answer_is_an_answer_or_a_typed_error(calls, chunks, again):
    clock = TestClock()
    client = AtClient(Hostile(clock, chunks, again=again), clock)
    for call in calls:
        started_s = clock.now_s()
        with contextlib.suppress(UpdaterError):  # LinkError, ModuleRefused: of its making
            CALLS[call](client)
        assert clock.now_s() - started_s < LONGEST_S


@given(st.integers(10699, 10709), ARGUMENTS)
def test_any_event_is_a_value_in_bounds_or_malformed(code, arguments):
    try:
        event = parse_ota_event(Urc(7, code, arguments))
    except MalformedEventError:
        return
    match event:
        case ota.PieceReady(_, length, start, size):
            assert 0 <= start < start + size <= length < 1 << 32
        case ota.DownloadStarted(_, length, md5, crc, sha256):
            assert 0 <= length < 1 << 32
            assert 0 <= crc < 1 << 32
            assert len(md5) == 16
            assert sha256 is None or len(sha256) == 32
        case ota.PlanOffered(_, _, _, battery, signal, space):
            assert min(battery, space) >= 0
            assert abs(signal) < 1 << 32


@pytest.mark.parametrize(
    "code, arguments",
    [
        (10700, '"STM32","","2_0_0",30,-113'),  # too few
        (10700, '"STM32","","2_0_0",-30,-113,2500'),
        (10700, '"STM32","","2_0_0",30,-113,4294967296'),
        (10700, '"STM32","","2_0_0",30,--113,2500'),
        (10701, '"STM32",4294967296,"' + "a" * 32 + '",0'),
        (10701, '"STM32",-1,"' + "a" * 32 + '",0'),
        (10701, '"STM32",2500,"' + "a" * 31 + '",0'),
        (10703, '"STM32",2500,0'),
        (10703, '"STM32",2500,-1,100'),
        (10703, '"STM32",2500,2400,101'),
        (10703, '"STM32",2500,0,0'),
        (10703, '"STM32",2500,0,1_0'),
        (10703, '"STM32,2500,0,100'),
    ],
)
def test_events_that_lie(code, arguments):
    with pytest.raises(MalformedEventError):
        parse_ota_event(Urc(7, code, arguments))


def test_more_arguments_than_are_known_are_let_go_by():
    event = parse_ota_event(Urc(7, 10700, '"STM32","","2_0_0",30,-113,2500,"http://a/b",7'))
    assert event == ota.PlanOffered("STM32", "", "2_0_0", 30, -113, 2500)


@given(st.lists(st.binary(max_size=5000), max_size=30))
def test_the_parser_holds_one_line_or_one_payload(chunks):
    parser = ResponseParser()
    for chunk in chunks:
        parser.feed(chunk)
        assert len(parser._buffer) <= max(MAX_LINE_SIZE, MAX_PAYLOAD_SIZE + 6)


@given(st.text(max_size=60))
def test_arguments_are_split_or_refused(text):
    with contextlib.suppress(ValueError):
        assert split_arguments(text)


ENDLESS = {
    "a line without an end": b"x" * 512,
    "lines": b"noise\r\n" * 70,
    "events": b"\r\n+QIOTEVT: 7,10799\r\n" * 25,
    "events of the connection": b"\r\n+QIOTEVT: 2,10300\r\n" * 25,
    "unreadable events": b"\r\n+QIOTEVT 7\r\n" * 25,
    "read headers": b"\r\n+QIOTOTARD: 0,4096\r\n" * 25,
    "huge read headers": b"\r\n+QIOTOTARD: 0,4294967295\r\n" * 25,
    "zero bytes": bytes(512),
    "answers": b"\r\nOK\r\n" * 70,
    "offers": b'\r\n+QIOTEVT: 7,10700,"STM32","","2_0_0",30,-113,2500\r\n' * 9,
}


@pytest.mark.parametrize(("call", "noise"), one_in(3, [*product(sorted(CALLS), ENDLESS)]))
def test_a_module_that_never_stops_talking(call, noise):
    clock = TestClock()
    port = Hostile(clock, [ENDLESS[noise]], again=True)
    client = AtClient(port, clock)
    with contextlib.suppress(UpdaterError):
        CALLS[call](client)
    assert clock.now_s() < LONGEST_S
    link = client._link
    assert len(link.ota_events) <= MOST_EVENTS
    assert len(link.connection_events) <= MOST_EVENTS
    assert len(link._parser._buffer) <= MAX_PAYLOAD_SIZE + 6


@pytest.mark.parametrize(
    "header",
    [
        "+QIOTOTARD: 0,-1", "+QIOTOTARD: -1,16", "+QIOTOTARD: 0", "+QIOTOTARD: ,16",
        "+QIOTOTARD: 0,16,16", "+QIOTOTARD: 0,0x10", "+QIOTOTARD: 0,1e1", '+QIOTOTARD: "0","16"',
        "+QIOTOTARD: 0,4097", "+QIOTOTARD: 99999999999,16", "+QIOTOTARD:", "QIOTOTARD: 0,16",
        "+QIOTOTARD: 16,16", "+QIOTOTARD: 0,17",
    ],
)  # fmt: skip
def test_headers_of_data_that_lie(header):
    """Counts and offsets that are not what was asked for, and none at all: never data."""
    clock = TestClock()
    answer = f"\r\n{header}\r\n".encode() + bytes(range(16)) + b"\r\n\r\nOK\r\n"
    with pytest.raises(UpdaterError, match="no usable answer"):
        AtClient(Hostile(clock, [answer] * 9), clock).read(0, 16)
    assert clock.now_s() < LONGEST_S


@pytest.mark.parametrize(
    "line, expected",
    [
        ('+QIOTMCUVER: "a","1"', {"a": "1"}),
        ('+QIOTMCUVER: "a:1;b:2"', {"a": "1", "b": "2"}),
        ('+QIOTMCUVER: "a:1;b;:;c:"', {"a": "1", "": "", "c": ""}),
        ('+QIOTMCUVER: "a","1","2"', {}),
        ('+QIOTMCUVER: "a', {}),
        ("+QIOTMCUVER:", {}),
        ("+QIOTMCUVER", {}),
        ('+QIOTSTATE: "a","1"', None),
        (f'+QIOTMCUVER: "a","{"1" * 3000}"', {}),
    ],
)
def test_lists_of_versions_that_are_none(line, expected):
    clock = TestClock()
    answer = f"\r\n{line}\r\n\r\nOK\r\n".encode()
    client = AtClient(Hostile(clock, [answer] * 9), clock)
    if expected is None:
        with pytest.raises(UpdaterError, match="no usable answer"):
            client.known_versions()
    else:
        assert client.known_versions() == expected


@pytest.mark.parametrize("text", ["-1", "+8", "08.0", "", "8,8", "\x00", "9" * 400])
def test_states_that_are_none(text):
    """They are not 8; it is registered, and in the end said what was found."""
    clock = TestClock()
    lines = f"\r\n+QIOTREG: 1\r\n\r\n+QIOTSTATE: {text}\r\n\r\nOK\r\n".encode()
    with pytest.raises(UpdaterError):
        AtClient(Hostile(clock, [lines], again=True), clock).connect()
    assert clock.now_s() < LONGEST_S


def test_what_is_not_kept_is_counted():
    clock = TestClock()
    babble = Hostile(clock, [b"+CSQ: 9\r\n" * 10 * MOST_LINES + b"OK\r\n"])
    client = AtClient(babble, clock)
    assert client.csq() == 9
    assert client.dropped == 9 * MOST_LINES


def test_four_gigabytes_are_not_waited_for():
    clock = TestClock()
    port = Hostile(clock, [b"\r\n+QIOTOTARD: 0,4294967295\r\n" + bytes(1024) + b"\r\n\r\nOK\r\n"])
    with pytest.raises(UpdaterError, match="no usable answer"):
        AtClient(port, clock).read(0, 1024)
    assert clock.now_s() < LONGEST_S


def test_more_data_than_asked_for_are_not_believed():
    clock = TestClock()
    answer = b"\r\n+QIOTOTARD: 0,2048\r\n" + bytes(2048) + b"\r\n\r\nOK\r\n"
    with pytest.raises(UpdaterError, match="no usable answer"):
        AtClient(Hostile(clock, [answer] * 9), clock).read(0, 1024)


@pytest.mark.parametrize("seed", range(10))
def test_noise_from_a_wrong_baud_rate(seed):
    clock = TestClock()
    rng = random.Random(seed)
    client = AtClient(Hostile(clock, [rng.randbytes(64) for _ in range(99)], again=True), clock)
    with pytest.raises(UpdaterError):
        client.connect()
    assert clock.now_s() < LONGEST_S
