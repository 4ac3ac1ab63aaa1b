"""From traced boots to coverage: every boot counts once for each line and branch that it came by.

A boot is what it did by itself, and what it would have done behind the point where it was joined
with another boot: that was traced there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from flash_emulator.explore.states import Node
from flash_emulator.machine.coverage import code as codes
from flash_emulator.machine.coverage.code import Code
from flash_emulator.machine.coverage.following import Joined
from flash_emulator.machine.coverage.names import file_names, program_names
from flash_emulator.machine.coverage.report import (
    Boots,
    Branch,
    Coverage,
    CutOperation,
    Cuts,
    FunctionCoverage,
    Line,
    SourceFile,
    Way,
)
from flash_emulator.machine.coverage.tracing import Trace
from flash_emulator.machine.debug_info import DebugInfo, Location
from flash_emulator.power import Outcome


def coverage_of(joined: Joined, infos: Sequence[DebugInfo], missing: Iterable[str]) -> Coverage:
    """*infos*: of the programs whose code may run."""
    ran = {each for one in joined.ran.values() for each in one.trace.ran}
    programs = [
        Code(info, ran, name, named)
        for info, name, named in zip(infos, program_names(infos), file_names(infos), strict=True)
    ]
    counts = _Counts(joined, [Marks(code) for code in programs])
    files = tuple(file for code in programs for file in _files(code, joined, counts))
    words = (*missing, *(_without_lines(code) for code in programs if code.listing is not None))
    return Coverage(counts.boots, files, words, joined.hung)


def _without_lines(code: Code) -> str:
    listing = code.listing
    assert listing is not None
    why = "; ".join(code.info.missing) or f"{code.info.path.name} has no lines"
    return f"{why}. Its instructions stand for lines, in {listing.file}"


# --- what a trace marks


@dataclass(slots=True)
class Marks:
    """What of a program a trace comes by: ``("line", program, file, number)`` and the like."""

    code: Code
    _branches: dict[int, codes.Branch] = field(init=False)
    _by_end: dict[int, int] = field(init=False)  # address of the branch that ends there

    def __post_init__(self) -> None:
        self._branches = {at: each for each in self.code.branches for at in each.copies}
        ends = ((each.end, each) for each in self.code.instructions.values())
        self._by_end = {end: each.address for end, each in ends if each.address in self._branches}

    def of(self, trace: Trace) -> Iterator[Hashable]:
        code = self.code
        for address in self._executed(trace):
            place = code.line(address)
            if place is not None and not code.instructions[address].guards:
                yield "line", code.name, *place  # an IT instruction does nothing by itself
            for location in code.places(address):
                yield "function", code.name, location.function, location.file
            if address in self._branches:
                yield "branch", id(self._branches[address])
        yield from self._ways(trace)

    def _executed(self, trace: Trace) -> Iterator[int]:
        seen = {address for address, _ in trace.held}
        for block in trace.ran:
            for each in self.code.blocks.get(block, ()):
                it, sense = self.code.guards.get(each.address, (0, True))
                if it not in seen or (it, sense) in trace.held:
                    yield each.address

    def _ways(self, trace: Trace) -> Iterator[Hashable]:
        for end, to in trace.went:
            address = self._by_end.get(end)
            if address is not None:
                yield from self._way(address, to)
        for address, held in trace.held:
            branch = self._branches.get(address)
            if branch is not None:
                yield "way", id(branch), held

    def _way(self, address: int, to: int) -> Iterator[Hashable]:
        branch, instruction = self._branches[address], self.code.instructions[address]
        if instruction.guards or to not in (instruction.end, instruction.target):
            return
        lines = [self.code.line(each) for each in branch.ways]
        merged = len(branch.copies) > 1  # a copy may branch on the opposite condition
        taken = lines[1] == self.code.line(to) if merged else to == instruction.target
        yield "way", id(branch), taken


# --- counting


class _Counts:
    """In how many boots each mark was met."""

    def __init__(self, joined: Joined, marks: Sequence[Marks]) -> None:
        self._bits: dict[Hashable, int] = {}
        self._joined, self._marks = joined, marks
        self._traces: dict[Trace, int] = {}
        self.again: set[Node] = set()  # where boots come by that followed a cut
        masks: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
        starts = Counter[bool]()
        for start, way in joined.ways().items():
            after, mask = joined.starts[start], 0
            for node in way:
                mask |= self._mask(joined.ran[node].trace)
            masks[after][mask] += 1
            starts[after] += 1
            if after:
                self.again.update(way)
        self.boots = Boots(starts.total(), starts[True])
        self._without, self._after = (self._spread(each) for each in masks)

    def _mask(self, trace: Trace) -> int:
        known = self._traces.get(trace)
        if known is None:
            known = 0
            for marks in self._marks:
                for mark in marks.of(trace):
                    known |= 1 << self._bits.setdefault(mark, len(self._bits))
            self._traces[trace] = known
        return known

    def _spread(self, masks: Counter[int]) -> Counter[Hashable]:
        found = Counter[Hashable]()
        for mark, bit in self._bits.items():
            found[mark] = sum(count for mask, count in masks.items() if mask >> bit & 1)
        return found

    def of(self, *mark: Hashable) -> Boots:
        after = self._after[mark]
        return Boots(self._without[mark] + after, after)


# --- by file


def _files(code: Code, joined: Joined, counts: _Counts) -> Iterator[SourceFile]:
    lines: dict[str, set[int]] = {}
    for row in code.rows:
        lines.setdefault(row.file, set()).add(row.line)
    branches = [_branch(each, code, counts) for each in code.branches]
    operations = list(_operations(code, joined, counts))
    functions = list(_functions(code, counts))
    names = {f.file for f in functions} | {branch.place.file for branch in branches}
    names |= {operation.place.file for operation in operations}
    for file in sorted(lines.keys() | names):
        yield SourceFile(
            code.name,
            file,
            code.path(file),
            code.listing is not None,
            code.text(file),
            tuple(_line(code, file, n, counts) for n in sorted(lines.get(file, ()))),
            tuple(each for each in functions if each.file == file),
            tuple(each for each in branches if each.place.file == file),
            tuple(each for each in operations if each.place.file == file),
        )


def _line(code: Code, file: str, number: int, counts: _Counts) -> Line:
    return Line(number, counts.of("line", code.name, file, number))


def _branch(branch: codes.Branch, code: Code, counts: _Counts) -> Branch:
    ways = [
        Way(at, _location(code, at), taken, counts.of("way", id(branch), taken))
        for at, taken in zip(branch.ways, (False, True), strict=True)
    ]
    boots = counts.of("branch", id(branch))
    return Branch(branch.place, branch.kind, tuple(branch.copies), boots, (ways[0], ways[1]))


def _location(code: Code, address: int) -> Location | None:
    place = code.places(address)[0]
    return place if place.line else None


def _functions(code: Code, counts: _Counts) -> Iterator[FunctionCoverage]:
    """Also those that were inlined wherever they are called."""
    known: dict[tuple[str, str], int] = {}
    for function in code.functions:
        place = code.places(function.begin)[-1]
        known.setdefault((place.function, place.file), function.line or place.line)
    for address in code.instructions:
        for location in code.places(address):
            key = location.function, location.file
            known[key] = min(known.get(key, location.line) or location.line, location.line)
    for (name, file), line in sorted(known.items(), key=lambda item: (item[0][1], item[1])):
        yield FunctionCoverage(name, file, line, counts.of("function", code.name, name, file))


def _operations(code: Code, joined: Joined, counts: _Counts) -> Iterator[CutOperation]:
    done, again = Counter[tuple[int, str]](), Counter[tuple[int, str]]()
    for node, ran in joined.ran.items():
        done.update(ran.done)
        if node in counts.again:
            again.update(ran.done)
    for (address, kind), count in sorted(done.items()):
        if code.info.is_code(address):
            cuts, later = (_cuts(joined.per_operation, n) for n in (count, again[address, kind]))
            yield CutOperation(code.places(address)[0], address, kind, cuts, later)


def _cuts(per_operation: Counter[Outcome], count: int) -> Cuts:
    return {outcome: each * count for outcome, each in per_operation.items()}
