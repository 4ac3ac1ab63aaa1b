"""Format from the first bytes; states back to decoders; no second guess."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image import (
    PACKAGES,
    SNIFF_SIZE,
    Allow,
    BinaryDecoder,
    HexDecoder,
    ImageFormat,
    Rule,
    SrecDecoder,
    TiTxtDecoder,
    identify,
    open_decoder,
    restore,
    sniff,
    sniff_size,
)
from tests.core.image.decoding import hex_line, srec_line, text

DECODERS = {
    ImageFormat.BIN: BinaryDecoder,
    ImageFormat.HEX: HexDecoder,
    ImageFormat.SREC: SrecDecoder,
    ImageFormat.TI_TXT: TiTxtDecoder,
}


@pytest.mark.parametrize(
    ("first_bytes", "fmt"),
    [
        (b":10", ImageFormat.HEX),
        (b":", ImageFormat.HEX),
        (b"S0", ImageFormat.SREC),
        (b"S315", ImageFormat.SREC),
        (b"S4", ImageFormat.SREC),
        (b"s0", ImageFormat.SREC),
        (b"\n:10", ImageFormat.HEX),
        (b"\r\n\n\r\nS1", ImageFormat.SREC),
        (b"\n" * 1000 + b":10", ImageFormat.HEX),
        (b"\x00\x80\x00\x20", ImageFormat.BIN),
        (b"\x7fELF", ImageFormat.ELF),
        (b"@8000\n", ImageFormat.TI_TXT),
        (b"@F0\r\n", ImageFormat.TI_TXT),
        (b"@\x30\x00\x20", ImageFormat.BIN),
        (b"@80O0\n31 40 00 03 B2 40", ImageFormat.TI_TXT),
        (b"PK\x03\x04", ImageFormat.ZIP),
        (b"\x1f\x8b\x08\x00", ImageFormat.GZIP),
        (b"firmware.bin".ljust(257, b"\0") + b"ustar\x0000", ImageFormat.TAR),
        (b"firmware.bin".ljust(257, b"\0") + b"ustar  \0", ImageFormat.TAR),
        (b"\x00\x80\x00\x20".ljust(257, b"\0") + b"ustar", ImageFormat.BIN),
    ],
)
def test_formats(first_bytes: bytes, fmt: ImageFormat) -> None:
    assert sniff(first_bytes) is fmt


RAM = st.one_of(  # code RAM and CCM, SRAM, AXI SRAM, SRAM of D2 and D3; each 2 MiB at most
    [
        st.integers(base // 4, (base + (2 << 20)) // 4)
        for base in (0x1000_0000, 0x2000_0000, 0x2400_0000, 0x3000_0000, 0x3800_0000)
    ]
)


CODE = st.one_of(  # flash, at its own place or at 0, and code RAM
    [
        st.integers(base // 2, (base + (2 << 20)) // 2 - 1).map(lambda half: 2 * half + 1)
        for base in (0x0800_0000, 0x0000_0000, 0x1000_0000)
    ]
)


@given(RAM, st.lists(CODE, min_size=1, max_size=15))
def test_no_cortex_m_image_is_taken_for_anything_else(stack_words: int, codes: list[int]) -> None:
    image = struct.pack(f"<{1 + len(codes)}I", 4 * stack_words, *codes)
    assert sniff(image) is sniff(image[: sniff_size(image[:SNIFF_SIZE])]) is ImageFormat.BIN
    assert sniff_size(image[:SNIFF_SIZE]) <= 64


TEXTS = [
    b"S",
    b"Sx",
    b"@zzz",
    b"hello\n",
    b"hello" + bytes(100),
    b"hello\n" + b"\xff" * 100,
    b"; built by ci\n:10",
    b"\xba020000040800F2\n",
    b"\x1a020000040800F2\n",
    b"\0:020000040800F2\n",
    "прошивка для платы".encode(),
    b"h\0e\0l\0l\0o\0",
    b"\0h\0e\0l\0l\0o",
    b"firmware.bin".ljust(257, b"\0") + b"UStar",
    b"\n" * 2000,
    b"{}",
    b" " * 20,
    b"\n\n hello",
    "Überprüfung der größeren Öfen, 2. Auflage: für Prüfer\n".encode("latin-1"),
    "Прошивка для платы, версия вторая, проверено в лаборатории\n".encode("cp1251") * 2,
    b"\x1b[32mINFO\x1b[0m \x1b[1mboot\x1b[0m started ok\n" * 3,
    b"\x1b[0;32mI (31) boot: loading\x1b[0m\n",
    "\N{SNOWMAN}: ».bin«; größer als der Platz im Gerät, der dafür da ist".encode("utf-8"),
]


@pytest.mark.parametrize("first_bytes", TEXTS)
def test_text_is_no_raw_binary(first_bytes: bytes) -> None:
    for size in {sniff_size(first_bytes[:4]), sniff_size(first_bytes), len(first_bytes)}:
        with pytest.raises(ImageRejected, match="text, and no image format") as caught:
            sniff(first_bytes[:size])
        assert caught.value.rule in (Rule.RAW, Allow.COMMENTS)
    assert identify("a.bin", first_bytes, raw=True) is ImageFormat.BIN


@given(st.binary(min_size=16, max_size=64))
@settings(max_examples=300)
def test_what_is_decided_is_decided_by_as_many_bytes_as_are_asked_for(data: bytes) -> None:
    def decided(some: bytes) -> str:
        try:
            return sniff(some).value
        except ImageRejected as error:
            return error.what

    size = sniff_size(data)
    while size < len(data) and sniff_size(data[:size]) > size:
        size = sniff_size(data[:size])
    assert decided(data[:size]) == decided(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\xa5" * 64,
        b"\xff" * 64,
        bytes(range(0x80, 0xC0)),
        bytes.fromhex("00800020 01010008") + b"strings behind two vectors " * 9,
        bytes.fromhex("dc620120 01010008 03010008 05010008") + b"text" * 20,
        b"\xde\xad\xbe\xef",
        b"a\0b\x01" * 16,
    ],
)
def test_data_with_little_or_no_text_are_a_binary(data: bytes) -> None:
    assert sniff(data) is identify("a.bin", data) is ImageFormat.BIN


def test_an_image_needs_four_bytes_and_a_name_the_whole_header() -> None:
    assert sniff_size(b"\x00\x80") == sniff_size(b"\x00\x80\x00\x20") == SNIFF_SIZE
    assert sniff_size(b"firm") == 262


@pytest.mark.parametrize(
    ("magic", "kind"),
    [(b"Rar!\x1a\x07", "RAR archive"), (b"7z\xbc\xaf\x27\x1c", "7-Zip"), (b"UF2\n", "UF2 file")],
)
def test_what_is_known_and_cannot_be_read_is_refused_by_name(magic: bytes, kind: str) -> None:
    with pytest.raises(ImageRejected, match=f"cannot be read.*{kind}"):
        sniff(magic)


def test_an_elf_file_is_no_stream_and_a_package_no_image() -> None:
    with pytest.raises(ImageRejected, match="ELF file cannot be read as a stream"):
        open_decoder(ImageFormat.ELF, 0)
    for fmt in PACKAGES:
        with pytest.raises(ValueError, match="is a package"):
            open_decoder(fmt, 0)


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"\xef\xbb\xbf", "UTF-8 mark EF BB BF"),
        (b"\xff\xfe", "UTF-16 little endian mark FF FE"),
        (b"\xfe\xff", "UTF-16 big endian mark FE FF"),
    ],
)
def test_byte_order_mark_is_refused(mark: bytes, encoding: str) -> None:
    with pytest.raises(
        ImageRejected, match="line 1, column 1: image begins with a byte order"
    ) as e:
        sniff(mark + b":10")
    assert e.value.found == encoding


def test_nothing_is_refused() -> None:
    with pytest.raises(ImageRejected, match="offset 0: image is empty"):
        sniff(b"")


@pytest.mark.parametrize("fmt", DECODERS)
def test_open_and_restore_give_the_same_class(fmt: ImageFormat) -> None:
    decoder = open_decoder(fmt, 0x0800_0000)
    assert type(decoder) is DECODERS[fmt]
    again = restore(decoder.state())
    assert type(again) is DECODERS[fmt]
    assert again.state() == decoder.state()


def test_format_codes() -> None:
    assert [open_decoder(fmt, 0).state()[0] for fmt in DECODERS] == [1, 2, 3, 4]


@pytest.mark.parametrize("state", [b"", b"\x00", b"\x7f" + bytes(40)])
def test_unknown_state_is_refused(state: bytes) -> None:
    with pytest.raises(ValueError, match="not the state of a decoder: format code"):
        restore(state)


@pytest.mark.parametrize(
    "data",
    [
        text(hex_line(0, 0, b"abcd"), srec_line("1", 0, b"abcd"), srec_line("9", 0)),
        text(srec_line("1", 0, b"abcd"), hex_line(0, 0, b"abcd"), hex_line(1, 0)),
    ],
)
def test_an_error_does_not_change_the_format(data: bytes) -> None:
    decoder = open_decoder(sniff(data), 0)
    with pytest.raises(ImageRejected, match="line 2, column 1"):
        decoder.feed(data)
