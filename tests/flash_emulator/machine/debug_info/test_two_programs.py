"""Two programs on one board: names, lines, stacks and counts are of the one that is in memory."""

from __future__ import annotations

from pathlib import Path as File

import pytest

from flash_emulator.explore import Film, Nothing, Path, replay
from flash_emulator.machine.board_file import BoardFile, read_board_file
from flash_emulator.moment import Caller
from tests.cli.command_line import run
from tests.flash_emulator.machine.debug_info.two_programs import APP, BOOT, made

pytestmark = pytest.mark.judge("arm-none-eabi-gcc")
IN_RAM = 0x2000_0008


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> BoardFile:
    return read_board_file(made(tmp_path_factory.mktemp("two")))


@pytest.fixture(scope="module")
def film(board: BoardFile) -> Film:
    """Power goes where the application has the bootloader program a half word."""
    subject = board.subject.unit_by_unit
    return replay(subject, board.board.flash(), Nothing(), Path.parse("3t"))


def stack_of(film: Film) -> tuple[Caller, ...]:
    (moment,) = [each.moment for each in film.frames if each.kind == "cut" and each.moment]
    assert moment.running is not None
    return moment.running.stack


def test_code_in_ram_has_the_name_of_the_program_that_has_copied_it(
    board: BoardFile, film: Film
) -> None:
    texts = [frame.text for frame in film.frames]
    assert any("(boot_program+" in text for text in texts)
    assert any("(app_erase+" in text for text in texts)
    assert board.symbols.function(IN_RAM) is None  # whose it is memory alone can tell


def test_a_stack_goes_on_in_the_program_that_has_called(film: Film) -> None:
    stack = stack_of(film)
    assert [each.source.function for each in stack if each.source] == ["service", "store", "reset"]
    folders = [File(each.source.path).parts[-3] for each in stack if each.source]
    assert folders == ["boot", "app", "app"]
    assert stack[-1].note.startswith("another program has jumped here: lr is left of its call at")


def test_what_lies_there_no_more_has_no_lines(board: BoardFile) -> None:
    spoilt = board.board.flash()
    spoilt.power_on()
    info = board.debug.at(0x0800_4040, spoilt.read)
    assert info is not None
    assert info.path.parts[-2] == "app"

    def erased(_: int, size: int) -> bytes:
        return b"\xff" * size

    assert board.debug.at(0x0800_4040, erased) is None
    why = board.debug.why_not(0x0800_4040, erased)
    assert why == "zephyr.elf would have code at 0x0800_4040, and other bytes are there"


def number(source: str, text: str) -> int:
    (found,) = [n for n, line in enumerate(source.splitlines(), 1) if text in line]
    return found


def test_each_program_is_covered_by_itself(board: BoardFile, tmp_path: File) -> None:
    options = ("--quiet", "--jobs", 1, "--cuts", 1, "--outcomes", "before,after")
    done = run("firmware", "explore", board.path, *options, "--coverage", tmp_path / "out")
    assert "boot/zephyr.elf and app/zephyr.elf are linked for the same addresses" in done.stdout
    assert "what lies at 0x2000_0000 to" in done.stdout
    assert "program cut in service(), boot/zephyr.elf: src/main.c:14" in done.stdout
    records = (tmp_path / "out/coverage.info").read_text().split("end_of_record")
    counts = {
        name: dict(line[3:].split(",") for line in record.splitlines() if line[:3] == "DA:")
        for record in records
        for name in ("boot", "app")
        if f"SF:{board.path.parent.resolve() / name}/src/main.c" in record
    }
    behind = f"{number(BOOT, 'R(0x20000F00u) = 1;')}"
    assert counts["boot"][behind] == "0"  # the application begins before it
    assert behind == f"{number(APP, 'app_first();')}"  # a line of the same number, which runs
    assert int(counts["app"][behind]) > 0
