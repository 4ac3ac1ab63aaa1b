"""The core in C: what it takes on the chip, and beside the core in Python.

    python -m benchmarks.core_c [NAME ...]

Names: ``size`` (bytes of code and RAM, by arm-none-eabi-gcc), ``states`` (a search of the scenario
"good" with each core, one process), ``boots`` (the same states booted by each core, without cuts),
``upgrade`` (the whole slot of an STM32L476xG on the emulated CPU, at 115,200 baud). Without any,
all of them. CPU seconds of one process.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from flash_emulator.explore import Search, SearchOptions
from flash_emulator.machine.hosts.session import hosted
from mcu_updater.board import Board
from mcu_updater.cloud.single_device import Package, Plan
from mcu_updater.core.strategy import Strategy
from mcu_updater.powerloss.catalogue import filled, scenario
from mcu_updater.powerloss.in_c import subject_of
from mcu_updater.powerloss.scenario import Core
from tests.core_c.built import make, write
from tests.core_c.device import Device
from tests.core_c.pairs import follow, states_of

PART, STRATEGY = "STM32L476xG", Strategy.REMAP
SMALL = 700
BAUD = 115_200
BITS_PER_BYTE = 10


def size() -> None:
    """What the Makefile of the emitted folder says."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, PART, STRATEGY)
        make(folder)
        print(make(folder, "size"))


def states(runs: int = 3) -> None:
    """Searches to their end."""
    target = filled(PART, SMALL, "bin")
    for core in Core:
        subject = subject_of(scenario("good", target, core=core))
        took, report = [], None
        for _ in range(runs):
            began_s = time.process_time()
            report = Search(subject, subject.flash, subject.external).run()
            took.append(time.process_time() - began_s)
            assert report.passed
        assert report is not None
        seconds = statistics.median(took)
        print(
            f"search, core in {core}: {report.states} states, {report.boots} boots, "
            f"{report.cuts:,} cuts in {seconds:.1f} s: {report.states / seconds:.1f} states/s"
        )


def boots(runs: int = 3) -> None:
    """Boots from power-on to rest."""
    target = filled(PART, SMALL, "bin")
    listed = states_of(subject_of(scenario("good", target)), SearchOptions())
    for core in Core:
        subject = subject_of(scenario("good", target, core=core))
        took = []
        for _ in range(runs):
            began_s = time.process_time()
            operations = sum(follow(subject, *each).operations for each in listed)
            took.append(time.process_time() - began_s)
        seconds = statistics.median(took)
        print(
            f"boots, core in {core}: {len(listed)} with {operations:,} flash operations in "
            f"{seconds:.1f} s: {len(listed) / seconds:.0f} boots/s"
        )


def upgrade() -> None:
    """An image as large as the slot, from the first AT to the confirmed version."""
    device = Device(PART, STRATEGY)
    slot = device.layout.slot.size  # type: ignore[union-attr]
    image = device.raw(device.second).ljust(slot, b"\x5a")
    made = device.board(image, baud=BAUD)
    board = replace(made, limits=replace(made.limits, instructions=4_000_000_000))
    machine, flash = board.machine(), board.flash()
    flash.power_on()
    began_s = time.process_time()
    with hosted(machine, board.host):
        ended = machine.boot(flash)
    took_s = time.process_time() - began_s
    assert ended.kind == "pin", ended
    said = len(machine.record.output)
    virtual_s = machine.time.now_us() / 1e6
    line_s = (len(image) + said) * BITS_PER_BYTE / BAUD
    cycles = virtual_s * board.clock_mhz * 1e6
    print(
        f"upgrade of {slot:,} bytes: {virtual_s:.1f} s of the chip's time, "
        f"{cycles / 1e6:,.0f} M cycles at {board.clock_mhz:g} MHz ({took_s:.1f} s here); "
        f"the core in Python, whose CPU takes no time: {_in_python_s(device, image):.1f} s; "
        f"the line takes {line_s:.1f} s for the bytes of image and commands"
    )
    print(f"state of the cloud: {device.clouds[-1].history[-1].state}")


def _in_python_s(device: Device, image: bytes) -> float:
    """The same upgrade on the emulated board, to the moment at which it is confirmed."""
    board = Board.new(device.part, device.first, device.raw(device.first), strategy=STRATEGY)
    board.offer(Plan("STM32", device.second, Package(image)))
    for _ in board.run():
        """On to rest."""
    return board.clock.now_s()


NAMES: dict[str, Callable[[], None]] = {
    "size": size,
    "states": states,
    "boots": boots,
    "upgrade": upgrade,
}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*NAMES, []])
    for name in parser.parse_args().names or NAMES:
        NAMES[name]()


if __name__ == "__main__":
    main()
