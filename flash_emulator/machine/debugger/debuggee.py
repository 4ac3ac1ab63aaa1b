"""One path of a search under a debugger: its boots, one at a time, each to be stopped anywhere.

The boot runs as the film runs it, on a machine that calls back before each instruction that matters
(``stepper``). While it stands still it is within that call, so nothing of it changes by being
looked at. To go back it is begun anew and run to an instruction before: a boot is the same each
time. What the user has changed is changed again on the way; going back before a change undoes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Protocol

from flash_emulator.device.trace import Operation
from flash_emulator.explore.path import Path
from flash_emulator.explore.replay import Film, PathLeft, Shot, Start, replay
from flash_emulator.explore.search import SearchOptions
from flash_emulator.machine.debug_info.of_board import Program
from flash_emulator.machine.debugger.memory import Memory, Refused
from flash_emulator.machine.debugger.stepper import Stepper
from flash_emulator.machine.debugger.stops import Resume, Signal, Stop, Watchpoint
from flash_emulator.machine.execution import Elsewhere
from flash_emulator.machine.judging import touched_by
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.subject import FirmwareSubject
from flash_emulator.subject import Nothing

_POLL_EVERY = 200_000  # instructions: some milliseconds
_AT_BREAKPOINT = Stop(at_breakpoint=True)


class Front(Protocol):
    """Whoever has the say."""

    def stopped(self, stop: Stop) -> Resume:
        """The boot stands still. Returns how it is to go on, whenever the user has said that."""

    def wants_stop(self) -> bool:
        """Asked while it runs."""


class _Again(BaseException):
    """Give this run of the boot up: another one comes to where the user wants to be."""

    def __init__(self, resume: Resume) -> None:
        self.resume = resume


@dataclass(frozen=True)
class _OnOneMachine(FirmwareSubject):
    """All boots run on *machine*, which nobody else has."""

    machine: Machine | None = field(default=None, compare=False, repr=False)

    def a_machine(self) -> AbstractContextManager[Machine]:
        return super().a_machine() if self.machine is None else nullcontext(self.machine)


class _Told(Shot):
    """*tell* is told of each flash operation that is about to be done."""

    def __init__(
        self,
        subject: FirmwareSubject,
        start: Start,
        options: SearchOptions,
        tell: Callable[[Operation], object],
    ) -> None:
        super().__init__(subject, start, options)
        self._tell = tell

    def operation(self, operation: Operation) -> None:
        super().operation(operation)
        self._tell(operation)


class Debuggee:
    """Raises PathLeft where the path does not fit."""

    def __init__(self, subject: FirmwareSubject, path: Path, options: SearchOptions) -> None:
        self._debug = subject.debug
        filmed = subject.unit_by_unit
        self.board, self.symbols = filmed.board, filmed.symbols
        self.film: Film = replay(filmed, self.board.flash(), Nothing(), path, options)
        self._options = replace(options, limits=replace(options.limits, boot_s=None))
        self.machine = self.board.machine()
        self._subject = _OnOneMachine(self.board, self.symbols, machine=self.machine)
        self._stepper = Stepper(self.machine.engine, self._reached, self._accessed)
        self.memory = Memory(self.machine)
        self.front: Front
        self.boot = self.boots
        self.ends: dict[int, int] = {}
        """The last instruction of boots that were run to their end, by number; 0: there was
        none."""
        self.end = ""
        """How the boot has ended, in words; empty while it goes on."""
        self.is_within = False
        """It stands within an instruction, before its access to memory."""
        self._shot: Shot
        self._pc = 0
        self._resume = Resume(self.boot)
        self._edits: list[tuple[int, Callable[[], object]]] = []
        self._jump: int | None = None
        self._hit: tuple[int, Stop] | None = None  # the last one before where it goes back from
        self._seen_access = 0  # the instruction whose access was stopped at
        self._breakpoints: set[int] = set()  # wherever the CPU sees them
        self._called_at: set[int] = set()  # as the stepper was told
        self._watchpoints: list[Watchpoint] = []
        self._poll_at = self._called_from = 0

    # --- where it is

    @property
    def boots(self) -> int:
        """How many the path has."""
        return len(self.film.starts)

    @property
    def programs(self) -> tuple[Program, ...]:
        """That the board has ELF files of."""
        return self._debug.programs

    @property
    def number(self) -> int:
        """Of the instruction that is executed next; behind the last one where the boot is over."""
        return self._stepper.number + bool(self.end)

    @property
    def pc(self) -> int:
        if self._jump is not None:
            return self._jump
        return self.machine.pc() if self.end else self._pc

    def place(self, address: int) -> str:
        """``0x0800_0124 (erase+0x12), bootloader.c:71``."""
        info = self._debug.at(address, self._code_at)
        location = None if info is None else info.location(address)
        name = (self.symbols if info is None else info.symbols).name(address)
        return name if location is None else f"{name}, {location.place}"

    def _code_at(self, address: int, size: int) -> bytes | None:
        try:
            return self.memory.read(address, size)
        except Refused:
            return None

    # --- running

    def run(self) -> None:
        """Run and stop as the front says; for ever."""
        resume = self.at_reset()
        while True:
            resume = self._run(resume)

    def at_reset(self, boot: int | None = None) -> Resume:
        """To the first instruction of a boot; None: the one where it goes wrong."""
        return Resume(boot or self.boots, to=1, drops_edits=True)

    def _run(self, resume: Resume) -> Resume:
        """From reset. Returns with what is to be done next, in another run."""
        if resume.drops_edits or resume.boot != self.boot:
            self._edits.clear()
        self.boot, self._resume, self.end = resume.boot, resume, ""
        self._jump = self._hit = None
        self._seen_access, self._poll_at = 0, _POLL_EVERY
        self._stepper.begin()
        self._arm()
        start = self.film.starts[self.boot - 1]
        self._shot = _Told(self._subject, start, self._options, self._operates)
        try:
            self._shot.run()
        except _Again as again:
            return again.resume
        except PathLeft as left:  # after a change by the user
            return self._ended(Stop(Signal.TRAP, str(left)))
        return self._ended(self._end_of(self._shot))

    def _end_of(self, shot: Shot) -> Stop:
        if shot.violation is not None:
            return Stop(Signal.ABORT, f"VIOLATION {shot.frames[-1].text}")
        if shot.survived is not None:
            return Stop(Signal.POWER, shot.frames[-1].text)
        return Stop(Signal.TRAP, f"the boot is at rest: {shot.end}", edge="end")

    def _ended(self, stop: Stop) -> Resume:
        self.end = stop.text
        if not self._edits:
            self.ends[self.boot] = self._stepper.number
        if self._resume.is_back:  # from the end: there it was, and there it goes back from
            return self._went_back()
        while True:
            resume = self.front.stopped(stop)
            if self._is_elsewhere(resume):
                return resume

    def _is_elsewhere(self, resume: Resume) -> bool:
        """Whether it takes another run."""
        is_behind = resume.to is not None and resume.to < self.number
        return resume.boot != self.boot or resume.is_back or resume.drops_edits or is_behind

    def _stand(self, stop: Stop) -> None:
        """Until the front says go on."""
        number = self._stepper.number
        self._edits = [edit for edit in self._edits if edit[0] <= number]
        resume = self.front.stopped(stop)
        while resume.to == number and not self._is_elsewhere(resume) and not self.is_within:
            resume = self.front.stopped(resume.stop)
        if self._is_elsewhere(resume) or resume.to == number:
            raise _Again(resume)
        self._resume = resume

    # --- called by the machine

    def _reached(self, pc: int) -> None:
        number, self._pc = self._stepper.number, pc
        if self._resume.is_back and number < self._called_from:  # maybe millions of times
            if pc in self._breakpoints:
                self._hit = number, _AT_BREAKPOINT
            return
        for at, edit in self._edits:
            if at == number:
                edit()
        stop = self._why(number, pc)
        if stop is not None:
            self._stand(stop)
        self._arm()
        if self._jump is not None:
            pc, self._jump = self._jump, None
            raise Elsewhere(pc)

    def _why(self, number: int, pc: int) -> Stop | None:
        """Why it is to stop at this instruction; None: it is not."""
        resume = self._resume
        counts = (resume.breaks or resume.is_back) and pc in self._breakpoints
        hit = _AT_BREAKPOINT if counts else None
        if resume.to is not None and number >= resume.to:
            if resume.is_back:
                raise _Again(self._went_back())
            return hit or resume.stop
        if resume.is_back and hit is not None:
            self._hit = number, hit
        elif hit is not None:
            return hit
        if resume.within is not None and pc not in resume.within:
            return resume.stop
        return self._polled(number)

    def _polled(self, number: int) -> Stop | None:
        if number < self._poll_at:
            return None
        self._poll_at = number + _POLL_EVERY
        if not self.front.wants_stop():
            return None
        stop = Stop(Signal.INTERRUPT, "interrupted")
        if self._resume.is_back:  # not somewhere on the way
            assert self._resume.to is not None
            raise _Again(self._resume.at(self._resume.to, stop))
        return stop

    def _went_back(self) -> Resume:
        """To the last hit on the way; to reset where there was none."""
        begin = 1, Stop(Signal.TRAP, "this is the reset of the boot", edge="begin")
        return self._resume.at(*(self._hit or begin))

    def _accessed(self, place: int, size: int, is_write: bool) -> None:
        resume, number = self._resume, self._stepper.number
        if not self._watchpoints or not (resume.breaks or resume.is_back):
            return
        address = self.machine.space.seen_at(place)
        if is_write and self.memory.is_flash(address):
            return  # nothing changes yet: see ``_operates``
        for watchpoint in self._watchpoints:
            if watchpoint.is_hit(address, size, is_write=is_write):
                self._hits(number, watchpoint)
                return

    def _operates(self, operation: Operation) -> None:
        """Flash changes by operations, and an erase stores nothing to what it erases."""
        if not self._watchpoints or not (self._resume.breaks or self._resume.is_back):
            return
        flash = self.machine.flash
        touched = touched_by(operation, flash)
        for watchpoint in self._watchpoints:
            if watchpoint.kind == "read" or not self.memory.is_flash(watchpoint.place):
                continue
            place = self.memory.physical(watchpoint.place)
            if place < touched.stop and touched.start < place + watchpoint.size:
                self._hits(self._stepper.number, watchpoint)
                return

    def _hits(self, number: int, watchpoint: Watchpoint) -> None:
        """gdb steps over the access, in either direction, and looks what has changed."""
        stop = Stop(watchpoint=watchpoint)
        if self._resume.is_back:
            self._hit = number, stop
        elif self._seen_access != number:
            self._seen_access, self._pc, self.is_within = number, self.machine.pc(), True
            try:
                self._stand(stop)
            finally:
                self.is_within = False
            self._arm()

    def _arm(self) -> None:
        """Be called again where that is needed."""
        number, resume = self._stepper.number, self._resume
        wanted_at = self._breakpoints if resume.breaks or resume.is_back else set[int]()
        if wanted_at != self._called_at:
            self._called_at = set(wanted_at)
            self._stepper.call_at(wanted_at)
        wanted = [self._poll_at, *(at for at, _ in self._edits if at > number)]
        if resume.to is not None:
            wanted.append(resume.to)
        self._called_from = number + 1 if resume.within is not None else min(wanted)
        self._stepper.call_from(self._called_from)

    # --- what the user sets

    def set_breakpoints(self, addresses: Iterable[int]) -> None:
        """All that there are."""
        places = [self.memory.canonical(address & ~1) for address in addresses]
        self._breakpoints = {at for place in places for at in self.memory.seen_at(place)}

    def set_watchpoints(self, watchpoints: Iterable[Watchpoint]) -> None:
        """All that there are."""
        self._watchpoints = list(watchpoints)
        self._stepper.watch(range(w.place, w.place + w.size) for w in self._watchpoints)

    def edit(self, change: Callable[[], object]) -> None:
        """Do it now, and again whenever the boot comes by here. Raises Refused, also where the boot
        is over."""
        if self.end:
            raise Refused(f"the boot is over ({self.end}): go back before you change anything")
        change()
        self._edits.append((self._stepper.number, change))

    def jump(self, pc: int) -> None:
        """Go on at *pc*; within ``edit``."""
        self._jump = pc & ~1
