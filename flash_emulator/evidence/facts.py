"""All that a pack says, read from its files. What can contradict each other is compared here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any

from flash_emulator import MetastableMode, Outcome
from flash_emulator.certificate_check import NotConfirmed
from flash_emulator.certificate_check.file import Certificate, read
from flash_emulator.evidence import names, recheck
from flash_emulator.evidence.faults import Kind, PackFault
from flash_emulator.evidence.forms import (
    Form,
    ModelForm,
    PackForm,
    RecheckForm,
    ToolsForm,
    what_is_wrong,
)
from flash_emulator.evidence.json_text import Malformed, parsed
from flash_emulator.machine.board_facts import all_not_asked, asked, world_of
from flash_emulator.machine.board_faults import BadBoardFile
from flash_emulator.machine.board_file import BoardFile, named_files, read_board_file
from flash_emulator.machine.symbols import shown

_MOST = 20  # findings that are listed


class Result(StrEnum):
    """What the search came to. Only the first is a pass."""

    PASSED = "passed"
    NARROWER = "narrower"  # complete, without some outcomes or metastable modes
    INCOMPLETE = "incomplete"  # a limit has stopped it, and nothing was found until then
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """*path*: the cuts that lead to the state whose boot goes wrong; *reads*: how it reads."""

    question: str
    text: str
    path: str
    reads: str


@dataclass(frozen=True, slots=True)
class ImageFact:
    """Bytes in flash. *file*: its place in the pack; None: they stand in the board file."""

    name: str
    file: str | None
    address: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one pack. *digests*: SHA-256 of its files by name, without those that
    say the facts; *sizes*: their bytes."""

    created: str
    board: str
    signer: Mapping[str, str]
    read: BoardFile
    images: tuple[ImageFact, ...]
    asked: tuple[str, ...]
    not_asked: tuple[str, ...]
    certificate: Certificate
    result: Result
    findings: tuple[Finding, ...]
    left_out: tuple[str, ...]
    recheck: Mapping[str, Any]
    model: Mapping[str, list[str]]
    tools: Mapping[str, Any]
    digests: Mapping[str, str]
    sizes: Mapping[str, int]

    @property
    def inputs(self) -> dict[str, str]:
        """Digests of what the search began from."""
        return {name: d for name, d in self.digests.items() if name.startswith(names.INPUTS)}

    @property
    def questions(self) -> tuple[str, ...]:
        """The names of those that were asked."""
        return tuple(dict.fromkeys(each.partition(":")[0] for each in self.asked))

    @property
    def wanted(self) -> str | None:
        """The image that must run in the end, where that is asked."""
        questions = self.read.board.questions
        return questions.wanted if questions.live else None

    @property
    def violated(self) -> tuple[str, ...]:
        """Questions to which some state has the wrong answer."""
        found = {question for question, _, _, _ in _violations(self.certificate)}
        if self.certificate.totals["violations"] and not found:
            found = {"live"}  # runs that never come to rest
        return tuple(sorted(found))


def gather(folder: Path, digests: Mapping[str, str]) -> Facts:
    """The facts of the pack in *folder*, whose files have *digests*. Raises PackFault.

    The host of the board file is executed, where that is a Python function.
    """
    pack = _json(folder, names.PACK, PackForm)
    if (pack["format"], pack["version"]) != (names.FORMAT, names.VERSION):
        found = f"{pack['format']!r}, version {pack['version']}"
        raise _fault(names.PACK, "another format", f"{names.FORMAT!r}, version 1", found)
    certificate = _certificate(folder)
    read_board = _board(folder, pack["board"])
    _is_of(certificate, read_board)
    record = _json(folder, names.RECHECK, RecheckForm)
    _fits(record, certificate)
    own = {name: d for name, d in sorted(digests.items()) if name not in _SAY_IT}
    return Facts(
        created=pack["created"],
        board=pack["board"],
        signer=pack["signer"],
        read=read_board,
        images=tuple(_images(read_board, folder / pack["board"], folder)),
        asked=tuple(asked(read_board.board)),
        not_asked=tuple(all_not_asked(read_board.board)),
        certificate=certificate,
        result=result_of(certificate),
        findings=tuple(_findings(certificate)),
        left_out=tuple(_left_out(certificate)),
        recheck=record,
        model=_json(folder, names.MODEL, ModelForm),
        tools=_json(folder, names.TOOLS, ToolsForm),
        digests=own,
        sizes={name: (folder / name).stat().st_size for name in own},
    )


_SAY_IT = (names.PAGE, names.BOM, names.STATEMENT)


def _fault(file: str, what: str, expected: str = "", found: str = "") -> PackFault:
    return PackFault(Kind.CONTENTS, file, what, expected, found)


def _json(folder: Path, name: str, form: Form) -> Any:
    try:
        value = parsed((folder / name).read_bytes())
    except Malformed as error:
        raise _fault(name, str(error)) from error
    if wrong := what_is_wrong(value, form):
        raise _fault(name, *wrong)
    return value


