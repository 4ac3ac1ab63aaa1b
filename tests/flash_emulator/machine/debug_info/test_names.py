"""Names of functions: of C++ with their scopes, and of assembly, whose labels say little."""

from __future__ import annotations

import subprocess

import pytest

from flash_emulator.machine.debug_info import DebugInfo, read_debug_info

pytestmark = pytest.mark.judge("arm-none-eabi-gcc")
START = """\
    .syntax unified
    .thumb
    .text
    .global start
    .type start, %function
start:
    bl  _Z3runv
    b   hang
    .size start, . - start
    .type hang, %function
hang:
    b   hang
    .size hang, . - hang
    .weak NMI_Handler
    .thumb_set NMI_Handler, hang
    .type tail, %function
tail:
    bx  lr
    .section .ram, "ax"
    .type in_ram, %function
in_ram:
    bx  lr
"""
CPP = """\
namespace hw { namespace {
struct Port { void put(int n) const { *(volatile int *)0x40020000 = n; } };
} }
template <typename T, int N> struct Writer {
    hw::Port port;
    __attribute__((noinline)) T write(T n) { port.put(n + N); return n; }
};
void run() { Writer<int, 4> w; w.write(3); hw::Port().put(1); }
"""


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> DebugInfo:
    folder = tmp_path_factory.mktemp("names")
    (folder / "start.S").write_text(START)
    (folder / "run.cpp").write_text(CPP)
    command = [
        *("arm-none-eabi-gcc", "-mcpu=cortex-m0plus", "-mthumb", "-Os", "-g", "-nostdlib"),
        *("-static", "-Wl,--build-id=none", "-Wl,-Ttext=0x08000000", "-Wl,-estart"),
        *("-Wl,--section-start=.ram=0x20000000", "start.S", "run.cpp", "-o", "made.elf"),
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return read_debug_info(folder / "made.elf")


def at(info: DebugInfo, name: str) -> int:
    return info.symbols.find(name)[0]


def names(info: DebugInfo) -> set[str]:
    return {place.function for row in info.rows() for place in info.inlined(row.address)}


def test_functions_of_classes_and_namespaces_are_told_with_them(info: DebugInfo) -> None:
    assert {"Writer<int, 4>::write", "hw::(anonymous)::Port::put", "run"} <= names(info)


def test_a_label_of_assembly_is_its_own_name_and_not_that_of_a_weak_alias(
    info: DebugInfo,
) -> None:
    begin = at(info, "hang")
    assert info.symbols.name(begin) == "0x0800_0006 (hang)"
    assert [place.function for place in info.inlined(begin)] == ["hang"]
    assert [place.function for place in info.inlined(at(info, "start"))] == ["start"]
    begins = {each.name: each.begin for each in info.functions()}
    assert begins["hang"] == begin  # and no odd address, as the GNU assembler has it
    assert "NMI_Handler" not in begins


def test_a_label_without_a_size_ends_with_its_section(info: DebugInfo) -> None:
    last = max(each.stop for each in info.code if each.start < 0x2000_0000)
    assert info.symbols.function(at(info, "tail")) is not None
    assert info.symbols.function(last + 0x100) is None
    assert info.symbols.function(0x2000_0000) == (0x2000_0000, 2, "in_ram")
    assert info.symbols.function(0x2000_0010) is None
