"""From what a user types to a part: any case, the marking on a chip, a path; else what is near.

The marking of an STM32 is ``STM32``, the line (``L476``, ``WB55``, ``U5A5``), a letter for the
number of pins, a code for the flash size, then package, temperature range and options, which do
not matter to flash: ``STM32L476RGT6``. Part files are named by line and size: ``STM32L476xG``.
Where option bytes decide between several part files of one marking, the marking cannot choose.
Size codes as in the part numbering section of ST's datasheets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

SIZES_KIB = {
    "3": 8,
    "4": 16,
    "6": 32,
    "8": 64,
    "B": 128,
    "Z": 192,
    "C": 256,
    "D": 384,
    "E": 512,
    "Y": 640,
    "F": 768,
    "G": 1024,
    "H": 1536,
    "I": 2048,
    "J": 4096,
}

_PREFIX = "STM32"
_LINE = r"WBA[0-9]{2}|WB[0-9]{2}|WL[0-9E][0-9]|[A-Z][0-9][0-9A-Z][0-9]"
_MARKING = re.compile(rf"(?:{_PREFIX})?({_LINE})(?:([A-Z])(?:([0-9A-Z])([A-Z0-9_-]*))?)?")
_PACKAGE = re.compile(r"|[A-Z](?:[0-9X][A-Z0-9-]{0,6})?")  # T, T6, T6U, TX, ITR, Y6-Q
_ENOUGH_ALIKE = 0.6  # of difflib: one letter of four may differ, or two be exchanged
_MOST_NEAR = 4


@dataclass(frozen=True, slots=True)
class Marking:
    """What a part number says. *size* is the code; *variant* the suffix of a part file's name."""

    line: str
    size: str = ""
    variant: str = ""

    @property
    def family(self) -> str:
        """``L4`` of ``L476``."""
        return self.line[:2]

    @property
    def size_text(self) -> str:
        size = SIZES_KIB.get(self.size)
        if size is None:
            return f"size code {self.size!r}"
        return f"{size // 1024} MiB" if size % 1024 == 0 else f"{size} KiB"


def parse_marking(text: str) -> Marking | None:
    """None where *text* is no part number. Board names such as NUCLEO-L476RG have one behind."""
    wanted = re.sub(r"^NUCLEO-", "", text.strip().upper()).removesuffix("-Q")
    base, _, variant = wanted.partition("_")
    found = _MARKING.fullmatch(base)
    if found is None or not _PACKAGE.fullmatch(found[4] or ""):
        return None
    size = found[3] if found[3] not in (None, "X") else ""
    return Marking(found[1], size, variant)


@dataclass(frozen=True, slots=True)
class Near:
    """A part that there is, and how it differs from what was asked for."""

    name: str
    difference: str

    def __str__(self) -> str:
        return f"{self.name} ({self.difference})"


Known = Mapping[str, Sequence[str]]
"""Names of part files, each with the other lines whose chips of that size have the same flash."""


def match_name(text: str, known: Known) -> str | None:
    """The one of *known* that *text* means beyond doubt, or None."""
    wanted = text.strip().upper()
    for name in known:
        if name.upper() == wanted:
            return name
    marking = parse_marking(wanted)
    if marking is None or not marking.size:
        return None
    of_marking = [name for name, marks in _marked(known) for m in marks if _same(m, marking)]
    if marking.variant or len(of_marking) == 1:
        return next((name for name, marks in _marked(known) if marking in marks), None)
    return None  # the option bytes choose between several


def _same(one: Marking, other: Marking) -> bool:
    """Line and size: what is printed on a chip."""
    return (one.line, one.size) == (other.line, other.size)


def near_names(text: str, known: Known) -> list[Near]:
    """The nearest of *known*, the nearest first: of the same line, of its family, or spelt so."""
    wanted = parse_marking(text)
    found = list(_of_marking(wanted, known)) if wanted is not None else []
    return (found or list(_spelt_alike(text, list(known))))[:_MOST_NEAR]


def _marked(known: Known) -> Iterator[tuple[str, list[Marking]]]:
    """Each name with the markings that it stands for, its own first."""
    for name, alike in known.items():
        own = parse_marking(name)
        if own is not None:
            yield name, [own, *(replace(own, line=line) for line in alike)]


def _of_marking(wanted: Marking, known: Known) -> Iterator[Near]:
    """Same line; or else the same family."""
    marked = list(_marked(known))
    of_line = [(name, m) for name, marks in marked for m in marks if m.line == wanted.line]
    of_family = [(name, marks[0]) for name, marks in marked if marks[0].family == wanted.family]
    of_chip = [(name, mark) for name, mark in of_line if _same(mark, wanted)]
    for name, mark in of_chip or of_line or _by_spelling(wanted.line, of_family):
        yield Near(name, ", ".join(_differences(wanted, mark)) or "with option bytes as delivered")


def _by_spelling(line: str, known: Iterable[tuple[str, Marking]]) -> list[tuple[str, Marking]]:
    return sorted(known, key=lambda pair: -SequenceMatcher(None, line, pair[1].line).ratio())


def _differences(wanted: Marking, found: Marking) -> Iterator[str]:
    if found.line != wanted.line:
        yield f"another line of the family {wanted.family}: {found.line}, not {wanted.line}"
    if not wanted.size:
        yield f"{found.size_text}; the name says no size"
    elif found.size != wanted.size:
        yield f"{found.size_text}, not {wanted.size_text}"
    if found.variant and found.variant != wanted.variant:
        yield f"if the option bytes say {found.variant}"


def _spelt_alike(text: str, names: Sequence[str]) -> Iterator[Near]:
    wanted = text.strip().upper()
    rated = [(_likeness(wanted, name.upper()), name) for name in names]
    for likeness, name in sorted(rated, reverse=True):
        if likeness >= _ENOUGH_ALIKE:
            yield Near(name, "spelt alike")


def _likeness(wanted: str, name: str) -> float:
    """Without what all names begin with, which would make them all alike."""
    ends = wanted.removeprefix(_PREFIX), name.removeprefix(_PREFIX)
    return SequenceMatcher(None, ends[0], ends[1]).ratio()
