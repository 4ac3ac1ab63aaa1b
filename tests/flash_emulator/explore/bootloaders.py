"""Small bootloaders, made by a grammar: what people do to records, marks, checks and erases.

A bootloader is a tuple of statements, nested; ``Program`` runs it on a device of the tiny part. Its
silicon is one of four classes. What a statement names is a *cell*: sector and unit in it, banks one
after the other, by physical place.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from flash_emulator import EmulatedFlash, FlashError, Part, ProgramError
from flash_emulator.explore import Violation
from flash_emulator.parts.part_model import (
    Aliasing,
    Ecc,
    OptionField,
    OptionModel,
    OptionRole,
    Overwrite,
    Timing,
)

BASE = 0x0800_0000
UNITS = 3  # a sector
SECTORS = 2  # a bank

MARK, PAYLOAD, OLD, STACK = 7, (1, 2), (3, 4), 8

Statement = tuple[Any, ...]
Block = tuple[Statement, ...]
Cell = tuple[int, int]

_SWAP = {"SWAP": OptionField(OptionRole.SWAP, 0, 0, 1)}
_TOGGLE = {
    "TOGGLE": OptionField(OptionRole.BOOT_BANK, 0, 1, 1),
    "PCROP": OptionField(OptionRole.CODE_PROTECTION, 0, 1),
}

SILICON: dict[str, dict[str, Any]] = {
    "ecc": {
        "program_unit": 8,
        "row_bytes": 8,
        "overwrite": Overwrite.ONLY_ALL_ZERO,
        "fast_overwrite": Overwrite.EXECUTES,
        "ecc": Ecc(64, 8),
        "aliasing": Aliasing.FB_MODE,
        "options": OptionModel("erase_then_program", "option_load", _TOGGLE),
    },
    "halfword": {
        "program_unit": 2,
        "overwrite": Overwrite.ONLY_ZERO_HALFWORD,
        "ecc": None,
        "aliasing": Aliasing.NONE,
        "options": OptionModel(),
    },
    "clear-bits": {
        "program_unit": 4,
        "overwrite": Overwrite.CLEAR_BITS,
        "ecc": None,
        "aliasing": Aliasing.FB_MODE,
        "options": OptionModel(),
    },
    "flash-word": {
        "program_unit": 16,
        "burst_bytes": 16,
        "opsr": True,
        "overwrite": Overwrite.EXECUTES,
        "fast_overwrite": Overwrite.FORBIDDEN,
        "ecc": Ecc(128, 9),
        "aliasing": Aliasing.SWAP_OPTION,
        "options": OptionModel("atomic", "reset", _SWAP),
    },
}


def silicon(name: str) -> Part:
    """The tiny part of one class: two banks of two sectors of three units."""
    rules = SILICON[name]
    unit = rules["program_unit"]
    return Part(
        name=f"tiny {name}",
        family="l4",
        base=BASE,
        bank_count=2,
        sector_sizes=(UNITS * unit,) * SECTORS,
        overwrite_flag="PROGERR",
        timing=Timing(90, 24_000),
        **rules,
    )


@dataclass(frozen=True, slots=True)
class Program:
    """A bootloader, and what must hold when it is at rest: each of *rules* is (if, then)."""

    block: Block
    rules: tuple[tuple[Statement, Statement], ...]

    def boot(self, flash: EmulatedFlash) -> Iterator[object]:
        return _Run(flash).block(self.block)

    def verdict(self, flash: EmulatedFlash) -> None:
        run = _Run(flash)
        for number, (given, wanted) in enumerate(self.rules):
            if run.holds(given) and not run.holds(wanted):
                raise Violation(f"rule{number}", f"{given} and not {wanted}")

    @property
    def asks_opsr(self) -> bool:
        """Whether it reads FLASH_OPSR: else a cut need not be remembered there."""
        return "('broken'," in repr(self)

    def __str__(self) -> str:
        return "\n".join([*_lines(self.block, ""), *(f"rule {a} => {b}" for a, b in self.rules)])


def _lines(block: Block, indent: str) -> Iterator[str]:
    for statement in block:
        if statement[0] in ("if", "try"):
            *head, inner = statement
            yield f"{indent}{' '.join(map(str, head))}:"
            yield from _lines(inner, indent + "  ")
        else:
            yield indent + " ".join(map(str, statement))


def word(unit: int, value: int) -> bytes:
    """One unit of value *value*; 0 is all zero, -1 blank, the others differ in many bits.

    That of STACK begins as an image does, with an address in RAM.
    """
    if value in (0, -1):
        return bytes([value & 0xFF]) * unit
    data = random.Random(f"{value}").randbytes(unit)
    return (b"\x00\x80\x00\x20" + data[4:])[:unit] if value == STACK else data


class _Run:
    """One boot: registers, and the device."""

    def __init__(self, flash: EmulatedFlash) -> None:
        self.flash, self.unit = flash, flash.part.program_unit
        self.registers: dict[int, object] = {}
        self.place: list[int] = []  # of the statement that runs, from the outermost block inwards

    def address(self, cell: Cell) -> int:
        """Of a physical cell, wherever the banks are mapped."""
        sector, unit = cell
        offset = (sector * UNITS + unit) * self.unit
        if self.flash.mapped_bank:
            size = self.flash.part.bank_size
            offset += size if offset < size else -size
        return BASE + offset

    def physical(self, cell: Cell) -> int:
        sector, unit = cell
        return BASE + (sector * UNITS + unit) * self.unit

    def read(self, cell: Cell) -> bytes | None:
        try:
            return self.flash.read(self.address(cell), self.unit)
        except FlashError:
            return None

    def quiet(self, cell: Cell) -> bytes | None:
        """Whatever goes wrong is none of this reader's business."""
        try:
            return self.flash.read(self.address(cell), self.unit)
        except BaseException:
            return None

    def sum(self, cell: Cell) -> bytes | None:
        """The SHA-256 of a cell, by a twin of the device."""
        try:
            return self.flash.fork().sha256(self.address(cell), self.unit)
        except FlashError:
            return None

    def block(self, block: Block) -> Iterator[object]:
        for number, statement in enumerate(block):
            self.place.append(number)
            yield from self.do(*statement)
            self.place.pop()

    def do(self, verb: str, *words: Any) -> Iterator[object]:  # noqa: C901 - a table
        match verb:
            case "erase":
                self.flash.erase(self.address((words[0], 0)))
            case "program":
                cell, values = words
                data = b"".join(word(self.unit, value) for value in values)
                self.flash.program(self.address(cell), data)
            case "fast":
                cell, value = words
                self.fast(self.address(cell), word(self.unit, value))
            case "reset":
                self.flash.reset()
            case "count":
                held = self.registers.get(words[0])
                self.registers[words[0]] = held + 1 if isinstance(held, int) else 1
            case "sum":
                self.registers[words[0]] = self.sum(words[1])
            case "if":
                if self.holds(words[0]):
                    yield from self.block(words[1])
            case "try":
                place = self.place.copy()
                try:
                    yield from self.block(words[0])
                except ProgramError:
                    self.place = place
            case "load":
                self.registers[words[0]] = self.read(words[1])
            case "point":
                yield tuple(self.place), tuple(sorted(self.registers.items()))
            case "map":
                if self.flash.maps_at_once and self.flash.part.aliasing is not Aliasing.NONE:
                    self.flash.map_bank(words[0])
            case "swap":
                if self.flash.options.model.swap and self.flash.options.swapped != words[0]:
                    self.flash.map_bank(words[0])
                    self.flash.reset()
            case "quiet":
                self.registers[words[0]] = self.quiet(words[1])
            case "launch":
                self.flash.launch_options()
            case "options":
                name, value = words
                if name in self.flash.options.model.fields:
                    self.flash.program_options(**{name: value})
            case _:
                raise ValueError(verb)

    def fast(self, address: int, data: bytes) -> None:
        part = self.flash.part
        if part.row_bytes or part.burst_bytes:
            self.flash.program_fast(address, data)
        else:
            self.flash.program(address, data)

    def holds(self, condition: Statement) -> bool:  # noqa: C901 - a table
        match condition:
            case ("is", cell, value):
                return self.read(cell) == word(self.unit, value)
            case ("match", cell, values):
                data = b"".join(word(self.unit, value) for value in values)
                return self.flash.match(self.address(cell), data) == len(data)
            case ("half", cell, value):
                size = self.unit // 2
                return self.flash.match(self.address(cell), word(self.unit, value)[:size]) == size
            case ("unreadable", cell):
                return self.read(cell) is None
            case ("same", cell, other):
                return self.read(cell) == self.read(other)
            case ("register", number, value):
                return self.registers.get(number) == word(self.unit, value)
            case ("bank", bank):
                return bool(self.flash.mapped_bank == bank)
            case ("counted", number, count):
                return bool(self.registers.get(number) == count)
            case ("loaded", name, value):
                return bool(self.flash.options.loaded.get(name) == value)
            case ("broken", cell):
                broken = self.flash.interrupted
                return broken is not None and broken.address == self.physical(cell)
            case ("tail", cell, value):
                half = self.unit // 2
                wanted = word(self.unit, value)[half:]
                return self.flash.match(self.address(cell) + half, wanted) == len(wanted)
            case ("not", inner):
                return not self.holds(inner)
            case ("and", *inner):
                return all(self.holds(each) for each in inner)
            case ("true",):
                return True
        raise ValueError(condition)


