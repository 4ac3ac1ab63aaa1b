"""Deflate that can be carried on after a reset.

zlib cannot export the state of a decompressor, and a state of our own would hold 32 KiB of what
came out before: no trailer has room for that. So a compressor that is asked to (``compressed``)
makes a *restart point* behind every *interval* bytes of its input: a full flush (RFC 1951 and
zlib's Z_FULL_FLUSH), after which it refers to nothing before. Every reader takes such a stream. A
checkpoint then holds what was taken since the last restart point, and ``resume`` takes it again.

How far apart restart points are stands in the header in front of the stream, in an extra field
that other readers pass over (as dictzip does it): "MU", then the interval in 4 bytes.

A stream without them can be carried on while the whole of it is that short.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from mcu_updater.core.errors import ImageRejected, Remedy
from mcu_updater.core.package.rules import damaged

EXTRA_ID: Final = b"MU"
REPLAY_BYTES: Final = 8 * 1024  # more than a checkpoint can hold anywhere
_FLUSHED: Final = b"\x00\x00\xff\xff"  # how the empty stored block of a flush ends
_SLICE: Final = 256  # bytes taken at once where a border may follow
_CHUNK: Final = 16 * 1024  # bytes that come out at once, at most
_RAW: Final = -zlib.MAX_WBITS

_STATE: Final = struct.Struct(">IQQQ?B")


class Inflater:
    """Inflates one stream. ``produced``, ``consumed`` count bytes; ``finished`` tells its end."""

    def __init__(self, interval: int, where: str) -> None:
        self._interval = interval
        self._where = where
        self._zlib = zlib.decompressobj(_RAW)
        self._replay: bytes | None = b""  # taken since the last restart point; None: too much
        self._restart = 0  # what was produced up to there
        self._near = False  # the border is at most a slice away
        self._border = b""  # last bytes taken behind a border
        self.produced = 0
        self.consumed = 0
        self.finished = False

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Take from *data*; yield what comes out, and what of *data* is left, until all is taken.

        Raises ImageRejected when the stream is damaged.
        """
        more = False  # zlib may hold back what did not fit a chunk
        while (data or more) and not self.finished:
            at_border = self._interval and self.produced - self._restart == self._interval
            if at_border:
                out, data, more = b"", self._pass_border(data), False
            else:
                out, data, more = self._step(data)
            if out or self.finished:
                yield out, data

    def _step(self, data: bytes) -> tuple[bytes, bytes, bool]:
        """Inflate on: what came out, what is left, and whether zlib may hold back more."""
        if self._interval:
            out, rest = self._towards_border(data)
            return out, rest, False
        out = self._inflate(data, _CHUNK)
        rest = self._zlib.unused_data if self.finished else self._zlib.unconsumed_tail
        self._took(data[: len(data) - len(rest)])
        self.produced += len(out)
        return out, rest, len(out) == _CHUNK

    def _towards_border(self, data: bytes) -> tuple[bytes, bytes]:
        """Inflate a slice of *data* that does not reach the border, or one byte.

        Behind the last byte before a border zlib reads on, through the flush and into the next
        block, as far as nothing comes out. So the slice that reaches the border is taken back and
        taken again byte by byte.
        """
        room = self._restart + self._interval - self.produced
        size = 1 if self._near else _SLICE
        before = None if self._near else self._zlib.copy()
        out = self._inflate(data[:size], room)
        if before is not None and len(out) == room:
            self._zlib, self._near, self.finished = before, True, False
            return b"", data
        rest = data[size:]
        if self.finished:
            rest = self._zlib.unused_data + rest
        self._took(data[: len(data) - len(rest)])
        self.produced += len(out)
        return out, rest

    def _pass_border(self, data: bytes) -> bytes:
        """Take the flush behind a border, byte by byte, up to the restart point."""
        for index, byte in enumerate(data, 1):
            taken = bytes((byte,))
            if self._inflate(taken, 1):
                raise damaged("restart point is missing", self._where, "a full flush", "data")
            self._took(taken)
            self._border = (self._border + taken)[-len(_FLUSHED) :]
            if self._border == _FLUSHED:
                self._zlib = zlib.decompressobj(_RAW)
                self._replay, self._border = b"", b""
                self._restart, self._near = self.produced, False
            if self.finished or not self._border:
                return data[index:]
        return b""

    def _inflate(self, data: bytes, room: int) -> bytes:
        try:
            out = self._zlib.decompress(data, room)
        except zlib.error as error:
            raise damaged("compressed data are damaged", self._where, found=str(error)) from error
        self.finished = self._zlib.eof
        return out

    def _took(self, taken: bytes) -> None:
        self.consumed += len(taken)
        if self._replay is not None:
            self._replay += taken
            if len(self._replay) > REPLAY_BYTES:
                self._replay = None

    def state(self) -> bytes:
        """Hardly more than the interval. Raises ImageRejected where restart points are missing."""
        if self._replay is None:
            raise ImageRejected(
                "the package comes in pieces, and compressed data cannot be carried on from one",
                where=self._where,
                expected="stored members, or restart points",
                found="neither",
                then="Build it so, or let it come in one piece",
                remedies=[Remedy.RESTART_POINTS],
            )
        head = _STATE.pack(
            self._interval,
            self._restart,
            self.produced,
            self.consumed,
            self.finished,
            len(self._border),
        )
        return head + self._replay

    def _take_again(self, replay: bytes, size: int) -> int:
        """Inflate *replay*, of which *size* bytes came out; return how many do now.

        Not one more is asked for: of a damaged stream zlib may hold back some that reach over a
        border, and they have to be met where they were.
        """
        out = self._zlib.decompress(replay, size) if size else b""
        rest = self._zlib.unconsumed_tail if size else replay
        return len(out) + len(self._zlib.decompress(rest, 1) if rest else b"")

    @classmethod
    def restore(cls, state: bytes, where: str) -> Inflater:
        """The inflater that gave *state*. Raises ValueError when none did."""
        interval, restart, produced, consumed, finished, border = _STATE.unpack_from(state)
        inflater = cls(interval, where)
        replay = state[_STATE.size :]
        try:
            again = inflater._take_again(replay, produced - restart)
        except zlib.error as error:
            raise ValueError(f"not the state of an inflater: {error}") from error
        if again != produced - restart:
            raise ValueError("not the state of an inflater: other bytes come out")
        inflater._replay = replay
        inflater._border = replay[len(replay) - border :]
        inflater._restart, inflater.produced = restart, produced
        inflater.consumed, inflater.finished = consumed, finished
        return inflater


