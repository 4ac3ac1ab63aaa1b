"""A raw binary: offset to address, nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image import BinaryDecoder, Extent, HexDecoder, restore
from tests.core.image.decoding import (
    STATE_LIMIT,
    bytewise,
    cut,
    decode,
    decode_in_parts,
    merged,
    places,
)

BASE = 0x0800_4000


def test_every_feed_gives_one_extent() -> None:
    decoder = BinaryDecoder(BASE)
    assert decoder.feed(b"abcd") == [Extent(BASE, b"abcd", 0)]
    assert decoder.feed(b"") == []
    assert decoder.feed(b"e") == [Extent(BASE + 4, b"e", 0)]
    decoder.finish()


def test_empty_image_is_refused() -> None:
    with pytest.raises(ImageRejected, match="offset 0: image is empty; expected data, found no by"):
        BinaryDecoder(BASE).finish()


def test_image_may_end_at_4_gib_but_not_behind() -> None:
    decoder = BinaryDecoder(0xFFFF_FFFC)
    decoder.feed(b"1234")
    with pytest.raises(ImageRejected, match="offset 4: image runs past 4 GiB") as caught:
        decoder.feed(b"5")
    assert caught.value.expected == "at most 4 bytes from 0xFFFF_FFFC"


@pytest.mark.parametrize("base", [-1, 1 << 32])
def test_base_must_be_an_address(base: int) -> None:
    with pytest.raises(ValueError, match="32-bit address"):
        BinaryDecoder(base)


@given(st.binary(min_size=1, max_size=200), places, st.booleans())
def test_cuts_do_not_matter(data: bytes, at: list[int], reset: bool) -> None:
    extents = decode_in_parts(BinaryDecoder(BASE), cut(data, at), reset)
    assert merged(extents) == {BASE: data}
    assert {extent.line for extent in extents} == {0}


def test_byte_by_byte_is_the_whole() -> None:
    extents = decode_in_parts(BinaryDecoder(BASE), bytewise(b"firmware"), reset=True)
    assert merged(extents) == merged(decode(BinaryDecoder(BASE), b"firmware"))


def test_state_is_small_and_begins_with_its_code() -> None:
    state = BinaryDecoder(BASE).state()
    assert state[0] == 1
    assert len(state) == 13 < STATE_LIMIT
    assert isinstance(restore(state), BinaryDecoder)


@pytest.mark.parametrize("state", [b"", b"\x01", HexDecoder().state()])
def test_foreign_state_is_refused(state: bytes) -> None:
    with pytest.raises(ValueError, match="state"):
        BinaryDecoder.restore(state)
