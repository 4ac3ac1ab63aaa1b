"""The registers of an engine, by name and all at once: unicorn's numbers for them."""

from __future__ import annotations

import ctypes
from typing import Any

_CORE = ("r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12")
_SPECIAL = ("xpsr", "msp", "psp", "control", "primask", "basepri", "faultmask")
REGISTERS = (*_CORE, "sp", "lr", "pc", *_SPECIAL)
_NUMBERS = dict(
    zip(REGISTERS, (*range(66, 79), 12, 10, 11, 120, 115, 116, 117, 123, 124, 126), strict=True)
)
XPSR = _NUMBERS["xpsr"]
_FPSCR, _S0 = 6, 79


class EngineRegisters:
    """The core's registers by name: r0 to r12, sp, lr, pc, xpsr, msp, psp, control and masks."""

    def __init__(self, uc: Any, lib: Any, handle: Any) -> None:
        self._uc, self._lib, self._handle = uc, lib, handle
        self._cleared: Any = None
        self._cell = ctypes.c_uint64()
        self._pointer = ctypes.byref(self._cell)
        self._all = (ctypes.c_uint64 * (len(REGISTERS) + 33))()
        numbers = [*(_NUMBERS[name] for name in REGISTERS), *range(_S0, _S0 + 32), _FPSCR]
        self._numbers = (ctypes.c_int * len(numbers))(*numbers)
        start = ctypes.addressof(self._all)
        self._places = (ctypes.c_void_p * len(numbers))(
            *(start + 8 * n for n in range(len(numbers)))
        )

    def read_one(self, number: int) -> int:
        self._cell.value = 0
        self._lib.uc_reg_read(self._handle, number, self._pointer)
        return self._cell.value

    def write_one(self, number: int, value: int) -> None:
        self._cell.value = value
        self._lib.uc_reg_write(self._handle, number, self._pointer)

    def __getitem__(self, name: str) -> int:
        return self.read_one(_NUMBERS[name]) & 0xFFFF_FFFF

    def __setitem__(self, name: str, value: int) -> None:
        self.write_one(_NUMBERS[name], value)

    def floats(self) -> list[int]:
        """S0 to S31 and FPSCR."""
        return [self.read_one(_S0 + n) & 0xFFFF_FFFF for n in range(32)] + [self.read_one(_FPSCR)]

    def set_float(self, index: int, value: int) -> None:
        """S0 to S31; 32 is FPSCR."""
        self.write_one(_FPSCR if index == 32 else _S0 + index, value)

    def snapshot(self) -> bytes:
        """All of them, for comparison."""
        self._lib.uc_reg_read_batch(self._handle, self._numbers, self._places, len(self._numbers))
        return bytes(self._all)

    def clear(self) -> None:
        """As a reset leaves them; what is undefined then is 0, so that two boots are alike. The
        monitor of exclusive access is cleared, too, which no register shows."""
        if self._cleared is None:
            self._write_all()
            self._cleared = self._uc.context_save()
        self._uc.context_restore(self._cleared)

    def _write_all(self) -> None:
        for name in ("primask", "basepri", "faultmask", "control"):
            self[name] = 0
        self.write_one(XPSR, 0x0100_0000)
        for name in (*_CORE, "lr", "msp", "psp"):
            self[name] = 0
        for index in range(33):
            self.set_float(index, 0)