# --- the grammar


@dataclass(frozen=True, slots=True)
class Grammar:
    """Draws programs from a seed."""

    seed: int

    def program(self) -> Program:
        rng = random.Random(self.seed)
        shape = rng.choice((_install, _two_slots, _journal, _switch, _switch, _anything))
        program = shape(rng)
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            program = _mutated(rng, program)
        return program


def device(seed: int, part: Part) -> EmulatedFlash:
    """With something old in some of its cells."""
    rng = random.Random(seed)
    flash = EmulatedFlash(part, seed=seed)
    unit = part.program_unit
    for sector in range(2 * SECTORS):
        if rng.random() < 0.5:
            values = [
                rng.choice((*OLD, *PAYLOAD, MARK, STACK, 0)) for _ in range(rng.randint(1, UNITS))
            ]
            data = b"".join(word(unit, value) for value in values)
            flash.preload(BASE + sector * UNITS * unit, data)
    return flash


def _has(rng: random.Random, cell: Cell, values: tuple[int, ...]) -> Statement:
    """One of the ways to ask whether values stand somewhere."""
    sector, unit = cell
    kind = rng.choice(("is", "match", "is", "match", "half"))
    if kind == "match":
        return ("match", cell, values)
    parts = tuple((kind, (sector, unit + i), value) for i, value in enumerate(values))
    return parts[0] if len(parts) == 1 else ("and", *parts)


