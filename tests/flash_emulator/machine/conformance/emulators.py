"""Who runs a program: this project's machine, and QEMU."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.machine.machine import Machine
from tests.flash_emulator.machine.conformance.frame import Case, Core, Result, program, results
from tests.judges import need

BOARDS = {  # of QEMU: the name, and where code lies
    "m0": ("microbit", 0),
    "m3": ("mps2-an385", 0),
    "m4": ("mps2-an386", 0),
    "m7": ("mps2-an500", 0),
    "m33": ("mps2-an505", 0x1000_0000),
}
BASE, RAM_SIZE = 0x0800_0000, 0x4000


def on_machine(core: Core, cases: list[Case]) -> list[Result]:
    part = load_part("STM32L476xG")
    machine = Machine(part, core.name, [(core.ram, RAM_SIZE)])
    flash = EmulatedFlash(part)
    image = program(core, cases, BASE)
    flash.preload(BASE, image + b"\xff" * (-len(image) % 8))
    flash.power_on()
    ended = machine.boot(flash)
    if ended.kind != "exit":
        raise AssertionError(f"{core.key}: {ended}")
    return results(core, bytes(machine.record.output), len(cases), BASE)


def on_qemu(core: Core, cases: list[Case], folder: Path) -> list[Result]:
    board, base = BOARDS[core.name]
    image = folder / f"{core.key}.bin"
    image.write_bytes(program(core, cases, base))
    command = [need("qemu-system-arm"), "-M", board, "-display", "none", "-monitor", "none",
               "-serial", "none", "-semihosting-config", "enable=on,target=native",
               "-device", f"loader,file={image},addr=0x{base:x}"]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=5)
    if ran.returncode:
        raise AssertionError(f"{core.key}: QEMU says {ran.stderr!r}")
    return results(core, ran.stdout, len(cases), base)


def qemu_version() -> str:
    ran = subprocess.run([need("qemu-system-arm"), "--version"], capture_output=True, text=True)
    found = re.search(r"version \S+", ran.stdout)
    assert found is not None
    return f"QEMU {found[0]}"
