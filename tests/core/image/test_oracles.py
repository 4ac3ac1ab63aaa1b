"""What other programs write, read by us, must be what they were given.

Where a program has a reader of its own, its reading must agree with ours too. Not the other way
round: they take files that we refuse.
"""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import bincopy
import intelhex
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image import Decoder, HexDecoder, SrecDecoder
from tests.core.image.decoding import cut, decode_in_parts, layouts, merged, places

BASE = 0x0800_4000
IMAGE = bytes(i * 7 & 0xFF for i in range(70_000))  # crosses a 64 KiB border
widths = st.sampled_from([1, 3, 16, 32, 255])

SPACE_OF_BITS = {16: 1 << 16, 24: 1 << 24, 32: 1 << 32}
HEX_SPACE_OF_BITS = {**SPACE_OF_BITS, 24: 1 << 20}  # segments reach no further
END_OF_BITS = {16: "S9030000FC", 24: "S804000000FB", 32: "S70500000000FA"}

srec_cat, objcopy = pytest.mark.judge("srec_cat"), pytest.mark.judge("objcopy")
"""Any objcopy knows raw binaries, HEX and S-records, whatever machine it was built for."""


def read(decoder: Decoder, data: bytes, at: list[int] | None = None) -> dict[int, bytes]:
    return merged(decode_in_parts(decoder, cut(data, at or []), reset=bool(at)))


def binfile(segments: dict[int, bytes]) -> bincopy.BinFile:
    file = bincopy.BinFile()
    for address, data in segments.items():
        file.add_binary(data, address=address)
    return file


def bincopy_reading(text: str) -> dict[int, bytes]:
    file = bincopy.BinFile()
    file.add(text)
    return {segment.address: bytes(segment.data) for segment in file.segments}


def intelhex_reading(text: str) -> dict[int, bytes]:
    file = intelhex.IntelHex()
    file.loadhex(io.StringIO(text))
    return {
        start: bytes(file.tobinarray(start=start, size=end - start))
        for start, end in file.segments()
    }


def crosses_a_window(segments: dict[int, bytes], width: int) -> bool:
    """Does a record of *width* bytes, counted from its segment's start, lie across 64 KiB?"""
    return any(
        start >> 16 != min(start + width, address + len(data)) - 1 >> 16
        for address, data in segments.items()
        for start in range(address, address + len(data), width)
    )


@given(st.data(), st.sampled_from([16, 24, 32]), widths, places)
@settings(max_examples=60)
def test_hex_of_bincopy(data: st.DataObject, bits: int, width: int, at: list[int]) -> None:
    """bincopy cuts records by width alone; those that end up across 64 KiB are for us to refuse."""
    segments = data.draw(layouts(HEX_SPACE_OF_BITS[bits]))
    text = binfile(segments).as_ihex(width, bits)
    if crosses_a_window(segments, width):
        with pytest.raises(ImageRejected, match="record runs past its 64 KiB window"):
            read(HexDecoder(), text.encode(), at)
        return
    ours = read(HexDecoder(), text.encode(), at)
    assert ours == segments
    assert ours == intelhex_reading(text) == bincopy_reading(text)


def test_bincopy_writes_records_across_64_kib() -> None:
    """Readers disagree on where its second byte goes: 0x0801_0000, or back to 0x0800_0000."""
    text = binfile({0x0800_FFFF: b"ab"}).as_ihex()
    assert ":02FFFF006162" in text
    with pytest.raises(ImageRejected, match="line 2, column 4: record runs past its 64 KiB window"):
        read(HexDecoder(), text.encode())


@given(layouts(1 << 32), widths, places, st.sampled_from(["native", "CRLF"]))
@settings(max_examples=60)
def test_hex_of_intelhex(segments: dict[int, bytes], width: int, at: list[int], eol: str) -> None:
    file = intelhex.IntelHex()
    for address, data in segments.items():
        file.puts(address, data)
    file.start_addr = {"EIP": BASE | 1}
    out = io.StringIO()
    file.write_hex_file(out, eolstyle=eol, byte_count=width)
    decoder = HexDecoder()
    assert read(decoder, out.getvalue().encode(), at) == segments
    assert read(decoder := HexDecoder(), out.getvalue().encode()) == intelhex_reading(
        out.getvalue()
    )
    assert decoder.entry == BASE | 1


