"""Which format an image has, told from its first bytes, and the decoder for it.

A raw Cortex-M image begins with the initial stack pointer, low byte first, a multiple of 4 that
lies in RAM (Armv7-M Architecture Reference Manual, DDI 0403, B1.5.3, and ``vectors.STACK_RANGE``).
So it cannot begin with ':' (0x3A), 'S' (0x53), a byte order mark (0xEF, 0xFF, 0xFE), the 0x7F of
ELF or the 'M' (0x4D) of a delta package, for none of these is a multiple of 4; nor with the magic
of zip (0x0403_4B50), gzip (0x..08_8B1F) or any archive below, or the text of a tar header's name,
for none of these words lies in RAM. A TI-TXT section of 3 digits or more would be a stack pointer
of which byte 2 is a digit: 3 MiB or more into a RAM region, where no part of ours has any.

The answer is final. An image that breaks the rules of its format is refused; it is never tried as
another one, for a damaged HEX file written to flash as text would do more harm than the error.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final, assert_never

from mcu_updater.errors import ImageRejected
from mcu_updater.image.allow import STRICT, Allow, Allowed
from mcu_updater.image.binary import BinaryDecoder
from mcu_updater.image.extent import Decoder
from mcu_updater.image.ihex import HexDecoder
from mcu_updater.image.records import UTF8_MARK, refuse_byte_order_mark
from mcu_updater.image.srec import SrecDecoder
from mcu_updater.image.titxt import TiTxtDecoder
from mcu_updater.image.vectors import STACK_RANGE

SNIFF_SIZE: Final = 4
"""Bytes that tell every format but tar; see ``sniff_size``."""

DELTA_MAGIC: Final = b"MCUD"

_TAR_MAGIC: Final = b"ustar"
_TAR_MAGIC_AT: Final = 257  # POSIX.1-2017, pax, "ustar Interchange Format"
_TI_TXT = re.compile(rb"@[0-9A-Fa-f]{3}|@[0-9A-Fa-f]{2}\r?\n", re.DOTALL)

_OTHERS: Final = {
    b"Rar!": "RAR archive",
    b"7z\xbc\xaf": "7-Zip archive",
    b"BZh": "bzip2 stream",
    b"\xfd7zX": "xz stream",
    b"\x28\xb5\x2f\xfd": "Zstandard stream",
    b"PK\x05\x06": "zip archive without members",
    b"PK\x07\x08": "zip archive in several volumes",
    b"UF2\n": "UF2 file",
    b"DfuS": "DfuSe file",
}
"""What can be recognized and not be read. Magics as in the formats' own documents."""


class ImageFormat(StrEnum):
    """The formats that an image may come in; the last four are packages: three hold images, and a
    delta package makes one of the image that runs."""

    BIN = "bin"
    HEX = "hex"
    SREC = "srec"
    TI_TXT = "ti-txt"
    ELF = "elf"
    ZIP = "zip"
    TAR = "tar"
    GZIP = "gzip"
    DELTA = "delta"


PACKAGES: Final = frozenset({ImageFormat.ZIP, ImageFormat.TAR, ImageFormat.GZIP})


def sniff_size(first_bytes: bytes) -> int:
    """How many bytes ``sniff`` needs of what begins with *first_bytes*, if it has them.

    Where a name stands at the beginning, it may be a tar header, which has its magic behind it.
    """
    if len(first_bytes) < SNIFF_SIZE or not _may_be_tar(first_bytes):
        return SNIFF_SIZE
    return _TAR_MAGIC_AT + len(_TAR_MAGIC)


def _may_be_tar(first_bytes: bytes) -> bool:
    """A name of any length, that begins like nothing else and is no stack pointer.

    So a tar whose first file is called like ``S1.bin`` is taken for S-records, and refused.
    """
    if any(is_it(first_bytes) for is_it in _TELLS.values()):
        return False
    stack = int.from_bytes(first_bytes[:SNIFF_SIZE], "little")
    is_stack = stack % 4 == 0 and stack in STACK_RANGE
    return not is_stack and _is_name(first_bytes[:SNIFF_SIZE].split(b"\0")[0])


