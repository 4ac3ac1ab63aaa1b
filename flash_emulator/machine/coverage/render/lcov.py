"""Coverage as lcov's tracefile, geninfo(1): counts are boots.

Two files rather than one: a tool that reads both tests of one file would add their counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from flash_emulator.machine.coverage.report import Boots, Branch, Coverage, SourceFile

Count = Callable[[Boots], int]

_TESTS: dict[bool, tuple[str, Count]] = {
    False: ("any", lambda boots: boots.all),
    True: ("after_a_cut", lambda boots: boots.after),
}


def lcov(coverage: Coverage, named: Callable[[SourceFile], str], *, after: bool) -> str:
    """The whole file, with one test, ``any`` or ``after_a_cut``. *named*: where a source lies."""
    test, count = _TESTS[after]
    lines = [
        line
        for file in coverage.files
        if file.lines
        for line in (f"TN:{test}", f"SF:{named(file)}", *_records(file, count), "end_of_record")
    ]
    return "\n".join(lines) + "\n" if lines else f"TN:{test}\n"


def _records(file: SourceFile, count: Count) -> Iterator[str]:
    functions = [each for each in file.functions if each.line]
    yield from (f"FN:{each.line},{each.name}" for each in functions)
    yield from (f"FNDA:{count(each.boots)},{each.name}" for each in functions)
    yield f"FNF:{len(functions)}"
    yield f"FNH:{sum(count(each.boots) > 0 for each in functions)}"
    branches = [each for each in file.branches if each.place.line]
    yield from _branches(branches, count)
    ways = [way for each in branches for way in each.ways]
    yield f"BRF:{len(ways)}"
    yield f"BRH:{sum(count(way.boots) > 0 for way in ways)}"
    yield from (f"DA:{line.number},{count(line.boots)}" for line in file.lines)
    yield f"LF:{len(file.lines)}"
    yield f"LH:{sum(count(line.boots) > 0 for line in file.lines)}"


def _branches(branches: list[Branch], count: Count) -> Iterator[str]:
    """Of a line they are numbered as its blocks; way 0: the condition does not hold."""
    numbers = Counter[int]()
    for branch in sorted(branches, key=lambda each: (each.place.line, each.addresses)):
        line = branch.place.line
        for index, way in enumerate(branch.ways):
            taken = str(count(way.boots)) if count(branch.boots) else "-"
            yield f"BRDA:{line},{numbers[line]},{index},{taken}"
        numbers[line] += 1
