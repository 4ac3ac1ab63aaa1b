"""Compilation units of an ELF file's DWARF, each read when an address of its code is asked for.

Nothing here follows a reference that damage may have turned into a circle: entries are read one
behind the other, and chains of origins have a bound.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar

from flash_emulator.machine.debug_info.entries import (
    ScopeNames,
    entries_of,
    number_of,
    text_of,
)
from flash_emulator.machine.debug_info.line_rows import Paths, rows_of
from flash_emulator.machine.debug_info.values import Function, LineRow, Location

_T = TypeVar("_T")
_MOST_ORIGINS = 8
_ASSEMBLY = 0x8001  # DW_LANG_Mips_Assembler, of all architectures
_CODE = ("DW_TAG_subprogram", "DW_TAG_inlined_subroutine")


@dataclass(frozen=True, slots=True)
class Scope:
    """A function, or one that was inlined: *call* is where, of the latter. *depth* in the tree."""

    name: str
    ranges: tuple[range, ...]
    depth: int
    is_inlined: bool
    file: str = ""  # where it is declared
    line: int = 0
    call_file: str = ""
    call_line: int = 0
    call_column: int = 0

    def holds(self, address: int) -> bool:
        return any(address in each for each in self.ranges)


class Unit:
    """One compilation unit. *damaged* is told what its entries make the reader raise, once: what
    could be read before that counts, and nothing is read twice."""

    def __init__(
        self,
        cu: Any,
        dwarf: Any,
        code: tuple[range, ...],
        paths: Paths,
        names: ScopeNames,
        damaged: Callable[[Exception], object],
    ) -> None:
        self._cu, self._dwarf, self._code, self._paths = cu, dwarf, code, paths
        self._names, self._damaged = names, damaged

    @cached_property
    def _top(self) -> Any:
        return self._cu.get_top_DIE()

    @cached_property
    def folder(self) -> str:
        """Of the compilation: DW_AT_comp_dir."""
        return text_of(self._top, "DW_AT_comp_dir")

    @cached_property
    def ranges(self) -> tuple[range, ...]:
        """Of its code; where the unit itself does not say, those of its rows."""
        return tuple(self._read(lambda: self._ranges(self._top))) or tuple(
            range(row.address, row.end) for row in self.rows
        )

    def holds(self, address: int) -> bool:
        """Whether *address* lies in its ranges."""
        return any(address in each for each in self.ranges)

    @cached_property
    def rows(self) -> tuple[LineRow, ...]:
        """Ascending, and none over another."""
        return tuple(self._read(self._rows))

    def _rows(self) -> Iterable[LineRow]:
        program = self._dwarf.line_program_for_CU(self._cu)
        return () if program is None else rows_of(program, self._files, self._code)

    def _read(self, read: Callable[[], Iterable[_T]]) -> list[_T]:
        """All that *read* gives, up to what is damaged."""
        found: list[_T] = []
        try:
            for each in read():
                found.append(each)  # noqa: PERF402  one by one: what was read counts
        except Exception as error:  # whatever damage makes the reader raise
            self._damaged(error)
        return found

    @cached_property
    def _files(self) -> Any:
        return self._paths.files(self._cu, self._dwarf, self.folder)

    @cached_property
    def _starts(self) -> list[int]:
        return [row.address for row in self.rows]

    def row(self, address: int) -> LineRow | None:
        """The row that *address* lies in."""
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address >= self.rows[index].end:
            return None
        return self.rows[index]

    def inlined(self, address: int) -> tuple[Location, ...]:
        """See ``DebugInfo.inlined``."""
        row = self.row(address)
        scopes = sorted(
            (scope for scope in self.scopes if scope.holds(address)), key=lambda s: -s.depth
        )
        if row is None and not scopes:
            return ()
        found: list[Location] = []
        file, line, column = (row.file, row.line, row.column) if row else (scopes[0].file, 0, 0)
        for scope in scopes:
            found.append(Location(scope.name, file or scope.file, line, column))
            if not scope.is_inlined:
                return tuple(found)
            file, line, column = scope.call_file, scope.call_line, scope.call_column
        return (*found, Location("", file, line, column))

    def functions(self) -> Iterator[Function]:
        for scope in self.scopes:
            if not scope.is_inlined:
                for each in scope.ranges:
                    yield Function(scope.name, each.start, each.stop, scope.file, scope.line)

    # --- entries

    @cached_property
    def scopes(self) -> tuple[Scope, ...]:
        """All functions with code, and those that were inlined into them. None of assembly: there
        the GNU assembler names every label that is one, aliases too, at odd addresses (its Thumb
        bit); the symbol table knows better."""
        if self._read(lambda: [number_of(self._top, "DW_AT_language")]) == [_ASSEMBLY]:
            return ()
        entries = self._read(lambda: entries_of(self._cu, self._dwarf))
        functions = [each for each in entries if each[0].tag in _CODE]
        return tuple(
            scope
            for each in functions
            for scope in self._read(partial(self._scope, *each))
            if scope.ranges
        )

    def _scope(self, entry: Any, depth: int) -> Iterator[Scope]:
        """One."""
        named = self._origin(entry, "DW_AT_name")
        declared = self._origin(entry, "DW_AT_decl_line")
        yield Scope(
            self._names.around(named) + text_of(named, "DW_AT_name"),
            tuple(self._ranges(entry)),
            depth,
            entry.tag == "DW_TAG_inlined_subroutine",
            self._file_of(declared, "DW_AT_decl_file"),
            number_of(declared, "DW_AT_decl_line"),
            self._file_of(entry, "DW_AT_call_file"),
            number_of(entry, "DW_AT_call_line"),
            number_of(entry, "DW_AT_call_column"),
        )

    @staticmethod
    def _origin(entry: Any, wanted: str) -> Any:
        """*entry*, or what it is an instance of, that has the attribute *wanted*."""
        for _ in range(_MOST_ORIGINS):
            if wanted in entry.attributes:
                break
            for link in ("DW_AT_abstract_origin", "DW_AT_specification"):
                if link in entry.attributes:
                    entry = entry.get_DIE_from_attribute(link)
                    break
            else:
                break
        return entry

    def _file_of(self, entry: Any, attribute: str) -> str:
        if attribute not in entry.attributes:
            return ""
        files = self._files
        if entry.cu is not self._cu:  # link-time optimisation: another unit's table of files
            files = self._paths.files(
                entry.cu, self._dwarf, text_of(entry.cu.get_top_DIE(), "DW_AT_comp_dir")
            )
        return str(files(number_of(entry, attribute)))

    # --- ranges

    def _ranges(self, entry: Any) -> Iterator[range]:
        """Of code that is in the file: what the linker has left out has addresses of its own."""
        for begin, end in self._pairs(entry):
            if begin < end and any(begin in code and end - 1 in code for code in self._code):
                yield range(begin, end)

    def _pairs(self, entry: Any) -> Iterable[tuple[int, int]]:
        low = number_of(entry, "DW_AT_low_pc")
        if "DW_AT_ranges" in entry.attributes:
            return self._listed(entry.attributes["DW_AT_ranges"].value)
        if "DW_AT_high_pc" not in entry.attributes:
            return ()
        high = entry.attributes["DW_AT_high_pc"]
        is_address = high.form == "DW_FORM_addr" or high.form.startswith("DW_FORM_addrx")
        return ((low, high.value if is_address else low + high.value),)

    def _listed(self, offset: int) -> Iterator[tuple[int, int]]:
        from elftools.dwarf.ranges import BaseAddressEntry

        lists = self._dwarf.range_lists()
        if lists is None:
            return
        base = number_of(self._top, "DW_AT_low_pc")
        for each in lists.get_range_list_at_offset(offset, self._cu):
            if isinstance(each, BaseAddressEntry):
                base = each.base_address
            elif each.is_absolute:
                yield each.begin_offset, each.end_offset
            else:
                yield base + each.begin_offset, base + each.end_offset
