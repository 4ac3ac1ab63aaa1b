"""The AT grammar: values do not depend on how the bytes were cut."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_updater.core import ota
from mcu_updater.core.errors import LinkError
from mcu_updater.quectel import at
from mcu_updater.quectel.ota_events import MalformedEventError, format_ota_event, parse_ota_event

V = TypeVar("V")

TRAP = b"\r\nOK\r\n\r\n+QIOTEVT: 7,10706\r\n\x00\xff\r\n"

STREAM = (
    b"AT+QIOTOTARD=0,32\r"
    + at.format_payload(0, TRAP + b"x" * (32 - len(TRAP)))
    + b"\r\nOK\r\n"
    + b"\r\n+QIOTEVT: 7,10702\r\n"
    + at.format_payload(32, b"\n\n\r\r\n")
    + b"\r\n+QIOTEVT: 3,10200\r\n"
    + b"\r\nOK\r\n"
    + b'\r\n+QIOTCFG:"server",1,"mqtt://x:1883"\r\n\r\nOK\r\n'
    + b'\r\n+QIND: "FOTA","END",0\r\n'
    + b"\r\n+CME ERROR: 3\r\n\r\nERROR\r\n"
    + at.format_payload(7, b"")
    + b"\r\nOK\r\n"
)

VALUES = [
    at.Line("AT+QIOTOTARD=0,32"),
    at.Payload(0, TRAP + b"x" * (32 - len(TRAP))),
    at.Final(True, "OK"),
    at.Urc(7, 10702, ""),
    at.Payload(32, b"\n\n\r\r\n"),
    at.Urc(3, 10200, ""),
    at.Final(True, "OK"),
    at.Line('+QIOTCFG:"server",1,"mqtt://x:1883"'),
    at.Final(True, "OK"),
    at.Line('+QIND: "FOTA","END",0'),
    at.Final(False, "+CME ERROR: 3"),
    at.Final(False, "ERROR"),
    at.Payload(7, b""),
    at.Final(True, "OK"),
]


def pieces(data: bytes, cuts) -> list[bytes]:
    edges = [0, *sorted(cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def parsed(feed: Callable[[bytes], list[V]], parts: Iterable[bytes]) -> list[V]:
    return [value for part in parts for value in feed(part)]


def only_urc(wire: bytes) -> at.Urc:
    (urc,) = at.ResponseParser().feed(wire)
    assert isinstance(urc, at.Urc)
    return urc


def test_responses_whole():
    assert at.ResponseParser().feed(STREAM) == VALUES


def test_responses_byte_by_byte():
    assert parsed(at.ResponseParser().feed, [bytes([b]) for b in STREAM]) == VALUES


@given(st.sets(st.integers(0, len(STREAM))))
def test_responses_at_any_split(cuts):
    assert parsed(at.ResponseParser().feed, pieces(STREAM, cuts)) == VALUES


@given(st.binary(max_size=300), st.sets(st.integers(0, 300)))
def test_noise_at_any_split(noise, cuts):
    data = noise + at.format_payload(1, TRAP) + b"\r\nOK\r\n"
    cuts = {min(cut, len(data)) for cut in cuts}
    assert parsed(at.ResponseParser().feed, pieces(data, cuts)) == at.ResponseParser().feed(data)


@given(st.binary(max_size=1024))
def test_any_payload_comes_through(data):
    stream = at.format_payload(5, data) + b"\r\nOK\r\n"
    assert at.ResponseParser().feed(stream) == [at.Payload(5, data), at.Final(True, "OK")]


@pytest.mark.parametrize("lost", range(1, 5))
def test_a_payload_that_lost_bytes_is_not_clean(lost):
    stream = at.format_payload(0, b"x" * 64).replace(b"x", b"", lost) + b"\r\nOK\r\n"
    payload, final = at.ResponseParser().feed(stream)
    assert isinstance(payload, at.Payload)
    assert not payload.clean
    assert final == at.Final(True, "OK")


def test_a_payload_that_got_a_byte_more_is_not_clean():
    stream = at.format_payload(0, b"x" * 64).replace(b"x", b"xx", 1) + b"\r\nOK\r\n"
    payload = at.ResponseParser().feed(stream)[0]
    assert isinstance(payload, at.Payload)
    assert not payload.clean


def test_line_feed_dialect_and_missing_space():
    stream = b"+QIOTOTARD:0,3\n\n\nx\nOK\n"
    assert at.ResponseParser().feed(stream) == [at.Payload(0, b"\n\nx"), at.Final(True, "OK")]


def test_endless_line_and_absurd_length_do_not_block():
    parser = at.ResponseParser()
    values = parser.feed(b"\r\n+QIOTOTARD: 0,99999\r\n" + b"x" * 5000 + b"\r\nOK\r\n")
    assert values[0] == at.Line("+QIOTOTARD: 0,99999")
    assert values[-1] == at.Final(True, "OK")


def test_reset_forgets_a_payload():
    parser = at.ResponseParser()
    assert parser.feed(b"\r\n+QIOTOTARD: 0,100\r\nabc") == []
    parser.reset()
    assert parser.feed(b"\r\nOK\r\n") == [at.Final(True, "OK")]


def test_unreadable_event_is_not_dropped():
    urc = only_urc(b"\r\n+QIOTEVT: 7,1x703\r\n")
    assert urc.type == at.UNREADABLE_URC_TYPE
    with pytest.raises(MalformedEventError, match="1x703"):
        parse_ota_event(urc)


# --- commands -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "kind", "arguments"),
    [
        ("AT", "", at.Kind.EXEC, ()),
        ("at", "", at.Kind.EXEC, ()),
        ("ATE0", "E0", at.Kind.EXEC, ()),
        ("AT+CSQ", "+CSQ", at.Kind.EXEC, ()),
        ("at+qiotreg?", "+QIOTREG", at.Kind.READ, ()),
        ("AT+QIOTREG=?", "+QIOTREG", at.Kind.TEST, ()),
        ("AT+QIOTOTARD=0,1024", "+QIOTOTARD", at.Kind.WRITE, (0, 1024)),
        ('AT+QIOTMCUVER="a,b","1"', "+QIOTMCUVER", at.Kind.WRITE, ("a,b", "1")),
        ('AT+QIOTMCUVER="a"b",""', "+QIOTMCUVER", at.Kind.WRITE, ('a"b', "")),
    ],
)
def test_commands(text, name, kind, arguments):
    assert at.parse_command(text) == at.Command(name, kind, arguments, text)


@pytest.mark.parametrize(
    "text",
    [
        "AT+X=", "AT+X=01", "AT+X=-1", "AT+X=+1", "AT+X=1,", "AT+X=abc", 'AT+X="a',
        'AT+X="a"b', "+X", "xAT", "AT+", "AT X", "At+X", "AT+X=1 2", "\x00",
    ],
)  # fmt: skip
def test_malformed_commands(text):
    assert at.parse_command(text) == at.Malformed(text)


COMMANDS = b'AT+QIOTREG=1\r\nat\rATE0\n\r\n\nAT+QIOTMCUVER="a","b"\r\nAT+X=\r\n'


@given(st.sets(st.integers(0, len(COMMANDS))))
def test_commands_at_any_split(cuts):
    values = parsed(at.CommandParser().feed, pieces(COMMANDS, cuts))
    assert [value.text for value in values] == [
        "AT+QIOTREG=1", "at", "ATE0", 'AT+QIOTMCUVER="a","b"', "AT+X=",
    ]  # fmt: skip
    assert isinstance(values[-1], at.Malformed)


PLAIN = st.text(st.characters(codec="ascii", exclude_categories=["C"], exclude_characters='"'))


@given(st.lists(st.one_of(st.integers(0, 2**32 - 1), PLAIN), min_size=1, max_size=5))
def test_what_is_formatted_is_parsed(arguments):
    line = at.format_command("+QIOTX", at.Kind.WRITE, arguments)
    (command,) = at.CommandParser().feed(line)
    assert isinstance(command, at.Command)
    assert command.arguments == tuple(arguments)


@pytest.mark.parametrize("text", ['a"b', "a\r", "\n", "é"])
def test_what_cannot_be_quoted(text):
    with pytest.raises(ValueError, match="cannot carry"):
        at.quote(text)


# --- OTA events -----------------------------------------------------------------------------

MD5 = bytes.fromhex("95cbdeb4faeda4322ad9b65eb731ed2b")
SHA = bytes.fromhex("2bb534d576fb307f049a149787afab2382ebb8605467acfc2c05a2e67677e094")

DOCUMENTED = [  # verbatim from the AT manual's interaction events and examples
    (
        '7,10700,"STM32","","2_0_0",30,-113,27954',
        ota.PlanOffered("STM32", "", "2_0_0", 30, -113, 27954),
    ),
    (
        '7,10700,"app","FC41DAAR12A01_QTH","FC41DAAR12A03_QTH",30,-113,698000',
        ota.PlanOffered("app", "FC41DAAR12A01_QTH", "FC41DAAR12A03_QTH", 30, -113, 698000),
    ),
    (
        f'7,10701,"STM32",27954,"{MD5.hex()}",4022793929,"{SHA.hex()}"',
        ota.DownloadStarted("STM32", 27954, MD5, 4022793929, SHA),
    ),
    (
        f'7,10701,"STM32",27954,"{MD5.hex()}",4022793929',
        ota.DownloadStarted("STM32", 27954, MD5, 4022793929, None),
    ),
    ("7,10702", ota.Downloading()),
    ('7,10703,"STM32",27954,0,27954', ota.PieceReady("STM32", 27954, 0, 27954)),
    ("7,10704", ota.Updating()),
    ("7,10705", ota.UpdateSucceeded()),
    ("7,10706", ota.UpdateFailed()),
    ("7,10708", ota.OtherOtaEvent(10708, "")),
    ("7,10703", ota.OtherOtaEvent(10703, "")),
    ("7,10701", ota.OtherOtaEvent(10701, "")),
]


@pytest.mark.parametrize(("text", "event"), DOCUMENTED)
def test_documented_events(text, event):
    wire = f"\r\n+QIOTEVT: {text}\r\n".encode()
    assert parse_ota_event(only_urc(wire)) == event
    assert format_ota_event(event) == wire


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("10700,STM32,,2_0_0,30,-113,9", ota.PlanOffered("STM32", "", "2_0_0", 30, -113, 9)),
        ('10703,"a,b",9,0,9,"more"', ota.PieceReady("a,b", 9, 0, 9)),
        (
            f'10701,"a",9,"{MD5.hex()}",1,"http://x/y"',
            ota.DownloadStarted("a", 9, MD5, 1, None),
        ),
        ("10705,1", ota.UpdateSucceeded()),
    ],
)
def test_tolerated_events(text, event):
    assert parse_ota_event(only_urc(f"+QIOTEVT:7,{text}\r\n".encode())) == event


@pytest.mark.parametrize(
    "text",
    [
        '10700,"STM32","","2_0_0",30,-113',
        '10700,"","","2_0_0",30,-113,1',
        '10701,"STM32",27954,"95cb",1',
        f'10701,"STM32",-1,"{MD5.hex()}",1',
        f'10701,"STM32",1,"{MD5.hex()}",1,"2bb5"',
        '10703,"STM32",100,0',
        '10703,"STM32",100,50,51',
        '10703,"STM32",100,0,0',
        '10703,"STM32,100,0,100',
    ],
)
def test_malformed_events_are_errors(text):
    urc = only_urc(f"+QIOTEVT: 7,{text}\r\n".encode())
    with pytest.raises(MalformedEventError) as caught:
        parse_ota_event(urc)
    assert isinstance(caught.value, LinkError)
    assert text[:5] in str(caught.value)
