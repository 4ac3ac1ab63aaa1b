"""A board file, TOML, to a ``Board``; docs/reference/board-files.md says what may stand in it.

    read = read_board_file(Path("board.toml"))
    Search(read.subject, read.board.flash()).run()

All that is wrong with a file is said at once.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.errors import AlignmentError
from flash_emulator.machine.board import Board, Image, Questions, Reported, Slot
from flash_emulator.machine.board_faults import BadBoardFile, BoardFault
from flash_emulator.machine.board_host import host_of
from flash_emulator.machine.board_images import (
    PlacedImage,
    programs_of,
    read_images,
    stack_floor_of,
    symbols_of,
)
from flash_emulator.machine.board_model import BoardTable
from flash_emulator.machine.chips.catalogue import chip_of, ram_of
from flash_emulator.machine.debug_info.of_board import DebugInfos
from flash_emulator.machine.fault_collection import Faults
from flash_emulator.machine.hosts.session import Plan
from flash_emulator.machine.rest import Limits, Rests
from flash_emulator.machine.subject import FirmwareSubject
from flash_emulator.machine.symbols import Symbols, shown
from flash_emulator.machine.toml_lines import Lines, Place
from flash_emulator.parts.catalogue import load_part, load_part_file
from flash_emulator.parts.part import Part
from flash_emulator.parts.part_tables import PartError

ALWAYS_RESTS = ("breakpoint", "exit", "loop", "sleep")
"""Ends of a boot that need nothing in the file."""


@dataclass(frozen=True, slots=True)
class BoardFile:
    """What a good board file comes to. *table*: what it says, word for word. *debug*: source lines
    and call stacks of its programs, which nobody reads before they are asked for."""

    path: Path
    table: BoardTable
    board: Board
    symbols: Symbols
    images: tuple[PlacedImage, ...]
    debug: DebugInfos = DebugInfos()  # noqa: RUF009  it is frozen

    @property
    def subject(self) -> FirmwareSubject:
        return FirmwareSubject(self.board, self.symbols, self.debug)


def read_board_file(path: Path) -> BoardFile:
    """The board that *path* describes; paths in it are relative to its folder.

    Raises BadBoardFile, whatever is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        found = error.strerror or str(error)
        raise BadBoardFile(path, [BoardFault(0, "", "cannot be read", "a file", found)]) from error
    except UnicodeDecodeError as error:
        fault = BoardFault(0, "", "is no TOML", "UTF-8", str(error))
        raise BadBoardFile(path, [fault]) from error
    return board_of(text, path)


def board_of(text: str, path: Path) -> BoardFile:
    """As ``read_board_file``, of the *text* of a file that is to stand at *path*."""
    table, faults = _form(text, path)
    part = _part(table.part, path.parent, faults)
    faults.raise_any()
    assert part is not None
    images = read_images(table.images, path.parent, part, faults)
    _Checks(table, part, images, faults).all()
    host = None if table.host is None else host_of(table.host, images, path.parent, part, faults)
    debug = _debug(table, images, path.parent, faults)
    faults.raise_any()
    board = _board(table, part, images, host)
    return BoardFile(path, table, board, symbols_of(images), tuple(images), debug)


def _debug(
    table: BoardTable, images: list[PlacedImage], folder: Path, faults: Faults
) -> DebugInfos:
    """Sources that are gone are no fault: films say so."""
    search = tuple(folder / name for name in table.sources)
    return DebugInfos(programs_of(images, folder, faults), search)


def _form(text: str, path: Path) -> tuple[BoardTable, Faults]:
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        last = len(text.splitlines())
        fault = BoardFault(int(line[1]) if line else last, "", "is no TOML", "", str(error))
        raise BadBoardFile(path, [fault]) from error
    faults = Faults(path, Lines(text))
    try:
        return TypeAdapter(BoardTable).validate_python(raw), faults
    except ValidationError as error:
        faults.add_all_of(error, raw)
        faults.raise_any()
        raise


