"""Points where runs are joined: all that a chip holds beside its flash, in 32 bytes."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from flash_emulator.machine.peripherals import Peripheral

if TYPE_CHECKING:
    from flash_emulator.machine.machine import Machine


def state_of(machine: Machine, timed: list[Peripheral]) -> bytes:
    """Registers, RAM, exceptions, peripherals that were touched or run by themselves (some of
    *timed*), the register front, the world outside, and what was sent."""
    digest = blake2b(machine.engine.registers.snapshot(), digest_size=32)
    machine.space.digest(digest)
    devices = {*machine.bus.touched, *(p for p in timed if p.next_us() is not None)}
    touched = sorted((device.base, device.state()) for device in devices)
    states = machine.exceptions.state(), machine.system.state(), machine.bus.state(), touched
    told = _told(machine), sorted(machine.record.entries.items())
    rest = machine.space.front.state(), machine.outside.state(), told
    digest.update(repr((states, rest)).encode())
    return digest.digest()


def _told(machine: Machine) -> bytes:
    """What the output so far decides of what comes: all of it, or the end of a text."""
    output = machine.record.output
    if machine.output_matters:
        return bytes(output)
    longest = max((len(text) for text in machine.rests.texts), default=1)
    return bytes(output[max(0, len(output) - longest + 1) :])


def clear_dead_stack(machine: Machine) -> None:
    """What lies below the stack pointer is left from calls that have returned. It is made zero and
    not only left out of ``state_of``, so that runs which are joined go on alike, even where
    firmware reads it. Not within an exception, and not where a second stack is in use."""
    registers, floor = machine.engine.registers, machine.stack_floor
    if floor is None or registers["control"] & 2 or machine.exceptions.active:
        return
    size = registers["sp"] - floor
    if size > 0:
        machine.space.clear(floor, size)
