"""Packets of the GDB remote serial protocol, out of bytes as they come, and into bytes.

GDB manual, appendix E.1: ``$data#checksum``, ``+`` and ``-``, and a byte 3 that interrupts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MOST = 0x4000
"""Bytes of one packet, as gdb is told."""

_ESCAPED = b"#$}*"


@dataclass(frozen=True, slots=True)
class Packet:
    """*data* without escapes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ack:
    """``+``, or ``-``: the other side has not understood the last packet."""

    is_good: bool


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The user has typed Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A packet with a wrong checksum, none, or too long. *why* in words."""

    why: str


Item = Packet | Ack | Interrupt | Damaged


class Unpacker:
    """Takes bytes in any pieces. What is no part of any packet is passed over."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[Item]:
        """All that is complete with *data*."""
        self._bytes += data
        while self._bytes:
            first = self._bytes[0]
            if first == ord("$"):
                item = self._packet()
                if item is None:
                    return
                yield item
                continue
            del self._bytes[0]
            if first in b"+-":
                yield Ack(first == ord("+"))
            elif first == 3:
                yield Interrupt()

    def _packet(self) -> Item | None:
        """The packet that the bytes begin with; None while it is not whole."""
        end = self._bytes.find(b"#")
        again = self._bytes.find(b"$", 1, end if end >= 0 else None)
        if again > 0:  # the other side has given this one up
            del self._bytes[:again]
            return Damaged("a packet begins within another")
        if len(self._bytes if end < 0 else self._bytes[:end]) > MOST + 8:
            del self._bytes[: len(self._bytes) if end < 0 else end + 1]
            return Damaged(f"a packet of more than {MOST} bytes")
        if end < 0 or len(self._bytes) < end + 3:
            return None
        data, told = bytes(self._bytes[1:end]), bytes(self._bytes[end + 1 : end + 3])
        del self._bytes[: end + 3]
        wanted = b"%02x" % (sum(data) & 0xFF)
        if told.lower() != wanted:
            return Damaged(f"checksum {told!r} of a packet, expected {wanted!r}")
        return Packet(_unescaped(data))


def packed(data: bytes) -> bytes:
    """*data* as a packet."""
    escaped = b"".join(
        b"}%c" % (byte ^ 0x20) if byte in _ESCAPED else b"%c" % byte for byte in data
    )
    return b"$%b#%02x" % (escaped, sum(escaped) & 0xFF)


def _unescaped(data: bytes) -> bytes:
    first, *rest = data.split(b"}")
    return first + b"".join(b"%c" % (part[0] ^ 0x20) + part[1:] for part in rest if part)
