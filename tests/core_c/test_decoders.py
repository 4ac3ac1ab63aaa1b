"""Decoders in C against those in Python: any bytes, any split, every fault with its place."""

from __future__ import annotations

import ast
import re
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import mcu_updater.core
from mcu_updater.core.image import ImageFormat
from mcu_updater.core_c.native import Native
from tests.core_c.decoders import DecoderInC, Step, check, in_c, in_python, parts_of
from tests.core_c.faults import CODES, ELSEWHERE, OF_THE_UPDATER, Fault
from tests.core_c.libraries import campaign, library
from tests.fuzz.fuzz_corpus import kept
from tests.places import FIXTURES

pytestmark = pytest.mark.judge("gcc")
BASE = 0x0800_8000
TEXTS = (ImageFormat.HEX, ImageFormat.SREC)
EVERY_TEXT = pytest.mark.parametrize("fmt", TEXTS)

cuts = st.lists(st.integers(0, 700), max_size=6)


@pytest.fixture(scope="module")
def core() -> Native:
    return library()


# --- texts


def hex_line(kind: int, address: int, data: bytes) -> bytes:
    record = bytes((len(data), address >> 8, address & 0xFF, kind)) + data
    return b":" + (record + bytes((-sum(record) & 0xFF,))).hex().upper().encode()


def srec_line(kind: int, width: int, address: int, data: bytes) -> bytes:
    record = bytes((len(data) + width + 1,)) + address.to_bytes(width, "big") + data
    return b"S%d" % kind + (record + bytes((~sum(record) & 0xFF,))).hex().upper().encode()


data_of = st.binary(max_size=4) | st.binary(min_size=250, max_size=255) | st.just(b"")
addresses = st.sampled_from([0, 1, 4, 0x100, 0xFFF0, 0xFFFE, 0xFFFF]) | st.integers(0, 0xFFFF)
hex_records = st.builds(
    hex_line,
    st.sampled_from([0, 0, 0, 0, 1, 2, 3, 4, 4, 5, 6, 7, 0x0A, 0x0E, 0x0F, 0xFF]),
    st.just(0) | addresses,
    st.sampled_from([b"\0\0", b"\xff\xff", b"\x08\0", b"\x08\0\x80\x41", b"\0\0\0\0"]) | data_of,
)
good_hex_records = st.one_of(
    st.builds(hex_line, st.just(0), addresses, st.binary(min_size=1, max_size=20)),
    st.builds(hex_line, st.sampled_from([2, 4]), st.just(0), st.binary(min_size=2, max_size=2)),
    st.builds(hex_line, st.sampled_from([3, 5]), st.just(0), st.just(b"\x08\0\x80\x41")),
)


@st.composite
def srec_records(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from([0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 7, 8, 9]))
    usual = {0: 2, 1: 2, 2: 3, 3: 4, 5: 2, 6: 3, 7: 4, 8: 3, 9: 2}.get(kind, 2)
    width = draw(st.just(usual) | st.sampled_from([1, 2, 3, 4]))
    most = (1 << 8 * width) - 1
    address = draw(st.integers(0, 4) | st.sampled_from([most, most - 1, most - 3]))
    data = draw(st.just(b"") if kind > 4 else data_of)
    return srec_line(kind, width, min(address, most), data[: 250 - width])


def _text(
    lines: st.SearchStrategy[bytes], end: st.SearchStrategy[bytes]
) -> st.SearchStrategy[bytes]:
    """Lines with ends of their own, an end record or none, and then a few bytes changed."""

    @st.composite
    def text(draw: st.DrawFn) -> bytes:
        body = [*draw(st.lists(lines, max_size=8)), *draw(st.lists(end, max_size=2))]
        ends = st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r\r\n", b"\r", b"", b" \n"])
        usual = draw(st.sampled_from([b"\n", b"\r\n"]))
        odd = draw(st.integers(-9, len(body)))
        made = b"".join(line + (draw(ends) if at == odd else usual) for at, line in enumerate(body))
        if draw(st.booleans()):
            made = made.lower()
        return draw(_changed(made))

    return text()


