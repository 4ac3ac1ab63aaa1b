"""``flash --stub`` beside our host at the boot ROM: seconds, wire bytes, turns, share of the line.

    .venv/bin/python benchmarks/loader_stub_figures.py [--size N] [--window N] [--clock-hz N]

The stub's machine code is executed; time is virtual (benchmarks/loader_stub/chip.py). Its upload
through the ROM, read back, and Go are in its figures, and CRCs before and after. Our host
without stub is its own estimate of a plan, without finding out the differences; a turn costs the
latency. Both: a blank L476 with typical flash times, as in benchmarks/stm32_serial.py. The line
rate is that of the image's bytes once, of 11 bits each.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from benchmarks.loader_stub.chip import StubChip
from flash_emulator import EmulatedFlash, load_part
from flash_emulator.bootrom.times import with_times
from mcu_updater.cli.flasher.chips import chip_of
from mcu_updater.stm32.chip import Chip, FlashTimes
from mcu_updater.stm32.estimate import READ_OVERHEAD, WRITE_OVERHEAD, LineSpeed, estimate
from mcu_updater.stm32.firmware import Firmware, Segment
from mcu_updater.stm32.plan import make_plan
from mcu_updater.stm32.stub.images import STUBS
from mcu_updater.stm32.stub.session import Session
from mcu_updater.stm32.stub.writing import Given, Order, flash

ROOT = Path(__file__).resolve().parent.parent
PART, BASE = "STM32L476xG", 0x0800_0000
PROGRAM_US, ERASE_US = 81.69, 22_000.0
ROM_BAUD = 115_200


def images(size: int) -> Iterator[tuple[str, bytes]]:
    yield "random", random.Random(6).randbytes(size)
    yield "released (pybricks)", released()[:size]
    yield (
        "sparse (9 KiB in FF)",
        (ROOT / "fixtures/fixture-2.0.0.bin").read_bytes().ljust(size - 8, b"\xff") + b"the end.",
    )


def released() -> bytes:
    """`@pybricks/firmware` 7.28.0 (MIT), primehub; out of the tests' cache where it is there."""
    cached = ROOT / ".cache" / "released" / "pybricks-7.28.0-primehub.bin"
    if cached.exists():
        return cached.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--loglevel=error", "@pybricks/firmware@7.28.0"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        (package,) = Path(folder).glob("*.tgz")
        with tarfile.open(package) as tarball:
            member = tarball.extractfile("package/build/primehub.zip")
            assert member is not None
            with zipfile.ZipFile(BytesIO(member.read())) as archive:
                image = archive.read("firmware-base.bin")
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(image)
    return image


def upload(latency_ms: float) -> tuple[float, int, int]:
    """Seconds, bytes, turnarounds of the stub's way into RAM: written, read back, started."""
    code = len(STUBS[PART].data)
    blocks = -(-code // 256)
    size = 2 * code + blocks * (WRITE_OVERHEAD + READ_OVERHEAD) + 2 + 5 + 2
    turns = 5 * blocks + 2
    return size * 11 / ROM_BAUD + turns * latency_ms / 1e3, size, turns


def with_stub(image: bytes, baud: int, latency_ms: float, given: argparse.Namespace) -> str:
    part, _ = with_times(
        load_part(PART),
        "typ",
        program_unit_us=PROGRAM_US,
        sector_erase_us=ERASE_US,
        mass_erase_us=ERASE_US,
    )
    chip = StubChip(
        EmulatedFlash(part, timing="typ"), latency_ms=latency_ms, clock_hz=given.clock_hz
    )
    order = Order(Firmware((Segment(BASE, image),)), erase_chip=given.erase_all)
    bauds = (baud,) if baud != ROM_BAUD else ()
    work = flash(order, Given(STUBS[PART], host_chip(), b"", ROM_BAUD, bauds), lambda _: None)
    session = Session(work, baud=ROM_BAUD, window=given.window)
    chip.run(session)
    assert chip.flash.read(BASE, len(image)) == image
    assert session.result is not None and session.baud == baud
    assert not chip.usart.overrun_count
    took_s, size, turns = upload(latency_ms)
    took_s += chip.now_us / 1e6
    size += sum(chip.wire.byte_counts)
    cpu_s = chip.instruction_count * 2 / given.clock_hz
    line_s = len(image) * 11 / baud
    return (
        f"{took_s:8.2f} s {size:8} bytes {turns + session.turn_count:5} turns "
        f"{100 * line_s / took_s:6.1f} %   CPU at most {cpu_s:.2f} s"
    )


def host_chip() -> Chip:
    """An L476 with the times above."""
    erase_us = round(ERASE_US)
    times = FlashTimes(round(PROGRAM_US), {2048: erase_us}, erase_us, erase_us)
    return replace(chip_of(load_part(PART)), times=times)


def without_stub(image: bytes, baud: int, latency_ms: float, given: argparse.Namespace) -> str:
    chip = host_chip()
    plan = make_plan(chip, Firmware((Segment(BASE, image),)), erase_chip=given.erase_all)
    cost = estimate(plan, LineSpeed(baud, latency_ms / 1e3), checksum=False)
    line_s = len(image) * 11 / baud
    return (
        f"{cost.total_s:8.2f} s {cost.wire_bytes:8} bytes {cost.turnarounds:5} turns "
        f"{100 * line_s / cost.total_s:6.1f} %"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256 * 1024)
    parser.add_argument("--window", type=int, default=8, help="requests under way at once, 1 to 8")
    parser.add_argument("--clock-hz", type=float, default=72e6)
    parser.add_argument("--baud", type=int, action="append")
    parser.add_argument("--latency-ms", type=int, action="append")
    parser.add_argument("--only", default="", help="images whose name holds this")
    parser.add_argument("--erase-all", action="store_true", help="one mass erase")
    given = parser.parse_args()
    for name, image in images(given.size):
        if given.only not in name:
            continue
        for baud in given.baud or (115_200, 921_600):
            for latency_ms in given.latency_ms or (1, 16):
                print(f"{name:22} {baud:6} baud {latency_ms:2} ms", flush=True)
                print(f"    stub   {with_stub(image, baud, latency_ms, given)}", flush=True)
                print(f"    no stub{without_stub(image, baud, latency_ms, given)}", flush=True)


if __name__ == "__main__":
    main()
