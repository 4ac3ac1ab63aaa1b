"""Which exception is taken when, and what fault registers say: the rules by themselves, without a
core. Armv7-M Architecture Reference Manual, B1.5 and B3.2."""

from typing import Any

import pytest

from flash_emulator.machine.exceptions import (
    BUS_FAULT,
    EXTERNAL,
    HARD_FAULT,
    NMI,
    PENDSV,
    SVCALL,
    SYSTICK,
    USAGE_FAULT,
    Exceptions,
    LockUp,
)

HANDLERS = 0x0800_1000
BUS_FAULT_ENABLED, FORCED, VECTTBL, BFARVALID = 1 << 17, 1 << 30, 1 << 1, 1 << 15
IT_BITS = 0x0600_FC00


class Registers(dict[str, Any]):
    """Those of a core, without an engine."""

    def floats(self):
        return self["floats"]

    def set_float(self, index, value):
        self["floats"][index] = value


class Memory:
    """Any RAM; a vector that leads to 0x100 bytes times its number, but for those in *bad*."""

    def __init__(self):
        self.words, self.bad = {}, {}

    def push(self, address, words):
        self.words |= {address + 4 * n: word for n, word in enumerate(words)}
        return True

    def pop(self, address, count):
        return [self.words.get(address + 4 * n, 0) for n in range(count)]

    def vector(self, address):
        number = address // 4
        return self.bad.get(number, HANDLERS + 0x100 * number + 1)


def begun(core="m4"):
    names = (*(f"r{n}" for n in range(13)), "lr", "pc", "psp", "control")
    registers = Registers(dict.fromkeys((*names, "primask", "basepri", "faultmask"), 0))
    registers |= {"xpsr": 1 << 24, "sp": 0x2000_1000, "msp": 0x2000_1000, "floats": [0] * 33}
    exceptions = Exceptions(registers, Memory(), core)
    exceptions.enabled = (1 << 240) - 1
    return exceptions, registers


def test_the_lower_number_comes_first_of_two_with_one_priority():
    exceptions, _ = begun()
    exceptions.pending |= {EXTERNAL + 9, EXTERNAL + 2}
    assert exceptions.due() == EXTERNAL + 2
    exceptions.priorities[EXTERNAL + 2] = 0x10
    assert exceptions.due() == EXTERNAL + 9


@pytest.mark.parametrize(("level", "due"), [(0x30, True), (0x40, False), (0x50, False)])
def test_only_what_is_more_urgent_preempts(level, due):
    exceptions, _ = begun()
    exceptions.priorities = {SYSTICK: 0x40, EXTERNAL: level}
    exceptions.take(SYSTICK, 0x0800_0000)
    exceptions.pend(EXTERNAL)
    assert (exceptions.due() == EXTERNAL) is due
    assert exceptions.wakes() is due


@pytest.mark.parametrize(
    ("base", "active", "due"),
    [(0x40, None, True), (0x20, None, False), (0x40, 0x20, False), (0x20, 0x40, False)],
)
def test_basepri_masks_and_never_lowers_what_is_active(base, active, due):
    """0x30 is pending."""
    exceptions, registers = begun()
    registers["basepri"] = base
    if active is not None:
        exceptions.priorities[PENDSV] = active
        exceptions.take(PENDSV, 0x0800_0000)
    exceptions.priorities[EXTERNAL] = 0x30
    exceptions.pend(EXTERNAL)
    assert (exceptions.due() == EXTERNAL) is due
    assert exceptions.wakes() is due


def test_primask_keeps_out_and_does_not_keep_asleep():
    exceptions, registers = begun()
    registers["primask"] = 1
    exceptions.pend(EXTERNAL)
    assert exceptions.due() is None
    assert exceptions.wakes()
    exceptions.pend(NMI)
    assert exceptions.due() == NMI


@pytest.mark.parametrize(("number", "left"), [(NMI, 1), (EXTERNAL, 0)])
def test_a_return_clears_faultmask_but_for_one_from_nmi(number, left):
    exceptions, registers = begun()
    exceptions.take(number, 0x0800_0000)
    registers["faultmask"] = 1
    exceptions.leave(registers["lr"], 0xFFFF_FFF8)
    assert registers["faultmask"] == left


def test_a_line_is_pending_once_and_again_if_it_is_still_high_at_the_return():
    exceptions, registers = begun()
    exceptions.set_line(3, level=True)
    exceptions.take(EXTERNAL + 3, 0x0800_0000)
    exceptions.set_line(3, level=True)
    assert not exceptions.pending
    exceptions.leave(registers["lr"], 0xFFFF_FFF8)
    assert exceptions.active == [EXTERNAL + 3]  # tail-chaining
    exceptions.set_line(3, level=False)
    exceptions.leave(registers["lr"], 0xFFFF_FFF8)
    assert (exceptions.active, exceptions.pending) == ([], set())


