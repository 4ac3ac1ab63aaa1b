"""Instructions around an address, for code whose source lines are not known."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flash_emulator.machine.symbols import Symbols

_BACK = 64  # bytes, where no function is known to begin

Read = Callable[[int, int], bytes | None]
"""So many bytes of memory at an address; None where there is none."""


class MissingDisassembler(ImportError):
    """The extra ``cpu`` is not installed."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One of them; *text* such as ``str r2, [r3]``, and ``.hword 0x1234`` where it is none."""

    address: int
    data: bytes
    text: str


def disassembly(
    read: Read, address: int, symbols: Symbols, *, before: int = 4, after: int = 3
) -> tuple[Instruction, ...]:
    """The instruction at *address* and some around it, of the same function; nothing where memory
    cannot be read. Raises MissingDisassembler."""
    decoder, begin = _decoder(), _begin(symbols, address)
    size = address - begin + 4 * (after + 1)
    data = read(begin, size) or read(begin, address - begin + 4)
    if data is None:
        return ()
    earlier: deque[Instruction] = deque(maxlen=before)
    found: list[Instruction] = []
    for each in _decoded(decoder, data, begin, address):
        if each.address < address:
            earlier.append(each)
        elif len(found) <= after and _is_within(symbols, address, each.address):
            found.append(each)
    return (*earlier, *found)


def _begin(symbols: Symbols, address: int) -> int:
    """Where to decode from: an instruction may have two half words, and only from the start of its
    function is it known where one begins."""
    function = symbols.function(address)
    return max(0, address - _BACK) if function is None else function[0]


def _is_within(symbols: Symbols, address: int, other: int) -> bool:
    return symbols.function(address) == symbols.function(other)


def _decoded(decoder: Any, data: bytes, begin: int, address: int) -> Iterator[Instruction]:
    """All of *data*, one instruction at *address*; what is none, by half words. It is decoded in
    one go, for an IT instruction changes those behind it; in two, where data before *address* look
    like an instruction that reaches into it."""
    whole = list(_run(decoder, data, begin))
    if any(each.address == address for each in whole):
        yield from whole
        return
    yield from _run(decoder, data[: address - begin], begin)
    yield from _run(decoder, data[address - begin :], address)


def _run(decoder: Any, data: bytes, begin: int) -> Iterator[Instruction]:
    for each in decoder.disasm(data, begin):
        text = f"{each.mnemonic} {each.op_str}".rstrip()
        if not each.id:
            text = f".hword 0x{int.from_bytes(each.bytes, 'little'):04x}"
        yield Instruction(each.address, bytes(each.bytes), text)


def _decoder() -> Any:
    try:
        import capstone
    except ImportError as error:
        raise MissingDisassembler(
            "a disassembly needs capstone: pip install 'mcu-updater[cpu]'"
        ) from error
    mode = capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8
    decoder = capstone.Cs(capstone.CS_ARCH_ARM, mode)
    decoder.skipdata = True
    return decoder
