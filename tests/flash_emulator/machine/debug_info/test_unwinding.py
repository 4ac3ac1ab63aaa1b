"""Call stacks against what was executed, and through exception frames."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from flash_emulator.machine.debug_info import DebugInfo, StackFrame, read_debug_info
from flash_emulator.machine.debug_info.unwinding import called
from flash_emulator.machine.engine_registers import REGISTERS
from flash_emulator.machine.machine import Machine
from tests.flash_emulator.machine.boards import PROGRAMS
from tests.flash_emulator.machine.debug_info.binutils import compiled
from tests.flash_emulator.machine.debug_info.shadow import run_with_shadow
from tests.places import ROOT

EXAMPLE = ROOT / "examples/c_bootloader"
LINKED = ("-T", "memory.ld", "-Wl,--defsym=BEGIN=0x08000000")


def unwound(info: DebugInfo, machine: Machine, pc: int) -> tuple[StackFrame, ...]:
    def word(at: int) -> int | None:
        words = machine.space.pop(at, 1)
        return None if words is None else words[0]

    registers = {name: machine.engine.registers[name] for name in REGISTERS}
    return info.unwind({**registers, "pc": pc}, word)


def depths(elf: Path, part: str, every: int) -> Counter[int]:
    """Runs *elf*, and compares the stack before each instruction, one in *every*. Returns how often
    it had so many frames. Not where the program has a second stack, which it switches to in the
    middle of a function."""
    info, seen = read_debug_info(elf), Counter[int]()

    def make(machine: Machine) -> Callable[[list[int]], object]:
        count = 0

        def check(expected: list[int]) -> None:
            nonlocal count
            count += 1
            if count % every or machine.engine.registers["psp"]:
                return
            frames = unwound(info, machine, expected[0])
            called = [frame.pc for frame in frames if "by a jump" not in frame.note]
            assert called == expected, frames[-1]
            seen[len(expected)] += 1

        return check

    run_with_shadow(elf, part, make)
    assert info.missing == ()
    return seen


@pytest.mark.parametrize(
    ("name", "part", "every"),
    [("selftest", "STM32L476xG", 9), ("selftest_m0", "STM32G0B1xE", 9)],
)
def test_the_stack_is_what_was_called(name: str, part: str, every: int) -> None:
    seen = depths(PROGRAMS / f"{name}.elf", part, every)
    assert max(seen) >= 5


NESTED = """\
#define REGISTER(address) (*(volatile unsigned *)(address))
extern unsigned stack_top[];
static volatile unsigned seen;
__attribute__((noinline)) static unsigned leaf(unsigned n) { return n * seen + 3u; }
__attribute__((noinline)) static unsigned climb(unsigned n)
{
    volatile unsigned here[5];
    here[n % 5u] = n;
    return n ? climb(n - 1u) + leaf(here[n % 5u]) : leaf(1u);
}
void nmi(void) { seen += climb(2u); }
void pend(void)
{
    seen += 1u;
    REGISTER(0xE000ED04u) = 1u << 31;
    __asm volatile("dsb\\n\\tisb");
    seen += leaf(2u);
}
void start(void)
{
    seen = climb(4u);
    REGISTER(0xE000ED04u) = 1u << 28;
    __asm volatile("dsb\\n\\tisb");
    seen += leaf(7u);
    __asm volatile("bkpt 1");
}
__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_top, start, nmi, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, pend, 0,
};
"""


@pytest.mark.judge("arm-none-eabi-gcc")
@pytest.mark.parametrize(
    "flags",
    ["-O0", "-O2", "-Os", "-O3 -fomit-frame-pointer", "-O2 -flto -gdwarf-4", "-O1 -gdwarf-2"],
)
def test_recursion_and_nested_exceptions_at_every_level(tmp_path: Path, flags: str) -> None:
    shutil.copy(EXAMPLE / "memory.ld", tmp_path)
    elf = compiled(tmp_path, NESTED, "-g", *LINKED, *flags.split())
    seen = depths(elf, "STM32L476xG", 1)
    assert max(seen) >= 5


@pytest.mark.judge("arm-none-eabi-gcc")
def test_the_example_in_every_optimisation(tmp_path: Path) -> None:
    for level in ("-O0", "-O2", "-O3"):
        command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", level, "-g", "-ffreestanding"]
        link = ["-nostdlib", "-static", *LINKED]
        elf = tmp_path / f"boot{level}.elf"
        subprocess.run(
            [*command, *link, "bootloader.c", "-o", elf],
            cwd=EXAMPLE,
            check=True,
            capture_output=True,
        )
        assert sum(depths(elf, "STM32L476xG", 1).values()) > 10


# --- exception frames, as the core stacks them


def stacked(at: int, pc: int, lr: int, xpsr: int) -> dict[int, int]:
    words = (0, 1, 2, 3, 12, lr, pc, xpsr)
    return {at + 4 * index: word for index, word in enumerate(words)}


@pytest.fixture(scope="module")
def example() -> DebugInfo:
    return read_debug_info(EXAMPLE / "first_try.elf")


def of(info: DebugInfo, name: str) -> int:
    return next(each.begin for each in info.functions() if each.name == name)


@pytest.mark.parametrize(
    ("exc_return", "stack", "size"),
    [
        (0xFFFF_FFF9, "msp", 0x20),
        (0xFFFF_FFFD, "psp", 0x20),
        (0xFFFF_FFED, "psp", 0x68),
        (0xFFFF_FFE9, "msp", 0x68),
        (0xFFFF_FFB8, "msp", 0x20),
        (0xFFFF_FFBC, "psp", 0x20),
    ],
)
@pytest.mark.parametrize("padded", [0, 4])
def test_what_an_exception_has_interrupted(
    example: DebugInfo, exc_return: int, stack: str, size: int, padded: int
) -> None:
    erase, copy, nmi = of(example, "erase"), of(example, "copy"), of(example, "nmi")
    stacks = {"msp": 0x2000_0800, "psp": 0x2000_1800}
    words = stacked(stacks[stack], erase, copy + 9, 0x0100_0000 | (0x200 if padded else 0))
    registers = {"pc": nmi, "sp": stacks["msp"], "lr": exc_return, "xpsr": 2, **stacks}
    frames = example.unwind(registers, words.get)
    assert [frame.pc for frame in frames][:3] == [nmi, erase, copy + 8]
    assert frames[1].note == "NMI was taken here"
    assert frames[1].cfa == stacks[stack] + size + padded
    assert frames[0].locations[0].function == "nmi"


def test_an_exception_within_an_exception(example: DebugInfo) -> None:
    erase, hang, nmi = of(example, "erase"), of(example, "hang"), of(example, "nmi")
    words = stacked(0x2000_0800, hang, 0xFFFF_FFF9, 0x0100_0003)
    words |= stacked(0x2000_0820, erase, 0xFFFF_FFFF, 0x0100_0000)
    registers = {"pc": nmi, "sp": 0x2000_0800, "lr": 0xFFFF_FFF1, "xpsr": 2}
    frames = example.unwind(registers, words.get)
    assert [frame.pc for frame in frames] == [nmi, hang, erase]
    assert [frame.note for frame in frames[1:]] == [
        "NMI was taken here",
        "HardFault was taken here",
    ]


def test_a_stack_that_cannot_be_read_says_so(example: DebugInfo) -> None:
    def last(name: str, offset: int, lr: int, word: int | None = None) -> str:
        registers = {"pc": of(example, name) + offset, "sp": 0x2000_0800, "lr": lr, "xpsr": 3}
        return example.unwind(registers, lambda _: word)[-1].note

    assert last("nmi", 0, 0xFFFF_FFF9) == "the exception frame at 0x20000800 cannot be read"
    assert last("copy", 4, 1).startswith("the stack at 0x200008")
    elsewhere = "the return address is 0x1234_5679: no code that is known"
    assert last("erase", 0, 0x1234_5679) == elsewhere
    assert last("copy", 4, 1, 0x1234_5679) == elsewhere
    assert last("start", 4, 0xFFFF_FFFF) == ""
    assert example.unwind({}, lambda _: None)[0].note.startswith("no call frame information")


def test_a_stack_without_end_is_ended(example: DebugInfo) -> None:
    copy = of(example, "copy")
    frames = example.unwind({"pc": copy + 6, "sp": 0x2000_0000, "lr": 1}, lambda _: copy + 7)
    assert len(frames) < 70
    assert "more than 64 frames" in frames[-1].note


@pytest.mark.judge("arm-none-eabi-binutils")
@pytest.mark.parametrize("name", ["selftest", "selftest_m0", "xcp_boot"])
def test_what_a_call_calls_is_what_objdump_says(name: str) -> None:
    elf = PROGRAMS / f"{name}.elf"
    info, calls = read_debug_info(elf), 0
    command = ["arm-none-eabi-objdump", "-d", str(elf)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = re.findall(r"^ +(\w+):\t\w+ \w+ +\t([a-z.]+)\t(\w+) <", text, re.MULTILINE)
    for at, mnemonic, target in lines:
        found = called(info.bytes_at(int(at, 16), 4) or b"", int(at, 16) + 4)
        assert found == (int(target, 16) if mnemonic == "bl" else None)
        calls += mnemonic == "bl"
    assert calls > 20


def test_a_function_that_left_by_a_jump_is_named(example: DebugInfo) -> None:
    """install() ends with copy(), so that start() called the one and the other came back."""
    erase, copy, start = of(example, "erase"), of(example, "copy"), of(example, "start")
    stack = {0x2000_0800 + 4 * n: start + 0x21 for n in range(8)}
    frames = example.unwind({"pc": erase, "sp": 0x2000_0800, "lr": copy + 0x1F}, stack.get)
    names = [frame.locations[0].function for frame in frames]
    assert names[:4] == ["erase", "copy", "install", "start"]
    assert frames[2].note == "left by a jump: no line is kept"
    assert frames[2].lines() == ("install(), bootloader.c",)