def table_of(text: str, path: Path) -> BoardTable:
    """What the *text* of a board file at *path* says; no other file is opened, nothing is executed.

    Raises BadBoardFile where its form is wrong.
    """
    return _form(text, path)[0]


def named_files(table: BoardTable) -> Iterator[str]:
    """Every other file that a board file names, as it names them: each is needed to read it."""
    if _is_file(table.part):
        yield table.part
    for image in table.images:
        yield from (name for name in (image.file, image.elf) if name is not None)
    if table.host is not None:
        yield from (step.file for step in table.host.steps if step.file is not None)
        if table.host.python is not None:
            yield table.host.python.rpartition(":")[0]


def _part(name: str, folder: Path, faults: Faults) -> Part | None:
    """A name, or a part file: what has a slash, or ends in .toml."""
    try:
        part = load_part_file(folder / name) if _is_file(name) else load_part(name)
        chip_of(part)
    except (PartError, AlignmentError) as error:
        faults.add(("part",), "cannot be", "", str(error))
    except OSError as error:
        faults.add(("part",), "cannot be read", "", f"{folder / name}: {error.strerror or error}")
    else:
        return part
    return None


def _is_file(name: str) -> bool:
    return name.endswith(".toml") or "/" in name


# --- what must fit together


class _Checks:
    """Values against each other, the part, and the images."""

    def __init__(
        self, table: BoardTable, part: Part, images: list[PlacedImage], faults: Faults
    ) -> None:
        self._table, self._part, self._images, self._faults = table, part, images, faults
        self._flash = range(part.base, part.bank_starts[-1] + part.bank_size)
        self._published = {image.name: image for image in images if image.table.published}
        self._has_all = len(images) == len(table.images)

    def all(self) -> None:
        self._slots()
        self._pins(("pins",), self._table.pins)
        self._pins(("rest", "pins"), self._table.rest.pins)
        self._options()
        for index, (address, size) in enumerate(self._table.protected):
            self._in_flash(("protected", index), address, size)
        self._machine()
        self._start()
        for image in self._published.values():
            self._published_vectors(image)
        self._rests()
        self._questions()

    def _slots(self) -> None:
        names = [slot.name for slot in self._table.slots]
        for index, slot in enumerate(self._table.slots):
            if names.index(slot.name) != index:
                place = ("slots", index, "name")
                self._faults.add(place, "a name stands twice", "each name once", slot.name)
            self._in_flash(("slots", index), slot.address, slot.size)

    def _in_flash(self, place: Place, address: int, size: int) -> None:
        if address not in self._flash or address + size > self._flash.stop:
            first, last = self._flash.start, self._flash.stop - 1
            expected = f"flash of {self._part.name}, {shown(first)} to {shown(last)}"
            found = f"{shown(address)} to {shown(address + size - 1)}"
            self._faults.add(place, "lies elsewhere", expected, found)

    def _pins(self, place: Place, pins: Mapping[str, str]) -> None:
        ports = "".join(unit.name[-1] for unit in chip_of(self._part).gpio)
        for name in pins:
            if not re.fullmatch(rf"P[{ports}]([0-9]|1[0-5])", name):
                expected = f"P, a letter of {ports}, and 0 to 15, such as PA0"
                self._faults.add((*place, name), "is no pin of this chip", expected, name)

    def _options(self) -> None:
        options = EmulatedFlash(self._part).options
        for name, value in self._table.options.items():
            try:
                options.check({name: value})
            except AlignmentError as error:
                self._faults.add(("options", name), "cannot be", "", str(error))

    def _machine(self) -> None:
        if not self._rams():
            what = f"the RAM of {self._part.name} is not known"
            expected = "ram = [[address, size], ...]; a packaged part brings its own"
            self._faults.add(("machine", "ram"), what, expected)
            return
        floor = self._table.machine.stack_floor
        if type(floor) is int and not any(floor in ram for ram in self._rams()):
            key = ("machine", "stack_floor")
            self._faults.add(key, "lies elsewhere", self._rams_in_words(), floor)

    def _rams(self) -> list[range]:
        ranges = self._table.machine.ram or ram_of(self._part)
        return [range(base, base + size) for base, size in ranges]

    def _rams_in_words(self) -> str:
        rams = (f"{shown(ram.start)} to {shown(ram.stop - 1)}" for ram in self._rams())
        return f"RAM, {', '.join(rams)}"

    # --- the start

    def _start(self) -> None:
        """Something must lie where the core reads its first vectors."""
        base = self._part.base
        first = next((i for i in self._images if _word_at(i, base) is not None), None)
        if first is None:
            if self._has_all:
                what = f"no image lies at {shown(base)}, where the core reads its vector table"
                self._faults.add(("images",), what, "the bootloader there")
            return
        sp, pc = _word_at(first, base), _word_at(first, base + 4)
        if sp is None or pc is None or not self._table.machine.check_vectors:
            return
        self._vectors(first, sp, pc)
        for index, slot in enumerate(self._table.slots):
            if slot.rest and slot.address <= pc < slot.address + slot.size:
                place = ("slots", index)
                what = "the code that boots lies in it, so each boot ends at once"
                self._faults.add(place, what, "rest = false, or another range")

    def _vectors(self, image: PlacedImage, sp: int, pc: int) -> None:
        unless = "machine.check_vectors = false takes it as it is"
        if self._rams() and not any(sp - 4 in ram for ram in self._rams()):
            what = f"has no vector table at its start ({unless}): the first word is the stack"
            self._faults.add(image.place, what, self._rams_in_words(), f"{shown(sp)}")
        elif not pc & 1 or pc not in self._flash:
            what = f"has no vector table at its start ({unless}): the second word is the entry"
            expected = (
                f"an odd address in {shown(self._flash.start)} to {shown(self._flash.stop - 1)}"
            )
            self._faults.add(image.place, what, expected, f"{shown(pc)}")

    def _published_vectors(self, image: PlacedImage) -> None:
        """It is known by being entered by its reset vector."""
        run, slots = image.run, self._table.slots
        slot = next((s for s in slots if s.address <= run.address < s.address + s.size), None)
        if slot is not None and slot.entry == "any":
            return
        inside = range(run.address, run.address + len(run.data))
        if len(run.data) >= run.vectors + 8 and run.reset_vector not in inside:
            what = f"has no vector table at offset {run.vectors}, or runs elsewhere"
            expected = (
                f"a reset vector in {shown(inside.start)} to {shown(inside.stop - 1)}; or vectors, "
                "runs_at, or entry = 'any' in its slot"
            )
            self._faults.add(image.place, what, expected, f"{shown(run.reset_vector)}")

    # --- rests and questions

    def _rests(self) -> None:
        wanted, there = self._table.questions.rests_in, _rests_of(self._table)
        if wanted is None:
            if not there:
                what = "nothing says when a boot has come to where it must come to"
                expected = "[[slots]], texts or pins in [rest], or questions.rests_in"
                self._faults.add(("questions",), what, expected)
            return
        for index, kind in enumerate(wanted):
            if kind not in (*ALWAYS_RESTS, *there):
                place = ("questions", "rests_in", index)
                tables = {"slot": "[[slots]]", "text": "texts in [rest]", "pin": "pins in [rest]"}
                self._faults.add(place, "no boot can end so", tables[kind], kind)

    def _questions(self) -> None:
        questions = self._table.questions
        if questions.safe and not self._published and self._has_all:
            key = ("questions", "safe")
            self._faults.add(key, "cannot be asked", "published = true in one of [[images]]")
        if questions.wanted is not None:
            self._is_published(("questions", "wanted"), questions.wanted)
        for index, name in enumerate(questions.never):
            self._is_published(("questions", "never", index), name)
            if name == questions.wanted:
                place = ("questions", "never", index)
                self._faults.add(place, "is wanted, too", "another image", name)
        for index, (address, size) in enumerate(questions.untouched):
            self._in_flash(("questions", "untouched", index), address, size)
        self._reported()

    def _reported(self) -> None:
        for index, reported in enumerate(self._table.questions.reported):
            place = ("questions", "reported", index)
            if (reported.text is None) == (reported.pattern is None):
                both = "both" if reported.text is not None else "none"
                self._faults.add(place, "says nothing to look for", "text or pattern", both)
            elif reported.image is not None:
                self._is_published((*place, "image"), reported.image)
            elif reported.pattern is None or re.compile(reported.pattern).groups < 1:
                expected = "image, or a pattern whose first group is the image's name"
                self._faults.add(place, "names no image", expected)

    def _is_published(self, place: Place, name: str) -> None:
        if name not in self._published and self._has_all:
            known = ", ".join(map(repr, self._published)) or "an image with published = true"
            self._faults.add(place, "is no published image", known, name)


