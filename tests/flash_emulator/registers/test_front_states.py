"""A front tells all that it holds: another that is given it behaves alike, over forked flash."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash_emulator import Part
from flash_emulator.errors import FlashError
from flash_emulator.registers import AccessFault, Front, UnmodelledOption, front_for
from flash_emulator.registers.locks import KEYS, OPTION_KEYS
from tests.flash_emulator.every_part import each
from tests.flash_emulator.registers.chips import Chip

FAMILIES = ("f1", "f4", "l4", "u5", "h7", "h7ab", "h5")
every_front = each(lambda part: part.family in FAMILIES, at_least=15)

CONTROL = [
    0, 1, 2, 3, 4, 8, 0x10, 0x20, 0x40, 0x42, 0x44, 0x84, 0x201, 0x202, 0x10002, 0x8002,
    1 << 2 | 1 << 16, 1 << 18, 1 << 18 | 1, 1 << 16 | 2, 1 << 17, 1 << 24, 1 << 25 | 1, 1 << 15,
    1 << 31, 0xC000_0000, 0x210, 0x220, 0x260, 0xFFFF_FFFF, 1 << 14 | 1, 0x22, 0x28, 0x32, 0xC3FA,
]  # fmt: skip
WORDS = st.sampled_from([*KEYS, *OPTION_KEYS, *CONTROL]) | st.integers(0, 0xFFFF_FFFF)
PLACES = st.integers(0, 15)

steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 60), WORDS),
        st.tuples(st.just("control"), st.just(0), st.sampled_from(CONTROL)),
        st.tuples(st.just("unlock"), st.just(0), st.just(0)),
        st.tuples(st.just("read"), st.integers(0, 60), st.just(0)),
        st.tuples(st.just("store"), PLACES, WORDS),
        st.tuples(st.just("unit"), PLACES, WORDS),
        st.tuples(st.just("half"), PLACES, WORDS),
        st.tuples(st.just("load"), PLACES, st.just(0)),
        st.tuples(st.just("option"), PLACES, WORDS),
        st.tuples(st.just("time"), st.integers(0, 60_000), st.just(0)),
    ),
    max_size=25,
)


def offsets(front: Front) -> list[int]:
    return sorted(front._map)


def named(front: Front, *names: str) -> list[int]:
    return [r.offset for r in front._map.values() if r.name in names]


def step_of(front: Front, step: tuple[str, int, int]) -> Any:
    what, at, value = step
    base, places = front.part.base, offsets(front)
    match what:
        case "write":
            front.write(places[at % len(places)], 4, value)
        case "control":
            for offset in named(front, "CR", "NSCR", "CR1", "CR2"):
                front.write(offset, 4, value)
        case "unlock":
            for offset in named(front, "KEYR", "NSKEYR", "KEYR1", "KEYR2"):
                for key in KEYS:
                    front.write(offset, 4, key)
            for offset in named(front, "OPTKEYR"):
                for key in KEYS if front.option_area else OPTION_KEYS:
                    front.write(offset, 4, key)
        case "read":
            return front.read(places[at % len(places)], 4)
        case "load":
            return front.load(base + at * 4, 4)
        case "time":
            front.flash.pass_time(at)
        case _:
            store_step(front, what, at, value)
    return None


def store_step(front: Front, what: str, at: int, value: int) -> None:
    base, unit = front.part.base, front.part.program_unit
    match what:
        case "store":
            front.store(base + at * 4, 4, value)
        case "unit":
            for word in range(0, max(unit, 4), 4):
                front.store(base + at * max(unit, 4) + word, 4, value)
        case "half":
            front.store(base + at * 2, 2, value & 0xFFFF)
        case "option" if front.option_area:
            front.store(front.option_area.start + at % 8 * 2, 2, value & 0xFFFF)
            front.load(front.option_area.start + at % 8 * 2, 2)


def drive(front: Front, step: tuple[str, int, int]) -> object:
    try:
        return step_of(front, step)
    except (AccessFault, FlashError, UnmodelledOption) as error:
        if "reset" in str(error):
            front.reset()
        return str(error)


def forked(chip: Chip) -> Front:
    front = front_for(chip.flash.fork())
    front.restore(chip.front.state())
    return front


@every_front
@settings(max_examples=40, deadline=None)
@given(background=st.booleans(), before=steps, after=steps)
def test_a_front_that_was_given_the_state_of_another_behaves_like_it(
    part: Part, background: bool, before: list[Any], after: list[Any]
) -> None:
    chip = Chip(part)
    chip.flash.background = background
    for step in before:
        drive(chip.front, step)
    twin = forked(chip)
    assert twin.state() == chip.front.state()
    for step in after:
        assert drive(chip.front, step) == drive(twin, step), step
    assert twin.state() == chip.front.state()
    assert twin.flash.digest() == chip.flash.digest()


@every_front
@settings(max_examples=25, deadline=None)
@given(given_steps=steps)
def test_no_access_to_a_register_begins_a_unit(part: Part, given_steps: list[Any]) -> None:
    """``front_cache`` remembers accesses as far as states follow from states."""
    front = Chip(part).front
    for step in given_steps:
        before = front.follows_state
        drive(front, step)
        is_register = step[0] in ("read", "write", "control", "unlock")
        assert front.follows_state or not (before and is_register), step


@every_front
def test_a_state_tells_locks_apart(part: Part) -> None:
    opened, shut = Chip(part), Chip(part, opened=False)
    assert opened.front.state() != shut.front.state()
    opened.front.reset()
    assert opened.front.state() == shut.front.state()
    hash(opened.front.state())


@every_front
def test_whole_units_go_through_the_hook_and_nothing_else_does(part: Part) -> None:
    chip = Chip(part)
    front, seen = chip.front, []

    def programmer(address: int, data: bytes) -> None:
        seen.append((address, data))

    front.programmer = programmer
    unit, width = part.program_unit, 2 if part.family == "f1" else 4
    enable = {"h7": 2, "h7ab": 2, "h5": 2, "f4": 0x201}.get(part.family, 1)
    for offset in named(front, "CR", "NSCR", "CR1", "CR2"):
        front.write(offset, 4, enable)
    for at in range(0, max(unit, width), width):
        front.store(part.base + at, width, 0x1234)
    data = (0x1234).to_bytes(width, "little") * (max(unit, width) // width)
    assert [address for address, _ in seen] == [part.base]
    assert seen[0][1][: len(data)] == data
    assert chip.done() == []


def test_what_an_unfinished_unit_holds_is_part_of_the_state() -> None:
    one, other = Chip("STM32L476xG"), Chip("STM32L476xG")
    for chip, word in ((one, 1), (other, 2)):
        chip["CR"] = 1
        chip.store(0x0800_0000, word)
    assert one.front.state() != other.front.state()
    for chip in (one, other):
        chip["CR"] = 0
    assert one.front.state() == other.front.state()


@pytest.mark.parametrize("name", ["STM32G474xC_dual", "STM32G474xB_dual"])
def test_a_bank_behind_a_hole_is_programmed_and_erased_at_its_addresses(name: str) -> None:
    """zephyr 30148: bank 2 of G474 with 256 KB is at 0x0804_0000."""
    chip = Chip(name)
    start = chip.flash.part.bank_starts[1]
    chip["CR"] = 1
    chip.store(start, 0x1234_5678, 0x9ABC_DEF0)
    chip["CR"] = 0
    assert chip.front.load(start) == 0x1234_5678
    chip["CR"] = 1 << chip.flash.part.bker_bit | 2  # type: ignore[operator]
    chip["CR"] = chip["CR"] | 1 << 16
    assert chip["SR"] == 0
    assert chip.front.load(start) == 0xFFFF_FFFF
    with pytest.raises(AccessFault):
        chip.front.load(start - 4)
    with pytest.raises(AccessFault):
        chip.store(start - 4, 0)


@every_front
@settings(max_examples=25, deadline=None)
@given(before=steps, after=steps)
def test_a_front_that_is_attached_to_another_device_is_as_a_new_one(
    part: Part, before: list[tuple[str, int, int]], after: list[tuple[str, int, int]]
) -> None:
    used = Chip(part).front
    for step in before:
        drive(used, step)
    fresh = Chip(part, opened=False)
    used.attach(fresh.front.flash.fork())
    assert used.state() == fresh.front.state()
    for step in after:
        assert repr(drive(used, step)) == repr(drive(fresh.front, step))
    assert used.state() == fresh.front.state()
    assert used.flash.state_digest() == fresh.front.flash.state_digest()
