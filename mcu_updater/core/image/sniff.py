"""What a file is: the one decision, told from its first bytes and, where it has one, its name.

A raw Cortex-M image begins with the initial stack pointer, low byte first, a multiple of 4 that
lies in RAM (Armv7-M Architecture Reference Manual, DDI 0403, B1.5.3, and ``vectors.STACK_RANGE``).
So it cannot begin with ':' (0x3A), 'S' (0x53), 's' (0x73), an empty line (0x0A, 0x0D), a byte order
mark (0xEF, 0xFF, 0xFE), the 0x7F of ELF or the 'M' (0x4D) of a delta package, for none of these is
a multiple of 4; nor with the magic of zip (0x0403_4B50), gzip (0x..08_8B1F) or any archive below,
or the text of a tar header's name, for none of these words lies in RAM. A TI-TXT section of 3
digits or more would be a stack pointer of which byte 2 is a digit: 3 MiB or more into a RAM region,
where no part of ours has any.

What is printable text throughout its first 16 bytes is no raw binary, whatever else it may be: a
page, a comment, a record whose first character was lost. One strange byte of 16 makes no
difference; a vector table has three at least, in the upper halves of its addresses. Text in other
codes than ASCII and UTF-8 has no such byte either: 64 bytes tell it.

The answer is final. An image that breaks the rules of its format is refused; it is never tried as
another one, for a damaged HEX file written to flash as text would do more harm than the error.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from operator import methodcaller
from typing import Final, NoReturn, assert_never

from mcu_updater.core.errors import ImageRejected, Remedy
from mcu_updater.core.image.allow import STRICT, Allow, Allowed, Rule
from mcu_updater.core.image.binary import BinaryDecoder
from mcu_updater.core.image.extent import Decoder
from mcu_updater.core.image.formats import TEXTS, ImageFormat
from mcu_updater.core.image.ihex import HexDecoder
from mcu_updater.core.image.names import format_of, refuse_unreadable
from mcu_updater.core.image.records import (
    COMMENT_MARKS,
    UTF8_MARK,
    at,
    refuse_byte_order_mark,
    rule_of,
)
from mcu_updater.core.image.srec import SrecDecoder
from mcu_updater.core.image.titxt import TiTxtDecoder
from mcu_updater.core.image.vectors import STACK_RANGE

SNIFF_SIZE: Final = 4
"""Bytes that tell a Cortex-M image and every format but tar; see ``sniff_size``."""

DELTA_MAGIC: Final = b"MCUD"
MAGICS: Final = {
    ImageFormat.ELF: b"\x7fELF",
    ImageFormat.ZIP: b"PK\x03\x04",
    ImageFormat.GZIP: b"\x1f\x8b\x08",
    ImageFormat.DELTA: DELTA_MAGIC,
}
"""Of what is known by a few bytes that never vary."""

_WINDOW: Final = 16  # bytes that tell text from anything else
_STRANGE: Final = 1  # of them that may be no text
_EMPTY_LINES: Final = 1024  # bytes of empty lines that are looked behind
_TAR_MAGIC: Final = b"ustar"
_TAR_MAGIC_AT: Final = 257  # POSIX.1-2017, pax, "ustar Interchange Format"
_TI_TXT = re.compile(rb"@[0-9A-Fa-f]{3}|@[0-9A-Fa-f]{2}\r?\n", re.DOTALL)
_PLAIN: Final = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\n\f\r")
_CODED: Final = _PLAIN | frozenset(b"\b\v\x1b") | frozenset(range(0x80, 0x100))
"""Bytes of a text in a code of 8 bits or of several bytes, or with colours for a terminal."""
_CODED_WINDOW: Final = 64
_PADDING: Final = b"\0\xff\x1a"  # behind a text that is shorter than a block
_SHORTEST_TEXT: Final = 4  # characters, where padding follows

RAR_MAGIC: Final = b"Rar!"
OTHERS: Final = {
    RAR_MAGIC: "RAR archive",
    b"7z\xbc\xaf": "7-Zip archive",
    b"BZh": "bzip2 stream",
    b"\xfd7zX": "xz stream",
    b"\x28\xb5\x2f\xfd": "Zstandard stream",
    b"\x04\x22\x4d\x18": "LZ4 stream",
    b"\x5d\x00\x00": "LZMA stream",
    b"\x1f\x9d": "file of compress",
    b"PK\x05\x06": "zip archive without members",
    b"PK\x07\x08": "zip archive in several volumes",
    b"UF2\n": "UF2 file",
    b"DfuS": "DfuSe file",
    b"\x89PNG": "PNG picture",
    b"\xff\xd8\xff": "JPEG picture",
    b"GIF8": "GIF picture",
    b"%PDF": "PDF document",
    b"\xd0\xcf\x11\xe0": "document of an office program",
    b"MZ\x90\x00": "program for Windows",
    b"\xcf\xfa\xed\xfe": "program for macOS",
    b"\xca\xfe\xba\xbe": "program for macOS or Java",
    b"!<arch>\n": "library of object files",
    b"\x27\x05\x19\x56": "U-Boot image",
    b"hsqs": "SquashFS file system",
    b"SQLi": "SQLite database",
    b"version https://git-lfs": "Git LFS pointer: git lfs pull brings the file",
    b"<!DOCTYPE": "web page",
    b"<!doctype": "web page",
    b"<html": "web page",
    b"<HTML": "web page",
    b"<?xml": "XML document",
}
"""What can be recognized and not be read. Magics as in the formats' own documents."""


