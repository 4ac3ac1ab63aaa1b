"""Everything that one step can do to the beginning of a text: refused, or read as it was meant.

A step deletes, inserts, doubles, replaces or flips a bit of one character, loses a line, or puts
something before the first. Whatever it is, and whatever the file is called, the damaged text is no
raw binary.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mcu_updater.cli.flasher import stm32
from mcu_updater.core.errors import ImageRejected, PortError
from mcu_updater.core.image import ImageFormat, identify, open_decoder
from mcu_updater.core.image.formats import TEXTS
from mcu_updater.core.package import Wanted, open_any
from tests.cli.command_line import run
from tests.core.image.decoding import hex_line, srec_line, text
from tests.thorough import THOROUGH, one_in

DATA = bytes.fromhex("0080012001010008") + bytes(range(8))
HEADER = srec_line("0", 0, b"a")
LINES = {
    "hex": (
        hex_line(4, 0, b"\x08\x00"),
        *(hex_line(0, 16 * i, DATA) for i in range(4)),
        hex_line(5, 0, b"\x08\x00\x01\x01"),
        hex_line(1, 0),
    ),
    "s19": (
        srec_line("0", 0, b"a"),
        *(srec_line("1", 16 * i, DATA) for i in range(4)),
        "S9030000FC",
    ),
    "s28": (*(srec_line("2", 16 * i, DATA) for i in range(4)), srec_line("6", 4), "S804000000FB"),
    "s37": (
        srec_line("0", 0),
        *(srec_line("3", 16 * i, DATA) for i in range(4)),
        srec_line("5", 4),
    ),
    "titxt": ("@8000", *(DATA.hex(" ").upper() for _ in range(4)), "01 02", "q"),
}
BEFORE = (
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"; built by ci\n",
    b"# built by ci\n",
    b"// built by ci\r\n",
    b" ",
    b"\t",
    b"\0",
    b"\x1a",
    b"\n",
    b"\r\n",
    b"\n\n\n",
    b"<!DOCTYPE html><html>",
    b"version https://git-lfs.github.com/spec/v1\n",
    b"void setup() {}\n",
    b"hello",
    b"PK\x03\x04",
    b"\x1f\x8b\x08",
    b"\x89PNG\r\n\x1a\n",
    b"%PDF-1.7\n",
    b"\x7fELF\x01\x01\x01\0",
)
CHARACTERS = b"\0\t\n\r\x1a !:;@S0159AFGOSqsz\x7f\x80\xff"


def damaged(data: bytes) -> Iterator[bytes]:
    """All one-step damages of the first three lines, and of whole lines."""
    lines = data.splitlines(keepends=True)
    end = sum(map(len, lines[:3]))
    for at in range(end):
        yield data[:at] + data[at + 1 :]
        yield data[:at] + data[at : at + 1] + data[at:]
        for bit in range(8):
            yield data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :]
        for char in CHARACTERS:
            yield data[:at] + bytes((char,)) + data[at:]
            yield data[:at] + bytes((char,)) + data[at + 1 :]
    for index in range(3):
        yield b"".join(lines[:index] + lines[index + 1 :])
        yield b"".join([*lines[:index], lines[index], *lines[index:]])
    for before in BEFORE:
        yield before + data
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"):
        yield data.decode("ascii").encode(encoding)
    yield data.replace(b"\n", b"\r")
    yield data.replace(b"\n", b"")


def as_file(name: str, data: bytes) -> bool:
    """Whether the file is taken, by its bytes and its name."""
    try:
        fmt = identify(name, data)
        assert fmt is not ImageFormat.BIN, data[:80]
        if fmt not in TEXTS:
            return False  # a damaged package or ELF file: as_stream and others look at those
        decoder = open_decoder(fmt, 0)
        list(decoder.feed(data))
        decoder.finish()
    except ImageRejected:
        return False
    return True


def as_stream(data: bytes) -> bool:
    """Whether a device takes it."""
    try:
        decoder = open_any(data, Wanted(), base=0x0800_0000)
        extents = list(decoder.feed(data))
        decoder.finish()
    except ImageRejected:
        return False
    assert all(extent.line for extent in extents), data[:80]  # a raw binary has no lines
    return True


@pytest.mark.parametrize("suffix", ["same", "bin", "txt", ""])
@pytest.mark.parametrize("fmt", LINES)
def test_no_damaged_text_is_a_raw_binary(fmt: str, suffix: str) -> None:
    """As a file, by whatever name, and to a device, which sees no name."""
    name = f"image.{fmt if suffix == 'same' else suffix}".removesuffix(".")
    seen = refused = 0
    for newline in one_in(2, ("\n", "\r\n"), len(suffix)):
        for data in damaged(text(*LINES[fmt], newline=newline)):
            is_taken = as_file(name, data)
            if suffix in ("txt", ""):
                assert is_taken == as_stream(data), data[:80]
            seen, refused = seen + 1, refused + (not is_taken)
    assert seen > (3000 if THOROUGH else 1500)
    assert refused > seen * (0.85 if fmt == "titxt" else 0.95)  # TI-TXT has no checksum


@pytest.mark.parametrize("fmt", LINES)
def test_flash_decides_as_image_does(
    tmp_path: Path, fmt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through both commands. The port is opened for what was taken, and for nothing else."""

    def opened(given: object) -> None:
        raise PortError("opened")

    monkeypatch.setattr(stm32, "opened", opened)
    path = tmp_path / f"image.{fmt}"
    every = list(damaged(text(*LINES[fmt])))
    for data in [*every[:: len(every) // 20], *every[-26:]]:
        path.write_bytes(data)
        image = run("image", "inspect", path, "--json")
        flash = run("flash", path, "--port", "nowhere", "--force")
        assert image.exit_code in (0, 3), image.output
        assert flash.exit_code == (4 if image.exit_code == 0 else 3), data[:80]
        if image.exit_code == 3:
            assert flash.stderr.split(":")[:2] == image.stderr.split(":")[:2]
