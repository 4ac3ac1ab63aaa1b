"""Intel HEX: what is taken, and every refusal with its line, column and words."""

from __future__ import annotations

import pytest

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image import Extent, HexDecoder
from tests.core.image.decoding import (
    STATE_LIMIT,
    decode,
    hex_line,
    refusal,
    text,
)

BASE = hex_line(4, 0, b"\x08\x00")
DATA = hex_line(0, 0x4000, b"abcd")
END = hex_line(1, 0)
ENTRY = hex_line(5, 0, b"\x08\x00\x41\x01")
SEGMENT = hex_line(2, 0, b"\x10\x00")
LONGEST = hex_line(0, 0, bytes(range(255)))

GOOD = text(
    BASE,
    DATA,
    "",
    hex_line(0, 0x4004, b"efghijkl").lower(),
    hex_line(0, 0, b""),
    ENTRY,
    LONGEST,
    END,
)


def test_addresses_data_and_lines() -> None:
    decoder = HexDecoder()
    assert decoder.entry is None
    assert decode(decoder, GOOD) == [
        Extent(0x0800_4000, b"abcd", 2),
        Extent(0x0800_4004, b"efghijkl", 4),
        Extent(0x0800_0000, bytes(range(255)), 7),
    ]
    assert decoder.entry == 0x0800_4101


def test_segment_addresses() -> None:
    decoder = HexDecoder()
    entry = hex_line(3, 0, b"\x12\x34\x56\x78")
    assert decode(decoder, text(SEGMENT, DATA, entry, END)) == [Extent(0x1_4000, b"abcd", 2)]
    assert decoder.entry == 0x1_2340 + 0x5678


def test_record_may_end_at_its_window_and_at_4_gib() -> None:
    lines = hex_line(4, 0, b"\xff\xff"), hex_line(0, 0xFFFC, b"abcd"), END
    assert decode(HexDecoder(), text(*lines)) == [Extent(0xFFFF_FFFC, b"abcd", 2)]


MANY = 600  # more characters than any line may have

