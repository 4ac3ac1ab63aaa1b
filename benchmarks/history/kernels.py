"""Fixed pieces of work, each small enough to be done often: one in a process, CPU time.

    python kernels.py NAME

prints one JSON object: ``cpu_s``, seconds of CPU of the work without imports and preparation;
``work``, how much of ``unit`` that was. This file imports nothing of benchmarks/history and is run
by its path, so that the packages it measures are those of PYTHONPATH: an earlier commit's, too.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

BASE = 0x0800_8000
KIB = 1024
PART = "STM32L476xG"


_TIMES, _ENOUGH_S = 5, 0.4
"""A process does its work so often, or for so long; the least counts: the rest is the machine's."""


class Kernel(NamedTuple):
    """*prepare* gives the work, *amount* says how much of *unit* it is."""

    what: str
    prepare: Callable[[], Callable[[], object]]
    amount: float
    unit: str


@cache
def _content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@cache
def _records(fmt: str, content: bytes) -> bytes:
    import bincopy

    file = bincopy.BinFile()
    file.add_binary(content, BASE)
    return str(file.as_ihex(16) if fmt == "hex" else file.as_srec(16, 32)).encode()


def _decoding(fmt: str) -> Callable[[], Callable[[], object]]:
    """Decoder of the device alone, in reads of 1024 bytes of text."""

    def prepare() -> Callable[[], object]:
        from mcu_updater.core.image import ImageFormat, open_decoder

        content = _records("hex" if fmt == "hex" else "s19", _content(1024 * KIB))
        decoder = open_decoder(ImageFormat("hex" if fmt == "hex" else "srec"), BASE)
        reads = [content[at : at + 1024] for at in range(0, len(content), 1024)]

        def work() -> None:
            for read in reads:
                decoder.feed(read)
            decoder.finish()

        return work

    return prepare


def _units() -> Callable[[], object]:
    from flash_emulator import EmulatedFlash, load_part

    device = EmulatedFlash(load_part(PART))
    content, base = _content(160_000), device.part.base

    def work() -> None:
        for at in range(0, len(content), 8):
            device.program(base + at, content[at : at + 8])

    return work


def _search(scenario: str) -> Callable[[], Callable[[], object]]:
    """A power-loss search to its end, one process."""

    def prepare() -> Callable[[], object]:
        from flash_emulator.explore import SearchOptions
        from mcu_updater.powerloss import campaign
        from mcu_updater.powerloss.catalogue import filled
        from mcu_updater.powerloss.catalogue import scenario as named
        from mcu_updater.powerloss.searching import SearchSettings

        world = named(scenario, filled(PART, 700, "bin"))

        def work() -> None:
            report = campaign.explore(world, SearchSettings(SearchOptions())).report
            assert report is not None and report.passed and report.complete, scenario

        return work

    return prepare


def _update() -> Callable[[], object]:
    """An update of a whole slot from HEX on the emulated board, to its report."""
    from benchmarks.update import SLOT, package
    from flash_emulator import load_part
    from mcu_updater.board import Board
    from mcu_updater.cloud.single_device import Package, Plan
    from mcu_updater.core.session import SessionOutcome

    board = Board.new(load_part(PART), "1.0.0")
    board.offer(Plan("STM32", "2.0.0", Package(package("hex", SLOT))))

    def work() -> None:
        for _ in board.run():
            pass
        assert board.result.outcome is SessionOutcome.UPDATED, board.result

    return work


def _boots() -> Callable[[], object]:
    from benchmarks.firmware import booting, crc_board

    boot = booting(crc_board())
    boot()
    return lambda: [boot() for _ in range(100)]


def _operations() -> Callable[[], object]:
    from benchmarks.firmware import booting
    from tests.flash_emulator.machine.boards import copy_board

    boot = booting(copy_board("copy_restart", 64 * KIB))
    boot()
    return lambda: [boot() for _ in range(3)]


def _start(*arguments: str) -> Callable[[], Callable[[], object]]:
    """A whole process of the command, interpreter and imports with it."""

    def prepare() -> Callable[[], object]:
        def work() -> None:
            subprocess.run(
                [sys.executable, "-m", "mcu_updater", *arguments],
                check=True,
                stdout=subprocess.DEVNULL,
                cwd=tempfile.gettempdir(),
            )

        work()  # byte code is written, files are in memory
        return work

    return prepare


KERNELS = {
    "start": Kernel("`mcu-updater --version`, a whole process", _start("--version"), 1, "start"),
    "help": Kernel("`flash --help`, a whole process", _start("flash", "--help"), 1, "start"),
    "hex": Kernel(
        "Intel HEX of 1 MiB, decoded in 1024-byte reads", _decoding("hex"), 1.048576, "MB"
    ),
    "s19": Kernel("the same as S-records", _decoding("s19"), 1.048576, "MB"),
    "program": Kernel("a double word of an L476 programmed, a call each", _units, 20_000, "ops"),
    "update": Kernel("an update of a whole slot from HEX, all of it", _update, 1, "update"),
    "search": Kernel(
        "`powerloss --scenario trial-damaged --size 700`, to its end",
        _search("trial-damaged"),
        1,
        "search",
    ),
    "boots": Kernel(
        "compiled firmware that takes a CRC of 62 KiB and starts an image", _boots, 100, "boots"
    ),
    "operations": Kernel(
        "compiled firmware that copies 64 KiB, a double word a time", _operations, 3 * 8192, "ops"
    ),
}


def cpu_s() -> float:
    """Of this process and of those that it has waited for."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def main() -> None:
    kernel = KERNELS[sys.argv[1]]
    used = list[float]()
    while len(used) < _TIMES and sum(used) < _ENOUGH_S:
        work = kernel.prepare()
        before = cpu_s()
        work()
        used.append(cpu_s() - before)
    print(json.dumps({"cpu_s": min(used), "work": kernel.amount, "unit": kernel.unit}))


if __name__ == "__main__":
    main()
