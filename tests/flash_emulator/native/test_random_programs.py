"""Random bootloaders: an interpreter in C and one in Python run the same programs, from flash."""

from __future__ import annotations

import random

import pytest

from flash_emulator import EmulatedFlash, FlashError, MetastableMode, ProgramError, UnreadableUnit
from flash_emulator.explore import FunctionSubject, Limits, Report, Search, SearchOptions, Violation
from tests.flash_emulator.native.conftest import Make
from tests.thorough import one_in

pytestmark = pytest.mark.judge("gcc")

PLACE, PROGRAM = 0x0800_8000, 0x0801_0000
STEPS = 12

C = """
#include <string.h>
static struct { uint8_t kind, unit, value, more; } steps[12];
static int refused;

static uint32_t place(int unit)
{
    return 0x08008000 + (unit < 4 ? 0 : 2048) + 8 * (unit % 4);
}

int boot(void)
{
    uint8_t data[24], held[8];
    if (flash_read(0x08010000, steps, sizeof steps))
        return -1;
    for (int at = 0; at < 12; at++) {
        int unit = steps[at].unit, more = steps[at].more;
        memset(data, steps[at].value, sizeof data);
        switch (steps[at].kind) {
        case 0: flash_erase(place(unit) & ~2047u); break;
        case 1: if (flash_program(place(unit), data, 8 * (1 + more % 3)) == FLASH_REFUSED)
                    refused++;
                break;
        case 2: at += flash_match(place(unit), data, 8) == 8 ? more : 0; break;
        case 3: at += flash_read(place(unit), held, 8) == FLASH_UNREADABLE ? more : 0; break;
        case 4: at += flash_read(place(unit), held, 8) == FLASH_OK && held[3] & 1 ? more : 0; break;
        case 5: if (flash_match(place(unit), data, 8) != 8) {
                    flash_erase(place(unit) & ~2047u);
                    flash_program(place(unit), data, 8);
                }
        }
    }
    return refused;
}
"""


def place(unit: int) -> int:
    return PLACE + (0 if unit < 4 else 2048) + 8 * (unit % 4)


def held_or_none(flash: EmulatedFlash, unit: int) -> bytes | None:
    try:
        return bytes(flash.read(place(unit), 8))
    except UnreadableUnit:
        return None


def in_python(flash: EmulatedFlash) -> str:
    steps, refused, at = bytes(flash.read(PROGRAM, 4 * STEPS)), 0, 0
    while at < STEPS:
        kind, unit, value, more = steps[4 * at : 4 * at + 4]
        data = bytes([value]) * 8
        match kind:
            case 0:
                flash.erase(place(unit) & ~2047)
            case 1:
                try:
                    flash.program(place(unit), data * (1 + more % 3))
                except ProgramError:
                    refused += 1
            case 2:
                at += more if flash.match(place(unit), data) == 8 else 0
            case 3:
                at += more if held_or_none(flash, unit) is None else 0
            case 4:
                held = held_or_none(flash, unit)
                at += more if held is not None and held[3] & 1 else 0
            case 5 if flash.match(place(unit), data) != 8:
                flash.erase(place(unit) & ~2047)
                flash.program(place(unit), data)
        at += 1
    return f"boot() returned {refused}"


def verdict(flash: EmulatedFlash, returned: int = 0) -> None:
    for mode in MetastableMode:
        twin = flash.fork()
        twin.metastable_mode = mode
        try:
            if twin.read(PLACE, 8) == bytes([7]) * 8 and twin.read(place(5), 8) == bytes([9]) * 8:
                raise Violation("safe", "both are there")
        except FlashError:
            pass


def program(rng: random.Random) -> bytes:
    """More often than not with what makes it converge."""
    steps = [
        (
            rng.choice([0, 1, 1, 2, 3, 4, 5, 5]),
            rng.randrange(8),
            rng.choice([7, 9]),
            rng.randrange(4),
        )
        for _ in range(STEPS)
    ]
    return b"".join(bytes(step) for step in steps)


def facts(report: Report, *, fully: bool) -> tuple[object, ...]:
    found = [(str(each.path), each.text) for each in report.violations[:1]]
    if not fully:
        return (report.complete, bool(found), found[0][1:] if found else ())
    return (
        report.complete,
        report.states,
        report.boots,
        report.cuts,
        report.edges,
        report.chain,
        found,
    )


@pytest.mark.parametrize("seed", one_in(10, [*range(40)]))
def test_the_searches_are_the_same(flash: EmulatedFlash, c: Make, seed: int) -> None:
    flash.preload(PROGRAM, program(random.Random(seed)))
    options = SearchOptions(Limits(cuts=2, states=20, violations=None))
    in_c = Search(c(C, verdict, coalesce=False), flash, options=options).run()
    here = Search(FunctionSubject(in_python, verdict), flash, options=options).run()
    assert facts(in_c, fully=True) == facts(here, fully=True)
    one = Search(c(C, verdict), flash, options=options).run()
    if one.complete and here.complete:
        assert facts(one, fully=False) == facts(here, fully=False)
