"""Lines of the same program as gcov counts them, compiled for this machine."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from flash_emulator import load_part
from flash_emulator.explore import Limits
from flash_emulator.machine.board import Board, Image, Questions
from flash_emulator.machine.coverage import Coverage
from flash_emulator.machine.image_files import read_firmware
from tests.flash_emulator.machine.boards import L476
from tests.flash_emulator.machine.coverage.covering import branches, covered, lines, number

LOGIC = Path(__file__).with_name("logic.c")
INPUT = 0x0800_4000
SEEDS = (0, 1, 5, 7, 12, 40, 255, 1_000_003)

pytestmark = [pytest.mark.judge("gcc"), pytest.mark.judge("arm-none-eabi-gcc")]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """logic.elf for the core, and logic for this machine."""
    folder: Path = tmp_path_factory.mktemp("logic")
    shutil.copy(LOGIC, folder)
    (folder / "link.ld").write_text(
        "SECTIONS { . = 0x08000000; .text : { *(.vectors) *(.text*) *(.rodata*) } "
        "/DISCARD/ : { *(.ARM.*) } . = 0x20000000; .bss : { *(.bss*) } }"
    )
    arm = "arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -g -ffreestanding -nostdlib -static -DMCU"
    _run(folder, f"{arm} -O0 -Wl,--no-warn-rwx-segments -T link.ld -o logic.elf logic.c")
    _run(folder, "gcc -O0 -g --coverage -o logic logic.c")
    return folder


def _run(folder: Path, command: str) -> str:
    done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def _covered(folder: Path, seed: int) -> Coverage:
    part, elf = load_part(L476), folder / "logic.elf"
    program = read_firmware(elf, part)
    given = Image("input", INPUT, struct.pack("<II", seed, 0))
    board = Board(part, (*program.images, given), questions=Questions(rests_in=("breakpoint",)))
    return covered(board, elf, limits=Limits(cuts=0))[1]


def _gcov(folder: Path, seed: int) -> dict[int, bool]:
    """Whether each line ran, by its number."""
    for file in folder.glob("*.gcda"):
        file.unlink()
    _run(folder, f"./logic {seed}")
    (notes,) = folder.glob("*.gcno")
    shown = _run(folder, f"gcov -t {notes.name}")
    found = re.findall(r"^ *([0-9]+\*?|#####|-): *([1-9][0-9]*):", shown, re.MULTILINE)
    return {int(line): count != "#####" for count, line in found if count != "-"}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_lines_ran(built, seed):
    """Without optimisation: every line that both know. It is compiled for two machines, so one may
    have a line that the other has not."""
    ours = {
        line: bool(count.all) for line, count in lines(_covered(built, seed), "logic.c").items()
    }
    theirs = _gcov(built, seed)
    common = ours.keys() & theirs.keys()
    assert len(common) >= 40
    assert {line: ours[line] for line in common} == {line: theirs[line] for line in common}


def test_copies_of_an_inlined_branch_are_one(built):
    """One caller has a value above the limit, the other has not: together both ways were taken."""
    coverage = _covered(built, 40)
    line = number(LOGIC, "if (value > 10u)")
    (branch,) = branches(coverage, "clamped", line)
    assert len(branch.addresses) == 2
    assert [way.boots.all for way in branch.ways] == [1, 1]
    inside = number(LOGIC, "noted += 100u")
    assert {way.to.line for way in branch.ways if way.to} >= {inside}
    below = _covered(built, 3)
    (branch,) = branches(below, "clamped", line)
    taken = {way.to.line: way.boots.all for way in branch.ways if way.to}
    assert taken[inside] == 0
    assert sum(taken.values()) == 1