REFUSED = {
    "no colon": (text(DATA, "junk", END), "line 2, column 1: line is no Intel HEX record", "':'"),
    "comment": (text("# x", END), "line 1, column 1: line is no Intel HEX record", "'#'"),
    "indented": (text(" " + DATA, END), "line 1, column 1: line is no Intel HEX record", "' '"),
    "not hex": (text(":0G"), "line 1, column 3: not a hex digit", "'G'"),
    "space inside": (text(DATA + " "), "line 1, column 20: not a hex digit", "' '"),
    "not ASCII": (text(DATA + "\xe4"), "line 1, column 20: not a hex digit", "byte 0xE4"),
    "two on a line": (text(DATA + END), "line 1, column 20: not a hex digit", "':'"),
    "odd": (text(BASE, DATA[:-1]), "line 2, column 18: odd number of hex digits", "17 digits"),
    "colon only": (text(":"), "line 1, column 2: record is too short", "at least 5 bytes, found 0"),
    "short": (text(":00000001"), "line 1, column 2: record is too short", "5 bytes, found 4"),
    "too little data": (
        text(DATA.replace("61", "", 1)),
        "line 1, column 2: record length does not match its length field",
        "expected 9 bytes, found 8",
    ),
    "too much data": (
        text(DATA + "00"),
        "line 1, column 2: record length does not match its length field",
        "expected 9 bytes, found 10",
    ),
    "checksum": (
        text(BASE, DATA[:-2] + "00"),
        "line 2, column 18: record checksum is wrong",
        f"expected {DATA[-2:]}, found 00",
    ),
    "type 06": (text(hex_line(6, 0, b"ab")), "line 1, column 8: unknown record type", "found 06"),
    "type FF": (text(hex_line(255, 0)), "line 1, column 8: unknown record type", "found FF"),
    "04 length": (
        text(hex_line(4, 0, b"\x08")),
        "line 1, column 2: extended linear address record has the wrong length",
        "expected 2 data bytes, found 1",
    ),
    "02 length": (
        text(hex_line(2, 0, b"\x08\x00\x00")),
        "line 1, column 2: extended segment address record has the wrong length",
        "expected 2 data bytes, found 3",
    ),
    "04 address": (
        text(hex_line(4, 0x10, b"\x08\x00")),
        "line 1, column 4: extended linear address record has an address",
        "expected 0000, found 0010",
    ),
    "02 address": (
        text(hex_line(2, 0x1000, b"\x08\x00")),
        "line 1, column 4: extended segment address record has an address",
        "expected 0000, found 1000",
    ),
    "02 after 04": (
        text(BASE, SEGMENT),
        "line 2, column 8: segment and linear addresses are mixed",
        "or zero before another, found type 02 while type 04 says 0x0800_0000",
    ),
    "04 after 02": (
        text(SEGMENT, DATA, BASE),
        "line 3, column 8: segment and linear addresses are mixed",
        "expected type 02 throughout, or zero before another, found type 04 while type 02 says ",
    ),
    "05 length": (
        text(hex_line(5, 0, b"\x08\x00\x00")),
        "line 1, column 2: start linear address record has the wrong length",
        "expected 4 data bytes, found 3",
    ),
    "03 length": (
        text(hex_line(3, 0)),
        "line 1, column 2: start segment address record has the wrong length",
        "expected 4 data bytes, found 0",
    ),
    "05 address": (
        text(hex_line(5, 1, b"\x08\x00\x00\x01")),
        "line 1, column 4: start linear address record has an address",
        "expected 0000, found 0001",
    ),
    "05 twice": (
        text(ENTRY, DATA, hex_line(5, 0, b"\x08\x00\x42\x01")),
        "line 3, column 10: start address is given twice",
        "expected one, 0x0800_4101, found 0x0800_4201",
    ),
    "03 twice": (
        text(hex_line(3, 0, bytes(4)), hex_line(3, 0, bytes(3) + b"1")),
        "line 2, column 10: start address is given twice",
        "0x0000_0000",
    ),
    "end with data": (
        text(DATA, hex_line(1, 0, b"x")),
        "line 2, column 2: end-of-file record has the wrong length",
        "expected 0 data bytes, found 1",
    ),
    "end with address": (
        text(DATA, hex_line(1, 0x1234)),
        "line 2, column 4: end-of-file record has an address",
        "expected 0000, found 1234",
    ),
    "record after end": (
        text(DATA, END, "", DATA),
        "line 4, column 1: data after the end-of-file record",
        "expected nothing more, found ':'",
    ),
    "second end": (
        text(DATA, END, END),
        "line 3, column 1: data after the end-of-file record",
        "expected nothing more, found ':'",
    ),
    "blank after end": (
        text(DATA, END) + b" ",
        "line 3, column 1: data after the end-of-file record",
        "found ' '",
    ),
    "ctrl-Z after end": (
        text(DATA, END) + b"\x1a",
        "line 3, column 1: data after the end-of-file record",
        "found byte 0x1A",
    ),
    "flood after end": (
        text(DATA, END) + b"x" * MANY,
        "line 3, column 1: data after the end-of-file record",
        "found 'x'",
    ),
    "no end": (
        text(BASE, DATA),
        "line 3, column 1: end-of-file record is missing",
        "found end of the image. The image is truncated",
    ),
    "cut inside a line": (
        text(BASE) + DATA[:9].encode(),
        "line 2, column 2: record is too short",
        "found 4. The image ends within this line; it may be truncated",
    ),
    "wrap in linear mode": (
        text(BASE, hex_line(0, 0xFFFE, b"abcd")),
        "line 2, column 4: record runs past its 64 KiB window",
        "expected at most 2 bytes at 0x0800_FFFE, found 4",
    ),
    "wrap in segment mode": (
        text(SEGMENT, hex_line(0, 0xFFFF, b"ab")),
        "line 2, column 4: record runs past its 64 KiB window",
        "expected at most 1 bytes at 0x0001_FFFF, found 2",
    ),
    "wrap without base": (
        text(hex_line(0, 0xFFFF, b"ab")),
        "line 1, column 4: record runs past its 64 KiB window",
        "0x0000_FFFF",
    ),
    "past 4 GiB": (
        text(hex_line(4, 0, b"\xff\xff"), hex_line(0, 0xFFFF, b"ab")),
        "line 2, column 4: record runs past 4 GiB",
        "expected at most 1 bytes at 0xFFFF_FFFF, found 2",
    ),
    "BOM": (
        b"\xef\xbb\xbf" + text(BASE, DATA, END),
        "line 1, column 1: image begins with a byte order mark",
        "UTF-8",
    ),
    "UTF-16": (
        text(DATA, END).decode().encode("utf-16"),
        "line 1, column 1: image begins with a byte order mark",
        "UTF-16 little endian",
    ),
    "empty": (b"", "line 1, column 1: image is empty", "found no bytes"),
    "blank lines only": (b"\n\n", "line 3, column 1: end-of-file record is missing", "truncated"),
    "end only": (text(END), "line 1, column 1: image holds no data", "found none"),
    "no data bytes": (
        text(hex_line(0, 0), END),
        "line 2, column 1: image holds no data",
        "data records before the end-of-file record",
    ),
    "too long": (
        text(LONGEST + "0"),
        "line 1, column 522: line is too long",
        "expected at most 521 characters, found more",
    ),
    "endless": (b":" + b"0" * MANY, "line 1, column 522: line is too long", "521 characters"),
    "endless junk": (b"x" * MANY, "line 1, column 522: line is too long", "521 characters"),
    "too long by CRs": (
        text(LONGEST + "\r", newline="\r\n"),
        "line 1, column 522: control character in the text",
        "byte 0x0D",
    ),
    "CR alone": (
        text(DATA, END, newline="\r"),
        "line 1, column 20: control character in the text",
        "byte 0x0D",
    ),
    "tab": (text(DATA + "\t"), "line 1, column 20: control character in the text", "byte 0x09"),
    "NUL": (text("\0" + DATA), "line 1, column 1: control character in the text", "byte 0x00"),
    "DEL": (text(DATA + "\x7f"), "line 1, column 20: control character in the text", "byte 0x7F"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusal_says_where_and_what(case: str) -> None:
    data, start, part = REFUSED[case]
    message = refusal(HexDecoder(), data).message
    assert message.startswith(start)
    assert part in message


def test_endless_line_is_refused_before_it_is_kept() -> None:
    decoder = HexDecoder()
    decoder.feed(LONGEST.encode() + b"\r")
    with pytest.raises(ImageRejected, match="line 1, column 522: control character"):
        decoder.feed(b"\r")


def test_entry_survives_a_reset() -> None:
    decoder = HexDecoder()
    decoder.feed(text(ENTRY))
    assert HexDecoder.restore(decoder.state()).entry == 0x0800_4101


def test_largest_state() -> None:
    decoder = HexDecoder()
    decoder.feed(LONGEST.encode() + b"\r")
    state = decoder.state()
    assert state[0] == 2
    assert len(state) == 543 < STATE_LIMIT