# --- the certificate


def _certificate(folder: Path) -> Certificate:
    try:
        return read(str(folder / names.CERTIFICATE), of_any_search=True)
    except NotConfirmed as error:
        raise _fault(names.CERTIFICATE, str(error)) from error


def result_of(certificate: Certificate) -> Result:
    if certificate.totals["violations"]:
        return Result.FAILED
    if not certificate.totals["complete"]:
        return Result.INCOMPLETE
    return Result.NARROWER if list(_left_out(certificate)) else Result.PASSED


def _left_out(certificate: Certificate) -> Iterator[str]:
    """What the model knows, and the search did not try."""
    outcomes = set(certificate.header["outcomes"].values())
    modes = set(certificate.header["readings"])
    if missing := [each.value for each in Outcome if each not in outcomes]:
        yield f"outcomes {', '.join(missing)}"
    if missing := [each.value for each in MetastableMode if each not in modes]:
        yield f"metastable modes {', '.join(missing)}"


def _findings(certificate: Certificate) -> Iterator[Finding]:
    """The first, by the fewest cuts that lead to them."""
    found = sorted(_violations(certificate), key=lambda each: (each[2].count("."), each[2] != "-"))
    for question, text, path, reads in found[:_MOST]:
        yield Finding(question, text, path, reads)
    if not found and certificate.totals["violations"]:
        count = certificate.totals["violations"]
        yield Finding("live", f"{count} runs never come to rest", "-", "")


def _violations(certificate: Certificate) -> Iterator[tuple[str, str, str, str]]:
    paths = {state: path for path, state in certificate.paths.items()}
    for segment in certificate.segments.values():
        if segment.violation is not None:
            question, text = segment.violation
            yield question, text, paths[segment.state], str(segment.read_choice).removeprefix("!")


# --- the board


def _board(folder: Path, board: str) -> BoardFile:
    try:
        return read_board_file(folder / board)
    except BadBoardFile as bad:
        raise _fault(board, "; ".join(map(str, bad.faults))) from bad


def _is_of(certificate: Certificate, board: BoardFile) -> None:
    expected, found = world_of(board), certificate.header["world"]
    if expected != found:
        what = "a certificate of another firmware or board than the one in inputs/"
        raise _fault(names.CERTIFICATE, what, _words(expected), _words(found))


def _words(world: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in world.items())


def _images(board: BoardFile, file: Path, folder: Path) -> Iterator[ImageFact]:
    for image in board.images:
        place = None
        if image.table.file is not None:
            place = relative(file.parent, image.table.file, folder)
        digest = sha256(image.run.data).hexdigest()
        yield ImageFact(image.name, place, shown(image.span[0]), len(image.run.data), digest)


def relative(folder: Path, name: str, root: Path) -> str:
    """*name*, as a board file in *folder* has it, from *root*."""
    import os.path  # of names only

    return Path(os.path.normpath(folder / name)).relative_to(root).as_posix()


def needed(board: BoardFile, file: Path, folder: Path) -> set[str]:
    """All files that the board file needs, as named in the pack."""
    found = {relative(file.parent, name, folder) for name in named_files(board.table)}
    return {*found, file.relative_to(folder).as_posix()}


# --- the re-check


def _fits(record: Mapping[str, Any], certificate: Certificate) -> None:
    """The recorded verdict must be one of this certificate."""
    totals = certificate.totals
    expected: dict[str, Any] = {"head": certificate.head}
    if totals["complete"]:
        kinds = [recheck.CONFIRMED, recheck.SAMPLED]
        expected |= {"states": len(certificate.unseen), "violations": totals["violations"]}
    else:
        kinds = [recheck.RUN_AGAIN]
    if record["kind"] not in kinds:
        what = "not what can be said of this certificate"
        raise _fault(names.RECHECK, what, " or ".join(kinds), str(record["kind"]))
    for name, value in expected.items():
        if record.get(name) != value:
            what = f"{name} is not that of {names.CERTIFICATE}"
            raise _fault(names.RECHECK, what, str(value), str(record.get(name)))
    if record["kind"] == recheck.CONFIRMED and record["checked"] != record["states"]:
        what = "'confirmed' takes all states"
        raise _fault(names.RECHECK, what, str(record["states"]), str(record["checked"]))
    _is_possible(record, certificate)


def _is_possible(record: Mapping[str, Any], certificate: Certificate) -> None:
    """No more was looked at than is there; a sample is less than all."""
    states = len(certificate.unseen)
    most = {
        recheck.CONFIRMED: {"checked": states},
        recheck.SAMPLED: {"checked": states - 1},
        recheck.RUN_AGAIN: {"states": states, "boots": sum(map(len, certificate.boots.values()))},
    }
    for name, count in most[record["kind"]].items():
        if record[name] > count:
            what = f"{name} is more than there can be"
            raise _fault(names.RECHECK, what, f"{count} at most", str(record[name]))
