"""One boot of a board from power-on to rest, with all that was seen on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from flash_emulator.device.trace import Operation
from flash_emulator.machine.board import Board
from flash_emulator.machine.bus import Met
from flash_emulator.machine.fault_words import in_words
from flash_emulator.machine.hosts.session import hosted
from flash_emulator.machine.judging import Guard, Judge
from flash_emulator.machine.record import Record
from flash_emulator.machine.rest import Ended
from flash_emulator.machine.symbols import Symbols
from flash_emulator.subject import Violation

Trace = Callable[[int, int], object]
"""Told of each block of code that begins: address and bytes."""


@dataclass(frozen=True, slots=True)
class SeenBoot:
    """*ended*: None where an operation was done that the board forbids. *verdict*: a short word.
    *operations*: with the PC at each; units that one place programs in a row are one. *faults*:
    the last of them, in words. *host*: what the board's host did, in words."""

    ended: Ended | None
    verdict: str
    violation: Violation | None
    record: Record
    met: Met
    operations: tuple[tuple[Operation, int], ...]
    time_us: float
    instructions: int
    faults: tuple[str, ...] = ()
    host: tuple[str, ...] = ()


def boot_once(board: Board, symbols: Symbols | None = None, trace: Trace | None = None) -> SeenBoot:
    """Boot it, with nothing cut and each program unit an operation of its own.

    Raises MissingEngine where the extra ``cpu`` is not installed, HostBroken.
    """
    machine, flash = replace(board, coalesce=False, exact_pc=True).machine(), board.flash()
    if trace is not None:
        machine.engine.trace_blocks(trace)
    names = symbols or Symbols()
    if board.questions.untouched:
        machine.guard = Guard(board, names, flash)
    flash.power_on()
    ended, verdict, wrong = None, "", None
    told: tuple[str, ...] = ()
    try:
        with hosted(machine, board.host) as host:
            try:
                ended = machine.boot(flash)
            finally:
                told = () if host is None else host.in_words()
        verdict = Judge(board, names, flash, machine).judge(ended)
    except Violation as violation:
        wrong = violation
    return SeenBoot(
        ended,
        verdict,
        wrong,
        machine.record,
        machine.met,
        machine.record.joined(),
        machine.now_us,
        machine.engine.meter.counted // 2,
        tuple(in_words(fault, board, machine, names) for fault in machine.record.faults),
        told,
    )
