"""Tar, read as a stream.

Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar writes the
same header with another magic.

    header of 512 bytes | data, padded with zeros to 512 bytes     for each file
    two blocks of zeros, and zeros to the end
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from mcu_updater.core.package.rules import (
    MEMBER_BYTES,
    Census,
    Closed,
    Item,
    Opened,
    check_name,
    damaged,
    pack,
    unpack,
)

BLOCK: Final = 512
_MAGICS: Final = (b"ustar\x0000", b"ustar  \x00")  # POSIX, GNU
_FILE, _DIRECTORY, _PAX = (b"0", b"\x00"), b"5", (b"x", b"g")
_PAX_BYTES: Final = BLOCK
_HARMLESS: Final = frozenset({"mtime", "atime", "ctime", "comment", "uid", "gid", "uname", "gname"})
_HARMLESS_OF: Final = (
    "LIBARCHIVE.xattr.",
    "LIBARCHIVE.creationtime",
    "SCHILY.xattr.",
    "SCHILY.acl.",
    "SCHILY.fflags",
    "SCHILY.dev",
    "SCHILY.ino",
    "SCHILY.nlink",
)
"""Attributes of files that libarchive and star keep; none of them renames or resizes."""
_OTHER_TYPES: Final = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a FIFO",
    b"L": "a GNU long name",
    b"K": "a GNU long link",
    b"S": "a sparse file",
}
_STATE: Final = struct.Struct(">BQII")


class _Stage(IntEnum):
    HEADER = 0
    DATA = 1
    PADDING = 2
    PAX = 3
    ENDING = 4  # one block of zeros came
    ENDED = 5


class TarReader:
    """A ``Container``."""

    def __init__(self) -> None:
        self._stage = _Stage.HEADER
        self._held = b""
        self._offset = 0
        self._size = 0  # of the open file
        self._left = 0  # bytes of it that are still to come
        self._name = ""
        self._census = Census()

    def feed(self, data: bytes) -> Iterator[Item]:
        data = self._held + data
        self._held = b""
        while data:
            if self._stage is _Stage.DATA:
                piece, data = data[: self._left], data[self._left :]
                yield from self._data(piece)
                used = len(piece)
            else:
                used = self._wanted()
                if used > len(data):
                    self._held = data
                    return
                block, data = data[:used], data[used:]
                yield from self._block(block)
            self._offset += used

    def finish(self) -> None:
        if self._stage is not _Stage.ENDED or self._held:
            raise damaged("the archive is cut short", self._where, "two blocks of zeros", "the end")

    @property
    def _where(self) -> str:
        return f"offset {self._offset}"

    def _wanted(self) -> int:
        """Bytes of the next block; where files are padded, of the padding."""
        return -self._size % BLOCK if self._stage is _Stage.PADDING else BLOCK

    def _block(self, block: bytes) -> Iterator[Item]:
        match self._stage:
            case _Stage.PADDING:
                if any(block):
                    raise damaged("padding is not empty", self._where, "zeros", "data")
                self._stage = _Stage.HEADER
            case _Stage.PAX:
                self._check_pax(block)
                self._stage = _Stage.HEADER
            case _Stage.HEADER if any(block):
                yield from self._header(block)
            case _Stage.HEADER:
                self._stage = _Stage.ENDING
            case _:
                if any(block):
                    raise damaged("data behind the archive's end", self._where, "zeros", "data")
                self._stage = _Stage.ENDED

    def _header(self, block: bytes) -> Iterator[Item]:
        where = self._where
        if block[257:265] not in _MAGICS:
            raise damaged("no tar header", where, "ustar", ascii(block[257:265]))
        summed = sum(block) - sum(block[148:156]) + 8 * ord(" ")
        said = _octal(block[148:156], where)
        if said != summed:
            raise damaged("checksum of the header is wrong", where, f"{summed:o}", f"{said:o}")
        kind, size = block[156:157], _octal(block[124:136], where)
        prefix = b"" if block[257:265] == _MAGICS[1] else block[345:500].rstrip(b"\0")
        raw = block[:100].rstrip(b"\0")
        raw = prefix + b"/" + raw if prefix else raw
        if kind in _PAX:
            if not 0 < size <= _PAX_BYTES:
                raise damaged("pax header is too long", where, f"at most {_PAX_BYTES}", str(size))
            self._size, self._stage = size, _Stage.PAX
            return
        name = check_name(raw, where)
        if kind == _DIRECTORY or not name or name.endswith("/"):
            if size:
                raise damaged("a directory with data", where, "no data", f"{size} bytes")
            if name:
                self._census.enter(name, 0, where)
            return
        if kind not in _FILE:
            found = _OTHER_TYPES.get(kind, f"type {kind!a}")
            raise damaged("not a plain file", where, "files and directories", f"{found}: {name!r}")
        if size > MEMBER_BYTES:
            raise damaged("file is too large", where, f"at most {MEMBER_BYTES} bytes", str(size))
        self._census.enter(name, size, where)
        self._name, self._size, self._left = name, size, size
        yield Opened(name, size)
        self._stage = _Stage.DATA
        if not size:
            yield from self._close()

    def _check_pax(self, block: bytes) -> None:
        """Nothing in it may change what a file is called, or how long it is."""
        text = block[: self._size]
        while text:
            digits, blank, _ = text.partition(b" ")
            length = int(digits) if blank and digits.isdigit() and len(digits) < 5 else 0
            record = text[:length]
            key, equals, _ = record[len(digits) + 1 :].partition(b"=")
            if not equals or not record.endswith(b"\n"):
                raise damaged("pax header is damaged", self._where, "length key=value", "another")
            known = key.decode("latin-1")
            if known not in _HARMLESS and not known.startswith(_HARMLESS_OF):
                expected = f"only {', '.join(sorted(_HARMLESS))}"
                raise damaged("pax header changes a file", self._where, expected, ascii(key))
            text = text[length:]

    def _data(self, piece: bytes) -> Iterator[Item]:
        self._left -= len(piece)
        self._census.count(len(piece), self._size - self._left, self._size, self._name)
        yield piece
        if not self._left:
            yield from self._close()

    def _close(self) -> Iterator[Item]:
        self._stage = _Stage.PADDING if self._size % BLOCK else _Stage.HEADER
        yield Closed()

    def state(self) -> bytes:
        head = _STATE.pack(self._stage, self._offset, self._size, self._left)
        return pack(head, self._census.state(), self._name.encode(), self._held)

    def resume(self, state: bytes) -> None:
        head, census, name, self._held = unpack(state)
        stage, self._offset, self._size, self._left = _STATE.unpack(head)
        self._stage = _Stage(stage)
        self._name = name.decode()
        self._census.resume(census)


def _octal(field: bytes, where: str) -> int:
    """A number of a header. GNU's binary form for huge ones is not taken."""
    digits = field.strip(b" \0")
    if not digits or any(byte not in b"01234567" for byte in digits):
        raise damaged("number of a header is none", where, "octal digits", ascii(field))
    return int(digits, 8)