def identify(
    name: str, first_bytes: bytes, *, allow: Allowed = STRICT, raw: bool = False, where: str = ""
) -> ImageFormat:
    """The format of the file called *name* that begins with *first_bytes*; *raw*: it is BIN.

    The bytes tell; the suffix is evidence. Where they tell nothing, and the suffix is one of a text
    format, it is that format damaged in its first line, and its decoder says where. Elsewhere the
    suffix must agree. Raises ImageRejected.
    """
    if raw:
        return ImageFormat.BIN
    where = where or name
    refuse_unreadable(name, where)
    said = format_of(name)
    _refuse_others(first_bytes, allow)
    if said in TEXTS and first_bytes and not _is_foreign(first_bytes):
        return said
    fmt = sniff(first_bytes, allow)
    if said not in (None, fmt):
        raise ImageRejected(
            "suffix and content disagree",
            where=where,
            expected=str(said),
            found=fmt.value,
            then="Rename it",
            rule=Rule.NAME,
        )
    return fmt


def _is_foreign(first_bytes: bytes) -> bool:
    """Whether a magic tells that it is no text."""
    return any(
        is_it(first_bytes) for fmt, is_it in _TELLS.items() if fmt not in TEXTS
    ) or first_bytes[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC)


def sniff_size(first_bytes: bytes) -> int:
    """How many bytes ``sniff`` needs of what begins with *first_bytes*, if it has them.

    Where a name stands at the beginning, it may be a tar header, which has its magic behind it.
    """
    start = _start_of(first_bytes)
    skipped = len(first_bytes) - len(start)
    if skipped > _EMPTY_LINES:
        return skipped
    if len(start) < SNIFF_SIZE or _is_told(start[:SNIFF_SIZE]):
        return skipped + SNIFF_SIZE
    if not skipped and _may_be_tar(first_bytes):
        return _TAR_MAGIC_AT + len(_TAR_MAGIC)
    return skipped + (_CODED_WINDOW if _may_be_coded(start) else _WINDOW)


def _start_of(first_bytes: bytes) -> bytes:
    """What is behind a byte order mark and empty lines."""
    return first_bytes.removeprefix(UTF8_MARK).lstrip(b"\r\n")


def _is_told(four: bytes) -> bool:
    """Whether no more bytes can change the answer: a magic, or too much that is no text."""
    strange = sum(byte not in _PLAIN for byte in four)
    may_be_text = strange <= _STRANGE or _may_be_coded(four) or _may_be_wide(four)
    return not (may_be_text or _may_be_tar(four)) or any(is_it(four) for is_it in _TELLS.values())


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
    return _is_utf8(start) and start >= b" "


