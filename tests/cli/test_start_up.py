"""What a command must not import before it needs it; each of these takes longer than click itself.

Time is not what is tested: a busy machine would decide. Modules are, each command in a process of
its own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flash_emulator import load_part
from mcu_updater.board import Board, save_board

FOREIGN = (
    "cryptography",
    "elftools",
    "importlib.metadata",
    "jinja2",
    "pydantic",
    "secrets",
    "unicorn",
)
"""What no command needs that only says something."""
EMULATOR = (
    "flash_emulator.device",
    "flash_emulator.explore",
    "flash_emulator.machine.board_model",
    "mcu_updater.board",
    "mcu_updater.core.updater",
    "mcu_updater.quectel",
)
NOT_IMPORTED = {
    "--version": (*FOREIGN, *EMULATOR, "rich", "hashlib", "mcu_updater.stm32", "mcu_updater.files"),
    "flash --help": (*FOREIGN, *EMULATOR, "rich", "serial", "multiprocessing"),
    "board status": (
        *FOREIGN,
        "flash_emulator.explore",
        "flash_emulator.machine",
        "multiprocessing",
    ),
    "powerloss --help": (*FOREIGN, "rich", "flash_emulator.machine.board_model"),
}

CODE = """
import sys
from mcu_updater.start import main
sys.argv = ["mcu-updater", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("\\n" + " ".join(sys.modules))
"""


@pytest.mark.parametrize("command", NOT_IMPORTED)
def test_what_is_not_needed_is_not_imported(command: str, tmp_path: Path) -> None:
    words = command.split()
    if words[0] == "board":
        save_board(Board.new(load_part("STM32L476xG"), "1.0.0"), tmp_path / "board.json")
        words.append(str(tmp_path / "board.json"))
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *said, modules = done.stdout.rstrip("\n").split("\n")
    assert any(said)
    assert set(NOT_IMPORTED[command]) & set(modules.split()) == set()
