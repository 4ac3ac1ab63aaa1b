"""Debug information of compiled firmware: source lines, call stacks, disassembly.

It is read for those who look at what was found (films, coverage, debuggers), never by a search.
"""

from flash_emulator.machine.debug_info.info import DebugInfo, read_debug_info
from flash_emulator.machine.debug_info.of_board import DebugInfos
from flash_emulator.machine.debug_info.values import Function, LineRow, Location, StackFrame

__all__ = [
    "DebugInfo",
    "DebugInfos",
    "Function",
    "LineRow",
    "Location",
    "StackFrame",
    "read_debug_info",
]
