"""What boots came to that looked at the same: no need to boot where all they looked at is the same.

A boot depends on nothing of the array but what it looks at. So a boot from another flash, which
holds the same wherever this one looked, looks at the same, and comes to the same. States that cuts
leave differ in a unit or two, and most boots look at neither: they need not be booted to find out
what they look at.

What a boot looks at next depends on what it has seen. So looks are kept as a tree, from the moment
on at which it begins: at each branch the range that is looked at next, and for each content of it
what comes then. A moment is named by all else that decides what comes: the settings of the chip,
the subject's memory, the world outside. What a boot has written itself is no look.

That boots look at nothing without the device's notice is checked: see ``Prober``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from flash_emulator.array.cells import Cells
from flash_emulator.explore.read_choice import Looked
from flash_emulator.explore.read_set import ReadSet
from flash_emulator.explore.states import Span


@dataclass(frozen=True, slots=True)
class Seen:
    """What a boot looks at, as far as a probe goes; *looked*: of metastable units."""

    read_set: ReadSet = field(default_factory=ReadSet)
    looked: Looked = field(default_factory=Looked)


@dataclass(frozen=True, slots=True)
class Rest:
    """What a boot comes to from some moment on. *spans*: what it looks at of what was there then,
    in its order."""

    seen: Seen
    spans: tuple[Span, ...]


class _Leaf:
    """A boot, and the contents of the spans that nobody shares with it: those from *at* on."""

    __slots__ = ("at", "contents", "rest")

    def __init__(self, rest: Rest, contents: tuple[Hashable, ...], at: int) -> None:
        self.rest, self.contents, self.at = rest, contents, at


_Branch = dict[Span, dict[Hashable, "_Branch | _Leaf"]]
"""By span and content. There is more than one span where a look tells, without a word, something
of what it looks at: then all of them are tried."""


class LookTree:
    """Remembers boots by the moment at which they begin, and by what they saw."""

    def __init__(self) -> None:
        self._moments: dict[bytes, _Branch | _Leaf] = {}
        self._contents: dict[Hashable, Hashable] = {}  # each kept once

    def find(self, moment: bytes, cells: Cells) -> Rest | None:
        """What comes from there on; None where no boot that saw the same is known."""
        node = self._moments.get(moment)
        while node is not None:
            if isinstance(node, _Leaf):
                return node.rest if _is_same(node, cells) else None
            for span, found in node.items():
                further = found.get(_content(cells, span))
                if further is not None:
                    node = further
                    break
            else:
                return None
        return None

    def add(self, moment: bytes, cells: Cells, rest: Rest) -> None:
        """*cells*: as they were at that moment."""
        keep = self._contents.setdefault
        contents = [_content(cells, span) for span in rest.spans]
        leaf = _Leaf(rest, tuple([keep(each, each) for each in contents]), 0)
        node = self._moments.get(moment)
        if node is None:
            self._moments[moment] = leaf
            return
        if isinstance(node, _Leaf):
            node = self._moments[moment] = _split(node)
        while leaf.at < len(rest.spans):
            found = node.setdefault(rest.spans[leaf.at], {})
            content = leaf.contents[leaf.at]
            leaf.at += 1
            further = found.get(content)
            if further is None:
                found[content] = leaf
                return
            if isinstance(further, _Leaf):
                further = found[content] = _split(further)
            node = further


def _split(leaf: _Leaf) -> _Branch:
    """A branch that leads to *leaf* alone, by what it looks at next."""
    if leaf.at == len(leaf.contents):
        return {}
    span, content = leaf.rest.spans[leaf.at], leaf.contents[leaf.at]
    leaf.at += 1
    return {span: {content: leaf}}


def _is_same(leaf: _Leaf, cells: Cells) -> bool:
    spans, contents = leaf.rest.spans, leaf.contents
    return all(_content(cells, spans[at]) == contents[at] for at in range(leaf.at, len(spans)))


def _content(cells: Cells, span: Span) -> Hashable:
    low, high = span
    return cells.content(low, high - low)


def unwritten(looks: Iterable[Span], written: Iterable[Span]) -> Iterable[Span]:
    """What of *looks* was not *written* before."""
    found = list(looks)
    for low, high in written:
        if any(begin < high and low < end for begin, end in found):
            found = [part for look in found for part in _outside(look, low, high)]
    return found


def _outside(span: Span, low: int, high: int) -> Iterable[Span]:
    if span[1] <= low or high <= span[0]:
        yield span
        return
    if span[0] < low:
        yield span[0], low
    if high < span[1]:
        yield high, span[1]
