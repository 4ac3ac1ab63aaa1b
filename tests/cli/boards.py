"""Board files for commands, with compiled bootloaders beside them."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.places import ROOT

PROGRAMS = ROOT / "tests/flash_emulator/machine/firmware"
BOARD = """\
part = "STM32L476xG"

[[images]]
file = "boot.elf"

[[images]]
name = "old"
file = "app_1.elf"
published = true

[[images]]
name = "new"
file = "app_2.elf"
address = 0x0808_0000
published = true

[[images]]
name = "flag"
address = 0x0800_4000
words = [0x4447_5453, "size:new"]

[[slots]]
name = "application"
address = 0x0800_8000
size = 0x4_0000

[questions]
wanted = "new"
untouched = [[0x0800_0000, 0x4000]]
"""


def write_board(folder: Path, program: str = "copy_restart", text: str = BOARD) -> Path:
    """A board that installs "new", with *program* as its bootloader."""
    shutil.copy(PROGRAMS / f"{program}.elf", folder / "boot.elf")
    for name in ("app_1", "app_2"):
        shutil.copy(PROGRAMS / f"{name}.elf", folder)
    file = folder / "board.toml"
    file.write_text(text, encoding="utf-8")
    return file
