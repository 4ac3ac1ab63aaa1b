"""The AT grammar in C, held against the Python parser: any bytes, however they are cut."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_updater.quectel.at import ResponseParser, Urc, split_arguments
from mcu_updater.quectel.emulated.transcript import Said, Side, parse_transcript
from mcu_updater.quectel.ota_events import MalformedEventError, parse_ota_event
from tests.core_c.client_in_c import (
    MALFORMED,
    ParserInC,
    Told,
    event_of_c,
    event_told,
    library,
    value_told,
)
from tests.core_c.libraries import campaign
from tests.places import ROOT

pytestmark = [pytest.mark.judge("gcc"), pytest.mark.usefixtures("client_library")]

GOLDEN = sorted((ROOT / "fixtures" / "at").glob("*.txt"))
BLANKS = bytes(byte for byte in range(256) if chr(byte).isspace())

# What answers are made of, and what comes close to it.
PARTS = [
    b"\r\n", b"\r", b"\n", b"\r\n\r\n", b"OK", b"ERROR", b"\r\nOK\r\n", b"\r\n\r\nOK\r\n",
    b"+CME ERROR: 58", b"+CMS ERROR", b"+QIOTEVT", b"+QIOTEVT: 7,10702", b"+QIOTEVT:7 , 10703 ,",
    b'+QIOTEVT: 7,10700,"STM32","1","2",0,0,9', b"+QIOTEVT: 0,10701", b"+QIOTEVT: 2,10430",
    b"+QIOTEVT: 99999999999,123456", b"+QIOTOTARD: 0,", b"+QIOTOTARD: 0,6\r\n",
    b"+QIOTOTARD: 4,1\n", b"+QIOTOTARD: 0,3\r", b"+QIOTOTARD:\xa012345678901 ,2\r\n",
    b"+QIOTOTARD: 9999999999,0\r\n", b"+QIOTOTARD: 0,4097\r\n", b"+QIOTOTARD: 0,00000000001\n",
    b"+QIOTOTARD: 00,0000000005\r\n", b"abc", b"\xb2", b"\xa0", b"\x85", b"\x1c",
    b"\x00", b"7", b",", b'"', b" ", b"\x0b",
]  # fmt: skip

traffic = st.lists(st.sampled_from(PARTS) | st.binary(max_size=9), max_size=14).map(b"".join)
cuts = st.lists(st.integers(0, 200), max_size=6)


def pieces(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place for place in places if place < len(data))})
    return [data[a:b] for a, b in pairwise(edges)]


def check(fed: list[bytes], resets: frozenset[int] = frozenset()) -> None:
    """Both parsers say the same after each of *fed*; reset before those that *resets* numbers."""
    ours, theirs = ResponseParser(), ParserInC(library())
    for number, data in enumerate(fed):
        if number in resets:
            ours.reset()
            theirs.reset()
        assert theirs.feed(data) == [value_told(value) for value in ours.feed(data)], (number, fed)


@given(traffic, cuts, st.frozensets(st.integers(0, 5), max_size=2))
@settings(max_examples=campaign(500))
def test_any_bytes_in_any_pieces(data: bytes, places: list[int], resets: frozenset[int]):
    check(pieces(data, places), resets)


@given(traffic)
@settings(max_examples=campaign(300))
def test_byte_by_byte_and_at_once(data: bytes):
    check([data[at : at + 1] for at in range(len(data))])
    check([data])


@given(traffic, cuts)
@settings(max_examples=campaign(500))
def test_where_bytes_are_cut_makes_no_difference_in_python_either(data: bytes, places: list[int]):
    whole, parser = ResponseParser().feed(data), ResponseParser()
    assert whole == [value for each in pieces(data, places) for value in parser.feed(each)]


@pytest.mark.parametrize("size", range(10))
@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n"])
def test_data_that_were_lost_whole(size: int, end: bytes):
    """The count takes the end of the answer for data; cut between any two bytes."""
    for lost in range(5):
        data = b"+QIOTOTARD: 0,%d" % size + end + b"\r\n\r\nOK\r\n"[lost:] + b"\r\nNEXT\r\nOK\r\n"
        for at in range(len(data)):
            check([data[:at], data[at:]])


@pytest.mark.parametrize("size", [1, 31, 2046, 2047, 2048, 2049, 4096, 6000])
def test_lines_of_any_length(size: int):
    for text in (b"x" * size, b"+QIOTOTARD: 0," + b"1" * size, b" " * size + b"OK"):
        check([text, b"\r\nOK\r\n"])
        check([b"+QIOTOTARD: 0,4096\r\n" + bytes(4096), b"\r\n\r\n" + text, b"\n\r\nOK\r\n"])
        check(pieces(text * 3 + b"\r\nOK\r\n", list(range(0, 3 * size, 397))))


@pytest.mark.parametrize("size", [0, 1, 1024, 4095, 4096])
def test_payloads_up_to_the_largest(size: int):
    data = bytes(range(256)) * 16
    answer = b"\r\n+QIOTOTARD: 7,%d\r\n%b\r\n\r\nOK\r\n" % (size, data[:size])
    for step in (7, 64, 9999):
        check([(answer * 3)[at : at + step] for at in range(0, 3 * len(answer), step)])


def test_what_is_taken_for_blank_and_for_a_digit():
    for byte in map(bytes, product(range(256))):
        check([byte + b"OK" + byte + b"\r\n+QIOTEVT:" + byte + b"7,10702" + byte + b"\r\n"])
        check(
            [
                b"+QIOTEVT: 7,1070" + byte + b"\r\n",
                b"+QIOTOTARD: 0," + byte + b"\r\nxxxx\r\n\r\nOK\r",
            ]
        )


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_what_modules_said(path):
    entries = parse_transcript(path.read_text("ascii"))
    said = b"".join(e.data for e in entries if isinstance(e, Said) and e.side is Side.MODULE)
    check([said])
    check([said[at : at + 7] for at in range(0, len(said), 7)])


# --- arguments and events

WORDS = [
    '"', ",", " ", '"STM32"', "STM32", '""', "0", "1", "-1", "-0", "+1", "2500", "1024", "0001",
    "4294967295", "4294967296", "00004294967295", "99999999999", "https://x", '"a://b"', ":", "/",
    '"1_0_0"', '"2_0_0"', '"a,b"', '"a"b"', "0 ", "\t", "\xa0", "\xb2", "\xe4",
    "0123456789abcdefABCDEF0123456789", '"0123456789abcdef0123456789abcdef"',
    '"0123456789abcdef 0123456789abcde"', '"' + "a5" * 32 + '"', "g" * 32, "a5" * 32, "x" * 65,
]  # fmt: skip

arguments = st.lists(
    st.sampled_from(WORDS) | st.text(st.characters(max_codepoint=255), max_size=3), max_size=9
).map("".join)
shaped = st.lists(st.sampled_from(WORDS), min_size=3, max_size=7).map(",".join)
codes = st.sampled_from(range(10699, 10709))


def event_in_c(kind: int, code: int, text: str) -> Told:
    built, data = library(), text.encode("latin-1")
    event = built.ffi.new("struct fwu_event *")
    built.lib.fwu_event_parse(event, kind, code, built.ffi.new("char[]", data), len(data))
    return event_of_c(built, event)


def event_in_python(kind: int, code: int, text: str) -> Told:
    try:
        return event_told(parse_ota_event(Urc(kind, code, text)))
    except MalformedEventError:
        return MALFORMED


def agree(kind: int, code: int, text: str) -> None:
    expected = event_in_python(kind, code, text)
    assert event_in_c(kind, code, text) == expected, (code, text)


@given(st.sampled_from([7, 7, 7, 0]), codes, arguments | shaped)
@settings(max_examples=campaign(500))
def test_any_arguments_of_any_event(kind: int, code: int, text: str):
    agree(kind, code, text)


@given(st.lists(st.sampled_from(WORDS), min_size=4, max_size=6))
@settings(max_examples=campaign(500))
def test_arguments_of_a_piece(fields: list[str]):
    agree(7, 10703, ",".join(['"STM32"', *fields]))


NUMBERS = ["0", "1", "00", "1 ", " 1", "", "-1", "1.0", "4294967295", "4294967296", "0000000001"]


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_of_events(number: str):
    agree(7, 10700, f'"C","","2",{number},-{number},{number}')
    agree(7, 10700, f'"C","","2",5,{number},6,{number}')
    agree(7, 10701, f'"C",{number},"{"ab" * 16}",{number}')
    for start, size in product(NUMBERS, repeat=2):
        agree(7, 10703, f'"C",{number},{start},{size}')


@pytest.mark.parametrize(
    "rest", ["", ",", ',""', ",https://a", ',"ftp://a"', ",://", ",a:/b", ",:" * 3]
)
def test_what_may_stand_in_the_place_of_a_sha_256(rest: str):
    for sha in ("", f',"{"5A" * 32}"', f",{'5A' * 32}", f',"{"5A" * 31}"', f',"{"5A" * 31}zz"'):
        agree(7, 10701, f'"C",5,"{"ab" * 16}",9{sha}{rest}')


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\x0b", "\xa0"])
def test_a_digest_has_digits_only(blank: str):
    """``bytes.fromhex`` passes over blanks."""
    digest = "ab" * 15 + blank * 2
    assert event_in_python(7, 10701, f'"C",5,"{digest}",9') == MALFORMED
    agree(7, 10701, f'"C",5,"{digest}",9')
    agree(7, 10701, f'"C",5,"{"ab" * 16}",9,"{"cd" * 31}{blank * 2}"')


@given(arguments)
@settings(max_examples=campaign(500))
def test_arguments_are_split_as_in_python(text: str):
    built, data = library(), text.encode("latin-1")
    try:
        expected = [each.encode("latin-1") for each in split_arguments(text)]
    except ValueError:
        expected = []
    held = built.ffi.new("char[]", data)
    tokens = built.ffi.new("struct fwu_scan[20]")
    count = built.lib.fwu_scan_split((held, held + len(data)), tokens, 20)
    found = [
        built.ffi.buffer(each.at, each.end - each.at)[:] for each in tokens[0 : min(count, 20)]
    ]
    assert (count, found) == (len(expected), expected[:20])
