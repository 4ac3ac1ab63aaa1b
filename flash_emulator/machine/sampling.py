"""Interruptions between flash operations: power that goes, resets by pin and by watchdog.

A search cuts power within each flash operation, and before and after it. Between two operations
nothing changes in flash, so a cut there leaves what a cut before the next one leaves. A reset is
another matter: RAM, and what the backup domain holds, stay. So at moments near flash activity one
boot is interrupted, and what comes of it is judged as a search judges it.

This is a sample and says so: of all moments between two basic blocks that lie near an operation,
all are tried, or as many as asked for, evenly spread; each in the first boot of the board, once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.machine.board import Board
from flash_emulator.machine.hosts.session import hosted
from flash_emulator.machine.judging import Judge
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.subject import a_machine
from flash_emulator.machine.symbols import Symbols
from flash_emulator.registers import SystemReset
from flash_emulator.subject import ExternalState, Nothing, Violation

_NOTHING = Nothing()
POWER, PIN, WATCHDOG = "power", "pin", "watchdog"
KINDS = (POWER, PIN, WATCHDOG)
_REASONS = {PIN: "NRST", WATCHDOG: "watchdog"}


@dataclass(frozen=True, slots=True)
class Moment:
    """Between two blocks: *counted* bytes of code are executed since power-on, and *pc* is next."""

    counted: int
    pc: int


@dataclass(frozen=True, slots=True)
class Found:
    """What was wrong after an interruption of *kind* at *moment*, and in words where that was."""

    kind: str
    moment: Moment
    where: str
    question: str
    text: str

    def __str__(self) -> str:
        return f"{self.question}: after {self.kind} at {self.where}: {self.text}"


@dataclass(frozen=True, slots=True)
class Sample:
    """*tried* interruptions, at *moments* of the *known* ones that lie near flash operations."""

    kinds: tuple[str, ...]
    known: int
    moments: int
    tried: int
    found: tuple[Found, ...]

    def __str__(self) -> str:
        of = "all" if self.moments == self.known else f"{self.moments:,} of"
        kinds = ", ".join(self.kinds)
        return (
            f"{self.tried:,} interruptions ({kinds}) at {of} {self.known:,} moments near flash "
            f"operations of the first boot: {len(self.found) or 'no'} findings"
        )


def sample(
    board: Board,
    *,
    kinds: Sequence[str] = KINDS,
    near: int = 64,
    most: int | None = 500,
    symbols: Symbols | None = None,
) -> Sample:
    """Interrupt the first boot of *board* at moments near its flash operations.

    *near*: bytes of code before and behind an operation. *most*: moments, evenly spread; None: all.
    Raises Violation where the boot that is left alone is wrong already.
    """
    symbols = symbols or Symbols()
    with a_machine(board) as machine:
        moments = _moments(board, machine, symbols, near)
        known = len(moments)
        if most is not None and known > most:
            moments = [moments[index * known // most] for index in range(most)]
        found = [
            each
            for moment in moments
            for kind in kinds
            if (each := _interrupted(board, machine, symbols, moment, kind)) is not None
        ]
    return Sample(tuple(kinds), known, len(moments), len(moments) * len(kinds), tuple(found))


def _started(board: Board) -> EmulatedFlash:
    flash = board.flash()
    flash.power_on()
    return flash


def _judged(
    board: Board,
    machine: Machine,
    symbols: Symbols,
    flash: EmulatedFlash,
    external: ExternalState = _NOTHING,
) -> str:
    judge = Judge(board, symbols, flash, machine)
    with hosted(machine, board.host, external) as host:
        try:
            ended = machine.boot(flash)
        except _PowerGone as gone:
            gone.left = external if host is None else host.surviving(external)[0][1]
            raise
    return judge.judge(ended)


def _moments(board: Board, machine: Machine, symbols: Symbols, near: int) -> list[Moment]:
    """Every stop between two blocks near an operation, of the boot that is left alone."""
    places: list[int] = []
    machine.interrupter = None
    machine.guard = lambda _operation, _pc: places.append(machine.engine.meter.counted)
    try:
        _judged(board, machine, symbols, _started(board))
    finally:
        machine.guard = None
    steps = _Steps(machine, places, near)
    machine.interrupter = steps
    try:
        _judged(board, machine, symbols, _started(board))
    finally:
        machine.interrupter = None
    return steps.moments


class _Steps:
    """Stops before every block near one of *places*, and notes where."""

    def __init__(self, machine: Machine, places: list[int], near: int) -> None:
        self._machine, self._places, self._near = machine, sorted(places), near
        self.moments: list[Moment] = []

    def next_stop(self, counted: int) -> int | None:
        index = bisect_right(self._places, counted - self._near)
        if index == len(self._places):
            return None
        return max(counted + 1, self._places[index] - self._near)

    def stopped(self, counted: int) -> None:
        stop = self.next_stop(counted)
        is_near = stop is not None and stop <= counted + 1
        if is_near and (not self.moments or self.moments[-1].counted < counted):
            self.moments.append(Moment(counted, self._machine.pc()))


class _PowerGone(BaseException):
    left: ExternalState = _NOTHING
    """What survives of the host."""


class _Once:
    """Interrupts at *moment*, once."""

    def __init__(self, moment: Moment, kind: str) -> None:
        self._at, self._kind = moment.counted, kind

    def next_stop(self, counted: int) -> int | None:
        return self._at if counted < self._at else None

    def stopped(self, counted: int) -> None:
        if counted == self._at:
            self._at = -1
            if self._kind == POWER:
                raise _PowerGone
            raise SystemReset(_REASONS[self._kind], 0)


def _interrupted(
    board: Board, machine: Machine, symbols: Symbols, moment: Moment, kind: str
) -> Found | None:
    flash = _started(board)
    machine.interrupter = _Once(moment, kind)
    try:
        _judged(board, machine, symbols, flash)
    except Violation as wrong:
        where = symbols.name(moment.pc)
        return Found(kind, moment, where, wrong.question, wrong.text)
    except _PowerGone as gone:
        machine.interrupter = None
        flash = flash.fork()
        flash.power_on()
        return _after_power(board, machine, symbols, moment, flash, gone.left)
    finally:
        machine.interrupter = None
    return None


def _after_power(
    board: Board,
    machine: Machine,
    symbols: Symbols,
    moment: Moment,
    flash: EmulatedFlash,
    external: ExternalState,
) -> Found | None:
    try:
        _judged(board, machine, symbols, flash, external)
    except Violation as wrong:
        return Found(POWER, moment, symbols.name(moment.pc), wrong.question, wrong.text)
    return None
