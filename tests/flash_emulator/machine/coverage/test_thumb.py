"""Instructions against objdump's, and traces of blocks that something else ended."""

from __future__ import annotations

import re
import struct
import subprocess
from typing import ClassVar, cast

import pytest

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.machine.coverage.code import Branch, Code
from flash_emulator.machine.coverage.counting import Marks
from flash_emulator.machine.coverage.thumb import Instruction, decode, holds
from flash_emulator.machine.coverage.tracing import Trace, Tracer
from flash_emulator.machine.debug_info import Location, read_debug_info
from flash_emulator.machine.machine import Machine
from tests.flash_emulator.machine.boards import PROGRAMS

ELFS = sorted(PROGRAMS.glob("*.elf"))
_LINE = re.compile(r"^ *([0-9a-f]+):\t([0-9a-f ]+?) *\t(\S+)\s*(.*)$", re.MULTILINE)
_CONDITION = re.compile(r"b(eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)(\.[nw])?|cbn?z(\.n)?")
_IT = re.compile(r"i(t[te]{0,3})$")


@pytest.mark.judge("arm-none-eabi-binutils")
def test_instructions_are_what_objdump_takes_them_for():
    """Their sizes, where conditional branches lead, and what an IT instruction guards."""
    branches = its = 0
    for elf in ELFS:
        shown = subprocess.run(
            ["arm-none-eabi-objdump", "-d", elf], capture_output=True, text=True, check=True
        ).stdout
        info = read_debug_info(elf)

        def half_word(address, info=info):
            data = info.bytes_at(address, 2)
            return None if data is None else int.from_bytes(data, "little")

        for at, data, name, rest in _LINE.findall(shown):
            if name.startswith("."):
                continue
            found = decode(int(at, 16), half_word)
            assert found is not None
            assert found.size == len(data.replace(" ", "")) // 2, (elf.name, at, name)
            target = re.search(r"\b([0-9a-f]{7,8}) <", rest)
            expected = int(target[1], 16) if _CONDITION.fullmatch(name) and target else None
            assert found.target == expected, (elf.name, at, name, rest)
            it = _IT.fullmatch(name)
            guards = tuple(letter == "t" for letter in it[1]) if it else ()
            assert found.guards == guards, (elf.name, at, name)
            branches, its = branches + (expected is not None), its + bool(it)
    assert branches > 500
    assert its > 100


@pytest.mark.parametrize("condition", range(14))
def test_a_condition_holds_as_the_core_takes_it(condition):
    """it <c>; mov<c> r0, #1 for all flags."""
    machine = Machine(load_part("STM32L476xG"))
    code = struct.pack("<4H", 0xBF08 | condition << 4, 0x2001, 0xBE00, 0xBF00)
    _boot(machine, code)
    for flags in range(16):
        machine.engine.registers["xpsr"] = 0x0100_0000 | flags << 28
        machine.engine.registers["r0"] = 0
        machine.engine.run(BASE + 0x40)
        assert machine.engine.registers["r0"] == holds(condition, flags << 28)


# --- what ends a block in its midst

BASE = 0x0800_0000


def _boot(machine: Machine, code: bytes, handler: bytes = b"\x00\xbe") -> None:
    """*code* at 0x40, *handler* of every exception at 0x100."""
    vectors = struct.pack("<16I", 0x2000_1000, BASE + 0x41, *[BASE + 0x101] * 14)
    image = (vectors + code).ljust(0x100, b"\xff") + handler
    flash = EmulatedFlash(machine.part)
    flash.preload(BASE, image + b"\xff" * (-len(image) % 8))
    flash.power_on()
    machine.boot(flash)


def traced(code: str, handler: str = "00be") -> Trace:
    machine = Machine(load_part("STM32L476xG"), exact_pc=True)
    tracer = Tracer(machine)
    tracer.begin()
    _boot(machine, bytes.fromhex(code), bytes.fromhex(handler))
    return tracer.take_last()


def ran(trace: Trace) -> set[int]:
    """Offsets of half words that ran."""
    return {at - BASE for begin, end in trace.ran for at in range(begin, end, 2)}


def test_what_is_behind_a_fault_in_its_block_did_not_run():
    """ldr r1, [r0] of nobody's memory; then two instructions more of the block."""
    trace = traced("4ff0c040 0168 0131 0131 00be")  # mov.w r0, #0x60000000
    assert ran(trace) == {0x40, 0x42, 0x44, 0x100}


def test_what_is_behind_a_reset_in_its_block_did_not_run():
    """str r1, [r0] of AIRCR, for the first time; then a breakpoint."""
    code = "0249 0348 0160 0131 00be 00bf 0400fa05 0ced00e0"
    machine = Machine(load_part("STM32L476xG"), exact_pc=True)
    tracer = Tracer(machine)
    tracer.begin()
    _boot(machine, bytes.fromhex(code))
    assert machine.record.resets[0] == "SYSRESETREQ"
    assert 0x46 not in ran(tracer.take_last())


def test_a_branch_that_an_exception_follows_has_gone_its_way():
    """svc in a loop: cmp r0, #3; bne back."""
    trace = traced("0020 0130 00df 0328 fbd1 00be", "7047")
    assert {(0x4A, 0x42), (0x4A, 0x4A)} <= {(end - BASE, to - BASE) for end, to in trace.went}
    assert ran(trace) == {*range(0x40, 0x4C, 2), 0x100}


def test_an_access_that_is_tried_again_takes_no_branch():
    """The second load is refused, tried again, and faults: the block begins anew in its midst, and
    that is where its branch would lead."""
    trace = traced("4ff0c040 0121 0168 0029 fcd1 00be")
    assert not {(end - BASE, to - BASE) for end, to in trace.went} & {(0x4A, 0x46), (0x4A, 0x4A)}


# --- copies of a branch


class _TwoCopies:
    """A branch at 0x10 and its copy at 0x30, which branches on the opposite condition: 0x42 is of
    the line of 0x12, and 0x32 of that of 0x20."""

    branches = (Branch(Location("f", "a.c", 1), "branch", (0x12, 0x20), [0x10, 0x30]),)
    instructions: ClassVar = {
        0x10: Instruction(0x10, 2, target=0x20),
        0x30: Instruction(0x30, 2, target=0x42),
    }
    lines: ClassVar = {0x12: 2, 0x20: 3, 0x32: 3, 0x42: 2}

    def line(self, address):
        return "a.c", self.lines[address]


@pytest.mark.parametrize(
    ("end", "to", "taken"),
    [(0x12, 0x20, True), (0x12, 0x12, False), (0x32, 0x42, False), (0x32, 0x32, True)],
)
def test_a_way_of_a_copy_is_that_which_leads_to_the_same_line(end, to, taken):
    marks = Marks(cast("Code", _TwoCopies()))
    trace = Trace(went=frozenset({(end, to), (0x99, 0x10)}))
    assert list(marks.of(trace)) == [("way", id(_TwoCopies.branches[0]), taken)]
