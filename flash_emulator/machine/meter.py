"""Counts what the engine executes, and stops it when it has executed so much.

The count is in bytes of code, of every block as it begins: it depends on the program alone, so it
is what virtual time is made of. unicorn calls a function at the start of each block. On x86-64 that
is one of nine instructions, written here as machine code; a Python function that does the same is
called elsewhere, at half a microsecond a block.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import sys

NEVER = 1 << 62

# mov rax, [rcx]; cmp rax, [rcx+8]; jae stop; mov edx, edx; add [rcx], rdx; ret; stop: jmp [rcx+16]
# System V: rdi engine, rsi address, edx bytes of the block, rcx the fields below.
_X86_64 = bytes.fromhex("488b01 483b4108 7306 89d2 480111 c3 ff6110")
_MARK = 64  # offset of another
# mov rax, [rcx]; mov [rcx+24], rax; ret
_X86_64_MARK = bytes.fromhex("488b01 48894118 c3")


class _Fields(ctypes.Structure):
    _fields_ = (
        ("counted", ctypes.c_uint64),
        ("limit", ctypes.c_uint64),
        ("stop", ctypes.c_void_p),
        ("marked", ctypes.c_uint64),
    )


class Meter:
    """*stop* is the address of ``uc_emu_stop``."""

    def __init__(self, stop: int, *, in_python: bool = False) -> None:
        self.fields = _Fields(0, NEVER, stop, NEVER)
        """*marked* is what was counted when ``mark`` was last called."""
        self._emu_stop = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(stop)
        self._code = None if in_python else executable(_X86_64.ljust(_MARK) + _X86_64_MARK)

    @property
    def counted(self) -> int:
        """Bytes of code executed so far."""
        return int(self.fields.counted)

    def reset(self) -> None:
        """Count from 0."""
        self.fields.counted, self.fields.marked = 0, NEVER

    @property
    def limit(self) -> int:
        """The engine stops before the first block that begins when as much is counted, or more."""
        return int(self.fields.limit)

    @limit.setter
    def limit(self, value: int) -> None:
        self.fields.limit = value

    @property
    def machine_code(self) -> tuple[int, int] | None:
        """Address of the function, and of its data; None where Python has to count."""
        if self._code is None:
            return None
        code = ctypes.addressof(ctypes.c_char.from_buffer(self._code))
        return code, ctypes.addressof(self.fields)

    @property
    def marking(self) -> tuple[int, int] | None:
        """As ``machine_code``, of the function that ``mark`` is in Python."""
        if self.machine_code is None:
            return None
        code, fields = self.machine_code
        return code + _MARK, fields

    @property
    def nothing(self) -> int | None:
        """The address of a function that does nothing; None where Python has to do that."""
        if self.machine_code is None:
            return None
        return self.machine_code[0] + _MARK + len(_X86_64_MARK) - 1

    def mark(self, _engine: int, _address: int, _size: int, _data: int) -> None:
        """An IT instruction is executed."""
        self.fields.marked = self.fields.counted

    def count(self, engine: int, _address: int, size: int, _data: int) -> None:
        """The same in Python."""
        fields = self.fields
        if fields.counted >= fields.limit:
            self._emu_stop(engine)
        else:
            fields.counted += size


def executable(code: bytes) -> mmap.mmap | None:
    """Memory that holds *code*, for x86-64, System V; None where it cannot be executed."""
    if platform.machine() not in ("x86_64", "AMD64") or sys.platform == "win32":
        return None
    try:
        rights = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        memory = mmap.mmap(-1, mmap.PAGESIZE, prot=rights)
    except OSError:  # a system that lets nobody write what is executed
        return None
    memory[: len(code)] = code
    return memory
