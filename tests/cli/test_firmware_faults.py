"""Firmware that goes wrong at once: words that name PC, address and what to do; no traceback.

Each program is a few instructions of Thumb code at 0x0800_0040, behind its vector table.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cli.command_line import run

CODE = """\
part = "STM32L476xG"
[[images]]
name = "code"
address = 0x0800_0000
hex = "{hex}"
[[slots]]
name = "application"
address = 0x0800_8000
size = 0x1000
[limits]
instructions = 200_000
"""
_REACHES = "01 48 {access} fe e7 00 bf"  # ldr r0, [pc, #4]; ...; b .; nop; the address
STORES, LOADS, JUMPS = (_REACHES.format(access=code) for code in ("00 60", "00 68", "00 47"))


def board(folder: Path, code: str, address: int | None = None, *, handlers: bool = False) -> Path:
    handler = 0x0800_0081 if handlers else 0
    table = [0x2001_8000, 0x0800_0041, *[handler] * 14]
    data = b"".join(word.to_bytes(4, "little") for word in table) + bytes.fromhex(code)
    if address is not None:
        data += address.to_bytes(4, "little")
    data = data.ljust(0x80, b"\0") + bytes.fromhex("fee7")  # the handler: b .
    file = folder / "board.toml"
    file.write_text(CODE.format(hex=data.hex()), encoding="utf-8")
    return file


WRONG = {
    "no instruction": ("01 de", None, "0x0800_0040 is no instruction of a Cortex-M4: 0xDE01"),
    "a store to nowhere": (STORES, 0x0900_0104, "0x0800_0042 reads or writes 0x0900_0"),
    "a load from nowhere": (LOADS, 0x4FFF_FFFC, "registers that nobody models"),
    "external memory": (LOADS, 0x9000_0000, "external memory, which is not modelled"),
    "RAM that is not there": (STORES, 0x2FFF_0000, "machine.ram in the board file gives it more"),
    "a jump to nowhere": (JUMPS, 0x3000_0001, "0x3000_0000 was to be executed, where STM32L476xG"),
    "erased flash": (JUMPS, 0x0800_4001, "0x0800_4000 was to be executed, and flash is erased"),
    "a loop": ("00 20 01 30 fd e7", None, "budget at 0x0800_004"),
    "sleep": ("30 bf", None, "sleep at 0x0800_0040: WFI, and no interrupt"),
    "a branch to itself": ("fe e7", None, "questions.rests_in = ['loop']"),
    "a breakpoint": ("03 be", None, "Where that is its place to rest, say questions.rests_in"),
    "no Thumb": (JUMPS, 0x0800_0040, "0x0800_0040"),
}


@pytest.mark.parametrize("command", ["run", "explore"])
@pytest.mark.parametrize("name", WRONG)
def test_what_goes_wrong_is_told(tmp_path, name, command):
    code, address, said = WRONG[name]
    file, began_s = board(tmp_path, code, address), time.monotonic()
    words = ("--quiet", "--jobs", 1) if command == "explore" else ()
    result = run("firmware", command, file, *words)
    assert result.exit_code == 7, result.output
    assert "not live" in result.output
    assert said in result.output, result.output
    assert time.monotonic() - began_s < 20
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", ["no instruction", "a store to nowhere", "erased flash"])
def test_a_fault_whose_handler_hangs_is_told_with_what_it_was(tmp_path, name):
    code, address, said = WRONG[name]
    result = run("firmware", "run", board(tmp_path, code, address, handlers=True))
    assert result.exit_code == 7
    assert "error: " in result.stderr and "loop at 0x0800_0080" in result.stderr
    assert f"the last fault: {said}" in result.stderr
    assert "exceptions:\n    HardFault from 0x0800_" in result.output


def test_a_register_that_nobody_models_is_named(tmp_path):
    result = run("firmware", "run", board(tmp_path, STORES, 0x5006_0010))
    assert "registers that nobody models:\n    0x5006_0010 (1 times)\n" in result.output


def test_many_registers_are_named_in_part(tmp_path):
    """adds r0, #4; str r0, [r0]; b back: through 0x5006_0000 and on."""
    code = "01 48 04 30 00 60 fc e7 00 00 06 50"
    result = run("firmware", "run", board(tmp_path, code))
    assert result.exit_code == 7
    assert " more\n" in result.output
    assert len(result.output.splitlines()) < 60


def test_a_reset_that_never_ends(tmp_path):
    """str of 0x05FA_0004 to AIRCR."""
    code = "02 48 03 49 01 60 fe e7 00 bf 00 bf 0c ed 00 e0 04 00 fa 05"
    result = run("firmware", "run", board(tmp_path, code))
    assert result.exit_code == 7
    assert "resets:\n    SYSRESETREQ, 20 times\n" in result.output
    assert "limits.resets is how often it may" in result.stderr


def test_without_a_vector_table_it_is_no_board(tmp_path):
    file = board(tmp_path, "fe e7")
    file.write_text(file.read_text().replace('hex = "00800120', 'hex = "ffffffff'))
    result = run("firmware", "run", file)
    assert result.exit_code == 3
    assert "images[1]: has no vector table at its start" in result.stderr
    assert "line 2: " in result.stderr
