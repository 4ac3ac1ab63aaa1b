"""The whole C core, executed on the instruction set with its HAL, beside the core in Python: on
every state of a closure.

    python -m tests.core_c.core_on_chip [--part P ...] [--scenario S ...] [--step N] [--jobs N]
                                        [--table FILE]

``pairs`` compares the C core compiled for this machine. Here it is cross-compiled: bootloader and
updater in one program (``firmware/whole_core.c``) erase and program through registers, read what a
cut has left through NMIs, remap or swap banks, and talk through a USART with an emulated module,
which is in the state that the cut has left. Images in slots are a few hundred bytes that nobody
executes. Each state is booted in both, from power-on through all resets and sessions to rest, and
what the two do is compared, in its order:

* each program, unit by unit, with its data; each erase; each change of an option;
* each line to the module;
* which bank is booted, how, as which version, by which cause of reset;
* at rest both journals, module and cloud.

What is looked at between two operations is compared by ``pairs`` alone. Times are not compared: a
CPU takes its own, so the module is as old here as there but for some milliseconds. What nobody
measures does not pass for it: the time until a watchdog bites, which in Python is none.

A metastable unit may read otherwise at the next look; and a CPU looks at a unit of several words
more often than Python does, once for each. So where each look counts (``BY_LOOK``), the two may do
different things; then the verdict is compared: which version runs in the end, and whether the
device comes to rest.

A row of the table is one closure. Exit code 1 where the two differ. *step*: of the states every so
many only.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass, field
from itertools import product
from pathlib import Path

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.device.sensing import MetastableMode
from flash_emulator.device.trace import Operation
from flash_emulator.explore import SearchOptions
from flash_emulator.explore.read_choice import ReadChoice, powered
from flash_emulator.explore.states import State
from flash_emulator.machine.board import Board, Questions
from flash_emulator.machine.image_files import read_firmware
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.outside import Sent, byte_us
from flash_emulator.machine.rest import Limits, Rests
from mcu_updater.board.board import Trial
from mcu_updater.board.switch import switch_of
from mcu_updater.core.bank import NAMES, open_banks
from mcu_updater.core.boot import Mode, ResetCause
from mcu_updater.core.journal import JournalState
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.layouts import layout_of
from mcu_updater.powerloss.catalogue import filled, scenario
from mcu_updater.powerloss.scenario import Scenario
from mcu_updater.powerloss.subject import AGAIN_S, BoardSubject, ModuleAndCloud
from mcu_updater.quectel.emulated.module import EmulatedModule
from tests.core_c.built import CLOCK_MHZ, Changes, whole_core
from tests.core_c.chip_pairs import install, units_of
from tests.core_c.device import LED
from tests.core_c.pairs import Doing, Step, first_difference, follow, states_of

USART, BAUD = "USART1", 115_200
VERDICTS = {
    Trial.PASS: "pass",
    Trial.FAIL: "fail",
    Trial.CRASH: "hang",
    Trial.NEVER: "leave",
}
BY_LOOK = (MetastableMode.DRAWN, MetastableMode.TURNING)
_OUT_OF_BAND = b"\xff"
_CAUSES, _MODES = tuple(ResetCause), tuple(Mode)
_RESET = 1  # enum fwu_outcome
BOOTED, _LEFT, _NO_REST = "booted", "left", "no rest"


@dataclass(slots=True)
class Compared:
    """One closure. *boots*: pairs of them; *verdicts*: those of them of which only the verdict is
    the same; *operations*: units and sectors, of one side; *lines*: to the module; *starts*: of the
    CPU. Seconds are of CPU time."""

    states: int = 0
    boots: int = 0
    verdicts: int = 0
    starts: int = 0
    operations: int = 0
    lines: int = 0
    chip_s: float = 0
    python_s: float = 0
    differences: list[str] = field(default_factory=list)


@dataclass(slots=True)
class AtRest:
    """What is there when nothing is left to do."""

    journals: tuple[JournalState, JournalState]
    module: object


class ModuleAtLine:
    """An emulated module as ``Host`` of a machine. It notices nothing while no session is under
    way, as the one of a ``Board`` does not."""

    survives = False
    progress = 0

    def __init__(
        self, module: EmulatedModule, steps: list[Step], mapped: Callable[[], int | None]
    ) -> None:
        """*mapped*: the bank that the CPU sees; None: images are copied."""
        self.module, self._steps, self._mapped = module, steps, mapped
        self._line = bytearray()
        self._later_s = 0.0  # its time is that of the machine, and so much
        self._left_s: float | None = None  # when a self-test began to hang
        self._is_in_session = False

    def start(self, now_us: float) -> Iterable[Sent]:
        self.module.power_on(self.now_s(now_us))
        return ()

    def heard(self, usart: str, byte: int, now_us: float) -> Iterable[Sent]:
        del usart
        self._line.append(byte)
        if byte != ord("\n"):
            return ()
        line = bytes(self._line)
        self._line.clear()
        if line.startswith(_OUT_OF_BAND):
            self._told(line[1:].decode().rstrip("\n"), self.now_s(now_us))
            return ()
        self._steps.append(("line", line))
        self.module.receive(line, self.now_s(now_us))
        return self._sent()

    def next_us(self) -> float | None:
        due_s = self.module.next_deadline() if self._is_in_session else None
        return None if due_s is None else (due_s - self._later_s) * 1e6 + 1

    def woken(self, now_us: float) -> Iterable[Sent]:
        self.module.advance(self.now_s(now_us))
        return self._sent()

    def state(self, now_us: float) -> Hashable:
        raise AssertionError("runs are not joined here")

    def now_s(self, now_us: float) -> float:
        """Of the module, at *now_us* of the machine."""
        return now_us / 1e6 + self._later_s

    def _sent(self) -> Iterable[Sent]:
        data = self.module.transmit()
        return ((USART, data),) if data else ()

    def _name(self, bank: int) -> str:
        mapped = self._mapped()
        fits = mapped is None or mapped == bank
        return NAMES[bank] if fits else f"{NAMES[bank]}, and {NAMES[mapped or 0]} is mapped"

    def _told(self, text: str, now_s: float) -> None:
        """By the program, as ``whole_core.c`` says it."""
        what, *words = text.split(" ")
        self._is_in_session = what == BOOTED
        if what == BOOTED:
            bank, mode, cause = map(int, words[:3])
            if self._left_s is not None:
                self._later_s -= now_s - self._left_s
            self._left_s = None
            booted = " ".join(words[3:]), _MODES[mode], _CAUSES[cause]
            self._steps.append((BOOTED, self._name(bank), *booted))
            self.module.transmit()  # what it said to a CPU in reset is lost
        elif what == _LEFT:
            self._left_s = now_s
        elif int(words[0]) != _RESET:
            self._later_s += AGAIN_S


class Chip:
    """The program in flash of a part, and the machine that it runs on."""

    def __init__(self, given: Scenario, changes: Changes = ()) -> None:
        self.part, self.strategy = load_part(given.part), given.strategy
        self.layout = layout_of(self.part, self.strategy)
        file = whole_core(given.part, self.strategy, VERDICTS[given.trial], changes)
        self.images = read_firmware(file, self.part).images
        self.banks = range(1 if self.strategy is Strategy.COPY else 2)
        self.board = Board(
            self.part,
            (),
            rests=Rests(pins=((LED, True),)),
            limits=Limits(100_000_000, resets=200, wake_ups=1_000_000),
            clock_mhz=CLOCK_MHZ[given.part],
            questions=Questions(safe=False, live=False),
            coalesce=False,
            overrun=True,
        )
        self.machine: Machine = self.board.machine()
        self.machine.outside.byte_us = byte_us(BAUD)

    def host(self, module: EmulatedModule, steps: list[Step], flash: EmulatedFlash) -> ModuleAtLine:
        """*module* at its USART; *steps*: where lines and starts are noted."""
        copies = self.strategy is Strategy.COPY
        return ModuleAtLine(module, steps, lambda: None if copies else flash.mapped_bank)

    def run(
        self, subject: BoardSubject, state: State, choice: ReadChoice
    ) -> tuple[list[Step], AtRest]:
        """From power-on to rest."""
        assert isinstance(state.external, ModuleAndCloud)
        assert not (state.external.is_reset or state.external.fuse), "it is powered on, with all"
        flash = powered(state.flash, choice)
        install(flash, self.images, self.banks)
        steps: list[Step] = []
        host = self.host(subject.board(flash, state.external).module, steps, flash)
        machine = self.machine
        machine.outside.host = host
        machine.guard = lambda operation, _: steps.extend(
            units_of(operation, self.part.program_unit)
        )
        try:
            ended = machine.boot(flash)
        finally:
            machine.outside.host = machine.guard = None
        if ended.kind != "pin" or not ended.thread:
            steps.append((_NO_REST, ended.kind, ended.text))
        assert not machine.met.registers
        flash.reset()
        return steps, at_rest(self, flash, host.module)


def at_rest(chip: Chip, flash: EmulatedFlash, module: EmulatedModule) -> AtRest:
    """Journals, as the Python core reads them."""
    banks = open_banks(flash, switch_of(flash, chip.strategy, chip.layout), chip.layout)
    return AtRest((banks[0].journal.read(), banks[1].journal.read()), module.memory_alone())


class _InPython(Doing):
    """Tells of operations as a chip does."""

    asks = False

    def operation(self, operation: Operation) -> None:
        for step in units_of(operation, self.unit):
            self.add(*step)


def in_python(
    chip: Chip, subject: BoardSubject, state: State, choice: ReadChoice
) -> tuple[list[Step], AtRest]:
    """As ``Chip.run``, by the core in Python."""
    doing = follow(subject, state, choice, _InPython)
    *steps, end = doing.steps
    assert end[0] == "end", (end, state.path)
    assert doing.flash is not None
    assert doing.boot is not None
    doing.flash.reset()
    return steps, at_rest(chip, doing.flash, doing.boot._board.module)


def compare(
    given: Scenario,
    options: SearchOptions | None = None,
    step: int = 1,
    most: int = 5,
    changes: Changes = (),
) -> Compared:
    """On every *step*-th state of the closure of *given*. Stops after *most* differences.

    *changes*: of what is compiled.
    """
    chip, subject, found = Chip(given, changes), BoardSubject(given), Compared()
    states = states_of(subject, options or SearchOptions())[::step]
    found.states = len({state.key for state, _ in states})
    for state, choice in states:
        _compare_one(found, chip, subject, state, choice)
        if len(found.differences) >= most:
            break
    return found


def _compare_one(
    found: Compared, chip: Chip, subject: BoardSubject, state: State, choice: ReadChoice
) -> None:
    began_s = time.process_time()
    there, rest = in_python(chip, subject, state, choice)
    middle_s = time.process_time()
    here, rests = chip.run(subject, state, choice)
    found.chip_s += time.process_time() - middle_s
    found.python_s += middle_s - began_s
    found.boots += 1
    where = f"{state.path}{choice}"
    parted = first_difference(there, here)
    if parted is not None and choice.metastable_mode in BY_LOOK:
        found.verdicts += 1
        if verdict(there) != verdict(here):
            found.differences.append(f"{where}: {verdict(there)}, chip {verdict(here)}")
        return
    found.starts += sum(each[0] == BOOTED for each in here)
    found.lines += sum(each[0] == "line" for each in here)
    found.operations += sum(each[0] in {"program", "erase", "options"} for each in here)
    if parted is not None:
        number, python, chip_ = parted
        found.differences.append(f"{where}: step {number}: Python {python!r}, chip {chip_!r}")
    elif rest != rests:
        found.differences.append(f"{where}: Python {rest!r}, chip {rests!r}")


def verdict(steps: list[Step]) -> tuple[object, Step | None]:
    """The version that was booted last; and the last step where that is no rest."""
    versions = [step[2] for step in steps if step[0] == BOOTED]
    return versions[-1] if versions else None, steps[-1] if steps[-1][0] == _NO_REST else None


# --- the table

PARTS = ("STM32L476xG", "STM32F103x8", "STM32F103xG", "STM32U575xI")
SCENARIOS = ("good", "fail", "crash", "never", "corrupt")
SMALL = 700  # bytes of an image
_HEAD = (
    "part",
    "scenario",
    "states",
    "boots",
    "other steps, same verdict",
    "starts",
    "flash operations",
    "lines",
    "differences",
    "chip s",
    "Python s",
)


def run(part: str, name: str, step: int) -> Compared:
    """One closure."""
    return compare(scenario(name, filled(part, SMALL, "bin")), step=step)


def row(*cells: object) -> str:
    """In Markdown; numbers with their thousands."""
    texts = (f"{round(each):,}" if isinstance(each, int | float) else str(each) for each in cells)
    return f"| {' | '.join(texts)} |"


def table(results: Iterable[tuple[str, str, Compared]]) -> str:
    """The last row is the sum."""
    rows = [
        (*found[:6], len(found[8]), *found[6:8], part, name)
        for part, name, each in results
        for found in (astuple(each),)
    ]
    lines = [row(*_HEAD), "|---" * len(_HEAD) + "|"]
    lines += [row(*found[-2:], *found[:-2]) for found in rows]
    sums = [sum(column) for column in zip(*(found[:-2] for found in rows), strict=True)]
    return "\n".join([*lines, row("all", "", *sums)])


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--part", action="append", metavar="P")
    parser.add_argument("--scenario", action="append", metavar="S")
    parser.add_argument("--step", type=int, default=1, metavar="N")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--table", type=Path, metavar="FILE")
    given = parser.parse_args()
    wanted = list(product(given.part or PARTS, given.scenario or SCENARIOS))
    results = []
    with ProcessPoolExecutor(given.jobs, max_tasks_per_child=1) as pool:
        running = [pool.submit(run, *each, given.step) for each in wanted]
        for each, future in zip(wanted, running, strict=True):
            found = future.result()
            results.append((*each, found))
            print(*each, found, flush=True)
    text = table(results)
    print(text)
    if given.table:
        given.table.write_text(text + "\n")
    return 1 if any(found.differences for *_, found in results) else 0


if __name__ == "__main__":
    sys.exit(main())
