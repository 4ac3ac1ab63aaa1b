"""``mcu-updater firmware run``: one boot, and all that was seen on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from flash_emulator.explore import tag_of
from flash_emulator.machine.board_facts import NOT_MODELLED, not_asked
from flash_emulator.machine.board_file import BoardFile
from flash_emulator.machine.first_boot import SeenBoot
from flash_emulator.printable import printable
from mcu_updater.cli import answers, paths
from mcu_updater.cli.firmware.advice import advice_on
from mcu_updater.cli.firmware.reading import first_boot, read_board
from mcu_updater.cli.firmware.trace import block_trace
from mcu_updater.cli.given import given_as
from mcu_updater.core.errors import UsageError, VerificationFailed, address_text
from mcu_updater.powerloss.firmware import polls_met, registers_met
from mcu_updater.storage import STDOUT

_MOST = 200  # operations
_SOME = 20  # registers


@dataclass(frozen=True, kw_only=True)
class Request:
    """Of ``firmware run``."""

    board: Path
    trace: Path | None
    as_json: bool


@click.command("run", short_help="Boot once, and say what was seen.")
@click.argument("board", type=paths.INPUT)
@click.option(
    "--trace",
    type=paths.OUTPUT_OR_STDOUT,
    metavar="FILE",
    help="Write each block of code that was executed: PC, function, how often in a row.",
)
@answers.json_option("One JSON object instead of text.")
@given_as(Request)
def command(given: Request) -> None:
    """Boot what BOARD describes once, from power-on to rest.

    Shows what USARTs have sent, faults, flash operations with PC and function, resets, and what
    the boot has met that is not modelled. Exit code 7 when the boot is not as the board's questions
    want it.
    """
    if given.trace == STDOUT and given.as_json:
        raise UsageError(
            "only one can have standard output", expected="--trace FILE", found="--json, too"
        )
    read = read_board(given.board)
    if given.trace is not None:
        paths.claim(given.trace, force=True)
    with block_trace(given.trace, read) as trace:
        seen = first_boot(read, trace)
    if given.as_json:
        answers.result(_values(read, seen))
    else:
        click.echo("\n".join(_lines(read, seen)))
    if seen.violation is not None:
        question, text = seen.violation.question, seen.violation.text
        raise VerificationFailed(
            tag_of(question), where=str(given.board), found=text, then=advice_on(read, seen)
        )


def _lines(read: BoardFile, seen: SeenBoot) -> Iterator[str]:
    name, record = read.symbols.name, seen.record
    yield f"{read.path}: {read.board.part.name}"
    yield from _section("sent", _sent(record.output))
    yield from _section("flash operations", _operations(read, seen))
    entered = Counter(record.exceptions)
    yield from _section(
        "exceptions",
        [f"{which} from {name(pc)}{_times(count)}" for (which, pc), count in entered.items()],
    )
    yield from _section("faults", list(seen.faults))
    resets = Counter(record.resets)
    yield from _section("resets", [f"{why}{_times(count)}" for why, count in resets.items()])
    yield from _section("registers that nobody models", _some(registers_met(seen)))
    yield from _section("polls that were cut short", polls_met(read, seen))
    if read.board.host is not None:
        yield from _section(f"host at {read.board.host.usart}", list(seen.host))
    yield f"time: {seen.time_us / 1000:,.3f} ms, {seen.instructions:,} instructions of two bytes"
    if seen.ended is not None:
        yield f"ended: {seen.ended.kind} at {name(seen.ended.pc)}: {seen.ended.text}"
    yield from _section("not asked", list(not_asked(read.board)))
    if seen.violation is None:
        yield f"verdict: as the questions want it: {seen.verdict}"
    yield f"not modelled at all: {NOT_MODELLED}"


def _section(title: str, lines: list[str]) -> Iterator[str]:
    yield f"{title}: none" if not lines else f"{title}:"
    yield from (f"    {line}" for line in lines)


def _some(lines: list[str]) -> list[str]:
    more = len(lines) - _SOME
    return [*lines[:_SOME], f"and {more:,} more"] if more > 0 else lines


def _times(count: int) -> str:
    return f", {count} times" if count > 1 else ""


def _sent(output: bytearray) -> list[str]:
    return [printable(line) for line in output.decode("latin-1").splitlines()]


def _operations(read: BoardFile, seen: SeenBoot) -> list[str]:
    lines, number = [], 0
    for operation, pc in seen.operations[:_MOST]:
        first, number = number + 1, number + operation.done
        numbers = f"{first}" if number == first else f"{first} to {number}"
        lines.append(f"{numbers}: {operation}, at {read.symbols.name(pc)}")
    more = len(seen.operations) - _MOST
    return [*lines, *([f"and {more} more"] if more > 0 else [])]


def _values(read: BoardFile, seen: SeenBoot) -> dict[str, Any]:
    name, ended, record = read.symbols.name, seen.ended, seen.record
    wrong = seen.violation
    return {
        "event": "boot",
        "part": read.board.part.name,
        "output": record.output.decode("latin-1"),
        "operations": [
            {
                "kind": operation.kind,
                "address": operation.address,
                "size": len(operation.data),
                "units": operation.done,
                "pc": pc,
                "function": name(pc),
            }
            for operation, pc in seen.operations
        ],
        "exceptions": [{"name": each, "pc": pc} for each, pc in record.exceptions],
        "faults": list(seen.faults),
        "resets": list(record.resets),
        "host": list(seen.host),
        "unmodelled_registers": {address_text(a): n for a, n in sorted(seen.met.registers.items())},
        "polls_cut_short": [
            {"address": address, "pc": pc, "count": count}
            for (address, pc), count in sorted(seen.met.polls.items())
        ],
        "time_us": round(seen.time_us, 3),
        "instructions": seen.instructions,
        "ended": None
        if ended is None
        else {"kind": ended.kind, "pc": ended.pc, "text": ended.text},
        "verdict": seen.verdict,
        "violation": None if wrong is None else {"question": wrong.question, "text": wrong.text},
    }