def _is_utf8(start: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return True


def _is_foreign_text(start: bytes) -> bool:
    """Text in UTF-8, whatever its alphabet; it may break off within a character."""
    return _is_utf8(start) and all(byte in _PLAIN or byte >= 0x80 for byte in start)


def _may_be_coded(start: bytes) -> bool:
    return _are_coded(start[:_WINDOW])


def _is_coded_text(start: bytes) -> bool:
    """Text in Latin-1, a code page of Windows or such, or a log with colours: no byte that a text
    has not, and enough plain ones. Chance makes one of 700 such beginnings of 64 bytes."""
    head = start[:_CODED_WINDOW].rstrip(_PADDING)
    plain = sum(byte in _PLAIN for byte in head)
    if len(head) == _CODED_WINDOW:
        return _are_coded(head) and plain >= _CODED_WINDOW // 8
    is_all = len(start) < _CODED_WINDOW and len(head) >= _WINDOW
    return is_all and _are_coded(head) and plain * 4 >= len(head) * 3


def _are_coded(text: bytes) -> bool:
    return all(byte in _CODED for byte in text)


def _may_be_wide(start: bytes) -> bool:
    """UTF-16 of plain characters: every other byte is zero. No vector table looks so: a reset
    vector begins with an odd byte, and a stack pointer does not end with zero."""
    high, low = (start[0::2], start[1::2])
    return any(
        not any(zeros) and all(byte in _PLAIN for byte in plain)
        for zeros, plain in ((high, low), (low, high))
    )


def _is_text(start: bytes) -> bool:
    """Whether what begins so is text: see above."""
    head = start[:_WINDOW]
    text = head.rstrip(_PADDING)
    if not text or (len(text) < len(head) and len(text) < _SHORTEST_TEXT):
        return False
    strange = [byte for byte in text if byte not in _PLAIN]
    if len(strange) <= _STRANGE * (len(text) == _WINDOW):
        return True
    is_foreign = len(text) == len(head) and _is_foreign_text(text)
    return is_foreign or _is_coded_text(start)


def sniff(first_bytes: bytes, allow: Allowed = STRICT) -> ImageFormat:
    """The format of an image that begins with *first_bytes*: ``sniff_size`` of them, if it has.

    Raises ImageRejected when the image is empty, begins with a byte order mark, is text of no
    format, or is of a kind that is known and cannot be read.
    """
    if not first_bytes:
        raise ImageRejected("image is empty", where="offset 0", expected="data", found="no bytes")
    _refuse_others(first_bytes, allow)
    if first_bytes[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC) and _may_be_tar(first_bytes):
        return ImageFormat.TAR
    start = _start_of(first_bytes)
    fmt = told_by(start)
    if fmt is None and allow & {Allow.COMMENTS, Allow.BLANKS}:
        fmt = told_by(_behind_comments(start))
    if fmt is not None:
        return fmt
    if not start or _is_text(start) or (len(start) >= 2 * SNIFF_SIZE and _may_be_wide(start[:8])):
        _refuse_text(first_bytes, start)
    return ImageFormat.BIN


def told_by(start: bytes) -> ImageFormat | None:
    """The format whose magic *start* begins with, damaged or not behind it; None: there is none."""
    return next((fmt for fmt, is_it in _TELLS.items() if is_it(start)), None)


def _refuse_others(first_bytes: bytes, allow: Allowed) -> None:
    if Allow.BOM not in allow:
        refuse_byte_order_mark(first_bytes)
    start = _start_of(first_bytes)
    for magic, kind in OTHERS.items():
        if start.startswith(magic):
            raise ImageRejected(
                "format is known and cannot be read",
                where="offset 0",
                expected="a raw binary, Intel HEX, S-records, TI-TXT, or a zip or tar of such",
                found=f"a {kind}",
                rule=Rule.RAW,
            )


def _behind_comments(start: bytes) -> bytes:
    """*start* from the first line on that is neither empty nor a comment."""
    while (line := start.lstrip(b" \t\r\n")).startswith(COMMENT_MARKS):
        start = line.partition(b"\n")[2]
    return line


def _refuse_text(first_bytes: bytes, start: bytes) -> NoReturn:
    line = 1 + first_bytes[: len(first_bytes) - len(start)].count(b"\n")
    shown = start[:_WINDOW].splitlines()[0] if start.strip() else b"empty lines"
    is_image = told_by(_behind_comments(start)) in TEXTS
    rule = rule_of(start.splitlines()[0]) if is_image else ""
    raise ImageRejected(
        "text, and no image format that is known",
        where=at(line, 1),
        expected="':' of Intel HEX, 'S' and a digit, '@' of TI-TXT, or a raw binary",
        found=ascii(shown.decode("latin-1")),
        then="Is it another file than it should be, or damaged at its beginning?",
        rule=rule or Rule.RAW,
    )


_TELLS: Final[dict[ImageFormat, Callable[[bytes], object]]] = {
    ImageFormat.HEX: lambda first: first.startswith(b":"),
    ImageFormat.SREC: lambda first: first[:1] in (b"S", b"s") and first[1:2].isdigit(),
    ImageFormat.TI_TXT: lambda first: (
        _TI_TXT.match(first) or (first[:1] == b"@" and len(first) >= _WINDOW and _is_text(first))
    ),
    **{fmt: methodcaller("startswith", magic) for fmt, magic in MAGICS.items()},
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
                rule=Rule.STREAM,
            )
        case ImageFormat.DELTA:
            raise ImageRejected(
                "a delta package is no image: it makes one of the image that it is for",
                where="offset 0",
                expected="a raw binary, Intel HEX, S-records or TI-TXT",
                found="a delta package",
                remedies=[Remedy.LOOK_AT_DELTA],
            )
        case ImageFormat.ZIP | ImageFormat.TAR | ImageFormat.GZIP | ImageFormat.RAR:
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
