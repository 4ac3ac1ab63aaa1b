"""The emulated flash by itself: bulk and single operations, fork, digest, save and load.

Beside it, in the same run, a peer where it is installed: the in-memory block device of
littlefs-python (``pip install littlefs-python``), a bytearray that knows no rules, no marks, no
power. Medians of several runs.

    python benchmarks/flash.py [--runs 5] [--json]
"""

import argparse
import json
import statistics
import time
import tracemalloc
from collections.abc import Callable

from flash_emulator import EmulatedFlash, load_part

MIB = 1024 * 1024
L4, U5, LARGE = "STM32L476xG", "STM32U575xI", "STM32U5A5xJ"
IMAGE = bytes(i * 2654435761 >> 13 & 0x7F for i in range(MIB))


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median(runs: int, prepare: Callable[[], Callable[[], object]]) -> float:
    return statistics.median(timed(prepare()) for _ in range(runs))


def erased() -> EmulatedFlash:
    return EmulatedFlash(load_part(L4))


def bulk_program() -> Callable[[], object]:
    """1 MiB in 8-byte units, as 512 calls of one sector each."""
    device = erased()
    base = device.part.base

    def work() -> None:
        for offset in range(0, MIB, 2048):
            device.program(base + offset, IMAGE[offset : offset + 2048])

    return work


def one_call() -> Callable[[], object]:
    device = erased()
    return lambda: device.program(device.part.base, IMAGE)


def unit_by_unit(count: int) -> Callable[[], Callable[[], object]]:
    def prepare() -> Callable[[], object]:
        device = erased()
        base = device.part.base

        def work() -> None:
            for offset in range(0, 8 * count, 8):
                device.program(base + offset, IMAGE[offset : offset + 8])

        return work

    return prepare


def erases() -> Callable[[], object]:
    device = erased()
    device.program(device.part.base, IMAGE)

    def work() -> None:
        for offset in range(0, MIB, 2048):
            device.erase(device.part.base + offset)

    return work


def full(name: str) -> EmulatedFlash:
    device = EmulatedFlash(load_part(name))
    for offset in range(0, device.part.size, MIB):
        device.program(device.part.base + offset, IMAGE)
    return device


def forks(count: int) -> Callable[[], Callable[[], object]]:
    def prepare() -> Callable[[], object]:
        device = full(U5)

        def work() -> None:
            for _ in range(count):
                device.fork()

        return work

    return prepare


def digests(count: int) -> Callable[[], Callable[[], object]]:
    """After every single program, as a crash explorer would."""

    def prepare() -> Callable[[], object]:
        device = erased()
        device.digest()

        def work() -> None:
            for offset in range(0, 8 * count, 8):
                device.program(device.part.base + offset, IMAGE[offset : offset + 8])
                device.digest()

        return work

    return prepare


def restored() -> Callable[[], object]:
    saved = full(U5).save()
    return lambda: EmulatedFlash.load(saved)


def peer_units(count: int) -> float | None:
    try:
        from littlefs.context import UserContext
    except ImportError:
        return None

    class Config:
        block_size, block_count, read_size, prog_size = 2048, 512, 8, 8

    device = UserContext(MIB)

    def work() -> None:
        for offset in range(0, 8 * count, 8):
            block, within = divmod(offset, 2048)
            device.prog(Config, block, within, IMAGE[offset : offset + 8])

    return timed(work)


def memory_of(name: str) -> tuple[int, int]:
    """KiB of a programmed device, and of a fork that changed one unit."""
    tracemalloc.start()
    device = full(name)
    whole = tracemalloc.get_traced_memory()[0]
    fork = device.fork()
    fork.erase(fork.part.base)
    fork.program(fork.part.base, bytes(fork.part.program_unit))
    both = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return whole // 1024, (both - whole) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    runs, count = options.runs, 20_000
    peer = [seconds for _ in range(runs) if (seconds := peer_units(count)) is not None]
    whole, changed = memory_of(LARGE)
    figures = {
        "program 1 MiB, 8-byte units, a sector a call (s)": median(runs, bulk_program),
        "program 1 MiB, 8-byte units, one call (s)": median(runs, one_call),
        "program unit by unit (us each)": median(runs, unit_by_unit(count)) / count * 1e6,
        "peer: littlefs-python prog, unit by unit (us each)": (
            statistics.median(peer) / count * 1e6 if peer else "not installed"
        ),
        "erase 512 sectors of 2 KiB (us each)": median(runs, erases) / 512 * 1e6,
        "fork of a full 2 MiB part (us)": median(runs, forks(200)) / 200 * 1e6,
        "program one unit and take the digest (us)": median(runs, digests(5000)) / 5000 * 1e6,
        "load a saved full 2 MiB part (ms)": median(runs, restored) * 1e3,
        "memory of a full 4 MiB part (KiB)": whole,
        "memory of a fork that erased one sector (KiB)": changed,
    }
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:54}", value if isinstance(value, str | int) else f"{value:.4g}")


if __name__ == "__main__":
    main()
