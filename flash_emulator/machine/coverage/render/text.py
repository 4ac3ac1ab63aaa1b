"""Coverage in a few lines, for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from flash_emulator.machine.coverage.report import Boots, Coverage, CutOperation, Unreached
from flash_emulator.printable import printable

_MOST = 20


def share(counted: Sequence[Boots], *, after: bool) -> str:
    """``41 of 44``: of those that may run, how many did."""
    hit = sum(bool(boots.after if after else boots.all) for boots in counted)
    return f"{hit} of {len(counted)}"


def coverage_lines(coverage: Coverage) -> Iterator[str]:
    """What ran, which operations were cut, and each branch that no cut ever reached."""
    boots, files = coverage.boots, coverage.files
    lines = [line.boots for file in files for line in file.lines]
    ways = [way.boots for file in files for each in file.branches for way in each.ways]
    yield f"coverage: {boots.all:,} boots, {boots.after:,} of them after a cut"
    for name, counted in (("lines", lines), ("ways of branches", ways)):
        ran, again = share(counted, after=False), share(counted, after=True)
        yield f"  {name}: {ran} in any boot, {again} after a cut"
    for file in files:
        yield from map(_cut, file.operations)
    yield from _unreached(coverage.unreached())
    entered = [each.name for each in coverage.never_entered()]
    if entered:
        yield f"  functions that no boot came to: {', '.join(map(printable, entered))}"
    yield from (f"  {printable(text)}" for text in coverage.missing)
    if coverage.hung:
        yield f"  boots that never came to rest, and are not counted: {coverage.hung}"


def _cut(each: CutOperation) -> str:
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in each.cuts.items())
    return f"  {each.kind} cut in {printable(str(each.place))}: {outcomes}"


def _unreached(found: Sequence[Unreached]) -> Iterator[str]:
    if not found:
        yield "  every branch of recovery was reached both ways"
        return
    yield f"  branches of recovery that no cut ever reached: {len(found)}"
    texts = Counter(map(str, found))
    for text, count in list(texts.items())[:_MOST]:
        yield f"    {printable(text)}{f' ({count} branches)' if count > 1 else ''}"
    if len(texts) > _MOST:
        yield f"    and {len(texts) - _MOST} more places: see index.html"
