"""The CRC unit against a CRC that is worked out bit by bit, and against binascii where it can."""

from __future__ import annotations

import binascii

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash_emulator.machine.peripherals.crc import CR, DR, IDR, INIT, POL, REV_OUT, SIZES
from tests.flash_emulator.machine.peripherals.chips import Around

FIXED, PROGRAMMABLE = "STM32F103x8", "STM32L476xG"


def turned(value: int, bits: int) -> int:
    return int(f"{value:0{bits}b}"[::-1], 2)


def bit_by_bit(crc: int, polynomial: int, size: int, data: list[tuple[int, int]]) -> int:
    """*data* are values with their width in bits, each from its highest bit on."""
    for value, width in data:
        for place in range(width - 1, -1, -1):
            out = crc >> size - 1 & 1 ^ value >> place & 1
            crc = (crc << 1 ^ (polynomial if out else 0)) & (1 << size) - 1
    return crc


@given(st.lists(st.integers(0, 0xFFFF_FFFF), max_size=20))
def test_the_fixed_unit_is_ethernets_polynomial_over_words(words: list[int]) -> None:
    around = Around(FIXED)
    around.set("CRC", CR, 1)
    for word in words:
        around.set("CRC", DR, word)
    data = [(word, 32) for word in words]
    assert around.get("CRC", DR) == bit_by_bit(0xFFFF_FFFF, 0x04C1_1DB7, 32, data)


def test_the_fixed_unit_starts_anew_and_keeps_eight_bits_for_software() -> None:
    around = Around(FIXED)
    around.set("CRC", DR, 0x1234_5678)
    around.set("CRC", IDR, 0x1A5)
    assert around.get("CRC", DR) == 0xDF8A_8A2B  # as documented for stm32_sw_crc
    around.set("CRC", CR, 1)
    assert around.get("CRC", DR) == 0xFFFF_FFFF
    assert around.get("CRC", IDR) == 0xA5
    assert around.get("CRC", CR) == 0


items = st.lists(
    st.tuples(st.sampled_from([1, 2, 4]), st.integers(0, 0xFFFF_FFFF)).map(
        lambda pair: (pair[0], pair[1] & (1 << 8 * pair[0]) - 1)
    ),
    max_size=12,
)


@settings(max_examples=400)
@given(
    st.integers(0, 3),
    st.integers(0, 3),
    st.booleans(),
    st.integers(0, 0xFFFF_FFFF),
    st.integers(0, 0xFFFF_FFFF),
    items,
)
def test_every_size_polynomial_start_and_turn(
    size: int, rev_in: int, rev_out: bool, start: int, polynomial: int, data: list[tuple[int, int]]
) -> None:
    around, bits = Around(PROGRAMMABLE), SIZES[size]
    mask = (1 << bits) - 1
    around.set("CRC", INIT, start)
    around.set("CRC", POL, polynomial)
    around.set("CRC", CR, size << 3 | rev_in << 5 | (REV_OUT if rev_out else 0) | 1)
    fed: list[tuple[int, int]] = []
    for width, value in data:
        around.set("CRC", DR, value, width)
        group = min(8 << rev_in - 1, 8 * width) if rev_in else 8 * width
        parts = [value >> at & (1 << group) - 1 for at in range(8 * width - group, -1, -group)]
        fed += [(turned(part, group) if rev_in else part, group) for part in parts]
    expected = bit_by_bit(start & mask, polynomial & mask, bits, fed)
    assert around.get("CRC", DR) == (turned(expected, bits) if rev_out else expected)


@given(st.binary(max_size=64))
def test_zips_crc_comes_out_of_bytes_that_are_turned(data: bytes) -> None:
    around = Around(PROGRAMMABLE)
    around.set("CRC", CR, 1 << 5 | REV_OUT | 1)
    for byte in data:
        around.set("CRC", DR, byte, 1)
    assert around.get("CRC", DR) ^ 0xFFFF_FFFF == binascii.crc32(data)


@given(st.binary(max_size=64))
def test_xmodems_crc_comes_out_of_16_bits(data: bytes) -> None:
    around = Around(PROGRAMMABLE)
    around.set("CRC", INIT, 0)
    around.set("CRC", POL, 0x1021)
    around.set("CRC", CR, 1 << 3 | 1)
    for byte in data:
        around.set("CRC", DR, byte, 1)
    assert around.get("CRC", DR) == binascii.crc_hqx(data, 0)


@pytest.mark.parametrize("name", [FIXED, PROGRAMMABLE])
def test_a_reset_of_the_chip_starts_anew(name: str) -> None:
    around = Around(name)
    around.set("CRC", DR, 1)
    around.reset()
    assert around.get("CRC", DR) == 0xFFFF_FFFF


def test_rcc_resets_the_unit() -> None:
    around = Around(PROGRAMMABLE)
    around.set("CRC", POL, 7)
    around.set("RCC", 0x28, 1 << 12)  # RCC_AHB1RSTR.CRCRST
    assert around.get("CRC", POL) == 0x04C1_1DB7
