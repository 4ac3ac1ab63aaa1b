"""The bootloader of ``emit c``, executed, beside that in Python: on every state of a closure.

``pairs`` compares the C core compiled for this machine. Here it is cross-compiled, with its HAL: it
erases and programs through registers, reads what a cut has left through NMIs, remaps or swaps
banks, and ends where an image begins to run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.device.trace import Operation
from flash_emulator.explore import SearchOptions
from flash_emulator.explore.read_choice import ReadChoice, powered
from flash_emulator.explore.states import State
from flash_emulator.machine.board import Board, Image, Questions
from flash_emulator.machine.image_files import read_firmware
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Limits, Rests
from flash_emulator.parts.part import Part
from mcu_updater.board.switch import EmulatedChip
from mcu_updater.core.boot import ResetCause
from mcu_updater.core.mcu import start
from mcu_updater.core.slot import CopyLayout
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.layouts import layout_of
from mcu_updater.powerloss.scenario import Scenario
from mcu_updater.powerloss.subject import BoardSubject
from tests.core_c.built import CLOCK_MHZ, bootloader
from tests.core_c.device import LED
from tests.core_c.pairs import states_of

RECOVERY = -1
SOME = b"what nobody has looked at: bytes"
Done = list[tuple[str, int, bytes]]


@dataclass(slots=True)
class Compared:
    """*boots*: pairs of them; *operations*: units and sectors, of one side."""

    boots: int = 0
    operations: int = 0
    differences: list[str] = field(default_factory=list)


class Bootloader:
    """In flash of a part, and the machine that it runs on."""

    def __init__(self, name: str, strategy: Strategy) -> None:
        self.part = load_part(name)
        self.strategy, self.layout = strategy, layout_of(self.part, strategy)
        elf = bootloader(name, strategy)
        self._images = read_firmware(elf, self.part).images
        copies = isinstance(self.layout, CopyLayout)
        area = self.layout.execution if isinstance(self.layout, CopyLayout) else self.layout
        self._slot = self.part.base + area.slot.offset
        self._banks = range(1 if copies else 2)
        self._board = Board(
            self.part,
            (),
            rests=Rests(slots=((self._slot, area.slot.size),), pins=((LED, True),)),
            limits=Limits(20_000_000),
            clock_mhz=CLOCK_MHZ[name],
            questions=Questions(safe=False, live=False),
            coalesce=False,
        )
        self.machine: Machine = self._board.machine()

    def boot_state(self, state: State, choice: ReadChoice) -> tuple[int, Done]:
        """The bank that runs, and what was done."""
        flash = powered(state.flash, choice)
        install(flash, self._images, self._banks)
        return self.boot(flash)

    def boot(self, flash: EmulatedFlash) -> tuple[int, Done]:
        """See ``boot_state``."""
        machine = self.machine
        ended = machine.boot(flash)
        done = _flat((op for op, _ in machine.record.operations), self.part.program_unit)
        if ended.kind == "pin":
            return RECOVERY, done
        assert ended.kind == "slot", ended
        assert (ended.table, ended.thread) == (self._slot, True), ended
        assert not machine.met.registers
        return self._running(flash), done

    def _running(self, flash: EmulatedFlash) -> int:
        """By the alias; or, where images are copied, as the application is told it."""
        if self.strategy is not Strategy.COPY:
            return flash.mapped_bank
        return self.machine.space.bytes_at(0x2000_0000, 4)[0]


def install(flash: EmulatedFlash, images: Sequence[Image], banks: range) -> None:
    """*images* in each of *banks*; and bytes where they are not known.

    A search forgets what units hold of which it has only asked whether they hold something else. A
    CPU has to read them: it finds some bytes there.
    """
    part = flash.geometry
    for begin, end in flash.cells.unknown_spans():
        for bank, first, last in _by_bank(part, begin, end):
            at = part.base + (bank ^ flash.mapped_bank) * part.bank_size + first
            flash.preload(at, (SOME * ((last - first) // len(SOME) + 1))[: last - first])
    for bank in banks:
        for image in images:
            data = image.data + b"\xff" * (-len(image.data) % part.program_unit)
            flash.preload(image.address + bank * part.bank_size, data)


def _by_bank(part: Part, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Physical bank, and the span in it."""
    for bank in range(part.bank_count):
        first, last = (at - bank * part.bank_size for at in (begin, end))
        if first < part.bank_size and last > 0:
            yield bank, max(first, 0), min(last, part.bank_size)


def units_of(operation: Operation, unit: int) -> Iterator[tuple[str, int, bytes]]:
    """*operation* unit by unit. Of options, what is asked of the bank swap: a register holds others
    too, as they were read."""
    if operation.kind == "options":
        yield operation.kind, 0, b"%d" % json.loads(operation.data)["SWAP_BANK"]
        return
    for at in range(0, max(len(operation.data), 1), unit):
        yield operation.kind, operation.address + at, operation.data[at : at + unit]


def _flat(operations: Iterable[Operation], unit: int) -> Done:
    return [each for operation in operations for each in units_of(operation, unit)]


class _Told:
    """The watch of a flash."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def operation(self, operation: Operation) -> None:
        self.operations.append(operation)

    def moment(self) -> None:
        """Power does not go here."""

    def read(self, offset: int, size: int) -> None:
        """All may be looked at."""

    def compared(self, unit: int, wanted: object, *, never: bool) -> None:
        """All may be."""


def in_python(loader: Bootloader, state: State, choice: ReadChoice) -> tuple[int, Done]:
    told = _Told()
    flash = powered(state.flash, choice, lambda _: told)
    decision = start(EmulatedChip(flash, loader.strategy, loader.layout), ResetCause.POWER)
    flash.watch = None
    bank = RECOVERY if decision.bank is None else decision.bank
    return bank, _flat(told.operations, loader.part.program_unit)


def compare(scenario: Scenario, options: SearchOptions, step: int = 1) -> Compared:
    """On every *step*-th state of the closure of *scenario* with the core in Python."""
    loader, found = Bootloader(scenario.part, scenario.strategy), Compared()
    states = states_of(BoardSubject(scenario), options)
    for state, choice in states[::step]:
        bank, wanted = in_python(loader, state, choice)
        here, done = loader.boot_state(state, choice)
        found.boots += 1
        found.operations += len(wanted)
        if (here, done) != (bank, wanted):
            found.differences.append(
                f"{state.path}{choice}: Python bank {bank}, {wanted[:3]}; here {here}, {done[:3]}"
            )
    return found


__all__ = ["Bootloader", "Compared", "compare", "install", "units_of"]
