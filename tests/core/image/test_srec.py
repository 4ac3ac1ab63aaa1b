"""S-records: what is taken, and every refusal with its line, column and words."""

from __future__ import annotations

import pytest

from mcu_updater.core.image import Allow, Extent, SrecDecoder
from tests.core.image.decoding import (
    STATE_LIMIT,
    bytewise,
    decode,
    decode_in_parts,
    refusal,
    srec_line,
    text,
)

HEADER = srec_line("0", 0, b"name")
DATA = srec_line("3", 0x0800_4000, b"abcd")
MORE = srec_line("3", 0x0800_4004, b"efghijkl")
END = srec_line("7", 0x0800_4101)
DATA_16 = srec_line("1", 0x1000, b"abcd")
END_16 = srec_line("9", 0)
LONGEST = srec_line("3", 0x0801_0000, bytes(250))

GOOD = text(
    HEADER, DATA, "", "S" + MORE[1:].lower(), LONGEST, srec_line("5", 3), srec_line("6", 3), END
)


def test_addresses_data_and_lines() -> None:
    decoder = SrecDecoder()
    assert decode(decoder, GOOD) == [
        Extent(0x0800_4000, b"abcd", 2),
        Extent(0x0800_4004, b"efghijkl", 4),
        Extent(0x0801_0000, bytes(250), 5),
    ]
    assert decoder.entry == 0x0800_4101


@pytest.mark.parametrize(
    ("data", "end", "address"),
    [("1", "9", 0xFFFC), ("2", "8", 0xFF_FFFC), ("3", "7", 0xFFFF_FFFC)],
)
def test_every_width_to_the_end_of_its_space(data: str, end: str, address: int) -> None:
    lines = srec_line(data, address, b"abcd"), srec_line(end, 0)
    assert decode(SrecDecoder(), text(*lines)) == [Extent(address, b"abcd", 1)]


def test_record_without_data_counts_but_gives_nothing() -> None:
    lines = srec_line("1", 0), DATA_16, srec_line("5", 2), END_16
    assert decode(SrecDecoder(), text(*lines)) == [Extent(0x1000, b"abcd", 2)]


def decoded_alike(data: bytes) -> list[Extent]:
    """Whole, byte by byte, and with a reset at every byte."""
    extents = decode(SrecDecoder(), data)
    for reset in (False, True):
        assert decode_in_parts(SrecDecoder(), bytewise(data), reset) == extents
    return extents


def test_small_s_is_a_mark_like_any_other() -> None:
    lines = [line.lower() for line in (HEADER, DATA, MORE, srec_line("5", 2), END)]
    assert [e.data for e in decoded_alike(text(*lines))] == [b"abcd", b"efghijkl"]
    many = [srec_line("3", 16 * i, bytes(16)).lower() for i in range(20)]
    assert len(decoded_alike(text(*many, END.lower()))) == 20


@pytest.mark.parametrize("count", ["5", "6"])
def test_a_count_that_is_last_and_right_is_an_end(count: str) -> None:
    data = text(HEADER, DATA, MORE, srec_line(count, 2))
    assert [e.data for e in decoded_alike(data)] == [b"abcd", b"efghijkl"]
    assert decoded_alike(data[:-1]) == decoded_alike(data)  # without its line end


@pytest.mark.parametrize(
    "lines",
    [
        (DATA, srec_line("5", 1), MORE),  # not last
        (DATA, srec_line("5", 1), MORE, DATA_16),
        (DATA, MORE, srec_line("5", 1)),  # not right
        (DATA, MORE),
        (srec_line("3", 0), srec_line("5", 1)),  # nothing was counted that holds data
    ],
)
def test_no_other_count_is_an_end(lines: tuple[str, ...]) -> None:
    refusal(SrecDecoder(), text(*lines))


def test_addresses_of_all_widths_in_one_file() -> None:
    run = [srec_line("1", 16 * i, bytes(16)) for i in range(12)]
    lines = (*run, srec_line("2", 0x1_0000, b"ab"), DATA, *run[:1], srec_line("5", 15))
    found = decoded_alike(text(*lines))
    assert [e.address for e in found[-3:]] == [0x1_0000, 0x0800_4000, 0]
    for end in (END_16, srec_line("8", 0), END):
        assert decoded_alike(text(*lines, end)) == found
        assert decoded_alike(text(*lines[:-1], end)) == found


def test_behind_a_right_count_the_terminator_may_be_shorter() -> None:
    assert decoded_alike(text(DATA, srec_line("5", 1), END_16)) == [Extent(0x0800_4000, b"abcd", 1)]
    assert refusal(SrecDecoder(), text(DATA, END_16)).rule == Allow.TERMINATOR


def test_a_record_goes_on_above_64_kib() -> None:
    data = text(srec_line("1", 0xFFFE, b"abcd"), srec_line("5", 1))
    assert decoded_alike(data) == [Extent(0xFFFE, b"abcd", 1)]


MANY = 600  # more characters than any line may have

