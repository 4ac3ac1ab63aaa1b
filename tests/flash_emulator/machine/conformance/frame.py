"""The frame of a conformance program: what runs before and behind each case, and notes the outcome.

A case begins with known registers, flags and scratch memory. Behind it all of them are pushed to a
stack, with what an exception handler has noted; the debugger's console (semihosting) gets the stack
every few cases. A fault goes on behind the case it happened in. All of the frame is Armv6-M code,
but for floating point.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tests.flash_emulator.machine.conformance.thumb import Code

CONT, NOTED, WRITTEN, NAME, WINDOW, TOP = 0, 0x10, 0x40, 0x50, 0x100, 0x3C00
"""Offsets in RAM: where a case ends; what the handler notes; arguments of SYS_WRITE; the scratch
memory; the top of the stack."""

WINDOW_SIZE = 64
_LARGEST = 0x10_0000  # program
PER_FLUSH = 16
NOTES = ("exc_return", "ipsr", "pc", "xpsr", "cfsr", "hfsr", "r12 then", "r0 then", "bfar", "count")


@dataclass(frozen=True, slots=True)
class Core:
    """What a program is made for. *ram*: where 16 KiB of RAM are."""

    name: str
    has: frozenset[str]
    floats: bool = False
    ram: int = 0x2000_0000

    @property
    def simple(self) -> bool:
        return "v7m" not in self.has

    @property
    def key(self) -> str:
        return self.name + ("f" if self.floats else "")


@dataclass(frozen=True, slots=True)
class Case:
    """*code* between the known state and what is looked at. *registers*: R0 to R12."""

    name: str
    code: tuple[int, ...]
    registers: tuple[int, ...]
    flags: int
    window: tuple[int, ...]
    floats: tuple[int, ...] = ()


def program(core: Core, cases: list[Case], base: int) -> bytes:
    """The image, which runs at *base*."""
    code = Code(base)
    code.words(core.ram + TOP, *[0] * 47)
    _handler(core, code)
    _load(core, code)
    _save(core, code)
    _flush(core, code)
    code.label("reset")
    _begin(core, code)
    for number, case in enumerate(cases, 1):
        _case(core, code, case)
        if number % PER_FLUSH == 0 or number == len(cases):
            code.call("flush")
    code.put(0x2018)  # movs r0, #SYS_EXIT
    code.literal(1, 0x20026)
    code.put(0xBEAB, 0xE7FE)
    code.pool()
    code.words(*[0] * 16)
    image = bytearray(code.done())
    struct.pack_into("<47I", image, 4, code["reset"] | 1, *[code["handler"] | 1] * 46)
    return bytes(image)


def _begin(core: Core, code: Code) -> None:
    """Open the console; enable the coprocessor and the faults that have handlers of their own."""
    if not core.simple:
        for address, value in ((0xE000_ED88, 0xF0_0000), (0xE000_ED24, 0x7_0000)):
            code.literal(0, address)
            code.literal(1, value)
            code.put(0x6001)  # str r1, [r0]
        code.put(0xF3BF, 0x8F4F, 0xF3BF, 0x8F6F)  # dsb; isb
    code.literal(0, core.ram + NAME)
    code.literal(1, int.from_bytes(b":tt\0", "little"))
    code.put(0x6001)
    code.literal(1, core.ram + WRITTEN)
    code.put(0x6008, 0x2004, 0x6048, 0x2003, 0x6088)  # [r1] = {r0, 4 (write), 3 (length)}
    code.put(0x2001, 0xBEAB)  # SYS_OPEN
    code.literal(1, core.ram + WRITTEN)
    code.put(0x6008)  # the handle
    code.pool_between()


def _handler(core: Core, code: Code) -> None:
    code.align()
    code.label("handler")
    code.put(0x4668)  # mov r0, sp
    code.literal(1, core.ram + NOTED)
    code.put(0x4672, 0x600A)  # [0] = lr
    code.put(0xF3EF, 0x8205, 0x604A)  # [1] = ipsr
    code.put(0x6982, 0x608A, 0x69C2, 0x60CA)  # [2] = stacked pc, [3] = stacked xpsr
    if not core.simple:
        code.literal(2, 0xE000_ED28)
        code.put(0x6813, 0x610B)  # [4] = CFSR
        code.put(0x041B, 0xD501, 0x6913, 0x620B)  # [8] = BFAR, where CFSR says that it is valid
        code.put(0x690B, 0x6013)  # clear CFSR
        code.put(0x6853, 0x614B, 0x6053)  # [5] = HFSR, and clear it
    code.put(0x6902, 0x618A, 0x6802, 0x61CA)  # [6], [7] = stacked r12, r0
    code.put(0x6A4A, 0x3201, 0x624A)  # [9] += 1
    code.put(0x684A, 0x2A07, 0xD20B, 0x2A02, 0xD009)  # return from NMI, SVC and all behind
    code.put(0x3910, 0x680A, 0x6182, 0x69C2)  # a fault goes on at CONT,
    code.literal(3, 0xF9FF_03FF)
    code.put(0x401A, 0x2301, 0x061B, 0x431A, 0x61C2)  # in Thumb, and in no IT block
    code.put(0x4770)
    code.pool()


def _load(core: Core, code: Code) -> None:
    """Registers, flags and scratch memory from the words at r0."""
    code.label("load")
    if core.floats:
        code.put(0xECB0, 0x0A20, 0xC802, 0xEEE1, 0x1A10)  # vldmia r0!, {s0-s31}; fpscr
    code.literal(1, core.ram + CONT)
    code.put(0xC804, 0x600A)  # ldm r0!, {r2}; str r2, [r1]
    code.put(0xC880)  # ldm r0!, {r7}: flags
    code.literal(1, core.ram + WINDOW)
    code.put(*[0xC83C, 0xC13C] * 4)  # ldm r0!, {r2-r5}; stm r1!, {r2-r5}
    code.put(0xC87C, 0x4690, 0x4699, 0x46A2, 0x46AB, 0x46B4)  # r8 to r12
    code.put(0xF387, 0x8C00 if "dsp" in core.has else 0x8800)  # msr apsr
    code.put(0xC8FF, 0x4770)  # ldm r0, {r0-r7}; bx lr
    code.pool()


def _save(core: Core, code: Code) -> None:
    """Push registers, flags, scratch memory and notes; clear the notes."""
    code.label("save")
    code.put(0xB4FF, 0xF3EF, 0x8000)  # push {r0-r7}; mrs r0, apsr
    code.put(0x4641, 0x464A, 0x4653, 0x465C, 0x4665, 0xB43F)  # push {r0, r8-r12}
    code.literal(0, core.ram + WINDOW)
    code.put(*[0xC81E, 0xB41E] * 4)
    code.literal(0, core.ram + NOTED)
    code.put(*[0xC83E, 0xB43E] * 2)
    code.put(0x3828, 0x2100, 0x2200, 0x2300, 0x2400, 0x2500, 0xC03E, 0xC03E)
    if core.floats:
        code.put(0xED2D, 0x0A20, 0xEEF1, 0x0A10, 0xB401)  # vpush {s0-s31}; fpscr
    code.put(0x4770)
    code.pool()


def _flush(core: Core, code: Code) -> None:
    """SYS_WRITE of the stack, which is empty then."""
    code.label("flush")
    code.put(0x4669)  # mov r1, sp
    code.literal(2, core.ram + TOP)
    code.put(0x1A53, 0x4695)  # subs r3, r2, r1; mov sp, r2
    code.literal(0, core.ram + WRITTEN)
    code.put(0x6041, 0x6083, 0x4601, 0x2005, 0xBEAB, 0x4770)
    code.pool()


def _case(core: Core, code: Code, case: Case) -> None:
    block = len(code.data)
    code.put(0x4800)  # ldr r0, of where the words below are
    code.call("load")
    code.put(*case.code)
    end = code.here
    code.call("save")
    floats = case.floats if core.floats else ()
    known = (end, case.flags, *case.window, *case.registers[8:], *case.registers[:8])
    code.data_between(block, (*floats, *known))


# --- what came of it


@dataclass(frozen=True, slots=True)
class Result:
    """What a case left. *notes* of the handler, in the order of ``NOTES``."""

    registers: tuple[int, ...]
    flags: int
    window: tuple[int, ...]
    notes: tuple[int, ...]
    floats: tuple[int, ...]


def results(core: Core, output: bytes, count: int, base: int) -> list[Result]:
    """What a program of *count* cases has written. Addresses in notes are those behind *base*."""
    size = 4 * (40 + 33 * core.floats)
    if len(output) != size * count:
        raise ValueError(f"{len(output)} bytes came of {count} cases of {size} bytes")
    found: list[Result] = []
    for first in range(0, count, PER_FLUSH):
        several = range(first, min(first + PER_FLUSH, count))
        found += [_result(core, output[n * size : (n + 1) * size], base) for n in reversed(several)]
    return found


def _result(core: Core, data: bytes, base: int) -> Result:
    words = struct.unpack(f"<{len(data) // 4}I", data)
    floats, words = (words[1:33] + words[:1], words[33:]) if core.floats else ((), words)
    notes = [*words[5:10], *words[:5]]
    if notes[9]:
        notes[0] &= ~0x41  # of Armv8-M: which security state
        notes[3] &= ~0x10_0000  # the same, as it is stacked
        if base <= notes[2] < base + _LARGEST:
            notes[2] -= base
    window = words[22:26] + words[18:22] + words[14:18] + words[10:14]
    return Result(words[32:40] + words[27:32], words[26], window, tuple(notes), floats)
