"""Folders that ``emit`` writes, built with arm-none-eabi-gcc.

What all build of a part and a strategy is built once in a run of the tests, by whichever worker
comes first; all others take a copy, times of files included, and make goes on from there.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from flash_emulator import load_part
from mcu_updater.core.slot import CopyLayout
from mcu_updater.core.strategy import Strategy
from mcu_updater.core_c.emit import emit
from mcu_updater.flash_map.layouts import layout_of
from tests.places import ROOT

CLOCK_MHZ = {"STM32L476xG": 48.0, "STM32F103x8": 64.0, "STM32F103xG": 64.0, "STM32U575xI": 16.0}
"""As the HALs set it."""

FIRMWARE = ROOT / "tests/core_c/firmware"


def write(folder: Path, name: str, strategy: Strategy, component: str = "STM32") -> None:
    part = load_part(name)
    for path, data in emit(part, strategy, layout_of(part, strategy), component).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


_of_the_run: list[Path] = []


def share(folder: Path) -> None:
    """*folder*: the same for all workers of this run, and of no other."""
    _of_the_run[:] = [folder]


def project(folder: Path, name: str, strategy: Strategy, *targets: str) -> None:
    """Write that of *name* into *folder*, with *targets* built."""
    if not _of_the_run:
        share(Path(tempfile.mkdtemp(prefix="built-")))
    original = _of_the_run[0] / f"{name}-{strategy}"
    with _alone(original.with_suffix(".lock")):
        if not (original / "Makefile").exists():
            write(original, name, strategy)
        make(original, "-j2", *targets)
        shutil.copytree(original, folder, dirs_exist_ok=True)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Of all workers."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make(folder: Path, *targets: str, **variables: str) -> str:
    """What it prints. Raises AssertionError with all of it where it fails."""
    given = [f"{name}={value}" for name, value in variables.items()]
    done = subprocess.run(
        ["make", "-C", str(folder), *targets, *given], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@cache
def hal_commands(name: str, strategy: Strategy) -> Path:
    """``hal_test.c`` with the HAL of that part, linked for where the CPU begins."""
    folder = Path(tempfile.mkdtemp(prefix="hal-"))
    project(folder, name, strategy, "build/hal_test.elf")
    return folder / "build/hal_test.elf"


WHOLE_CORE_TICK_MS = 100
"""A tenth of the interrupts while nothing happens; still far below what is waited for."""


Changes = tuple[tuple[str, str, str], ...]
"""Files of an emitted folder, and what stands in each of them instead of what."""


@cache
def whole_core(name: str, strategy: Strategy, verdict: str, changes: Changes = ()) -> Path:
    """``whole_core.c`` with the HAL of that part, linked for where the CPU begins.

    *verdict*: how its self-test ends, as the source says.
    """
    folder = _whole_core(name, strategy, changes)
    make(folder, "-j2", "build/application.elf", VERSION=verdict)
    shutil.copy(folder / "build/application.elf", folder / f"{verdict}.elf")
    return folder / f"{verdict}.elf"


@cache
def _whole_core(name: str, strategy: Strategy, changes: Changes) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="whole-core-"))
    write(folder, name, strategy)
    (folder / "application.c").write_bytes((FIRMWARE / "whole_core.c").read_bytes())
    script = (folder / "bootloader.ld").read_text()
    (folder / "application.ld").write_text(_elsewhere(name, strategy) + script)
    ticks = "hal/cortex_m/cortex_m.h", "TICK_MS 10u", f"TICK_MS {WHOLE_CORE_TICK_MS}u"
    for path, old, new in (ticks, *changes):
        text = (folder / path).read_text()
        assert text.count(old) == 1, (path, old)
        (folder / path).write_text(text.replace(old, new))
    return folder


_ELSEWHERE = (
    ("client", "link", "at", "scan", "event", "module", "updater", "reader"),
    ("loader", "decoder", "hex", "srec", "record", "sniff", "md5", "image", "writer"),
)


def _elsewhere(name: str, strategy: Strategy) -> str:
    """Linker script, for a boot region that is too small for all of the core: objects of the
    updater stand behind the first sectors of the execution slot, and of the first storage slot.
    No image of a test reaches to there, so neither core may touch it."""
    part = load_part(name)
    layout = layout_of(part, strategy)
    if not isinstance(layout, CopyLayout):
        return ""
    text = ""
    for number, (area, stems) in enumerate(
        zip((layout.execution, layout.storage[0]), _ELSEWHERE, strict=True)
    ):
        begin = area.slot.offset + area.slot.sector_sizes[0] * 2
        size = area.slot.offset + area.slot.size - begin
        sections = " ".join(f"*fwu_{stem}.o(.text .text.* .rodata .rodata.*)" for stem in stems)
        text += (
            f"MEMORY {{ REST_{number} (rx) : ORIGIN = {part.base + begin}, LENGTH = {size} }}\n"
            f"SECTIONS {{ .rest_{number} : {{ {sections} }} > REST_{number} }}\n"
        )
    return text


@cache
def bootloader(name: str, strategy: Strategy) -> Path:
    """Alone: where the example application does not fit into the slot, too."""
    folder = Path(tempfile.mkdtemp(prefix="bootloader-"))
    project(folder, name, strategy, "build/bootloader.elf")
    return folder / "build/bootloader.elf"


@cache
def programs(
    name: str,
    strategy: Strategy,
    versions: tuple[str, ...],
    changes: tuple[tuple[str, str, str], ...] = (),
) -> Mapping[str, Path]:
    """ "bootloader", and the application by its version: ELF files.

    *changes*: version, and what stands in application.c instead of what.
    """
    folder = Path(tempfile.mkdtemp(prefix="emitted-"))
    project(folder, name, strategy, "build/bootloader.elf", "build/application.elf")
    source = (folder / "application.c").read_text()
    found: dict[str, Path] = {}
    for version in versions:
        text = source
        for _, old, new in (each for each in changes if each[0] == version):
            assert old in text
            text = text.replace(old, new)
        (folder / "application.c").write_text(text)
        make(folder, "build/application.elf", VERSION=version)
        found[version] = folder / f"{version}.elf"
        shutil.copy(folder / "build/application.elf", found[version])
    return {"bootloader": folder / "build/bootloader.elf", **found}
