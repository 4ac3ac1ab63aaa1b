"""TI-TXT: what is taken, and every refusal with its line, column and words."""

from __future__ import annotations

import bincopy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_updater.core.image import Extent, TiTxtDecoder
from tests.core.image.decoding import (
    STATE_LIMIT,
    bytewise,
    cut,
    decode,
    decode_in_parts,
    layouts,
    merged,
    places,
    refusal,
    text,
)

LINE = "00 01 02 03 04 05 06 07 08 09 0a 0B 0C 0D 0E 0F"
SIXTEEN = bytes(range(16))


def test_sections_data_and_lines() -> None:
    data = text("@8000", LINE, "AA bb", "", "@08010000", LINE, "q")
    assert decode(TiTxtDecoder(), data) == [
        Extent(0x8000, SIXTEEN, 2),
        Extent(0x8010, b"\xaa\xbb", 3),
        Extent(0x0801_0000, SIXTEEN, 6),
    ]


def test_long_runs_are_read_like_single_lines() -> None:
    data = text("@8000", *[LINE] * 40, "01", "q")
    extents = decode(TiTxtDecoder(), data)
    assert extents == decode_in_parts(TiTxtDecoder(), bytewise(data), reset=False)
    assert [e.line for e in extents] == list(range(2, 43))
    assert merged(extents) == {0x8000: SIXTEEN * 40 + b"\1"}


def test_a_blank_behind_the_last_byte_and_a_capital_q_as_ti_writes_them() -> None:
    plain = text("@8000", *[LINE] * 20, "01 02", "@F000", "03", "q")
    blank = text("@8000", *[LINE + " "] * 20, "01 02 ", "@F000", "03 ", "Q")
    assert decode(TiTxtDecoder(), blank) == decode(TiTxtDecoder(), plain)
    for reset in (False, True):
        found = decode_in_parts(TiTxtDecoder(), bytewise(blank), reset)
        assert found == decode(TiTxtDecoder(), plain)
    mixed = text("@8000", *[LINE, LINE + " "] * 20, "01 02", "@F000", "03", "q")
    assert len(decode(TiTxtDecoder(), mixed)) == 42


REFUSED = {
    "no section": (text(LINE, "q"), "line 1, column 1: data before the first section"),
    "no address": (text("@", "q"), "line 1, column 2: section has no address"),
    "9 digits": (text("@123456789"), "line 1, column 2: section has no address"),
    "short line inside": (
        text("@0", "@00", "01 02", LINE, "q"),
        "line 1, column 2: section has no address",
    ),
    "short line": (
        text("@00", "01 02", LINE, "q"),
        "line 3, column 1: line before this one is short; expected 16 bytes",
    ),
    "17 bytes": (text("@00", LINE + " 10"), "line 2, column 49: line is too long"),
    "odd digit": (text("@00", "01 2", "q"), "line 2, column 5: line is no TI-TXT line"),
    "not hex": (text("@00", "01 2G", "q"), "line 2, column 5: line is no TI-TXT line"),
    "no blank": (text("@00", "0102", "q"), "line 2, column 3: line is no TI-TXT line"),
    "two blanks at the end": (text("@00", "01  ", "q"), "line 2, column 4: line is no TI-TXT line"),
    "blank behind q": (text("@00", "01", "q "), "line 3, column 1: line is no TI-TXT line"),
    "nothing": (b"", "line 1, column 1: image is empty"),
    "q only": (text("q"), "line 1, column 1: image holds no data"),
    "no q": (text("@00", "01"), "line 3, column 1: q line is missing"),
    "after q": (text("@00", "01", "q", "@00"), "line 4, column 1: data after the q line"),
    "4 GiB": (
        text("@FFFFFFFF", "01 02", "q"),
        "line 2, column 1: data run past 4 GiB; expected at most 1 bytes at 0xFFFF_FFFF, found 2",
    ),
    "mark": (b"\xef\xbb\xbf@00\n01\nq\n", "line 1, column 1: image begins with a byte order mark"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    data, message = REFUSED[case]
    assert message in refusal(TiTxtDecoder(), data).message


@given(layouts(1 << 32), places, st.booleans())
@settings(max_examples=60)
def test_what_bincopy_writes_is_what_it_was_given(
    segments: dict[int, bytes], at: list[int], reset: bool
) -> None:
    file = bincopy.BinFile()
    for address, data in segments.items():
        file.add_binary(data, address=address)
    written = file.as_ti_txt()
    assert merged(decode_in_parts(TiTxtDecoder(), cut(written.encode(), at), reset)) == segments


def test_memory_is_bounded() -> None:
    decoder = TiTxtDecoder()
    decoder.feed(b"@00\n" + LINE.encode())
    assert len(decoder.state()) < STATE_LIMIT
