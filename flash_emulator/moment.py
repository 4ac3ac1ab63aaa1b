"""One moment of a film: what ran, where in its source, and what the flash held. Plain values.

A subject whose boots have ``moment() -> Running | None`` says what its program was doing; what the
flash held comes from the device, for every subject.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A place in the source. *file* as the compiler was given it; *line* 0: it names none;
    *column*, too. *path*: where the file lies today; empty where it is gone."""

    function: str
    file: str
    line: int
    column: int = 0
    path: str = ""

    def __str__(self) -> str:
        name = f"{self.function}()" if self.function else ""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ", ".join(part for part in (name, place) if part)


@dataclass(frozen=True, slots=True)
class Caller:
    """One function of the call stack; of those that were inlined, each is one. *pc*: where it is;
    *symbol*: the same with a name; *source*: None where no line is known. *note*: what is special
    there, such as the exception that was taken, or why the stack cannot be followed further."""

    pc: int
    symbol: str
    source: SourceLine | None = None
    is_inlined: bool = False
    note: str = ""

    def __str__(self) -> str:
        return str(self.source) if self.source is not None else self.symbol


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of *file* from number *first* on; *marked* is the number of the one that ran."""

    file: str
    first: int
    lines: tuple[str, ...]
    marked: int

    def numbered(self) -> Iterator[tuple[int, str]]:
        """Lines with their numbers."""
        yield from enumerate(self.lines, self.first)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One of a disassembly; *is_next*: where the program counter is."""

    address: int
    data: bytes
    text: str
    is_next: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """What a program was doing. *stack*: innermost first. *registers* by name. *excerpt* of the
    source; where there is none, *instructions*, and *missing* says why."""

    stack: tuple[Caller, ...]
    registers: Mapping[str, int] = field(default_factory=dict)
    excerpt: Excerpt | None = None
    instructions: tuple[Instruction, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def place(self) -> SourceLine | None:
        """Of the innermost function whose line is known."""
        return next((each.source for each in self.stack if each.source is not None), None)

    def __str__(self) -> str:
        """``program(), flash.c:83, called from install(), boot.c:141``."""
        return ", called from ".join(map(str, self.stack))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a read gives of a unit: *data*, or *error* in words, where the ECC gives up.

    *is_corrected*: the ECC has mended one bit. *ways*: in how many of all ways that its doubtful
    bits may read; 0: it is not known how many. *is_next*: so it reads in the boot
    that follows; at the end of a film, in the one that has ended.
    """

    data: bytes = b""
    error: str = ""
    is_corrected: bool = False
    ways: int = 1
    is_next: bool = False


@dataclass(frozen=True, slots=True)
class Units:
    """Units of an erased sector that became alike: how many, and one of them with its readings."""

    what: str
    count: int
    address: int
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class Touched:
    """What one flash operation had to do with: a unit that is programmed, sectors that are erased,
    option bytes.

    *kind* and *address* as of the operation; *size* in bytes; *written*: what is programmed.
    *before*, *after*: what it held, in words; at the end of a film, what the cut had left, and what
    it holds now. *readings*: of the unit, what it may read; *units*:
    of sectors, what became of them. *doubtful*: how many bits read one way now and the other way
    then.
    """

    kind: str
    address: int
    size: int
    written: bytes = b""
    before: str = ""
    after: str = ""
    readings: tuple[Reading, ...] = ()
    units: tuple[Units, ...] = ()
    doubtful: int = 0


@dataclass(frozen=True, slots=True)
class Moment:
    """*running*: None where the subject does not say. *touched*: by the operation that was cut; at
    the end of a film, by each that was, as it is now. *last*: operations before it, in words."""

    running: Running | None = None
    touched: tuple[Touched, ...] = ()
    last: tuple[str, ...] = ()

    @property
    def place(self) -> SourceLine | None:
        """File and line that ran; None where they are not known."""
        return None if self.running is None else self.running.place
