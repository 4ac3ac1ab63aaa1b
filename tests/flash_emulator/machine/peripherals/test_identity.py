"""Unique ID, flash size, IDCODE, and random numbers, on every part."""

from __future__ import annotations

import pytest

from flash_emulator import part_names
from flash_emulator.machine.peripherals import chip_of
from tests.flash_emulator.machine.peripherals.chips import Around

every_part = pytest.mark.parametrize("name", part_names())


def at(around: Around, address: int, width: int) -> int:
    owner = next(p for p in around.all.values() if p.base <= address < p.base + p.size)
    return owner.read(address - owner.base, width)


@every_part
def test_flash_size_and_unique_id_are_at_the_addresses_of_the_part(name: str) -> None:
    uid = bytes(range(12))
    around = Around(name, uid=uid)
    known = around.part.identity
    assert known.flash_size_reg is not None and known.uid is not None
    assert at(around, known.flash_size_reg, 2) * 1024 == around.part.size
    got = [at(around, known.uid + 4 * i, 4).to_bytes(4, "little") for i in range(3)]
    assert b"".join(got) == uid
    assert bytes(at(around, known.uid + i, 1) for i in range(12)) == uid


@every_part
def test_idcode_names_the_part(name: str) -> None:
    around = Around(name)
    assert around.get("DBGMCU", 0) & 0xFFF == around.part.identity.usart_pid
    around.set("DBGMCU", 0, 0)
    assert around.get("DBGMCU", 0) & 0xFFF == around.part.identity.usart_pid
    around.set("DBGMCU", 4, 7)
    assert around.get("DBGMCU", 4) == 7


@every_part
def test_nothing_can_be_written_to_them(name: str) -> None:
    around = Around(name)
    for block in ("UID", "FLASHSIZE"):
        before = around.get(block, 0)
        around.set(block, 0, ~before & 0xFFFF_FFFF)
        assert around.get(block, 0) == before


def draw(around: Around, count: int) -> list[int]:
    around.set("RNG", 0, 1 << 2)
    assert around.get("RNG", 4) == 1
    return [around.get("RNG", 8) for _ in range(count)]


def test_random_numbers_follow_from_the_seed_and_do_not_repeat() -> None:
    first = draw(Around("STM32L476xG", seed=1), 100)
    assert first == draw(Around("STM32L476xG", seed=1), 100)
    assert first != draw(Around("STM32L476xG", seed=2), 100)
    assert len(set(first)) == 100


def test_a_reset_does_not_make_random_numbers_repeat_but_power_on_does() -> None:
    around = Around("STM32L476xG")
    first = draw(around, 3)
    around.reset()
    assert draw(around, 3) != first
    around.reset(power_on=True)
    assert draw(around, 3) == first


def test_there_is_no_number_while_the_generator_is_off() -> None:
    around = Around("STM32L476xG")
    assert (around.get("RNG", 4), around.get("RNG", 8)) == (0, 0)
    assert chip_of(Around("STM32F103xG").part).rng is None
