"""Folders that ``emit`` writes, built with arm-none-eabi-gcc once in a test run."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from flash_emulator import load_part
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
    """``hal_commands.c`` with the HAL of that part, linked for where the CPU begins."""
    folder = Path(tempfile.mkdtemp(prefix="hal-"))
    write(folder, name, strategy)
    (folder / "application.c").write_bytes((FIRMWARE / "hal_commands.c").read_bytes())
    (folder / "application.ld").write_bytes((folder / "bootloader.ld").read_bytes())
    make(folder, "build/application.bin")
    return folder / "build/application.elf"


@cache
def bootloader(name: str, strategy: Strategy) -> Path:
    """Alone: where the example application does not fit into the slot, too."""
    folder = Path(tempfile.mkdtemp(prefix="bootloader-"))
    write(folder, name, strategy)
    make(folder, "-j2", "build/bootloader.elf")
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
    write(folder, name, strategy)
    source = (folder / "application.c").read_text()
    found: dict[str, Path] = {}
    for version in versions:
        text = source
        for _, old, new in (each for each in changes if each[0] == version):
            assert old in text
            text = text.replace(old, new)
        (folder / "application.c").write_text(text)
        make(folder, "-j2", VERSION=version)
        found[version] = folder / f"{version}.elf"
        shutil.copy(folder / "build/application.elf", found[version])
    return {"bootloader": folder / "build/bootloader.elf", **found}
