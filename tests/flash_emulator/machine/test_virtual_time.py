"""Virtual time by itself: when it passes, when it jumps and how far; and SysTick, which it drives.
Armv7-M Architecture Reference Manual, B3.3."""

import pytest

from flash_emulator.machine.meter import Meter
from flash_emulator.machine.system_control import SysTick
from flash_emulator.machine.virtual_time import VirtualTime

CSR, RVR = 0x10, 0x14
ENABLE, TICKINT, CORE_CLOCK, COUNTFLAG = 1, 2, 4, 1 << 16
MHZ = 16.0


class Clock:
    """Virtual time with somebody who wants to be called at *at_us*."""

    def __init__(self, at_us=None):
        self.meter, self.rechecks = Meter(0, in_python=True), 0
        self.time = VirtualTime(self.meter, MHZ, lambda: [None, at_us], self.recheck)
        self.systick = self.time.systick = SysTick(self.time.cycles)

    def recheck(self):
        self.rechecks += 1

    def tick(self, reload, control):
        self.systick.write(RVR, reload)
        self.systick.write(CSR, control)

    def execute(self, cycles):
        self.meter.fields.counted += 2 * cycles


def test_two_bytes_of_code_are_a_cycle():
    clock = Clock()
    clock.execute(160)
    clock.time.pass_us(5)
    assert (clock.time.cycles(), clock.time.now_us()) == (240, 15)
    clock.time.reset()
    assert clock.time.cycles() == 160


def test_time_jumps_to_where_the_event_is_due_and_the_engine_stops():
    clock = Clock(at_us=10.03)
    assert clock.time.skip()
    assert clock.time.now_us() >= 10.03
    assert clock.time.now_us() - 1 / MHZ < 10.03
    assert clock.rechecks == 1


def test_time_never_jumps_back():
    clock = Clock(at_us=10)
    clock.execute(1000)
    assert clock.time.skip()
    assert clock.time.cycles() == 1000


def test_it_jumps_nowhere_where_nobody_waits():
    clock = Clock()
    assert not clock.time.skip()
    assert not clock.time.skip_polls()
    assert clock.time.stop(500) == 500


def test_how_much_may_be_executed_until_the_event():
    """Time that has been skipped is no code."""
    clock = Clock(at_us=100)
    assert clock.time.stop(10_000) == 2 * 1601
    clock.time.pass_us(60)
    assert clock.time.stop(10_000) == 2 * (1601 - 960)
    assert clock.time.stop(100) == 100
    clock.time.pass_us(60)
    assert clock.time.stop(10_000) == 0


def test_a_loop_in_which_flash_is_busy_does_not_wait():
    clock = Clock(at_us=1000)
    clock.time.pass_us(90)
    assert clock.time.skip_polls()
    assert clock.time.now_us() == 90
    assert clock.time.skip_polls()
    assert clock.time.now_us() > 1000


def test_polls_that_only_wait_jump_each_time():
    """What they have skipped themselves is no work."""
    clock = Clock()
    clock.tick(999, ENABLE | CORE_CLOCK)
    clock.systick.read(CSR)
    for flags in (1, 2, 3):
        assert clock.time.skip_polls()
        assert clock.time.cycles() == 1000 * flags
        assert clock.systick.read(CSR) & COUNTFLAG


@pytest.mark.parametrize(("source", "cycles"), [(CORE_CLOCK, 1000), (0, 8000)])
def test_systick_asks_for_its_interrupt_once_a_period(source, cycles):
    clock = Clock()
    clock.tick(999, ENABLE | TICKINT | source)
    clock.execute(cycles - 1)
    assert not clock.systick.is_due()
    clock.execute(1)
    assert clock.systick.is_due()
    assert not clock.systick.is_due()
    assert clock.time.next_event() == 2 * cycles


def test_countflag_is_cleared_by_being_read():
    clock = Clock()
    clock.tick(999, ENABLE | CORE_CLOCK)
    clock.execute(1000)
    assert clock.systick.read(CSR) & COUNTFLAG
    assert not clock.systick.read(CSR) & COUNTFLAG
