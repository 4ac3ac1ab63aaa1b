"""What a package is, told by C and by Python: every verdict, and how many bytes it takes."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image import ImageFormat, sniff, sniff_size
from mcu_updater.core.image.sniff import MAGICS, OTHERS
from mcu_updater.core_c.native import Native
from tests.core_c.decoders import FORMATS
from tests.core_c.faults import CODES, name_of
from tests.core_c.libraries import campaign, library
from tests.fuzz.fuzz_corpus import CORPUS, kept
from tests.places import FIXTURES
from tests.thorough import one_in

pytestmark = pytest.mark.judge("gcc")
Verdict = tuple[str, int]
"""The format, or the fault's name; and how many bytes it takes to know."""


@pytest.fixture(scope="module")
def core() -> Native:
    return library()


def by_python(first: bytes) -> Verdict:
    size = sniff_size(first)
    try:
        fmt = sniff(first)
    except ImageRejected as error:
        return CODES[error.what], size
    return (fmt.name if fmt in FORMATS else "FORMAT"), size


def by_c(core: Native, first: bytes, empty: int = 0) -> Verdict:
    ffi, lib = core.ffi, core.lib
    memory = ffi.new("uint8_t[]", first[empty:])  # nothing behind it: a sanitizer would see
    size = len(first) - empty
    fmt = ffi.new("enum fwu_format *")
    fault = lib.fwu_sniff(memory, size, empty, fmt)
    formats = {value: each.name for each, value in FORMATS.items()}
    told = name_of(core, fault) if fault else formats[fmt[0]]
    return told, lib.fwu_sniff_size(memory, size, empty)


def check(core: Native, first: bytes) -> None:
    expected = by_python(first)
    assert by_c(core, first) == expected, first
    lines = len(first) - len(first.lstrip(b"\r\n"))
    for empty in {lines, lines // 2}:
        assert by_c(core, first, empty) == expected, (first, empty)


BEHIND = (b"", bytes(range(2, 18)), b"and then text of some length, as a page of the web has it")


@pytest.mark.parametrize("behind", BEHIND, ids=["nothing", "bytes", "text"])
def test_every_beginning_of_up_to_two_bytes(core: Native, behind: bytes) -> None:
    every = range(256)
    pairs = list(map(bytes, product(every, every)))
    for first in [b"", *map(bytes, product(every)), *(one_in(5, pairs) if behind else pairs)]:
        assert by_c(core, first + behind) == by_python(first + behind), first


STRANGE = (
    b"\0\x01\x08\x09\x0a\x0d\x1a\x1b\x20@09AFG\x7f\x80\xbf\xc1\xc2\xdf\xe0\xed\xef\xf0\xf4\xff"
)


@pytest.mark.parametrize(
    "lead", [b"\xc3", b"\xe0", b"\xe1", b"\xed", b"\xf0", b"\xf4", b"\xf5", b"@"]
)
def test_characters_of_several_bytes_and_sections(core: Native, lead: bytes) -> None:
    """Each second and third byte that any rule names, within four bytes and within more."""
    for rest in product(STRANGE, repeat=2):
        for first in (
            lead + bytes(rest),
            b"ab" + lead + bytes(rest),
            b"a" * 13 + lead + bytes(rest),
        ):
            check(core, first)
            check(core, first + b"\x80" * 3)


magics = st.sampled_from(
    [*MAGICS.values(), *OTHERS, b":", b"S1", b"s9", b"@8000\n", b"@12\r\n", b"M"]
)
marks = st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\n", b"\r\n\r\n", b"\n" * 70])
vectors = st.builds(
    lambda stack, reset: stack.to_bytes(4, "little") + reset.to_bytes(4, "little"),
    st.integers(0x0FFF_FFF8, 0x4000_0004),
    st.integers(0x0800_0000, 0x0810_0000),
)
texts = st.one_of(
    st.text(max_size=80).map(lambda text: text.encode("utf-8", "ignore")),
    st.text("abc <>\n\t:S19@", max_size=80).map(str.encode),
    st.text("aäöü \n\x1b[0m", max_size=80).map(lambda text: text.encode("latin-1")),
    st.text("ab\n", max_size=20).map(lambda text: text.encode("utf-16-le")),
    st.text("ab\n", max_size=20).map(lambda text: text.encode("utf-16-be")),
)
padding = st.sampled_from([b"", b"", b"\0", b"\xff" * 3, b"\x1a" * 60, b"\0" * 70])


@settings(max_examples=campaign(300))
@given(
    mark=marks,
    start=st.one_of(magics, vectors, st.just(b""), st.binary(max_size=3)),
    text=texts | st.binary(max_size=80),
    behind=padding,
    at=st.integers(0, 80),
    byte=st.binary(max_size=1),
)
def test_anything(
    core: Native, mark: bytes, start: bytes, text: bytes, behind: bytes, at: int, byte: bytes
) -> None:
    first = mark + start + text + behind
    check(core, first)
    check(core, first[:at] + byte + first[at + 1 :])


@pytest.mark.parametrize(
    "name", [b"image.bin", b"S1.bin", b"\xc3\xa4.bin", b"a", b":x", b"\x80", b"\x7f"]
)
@pytest.mark.parametrize("magic", [b"ustar\0", b"ustar ", b"ustar", b"ustax"])
def test_tar_headers(core: Native, name: bytes, magic: bytes) -> None:
    header = name.ljust(257, b"\0") + magic
    for size in (1, 4, 5, 20, 256, 260, 261, 262, len(header)):
        check(core, header[:size])
        check(core, b"\n" + header[:size])


@pytest.mark.parametrize("lines", [1023, 1024, 1025, 2000])
def test_no_more_than_so_many_empty_lines(core: Native, lines: int) -> None:
    for start in (b"", b":", b":10", b"\xff", b"\0" * 80, b"text" * 20, b"\xef\xbb\xbf"):
        check(core, b"\n" * lines + start)
        check(core, b"\xef\xbb\xbf" + b"\r" * lines + start)


def test_files_of_others_as_far_as_each_is_looked_at(core: Native) -> None:
    files = [*(FIXTURES / "hostile").iterdir(), *FIXTURES.glob("fixture*")]
    inputs = [file.read_bytes()[:600] for file in files if file.is_file()]
    inputs += [each for path in CORPUS.glob("*.zip") for each in kept(path.stem)]
    assert len(inputs) > 700, "the corpora are lost"
    for data in inputs:
        for size in (1, 3, 4, 8, 16, 63, 64, 300):
            assert by_c(core, data[:size]) == by_python(data[:size])


def test_the_formats_that_c_has(core: Native) -> None:
    values = core.ffi.typeof("enum fwu_format").relements
    assert values == {
        "FWU_FORMAT_UNKNOWN": 0,
        **{f"FWU_FORMAT_{fmt.name}": value for fmt, value in FORMATS.items()},
    }
    assert set(FORMATS) == {ImageFormat.BIN, ImageFormat.HEX, ImageFormat.SREC}
