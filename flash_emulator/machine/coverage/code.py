"""The code of one program: its instructions, the line of each, its branches.

Where the program has no lines, a listing of its instructions takes the source's place: a line for
each.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from flash_emulator.machine.coverage.listing import Listing, listed
from flash_emulator.machine.coverage.mapping_symbols import data_ranges
from flash_emulator.machine.coverage.thumb import Instruction, decode, sweep
from flash_emulator.machine.debug_info import DebugInfo, Function, LineRow, Location
from flash_emulator.machine.symbols import shown

_P = TypeVar("_P", LineRow, Location)
Place = tuple[str, int]
"""File and line."""


@dataclass(slots=True)
class Branch:
    """A place where code goes one of two ways. *ways*: where it goes when the condition does not
    hold, and when it does. *copies*: addresses of the instructions that are this branch."""

    place: Location
    kind: str
    ways: tuple[int, int]
    copies: list[int] = field(default_factory=list)


class Code:
    """Of the program that *info* describes. *ran*: ranges that ran, by block. *name*: of the
    program; *named*: what files are called that another program has, too."""

    def __init__(
        self,
        info: DebugInfo,
        ran: Iterable[tuple[int, int]],
        name: str = "",
        named: Mapping[str, str] | None = None,
    ) -> None:
        self.info, self.name, self._named = info, name or info.path.name, dict(named or {})
        self._files = {shown: file for file, shown in self._named.items()}
        self._ran = frozenset(each for each in ran if info.is_code(each[0]))
        self._places: dict[int, tuple[Location, ...]] = {}

    # --- instructions

    def half_word(self, address: int) -> int | None:
        data = self.info.bytes_at(address, 2)
        return None if data is None else int.from_bytes(data, "little")

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        """All of them, ascending; code that belongs to none is one, by its address."""
        known = sorted(self.info.functions(), key=lambda each: each.begin)
        if known:
            return tuple(known)
        return tuple(Function(shown(c.start), c.start, c.stop) for c in self.info.code)

    @cached_property
    def blocks(self) -> dict[tuple[int, int], tuple[Instruction, ...]]:
        """Instructions of each range that ran."""
        return {each: tuple(self._decoded(*each)) for each in self._ran}

    def _decoded(self, begin: int, end: int) -> Iterator[Instruction]:
        while begin < end and (found := decode(begin, self.half_word)) is not None:
            yield found
            begin = found.end

    @cached_property
    def instructions(self) -> dict[int, Instruction]:
        """By address: all that ran, and what the functions hold besides."""
        is_data = self._is_data
        found = {
            each.address: each
            for function in self.functions
            for each in sweep(function.begin, function.end, self.half_word, is_data)
        }
        for block in self.blocks.values():
            found.update((each.address, each) for each in block)
        return dict(sorted(found.items()))

    @cached_property
    def _is_data(self) -> Callable[[int], bool]:
        ranges = data_ranges(self.info.path)
        starts = [each.start for each in ranges]

        def is_data(address: int) -> bool:
            index = bisect_right(starts, address) - 1
            return index >= 0 and address in ranges[index]

        return is_data

    @cached_property
    def guards(self) -> dict[int, tuple[int, bool]]:
        """Instructions of IT blocks: the IT instruction, and what its condition must be."""
        found: dict[int, tuple[int, bool]] = {}
        for it in self.instructions.values():
            at = it.end
            for sense in it.guards:
                guarded = decode(at, self.half_word)
                if guarded is None:
                    break
                found[at] = it.address, sense
                at = guarded.end
        return found

    # --- lines

    @cached_property
    def listing(self) -> Listing | None:
        """What stands for the source; None where there are lines."""
        if any(row.line for row in self.info.rows()):
            return None
        name = f"{self.name.replace('/', '-')}.lst"
        return listed(self.info, name, self.functions, self.instructions)

    @cached_property
    def rows(self) -> tuple[LineRow, ...]:
        """Of code that belongs to a line, ascending."""
        found = self.info.rows() if self.listing is None else self.listing.rows
        of_lines = (self._renamed(row) for row in found if row.line and row.file)
        return tuple(sorted(of_lines, key=lambda row: row.address))

    def _renamed(self, place: _P) -> _P:
        """Called so that no other program has a file of this name."""
        name = self._named.get(place.file)
        return place if name is None else replace(place, file=name)

    @cached_property
    def _row_starts(self) -> list[int]:
        return [row.address for row in self.rows]

    def line(self, address: int) -> Place | None:
        """Of the instruction at *address*."""
        index = bisect_right(self._row_starts, address) - 1
        if index < 0 or address >= self.rows[index].end:
            return None
        return self.rows[index].file, self.rows[index].line

    def places(self, address: int) -> tuple[Location, ...]:
        """Functions that the instruction at *address* belongs to, the innermost first."""
        if address not in self._places:
            self._places[address] = tuple(self._found_places(address))
        return self._places[address]

    def _found_places(self, address: int) -> Iterator[Location]:
        line = self.line(address)
        inlined = self.info.inlined(address) if self.listing is None else ()
        if inlined:
            yield from map(self._renamed, inlined)
            return
        name = next((f.name for f in self.functions if f.begin <= address < f.end), "")
        yield Location(name or shown(address), *(line or ("", 0)))

    def text(self, file: str) -> tuple[str, ...] | None:
        """Lines of *file*; None where it is gone."""
        if self.listing is not None:
            return self.listing.text
        return self.info.source(self._files.get(file, file))

    def path(self, file: str) -> str:
        """Where *file* lies; as the compiler called it where it is gone."""
        name = self._files.get(file, file)
        return str(self.info.source_path(name) or name)

    # --- branches

    @cached_property
    def branches(self) -> tuple[Branch, ...]:
        """All of them, by place. Copies of one, of which each was compiled into another caller, are
        one branch where that is certain; see ``_merged``."""
        found = [branch for each in self.instructions.values() for branch in self._branch(each)]
        return tuple(sorted(_merged(found, self), key=lambda b: (b.place.file, b.place.line)))

    def _branch(self, each: Instruction) -> Iterator[Branch]:
        if each.guards:
            ways, kind = (self._behind(each), each.end), "conditional instructions (IT)"
            condition = self._before.get(each.address, each.address)
        elif each.target is not None and each.target != each.end:
            ways, kind, condition = (each.end, each.target), "branch", each.address
        else:
            return
        yield Branch(self.places(condition)[0], kind, ways, [each.address])

    @cached_property
    def _before(self) -> dict[int, int]:
        """The instruction before each. An IT instruction is of the line that it guards: what it
        asks for was compared before it."""
        return {each.end: each.address for each in self.instructions.values()}

    def _behind(self, it: Instruction) -> int:
        """What is executed first where its condition does not hold."""
        at = it.end
        for sense in it.guards:
            guarded = decode(at, self.half_word)
            if guarded is None or not sense:
                break
            at = guarded.end
        return at


def _merged(branches: list[Branch], code: Code) -> Iterator[Branch]:
    """Branches of one line and column whose two ways lead to the same two lines, which differ, are
    one where each stands in an instance of its own: compiled into another caller, or a clone.
    Which way is taken on a condition may differ; where it leads does not."""
    groups: dict[object, list[Branch]] = {}
    for branch in branches:
        groups.setdefault(_key(branch, code), []).append(branch)
    for key, copies in groups.items():
        instances = {_instance(each, code) for each in copies}
        if key is None or len(instances) < len(copies):
            yield from copies
        else:
            copies[0].copies = [each.copies[0] for each in copies]
            yield copies[0]


def _key(branch: Branch, code: Code) -> object:
    place, lines = branch.place, tuple(map(code.line, branch.ways))
    if not place.line or None in lines or lines[0] == lines[1]:
        return None
    return place.function, place.file, place.line, place.column, frozenset(lines)


def _instance(branch: Branch, code: Code) -> object:
    address = branch.copies[0]
    begin = next((f.begin for f in code.functions if f.begin <= address < f.end), address)
    return begin, code.places(address)[1:]