REFUSED = {
    "no S": (text(HEADER, "junk"), "line 2, column 1: line is no S-record record", "'j'"),
    "not hex": (text(HEADER, "S10G"), "line 2, column 4: not a hex digit", "'G'"),
    "space inside": (text(DATA + " "), "line 1, column 23: not a hex digit", "' '"),
    "odd": (text(DATA[:-1]), "line 1, column 21: odd number of hex digits", "19 digits"),
    "S only": (text("S"), "line 1, column 3: record is too short", "at least 4 bytes, found 0"),
    "short": (text("S10200FD"), "line 1, column 3: record is too short", "bytes, found 3"),
    "shorter than its address": (
        text(srec_line("3", 0, width=2)),
        "line 1, column 3: record has the wrong length",
        "expected at least 5, found 3",
    ),
    "too much data": (
        text(HEADER, DATA + "00"),
        "line 2, column 3: record length does not match its length field",
        "expected 10 bytes, found 11",
    ),
    "checksum": (
        text(HEADER, DATA[:-2] + "00"),
        "line 2, column 21: record checksum is wrong",
        f"expected {DATA[-2:]}, found 00",
    ),
    "S4": (text(HEADER, srec_line("4", 0)), "line 2, column 2: unknown record type", "found 'S4'"),
    "SA": (text(srec_line("A", 0)), "line 1, column 2: unknown record type", "found 'SA'"),
    "second header": (
        text(HEADER, HEADER),
        "line 2, column 2: header is not the first record",
        "S0 only as first record",
    ),
    "late header": (
        text(DATA, HEADER),
        "line 2, column 2: header is not the first record",
        "S0 only as first record",
    ),
    "header after a count": (
        text(srec_line("5", 0), HEADER),
        "line 2, column 2: header is not the first record",
        "S0 only as first record",
    ),
    "S5 mismatch": (
        text(DATA, MORE, srec_line("5", 1)),
        "line 3, column 5: count record does not match",
        "expected 2 data records, as many as came before it, found 1",
    ),
    "S6 mismatch": (
        text(DATA, srec_line("6", 0x1_0001)),
        "line 2, column 5: count record does not match",
        "expected 1 data records, as many as came before it, found 65537",
    ),
    "S5 with data": (
        text(DATA, srec_line("5", 1, b"x")),
        "line 2, column 3: record has the wrong length",
        "expected 3, found 4",
    ),
    "end with data": (
        text(DATA, srec_line("7", 0, b"x")),
        "line 2, column 3: record has the wrong length",
        "expected 5, found 6",
    ),
    "S9 after S3": (
        text(DATA, END_16),
        "line 2, column 2: terminator does not match the data records",
        "expected S7 after S3, found S9",
    ),
    "S7 after S1": (
        text(DATA_16, END),
        "line 2, column 2: terminator does not match the data records",
        "expected S9 after S1, found S7",
    ),
    "S9 after S2": (
        text(srec_line("2", 0, b"a"), END_16),
        "line 2, column 2: terminator does not match the data records",
        "expected S8 after S2, found S9",
    ),
    "data after end": (
        text(DATA, END, "", MORE),
        "line 4, column 1: data after the S7, S8 or S9 terminator",
        "expected nothing more, found 'S'",
    ),
    "flood after end": (
        text(DATA, END) + b"x" * MANY,
        "line 3, column 1: data after the S7, S8 or S9 terminator",
        "found 'x'",
    ),
    "no end": (
        text(HEADER, DATA, srec_line("5", 1), MORE),
        "line 5, column 1: S7, S8 or S9 terminator is missing",
        "found end of the image. The image is truncated",
    ),
    "cut inside a line": (
        text(DATA) + MORE[:10].encode(),
        "line 2, column 3: record length does not match its length field",
        "The image ends within this line; it may be truncated",
    ),
    "wrap of S3": (
        text(srec_line("3", 0xFFFF_FFFF, b"ab")),
        "line 1, column 5: record runs past 4 GiB",
        "0xFFFF_FFFF",
    ),
    "BOM": (
        b"\xef\xbb\xbf" + text(DATA, END),
        "line 1, column 1: image begins with a byte order mark",
        "UTF-8",
    ),
    "empty": (b"", "line 1, column 1: image is empty", "found no bytes"),
    "end only": (text(END), "line 1, column 1: image holds no data", "found none"),
    "no data bytes": (
        text(srec_line("3", 0), END),
        "line 2, column 1: image holds no data",
        "found none",
    ),
    "too long": (text(LONGEST + "0" * 7), "line 1, column 515: line is too long", "at most 514"),
    "endless": (b"S1" + b"0" * MANY, "line 1, column 515: line is too long", "514 characters"),
    "CR alone": (
        text(DATA, END, newline="\r"),
        "line 1, column 23: control character in the text",
        "byte 0x0D",
    ),
    "control as type": (
        text("S\x01" + DATA[2:]),
        "line 1, column 2: control character in the text",
        "byte 0x01",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusal_says_where_and_what(case: str) -> None:
    data, start, part = REFUSED[case]
    message = refusal(SrecDecoder(), data).message
    assert message.startswith(start)
    assert part in message


def test_largest_state() -> None:
    decoder = SrecDecoder()
    decoder.feed(srec_line("1", 0, bytes(252)).encode() + b"\r")
    state = decoder.state()
    assert state[0] == 3
    assert len(state) == 541 < STATE_LIMIT