def _install(rng: random.Random) -> Program:
    """A payload with a mark that comes last, or should."""
    sector = rng.randrange(2 * SECTORS)
    mark = (sector, UNITS - 1) if rng.random() < 0.6 else ((sector + 1) % (2 * SECTORS), 0)
    done = _has(rng, mark, (MARK,))
    block: list[Statement] = [("erase", sector), ("program", (sector, 0), PAYLOAD)]
    if mark[0] != sector:
        block.insert(rng.randint(0, 2), ("erase", mark[0]))
    block.append(("program", mark, (MARK,)))
    if rng.random() < 0.5:
        block.insert(2, ("point",))
    whole = ("if", ("not", done), tuple(block))
    return Program(
        (whole,),
        ((done, ("match", (sector, 0), PAYLOAD)), (("true",), ("is", mark, MARK))),
    )


def _two_slots(rng: random.Random) -> Program:
    """The payload in two places; one is mended from the other."""
    one, two = rng.sample(range(2 * SECTORS), 2)
    block: list[Statement] = []
    for here, there in ((one, two), (two, one)):
        good = _has(rng, (there, 0), PAYLOAD)
        bad = ("not", _has(rng, (here, 0), PAYLOAD))
        mend = (("erase", here), ("program", (here, 0), PAYLOAD))
        block.append(("if", ("and", good, bad) if rng.random() < 0.7 else bad, mend))
        if rng.random() < 0.3:
            block.append(("point",))
    first = (("erase", one), ("program", (one, 0), PAYLOAD))
    either = (
        "and",
        ("not", ("match", (one, 0), PAYLOAD)),
        ("not", ("match", (two, 0), PAYLOAD)),
    )
    block.insert(0, ("if", either, first))
    return Program(
        tuple(block),
        (
            (("true",), ("match", (one, 0), PAYLOAD)),
            (("true",), ("match", (two, 0), PAYLOAD)),
        ),
    )


def _journal(rng: random.Random) -> Program:
    """Records one after the other; each says that a step is done."""
    log, data = rng.sample(range(2 * SECTORS), 2)
    block: list[Statement] = []
    started, ended = ("is", (log, 0), 5), ("is", (log, 1), 6)
    block.append(
        ("if", ("not", started), (("erase", log), ("program", (log, 0), (5,)), ("erase", data)))
    )
    step: Block = (("program", (data, 0), PAYLOAD), ("program", (log, 1), (6,)))
    if rng.random() < 0.5:
        step = (("erase", data), *step)
    if rng.random() < 0.5:
        step = (("try", step),)
    block.append(("if", ("not", ended), step))
    if rng.random() < 0.3:
        block.insert(1, ("point",))
    return Program(
        tuple(block),
        ((ended, ("match", (data, 0), PAYLOAD)), (("true",), ended)),
    )