@st.composite
def _changed(draw: st.DrawFn, text: bytes) -> bytes:
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, max(0, len(text) - 1)))
        byte = draw(st.binary(min_size=1, max_size=1) | st.sampled_from([b"\r", b"\n", b":", b"S"]))
        how = draw(st.sampled_from(["change", "insert", "drop", "cut", "long"]))
        if how == "cut":
            text = text[:at]
        elif how == "long":
            text = text[:at] + b"0" * draw(st.integers(500, 530)) + text[at:]
        else:
            text = text[:at] + (b"" if how == "drop" else byte) + text[at + (how != "insert") :]
    return text


TEXT = {
    ImageFormat.HEX: _text(good_hex_records | hex_records, st.just(hex_line(1, 0, b""))),
    ImageFormat.SREC: _text(
        srec_records(), st.sampled_from([srec_line(7, 4, 0, b""), srec_line(9, 2, 0, b"")])
    ),
}


@EVERY_TEXT
@settings(max_examples=campaign(150))
@given(data=st.data(), places=cuts)
def test_texts_of_records(core: Native, fmt: ImageFormat, data: st.DataObject, places: list[int]):
    check(core, fmt, parts_of(data.draw(TEXT[fmt]), places))


@EVERY_TEXT
@settings(max_examples=campaign(60))
@given(text=st.binary(max_size=60) | st.text("S:0123456789ABCDEFabcdef\r\n ").map(str.encode))
@example(text=b"")
@example(text=b"\r")
@example(text=b"\xef\xbb\xbf:")
@example(text=b"\xff\xfe:\n")
@example(text=b"\xfe\xff\0:")
def test_any_bytes_one_at_a_time(core: Native, fmt: ImageFormat, text: bytes) -> None:
    check(core, fmt, parts_of(text, range(len(text))))
    check(core, fmt, [text])


@EVERY_TEXT
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r\n", b"\rx", b"", b"\r", b"0", b"\x7f\n"])
def test_lines_about_as_long_as_a_line_may_be(core: Native, fmt: ImageFormat, end: bytes) -> None:
    """Whole, in two parts at each place near the limit, and byte by byte."""
    line = hex_line(0, 0, bytes(255)) if fmt is ImageFormat.HEX else srec_line(1, 2, 0, bytes(252))
    for size in range(len(line) - 2, len(line) + 4):
        text = line.ljust(size, b"0")[:size] + end
        check(core, fmt, [text])
        for at in range(len(line) - 4, len(text)):
            check(core, fmt, parts_of(text, [at]))
    check(core, fmt, parts_of(line + end, range(len(line) + len(end))))


def texts_of(fmt: ImageFormat) -> list[bytes]:
    """What fuzzers have found, and files that others write."""
    name = "hex" if fmt is ImageFormat.HEX else "srec"
    found = [each[2:] for each in kept(name)]
    files = [*(FIXTURES / "hostile").iterdir(), *FIXTURES.glob("fixture-2*")]
    return found + [path.read_bytes()[:3000] for path in files if path.is_file()]


@EVERY_TEXT
def test_the_corpora_whole_and_in_parts(core: Native, fmt: ImageFormat) -> None:
    told = set()
    for text in texts_of(fmt):
        steps = check(core, fmt, [text])
        told.add(steps[-1].name if isinstance(steps[-1], Fault) else "")
        check(core, fmt, parts_of(text, (7, 44, 45, 200, len(text) - 1)))
    assert len(told) > 12, "the corpora are lost"


