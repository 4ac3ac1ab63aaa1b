"""Lines taken together come to what each of them comes to alone: bytes, lines, states, complaints.

The reference is the same decoder, fed one line at a time: it then never sees two lines together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image import Allow, Allowed, Extent, HexDecoder, SrecDecoder, TiTxtDecoder
from mcu_updater.core.image.runs import LEAST_ROWS, MOST_ROWS
from tests.core.image.decoding import cut, hex_line, lines_of, places, srec_line, text
from tests.thorough import THOROUGH

Text = HexDecoder | SrecDecoder | TiTxtDecoder
Answer = tuple[list[Extent], bytes, int | None] | str
FORMATS: dict[str, type[Text]] = {"hex": HexDecoder, "srec": SrecDecoder, "ti-txt": TiTxtDecoder}
each_format = pytest.mark.parametrize("fmt", FORMATS)
WINDOW = 0x1_0000


def answer(decoder: Text, parts: Iterable[bytes]) -> Answer:
    """Extents line by line, the state before the end, the entry; or the complaint."""
    extents: list[Extent] = []
    try:
        for part in parts:
            extents += lines_of(decoder.feed(part))
        state = decoder.state()
        decoder.finish()
    except ImageRejected as error:
        return str(error)
    return extents, state, decoder.entry


def check(fmt: str, data: bytes, *, allow: Allowed = frozenset()) -> Answer:
    together = answer(FORMATS[fmt](allow), [data])
    alone = answer(FORMATS[fmt](allow), data.splitlines(keepends=True))
    assert together == alone, data
    return together


def ti_txt_line(data: bytes) -> str:
    return data.hex(" ").upper()


def regular(fmt: str, rows: int, width: int = 16, address: int = 0x0800_0000) -> list[str]:
    """*rows* data records that follow one another, between what begins and ends a file."""
    pieces = [bytes((17 * row + i) & 0xFF for i in range(width)) for row in range(rows)]
    begins = [address + row * width for row in range(rows)]
    if fmt == "hex":
        base = hex_line(4, 0, (address >> 16).to_bytes(2, "big"))
        lines = [hex_line(0, at & 0xFFFF, d) for at, d in zip(begins, pieces, strict=True)]
        return [base, *lines, hex_line(1, 0)]
    if fmt == "srec":
        lines = [srec_line("3", at, d) for at, d in zip(begins, pieces, strict=True)]
        return [*lines, srec_line("7", 0)]
    return [f"@{address:08X}", *map(ti_txt_line, pieces), "q"]


@each_format
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("rows", [1, LEAST_ROWS - 1, LEAST_ROWS, 23, MOST_ROWS + LEAST_ROWS])
def test_regular_records_are_one_extent(fmt: str, rows: int, newline: str) -> None:
    data = text(*regular(fmt, rows), newline=newline)
    extents = list(FORMATS[fmt]().feed(data))
    assert len(extents) == (rows if rows < LEAST_ROWS else -(-rows // MOST_ROWS))
    assert sum(extent.lines for extent in extents) == rows
    check(fmt, data)


def edits(data: bytes, values: Iterable[int]) -> Iterable[bytes]:
    """*data* with one byte of another value, one byte less, and one byte more, at every place."""
    others = [bytes((value,)) for value in values]
    for at in range(len(data)):
        yield data[:at] + data[at + 1 :]
        for other in others:
            yield data[:at] + other + data[at + 1 :]
            yield data[:at] + other + data[at:]


@each_format
def test_every_edit_of_one_byte(fmt: str) -> None:
    """As a whole: a run that is found, and must not be taken, or with other bytes."""
    width = 16 if fmt == "ti-txt" else 2
    data = text(*regular(fmt, LEAST_ROWS + 1, width))
    values = range(256) if THOROUGH else b"\n\r \t\0:;SsqQ@037899AFafGg\xff"
    seen = [isinstance(check(fmt, edited), str) for edited in edits(data, values)]
    assert len(seen) > 8000
    if fmt != "ti-txt":  # which has no checksum
        assert sum(seen) > 0.8 * len(seen)


@each_format
def test_two_wrong_bytes_that_make_a_sum_right_again(fmt: str) -> None:
    """In one record nobody can see it; in two, both sums are wrong."""
    lines = regular(fmt, LEAST_ROWS + 3)
    a, b = (bytearray(lines[row].encode()) for row in (3, 4))
    at = -4 if fmt != "ti-txt" else -2
    a[at], b[at] = b[at], a[at]
    edited = [*lines[:3], a.decode(), b.decode(), *lines[5:]]
    assert isinstance(check(fmt, text(*edited)), str) == (fmt != "ti-txt")


WIDTHS = [0, 1, 2, 15, 16, 32, 249, 250]


@pytest.mark.parametrize(
    ("fmt", "width"),
    [("hex", width) for width in (*WIDTHS, 251, 252, 255)] + [("srec", width) for width in WIDTHS],
)
def test_any_width(fmt: str, width: int) -> None:
    check(fmt, text(*regular(fmt, 12, width)))


def rows_of(length: int, total: int, data: bytes) -> list[str]:
    """Intel HEX records of *data* with another *length* field, each of whose bytes sum to *total*,
    give or take 256."""
    lines = []
    for row in range(LEAST_ROWS):
        body = bytes((length,)) + (row * len(data)).to_bytes(2, "big") + b"\0" + data
        lines.append(f":{body.hex().upper()}{(total - sum(body)) % 256:02X}")
    return lines


def test_a_length_that_all_records_have_wrong() -> None:
    for length in (15, 17):
        data = text(*rows_of(length, 0, bytes(16)), hex_line(1, 0))
        assert "length field" in str(check("hex", data))


def test_sums_that_are_right_modulo_another_number() -> None:
    """The largest prime below 65536, which a sum of bytes of the longest records can reach."""
    data = text(*rows_of(255, 65521, b"\xff" * 255), hex_line(1, 0))
    assert "checksum" in str(check("hex", data))


@pytest.mark.parametrize("fill", [b"\0", b"\xff", b"\xff\0", b"\0\xff", None], ids=repr)
@pytest.mark.parametrize("fmt", ["hex", "srec"])
def test_records_of_every_width_are_taken_together_whatever_they_hold(
    fmt: str, fill: bytes | None
) -> None:
    """Sums lie side by side in one integer: none reaches into another."""
    dice = Random(fmt)
    for width in range(1, 252 + (fmt == "hex")):
        pieces = [
            dice.randbytes(width) if fill is None else (fill * width)[:width]
            for _ in range(LEAST_ROWS)
        ]
        lines = records(fmt, pieces, 0x100)
        extents = FORMATS[fmt]().feed(text(*lines))
        assert extents == [Extent(0x100, b"".join(pieces), 1, LEAST_ROWS)], width


def test_records_of_more_than_257_bytes_are_taken_one_by_one() -> None:
    """What the sums of pairs have room for; only Intel HEX can say more."""
    pieces = [b"\xff" * 253] * LEAST_ROWS
    assert len(HexDecoder().feed(text(*records("hex", pieces, 0)))) == LEAST_ROWS


@pytest.mark.parametrize("fmt", ["hex", "srec"])
def test_records_without_data_are_none(fmt: str) -> None:
    """A record of data behind them keeps the end, which is as long as they, out of the run."""
    empty, last = records(fmt, [b""] * LEAST_ROWS, 0x100), records(fmt, [b"ab"], 0x100)
    end = hex_line(1, 0) if fmt == "hex" else srec_line("9", 0)
    found = check(fmt, text(*empty, *last, end))
    assert found[0] == [Extent(0x100, b"ab", LEAST_ROWS + 1)]


def records(fmt: str, pieces: list[bytes], address: int) -> list[str]:
    """Data records of *pieces*, which follow one another; S1."""
    begins = [address + sum(map(len, pieces[:row])) for row in range(len(pieces))]
    if fmt == "hex":
        return [hex_line(0, at, data) for at, data in zip(begins, pieces, strict=True)]
    return [srec_line("1", at, data) for at, data in zip(begins, pieces, strict=True)]


def damaged(lines: list[str], mark: int, dice: Random) -> list[str]:
    """*lines* with some bytes changed, mostly so that sums are right again: of the record, or of
    two records together. *mark*: characters before the first byte."""
    rows = [bytearray.fromhex(line[mark:]) for line in lines]
    for _ in range(dice.randint(1, 3)):
        row, other = dice.sample(rows, 2)
        by = dice.choice([1, 0x10, 0x80, 0xFF, dice.randrange(256)])
        places = [*range(5), -2, -1, dice.randrange(len(row))]
        at, back = dice.choice(places), dice.choice(places)
        mended = dice.choice([row, other, None])
        row[at] = row[at] + by & 0xFF
        if mended is not None:
            mended[back] = mended[back] - by & 0xFF
    return [line[:mark] + row.hex().upper() for line, row in zip(lines, rows, strict=True)]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("fmt", "mark"), [("hex", 1), ("srec", 2)])
def test_bytes_that_are_wrong_together(fmt: str, mark: int, seed: int) -> None:
    dice = Random(f"{fmt} {seed}")
    refused = 0
    for _ in range(40):
        width, rows = dice.randint(1, 40), dice.randint(LEAST_ROWS, 24)
        address = dice.choice([0, 0xFF, 0x1000, 0x1_0000 - width * rows])
        lines = records(fmt, [dice.randbytes(width) for _ in range(rows)], address)
        refused += isinstance(check(fmt, text(*damaged(lines, mark, dice))), str)
    assert refused > 10


def test_s_records_behind_a_count_are_no_end() -> None:
    *records, _ = regular("srec", 2 * LEAST_ROWS)
    data = text(*records[:LEAST_ROWS], srec_line("5", LEAST_ROWS), *records[LEAST_ROWS:])
    assert "is missing" in str(check("srec", data))


@each_format
@pytest.mark.parametrize("allow", [frozenset[Allow](), frozenset({Allow.AFTER_END})])
def test_records_behind_the_end(fmt: str, allow: Allowed) -> None:
    lines = regular(fmt, LEAST_ROWS)
    data = text(*lines, *lines[1:-1])
    assert isinstance(check(fmt, data, allow=allow), str) == (not allow)


@pytest.mark.parametrize(
    ("address", "rows"), [(0xFF80, 8), (0xFF81, 8), (0xFF90, 8), (0xFFF0, 20), (0xFE10, 40)]
)
@pytest.mark.parametrize("allow", [frozenset[Allow](), frozenset({Allow.WINDOW})])
@pytest.mark.parametrize("base", [0, 1, 0x7FFF, 0xFFFF])
def test_hex_at_the_end_of_a_window(address: int, rows: int, base: int, allow: Allowed) -> None:
    lines = [hex_line(0, (address + 16 * row) % WINDOW, bytes(16)) for row in range(rows)]
    data = text(hex_line(4, 0, base.to_bytes(2, "big")), *lines, hex_line(1, 0))
    check("hex", data, allow=allow)


@pytest.mark.parametrize("kind", "123")
@pytest.mark.parametrize("back", [128, 127, 112, 64, 16])
def test_s_records_at_the_end_of_their_addresses(kind: str, back: int) -> None:
    space = 1 << 8 * (int(kind) + 1)
    lines = [srec_line(kind, (space - back + 16 * row) % space, bytes(16)) for row in range(8)]
    check("srec", text(*lines, srec_line(str(10 - int(kind)), 0)))


def test_ti_txt_at_the_end_of_the_address_space() -> None:
    for address in (0xFFFF_FF80, 0xFFFF_FF81):
        check("ti-txt", text(*regular("ti-txt", 8, 16, address)))


def _hex(draw: st.DrawFn) -> Callable[[int, bytes], str]:
    kind = draw(st.sampled_from([0] * 30 + [1, 2, 3, 4, 6]))
    return lambda address, data: hex_line(kind, address % WINDOW, data)


def _srec(draw: st.DrawFn) -> Callable[[int, bytes], str]:
    kind = draw(st.sampled_from(["1"] * 8 + ["2", "3"] * 8 + ["0", "4", "5", "7", "9"]))
    return lambda address, data: srec_line(kind, address % WINDOW, data)


def _ti_txt(draw: st.DrawFn) -> Callable[[int, bytes], str]:
    tail = draw(st.sampled_from(["", "", "", " "]))
    return lambda _, data: ti_txt_line(data[:16]) + tail


MAKERS = {"hex": _hex, "srec": _srec, "ti-txt": _ti_txt}


@st.composite
def files(draw: st.DrawFn, fmt: str) -> bytes:
    """Groups of records: alike or not, with gaps, in lower case, with other line ends, damaged."""
    lines: list[str] = [f"@{draw(st.integers(0, 0xFFFF_FFFF)):08X}"] if fmt == "ti-txt" else []
    address = draw(st.integers(0, WINDOW - 1))
    for _ in range(draw(st.integers(1, 5))):
        make = MAKERS[fmt](draw)
        width = draw(st.sampled_from([16, 16, 16, 16, 32, 1, 4, 15, 250]))
        fill = draw(st.binary(min_size=1, max_size=4))
        group = []
        for _ in range(draw(st.integers(1, 20))):
            group.append(make(address, (fill * width)[:width]))
            address += width
        group = [line.lower() for line in group] if draw(st.booleans()) else group
        lines += group
        address += draw(st.sampled_from([0, 0, 0, 1, 16, WINDOW - 64, -16]))
    lines += draw(st.sampled_from([[], [""], ["q"], [hex_line(1, 0)], [srec_line("9", 0)]]))
    ends = [draw(st.sampled_from(["\n", "\n", "\r\n"]))] * len(lines)
    for place, odd in draw(
        st.lists(
            st.tuples(st.integers(0, 999), st.sampled_from(["\r", "\n\n", " \n", ";\n", "\r\n"])),
            max_size=2,
        )
    ):
        ends[place % len(ends)] = odd
    data = bytearray("".join(a + b for a, b in zip(lines, ends, strict=True)).encode("latin-1"))
    for place, value in draw(
        st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=2)
    ):
        data[place % len(data)] = value
    return bytes(data)


@each_format
@given(source=st.data(), at=places, allow=st.sets(st.sampled_from(list(Allow)), max_size=3))
def test_any_file_however_cut(
    fmt: str, source: st.DataObject, at: list[int], allow: set[Allow]
) -> None:
    data = source.draw(files(fmt))
    whole = answer(FORMATS[fmt](frozenset(allow)), [data])
    alone = answer(FORMATS[fmt](frozenset(allow)), data.splitlines(keepends=True))
    parts = [data[i : i + 1024] for i in range(0, len(data), 1024)]
    assert whole == alone
    assert answer(FORMATS[fmt](frozenset(allow)), cut(data, at)) == whole
    assert answer(FORMATS[fmt](frozenset(allow)), parts) == whole
