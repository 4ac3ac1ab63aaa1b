"""Files that are no firmware, or damaged: words, nothing raised, nothing that hangs."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from flash_emulator.machine.debug_info import read_debug_info
from flash_emulator.machine.debug_info.elf_file import in_words
from tests.flash_emulator.machine.boards import PROGRAMS
from tests.places import ROOT

ELF = (ROOT / "examples/c_bootloader/first_try.elf").read_bytes()
REGISTERS = {"pc": 0x0800_00D4, "sp": 0x2000_1000, "lr": 0x0800_0101}


def ask_all(path: Path) -> tuple[str, ...]:
    """Everything that can be asked. Returns what is missing."""
    info = read_debug_info(path)
    rows, functions = list(info.rows()), list(info.functions())
    for address in (0, 0x0800_0000, 0x0800_00A8, 0xFFFF_FFFF, *(row.address for row in rows[:9])):
        info.location(address)
        info.unwind({**REGISTERS, "pc": address}, lambda _: 0x0800_0101)
    info.source("bootloader.c")
    assert all(function.begin <= function.end for function in functions)
    return info.missing


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is no ELF file"),
        (b":00000001FF\n", "is no ELF file"),
        (b"\x7fELF", "is damaged"),
        (ELF[:40], "is damaged"),
        (ELF[:18] + b"\x03\x00" + ELF[20:], "of another architecture: EM_386, 32-bit little"),
        (ELF[:5] + b"\x02" + ELF[6:], "of another architecture"),
    ],
)
def test_what_is_no_firmware_is_told(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "boot.elf").write_bytes(data)
    assert words in "; ".join(ask_all(tmp_path / "boot.elf"))


def test_a_file_that_is_gone_and_a_folder_are_told(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in ask_all(tmp_path / "gone.elf")[0]
    assert "cannot be read: it is no file" in ask_all(tmp_path)[0]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["first_try", "xcp_boot"])
def test_nothing_that_damage_does_raises_or_hangs(tmp_path: Path, name: str) -> None:
    whole = ELF if name == "first_try" else (PROGRAMS / f"{name}.elf").read_bytes()
    chance, path = random.Random(name), tmp_path / "boot.elf"
    told = 0
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 4, 40))):
            data[chance.randrange(len(data))] = chance.choice((0, 0x7F, 0x80, 0xFF, 1))
        path.write_bytes(bytes(data[: chance.choice((len(data), chance.randrange(len(data))))]))
        told += bool(ask_all(path))
    assert told > 10


def test_what_a_reader_raises_is_told_in_a_sentence() -> None:
    assert in_words(KeyError(3)) == "KeyError (3)"
    assert in_words(AssertionError()) == "AssertionError"
    assert in_words(ValueError("expected 78, found 2", None)) == "expected 78, found 2"


def test_a_version_of_dwarf_that_nobody_knows_is_told(tmp_path: Path) -> None:
    from elftools.elf.elffile import ELFFile

    section = ELFFile(io.BytesIO(ELF)).get_section_by_name(".debug_info")
    assert section is not None
    data = bytearray(ELF)
    data[section["sh_offset"] + 4] = 6
    (tmp_path / "boot.elf").write_bytes(bytes(data))
    (text,) = ask_all(tmp_path / "boot.elf")
    assert text.startswith("boot.elf: its debug information is damaged: ")
    assert "DWARF version. Got '6'" in text
