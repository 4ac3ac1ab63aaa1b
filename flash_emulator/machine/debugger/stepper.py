"""Counts instructions, and calls Python at those that somebody waits for.

An instruction is known by its number: how many were begun since power-on, itself included. The
same boot has the same numbers each time, so a number is a place in time that can be gone back to.

unicorn calls a function before each instruction, and one before each access to memory. On x86-64
both are a few instructions of machine code, written here, which call Python only where a table says
so, or the count has come to a limit; elsewhere Python does the same. The tables are by some low
bits of the address, so Python has to look whether it is meant.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable

from flash_emulator.machine.engine import PAGE, Engine
from flash_emulator.machine.meter import NEVER, executable

_PLACES = 1 << 16
_WORDS = PAGE // 4  # the engine tells physical addresses: within a page they are as the CPU's
_WIDEST = 8  # bytes of one access

# mov rax,[rcx]; inc rax; mov [rcx],rax; cmp rax,[rcx+8]; jae call; mov eax,esi; shr eax,1;
# movzx eax,ax; mov r8,[rcx+24]; cmp byte [r8+rax],0; jne call; ret; call: jmp [rcx+16]
# System V: rdi engine, rsi address, edx size, rcx the fields below.
_INSTRUCTION = bytes.fromhex(
    "488b01 48ffc0 488901 483b4108 7313 89f0 d1e8 0fb7c0 4c8b4118 41803c0000 7501 c3 ff6110"
)
_AT_ACCESS = 64
# mov rax,[r9+48]; mov r10,[rax]; cmp r10,[rax+24]; je call; mov eax,edx; shr eax,2; movzx eax,al;
# mov r10,[r9+40]; cmp byte [r10+rax],0; jne call; ret; call: jmp [r9+32]
# rdi engine, esi kind, rdx address, ecx size, r8 value, r9 the fields below.
_ACCESS = bytes.fromhex(
    "498b4130 4c8b10 4c3b5018 7414 89d0 c1e802 0fb6c0 4d8b5128 41803c0200 7501 c3 41ff6120"
)


class _Fields(ctypes.Structure):
    _fields_ = (
        ("counted", ctypes.c_uint64),
        ("limit", ctypes.c_uint64),
        ("at_instruction", ctypes.c_void_p),
        ("places", ctypes.c_void_p),
        ("at_access", ctypes.c_void_p),
        ("watched", ctypes.c_void_p),
        ("meter", ctypes.c_void_p),  # the meter's fields: within an IT block Python is called
    )


_OfInstruction = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p
)
_OfAccess = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_uint64,
    ctypes.c_int,
    ctypes.c_int64,
    ctypes.c_void_p,
)
_WRITE = 17  # UC_MEM_WRITE


class Stepper:
    """Of *engine*, which has not run yet.

    *reached* is told the address of an instruction that is executed next; *accessed*: address in
    the engine's physical memory, size and whether it is a write, before it is done. What they raise
    ends the run, and then neither is done. Both are called for addresses that nobody has asked for,
    too.
    """

    def __init__(
        self,
        engine: Engine,
        reached: Callable[[int], object],
        accessed: Callable[[int, int, bool], object],
        *,
        in_python: bool = False,
    ) -> None:
        self._engine = engine
        self._places = ctypes.create_string_buffer(_PLACES)
        self._watched = ctypes.create_string_buffer(_WORDS)

        def at_instruction(_engine: int, address: int, _size: int, _data: int) -> None:
            engine.call(reached, address)

        def at_access(_e: int, kind: int, address: int, size: int, _v: int, _d: int) -> None:
            engine.call(accessed, address, size, kind == _WRITE)
            engine.leave_hook()

        self._callbacks = _OfInstruction(at_instruction), _OfAccess(at_access)
        self._fields = _Fields(
            0,
            NEVER,
            ctypes.cast(self._callbacks[0], ctypes.c_void_p),
            ctypes.addressof(self._places),
            ctypes.cast(self._callbacks[1], ctypes.c_void_p),
            ctypes.addressof(self._watched),
            ctypes.addressof(engine.meter.fields),
        )
        code = _INSTRUCTION.ljust(_AT_ACCESS) + _ACCESS
        self._code = None if in_python else executable(code)
        self._hook(engine)

    def _hook(self, engine: Engine) -> None:
        if self._code is not None:
            start = ctypes.addressof(ctypes.c_char.from_buffer(self._code))
            data = ctypes.addressof(self._fields)
            engine.hook_instructions(ctypes.c_void_p(start), data)
            engine.hook_accesses(ctypes.c_void_p(start + _AT_ACCESS), data)
            return
        self._in_python = _OfInstruction(self._count), _OfAccess(self._look)
        engine.hook_instructions(self._in_python[0])
        engine.hook_accesses(self._in_python[1])

    def _count(self, handle: int, address: int, size: int, data: int) -> None:
        """What the machine code does."""
        fields = self._fields
        fields.counted += 1
        if fields.counted >= fields.limit or self._places[(address >> 1) % _PLACES] != b"\0":
            self._callbacks[0](handle, address, size, data)

    def _look(self, handle: int, kind: int, address: int, size: int, value: int, data: int) -> None:
        if self._engine.in_it or self._watched[(address >> 2) % _WORDS] != b"\0":
            self._callbacks[1](handle, kind, address, size, value, data)

    @property
    def number(self) -> int:
        """Of the instruction that is executed next, where *reached* is called; 0 before the
        first."""
        return int(self._fields.counted)

    def begin(self) -> None:
        """Count from 0."""
        self._fields.counted = 0

    def call_from(self, number: int) -> None:
        """*reached* is called at every instruction from *number* on."""
        self._fields.limit = min(number, NEVER)

    def call_at(self, addresses: Iterable[int]) -> None:
        """And at these, whatever their number."""
        ctypes.memset(self._places, 0, _PLACES)
        for address in addresses:
            self._places[(address >> 1) % _PLACES] = b"\1"

    def watch(self, ranges: Iterable[range]) -> None:
        """*accessed* is called where these may be touched."""
        ctypes.memset(self._watched, 0, _WORDS)
        for each in ranges:
            words = range((each.start - _WIDEST + 1) >> 2, ((each.stop - 1) >> 2) + 1)
            for word in words[:_WORDS]:  # a debugger may ask for all of memory
                self._watched[word % _WORDS] = b"\1"
