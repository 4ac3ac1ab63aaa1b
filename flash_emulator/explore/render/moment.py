"""A moment of a film as lines for a terminal, below the line of the cut or end that it is of.

in erase(), bootloader.c:59
called from copy(), bootloader.c:75
   58      FLASH_CR = page | 2u;
>  59      FLASH_CR = page | 2u | 1u << 16;
r0 08008000  r1 00000082 ...
flash at 0x0800_8000, sector of 2,048 bytes
  before: 256 units of 8 bytes: 247 erased, 9 programmed
  after:  256 units of 8 bytes, all spoilt by a cut
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from flash_emulator.moment import (
    Caller,
    Excerpt,
    Instruction,
    Moment,
    Reading,
    Running,
    Touched,
    Units,
)

_REGISTERS = (*(f"r{n}" for n in range(13)), "sp", "lr", "pc", "xpsr")
_IN_A_ROW = 5
_AROUND = 2  # lines of source
_MOST_CALLERS = 12
_MOST = 4  # readings


def moment_lines(moment: Moment, width: int, *, is_end: bool) -> Iterator[str]:
    """*width*: of the longest line. *is_end*: nothing is cut: the flash is as it is now."""
    if moment.running is not None:
        yield from _running_lines(moment.running, width)
    for touched in moment.touched:
        for line in touched_lines(touched, is_end=is_end):
            yield from _wrapped(line, width)


def _wrapped(line: str, width: int) -> list[str]:
    """Lines that go on begin further to the right."""
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False)


def moment_texts(moment: Moment, *, is_end: bool) -> dict[str, Any]:
    """The same in pieces, for a page: stack, file, source (number, text), marked, code (address,
    bytes, instruction, whether it is the one that ran), missing, registers, flash."""
    running = moment.running
    flash = [line for each in moment.touched for line in touched_lines(each, is_end=is_end)]
    if running is None:
        return {"flash": flash}
    excerpt = running.excerpt
    return {
        "stack": [caller_text(caller) for caller in running.stack],
        "file": "" if excerpt is None else excerpt.file,
        "source": [] if excerpt is None else list(excerpt.numbered()),
        "marked": 0 if excerpt is None else excerpt.marked,
        "code": [
            (place(each.address), each.data.hex(" "), each.text, each.is_next)
            for each in running.instructions
        ],
        "missing": list(running.missing),
        "registers": [
            (name, f"{value:08x}")
            for row in register_rows(running.registers)
            for name, value in row
        ],
        "flash": flash,
    }


# --- the program


def _running_lines(running: Running, width: int) -> Iterator[str]:
    for line in _stack_lines(running.stack):
        yield from _wrapped(line, width)
    for line in (*_source_lines(running.excerpt), *_code_lines(running.instructions)):
        yield line if len(line) <= width else f"{line[: width - 3]}..."
    for text in running.missing:
        yield from _wrapped(f"({text})", width)
    yield from _register_lines(running.registers)


def _stack_lines(stack: tuple[Caller, ...]) -> Iterator[str]:
    for index, caller in enumerate(stack[:_MOST_CALLERS]):
        yield f"{'called from' if index else 'in'} {caller_text(caller)}"
    if len(stack) > _MOST_CALLERS:
        yield f"and {len(stack) - _MOST_CALLERS} more callers"


def _source_lines(excerpt: Excerpt | None) -> Iterator[str]:
    """Those near the marked one."""
    lines = () if excerpt is None else excerpt.numbered()
    for number, text in lines:
        assert excerpt is not None
        if abs(number - excerpt.marked) <= _AROUND:
            mark = ">" if number == excerpt.marked else " "
            yield f"{mark} {number:4}  {text.expandtabs(4)}".rstrip()


def _code_lines(instructions: tuple[Instruction, ...]) -> Iterator[str]:
    for each in instructions:
        mark = ">" if each.is_next else " "
        yield f"{mark} {place(each.address)}  {each.data.hex(' '):11}  {each.text}"


def caller_text(caller: Caller) -> str:
    """With what is special there."""
    notes = [text for text in ("inlined" if caller.is_inlined else "", caller.note) if text]
    return f"{caller} ({', '.join(notes)})" if notes else str(caller)


def _register_lines(registers: Mapping[str, int]) -> Iterator[str]:
    for row in register_rows(registers):
        yield "  ".join(f"{name:<4} {value:08x}" for name, value in row)


def register_rows(registers: Mapping[str, int]) -> Iterator[list[tuple[str, int]]]:
    """Those that say most, some in a row."""
    shown = [(name, registers[name]) for name in _REGISTERS if name in registers]
    for first in range(0, len(shown), _IN_A_ROW):
        yield shown[first : first + _IN_A_ROW]


# --- the flash


def touched_lines(touched: Touched, *, is_end: bool) -> Iterator[str]:
    """What was cut, before and after; at the end, what has become of it."""
    now = " now" if is_end else ""
    if is_end and touched.before == touched.after:
        yield f"flash{now}: {touched_text(touched)}: as the cut has left it"
        yield from (f"  {text}" for text in reading_texts(touched, is_end=True) if "(so" in text)
        return
    yield f"flash{now}: {touched_text(touched)}"
    if not is_end:
        written = f"; {touched.written[:32].hex(' ')} to be programmed"
        yield f"  before: {touched.before}{written if touched.kind == 'program' else ''}"
    yield f"  {'holds:' if is_end else 'after: '} {touched.after}"
    yield from (f"  {text}" for text in reading_texts(touched, is_end=is_end))


def touched_text(touched: Touched) -> str:
    """What it is, and where."""
    match touched.kind:
        case "options":
            return "option bytes"
        case "program":
            return f"{place(touched.address)}, a unit of {touched.size} bytes"
        case "erase":
            return f"{place(touched.address)}, a sector of {touched.size:,} bytes"
    return f"{place(touched.address)}, {touched.kind} of {touched.size:,} bytes"


def reading_texts(touched: Touched, *, is_end: bool) -> Iterator[str]:
    """All that a unit may read, where that is more than *after* says; of sectors, what units do."""
    found = touched.readings
    is_told = len(found) == 1 and not found[0].error and not found[0].is_corrected
    if found and not is_told:
        yield from (f"reads {reading_text(each, found, is_end=is_end)}" for each in found[:_MOST])
        if len(found) > _MOST:
            more = "" if not found[0].ways else f" {len(found) - _MOST:,}"
            yield f"or one of{more} other values, as {touched.doubtful} bits may read"
    for units in touched.units:
        yield units_text(units, is_end=is_end)


def reading_text(reading: Reading, every: tuple[Reading, ...], *, is_end: bool) -> str:
    """One of *every*."""
    notes = ["one bit mended by the ECC"] if reading.is_corrected else []
    ways = sum(each.ways for each in every)
    if len(every) > 1 and ways:
        notes.append(f"in {reading.ways} of {ways} ways")
    if len(every) > 1 and reading.is_next:
        notes.append("so in this boot" if is_end else "so in the boot that follows")
    text = reading.error or reading.data[:32].hex(" ")
    return f"{text} ({', '.join(notes)})" if notes else text


def units_text(units: Units, *, is_end: bool) -> str:
    """How many, and what one of them reads."""
    text, found = f"{units.count:,} of them {units.what}", units.readings
    if len(found) == 1 and found[0].error:
        return f"{text}, the first at {place(units.address)}"
    shown = "; or ".join(reading_text(each, found, is_end=is_end) for each in found[:2])
    more = f"; or {len(found) - 2} other values" if len(found) > 2 else ""
    return f"{text}: {place(units.address)} reads {shown}{more}"


def place(address: int) -> str:
    """``0x0800_8000``."""
    return f"0x{address >> 16:04X}_{address & 0xFFFF:04X}"
