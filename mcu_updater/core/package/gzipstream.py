"""Gzip around a tar, read as a stream.

Source: RFC 1952. One member, its CRC and length checked, nothing behind it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Generator, Iterator
from enum import IntEnum
from typing import Final

from mcu_updater.core.package.inflate import Inflater, interval_of
from mcu_updater.core.package.rules import Census, Item, damaged, pack, unpack
from mcu_updater.core.package.tarstream import TarReader

HEAD: Final = struct.Struct("<2sBBIBB")
TAIL: Final = struct.Struct("<II")
MAGIC: Final = b"\x1f\x8b"
DEFLATE: Final = 8
CRC, EXTRA, NAME, COMMENT = 1 << 1, 1 << 2, 1 << 3, 1 << 4  # section 2.3.1; bit 0 is a hint
_GOOD_FLAGS: Final = 1 | CRC | EXTRA | NAME | COMMENT
_HEADER_BYTES: Final = 1024
_STATE: Final = struct.Struct(">BQI?")


class _Stage(IntEnum):
    HEADER = 0
    DATA = 1
    TAIL = 2
    ENDED = 3


class GzipReader:
    """A ``Container``: the files of the tar inside."""

    def __init__(self) -> None:
        self._stage = _Stage.HEADER
        self._held = b""
        self._offset = 0
        self._crc = 0
        self._inflater: Inflater | None = None
        self._census = Census()  # of the tar as a whole: the ratio is between it and the stream
        self._tar = TarReader()

    def feed(self, data: bytes) -> Iterator[Item]:
        data = self._held + data
        self._held = b""
        while data:
            before = len(data)
            if self._stage is _Stage.ENDED:
                raise damaged("data behind the stream's end", self._where, "nothing more", "data")
            if self._stage is _Stage.DATA:
                data = yield from self._data(data)
            else:
                size = TAIL.size if self._stage is _Stage.TAIL else self._header_size(data)
                if size > len(data):
                    self._held = data
                    return
                self._header(data[:size])
                data = data[size:]
            self._offset += before - len(data)

    def finish(self) -> None:
        if self._stage is not _Stage.ENDED:
            raise damaged("the stream is cut short", self._where, "CRC and length", "the end")
        self._tar.finish()

    @property
    def _where(self) -> str:
        return f"offset {self._offset}"

    def _header_size(self, data: bytes) -> int:
        """Of the header that *data* begins with; more than came, where that cannot be told yet."""
        more = len(data) + 1
        if len(data) < HEAD.size:
            return HEAD.size
        magic, method, flags, *_ = HEAD.unpack_from(data)
        if magic != MAGIC or method != DEFLATE or flags & ~_GOOD_FLAGS:
            found = data[:4].hex(" ").upper()
            raise damaged("no gzip header", self._where, "1F 8B 08 and known flags", found)
        if len(data) > _HEADER_BYTES:
            data = data[:_HEADER_BYTES]
        size = HEAD.size
        if flags & EXTRA:
            if len(data) < size + 2:
                return more
            size += 2 + int.from_bytes(data[size : size + 2], "little")
        for flag in (NAME, COMMENT):
            if flags & flag:
                size = data.find(b"\0", size) + 1 or _HEADER_BYTES + 1
        size += 2 if flags & CRC else 0
        if size > _HEADER_BYTES and more > _HEADER_BYTES:
            raise damaged("header is too long", self._where, f"at most {_HEADER_BYTES}", "more")
        return size

    def _header(self, header: bytes) -> None:
        if self._stage is _Stage.TAIL:
            crc, size = TAIL.unpack(header)
            assert self._inflater is not None
            found = self._crc, self._inflater.produced & 0xFFFF_FFFF
            if (crc, size) != found:
                raise damaged(
                    "stream is not what its end says",
                    self._where,
                    f"{size} bytes, CRC {crc:08X}",
                    f"{found[1]}, CRC {found[0]:08X}",
                )
            self._inflater = None
            self._stage = _Stage.ENDED
            return
        flags = header[3]
        extra = b""
        if flags & EXTRA:
            begin = HEAD.size + 2
            extra = header[begin : begin + int.from_bytes(header[HEAD.size : begin], "little")]
        if flags & CRC:
            said = int.from_bytes(header[-2:], "little")
            if zlib.crc32(header[:-2]) & 0xFFFF != said:
                raise damaged("CRC of the header is wrong", self._where, "its CRC", f"{said:04X}")
        self._inflater = Inflater(interval_of(extra), "gzip stream")
        self._stage = _Stage.DATA

    def _data(self, data: bytes) -> Generator[Item, None, bytes]:
        """Unpack; return what lies behind the stream."""
        inflater = self._inflater
        assert inflater is not None
        for out, rest in inflater.feed(data):
            self._crc = zlib.crc32(out, self._crc)
            self._census.count(len(out), inflater.produced, inflater.consumed, "gzip stream")
            yield from self._tar.feed(out)
            if inflater.finished:
                self._stage = _Stage.TAIL
                return rest
        return b""

    def state(self) -> bytes:
        head = _STATE.pack(self._stage, self._offset, self._crc, self._inflater is not None)
        inflater = self._inflater.state() if self._inflater else b""
        return pack(head, inflater, self._census.state(), self._tar.state(), self._held)

    def resume(self, state: bytes) -> None:
        head, inflater, census, tar, self._held = unpack(state)
        stage, self._offset, self._crc, inflating = _STATE.unpack(head)
        self._stage = _Stage(stage)
        self._census.resume(census)
        self._tar.resume(tar)
        self._inflater = Inflater.restore(inflater, "gzip stream") if inflating else None
