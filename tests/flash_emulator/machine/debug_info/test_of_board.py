"""Debug information of a whole board: chosen by what lies in memory, and by what images hold."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

from flash_emulator.machine.board_faults import BadBoardFile
from flash_emulator.machine.board_file import read_board_file
from flash_emulator.machine.debug_info import DebugInfos, read_debug_info
from tests.places import ROOT

EXAMPLE = ROOT / "examples/c_bootloader"
BOARD = EXAMPLE / "first_try.toml"


def test_each_address_has_the_program_that_lies_there() -> None:
    read = read_board_file(BOARD)
    flash = read.board.flash()
    flash.power_on()
    loader = read.debug.at(0x0800_00A8)
    assert loader is not None
    assert loader.path.name == "first_try.elf"
    start = 0x0800_8040  # of both versions
    assert read.debug.at(start) is None  # which one cannot be told
    first = read.debug.at(start, flash.read)
    assert first is not None
    assert first.path.name == "application_1.elf"
    second = read.debug.at(start, lambda at, size: flash.read(at + 0x7_8000, size))
    assert second is not None
    assert second.path.name == "application_2.elf"
    assert read.debug.at(0x0801_0000) is None
    assert "no ELF file of the board has code at 0x0801_0000" in read.debug.why_not(0x0801_0000)


def test_a_file_that_was_built_again_is_not_believed(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "boot")
    read = read_board_file(tmp_path / "boot/first_try.toml")
    shutil.copy(EXAMPLE / "bootloader.elf", tmp_path / "boot/first_try.elf")
    assert read.debug.at(0x0800_00A8) is None
    assert "first_try.elf does not hold the bytes of image" in read.debug.why_not(0x0800_00A8)
    assert read.debug.why_not(0x0800_00A8) in read.debug.missing


def board_with(tmp_path: Path, lines: str, top: str = "") -> Path:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    text = BOARD.read_text().replace('file = "first_try.elf"', lines)
    assert lines in text
    (tmp_path / "mine.toml").write_text(top + text)
    return tmp_path / "mine.toml"


def hex_of(tmp_path: Path) -> str:
    import bincopy

    file = bincopy.BinFile()
    loaded = [(0x0800_0000, 0x400)]
    info = read_debug_info(EXAMPLE / "first_try.elf")
    for address, size in loaded:
        for at, byte in enumerate(info.flashed(address, size)):
            if byte is not None:
                file.add_binary(bytes([byte]), address + at)
    (tmp_path / "boot.hex").write_text(file.as_ihex())
    return 'file = "boot.hex"'


def test_what_has_no_lines_of_its_own_takes_them_from_the_elf_that_is_named(
    tmp_path: Path,
) -> None:
    read = read_board_file(board_with(tmp_path, f'{hex_of(tmp_path)}\nelf = "first_try.elf"'))
    info = read.debug.at(0x0800_00A8)
    assert info is not None
    assert str(info.location(0x0800_00A8)).startswith("erase(), bootloader.c:")
    without = read_board_file(board_with(tmp_path, hex_of(tmp_path)))
    assert "boot.hex is no ELF file" in without.debug.why_not(0x0800_00A8)


def test_an_elf_of_another_program_is_not_believed(tmp_path: Path) -> None:
    read = read_board_file(board_with(tmp_path, f'{hex_of(tmp_path)}\nelf = "bootloader.elf"'))
    assert read.debug.at(0x0800_00A8) is None
    assert "bootloader.elf does not hold the bytes" in read.debug.why_not(0x0800_00A8)


def test_an_elf_that_is_not_there_is_a_fault_of_the_board_file(tmp_path: Path) -> None:
    path = board_with(tmp_path, 'file = "first_try.elf"\nelf = "gone.elf"')
    with pytest.raises(BadBoardFile, match=r"elf.*cannot be read.*gone\.elf: no such file"):
        read_board_file(path)


def test_sources_are_looked_for_where_the_board_file_says(tmp_path: Path) -> None:
    path = board_with(tmp_path / "board", 'file = "first_try.elf"', 'sources = ["../src"]\n')
    (tmp_path / "src").mkdir()
    (tmp_path / "board/bootloader.c").rename(tmp_path / "src/bootloader.c")
    info = read_board_file(path).debug.at(0x0800_00A8)
    assert info is not None
    assert info.source("bootloader.c") is not None


def test_other_processes_are_sent_no_debug_information() -> None:
    debug = read_board_file(BOARD).debug
    size = len(pickle.dumps(debug))
    info = debug.at(0x0800_00A8)
    assert info is not None
    list(info.rows())
    sent: DebugInfos = pickle.loads(pickle.dumps(debug))
    assert len(pickle.dumps(debug)) == size
    assert sent == debug
    assert sent.at(0x0800_00A8) is not None
