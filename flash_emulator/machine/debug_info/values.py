"""What debug information says, as values: places in the source, rows, functions, stack frames."""

from __future__ import annotations

from dataclasses import dataclass

from flash_emulator.machine.symbols import shown


@dataclass(frozen=True, slots=True)
class Location:
    """A line of the source. *file* as the compiler was given it, with slashes, relative to the
    folder of compilation; *line* is 0 where the compiler names none, *column*, too."""

    function: str
    file: str
    line: int
    column: int = 0

    @property
    def place(self) -> str:
        """``boot.c:141``, or ``boot.c`` for code that belongs to no line."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        name = f"{self.function}()" if self.function else ""
        return ", ".join(part for part in (name, self.place) if part)


@dataclass(frozen=True, slots=True)
class LineRow:
    """A row of the line table: code from *address* up to *end* is of *line*. *is_stmt*: a good
    place for a breakpoint."""

    address: int
    end: int
    file: str
    line: int
    is_stmt: bool
    column: int = 0


@dataclass(frozen=True, slots=True)
class Function:
    """One stretch of a function's code; a function that is split has several. *file* is empty and
    *line* 0 where only the symbol table knows it."""

    name: str
    begin: int
    end: int
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class StackFrame:
    """One frame of the call stack, innermost first.

    *pc*: the instruction, of callers the call. *locations*: as ``DebugInfo.inlined`` has them.
    *symbol*: address and name as ``Symbols`` has them. *cfa*: the stack pointer before the call;
    None where it is not known. *note*: what is special, such as the exception that was taken here,
    or why the stack cannot be followed further.
    """

    pc: int
    locations: tuple[Location, ...] = ()
    symbol: str = ""
    cfa: int | None = None
    note: str = ""

    @property
    def location(self) -> Location | None:
        """The innermost; None where no line is known."""
        return self.locations[0] if self.locations else None

    def lines(self) -> tuple[str, ...]:
        """One text for each function, those that are inlined first."""
        return tuple(map(str, self.locations)) or (self.symbol or shown(self.pc),)
