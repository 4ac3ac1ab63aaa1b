"""Firmware as what a search boots: from reset to rest, judged by the board's questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.machine.board import Board
from flash_emulator.machine.debug_info import DebugInfos
from flash_emulator.machine.hosts.session import Session, hosted
from flash_emulator.machine.judging import Guard, Judge
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.moments import running
from flash_emulator.machine.rest import Ended
from flash_emulator.machine.symbols import Symbols
from flash_emulator.moment import Running
from flash_emulator.subject import Boot, ExternalState, Run, Subject
from flash_emulator.watchdog import heed

_idle: dict[object, list[Machine]] = {}
"""Machines of this process that nobody uses, by what they are made of. They are kept: what an
engine takes of memory is not given back."""


@contextmanager
def a_machine(board: Board) -> Iterator[Machine]:
    """A machine of *board* that is at nobody's disposal but the caller's: boots are nested, since a
    search boots what a cut leaves while the boot that is cut is under way."""
    idle = _idle.setdefault(board.machine_key, [])
    machine = idle.pop() if idle else board.machine()
    try:
        yield machine
    finally:
        idle.append(machine)


@dataclass(frozen=True)
class FirmwareSubject(Subject):
    """What the flash of *board* holds, run on its machine. *debug*: of its programs, for films."""

    board: Board
    symbols: Symbols = field(default_factory=Symbols)
    debug: DebugInfos = field(default_factory=DebugInfos, compare=False)

    def boot(self, flash: EmulatedFlash, external: ExternalState) -> Boot:
        return _FirmwareBoot(self, flash, external)

    def a_machine(self) -> AbstractContextManager[Machine]:
        """The machine of one boot."""
        return a_machine(self.board)

    @property
    def unit_by_unit(self) -> FirmwareSubject:
        """The same, for films: each operation with the instruction that does it. Operations have
        the same numbers."""
        return replace(self, board=replace(self.board, coalesce=False, exact_pc=True))

    def fingerprints(self) -> Mapping[str, str]:
        """What a certificate says that the search was made with."""
        board = self.board
        images = {f"image {image.name}": sha256(image.data).hexdigest() for image in board.images}
        return {**images, "board": sha256(repr(board).encode()).hexdigest()}


@dataclass(slots=True)
class _FirmwareBoot:
    subject: FirmwareSubject
    flash: EmulatedFlash
    external: ExternalState
    machine: Machine | None = None
    host: Session | None = None
    ended: Ended | None = None

    def run(self) -> Run:
        board = self.subject.board
        with (
            self.subject.a_machine() as machine,
            hosted(machine, board.host, self.external) as self.host,
        ):
            judge = Judge(board, self.subject.symbols, self.flash, machine)
            machine.guard, machine.heed = None, heed
            if board.questions.untouched:
                machine.guard = Guard(board, self.subject.symbols, self.flash)
            self.machine = machine
            run = machine.run(self.flash)
            while True:
                try:
                    next(run)
                except StopIteration as stop:
                    self.ended = stop.value
                    break
                yield (machine.state(),)
            assert self.ended is not None
            return judge.judge(self.ended)

    def surviving(self) -> Sequence[tuple[str, ExternalState]]:
        return (("", self.external),) if self.host is None else self.host.surviving(self.external)

    def volatile(self) -> bytes:
        return b""

    def moment(self) -> Running | None:
        """For films: the call stack, registers and source lines. None before the first
        instruction."""
        machine, subject = self.machine, self.subject
        if machine is None:
            return None
        return running(machine, subject.debug, subject.symbols, self.ended)

    def where(self) -> str:
        """For films: PC and function."""
        machine, subject = self.machine, self.subject
        if machine is None:
            return "reset"
        return subject.debug.name(machine.pc(), machine.space.peek, subject.symbols)