def _switch(rng: random.Random) -> Program:
    """Which bank runs depends on a word, an alias or an option; the word is the first of bank 1.

    The boot ROM looks at it, too, where the option tells it to.
    """
    word_at, first = (SECTORS, 0), rng.choice((MARK, STACK, STACK))
    block: list[Statement] = [
        (
            "if",
            ("not", _has(rng, (SECTORS, 1), PAYLOAD)),
            (("erase", SECTORS), ("program", (SECTORS, 1), PAYLOAD)),
        )
    ]
    last: Block = (("program", word_at, (first,)), ("swap", 1), ("options", "TOGGLE", 1))
    kept = [each for each in last if rng.random() < 0.7]
    if rng.random() < 0.4:
        kept.insert(rng.randint(0, len(kept)), ("point",))
    if rng.random() < 0.4:
        kept.append(("launch",))
    if rng.random() < 0.3:
        block.insert(0, kept.pop(0) if kept else ("point",))
    block.append(("if", ("not", _has(rng, word_at, (first,))), tuple(kept)))
    if rng.random() < 0.5:
        block.append(("if", ("is", word_at, first), (("map", 1),)))
    return Program(
        tuple(block),
        (
            (("bank", 1), ("match", (SECTORS, 1), PAYLOAD)),
            (("is", word_at, first), ("match", (SECTORS, 1), PAYLOAD)),
        ),
    )


def _anything(rng: random.Random) -> Program:
    block = tuple(_statement(rng, 2) for _ in range(rng.randint(2, 4)))
    rules = tuple((_condition(rng), _condition(rng)) for _ in range(rng.randint(1, 2)))
    return Program(block, rules)


def _cell(rng: random.Random) -> Cell:
    return rng.randrange(2 * SECTORS), rng.randrange(UNITS)


def _value(rng: random.Random) -> int:
    return rng.choice((*PAYLOAD, *OLD, 5, 6, MARK, STACK, 0, -1))


def _condition(rng: random.Random) -> Statement:
    kinds = ["is", "match", "half", "unreadable", "same", "register", "bank", "not", "not"]
    kind = rng.choice([*kinds, "counted", "loaded", "broken", "tail"])
    match kind:
        case "is" | "half" | "tail":
            return (kind, _cell(rng), _value(rng))
        case "match":
            return (kind, (rng.randrange(2 * SECTORS), 0), (_value(rng), _value(rng)))
        case "unreadable" | "broken":
            return (kind, _cell(rng))
        case "counted":
            return (kind, rng.randrange(2), rng.randint(1, 2))
        case "loaded":
            return (kind, "TOGGLE", rng.randrange(2))
        case "same":
            return (kind, _cell(rng), _cell(rng))
        case "register":
            return (kind, rng.randrange(2), _value(rng))
        case "bank":
            return (kind, rng.randrange(2))
    return ("not", _condition(rng))


def _statement(rng: random.Random, depth: int) -> Statement:
    kinds = ["erase", "program", "program", "load", "quiet", "point", "map", "swap", "options"]
    kinds += ["launch", "reset", "fast", "count", "sum"]
    kind = rng.choice(kinds + ["if", "if", "if", "try"] * (depth > 0))
    match kind:
        case "erase":
            return (kind, rng.randrange(2 * SECTORS))
        case "program":
            sector, unit = _cell(rng)
            count = rng.randint(1, UNITS - unit)
            return ("try", ((kind, (sector, unit), tuple(_value(rng) for _ in range(count))),))
        case "fast":
            return ("try", ((kind, _cell(rng), _value(rng)),))
        case "count":
            return (kind, rng.randrange(2))
        case "load" | "quiet" | "sum":
            return (kind, rng.randrange(2), _cell(rng))
        case "map" | "swap":
            return (kind, rng.randrange(2))
        case "options":
            return (kind, "TOGGLE", rng.randrange(2))
        case "if":
            return (kind, _condition(rng), _some(rng, depth))
        case "try":
            return (kind, _some(rng, depth))
    return (kind,)


def _some(rng: random.Random, depth: int) -> Block:
    return tuple(_statement(rng, depth - 1) for _ in range(rng.randint(1, 2)))


def _mutated(rng: random.Random, program: Program) -> Program:
    """A statement lost, moved, doubled, or put in; or a condition turned round."""
    return replace(program, block=_mutated_block(rng, program.block))


def _mutated_block(rng: random.Random, block: Block) -> Block:
    at = rng.randrange(len(block)) if block else 0
    inner = block[at] if block else ()
    if inner and inner[0] in ("if", "try") and rng.random() < 0.75:
        return (*block[:at], (*inner[:-1], _mutated_block(rng, inner[-1])), *block[at + 1 :])
    rest = (*block[:at], *block[at + 1 :])
    match rng.choice(("lose", "move", "double", "insert", "insert", "turn")):
        case "lose":
            return rest
        case "move":
            to = rng.randint(0, len(rest))
            return (*rest[:to], *((inner,) if inner else ()), *rest[to:])
        case "double":
            return (*block[: at + 1], *((inner,) if inner else ()), *block[at + 1 :])
        case "turn" if inner and inner[0] == "if":
            return (*block[:at], ("if", ("not", inner[1]), inner[2]), *block[at + 1 :])
    return (*block[:at], _statement(rng, 1), *block[at:])
