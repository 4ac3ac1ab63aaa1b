"""Counting instructions and watching memory change nothing of what a program does."""

import pytest

from flash_emulator import load_part
from flash_emulator.machine.debugger.stepper import Stepper
from flash_emulator.machine.engine import PAGE
from flash_emulator.machine.machine import Machine
from tests.flash_emulator.machine.boards import L476, booted, program


def end_of(machine, name, part):
    ended = booted(machine, program(name, part))
    record = machine.record
    return ended, machine.state(), machine.now_us, bytes(record.output), record.exceptions


@pytest.fixture(scope="module", params=[(L476, "selftest"), ("STM32G0B1xE", "selftest_m0")])
def tried(request):
    """A program with everything that an engine has to be told of, and how it ends by itself."""
    part, name = request.param
    return name, part, end_of(Machine(load_part(part), exact_pc=True), name, part)


@pytest.mark.parametrize("in_python", [False, True])
def test_nothing_is_changed_by_it(tried, in_python):
    """Each instruction is called for and each access; accesses in IT blocks are among them."""
    name, part, expected = tried
    machine = Machine(load_part(part), exact_pc=True)
    numbers, accesses = [], []
    stepper = Stepper(
        machine.engine,
        lambda pc: numbers.append((stepper.number, pc, machine.pc())),
        lambda *access: accesses.append(access),
        in_python=in_python,
    )
    stepper.watch([range(PAGE)])
    assert end_of(machine, name, part) == expected
    total = stepper.number
    assert not numbers
    assert len(accesses) > 1000
    stepper.begin()
    stepper.call_from(0)
    accesses.clear()
    assert end_of(machine, name, part) == expected
    assert [number for number, _, _ in numbers] == list(range(1, total + 1))
    assert all(pc == seen for _, pc, seen in numbers)
    assert len(accesses) > 1000


@pytest.mark.parametrize("in_python", [False, True])
def test_it_is_called_at_a_number_and_at_places(tried, in_python):
    name, part, _ = tried
    machine, called = Machine(load_part(part), exact_pc=True), []
    stepper = Stepper(
        machine.engine,
        lambda pc: called.append((stepper.number, pc)),
        lambda *_: None,
        in_python=in_python,
    )
    stepper.call_from(1)
    booted(machine, program(name, part))
    everything = called.copy()
    place = everything[len(everything) // 2][1]
    called.clear()
    stepper.begin()
    stepper.call_from(len(everything) - 4)
    stepper.call_at([place])
    booted(machine, program(name, part))
    meant = [each for each in called if each[1] == place or each[0] >= len(everything) - 4]
    assert meant == [e for e in everything if e[1] == place or e[0] >= len(everything) - 4]
    stepper.call_from(1 << 63)
    stepper.call_at([])
    called.clear()
    stepper.begin()
    booted(machine, program(name, part))
    assert not called