@given(st.data(), st.sampled_from([16, 24, 32]), st.sampled_from([1, 3, 16, 32, 250]), places)
@settings(max_examples=60)
def test_srec_of_bincopy(data: st.DataObject, bits: int, width: int, at: list[int]) -> None:
    segments = data.draw(layouts(SPACE_OF_BITS[bits]))
    text = binfile(segments).as_srec(width, bits) + END_OF_BITS[bits] + "\n"
    ours = read(SrecDecoder(), text.encode(), at)
    assert ours == segments
    assert ours == bincopy_reading(text)


def test_bincopy_ends_with_a_count_when_it_knows_no_start() -> None:
    text = binfile({BASE: b"abcd"}).as_srec()
    assert text.splitlines()[-1].startswith("S5")
    assert read(SrecDecoder(), text.encode()) == {BASE: b"abcd"}
    file = binfile({BASE: b"abcd"})
    file.execution_start_address = BASE | 1
    assert read(SrecDecoder(), file.as_srec().encode()) == {BASE: b"abcd"}


def converted(command: list[str], source: Path, image: bytes = IMAGE) -> bytes:
    source.write_bytes(image)
    subprocess.run(command, check=True, capture_output=True, cwd=source.parent)
    return (source.parent / "out").read_bytes()


@srec_cat
@pytest.mark.parametrize(
    ("options", "decoder", "base"),
    [
        (["-intel"], HexDecoder, BASE),
        (["-intel", "-address-length=3"], HexDecoder, 0x4000),
        (["-intel", "-line-length=44"], HexDecoder, BASE),
        (["-motorola"], SrecDecoder, BASE),
        (["-motorola", "-address-length=3"], SrecDecoder, 0x4000),
        (["-motorola", "-address-length=4"], SrecDecoder, 0x4000),
    ],
)
def test_srec_cat(tmp_path: Path, options: list[str], decoder: type[Decoder], base: int) -> None:
    source = ["srec_cat", "in", "-binary", "-offset", hex(base), "-o", "out"]
    end = ["-execution-start-address", hex(base)]
    data = converted([*source, *options, *end], tmp_path / "in")
    assert read(decoder(), data, [1000, 50_000]) == {base: IMAGE}


SREC_CAT_16 = ["srec_cat", "in", "-binary", "-offset", "0x100", "-o", "out"]
START_16 = ["-execution-start-address", "0x100"]


@srec_cat
def test_srec_cat_16_bit_s_records(tmp_path: Path) -> None:
    data = converted([*SREC_CAT_16, "-motorola", *START_16], tmp_path / "in", IMAGE[:500])
    assert b"S1" in data
    assert read(SrecDecoder(), data) == {0x100: IMAGE[:500]}


@srec_cat
def test_srec_cat_16_bit_hex(tmp_path: Path) -> None:
    """Its 16-bit form puts a start address into the end-of-file record, as 8-bit systems did.

    Revision A of the specification wants zero there, so we refuse the file.
    """
    command = [*SREC_CAT_16, "-intel", "-address-length=2"]
    with pytest.raises(ImageRejected, match="end-of-file record has an address; expected 0000"):
        read(HexDecoder(), converted([*command, *START_16], tmp_path / "in", IMAGE[:500]))
    data = converted([*command, "-disable=exec-start-address"], tmp_path / "in", IMAGE[:500])
    assert read(HexDecoder(), data) == {0x100: IMAGE[:500]}


@objcopy
@pytest.mark.parametrize(
    ("options", "decoder", "base"),
    [
        (["-O", "ihex"], HexDecoder, BASE),
        (["-O", "ihex"], HexDecoder, 0x4000),
        (["-O", "srec"], SrecDecoder, BASE),
        (["-O", "srec"], SrecDecoder, 0x4000),
        (["-O", "srec", "--srec-forceS3"], SrecDecoder, 0x4000),
        (["-O", "srec", "--srec-len=200"], SrecDecoder, BASE),
    ],
)
def test_objcopy(tmp_path: Path, options: list[str], decoder: type[Decoder], base: int) -> None:
    command = ["objcopy", "-I", "binary", *options, "--change-addresses", hex(base)]
    data = converted([*command, "in", "out"], tmp_path / "in")
    assert read(decoder(), data, [1000, 50_000]) == {base: IMAGE}