RECORDS = {
    ImageFormat.HEX: [
        hex_line(0, 0, b"a"), hex_line(0, 0xFFFF, b"b"), hex_line(0, 0xFFFF, b"ab"),
        hex_line(0, 8, b""), hex_line(1, 0, b""), hex_line(2, 0, b"\0\0"), hex_line(2, 0, b"\1\0"),
        hex_line(4, 0, b"\0\0"), hex_line(4, 0, b"\xff\xff"), hex_line(3, 0, b"\x12\x34\0\1"),
        hex_line(5, 0, b"\0\1\x23\x41"), hex_line(5, 0, bytes(4)), b"",
    ],
    ImageFormat.SREC: [
        srec_line(0, 2, 0, b"a"), srec_line(1, 2, 0, b"a"), srec_line(1, 2, 0, b""),
        srec_line(2, 3, 0xFFFFFF, b"ab"), srec_line(3, 4, 4, b"c"), srec_line(3, 4, 4, b""),
        srec_line(5, 2, 0, b""), srec_line(5, 2, 1, b""), srec_line(5, 2, 2, b""),
        srec_line(6, 3, 1, b""), srec_line(7, 4, 1, b""), srec_line(8, 3, 0, b""),
        srec_line(9, 2, 0, b""), b"",
    ],
}  # fmt: skip
"""One of each kind, and what makes a difference among them."""


@EVERY_TEXT
def test_every_record_behind_every_two(core: Native, fmt: ImageFormat) -> None:
    """The first one goes on from the state in between; with and without an end behind them."""
    records = RECORDS[fmt]
    for three in product(records, repeat=3):
        lines = [line + b"\n" for line in three]
        assert in_c(core, fmt, BASE, lines) == in_python(fmt, BASE, lines), three
    for one, other in product(records, repeat=2):
        check(core, fmt, [one + b"\r\n", other + b"\n", records[4], b""])
        check(core, fmt, [one + b"\n" + other])


# --- raw images


