"""Two peripherals in equal states behave alike: what ``state`` tells is all that there is."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash_emulator.machine.peripherals import Peripheral
from flash_emulator.registers import SystemReset
from tests.flash_emulator.machine.peripherals.chips import Around

PARTS = ["STM32F103xG", "STM32F429xI", "STM32L476xG", "STM32G474xE_dual", "STM32H563xI"]
OFFSETS = [0, 4, 8, 0xC, 0x10, 0x14, 0x18, 0x1C, 0x20, 0x24, 0x28, 0x2C, 0x34, 0x50, 0x100]
VALUES = st.sampled_from(
    [0, 1, 3, 0x5555, 0xAAAA, 0xCCCC, 0x85, 0x2D, 0xFF, 0x1234_5678, 0xFFFF_FFFF, 0x200D, 1 << 8]
) | st.integers(0, 0xFFFF_FFFF)

steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(OFFSETS), VALUES),
        st.tuples(st.just("read"), st.sampled_from(OFFSETS), st.just(0)),
        st.tuples(st.just("wait"), st.integers(0, 3000), st.just(0)),
        st.tuples(st.just("byte"), st.integers(0, 255), st.just(0)),
    ),
    max_size=25,
)


def drive(around: Around, name: str, step: tuple[str, int, int]) -> object:
    """What can be seen of one step."""
    what, at, value = step
    try:
        match what:
            case "write":
                around.set(name, at, value)
            case "read":
                return around.get(name, at)
            case "wait":
                around.wait(at)
            case "byte":
                around.chip.arrives.setdefault(name, []).append((around.chip.now_us, at))
    except SystemReset as reset:
        around.reset()
        return reset.reason
    return around.chip.driven[-1:], around.chip.out.get(name, b"")[-1:], around.chip.irqs


@cache
def names(part: str) -> list[str]:
    wanted = ("RCC", "PWR", "GPIOA", "USART1", "TIM2", "CRC", "IWDG", "WWDG", "RTC", "EXTI", "RNG")
    return [name for name in wanted if name in Around(part).all]


def twin(around: Around) -> Around:
    """A chip made anew that holds the same, at another time."""
    other = Around(around.part.name)
    other.chip.now_us = 123_456.0
    other.chip.levels = around.chip.levels
    shift = other.chip.now_us - around.chip.now_us
    other.chip.arrives = {
        name: [(at + shift, byte) for at, byte in queue]
        for name, queue in around.chip.arrives.items()
    }
    for name, peripheral in around.all.items():
        other[name].restore(peripheral.state())
    return other


@pytest.mark.parametrize("part", PARTS)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_peripheral_that_was_given_the_state_of_another_behaves_like_it(
    part: str, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(names(part)))
    first = Around(part)
    first.chip.levels = {"PA0": True}
    for step in data.draw(steps):
        drive(first, name, step)
    second = twin(first)
    for step in data.draw(steps):
        seen = drive(first, name, step), drive(second, name, step)
        assert seen[0] == seen[1] or isinstance(seen[0], tuple)
        assert first.get(name, 0) == second.get(name, 0)
        assert first.chip.irqs.items() >= {k: v for k, v in second.chip.irqs.items() if v}.items()
    for key, peripheral in first.all.items():
        assert peripheral.state() == second[key].state(), key


@pytest.mark.parametrize("part", PARTS)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_after_power_on_nothing_is_left_of_what_was(part: str, data: st.DataObject) -> None:
    around, fresh = Around(part), Around(part)
    for _ in range(2):
        for step in data.draw(steps):
            drive(around, data.draw(st.sampled_from(names(part))), step)
        around.reset()
    around.chip.arrives = {}
    around.reset(power_on=True)
    for name, peripheral in around.all.items():
        assert peripheral.state() == fresh[name].state(), name
        if name not in ("RNG", "DBGMCU"):
            for offset in OFFSETS:
                if offset < peripheral.size:
                    assert around.get(name, offset) == fresh.get(name, offset), (name, offset)
    assert not any(around.chip.irqs.values())


@pytest.mark.parametrize("part", PARTS)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_system_reset_leaves_the_backup_domain_and_causes_alone(
    part: str, data: st.DataObject
) -> None:
    around, fresh = Around(part), Around(part)
    for step in data.draw(steps):
        drive(around, data.draw(st.sampled_from(names(part))), step)
    around.reset()
    for name, peripheral in around.all.items():
        if name not in ("RCC", "PWR", "RTC", "TAMP", "BKP", "RNG"):
            assert peripheral.state() == fresh[name].state(), name


@pytest.mark.parametrize("part", PARTS)
def test_a_state_says_nothing_of_when_it_was(part: str) -> None:
    early, late = Around(part), Around(part)
    late.chip.now_us = 5_000_000.0
    for around in (early, late):
        around.set("IWDG", 0, 0xCCCC)
        around.set("TIM2", 0, 1)
    assert [p.state() for p in early.all.values()] == [p.state() for p in late.all.values()]
    late.chip.now_us += 1
    assert early["TIM2"].state() != late["TIM2"].state()
    assert early["IWDG"].state() != late["IWDG"].state()


def test_what_was_written_and_taken_back_is_forgotten() -> None:
    around = Around("STM32L476xG")
    before = {name: p.state() for name, p in around.all.items()}
    for name in ("GPIOA", "RCC", "USART1", "PWR"):
        kept = around.get(name, 0)
        around.set(name, 0, 0x55)
        around.set(name, 0, kept)
    after: dict[str, Peripheral] = around.all
    assert {name: p.state() for name, p in after.items()} == before
