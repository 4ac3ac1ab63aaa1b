"""A film as lines for a terminal.

boot 1
    1 to 3   erase, 3 times, 0x0800_0000 to 0x0800_1000
    4 to 9   program, 48 bytes, 0x0800_0000
             | bank B PLANNED
   10        CUT: power lost at flash operation 10 ...
               in program(), flash.c:83
               called from install(), boot.c:141
boot 2
             VIOLATION unsafe: no copy is left
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from flash_emulator.explore.render.moment import moment_lines
from flash_emulator.explore.replay import Film, Frame
from flash_emulator.printable import printable

_WIDTH = 18
_MOMENT_WIDTH = 78  # of 100 columns
_DONE = re.compile(r"\d+(?: to \d+)?: (?P<kind>[a-z ]+?) 0x")


def film_lines(film: Film) -> Iterator[str]:
    """Operations of one kind in a row are one line. Last: where in the subject it went wrong."""
    yield from _frame_lines(film)
    for line in film.trace.splitlines():
        yield _line("", printable(line))


def _frame_lines(film: Film) -> Iterator[str]:
    last = 0
    for _, group in groupby(film.frames, _fold):
        frames = list(group)
        if frames[0].kind == "boot":
            last = 0
        yield from _lines(frames, last)
        last = frames[-1].operation


def _fold(frame: Frame) -> object:
    """Frames in a row for which this is equal are one line."""
    return (frame.boot, *_alike(frame)) if frame.kind == "operation" else id(frame)


def _alike(frame: Frame) -> tuple[str, str]:
    return operation_kind(frame), frame.where


def operation_kind(frame: Frame) -> str:
    """``program``, ``erase`` ...; empty where it is no operation."""
    found = _DONE.match(frame.text) if frame.kind == "operation" else None
    return found["kind"] if found is not None else ""


def _lines(frames: list[Frame], last: int) -> Iterator[str]:
    frame = frames[0]
    text = printable(frame.text)
    match frame.kind:
        case "boot":
            yield f"boot {frame.boot}"
        case "operation" if len(frames) > 1:
            numbers = f"{last + 1} to {frames[-1].operation}"
            ends = f"{_address(frame)} to {_address(frames[-1])}"
            what = f"{operation_kind(frame)}, {len(frames)} times, {ends}"
            yield _line(numbers, f"{what}{printable(frame.where)}")
        case "operation":
            numbers, _, what = text.partition(": ")
            yield _line(numbers, what)
        case "word":
            yield _line("", f"| {text}")
        case "cut":
            yield _line("", text)
        case "violation":
            yield _line("", f"VIOLATION {text}")
        case _:
            yield _line("", f"end: {text}")
    if frame.moment is not None and frame.kind != "end":
        is_end = frame.kind == "violation"
        for each in moment_lines(frame.moment, _MOMENT_WIDTH, is_end=is_end):
            yield _line("", f"  {printable(each)}")


def _line(numbers: str, text: str) -> str:
    return f"{numbers:>{_WIDTH}}  {text}".rstrip()


def _address(frame: Frame) -> str:
    address = frame.address or 0
    return f"0x{address >> 16:04X}_{address & 0xFFFF:04X}"
