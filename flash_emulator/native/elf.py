"""What the library's file tells: where its data are, and which line of C a place in it is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from flash_emulator.native.errors import NativeError

_KEEP = "mcu_flash_keep"  # data of the glue
_WRITE, _ALLOC, _TLS = 0x1, 0x2, 0x400  # SHF_...


def data_ranges(path: Path) -> list[tuple[int, int]]:
    """Offset from the base and size of all that the bootloader may write; of several C files, of
    static locals, and of sections with names of their own.

    What is made read-only once it is loaded (RELRO) is not in it. NativeError for thread-local
    variables: each thread has its own.
    """
    from elftools.elf.elffile import ELFFile  # 20 ms, and only a bootloader in C needs it

    with path.open("rb") as file:
        elf = ELFFile(file)
        relro = [
            range(segment["p_vaddr"], segment["p_vaddr"] + segment["p_memsz"])
            for segment in elf.iter_segments("PT_GNU_RELRO")
        ]
        found = []
        for section in elf.iter_sections():
            flags, at, size = section["sh_flags"], section["sh_addr"], section["sh_size"]
            if flags & _TLS and size:
                raise NativeError(
                    f"{section.name}: the C code has thread-local variables, and they are not put "
                    "back at a boot. Make them plain static ones, for an MCU has one thread"
                )
            wanted = flags & _WRITE and flags & _ALLOC and size and section.name != _KEEP
            if wanted and not any(at in each for each in relro):
                found.append((at, size))
    return found


class Places:
    """Names of places in the library's code. Its file is read when the first one is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def name(self, offset: int) -> str:
        """Of the instruction before *offset*, such as "boot.c:31 in install()"; else empty."""
        function, line = self._function(offset - 1), self._line(offset - 1)
        return f"{line} in {function}()" if line and function else line or function

    def _function(self, offset: int) -> str:
        index = bisect_right(self._functions, (offset, float("inf"), "")) - 1
        if index < 0:
            return ""
        start, size, name = self._functions[index]
        return name.partition(".")[0] if offset < start + size else ""  # not .constprop and such

    def _line(self, offset: int) -> str:
        index = bisect_right(self._lines, (offset, float("inf"), "")) - 1
        return self._lines[index][2] if index >= 0 else ""

    @cached_property
    def _functions(self) -> list[tuple[int, float, str]]:
        from elftools.elf.elffile import ELFFile

        with self._path.open("rb") as file:
            table: Any = ELFFile(file).get_section_by_name(".symtab")
            symbols = table.iter_symbols() if table is not None else ()
            return sorted(
                (symbol["st_value"], float(symbol["st_size"]), symbol.name)
                for symbol in symbols
                if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_size"]
            )

    @cached_property
    def _lines(self) -> list[tuple[int, float, str]]:
        from elftools.elf.elffile import ELFFile

        with self._path.open("rb") as file:
            elf = ELFFile(file)
            if not elf.has_dwarf_info():
                return []
            dwarf = elf.get_dwarf_info()
            return sorted(row for unit in dwarf.iter_CUs() for row in _rows(dwarf, unit))


def _rows(dwarf: Any, unit: Any) -> Iterator[tuple[int, float, str]]:
    """Address, and "file:line" from there on; an empty one ends a sequence."""
    program = dwarf.line_program_for_CU(unit)
    if program is None:
        return
    names = [Path(entry.name.decode(errors="replace")).name for entry in program["file_entry"]]
    first = 0 if program["version"] >= 5 else 1
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if state.end_sequence:
            yield state.address, 0.0, ""
        elif state.line and 0 <= state.file - first < len(names):
            yield state.address, 1.0, f"{names[state.file - first]}:{state.line}"
