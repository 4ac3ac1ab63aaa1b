"""Register fronts: one program of a unit as firmware does it, and a reset, beside the device alone.

An operation is: status read, CR with PG, the stores of one unit, status read, CR without PG. The
ratio is to ``EmulatedFlash.program`` of the same unit in the same run. Medians of several runs.

    python benchmarks/registers.py [--runs 7] [--json]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.registers import Front, front_for
from flash_emulator.registers.locks import KEYS

PARTS = (
    "STM32L476xG",
    "STM32F103xG",
    "STM32F429xI",
    "STM32H743xI",
    "STM32U575xI",
    "STM32H563xI",
)
OPERATIONS = 2_000
RESETS = 500
PG = {"h7": 1 << 1, "h7ab": 1 << 1, "h5": 1 << 1, "f4": 1 << 0 | 0b10 << 8}  # F4: PSIZE x32
STORES = {"f1": (2, 1), "f4": (4, 1)}  # bytes of a store, stores of an operation


def each_us(work: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) / count * 1e6


def device_alone(name: str) -> float:
    device = EmulatedFlash(load_part(name))
    base, unit = device.part.base, device.part.program_unit
    data = bytes(range(1, unit + 1))

    def work() -> None:
        for index in range(OPERATIONS):
            device.program(base + index * unit, data)

    return each_us(work, OPERATIONS)


def offset_of(front: Front, name: str) -> int:
    """Of a register of the first bank, as the family calls it."""
    names = {name, f"NS{name}", f"{name}1"}
    registers = {register.name: register.offset for register in front.registers}
    return next(registers[found] for found in registers if found in names)


def through_the_front(name: str) -> float:
    front = front_for(EmulatedFlash(load_part(name)))
    part, family = front.part, front.part.family
    sr, cr, keyr = (offset_of(front, register) for register in ("SR", "CR", "KEYR"))
    width, stores = STORES.get(family, (4, part.program_unit // 4))
    enable, size = PG.get(family, 1 << 0), width * stores
    for key in KEYS:
        front.write(keyr, 4, key)

    def work() -> None:
        address = part.base
        for _ in range(OPERATIONS):
            front.read(sr, 4)
            front.write(cr, 4, enable)
            for at in range(address, address + size, width):
                front.store(at, width, 0x1234)
            front.read(sr, 4)
            front.write(cr, 4, 0)
            address += size

    taken = each_us(work, OPERATIONS)
    wanted = (0x1234).to_bytes(width, "little") * (OPERATIONS * stores)
    if front.flash.read(part.base, len(wanted)) != wanted:
        raise SystemExit(f"{name}: the front did not program what it was given")
    return taken


def reset(name: str) -> float:
    front = front_for(EmulatedFlash(load_part(name)))

    def work() -> None:
        for _ in range(RESETS):
            front.reset()

    return each_us(work, RESETS)


def figures_of(name: str, runs: int) -> dict[str, float]:
    """In microseconds, but for the ratio. Runs of both kinds take turns: a busy machine is fair."""
    pairs = [(device_alone(name), through_the_front(name)) for _ in range(runs)]
    return {
        "device (us)": statistics.median(alone for alone, _ in pairs),
        "front (us)": statistics.median(front for _, front in pairs),
        "ratio": statistics.median(front / alone for alone, front in pairs),
        "reset (us)": statistics.median(reset(name) for _ in range(runs)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = {name: figures_of(name, options.runs) for name in PARTS}
    if options.json:
        print(json.dumps(figures))
        return
    for name, values in figures.items():
        print(f"{name:14}", "  ".join(f"{key} {value:.3g}" for key, value in values.items()))


if __name__ == "__main__":
    main()
