"""Programs that are done later come to the flash as if they had not, whatever comes between and
behind: random steps of a bootloader."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from flash_emulator import CutAt, EmulatedFlash, Outcome, PowerLoss, ProgramError, Trace, load_part

BASE = 0x0800_8000
SECTOR = 2048
Step = tuple[str, int, bytes]


def steps(rng: random.Random) -> Iterator[Step]:
    """Mostly as a bootloader does it: erases, then units one behind the other; and what is odd."""
    at = BASE
    for _ in range(60):
        kind = rng.choice(["erase", "next", "next", "next", "next", "skip", "anywhere", "look"])
        if kind == "erase":
            at = BASE + SECTOR * rng.randrange(3)
            yield "erase", at, b""
        elif kind == "look":
            yield "look", rng.choice([BASE + 8 * rng.randrange(700), at - 8, at, at + 8]), b""
        else:
            at += {"skip": 8, "anywhere": 8 * rng.randrange(-40, 40)}.get(kind, 0)
            at = min(max(at, BASE), BASE + 3 * SECTOR - 1024)
            data = rng.randbytes(8 * rng.choice([1, 1, 1, 2, 5, 100]))
            yield "program", at, data
            at += len(data)


def done(flash: EmulatedFlash, todo: list[Step], *, waits: bool) -> list[object]:
    """What whoever does *todo* is told; PowerLoss as the last of it."""
    told = list[object]()
    program = flash.program_later if waits else flash.program
    try:
        for kind, address, data in todo:
            try:
                if kind == "erase":
                    flash.erase(address)
                elif kind == "program":
                    program(address, data)
                else:
                    told.append(bytes(flash.read(address + 3, 4)))
            except ProgramError as error:
                told.append(str(error))
        flash.settle()
    except PowerLoss as loss:
        told.append(str(loss))
    return told


def by_units(trace: Trace) -> list[tuple[str, int, bytes]]:
    return [
        (each.kind, each.address + 8 * unit, each.data[8 * unit : 8 * unit + 8])
        for each in trace
        for unit in range(each.done)
    ]


def fresh(supply: CutAt | None = None) -> EmulatedFlash:
    flash = EmulatedFlash(load_part("STM32L476xG"), supply=supply, seed=5)
    flash.preload(BASE, bytes(range(256)) * 4)
    flash.trace = Trace()
    return flash


@pytest.mark.parametrize("seed", range(40))
def test_nobody_can_tell(seed: int) -> None:
    todo = [*steps(random.Random(seed))]
    one, other = fresh(), fresh()
    assert done(one, todo, waits=True) == done(other, todo, waits=False)
    assert one.digest() == other.digest()
    assert one.trace is not None
    assert other.trace is not None
    assert by_units(one.trace) == by_units(other.trace)
    assert len(one.trace) <= len(other.trace)


@pytest.mark.parametrize("outcome", [Outcome.TORN, Outcome.WEAK])
@pytest.mark.parametrize("seed", range(5))
def test_a_cut_anywhere_leaves_the_same(seed: int, outcome: Outcome) -> None:
    """Looks may come before programs that wait, so more is told before the cut, never other."""
    todo = [*steps(random.Random(seed))]
    whole = fresh()
    done(whole, todo, waits=False)
    for operation in range(1, whole.usage.programs + whole.usage.erases + 1, 3):
        one, other = fresh(CutAt(operation, outcome)), fresh(CutAt(operation, outcome))
        told, told_there = done(one, todo, waits=True), done(other, todo, waits=False)
        assert told[-1] == told_there[-1]
        assert told[: len(told_there) - 1] == told_there[:-1]
        assert one.digest() == other.digest()
