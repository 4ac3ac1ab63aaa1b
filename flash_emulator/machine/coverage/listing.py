"""Instructions of a program as text, where no source is known: a line for each."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from flash_emulator.machine.debug_info import DebugInfo, Function, LineRow
from flash_emulator.machine.debug_info.disassembly import MissingDisassembler, disassembly
from flash_emulator.machine.symbols import Symbols, shown


@dataclass(frozen=True, slots=True)
class Listing:
    """*rows*: the line of each instruction. *file*: how the listing is called."""

    file: str
    text: tuple[str, ...]
    rows: tuple[LineRow, ...]


def listed(
    info: DebugInfo, name: str, functions: Collection[Function], instructions: Collection[int]
) -> Listing:
    """*instructions* of *functions*: address, place in the function, what it does. *name*: how it
    is called."""
    text, rows = list[str](), list[LineRow]()
    known = frozenset(instructions)
    for function in functions:
        text.append(f"{function.name}:")
        for address, size, words in _lines(info, function):
            text.append(f"    {shown(address)}  +0x{address - function.begin:x}  {words}")
            if address in known:
                rows.append(LineRow(address, address + size, name, len(text), True))
    return Listing(name, tuple(text), tuple(rows))


def _lines(info: DebugInfo, function: Function) -> Iterator[tuple[int, int, str]]:
    begin, end = function.begin, function.end
    symbols = Symbols.of([(begin, end - begin, function.name)])

    def read(address: int, size: int) -> bytes | None:
        return info.bytes_at(address, min(size, end - address))

    try:
        found = disassembly(read, begin, symbols, before=0, after=end - begin)
    except MissingDisassembler:
        for address in range(begin, end, 2):
            yield address, 2, f".hword 0x{(read(address, 2) or b'').hex()}"
        return
    for each in found:
        if begin <= each.address < end:
            yield each.address, len(each.data), each.text
