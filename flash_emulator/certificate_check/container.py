"""The file as lines: one gzip member, nothing beside it, no line longer than it may be."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO

MOST_BYTES = 1 << 26  # of a line
_HEADER = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0])  # RFC 1952: deflate, no flags, no time
_STEP = 1 << 20


class NotConfirmed(BaseException):
    """The certificate does not hold. No Exception, so that no subject can hide it."""


class NotACertificate(NotConfirmed):
    """The file is none, or was damaged: it says nothing that could hold."""


def lines_of(file: BinaryIO) -> Iterator[tuple[bytes, str]]:
    """Every line, without its end, and the chain that it must hold. Raises NotACertificate."""
    chain = "0" * 64
    for line in _lines(_unpacked(file)):
        yield line, chain
        chain = sha256(line).hexdigest()


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    head = file.read(len(_HEADER))
    if head[:2] != _HEADER[:2]:
        raise NotACertificate("no gzip file" if head else "the file is empty")
    if head != _HEADER:
        raise NotACertificate("its gzip header has a name, a time or another field")
    unpack, packed = zlib.decompressobj(wbits=31), head
    while not unpack.eof:
        try:
            yield unpack.decompress(packed, _STEP)
        except zlib.error as error:
            raise NotACertificate(f"a damaged gzip file: {error}") from error
        if not unpack.eof:
            packed = unpack.unconsumed_tail or file.read(_STEP)
            if not packed:
                raise NotACertificate("the file is cut short")
    if unpack.unused_data or file.read(1):
        raise NotACertificate("something stands behind the end of the gzip member")


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield _bounded(line)
        _bounded(rest)
    if rest:
        raise NotACertificate("the file is cut short: its last line has no end")


def _bounded(line: bytes) -> bytes:
    if len(line) > MOST_BYTES:
        raise NotACertificate(f"a line of more than {MOST_BYTES} bytes")
    return line
