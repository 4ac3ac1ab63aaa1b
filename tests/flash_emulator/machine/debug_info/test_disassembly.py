"""Instructions around an address, against objdump."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from flash_emulator.machine.debug_info import read_debug_info
from flash_emulator.machine.debug_info.disassembly import disassembly
from tests.flash_emulator.machine.boards import PROGRAMS
from tests.places import ROOT

ALIASES = {"ldmia": "pop", "stmdb": "push", "ldr": "pop", "str": "push"}
"""Names of instructions that change the stack pointer, where the two readers differ."""
ELF = ROOT / "examples/c_bootloader/first_try.elf"


def objdump(elf: Path) -> dict[int, tuple[bytes, str]]:
    """Instructions by their addresses: bytes, and the mnemonic."""
    command = ["arm-none-eabi-objdump", "-d", str(elf)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for line in text.splitlines():
        match = re.match(r" +([0-9a-f]+):\t([0-9a-f ]+?) *\t([a-z.0-9]+)", line)
        if match and not match[3].startswith("."):
            words = match[2].split()
            data = b"".join(int(word, 16).to_bytes(len(word) // 2, "little") for word in words)
            found[int(match[1], 16)] = data, match[3]
    return found


@pytest.mark.judge("arm-none-eabi-binutils")
@pytest.mark.parametrize("elf", [ELF, PROGRAMS / "swap_fb.elf"], ids=lambda path: path.stem)
def test_every_instruction_is_where_objdump_has_it(elf: Path) -> None:
    info, expected = read_debug_info(elf), objdump(elf)
    known = {row.address for row in info.rows()}
    for address in sorted(set(expected) & known):
        around = disassembly(info.bytes_at, address, info.symbols, before=3, after=0)
        here = around[-1]
        assert here.address == address
        assert here.data == expected[address][0]
        stem = expected[address][1].split(".")[0]
        mnemonic = here.text.split()[0].split(".")[0]
        assert mnemonic in (stem, ALIASES.get(stem)), here
        for each in around[:-1]:
            assert expected[each.address][0] == each.data
    assert len(set(expected) & known) > 40


def test_it_stays_within_the_function_and_says_nothing_of_memory_that_is_not_there() -> None:
    info = read_debug_info(ELF)
    erase = next(each for each in info.functions() if each.name == "erase")
    first = disassembly(info.bytes_at, erase.begin, info.symbols)
    assert first[0].address == erase.begin
    assert len(first) == 4
    assert disassembly(lambda _at, _size: None, erase.begin, info.symbols) == ()
    assert disassembly(info.bytes_at, 0x2000_0000, info.symbols) == ()


def test_what_is_no_instruction_is_shown_as_a_half_word() -> None:
    info = read_debug_info(ELF)
    found = disassembly(lambda at, size: b"\xff\xff" * (size // 2 + 1), 0x0900_0000, info.symbols)
    assert {each.text for each in found} == {".hword 0xffff"}