def compressed(data: bytes, interval: int) -> bytes:
    """A raw deflate stream of *data*, with a restart point every *interval* bytes; 0: none."""
    packer = zlib.compressobj(9, zlib.DEFLATED, _RAW)
    parts = []
    for start in range(0, len(data), interval or len(data) or 1):
        piece = data[start : start + (interval or len(data))]
        parts.append(packer.compress(piece))
        if start + len(piece) < len(data):
            parts.append(packer.flush(zlib.Z_FULL_FLUSH))
    return b"".join(parts) + packer.flush()


def interval_of(extra: bytes, size_bytes: int = 2) -> int:
    """The interval that *extra*, a row of fields with ids and sizes, gives; 0: none."""
    offset = 0
    while offset + 2 + size_bytes <= len(extra):
        field = extra[offset : offset + 2]
        begin = offset + 2 + size_bytes
        offset = begin + int.from_bytes(extra[offset + 2 : begin], "little")
        if field == EXTRA_ID and offset - begin == 4 and offset <= len(extra):
            return int.from_bytes(extra[begin:offset], "little")
    return 0


def extra_of(interval: int) -> bytes:
    """The extra field that ``interval_of`` reads; empty for 0."""
    return EXTRA_ID + struct.pack("<HI", 4, interval) if interval else b""
