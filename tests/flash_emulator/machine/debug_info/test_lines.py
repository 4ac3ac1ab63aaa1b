"""Source lines, inlined functions and sources, against what binutils reads."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from flash_emulator.machine.debug_info import DebugInfo, Location, read_debug_info
from tests.flash_emulator.machine.boards import PROGRAMS
from tests.flash_emulator.machine.debug_info.binutils import addr2line, compiled
from tests.places import ROOT

EXAMPLES = ROOT / "examples/c_bootloader"
COMMITTED = [
    EXAMPLES / "first_try.elf",
    ROOT / "examples/serial_bootloader/bootloader.elf",
    PROGRAMS / "selftest.elf",
    PROGRAMS / "an3155_boot.elf",
]
SOURCE = """\
static volatile unsigned *const port = (volatile unsigned *)0x40020000u;
static inline __attribute__((always_inline)) void put(unsigned value)
{
    *port = value;
}
static inline __attribute__((always_inline)) void twice(unsigned value)
{
    put(value);
    put(value + 1u);
}
__attribute__((noinline)) unsigned work(unsigned n)
{
    unsigned sum = 0u;
    for (unsigned i = 0u; i < n; i++) {
        sum += *port;
        twice(sum);
    }
    return sum;
}
void start(void)
{
    put(work(*port) + work(7u));
    for (;;) {
    }
}
"""


def said(info: DebugInfo, address: int) -> list[tuple[str, str]]:
    return [(each.function, each.place) for each in info.inlined(address)]


def check_as_binutils(elf: Path) -> int:
    """Of every half word of code that belongs to a line. Returns how many were inlined."""
    info = read_debug_info(elf)
    assert info.missing == ()
    rows = list(info.rows())
    addresses = {at for row in rows for at in range(row.address, row.end, 2)}
    expected = addr2line(elf, sorted(addresses))
    folder = f"{elf.parent}/"
    inlined = 0
    for address in sorted(addresses):
        places = [(name, place.removeprefix(folder)) for name, place in expected[address]]
        if info.symbols.function(address) is None:  # data: addr2line names what is before it
            places = [("", place) for _, place in places]
        assert said(info, address) == places, hex(address)
        inlined += len(places) > 1
    assert len(addresses) > 20
    return inlined


@pytest.mark.judge("arm-none-eabi-binutils")
@pytest.mark.parametrize("elf", COMMITTED, ids=lambda path: path.stem)
def test_every_instruction_is_of_the_line_that_addr2line_names(elf: Path) -> None:
    check_as_binutils(elf)


@pytest.mark.judge("arm-none-eabi-binutils")
@pytest.mark.judge("arm-none-eabi-gcc")
@pytest.mark.parametrize("level", ["-O0", "-O2", "-Os -flto"])
@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_every_version_of_dwarf_says_the_same(tmp_path: Path, version: int, level: str) -> None:
    elf = compiled(tmp_path, SOURCE, *level.split(), f"-gdwarf-{version}")
    assert check_as_binutils(elf) > 2
    info = read_debug_info(elf)
    names = {function.name for function in info.functions()}
    assert names == {"start", "work"}
    assert info.source("made.c") == tuple(SOURCE.splitlines())


def test_a_function_that_was_inlined_is_named_with_the_lines_of_both() -> None:
    info = read_debug_info(PROGRAMS / "xcp_boot.elf")
    nested = max((info.inlined(row.address) for row in info.rows()), key=len)
    assert [each.function for each in nested] == ["refuse", "done", "execute", "main"]
    assert {each.file for each in nested} == {"xcp_boot.c"}
    text = info.source("xcp_boot.c")
    assert text is not None
    for inner, outer in pairwise(nested):
        assert f"{inner.function}(" in text[outer.line - 1]


def test_the_place_of_an_address_is_a_function_and_a_line() -> None:
    info = read_debug_info(EXAMPLES / "first_try.elf")
    erase = next(each for each in info.functions() if each.name == "erase")
    row = next(row for row in info.rows() if row.address == erase.begin)
    assert info.location(erase.begin) == Location("erase", "bootloader.c", row.line, row.column)
    text = info.source("bootloader.c")
    assert text is not None
    assert text[erase.line - 1].startswith("static void erase")
    assert str(info.location(erase.begin)) == f"erase(), bootloader.c:{row.line}"
    assert info.location(0x0800_7000) is None


def test_rows_are_half_open_and_none_lies_over_another() -> None:
    info = read_debug_info(PROGRAMS / "selftest.elf")
    rows = sorted(info.rows(), key=lambda row: row.address)
    assert all(row.address < row.end for row in rows)
    assert all(one.end <= other.address for one, other in pairwise(rows))
    assert all(info.is_code(row.address) for row in rows)


# --- sources


def test_sources_are_looked_for_in_folders_that_are_given(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "first_try.elf", tmp_path)
    info = read_debug_info(tmp_path / "first_try.elf")
    assert info.source("bootloader.c") is None
    assert tmp_path in info.looked_in
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(EXAMPLES / "bootloader.c", tmp_path / "elsewhere")
    found = read_debug_info(tmp_path / "first_try.elf", search=[tmp_path / "elsewhere"])
    assert found.source_path("bootloader.c") == tmp_path / "elsewhere/bootloader.c"


@pytest.mark.parametrize(
    "name",
    ["/build/src/boot.c", "../src/boot.c", "./src/boot.c", "C:/build/src/boot.c"],
)
def test_a_source_that_was_compiled_elsewhere_is_found_in_the_same_folders(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/boot.c").write_text("int x;\n")
    info = read_debug_info(EXAMPLES / "first_try.elf", search=[tmp_path])
    assert info.source(name) == ("int x;",)


def test_a_header_beside_the_folder_of_its_unit_is_found(tmp_path: Path) -> None:
    for folder in ("boot", "common"):
        (tmp_path / folder).mkdir()
    (tmp_path / "common/flash.h").write_text("int x;\n")
    info = read_debug_info(EXAMPLES / "first_try.elf", search=[tmp_path / "boot"])
    assert info.source("boot/../common/flash.h") == ("int x;",)
    assert info.source("boot/../other/flash.h") is None


def test_what_is_no_text_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "binary.c").write_bytes(b"a\0b")
    (tmp_path / "folder.c").mkdir()
    (tmp_path / "latin.c").write_bytes(b"int gr\xf6\xdfe;\n")
    info = read_debug_info(EXAMPLES / "first_try.elf", search=[tmp_path])
    assert info.source("binary.c") is None
    assert info.source("folder.c") is None
    assert info.source("latin.c") == ("int gr\ufffd\ufffde;",)
    assert info.source("") is None
    assert info.source("a\0b.c") is None


# --- without DWARF


@pytest.mark.judge("arm-none-eabi-binutils")
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--strip-debug", ["has no lines: compiled without -g, or stripped", "call frame"]),
        ("--strip-all", ["names no function: its symbols are stripped", "has no lines"]),
    ],
)
def test_what_was_stripped_is_told(tmp_path: Path, option: str, words: list[str]) -> None:
    elf = tmp_path / "boot.elf"
    command = ["arm-none-eabi-strip", option, str(EXAMPLES / "first_try.elf"), "-o", str(elf)]
    subprocess.run(command, check=True)
    info = read_debug_info(elf)
    for word in words:
        assert word in "; ".join(info.missing)
    assert info.location(0x0800_00A8) is None
    names = [each.name for each in info.functions()]
    assert ("erase" in names) == (option == "--strip-debug")
    stack = info.unwind({"pc": 0x0800_00AC, "sp": 0x2000_1000, "lr": 0x0800_0101}, lambda _: 0)
    assert len(stack) == 1
    assert re.match("no call frame information for 0x0800_00AC", stack[0].note)
