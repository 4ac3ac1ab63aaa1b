"""GNU binutils as a second reader of debug information, and programs made for it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

Place = tuple[str, str]
"""Function, and ``file:line``."""


def addr2line(elf: Path, addresses: Iterable[int]) -> dict[int, list[Place]]:
    """What it says of each, innermost first; nothing where it knows no file."""
    wanted = [hex(address) for address in addresses]
    command = ["arm-none-eabi-addr2line", "-e", str(elf), "-f", "-i", "-a", *wanted]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    parts = re.split(r"^(0x[0-9a-f]{8})\n", text, flags=re.MULTILINE)[1:]
    return {
        int(at, 16): _places(said.splitlines())
        for at, said in zip(parts[::2], parts[1::2], strict=True)
    }


def _places(lines: Sequence[str]) -> list[Place]:
    pairs = zip(lines[::2], lines[1::2], strict=True)
    found = [(name, re.sub(r" \(discriminator.*", "", place)) for name, place in pairs]
    return [(name, place.removeprefix("./")) for name, place in found if place != "??:0"]


def compiled(folder: Path, source: str, *flags: str, name: str = "made") -> Path:
    """*source* in C, at the start of flash, compiled in *folder*."""
    (folder / f"{name}.c").write_text(source)
    command = [
        *("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-ffreestanding", "-nostdlib"),
        *("-static", "-Wl,--build-id=none", "-Wl,-Ttext=0x08000000", "-Wl,-estart", *flags),
        *(f"{name}.c", "-o", f"{name}.elf"),
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / f"{name}.elf"
