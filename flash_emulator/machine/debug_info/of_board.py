"""Debug information of all programs of a board, each chosen by the code that lies in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flash_emulator.machine.debug_info.info import DebugInfo, read_debug_info
from flash_emulator.machine.symbols import Symbols, shown

_COMPARED = 64  # bytes of code on either side

Read = Callable[[int, int], bytes | None]
"""So many bytes of memory at an address; None where there is none."""


@dataclass(frozen=True, slots=True)
class Program:
    """The image *name* as (address, bytes), and the ELF file at *path* that describes it."""

    name: str
    path: Path
    pieces: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True)
class DebugInfos:
    """One for each of *programs*, read when it is asked for. Sources are looked for in *search*.

    Other processes are sent paths and bytes of images, not what was read.
    """

    programs: tuple[Program, ...] = ()
    search: tuple[Path, ...] = ()
    _read: dict[int, tuple[DebugInfo, str]] = field(default_factory=dict, compare=False, repr=False)

    def __getstate__(self) -> dict[str, object]:
        return {"programs": self.programs, "search": self.search, "_read": {}}

    def at(self, address: int, read: Read | None = None) -> DebugInfo | None:
        """Of the program whose code lies at *address*. *read*: of memory, where only a program
        counts whose bytes are there now. None where there is none, or that cannot be told."""
        found = self._linked_for(address)
        if read is not None:
            found = [info for info in found if _lies_there(info, address, read)][:1]
        return found[0] if len(found) == 1 else None

    def _linked_for(self, address: int) -> list[DebugInfo]:
        return [info for info in self.all() if info.is_code(address)]

    def all(self) -> tuple[DebugInfo, ...]:
        """Of all programs whose file holds what their images hold."""
        return tuple(info for info, another in self._all() if not another)

    def name(self, address: int, read: Read, symbols: Symbols) -> str:
        """``0x0800_0124 (flash_program+0x12)``, of the program whose code is there now; else as
        *symbols* have it."""
        info = self.at(address, read)
        return (symbols if info is None else info.symbols).name(address)

    def why_not(self, address: int, read: Read | None = None) -> str:
        """Why no line is known for *address*, in words; *read* as ``at`` has it."""
        info, linked = self.at(address, read), self._linked_for(address)
        if info is not None:
            return "; ".join(info.missing) or f"no line of the source belongs to {shown(address)}"
        if linked:
            names = ", ".join(dict.fromkeys(each.path.name for each in linked))
            return f"{names} would have code at {shown(address)}, and other bytes are there"
        unusable = [
            text
            for info, another in self._all()
            if another or not info.code
            for text in ((another,) if another else info.missing)
        ]
        return "; ".join(unusable) or f"no ELF file of the board has code at {shown(address)}"

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not there, of all programs, in words."""
        texts = (text for info, another in self._all() for text in (another, *info.missing))
        return tuple(dict.fromkeys(text for text in texts if text))

    def _all(self) -> list[tuple[DebugInfo, str]]:
        return [self._info(index) for index in range(len(self.programs))]

    def _info(self, index: int) -> tuple[DebugInfo, str]:
        """With why it describes another program; empty where it does not."""
        if index not in self._read:
            program = self.programs[index]
            info = read_debug_info(program.path, search=self.search)
            self._read[index] = info, _is_another(info, program)
        return self._read[index]


def _is_another(info: DebugInfo, program: Program) -> str:
    if not info.code:
        return ""
    for address, data in program.pieces:
        held = info.flashed(address, len(data))
        if any(there is not None and there != byte for there, byte in zip(held, data, strict=True)):
            return (
                f"{info.path.name} does not hold the bytes of image {program.name!r}: it was built "
                "again, or is another; its lines are not told"
            )
    return ""


def _lies_there(info: DebugInfo, address: int, read: Read) -> bool:
    """Only bytes of the same function count: a variable may follow it in RAM."""
    room = next(each for each in info.code if address in each)
    function = info.symbols.function(address)
    if function is not None and function[1]:
        room = range(max(room.start, function[0]), min(room.stop, function[0] + function[1]))
    begin, end = max(room.start, address - _COMPARED), min(room.stop, address + _COMPARED)
    return info.bytes_at(begin, end - begin) == read(begin, end - begin)
