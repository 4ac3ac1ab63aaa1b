"""A pack, made step by step; each step reads what the one before has written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from flash_emulator.certificate_check import NotConfirmed
from flash_emulator.certificate_check.file import read
from flash_emulator.evidence import names, rerun
from flash_emulator.evidence.bom import bom
from flash_emulator.evidence.facts import Facts, gather
from flash_emulator.evidence.faults import PackFault
from flash_emulator.evidence.json_text import text_of
from flash_emulator.evidence.model import model_statement
from flash_emulator.evidence.page import page
from flash_emulator.evidence.statement import statement
from flash_emulator.evidence.tools import tool_versions
from flash_emulator.machine.board_file import BoardFile
from mcu_updater.core.errors import ImageRejected, InputRejected, VerificationFailed
from mcu_updater.evidence.inputs import collect
from mcu_updater.evidence.keys import Signer
from mcu_updater.evidence.staging import staged, write

Search = Callable[[BoardFile, Path], None]
"""Of a board; writes the certificate to the path."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made. *certificate*: one that exists, instead of a search.

    *recheck_sample*: states that the independent re-check looks at; 0: all. *read_board* raises
    what a command tells of a board file that is wrong. *tell*: what is being done.
    """

    board: Path
    signer: Signer
    created: str
    search: Search
    read_board: Callable[[Path], BoardFile]
    certificate: Path | None = None
    recheck_sample: int = 0
    tell: Callable[[str], object] = str


def make_pack(folder: Path, order: Order) -> Facts:
    """The facts of the pack that was made. Raises UpdaterError; then there is none."""
    with staged(folder) as room:
        order.read_board(order.board)  # tells what is wrong where its owner has it
        place, inputs = collect(order.board)
        for name, data in inputs.items():
            write(room, name, data)
        board = order.read_board(room / place)
        _certify(room, board, order)
        _describe(room, place, board, order)
        return _sign(room, order.signer)


def _certify(room: Path, board: BoardFile, order: Order) -> None:
    if order.certificate is not None:
        write(room, names.CERTIFICATE, order.certificate.read_bytes())
    else:
        order.search(board, room / names.CERTIFICATE)
    order.tell("the certificate is checked by another process")
    write(room, names.RECHECK, _rechecked(room, board.path, order))


def _rechecked(room: Path, board: Path, order: Order) -> bytes:
    """The verdict of a process that has not imported the search, on the copied inputs."""
    command = [sys.executable, "-m", rerun.__name__, str(room / names.CERTIFICATE), str(board)]
    done = subprocess.run(  # noqa: S603  this very program
        [*command, str(order.recheck_sample)], capture_output=True, check=False
    )
    if done.returncode == 0:
        return done.stdout
    found = done.stderr.decode(errors="replace").strip()
    raise VerificationFailed(
        "the independent re-check refuses the certificate",
        where=str(order.certificate or order.board),
        found=found.rpartition("\n")[2] or f"exit code {done.returncode}",
        then="No pack was made",
    )


def _describe(room: Path, place: str, board: BoardFile, order: Order) -> None:
    key = order.signer.key
    pack = {
        "format": names.FORMAT,
        "version": names.VERSION,
        "created": order.created,
        "board": place,
        "signer": {"algorithm": key.algorithm, "keyid": key.keyid},
    }
    header = read(str(room / names.CERTIFICATE), of_any_search=True).header
    write(room, names.PACK, text_of(pack))
    write(room, names.MODEL, text_of(model_statement(board)))
    write(room, names.TOOLS, text_of(tool_versions(header["made_of"])))


def _sign(room: Path, signer: Signer) -> Facts:
    facts = _gathered(room)
    made = {names.PAGE: page(facts), names.BOM: bom(facts)}
    for name, data in made.items():
        write(room, name, data)
    write(room, names.STATEMENT, signer.sign(statement(facts, made)))
    return facts


def _gathered(room: Path) -> Facts:
    files = [path for path in room.rglob("*") if path.is_file()]
    digests = {
        path.relative_to(room).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files
    }
    try:
        return gather(room, digests)
    except PackFault as fault:
        raise ImageRejected(
            fault.what, where=fault.file, expected=fault.expected, found=fault.found
        ) from fault


def check_certificate(path: Path) -> None:
    """That *path* holds a whole certificate. Raises InputRejected."""
    try:
        read(str(path), of_any_search=True)
    except NotConfirmed as error:
        raise InputRejected("no whole certificate", where=str(path), found=str(error)) from error
