"""Ways to push text through a decoder, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import strategies as st

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image import Decoder, Extent, restore

STATE_LIMIT = 600


def hex_line(kind: int, address: int, data: bytes = b"") -> str:
    record = bytes((len(data), address >> 8, address & 0xFF, kind)) + data
    return f":{record.hex().upper()}{-sum(record) & 0xFF:02X}"


def srec_line(kind: str, address: int, data: bytes = b"", width: int | None = None) -> str:
    width = width or {"2": 3, "3": 4, "6": 3, "7": 4, "8": 3}.get(kind, 2)
    record = bytes((width + len(data) + 1,)) + address.to_bytes(width, "big") + data
    return f"S{kind}{record.hex().upper()}{~sum(record) & 0xFF:02X}"


def text(*lines: str, newline: str = "\n") -> bytes:
    return "".join(line + newline for line in lines).encode("latin-1")


def lines_of(extents: Iterable[Extent]) -> list[Extent]:
    """One for each line, however many a decoder took together."""
    return [line for extent in extents for line in extent.each_line()]


def decode(decoder: Decoder, data: bytes) -> list[Extent]:
    """The extents in *data*, line by line."""
    extents = lines_of(decoder.feed(data))
    decoder.finish()
    return extents


def decode_in_parts(decoder: Decoder, parts: list[bytes], reset: bool) -> list[Extent]:
    """Feed *parts*; with *reset*, nothing but the saved state lives on between two of them."""
    extents: list[Extent] = []
    for part in parts:
        if reset:
            state = decoder.state()
            assert len(state) < STATE_LIMIT
            decoder = restore(state)
            assert decoder.state() == state
        extents += lines_of(decoder.feed(part))
    if reset:
        decoder = restore(decoder.state())
    decoder.finish()
    return extents


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(ends)]


def bytewise(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


places = st.lists(st.integers(0, 1 << 20), max_size=12)


@st.composite
def layouts(draw: st.DrawFn, limit: int, max_segments: int = 4) -> dict[int, bytes]:
    """Segments that neither touch nor overlap, ascending, all below *limit*."""
    count = draw(st.integers(1, max_segments))
    share = limit // count
    segments = {}
    for index in range(count):
        data = draw(st.binary(min_size=1, max_size=80))
        low = index * share
        # sometimes across a 64 KiB border, which a writer must split
        near = [b for b in (low + 0x1_0000 - 7, low + share - 100) if b + 100 <= low + share]
        start = draw(st.integers(low, low + share - 100) | st.sampled_from(near or [low]))
        segments[start] = data
    return segments


def merged(extents: list[Extent]) -> dict[int, bytes]:
    """Neighbouring extents joined, by start address."""
    segments: dict[int, bytes] = {}
    start = end = -1
    for extent in sorted(extents):
        if extent.address == end:
            segments[start] += extent.data
        else:
            assert extent.address > end
            start = extent.address
            segments[start] = extent.data
        end = extent.address + len(extent.data)
    return segments


def refusal(decoder: Decoder, data: bytes) -> ImageRejected:
    """The error that *data* meets, the same whole, byte by byte and with a reset at every byte."""
    messages = {}
    for parts, reset in (([data], False), (bytewise(data), False), (bytewise(data), True)):
        fresh = type(decoder).restore(decoder.state())  # type: ignore[attr-defined]
        with pytest.raises(ImageRejected) as caught:
            decode_in_parts(fresh, parts, reset)
        messages[caught.value.message] = caught.value
    assert len(messages) == 1, "the cuts change the complaint"
    return next(iter(messages.values()))
