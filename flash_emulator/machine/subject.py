"""Firmware as what a search boots: from reset to rest, judged by the board's questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.trace import Operation
from flash_emulator.errors import AlignmentError
from flash_emulator.explore.subject import Boot, ExternalState, Run, Subject, Violation
from flash_emulator.machine.board import Board, Image
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Ended
from flash_emulator.machine.symbols import Symbols

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
    """What the flash of *board* holds, run on its machine."""

    board: Board
    symbols: Symbols = field(default_factory=Symbols)

    def boot(self, flash: EmulatedFlash, external: ExternalState) -> Boot:
        return _FirmwareBoot(self, flash, external)

    def fingerprints(self) -> Mapping[str, str]:
        """What a certificate says that the search was made with."""
        board = self.board
        images = {f"image {image.name}": sha256(image.data).hexdigest() for image in board.images}
        return {**images, "board": sha256(repr(board).encode()).hexdigest()}


@dataclass(frozen=True, slots=True)
class _FirmwareBoot:
    subject: FirmwareSubject
    flash: EmulatedFlash
    external: ExternalState

    def run(self) -> Run:
        board = self.subject.board
        with a_machine(board) as machine:
            machine.guard = _Guard(self.subject, self.flash) if board.questions.untouched else None
            run = machine.run(self.flash)
            while True:
                try:
                    next(run)
                except StopIteration as stop:
                    ended: Ended = stop.value
                    break
                yield (machine.state(),)
            return self._judged(machine, ended)

    def surviving(self) -> Sequence[tuple[str, ExternalState]]:
        return (("", self.external),)

    def volatile(self) -> bytes:
        return b""

    # --- questions

    def _judged(self, machine: Machine, ended: Ended) -> str:
        questions = self.subject.board.questions
        if ended.kind not in questions.rests_in:
            if questions.live:
                raise Violation("live", self._in_words(ended, machine))
            return ended.kind
        running = self._running(ended)
        if running is None:
            if questions.safe and questions.published:
                self._is_not_published(ended)
            return ended.kind
        self._judge_running(machine, running)
        return f"{ended.kind} {running.name}"

    def _running(self, ended: Ended) -> Image | None:
        """The published image that runs."""
        return next(
            (i for i in self.subject.board.questions.published if self._runs(i, ended)), None
        )

    def _runs(self, image: Image, ended: Ended) -> bool:
        """Whether the flash holds *image*, whole, where the core is or its vector table lies."""
        at = image.address
        if not at <= ended.pc < at + len(image.data):
            return False
        try:
            return self.flash.match(at, image.data) == len(image.data)
        except AlignmentError:
            return False

    def _is_not_published(self, ended: Ended) -> None:
        where = self.subject.symbols.name(ended.pc)
        raise Violation("safe", f"what runs at {where} is none of the published images")

    def _judge_running(self, machine: Machine, running: Image) -> None:
        questions = self.subject.board.questions
        if running.name in questions.never:
            raise Violation("no rollback", f"{running.name} runs")
        if questions.live and questions.wanted not in (None, running.name):
            raise Violation(
                "live",
                f"{running.name} runs, and {questions.wanted} is lost: left alone, the "
                "device stays with it",
            )
        for text, name in questions.reported.items():
            if text.encode() in machine.record.output and name != running.name:
                raise Violation("reported", f"{text!r} was sent, and {running.name} runs")

    def _in_words(self, ended: Ended, machine: Machine) -> str:
        where = self.subject.symbols.name(ended.pc)
        text = f"{ended.kind} at {where}: {ended.text}"
        entered = machine.record.exceptions
        if entered and entered[-1][0].endswith("Fault"):
            name, pc = entered[-1]
            text += f"; after a {name} at {self.subject.symbols.name(pc)}"
        return text


class _Guard:
    """Raises Violation where an operation would touch what must stay untouched."""

    def __init__(self, subject: FirmwareSubject, flash: EmulatedFlash) -> None:
        self._ranges = subject.board.questions.untouched
        self._symbols = subject.symbols
        self._part = flash.part

    def __call__(self, operation: Operation, pc: int) -> None:
        begin, size = operation.address, len(operation.data)
        match operation.kind:
            case "erase":
                size = self._part.sector_starts[begin - self._part.base]
            case "bank erase":
                size = self._part.bank_size
            case "mass erase":
                begin, size = self._part.base, self._part.size
            case "options":
                return
        for address, length in self._ranges:
            if begin < address + length and address < begin + size:
                raise Violation(
                    "untouched",
                    f"{operation} touches 0x{address:08X} to 0x{address + length - 1:08X}, near "
                    f"{self._symbols.name(pc)}",
                )