def test_entry_and_return_are_events():
    exceptions, registers = begun()
    exceptions.take(EXTERNAL, 0x0800_0000)
    assert exceptions.event
    exceptions.event = False
    exceptions.leave(registers["lr"], 0xFFFF_FFF8)
    assert exceptions.event


def test_it_bits_are_stacked_and_gone_in_the_handler():
    exceptions, registers = begun()
    registers["xpsr"] |= IT_BITS
    exceptions.take(EXTERNAL, 0x0800_0000)
    assert not registers["xpsr"] & IT_BITS
    registers["msp"] = registers["sp"]
    exceptions.leave(registers["lr"], 0xFFFF_FFF8)
    assert registers["xpsr"] & IT_BITS == IT_BITS


def test_floats_and_their_status_come_back():
    exceptions, registers = begun()
    registers["control"] = 4
    registers["floats"] = list(range(100, 133))
    exceptions.take(EXTERNAL, 0x0800_0000)
    assert not registers["control"] & 4
    registers["floats"] = [0] * 33
    registers["msp"] = registers["sp"]
    exceptions.leave(registers["lr"], 0xFFFF_FFE8)
    assert registers["floats"] == [*range(100, 116), *[0] * 16, 132]
    assert registers["control"] & 4


def test_a_fault_that_is_not_enabled_is_forced():
    exceptions, registers = begun()
    exceptions.fault(BUS_FAULT, 0x0800_0000, status=1 << 9, address=0x6000_0004)
    assert registers["xpsr"] & 0x1FF == HARD_FAULT
    assert exceptions.hard_fault_status == FORCED
    assert exceptions.fault_status == 1 << 9 | BFARVALID
    assert exceptions.fault_address == 0x6000_0004


@pytest.mark.parametrize(("level", "taken"), [(0, BUS_FAULT), (0x40, HARD_FAULT)])
def test_a_fault_that_may_not_preempt_is_forced(level, taken):
    """SysTick runs with 0x40."""
    exceptions, registers = begun()
    exceptions.fault_enables = BUS_FAULT_ENABLED
    exceptions.priorities = {SYSTICK: 0x40, BUS_FAULT: level}
    exceptions.take(SYSTICK, 0x0800_0000)
    exceptions.fault(BUS_FAULT, 0x0800_0000, status=1 << 9)
    assert registers["xpsr"] & 0x1FF == taken
    assert bool(exceptions.hard_fault_status & FORCED) is (taken == HARD_FAULT)


def test_an_svc_where_it_may_not_be_taken_is_a_hard_fault():
    exceptions, registers = begun()
    registers["primask"] = 1
    exceptions.fault(SVCALL, 0x0800_0000)
    assert registers["xpsr"] & 0x1FF == HARD_FAULT


@pytest.mark.parametrize("outer", [NMI, HARD_FAULT])
def test_a_fault_within_nmi_or_hard_fault_locks_up(outer):
    exceptions, _ = begun()
    exceptions.take(outer, 0x0800_0000)
    with pytest.raises(LockUp, match="UsageFault within"):
        exceptions.fault(USAGE_FAULT, 0x0800_0000, status=1 << 16)


def test_a_vector_that_is_no_code_is_told_in_hfsr():
    exceptions, registers = begun()
    exceptions._memory.bad[EXTERNAL] = 0x0800_0000  # no Thumb address
    assert exceptions.take(EXTERNAL, 0x0800_0000) == HANDLERS + 0x100 * HARD_FAULT
    assert exceptions.hard_fault_status == VECTTBL
    assert exceptions.active == [HARD_FAULT]
    assert registers["xpsr"] & 0x1FF == HARD_FAULT


CHANGES = {
    "pending": lambda each: each.pending.add(PENDSV),
    "active": lambda each: each.active.append(PENDSV),
    "enabled": lambda each: setattr(each, "enabled", 1),
    "a line": lambda each: setattr(each, "lines", 2),
    "a priority": lambda each: each.priorities.update({SYSTICK: 0x80}),
    "VTOR": lambda each: setattr(each, "table", 0x0800_8000),
    "SHCSR": lambda each: setattr(each, "fault_enables", BUS_FAULT_ENABLED),
    "CFSR": lambda each: setattr(each, "fault_status", 2),
    "HFSR": lambda each: setattr(each, "hard_fault_status", FORCED),
    "BFAR": lambda each: setattr(each, "fault_address", 4),
    "the event register": lambda each: setattr(each, "event", True),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_all_of_it_is_part_of_a_point(change):
    exceptions, _ = begun()
    before = exceptions.state()
    change(exceptions)
    assert exceptions.state() != before
