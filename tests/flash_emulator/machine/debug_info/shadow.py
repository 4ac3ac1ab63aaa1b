"""The call stack of a run by what was executed: another way to it than call frame information.

A call is a BL or BLX behind which something else is executed than what follows it; it is over when
its return address is executed with the stack pointer that the call had. An exception is over when
it is no longer active.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.machine.engine_library import binding
from flash_emulator.machine.image_files import read_firmware
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Limits


@dataclass
class ShadowStack:
    """*check* is called before each instruction with the program counters of all frames, innermost
    first; of callers, the return address."""

    machine: Machine
    check: Callable[[list[int]], object]
    frames: list[tuple[int, int, int]] = field(default_factory=list)  # back to, sp, exceptions
    called: tuple[int, int] | None = None  # return address and sp of a call that was just executed
    active: int = 0

    def __post_init__(self) -> None:
        engine = self.machine.engine
        callback = binding().HOOK_CODE_CFUNC(self._executes)
        engine._add(engine._const.UC_HOOK_CODE, callback)
        self.machine.exceptions.entered = self._entered

    def _entered(self, number: int, pc: int) -> None:
        self.called = None
        depth = len(self.machine.exceptions.active)
        if pc >= 0xFFFF_FF00:  # tail-chained: it has interrupted what the one before it has
            while self.frames[-1][1] != -1 or self.frames[-1][2] > depth:
                self.frames.pop()
            return
        self.frames.append((pc & ~1, -1, depth))

    def _executes(self, _handle: int, address: int, size: int, _data: int) -> None:
        if self.machine.engine._raised is not None:
            return
        try:
            self._step(address, size)
        except BaseException as error:
            self.machine.engine._end(error)

    def _step(self, address: int, size: int) -> None:
        sp = self.machine.engine.registers["sp"]
        active = len(self.machine.exceptions.active)
        if address == self._reset():
            self.frames.clear()
            self.called = None
        while self.frames and self.frames[-1][2] > active:
            self.frames.pop()
        if self.called is not None and self.called[0] != address:
            self.frames.append((*self.called, active))
        self.called = None
        while self.frames and self.frames[-1][:2] == (address, sp):
            self.frames.pop()
        self.check([address, *(pc for pc, _, _ in reversed(self.frames))])
        if self._is_call(address, size):
            self.called = address + size, sp

    def _reset(self) -> int:
        """Where a reset begins."""
        return (self.machine.space.vector(self.machine.exceptions.table + 4) or 0) & ~1

    def _is_call(self, address: int, size: int) -> bool:
        first = self.machine.space.half_word(address)
        if size == 2:
            return first & 0xFF87 == 0x4780  # BLX
        second = self.machine.space.half_word(address + 2)
        return first & 0xF800 == 0xF000 and second & 0xD000 == 0xD000  # BL


def run_with_shadow(
    elf: Path, part_name: str, make: Callable[[Machine], Callable[[list[int]], object]]
) -> Machine:
    """*elf* from power-on to rest, or so far; *make* gives what is called before each
    instruction."""
    part = load_part(part_name)
    machine = Machine(part, exact_pc=True, limits=Limits(instructions=400_000))
    ShadowStack(machine, make(machine))
    flash = EmulatedFlash(part)
    for image in read_firmware(elf, part).images:
        flash.preload(image.address, image.data + b"\xff" * (-len(image.data) % part.program_unit))
    flash.power_on()
    machine.boot(flash)
    return machine
