"""Update of a full slot (448 KiB) on the emulated board: time, operations, memory, profile.

Each format runs in a process of its own, so that peak memory is its own. ``idle`` is the same
process without the update: interpreter, imports, and the emulator's arrays (1 MiB of data and one
mark a program unit); ``growth`` is what the update adds to it.

    python benchmarks/update.py [--runs 5] [--json]
"""

import argparse
import cProfile
import io
import json
import pstats
import resource
import statistics
import struct
import subprocess
import sys
import time

import bincopy

from flash_emulator import load_part
from mcu_updater.board import Board
from mcu_updater.cloud.single_device import Package, Plan
from mcu_updater.core.session import SessionOutcome

PART, LINK_ADDRESS = "STM32L476xG", 0x0800_8000
SLOT = 448 * 1024
FORMATS = ("bin", "hex", "s19")


def image(size: int) -> bytes:
    """Not compressible, no blank unit, and a vector table: every unit must be programmed."""
    words = bytes((i * 2654435761 >> 13) & 0x7F for i in range(size))
    return struct.pack("<II", 0x2000_8000, LINK_ADDRESS + 0x41) + words[8:]


def package(fmt: str, size: int) -> bytes:
    if fmt == "bin":
        return image(size)
    file = bincopy.BinFile()
    file.add_binary(image(size), LINK_ADDRESS)
    file.execution_start_address = LINK_ADDRESS + 0x41
    text = file.as_ihex(16) if fmt == "hex" else file.as_srec(16, 32)
    return str(text).encode()


def peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(fmt: str, size: int, profile: bool) -> dict[str, float | int | str]:
    """One update in this process."""
    data = package(fmt, size)
    board = Board.new(load_part(PART), "1.0.0")
    board.offer(Plan("STM32", "2.0.0", Package(data)))
    idle_kib = peak_kib()
    profiler = cProfile.Profile()
    start = time.perf_counter()
    if profile:
        profiler.enable()
    for _ in board.run():
        pass
    profiler.disable()
    wall_s = time.perf_counter() - start
    assert board.result.outcome is SessionOutcome.UPDATED
    if profile:
        text = io.StringIO()
        pstats.Stats(profiler, stream=text).sort_stats("tottime").print_stats(12)
        print(text.getvalue(), file=sys.stderr)
    usage = board.device.usage
    return {
        "format": fmt,
        "package_bytes": len(data),
        "wall_s": wall_s,
        "flash_operations": usage.programs + usage.erases,
        "idle_kib": idle_kib,
        "peak_kib": peak_kib(),
        "simulated_s": board.clock.now_s(),
    }


def in_a_process(*arguments: str) -> dict[str, float]:
    result = subprocess.run(
        [sys.executable, __file__, *arguments], check=True, capture_output=True, text=True
    )
    return dict(json.loads(result.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--one", choices=FORMATS, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, default=SLOT)
    parser.add_argument("--profile", choices=FORMATS, help="profile one format, and stop")
    options = parser.parse_args()
    if options.one or options.profile:
        figures = measure(options.one or options.profile, options.size, bool(options.profile))
        print(json.dumps(figures))
        return
    rows = []
    for fmt in FORMATS:
        runs = [
            in_a_process("--one", fmt, "--size", str(options.size)) for _ in range(options.runs)
        ]
        half = in_a_process("--one", fmt, "--size", str(options.size // 2))
        wall_s = statistics.median(run["wall_s"] for run in runs)
        growth = statistics.median(run["peak_kib"] - run["idle_kib"] for run in runs)
        rows.append(
            {
                "format": fmt,
                "package_bytes": runs[0]["package_bytes"],
                "wall_s_median": round(wall_s, 3),
                "wall_s_min": round(min(run["wall_s"] for run in runs), 3),
                "flash_operations_per_s": round(runs[0]["flash_operations"] / wall_s),
                "simulated_s": round(runs[0]["simulated_s"], 1),
                "peak_kib": max(run["peak_kib"] for run in runs),
                "growth_kib": growth,
                "growth_kib_half_image": half["peak_kib"] - half["idle_kib"],
            }
        )
    print(json.dumps(rows) if options.json else table(rows))


def table(rows: list[dict[str, object]]) -> str:
    names = list(rows[0])
    lines = [[str(row[name]) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in lines)) for i, name in enumerate(names)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in [names, *lines]
    )


if __name__ == "__main__":
    main()
