"""Where a boot stops or ends: nothing is left undone there, and all that decides what comes next is
part of the point."""

import struct

import pytest

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.machine.exceptions import SYSTICK
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Limits
from flash_emulator.registers import SystemReset
from tests.flash_emulator.machine.boards import L476, booted, program

BASE = 0x0800_0000
# Unlock flash, erase page 4, set PG; str r1, [r3]; str r1, [r3, #4] there; r2 = AIRCR, r4 = a reset
ERASE_AND_PROGRAM = (
    "0648 0749 8160 0749 8160 0749 4161 0121 4161 064b 1960 5960 0ee0 00bf"
    "00200240 23016745 ab89efcd 22000100 00200008 0ced00e0 0400fa05 5ff80c20 5ff80c40"
)
AT_ONCE = ["erase", "program"]


def begun(end: str, control: int = 0x1_0022, **options) -> tuple[Machine, EmulatedFlash]:
    """Flash that holds that code and *end*; no vector but that of reset leads anywhere."""
    machine = Machine(load_part(L476), **options)
    flash = EmulatedFlash(machine.part)
    table = struct.pack("<16I", 0x2000_1000, BASE + 0x41, *[0] * 14)
    code = ERASE_AND_PROGRAM.replace("22000100", control.to_bytes(4, "little").hex())
    image = table + bytes.fromhex(code + end)
    flash.preload(BASE, image + b"\xff" * (-len(image) % 8))
    flash.power_on()
    return machine, flash


def done(machine: Machine) -> list[str]:
    return [operation.kind for operation, _ in machine.record.operations]


@pytest.mark.parametrize(
    ("end", "kind"),
    [("00be", "breakpoint"), ("fee7", "loop"), ("00de", "lock-up"), ("1460", "resets")],
)
def test_what_was_programmed_is_done_where_a_boot_ends(end, kind):
    machine, flash = begun(end, limits=Limits(resets=0))
    assert machine.boot(flash).kind == kind
    assert done(machine) == AT_ONCE


@pytest.mark.parametrize(("control", "kind"), [(0x1_0022, "erase"), (0x1_8000, "bank erase")])
def test_runs_are_joined_behind_an_erase_and_what_was_programmed_is_done(control, kind):
    """Stores behind the erase, in the same block: of page 4, or of bank 2."""
    machine, flash = begun("00be", control=control)
    next(machine.run(flash))
    assert done(machine) == [kind, "program"]


def test_what_was_programmed_is_done_where_a_run_pauses():
    """Two branches to what comes next, so that the core is somewhere in between."""
    machine, flash = begun("ffe7 ffe7 00be")

    class Pauses:
        def next_stop(self, counted):
            return counted + 1

        def stopped(self, counted):
            machine.pause()

    run = machine.run(flash)
    next(run)  # where runs are joined
    flash.program_later(BASE + 0x2008, bytes(range(8)))
    machine.interrupter = Pauses()
    next(run)
    assert done(machine) == [*AT_ONCE, "program"]


CHANGES = {
    "a register": lambda m: m.engine.registers.__setitem__("r7", m.engine.registers["r7"] ^ 1),
    "a mask": lambda m: m.engine.registers.__setitem__("primask", 1),
    "a float": lambda m: m.engine.registers.set_float(3, 1),
    "RAM": lambda m: m.space.push(0x2000_8000, [1]),
    "what is pending": lambda m: m.exceptions.pend(SYSTICK),
    "SCR": lambda m: m.system.write(0xD10, 4, 4),
    "the cycle counter": lambda m: m.system.write_cycles(5),
    "SysTick": lambda m: m.system.write(0x14, 4, 1000),
    "a peripheral": lambda m: m.bus.write(0x4002_3000, 4, 5),  # the CRC unit
    "a register that nobody models": lambda m: m.bus.write(0x5006_0000, 4, 5),
    "a flash register": lambda m: m.space.front.write(0x08, 4, 0x4567_0123),
    "a pin": lambda m: m.outside.pins.update(A0=True),
    "how a slot was entered": lambda m: m.record.entries.update({BASE: (BASE, True)}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_all_that_decides_what_comes_is_part_of_a_point(change):
    machine = Machine(load_part(L476))
    booted(machine, program("selftest"))
    before = machine.state()
    assert machine.state() == before
    change(machine)
    assert machine.state() != before


def test_where_ram_holds_something_is_part_of_a_point():
    states = []
    for address in (0x2000_4000, 0x2000_8000):
        machine = Machine(load_part(L476))
        booted(machine, program("selftest"))
        machine.space.push(address, [1])
        states.append(machine.state())
    assert states[0] != states[1]


def test_how_far_systick_is_from_its_end_is_part_of_a_point():
    states = []
    for cycles in (0, 100):
        machine = Machine(load_part(L476))
        booted(machine, program("selftest"))
        machine.system.write(0x14, 4, 1000)
        machine.system.write(0x10, 4, 5)
        machine.pass_us(cycles / machine.clock_mhz)
        states.append(machine.state())
    assert states[0] != states[1]


def test_what_lies_below_the_stack_is_zero_where_runs_are_joined_and_nothing_else():
    machine, flash = begun("00be", stack_floor=0x2000_0000)
    machine.heed = lambda: machine.space.push(0x2000_0FFC, [5, 6])  # SP is 0x2000_1000
    next(machine.run(flash))
    assert machine.space.pop(0x2000_0FFC, 2) == [0, 6]


def test_a_reset_by_software_is_told_in_rcc_csr():
    """RM0351 6.4.29: SFTRSTF is bit 28."""
    machine, flash = begun("1460", limits=Limits(resets=1))
    assert machine.boot(flash).kind == "resets"
    assert machine.bus.read(0x4002_1094, 4) >> 28 & 1


def test_a_reset_forgets_what_peripherals_hold_and_how_slots_were_entered():
    machine, flash = begun("00be")
    machine.boot(flash)
    machine.bus.write(0x4002_3000, 4, 5)  # the CRC unit
    machine.record.entries[BASE] = BASE, True
    machine._reset(SystemReset("SYSRESETREQ", 0))
    machine._start()
    assert machine.bus.read(0x4002_3000, 4) == 0xFFFF_FFFF
    assert machine.record.entries == {}


@pytest.mark.parametrize(
    ("target", "status"), [(BASE, 1 << 17), (0x6000_0001, 1 << 8)], ids=["INVSTATE", "IBUSERR"]
)
def test_why_nothing_can_be_executed_there(target, status):
    """ldr r0, [pc, #0]; bx r0"""
    machine, flash = begun("0048 0047" + target.to_bytes(4, "little").hex())
    machine.boot(flash)
    assert machine.record.faults[0].status == status
