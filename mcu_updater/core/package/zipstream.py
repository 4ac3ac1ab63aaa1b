"""Zip, read as a stream: from the first local header to the last byte of the directory.

Source: PKWARE, "APPNOTE.TXT - .ZIP File Format Specification", version 6.3.10.

    local header | data [| descriptor]   for each file        sections 4.3.7 to 4.3.9
    central header                       for each file again  section 4.3.12
    end of central directory                                  section 4.3.16

Most readers start at the end and may find other files than those that came first. Here the
directory must say of each file what its local header said, in the same order, and nothing may lie
between or behind.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Generator, Iterator
from enum import IntEnum
from hashlib import sha256
from typing import Final

from mcu_updater.core.package.inflate import Inflater, interval_of
from mcu_updater.core.package.rules import (
    Census,
    Closed,
    Item,
    Opened,
    check_name,
    damaged,
    pack,
    unpack,
)

LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")
CENTRAL: Final = struct.Struct("<4sHHHHHHIIIHHHHHII")
END: Final = struct.Struct("<4sHHHHIIH")
assert (LOCAL.size, CENTRAL.size, END.size) == (30, 46, 22)
LOCAL_MARK, CENTRAL_MARK, END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_DESCRIPTOR_MARK: Final = b"PK\x07\x08"
_OTHER_MARKS: Final = {b"PK\x06\x06": "zip64 directory", b"PK\x06\x08": "archive extra data"}

STORED, DEFLATED = 0, 8
_DESCRIBED: Final = 1 << 3  # sizes and CRC come behind the data
_GOOD_FLAGS: Final = _DESCRIBED | 1 << 1 | 1 << 2 | 1 << 11  # deflate's options; UTF-8
_FILE_TYPE, _SYMLINK = 0o170000, 0o120000
_EXTRA_BYTES: Final = 1024
_UNKNOWN: Final = 0xFFFF_FFFF

_STATE: Final = struct.Struct(">BQHQIIIII32s32sII?")


class _Stage(IntEnum):
    MARK = 0  # what comes next is told by four bytes
    DATA = 1
    DESCRIPTOR = 2
    ENDED = 3


class ZipReader:
    """A ``Container``."""

    def __init__(self) -> None:
        self._stage = _Stage.MARK
        self._held = b""  # bytes of a header that is not complete
        self._offset = 0  # in the archive, of the first byte that is not used yet
        self._census = Census()
        self._files = 0  # local headers that came
        self._listed = 0  # central headers that came
        self._directory = 0  # where the directory begins; 0: not yet
        self._locals = bytes(32)  # chained hash of what the local headers said
        self._centrals = bytes(32)  # the same of the directory
        self._open_at = 0  # offset of the open file's header
        self._flags = self._method = 0
        self._crc = self._size = self._packed = 0  # of the open file, as its header says
        self._found_crc = 0
        self._made = self._taken = 0  # bytes of the open file, unpacked and packed
        self._inflater: Inflater | None = None
        self._name = ""

    def feed(self, data: bytes) -> Iterator[Item]:
        data = self._held + data
        self._held = b""
        while data:
            if self._stage is _Stage.DATA:
                data = yield from self._data(data)
                continue
            size = self._size_of_header(data)
            if size is None or size > len(data):
                self._held = data
                return
            header, data = data[:size], data[size:]
            yield from self._header(header)
            self._offset += size

    def finish(self) -> None:
        if self._stage is not _Stage.ENDED or self._held:
            raise damaged(
                "the archive is cut short", self._where, "an end of central directory", "the end"
            )

    @property
    def _where(self) -> str:
        return f"offset {self._offset}"

    # --- headers

    def _size_of_header(self, data: bytes) -> int | None:
        """Bytes of the header that *data* begins with; None: too little came to tell."""
        if self._stage is _Stage.ENDED:
            raise damaged("data behind the archive's end", self._where, "nothing more", "data")
        if len(data) < 4:
            return None
        mark = data[:4]
        if self._stage is _Stage.DESCRIPTOR:
            return 16 if mark == _DESCRIPTOR_MARK else 12
        for known, layout, lengths in _HEADERS:
            if mark == known:
                if len(data) < layout.size:
                    return None
                fields = layout.unpack_from(data)
                return layout.size + sum(int(fields[index]) for index in lengths)
        raise damaged(
            "no part of a zip archive",
            self._where,
            "a local header, a central header or the end",
            _OTHER_MARKS.get(mark, mark.hex(" ").upper()),
        )

    def _header(self, header: bytes) -> Iterator[Item]:
        if self._stage is _Stage.DESCRIPTOR:
            yield from self._descriptor(header)
        elif header[:4] == LOCAL_MARK:
            yield from self._local(header)
        elif header[:4] == CENTRAL_MARK:
            self._central(header)
        else:
            self._end(header)

    def _local(self, header: bytes) -> Iterator[Item]:
        where = self._where
        if self._directory:
            raise damaged("a file behind the directory", where, "files first", "a local header")
        _, _, flags, method, _, _, crc, packed, size, length, extra = LOCAL.unpack_from(header)
        name = check_name(header[30 : 30 + length], where)
        self._check_kind(flags, method, packed, size, extra, where)
        described = bool(flags & _DESCRIBED)
        if described and method == STORED:
            raise damaged("a stored file tells no size", where, "its size in the header", "none")
        if name:
            self._census.enter(name, None if described else size, where)
        self._files += 1
        self._name, self._open_at = name, self._offset
        self._flags, self._method = flags, method
        self._crc, self._size, self._packed = crc, size, packed
        self._found_crc = self._made = self._taken = 0
        if method == DEFLATED:
            self._inflater = Inflater(interval_of(header[30 + length :]), name)
        if not name or name.endswith("/"):
            if size or packed or described:
                raise damaged("a directory with data", where, "no data", f"{packed} bytes")
            self._chain()
            return
        yield Opened(name, None if described else size)
        self._stage = _Stage.DATA
        if method == STORED and not size:
            yield from self._complete()

    def _check_kind(
        self, flags: int, method: int, packed: int, size: int, extra: int, where: str
    ) -> None:
        if flags & 1:
            raise damaged("file is encrypted", where, "plain files", "bit 0 of the flags")
        if flags & ~_GOOD_FLAGS:
            raise damaged("file has unknown flags", where, "bits 1, 2, 3 and 11", f"0x{flags:04X}")
        if method not in (STORED, DEFLATED):
            raise damaged("file is packed in an unknown way", where, "method 0 or 8", str(method))
        if _UNKNOWN in (packed, size):
            raise damaged("file needs zip64", where, "sizes of 32 bits", "a zip64 header")
        if method == STORED and packed != size:
            raise damaged("stored file has two sizes", where, str(packed), str(size))
        if extra > _EXTRA_BYTES:
            raise damaged("extra field is too long", where, f"at most {_EXTRA_BYTES}", str(extra))

    def _central(self, header: bytes) -> None:
        fields = CENTRAL.unpack_from(header)
        _, _, _, flags, method, _, _, crc, packed, size, length = fields[:11]
        disk, attributes, offset = fields[13], fields[15], fields[16]
        self._directory = self._directory or self._offset
        name = header[46 : 46 + length]
        if attributes >> 16 & _FILE_TYPE == _SYMLINK:
            raise damaged(
                "a link", self._where, "files and directories", repr(name.decode("latin-1"))
            )
        if disk:
            raise damaged("file lies in another volume", self._where, "volume 0", str(disk))
        self._listed += 1
        said = _said(name.removeprefix(b"./"), flags, method, crc, packed, size, offset)
        self._centrals = sha256(self._centrals + said).digest()

    def _end(self, header: bytes) -> None:
        _, disk, first, here, count, size, start, _ = END.unpack_from(header)
        begin = self._directory or self._offset
        facts = {
            "volume": ((disk, first), (0, 0)),
            "number of files": ((here, count), (self._listed, self._files)),
            "size of the directory": (size, self._offset - begin),
            "offset of the directory": (start, begin),
        }
        for what, (said, found) in facts.items():
            if said != found:
                raise damaged(f"{what} is wrong", self._where, str(found), str(said))
        if self._locals != self._centrals:
            raise damaged(
                "directory and local headers disagree", self._where, "the same files", "others"
            )
        self._stage = _Stage.ENDED

    # --- data

    def _data(self, data: bytes) -> Generator[Item, None, bytes]:
        """Take what belongs to the open file; return the rest."""
        if self._inflater is not None:
            for out, rest in self._inflater.feed(data):
                yield self._counted(out)
                if self._inflater.finished:
                    self._offset += len(data) - len(rest)
                    self._taken = self._inflater.consumed
                    yield from self._complete()
                    return rest
            self._offset += len(data)
            return b""
        room = self._size - self._made
        piece, rest = data[:room], data[room:]
        self._offset += len(piece)
        self._taken += len(piece)
        yield self._counted(piece)
        if self._made == self._size:
            yield from self._complete()
        return rest

    def _counted(self, out: bytes) -> bytes:
        self._found_crc = zlib.crc32(out, self._found_crc)
        self._made += len(out)
        taken = self._inflater.consumed if self._inflater else self._made
        self._census.count(len(out), self._made, taken, self._name)
        return out

    def _complete(self) -> Iterator[Item]:
        """The data have ended; with a descriptor, what they should be is still to come."""
        if self._flags & _DESCRIBED:
            self._stage = _Stage.DESCRIPTOR
            return
        yield from self._close()

    def _descriptor(self, header: bytes) -> Iterator[Item]:
        self._crc, self._packed, self._size = struct.unpack("<III", header[-12:])
        yield from self._close()

    def _close(self) -> Iterator[Item]:
        said = (self._size, self._packed, self._crc)
        found = (self._made, self._taken, self._found_crc)
        if said != found:
            raise damaged(
                "file is not what its header says",
                self._name,
                f"{said[0]} bytes of {said[1]} packed, CRC {said[2]:08X}",
                f"{found[0]} of {found[1]}, CRC {found[2]:08X}",
            )
        self._chain()
        yield Closed()

    def _chain(self) -> None:
        said = _said(
            self._name.encode(),
            self._flags,
            self._method,
            self._crc,
            self._packed,
            self._size,
            self._open_at,
        )
        self._locals = sha256(self._locals + said).digest()
        self._inflater = None
        self._stage = _Stage.MARK

    # --- states

    def state(self) -> bytes:
        head = _STATE.pack(
            self._stage,
            self._offset,
            self._files | self._listed << 8,
            self._directory,
            self._open_at,
            self._flags | self._method << 16,
            self._crc,
            self._size,
            self._packed,
            self._locals,
            self._centrals,
            self._found_crc,
            self._made,
            self._inflater is not None,
        )
        inflater = self._inflater.state() if self._inflater else b""
        rest = self._taken.to_bytes(4, "big")
        return pack(head, inflater, self._census.state(), self._name.encode(), rest, self._held)

    def resume(self, state: bytes) -> None:
        head, inflater, census, name, taken, self._held = unpack(state)
        (
            stage,
            self._offset,
            counts,
            self._directory,
            self._open_at,
            kind,
            self._crc,
            self._size,
            self._packed,
            self._locals,
            self._centrals,
            self._found_crc,
            self._made,
            inflating,
        ) = _STATE.unpack(head)
        self._stage = _Stage(stage)
        self._files, self._listed = counts & 0xFF, counts >> 8
        self._flags, self._method = kind & 0xFFFF, kind >> 16
        self._name = name.decode()
        self._taken = int.from_bytes(taken, "big")
        self._census.resume(census)
        self._inflater = Inflater.restore(inflater, self._name) if inflating else None


_HEADERS: Final = (
    (LOCAL_MARK, LOCAL, (9, 10)),  # and which of its fields are lengths of what follows
    (CENTRAL_MARK, CENTRAL, (10, 11, 12)),
    (END_MARK, END, (7,)),
)


def _said(
    name: bytes, flags: int, method: int, crc: int, packed: int, size: int, offset: int
) -> bytes:
    return name + struct.pack("<HHIIII", flags, method, crc, packed, size, offset)
