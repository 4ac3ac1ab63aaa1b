"""Whether all files of a pack say the same: each is made again of the facts, and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jinja2

from flash_emulator.device.fingerprints import of_this_program
from flash_emulator.evidence import names
from flash_emulator.evidence.bom import bom
from flash_emulator.evidence.facts import Facts, gather, needed
from flash_emulator.evidence.faults import Kind, PackFault
from flash_emulator.evidence.json_text import Malformed, parsed, text_of
from flash_emulator.evidence.model import model_statement
from flash_emulator.evidence.page import page
from flash_emulator.evidence.statement import statement
from flash_emulator.evidence_check.keys import Key
from flash_emulator.machine.board_faults import BadBoardFile
from flash_emulator.machine.board_file import named_files, table_of

_SHOWN = 160  # characters of a line
_OTHER_FORM = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError)


class OtherProgram(Exception):
    """The pack was made by another version of this program: it can only be checked with that."""

    def __init__(self, program: Mapping[str, str], sources: str) -> None:
        self.program, self.sources = program, sources
        super().__init__(
            f"made by {program['name']} {program['version']} with flash_emulator of sources "
            f"{sources}; here they are {of_this_program()}. Check it with that version"
        )


@contextmanager
def readable() -> Iterator[None]:
    """PackFault for what a value of another form than a pack's raises, wherever it is used."""
    try:
        yield
    except (*_OTHER_FORM, jinja2.TemplateError) as error:
        what = f"the fields of a file are not those of a pack: {type(error).__name__}: {error}"
        raise PackFault(Kind.CONTENTS, names.PACK, what) from error
    except FileNotFoundError as error:
        name = Path(str(error.filename)).name
        raise PackFault(Kind.CONTENTS, name, "is missing, also from the statement") from error


def facts_of(folder: Path, digests: Mapping[str, str], key: Key, *, may_execute: bool) -> Facts:
    """What the pack says. Raises PackFault where its files contradict each other.

    *may_execute*: the Python of its board file, where it has some.
    """
    _is_self_contained(folder, may_execute=may_execute)
    facts = gather(folder, digests)
    _is_of_this_program(facts, folder)
    if facts.signer != {"algorithm": key.algorithm, "keyid": key.keyid}:
        what = "names another key than the one that signed"
        raise PackFault(Kind.CONTENTS, names.PACK, what, key.keyid, str(facts.signer))
    return facts


def _is_self_contained(folder: Path, *, may_execute: bool) -> None:
    """The board file names files of the pack alone; before any is opened, or executed."""
    board = _board_of(folder)
    path = folder / board
    try:
        table = table_of(path.read_text(encoding="utf-8-sig"), path)
    except (BadBoardFile, UnicodeDecodeError) as error:
        raise PackFault(Kind.CONTENTS, board, f"is no board file: {error}") from error
    inside = (folder / names.INPUTS).resolve()
    for name in named_files(table):
        if not (path.parent / name).resolve().is_relative_to(inside):
            what = f"names {name!r}, which lies outside of the pack"
            raise PackFault(Kind.CONTENTS, board, what, f"a file in {names.INPUTS}")
    if table.host is not None and table.host.python is not None and not may_execute:
        what = f"executes {table.host.python!r} on this machine"
        then = "your word for it: read that file, then give --allow-host-code"
        raise PackFault(Kind.CONTENTS, board, what, then)


def _board_of(folder: Path) -> str:
    try:
        board = parsed((folder / names.PACK).read_bytes())["board"]
    except Malformed as error:
        raise PackFault(Kind.CONTENTS, names.PACK, str(error)) from error
    if not isinstance(board, str) or not board.startswith(names.INPUTS) or ".." in board:
        what = "names no board file of the pack"
        raise PackFault(Kind.CONTENTS, names.PACK, what, f"one in {names.INPUTS}", repr(board))
    return board


def _is_of_this_program(facts: Facts, folder: Path) -> None:
    made = facts.certificate.header["made_of"]["tool"]["sources"]
    said = facts.tools["program"]["sources of flash_emulator, SHA-256"]
    if said != made:
        what = "names other sources than the certificate"
        raise PackFault(Kind.CONTENTS, names.TOOLS, what, made, said)
    if made != of_this_program():
        raise OtherProgram(facts.tools["program"], made)
    for each in facts.inputs.keys() - needed(facts.read, folder / facts.board, folder):
        raise PackFault(Kind.CONTENTS, each, "is in inputs/, and the board file does not name it")
    model = model_statement(facts.read)
    if facts.model != model:
        raise difference(names.MODEL, text_of(model), text_of(facts.model))


def all_say_the_same(folder: Path, facts: Facts, payload: bytes) -> None:
    """Page, CycloneDX file and statement against the facts. Raises PackFault."""
    made = {names.PAGE: page(facts), names.BOM: bom(facts)}
    for name, data in made.items():
        _same(name, data, (folder / name).read_bytes())
    _same(names.STATEMENT, statement(facts, made), payload)


def _same(name: str, expected: bytes, found: bytes) -> None:
    if found != expected:
        raise difference(name, expected, found)


def difference(name: str, expected: bytes, found: bytes) -> PackFault:
    """Of the first line that differs."""
    pairs: Iterator[tuple[int, tuple[Any, Any]]] = enumerate(_lines(expected, found), 1)
    number, (here, there) = next((n, pair) for n, pair in pairs if pair[0] != pair[1])
    what = f"says something else than certificate and verdict, in line {number}"
    return PackFault(Kind.CONTENTS, name, what, _shown(here), _shown(there))


def _lines(one: bytes, other: bytes) -> Iterator[tuple[bytes | None, bytes | None]]:
    left, right = one.splitlines(keepends=True), other.splitlines(keepends=True)
    for at in range(max(len(left), len(right))):
        yield (left[at] if at < len(left) else None, right[at] if at < len(right) else None)


def _shown(line: bytes | None) -> str:
    if line is None:
        return "the end of the file"
    text = ascii(line.decode(errors="replace").strip())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
