"""Data of the C code are as loaded whenever a boot begins, and kept while another one runs."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from flash_emulator import EmulatedFlash, Operation, PowerLoss
from flash_emulator.explore import Violation
from flash_emulator.native import Budget, NativeSubject
from flash_emulator.power import CutAt, Outcome
from tests.flash_emulator.native.conftest import Make

pytestmark = pytest.mark.judge("gcc")

PLACE = 0x0800_8000

COUNTS = """
#include "other.h"
struct { char name[8]; int *at; int n; } made = {"made", &from_other, 7};
static int zero, seven = 7;
int in_section __attribute__((section("my_data"))) = 3;
int *points = &seven;
static unsigned char large[1 << 20];

int boot(void)
{
    static int local = 5, local_zero;
    int sum = zero++ + seven++ + local++ + local_zero++ + in_section++ + made.n++ + large[99999]++;
    sum += *points + *made.at + count_other();
    points = 0;
    made.at = 0;
    made.name[0]++;
    return sum + made.name[0];
}
"""
OTHER = {
    "other.h": "extern int from_other; int count_other(void);",
    "other.c": """
        int from_other = 11;
        int count_other(void) { static int n; from_other++; return n++; }
    """,
}


def test_all_that_the_code_can_write_is_put_back(c: Make, flash: EmulatedFlash) -> None:
    subject = c(COUNTS, files=OTHER)
    first = subject.boot_once(flash)
    assert first == 0 + 7 + 5 + 0 + 3 + 7 + 0 + 8 + 11 + 0 + ord("n")
    assert [subject.boot_once(flash) for _ in range(3)] == [first] * 3


CUT_IN_THE_MIDDLE = """
static int begun;
int boot(void)
{
    begun++;
    unsigned long long unit = 1;
    flash_program(0x08008000, &unit, 8);
    flash_program(0x08008008, &unit, 8);
    return begun;
}
"""


def test_data_are_put_back_after_a_cut(c: Make, flash: EmulatedFlash) -> None:
    subject = c(CUT_IN_THE_MIDDLE)
    flash.supply = CutAt(2, Outcome.BEFORE)
    with pytest.raises(PowerLoss):
        subject.boot_once(flash)
    flash.power_on()
    assert flash.read(PLACE, 1) == b"\1"
    assert subject.boot_once(EmulatedFlash(flash.part)) == 1


NESTED = """
static unsigned depth;
static char text[] = "................";
int boot(void)
{
    unsigned char mine[64], level;
    flash_read(0x08010000, &level, 1);
    depth += level;
    text[level] = 'x';
    for (int i = 0; i < 64; i++)
        mine[i] = level + i;
    flash_erase(0x08008000);
    text[level + 1] = 'y';
    for (int i = 0; i < 64; i++)
        if (mine[i] != level + i)
            return -1;
    int same = text[level] == 'x' && text[level + 1] == 'y' && text[level + 2] == '.';
    return depth == level && same ? level : -2;
}
"""


class Nests:
    """Boots the same C code inside of the operation, on a flash of its own."""

    def __init__(self, subject: NativeSubject, level: int, found: list[object]) -> None:
        self.subject, self.level, self.found = subject, level, found

    def read(self, offset: int, size: int) -> None: ...

    def compared(self, unit: int, wanted: object, *, never: bool) -> None: ...

    def moment(self) -> None: ...

    def operation(self, operation: Operation) -> None:
        if self.level < 6:
            self.found.append(nested(self.subject, self.level + 1, self.found))
            cut = level_flash(self.subject, self.level + 1, self.found)
            cut.watch = None
            cut.supply = CutAt(1, Outcome.TORN)
            with suppress(PowerLoss):
                self.subject.boot_once(cut)


def level_flash(subject: NativeSubject, level: int, found: list[object]) -> EmulatedFlash:
    from flash_emulator import load_part

    flash = EmulatedFlash(load_part("STM32L476xG"))
    flash.preload(0x0801_0000, bytes([level] * 8))
    flash.watch = Nests(subject, level, found)
    return flash


def nested(subject: NativeSubject, level: int, found: list[object]) -> int:
    return subject.boot_once(level_flash(subject, level, found))


def test_boots_inside_of_boots_keep_their_data_apart(c: Make) -> None:
    """Six deep; at each level one that is cut, too."""
    subject, found = c(NESTED), list[object]()
    assert nested(subject, 1, found) == 1
    assert found == [6, 5, 4, 3, 2]


SLOW = """
static volatile unsigned counted;
int boot(void)
{
    for (int i = 0; i < 200000; i++)
        counted++;
    return counted == 200000;
}
"""


def test_threads_boot_one_after_the_other(c: Make, flash: EmulatedFlash) -> None:
    subject, found = c(SLOW), list[int]()

    def boots() -> None:
        for _ in range(20):
            found.append(subject.boot_once(flash.fork()))

    threads = [threading.Thread(target=boots) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 80


def test_what_the_stack_holds_is_not_left_to_chance(c: Make, flash: EmulatedFlash) -> None:
    subject = c(
        """
        static int dirty(int n)
        {
            volatile int all[64];
            for (int i = 0; i < 64; i++)
                all[i] = n;
            return all[3];
        }
        static int clean(void)
        {
            int all[64];
            int *volatile at = all;
            return at[9];
        }
        int boot(void)
        {
            int level = 0;
            flash_read(0x08010000, &level, 4);
            dirty(level);
            return clean();
        }
        """,
        flags=["-fno-inline", "-Wno-uninitialized"],
    )
    flash.preload(0x0801_0000, bytes([9, 0, 0, 0, 0, 0, 0, 0]))
    assert subject.boot_once(flash) != 9


SPENDS = """
int boot(void)
{
    unsigned char level;
    volatile int n = 0;
    flash_read(0x08010000, &level, 1);
    if (level > 1)
        return 0;
    while (n < 4000) n++;
    flash_erase(0x08008000);
    while (n < 9000) n++;
    return 1;
}
"""


def test_a_boot_inside_has_a_budget_of_its_own_and_gives_none_away(c: Make) -> None:
    subject, found = c(SPENDS, budget=Budget(blocks=7_000)), list[object]()
    with pytest.raises(Violation, match="no rest after 7,000 basic blocks"):
        nested(subject, 1, found)
    assert found == [0]
