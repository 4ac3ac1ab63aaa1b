"""Faults in words: what the instruction did, and what may be wrong."""

from __future__ import annotations

from flash_emulator.machine.board import Board
from flash_emulator.machine.exceptions import Fault
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.symbols import Symbols, shown

_IBUSERR, _PRECISERR, _UNDEFINSTR = 1 << 8, 1 << 9, 1 << 16  # CFSR, Armv7-M ARM B3.2.15
_ERASED = 0xFFFF


def in_words(fault: Fault, board: Board, machine: Machine, symbols: Symbols) -> str:
    """``0x0800_0124 (copy+0x12) reads or writes 0x6000_0000, where this chip has nothing``."""
    where = symbols.name(fault.pc)
    if fault.status & _IBUSERR:
        return f"{where} was to be executed, {_why_no_code(fault.pc, board)}"
    if fault.status & _PRECISERR and fault.address is not None:
        return f"{where} reads or writes {shown(fault.address)}, {_why(fault.address, board)}"
    if fault.status & _UNDEFINSTR:
        code = machine.space.half_word(fault.pc)
        if code == _ERASED:
            return f"{where} was to be executed, and flash is erased there"
        return f"{where} is no instruction of a Cortex-{_core(machine)}: 0x{code:04X}"
    return f"{fault.name} at {where}"


def _core(machine: Machine) -> str:
    return machine.core.upper().replace("PLUS", "+")


def _is_flash(address: int, board: Board) -> bool:
    part = board.part
    return part.base <= address < part.bank_starts[-1] + part.bank_size


def _why_no_code(address: int, board: Board) -> str:
    if _is_flash(address, board):
        return "and flash cannot be read there"
    return f"where {board.part.name} has no memory with code"


def _why(address: int, board: Board) -> str:
    if _is_flash(address, board):
        return "where flash cannot be read or stored to now"
    if 0x2000_0000 <= address < 0x4000_0000 or 0x1000_0000 <= address < 0x1FF0_0000:
        return f"where {board.part.name} has no RAM: machine.ram in the board file gives it more"
    if 0x6000_0000 <= address < 0xA000_0000:
        return "external memory, which is not modelled"
    return f"where {board.part.name} has nothing, or nothing that is modelled"
