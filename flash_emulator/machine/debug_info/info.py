"""Debug information of one ELF file: addresses to places in the source, and the call stack.

    info = read_debug_info(Path("boot.elf"), search=[Path("src")])
    info.location(0x0800_0124)      # Location("program", "flash.c", 83)

Nothing raises for what is missing or damaged: ``missing`` says in words what is not there, and
answers are empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

from flash_emulator.machine.debug_info.elf_file import ElfFile, in_words, open_elf
from flash_emulator.machine.debug_info.entries import ScopeNames, text_of
from flash_emulator.machine.debug_info.line_rows import Paths
from flash_emulator.machine.debug_info.sources import Sources
from flash_emulator.machine.debug_info.units import Unit
from flash_emulator.machine.debug_info.unwinding import Level, ReadWord, Unwinder, called
from flash_emulator.machine.debug_info.values import Function, LineRow, Location, StackFrame
from flash_emulator.machine.symbols import Symbols

_T = TypeVar("_T")
_JUMPED = "left by a jump: no line is kept"
_MOST_DAMAGE = 3  # that is told
_NO_PLACE: tuple[Location, ...] = ()
_NO_ROWS: tuple[LineRow, ...] = ()
_NO_FUNCTIONS: tuple[Function, ...] = ()


def read_debug_info(elf_path: Path, *, search: Sequence[Path] = ()) -> DebugInfo:
    """Of the ELF file at *elf_path*; sources are looked for where they were compiled, in *search*,
    and beside the file. Never raises."""
    return DebugInfo(open_elf(elf_path), tuple(search))


class DebugInfo:
    """See above. Units are read when they are asked for."""

    def __init__(self, file: ElfFile, search: tuple[Path, ...] = ()) -> None:
        self._file, self._search = file, search
        self._damaged: dict[str, None] = {}

    @property
    def path(self) -> Path:
        """Of the ELF file."""
        return self._file.path

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not there, in words; it grows where damage is met later."""
        return (*self._file.missing, *self._damaged)

    @property
    def has_lines(self) -> bool:
        """Whether there is DWARF at all."""
        return self._file.dwarf is not None

    @property
    def symbols(self) -> Symbols:
        """Of the file's symbol table; labels of assembly are functions, too."""
        return self._file.symbols

    @property
    def code(self) -> tuple[range, ...]:
        """Addresses that hold instructions."""
        return self._file.code

    def is_code(self, address: int) -> bool:
        """Whether an instruction may lie there."""
        return any(address in each for each in self.code)

    def without(self, ranges: Sequence[range]) -> DebugInfo:
        """The same, as if it had no code there."""
        code = tuple(left for each in self.code for left in _less(each, ranges) if left)
        return DebugInfo(replace(self._file, code=code), self._search)

    def bytes_at(self, address: int, size: int) -> bytes | None:
        """What the file holds where it runs; None where that is not in one segment."""
        for begin, _, data in self._segments:
            if begin <= address and address + size <= begin + len(data):
                return data[address - begin : address - begin + size]
        return None

    def flashed(self, address: int, size: int) -> list[int | None]:
        """Bytes as they are programmed; None for those that the file does not hold."""
        held: list[int | None] = [None] * size
        for _, begin, data in self._segments:
            for at in range(max(begin, address), min(begin + len(data), address + size)):
                held[at - address] = data[at - begin]
        return held

    @cached_property
    def _segments(self) -> tuple[tuple[int, int, bytes], ...]:
        """Where each runs, where it is programmed, and its bytes."""
        return self._guarded(lambda: tuple(self._file.segments()), ())

    # --- places

    def location(self, address: int) -> Location | None:
        """Function and line of the instruction at *address*."""
        found = self.inlined(address)
        return found[0] if found else None

    def inlined(self, address: int) -> tuple[Location, ...]:
        """Innermost first: a function that was inlined, with the line within it; the last is the
        function whose code it is, with the line of the call."""
        holding = [
            unit for unit in self._units if self._guarded(partial(unit.holds, address), True)
        ]
        for unit in holding or self._units:  # ranges of units leave out what is in no function
            found = self._guarded(partial(self._inlined, unit, address), _NO_PLACE)
            if found:
                return found
        return ()

    def _inlined(self, unit: Unit, address: int) -> tuple[Location, ...]:
        found = unit.inlined(address)
        if found and not found[-1].function:  # assembly has lines, and no functions but labels
            label = self.symbols.function(address)
            found = (*found[:-1], replace(found[-1], function=label[2] if label else ""))
        return found

    def rows(self) -> Iterator[LineRow]:
        """Rows of all units, one unit behind the other: half-open ranges of code."""
        for unit in self._units:
            yield from self._guarded(partial(_rows_of, unit), _NO_ROWS)

    def functions(self) -> Iterator[Function]:
        """Of DWARF; then those that only the symbol table knows."""
        known: list[range] = []
        for unit in self._units:
            for function in self._guarded(partial(_functions_of, unit), _NO_FUNCTIONS):
                known.append(range(function.begin, function.end))
                yield function
        for begin, end, name in self.symbols.spans(self.code):
            if not any(begin in each for each in known):
                yield Function(name, begin, end)

    @cached_property
    def _units(self) -> tuple[Unit, ...]:
        """All of them: nothing but each one's first entry is read."""
        if self._file.dwarf is None:
            return ()
        found: list[tuple[Any, str]] = []
        units = self._file.dwarf.iter_CUs()
        while (unit := self._guarded(partial(next, units, None), None)) is not None:
            folder = self._guarded(partial(_folder_of, unit), None)
            if folder is not None:
                found.append((unit, folder))
        common = Counter(folder for _, folder in found).most_common(1)
        names = ScopeNames(self._file.dwarf)
        paths = Paths(common[0][0] if common else "")
        return tuple(
            Unit(unit, self._file.dwarf, self.code, paths, names, self._note_damage)
            for unit, _ in found
        )

    def _guarded(self, call: Callable[[], _T], instead: _T) -> _T:
        """What *call* gives; *instead*, where damage makes the reader raise, which is noted."""
        try:
            return call()
        except Exception as error:  # whatever that is
            self._note_damage(error)
            return instead

    def _note_damage(self, error: Exception) -> None:
        text = f"{self.path.name}: its debug information is damaged: {in_words(error)}"
        if len(self._damaged) < _MOST_DAMAGE:
            self._damaged.setdefault(text)

    # --- sources

    def source(self, file: str) -> tuple[str, ...] | None:
        """Lines of *file*, as locations name it; None where it is gone."""
        return self._sources.text(file)

    def source_path(self, file: str) -> Path | None:
        """Where *file* lies today; None where it is gone."""
        return self._sources.path(file)

    @property
    def looked_in(self) -> tuple[Path, ...]:
        """Folders where sources were looked for."""
        return self._sources.looked_in

    @cached_property
    def _sources(self) -> Sources:
        folders = dict.fromkeys(unit.folder for unit in self._units)
        return Sources((*self._search, self.path.parent), tuple(folders))

    # --- the stack

    def unwind(
        self,
        registers: Mapping[str, int],
        read_word: ReadWord,
        elsewhere: Callable[[int], DebugInfo | None] = lambda _: None,
    ) -> tuple[StackFrame, ...]:
        """The call stack from *registers* on (r0 to r12, sp, lr, pc; psp and xpsr within
        exceptions), innermost first. *read_word*: four bytes of memory at an address, or None;
        *elsewhere*: the other program of the board whose code an address is. The last
        frame's note says why it ends, where that is not the end."""
        levels: list[Level] = []

        def of(address: int) -> Unwinder | None:
            other = elsewhere(address)
            return None if other is None else other.unwinder

        def follow() -> None:  # one by one: what was found before damage was met is kept
            for level in self.unwinder.levels(registers, read_word, of):
                levels.append(level)  # noqa: PERF402

        self._guarded(follow, None)
        if not levels and "pc" in registers:
            pc = registers["pc"] & ~1
            levels.append(Level(pc, pc, None, "the call frame information is damaged"))
        infos = [self if self.is_code(each.call) else elsewhere(each.call) for each in levels]
        frames = [(info or self).frame(level) for info, level in zip(infos, levels, strict=True)]
        return tuple(self._with_jumps(frames))

    def _with_jumps(self, frames: list[StackFrame]) -> Iterator[StackFrame]:
        """*frames*, and those that left no trace on the stack: a function whose last act was to
        call another has jumped there. The call instruction above still names it."""
        for callee, caller in zip_longest(frames, frames[1:]):
            yield callee
            if caller is None or caller.note:
                continue
            target = called(self.bytes_at(caller.pc - 4, 4) or b"", caller.pc)
            jumped = () if target is None else self.inlined(target)
            if not jumped or not callee.locations:
                continue
            name, reached = jumped[-1].function, callee.locations[-1].function
            if name not in (reached, ""):
                place = Location(name, jumped[-1].file, 0)
                symbol = self.symbols.name(target or 0)
                yield StackFrame(target or 0, (place,), symbol, caller.cfa, _JUMPED)

    def frame(self, level: Level) -> StackFrame:
        """*level* in words."""
        return StackFrame(
            level.pc,
            self.inlined(level.call),
            self.symbols.name(level.call),
            level.cfa,
            level.note,
        )

    @cached_property
    def unwinder(self) -> Unwinder:
        """By the call frame information of this program."""
        function = self.symbols.function(self._file.entry)
        first = range(0) if function is None else range(function[0], function[0] + function[1])
        name, holds = self.symbols.name, self.is_code
        return Unwinder(self._file.dwarf, name, holds, self.bytes_at, first)


def _less(whole: range, ranges: Sequence[range]) -> Iterator[range]:
    """What is left of *whole*."""
    begin = whole.start
    for each in sorted(ranges, key=lambda found: found.start):
        if each.start < whole.stop and begin < each.stop:
            yield range(begin, max(begin, each.start))
            begin = max(begin, each.stop)
    yield range(begin, max(begin, whole.stop))


def _folder_of(unit: Any) -> str:
    return text_of(unit.get_top_DIE(), "DW_AT_comp_dir")


def _rows_of(unit: Unit) -> tuple[LineRow, ...]:
    return unit.rows


def _functions_of(unit: Unit) -> tuple[Function, ...]:
    return tuple(unit.functions())