def _is_name(start: bytes) -> bool:
    """Whether a name in UTF-8, good or bad, may start so; it may break off within a character."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return start >= b" "


def sniff(first_bytes: bytes, allow: Allowed = STRICT) -> ImageFormat:
    """The format of an image that begins with *first_bytes*: ``sniff_size`` of them, if it has.

    Raises ImageRejected when the image is empty, begins with a byte order mark, or is of a kind
    that is known and cannot be read.
    """
    if not first_bytes:
        raise ImageRejected("image is empty", where="offset 0", expected="data", found="no bytes")
    if Allow.BOM in allow:
        first_bytes = first_bytes.removeprefix(UTF8_MARK)
    refuse_byte_order_mark(first_bytes)
    for magic, kind in _OTHERS.items():
        if first_bytes.startswith(magic):
            raise ImageRejected(
                "format is known and cannot be read",
                where="offset 0",
                expected="a raw binary, Intel HEX, S-records, TI-TXT, or a zip or tar of such",
                found=f"a {kind}",
            )
    if first_bytes[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC) and _may_be_tar(first_bytes):
        return ImageFormat.TAR
    for fmt, is_it in _TELLS.items():
        if is_it(first_bytes):
            return fmt
    return ImageFormat.BIN


_TELLS: Final[dict[ImageFormat, Callable[[bytes], object]]] = {
    ImageFormat.HEX: lambda first: first.startswith(b":"),
    ImageFormat.SREC: lambda first: first.startswith(b"S") and first[1:2].isdigit(),
    ImageFormat.TI_TXT: _TI_TXT.match,
    ImageFormat.ELF: lambda first: first.startswith(b"\x7fELF"),
    ImageFormat.ZIP: lambda first: first.startswith(b"PK\x03\x04"),
    ImageFormat.GZIP: lambda first: first.startswith(b"\x1f\x8b\x08"),
    ImageFormat.DELTA: lambda first: first.startswith(DELTA_MAGIC),
}


def open_decoder(fmt: ImageFormat, base: int, allow: Allowed = STRICT) -> Decoder:
    """A new decoder for *fmt*. *base* is the address of a raw binary; the others bring their own.

    Raises ValueError when *fmt* is BIN and *base* is no 32-bit address, or *fmt* is a package,
    which the room ``package`` opens, and ImageRejected when it cannot be read as a stream.
    """
    match fmt:
        case ImageFormat.BIN:
            return BinaryDecoder(base)
        case ImageFormat.HEX:
            return HexDecoder(allow)
        case ImageFormat.SREC:
            return SrecDecoder(allow)
        case ImageFormat.TI_TXT:
            return TiTxtDecoder(allow)
        case ImageFormat.ELF:
            raise ImageRejected(
                "an ELF file cannot be read as a stream",
                where="offset 0",
                expected="a raw binary, Intel HEX, S-records or TI-TXT",
                found="ELF",
                then="Convert it: mcu-updater image convert",
            )
        case ImageFormat.DELTA:
            raise ImageRejected(
                "a delta package is no image: it makes one of the image that it is for",
                where="offset 0",
                expected="a raw binary, Intel HEX, S-records or TI-TXT",
                found="a delta package",
                then="Look at it: mcu-updater delta info; apply it: mcu-updater delta apply",
            )
        case ImageFormat.ZIP | ImageFormat.TAR | ImageFormat.GZIP:
            raise ValueError(f"{fmt} is a package, no image")
        case _:
            assert_never(fmt)


def restore(state: bytes) -> Decoder:
    """The decoder whose ``state()`` gave *state*; it goes on exactly where that one stood.

    The first byte of a state names the format. Raises ValueError when no decoder gave it.
    """
    match state[:1]:
        case b"\x01":
            return BinaryDecoder.restore(state)
        case b"\x02":
            return HexDecoder.restore(state)
        case b"\x03":
            return SrecDecoder.restore(state)
        case b"\x04":
            return TiTxtDecoder.restore(state)
        case code:
            raise ValueError(f"not the state of a decoder: format code {code.hex() or 'missing'}")