def _word_at(image: PlacedImage, address: int) -> int | None:
    if image.table.in_flash:
        for piece in image.pieces:
            at = address - piece.address
            if 0 <= at <= len(piece.data) - 4:
                return int.from_bytes(piece.data[at : at + 4], "little")
    return None


def _rests_of(table: BoardTable) -> tuple[str, ...]:
    """Ends of a boot that this file has, beside what every boot can end in."""
    has = {
        "slot": any(slot.rest for slot in table.slots),
        "text": bool(table.rest.texts),
        "pin": bool(table.rest.pins),
    }
    return tuple(kind for kind, is_there in has.items() if is_there)


# --- the board


def _board(table: BoardTable, part: Part, images: list[PlacedImage], host: Plan | None) -> Board:
    machine, at_rest = table.machine, [slot for slot in table.slots if slot.rest]
    return Board(
        part,
        tuple(piece for image in images if image.table.in_flash for piece in image.pieces),
        tuple(Slot(s.name, s.address, s.size, s.entry) for s in table.slots),
        questions=_questions(table, images),
        rests=Rests(
            tuple((slot.address, slot.size) for slot in at_rest),
            tuple(text.encode("latin-1", "replace") for text in table.rest.texts),
            tuple((name, level == "high") for name, level in table.rest.pins.items()),
        ),
        limits=Limits(table.limits.instructions, table.limits.resets),
        pins={name: level == "high" for name, level in table.pins.items()},
        core=machine.core,
        ram=machine.ram,
        clock_mhz=machine.clock_mhz,
        coalesce=machine.coalesce,
        helps=machine.help_polls,
        stack_floor=_stack_floor(table, images),
        options=dict(table.options),
        protected=table.protected,
        wake_us=machine.wake_us,
        seed=machine.seed,
        host=host,
        overrun=table.host is not None and table.host.overrun,
    )


def _stack_floor(table: BoardTable, images: list[PlacedImage]) -> int | None:
    floor = table.machine.stack_floor
    if floor is False:
        return None
    slots = [range(slot.address, slot.address + slot.size) for slot in table.slots if slot.rest]
    return stack_floor_of(images, slots) if floor is None else floor


def _questions(table: BoardTable, images: Iterable[PlacedImage]) -> Questions:
    asked = table.questions
    published: tuple[Image, ...] = tuple(i.run for i in images if i.table.published)
    return Questions(
        published=published,
        safe=bool(published) if asked.safe is None else asked.safe,
        live=asked.live,
        rests_in=asked.rests_in or _rests_of(table),
        wanted=asked.wanted,
        reported=tuple(
            Reported(reported.pattern or re.escape(reported.text or ""), reported.image)
            for reported in asked.reported
        ),
        never=asked.never,
        untouched=asked.untouched,
    )
