"""Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999): bytes without a zero among them.

Each group is a code, one more than the bytes that follow it; a zero comes behind a group, but for
the last one and those of 254 bytes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

_FULL: Final = 254  # bytes of the longest group


def encode(data: bytes) -> bytes:
    out = bytearray()
    runs = data.split(b"\0")
    for number, run in enumerate(runs, 1):
        cuts = [*range(0, len(run), _FULL), len(run)] if run else [0, 0]
        for start, stop in pairwise(cuts):
            out.append(stop - start + 1)
            out += run[start:stop]
        if run and len(run) % _FULL == 0 and number < len(runs):
            out.append(1)  # a full group has no zero behind it
    return bytes(out)


def decode(stuffed: bytes) -> bytes | None:
    """What was encoded; None where *stuffed* is no such thing."""
    out = bytearray()
    at = 0
    while at < len(stuffed):
        code = stuffed[at]
        group = stuffed[at + 1 : at + code]
        if code == 0 or len(group) != code - 1 or 0 in group:
            return None
        out += group
        at += code
        if code <= _FULL and at < len(stuffed):
            out.append(0)
    return bytes(out)
