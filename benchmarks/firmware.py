"""Compiled firmware on the machine: operations and boots a second, and searches to their end.

    python -m benchmarks.firmware [NAME ...] [--runs 5]

Names: operations, boots, restart, resume, swaps; without any, all of them. The programs are those
of tests/flash_emulator/machine/firmware. CPU seconds of one process; medians of several runs where
a run is short. What a search comes to is printed, too: a figure of another verdict is none.
"""

from __future__ import annotations

import argparse
import random
import statistics
import struct
import time
import zlib
from collections.abc import Callable, Iterator

from flash_emulator import load_part
from flash_emulator.explore import Report, Search, SearchOptions
from flash_emulator.explore.report import Limits
from flash_emulator.machine.board import Board, Image
from flash_emulator.machine.rest import Rests
from flash_emulator.machine.subject import FirmwareSubject
from flash_emulator.power import Outcome
from tests.flash_emulator.machine.boards import (
    L476,
    SLOT,
    copy_board,
    program,
    swap_fb_board,
    swap_option_board,
)

KIB = 1024
CLEAN = (Outcome.BEFORE, Outcome.AFTER)


def cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def booting(board: Board) -> Callable[[], int]:
    """A boot of *board* by itself; how many flash operations it has done."""
    machine, flash, unit = board.machine(), board.flash(), board.part.program_unit

    def boot() -> int:
        twin = flash.fork()
        twin.power_on()
        machine.boot(twin)
        operations = [operation for operation, _ in machine.record.operations]
        return sum(max(1, len(operation.data) // unit) for operation in operations)

    return boot


def operations(runs: int) -> Iterator[str]:
    boot = booting(copy_board("copy_restart", 64 * KIB))
    count = boot()
    times = [cpu_s(boot) for _ in range(runs)]
    rate = count / statistics.median(times)
    yield f"{count:,} operations a boot: {rate:,.0f} a second, {1e6 / rate:.1f} us each"


def crc_board(name: str = "crc_boot", size: int = 62 * KIB) -> Board:
    """A bootloader that starts an image when the CRC over *size* bytes of it is right."""
    loader = program(name)
    image = struct.pack("<II", 0x2000_1000, SLOT + 0x41) + random.Random(1).randbytes(size - 8)
    crc = Image("crc", SLOT + size, struct.pack("<I", zlib.crc32(image)))
    return Board(
        load_part(L476),
        (*loader.images, Image("application", SLOT, image), crc),
        rests=Rests(slots=((SLOT, size),)),
    )


def boots(runs: int) -> Iterator[str]:
    for name, kib in (("crc_boot", 62), ("crc_boot_20k", 20)):
        boot, count = booting(crc_board(name, kib * KIB)), 50
        boot()
        times = [cpu_s(lambda: [boot() for _ in range(count)]) for _ in range(runs)]  # noqa: B023
        rate = count / statistics.median(times)
        yield f"CRC-32 over {kib} KiB, then the application: {rate:,.0f} boots a second"


def searched(board: Board, **options: object) -> tuple[Report, float]:
    """The search of *board* to its end."""
    found: list[Report] = []
    search_options = SearchOptions(limits=Limits(violations=None), **options)  # type: ignore[arg-type]
    subject, flash = FirmwareSubject(board), board.flash()
    taken_s = cpu_s(lambda: found.append(Search(subject, flash, options=search_options).run()))
    return found[0], taken_s


def line(what: str, report: Report, taken_s: float) -> str:
    verdict = "passed" if report.passed else f"{report.violation_count} violations"
    end = "closed" if report.complete else f"stopped by {report.stopped_by}"
    return (
        f"{what}: {end}, {verdict}, {taken_s:.1f} s; {report.states:,} states, "
        f"{report.boots:,} boots, {report.cuts:,} cuts"
    )


def restart(_runs: int) -> Iterator[str]:
    for kib in (16, 64, 256):
        board = copy_board("copy_restart", kib * KIB)
        yield line(f"starts over, {kib} KiB, all outcomes", *searched(board))


def resume(_runs: int) -> Iterator[str]:
    board = copy_board("copy_resume", 16 * KIB)
    yield line("resumes by comparing, 16 KiB, clean cuts", *searched(board, outcomes=CLEAN))


def swaps(_runs: int) -> Iterator[str]:
    yield line("swap by BFB2 and OBL_LAUNCH, all outcomes", *searched(swap_option_board()))
    yield line("copy and FB_MODE, 16 KiB, all outcomes", *searched(swap_fb_board(16 * KIB)))


PARTS = {
    "operations": operations,
    "boots": boots,
    "restart": restart,
    "resume": resume,
    "swaps": swaps,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[*PARTS, []], metavar="NAME")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    for name in arguments.names or PARTS:
        for text in PARTS[name](arguments.runs):
            print(f"{name}: {text}", flush=True)


if __name__ == "__main__":
    main()