@settings(max_examples=campaign(60))
@given(
    data=st.binary(max_size=80),
    places=cuts,
    base=st.sampled_from([0, 0x0800_8000, 0xFFFF_FFF0, 0xFFFF_FFFF]) | st.integers(0, 0xFFFF_FFFF),
)
@example(data=b"x" * 16, places=[15], base=0xFFFF_FFF0)
@example(data=b"x" * 17, places=[16], base=0xFFFF_FFF0)
def test_raw_images(core: Native, data: bytes, places: list[int], base: int) -> None:
    check(core, ImageFormat.BIN, parts_of(data, [place // 8 for place in places]), base)


# --- states that nobody gave


@pytest.mark.parametrize(
    "state",
    [b"", b"\0", b"\4" + bytes(20), b"\5", b"\6", b"\1" + bytes(11), b"\1" + bytes(13), b"\2" * 20,
     b"\2" + bytes(20) + bytes(523), b"\3" + bytes(24), b"\3" + bytes(25) + bytes(523),
     b"\2" + bytes(4) + b"\1" + bytes(15), b"\3" + bytes(13) + b"\1" + bytes(11),
     b"\1" + bytes(8) + b"\1" + bytes(3)],
    ids=bytes.hex,
)  # fmt: skip
def test_a_state_that_no_decoder_in_c_can_have_given_is_refused(core: Native, state: bytes) -> None:
    """Other formats, other sizes, and counts of 4 GiB and more."""
    with pytest.raises(ValueError, match="no decoder"):
        DecoderInC(core, ImageFormat.HEX, BASE, state)


# --- faults


CORE = Path(str(mcu_updater.core.__file__)).parent
REFUSING = ("records", "ihex", "srec", "binary", "vectors", "sniff")


@cache
def _said() -> set[str]:
    """Patterns of all that Python refuses by; fields of f-strings match anything."""
    files = [CORE / "image" / f"{name}.py" for name in REFUSING]
    files += [CORE / "writer.py", CORE / "loader.py"]
    return {
        pattern
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _name(node.func) in RAISED
        for pattern in _patterns(node.args[0])
    }


RAISED = ("ImageRejected", "_rejected", "PackageDamaged")


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)


def _patterns(text: ast.expr) -> list[str]:
    match text:
        case ast.Constant(value=str(value)):
            return [re.escape(value)]
        case ast.IfExp(body=one, orelse=other):
            return _patterns(one) + _patterns(other)
        case ast.JoinedStr(values=values):
            parts = (_patterns(v)[0] if isinstance(v, ast.Constant) else ".+" for v in values)
            return ["".join(parts)]
        case _:
            return []  # passed on from another call


def test_every_fault_of_python_has_a_code_and_every_code_a_fault(core: Native) -> None:
    known = {*CODES, *ELSEWHERE}
    said = _said()
    assert len(said) > 35
    for pattern in said:
        assert any(re.fullmatch(pattern, what) for what in known), pattern
    for what in known:
        assert any(re.fullmatch(pattern, what) for pattern in said), what
    codes = {
        name.removeprefix("FWU_FAULT_") for name in core.ffi.typeof("enum fwu_fault").relements
    }
    assert codes - OF_THE_UPDATER == set(CODES.values())


BY_TEXT = {
    ImageFormat.HEX: [
        b"", b"\xef\xbb\xbf:00000001FF\n", b":0\x01", b":00000001FF\t\n", b":" + b"0" * 600, b"x\n",
        b":0G000001FF\n", b":000000001FF\n", b":00\n", b":01000001FF\n", b":00000001FE\n",
        hex_line(6, 0, b"") + b"\n", hex_line(4, 0, b"\1") + b"\n", hex_line(4, 1, b"\1\1") + b"\n",
        b":00000001FF\n", hex_line(0, 0, b"a") + b"\n:00000001FF\n:", hex_line(0, 0, b"a") + b"\n",
        hex_line(2, 0, b"\1\1") + b"\n" + hex_line(4, 0, b"\1\1") + b"\n",
        hex_line(5, 0, bytes(4)) + b"\n" + hex_line(5, 0, b"\1\1\1\1") + b"\n",
        hex_line(0, 0xFFFF, b"ab") + b"\n", hex_line(0x0A, 0, b"") + b"\n",
        hex_line(4, 0, b"\xff\xff") + b"\n" + hex_line(0, 0xFFFF, b"ab") + b"\n",
    ],
    ImageFormat.SREC: [
        srec_line(0, 2, 0, b"") + b"\n" + srec_line(0, 2, 0, b"") + b"\n",
        srec_line(1, 2, 0, b"a") + b"\n" + srec_line(5, 2, 2, b"") + b"\n",
        srec_line(1, 2, 0, b"a") + b"\n" + srec_line(7, 4, 2, b"") + b"\n",
        srec_line(3, 4, 0xFFFF_FFFF, b"ab") + b"\n", srec_line(3, 2, 0, b"") + b"\n",
        srec_line(9, 2, 0, b"") + b"\n", b"S\x011" + b"\n", b"S\n", b"S1\n",
        srec_line(4, 2, 0, b"") + b"\n", b"S\x01" + srec_line(1, 2, 0, b"a")[2:] + b"\n",
        srec_line(1, 2, 0, b"a") + b"\n" + srec_line(9, 2, 0, b"") + b"\n\n.",
    ],
}  # fmt: skip


def test_each_rule_of_texts_is_broken_by_some_input_here(core: Native) -> None:
    """So that the comparison above is known to come by all of them."""
    found = {
        _last(check(core, fmt, [text])).name for fmt, texts in BY_TEXT.items() for text in texts
    }
    codes = list(CODES.values())
    of_lines = set(codes[codes.index("CONTROL") :])
    assert found == of_lines | {"EMPTY", "BYTE_ORDER_MARK", "PAST_4_GIB"}


def _last(steps: list[Step]) -> Fault:
    assert isinstance(steps[-1], Fault), steps
    return steps[-1]
