"""The first two words of an image, against the slot that it is meant for."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image import check_vector_table

START = 0x0800_4000
SIZE = 0x3_C000
STACK = 0x2000_8000
RESET = START + 0x100 | 1


def check(stack: int = STACK, reset: int = RESET) -> None:
    check_vector_table(struct.pack("<II", stack, reset), START, SIZE)


@pytest.mark.parametrize("stack", [0x1000_0000, 0x1001_0000, 0x2000_0000, 0x2002_0000, 0x3FFF_FFFC])
def test_stack_in_ram(stack: int) -> None:
    check(stack=stack)


@pytest.mark.parametrize("reset", [START | 1, RESET, START + SIZE - 2 | 1])
def test_reset_in_slot(reset: int) -> None:
    check(reset=reset)


def test_only_the_head_is_looked_at() -> None:
    check_vector_table(struct.pack("<II", STACK, RESET) + b"\xff" * 100, START, SIZE)


@pytest.mark.parametrize("stack", [0, 0x0FFF_FFFC, 0x4000_0000, 0xFFFF_FFFC])
def test_stack_elsewhere_is_refused(stack: int) -> None:
    with pytest.raises(ImageRejected, match="initial stack pointer is not in RAM") as caught:
        check(stack=stack)
    error = caught.value
    assert error.where == "0x0800_4000"
    assert error.expected == "0x1000_0000 up to but not including 0x4000_0000"
    assert error.found == f"0x{stack >> 16:04X}_{stack & 0xFFFF:04X}"


@pytest.mark.parametrize("stack", [STACK + 1, STACK + 2, 0xFFFF_FFFF])
def test_unaligned_stack_is_refused(stack: int) -> None:
    with pytest.raises(ImageRejected, match="0x0800_4000: initial stack pointer is not aligned"):
        check(stack=stack)


def test_reset_without_thumb_bit_is_refused() -> None:
    with pytest.raises(ImageRejected, match="reset vector has no Thumb bit") as caught:
        check(reset=RESET - 1)
    assert caught.value.where == "0x0800_4004"
    assert caught.value.found == "0x0800_4100"


@pytest.mark.parametrize("entry", [0x0800_0100, START - 2, START + SIZE, 0x0804_4100, 0xFFFF_FFFE])
def test_image_for_another_address_is_refused(entry: int) -> None:
    with pytest.raises(ImageRejected, match="image linked for another address") as caught:
        check(reset=entry | 1)
    assert caught.value.message == (
        "0x0800_4004: image linked for another address; expected a reset vector in 0x0800_4000 up "
        f"to but not including 0x0804_0000, found 0x{entry >> 16:04X}_{entry & 0xFFFF:04X}. "
        "Link it for 0x0800_4000"
    )


@pytest.mark.parametrize("size", [0, 4, 7])
def test_short_image_is_refused(size: int) -> None:
    with pytest.raises(ImageRejected, match="shorter than its vector table") as caught:
        check_vector_table(bytes(size), START, SIZE)
    assert caught.value.expected == "at least 8 bytes"
    assert caught.value.found == str(size)


@given(st.integers(0, 0xFFFF_FFFF), st.integers(0, 0xFFFF_FFFF))
def test_whatever_passes_is_sound(stack: int, reset: int) -> None:
    try:
        check(stack, reset)
    except ImageRejected:
        return
    assert stack % 4 == 0
    assert 0x1000_0000 <= stack < 0x4000_0000
    assert reset % 2 == 1
    assert START <= reset < START + SIZE
