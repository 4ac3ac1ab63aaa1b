"""``mcu-updater evidence``: a search of firmware as a signed folder that others can check."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from flash_emulator.evidence.facts import Facts, Result
from flash_emulator.evidence.words import headline
from flash_emulator.explore import Limits, Processes, SearchOptions
from flash_emulator.machine.board_facts import name_of
from flash_emulator.machine.board_file import BoardFile
from flash_emulator.power import Outcome
from mcu_updater.cli import answers, exits, paths
from mcu_updater.cli.firmware.explore import outcomes_option
from mcu_updater.cli.firmware.reading import first_boot, read_board
from mcu_updater.cli.given import given_as
from mcu_updater.cli.powerloss.powerloss_progress import ProgressLine
from mcu_updater.cli.powerloss.searches import bound_options, depth_options
from mcu_updater.cli.unused import refuse_all_but
from mcu_updater.core.errors import UsageError, VerificationFailed
from mcu_updater.evidence.keys import Signer, read_signer
from mcu_updater.evidence.making import Order, check_certificate, make_pack
from mcu_updater.powerloss.firmware import explore_board
from mcu_updater.powerloss.searching import SearchSettings, certificate_file
from mcu_updater.storage import check_folder

_CHECK = "python -m flash_emulator.evidence_check"


@dataclass(frozen=True, kw_only=True)
class Request:
    """Of ``evidence``."""

    folder: Path
    board: Path
    key: Path
    key_password_file: Path | None
    certificate: Path | None
    recheck_sample: int | None
    outcomes: tuple[Outcome, ...]
    cuts: int | None
    states: int
    time_s: float | None
    draws: int
    erased_values: bool
    jobs: int
    quiet: bool
    as_json: bool


@click.command("evidence", short_help="A signed pack of what a search of firmware came to.")
@click.argument("folder", type=paths.FOLDER)
@click.option("--board", type=paths.INPUT, required=True, help="The board file of the firmware.")
@click.option(
    "--key",
    type=paths.INPUT,
    required=True,
    metavar="PRIVATE.pem",
    help="What signs: an Ed25519 or ECDSA P-256 key. An encrypted one asks for its pass phrase.",
)
@click.option(
    "--key-password-file",
    type=paths.INPUT,
    metavar="FILE",
    help="The pass phrase of the key: the first line of this file.",
)
@click.option(
    "--certificate",
    type=paths.INPUT,
    metavar="FILE",
    help="Of a search that was made already, by firmware explore --certificates.",
)
@click.option(
    "--recheck-sample",
    type=click.IntRange(1),
    metavar="N",
    help="Let the independent re-check look at so many states only, and say so.  [default: all]",
)
@bound_options
@outcomes_option
@depth_options
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    help="Processes of the search.  [default: one a core]",
)
@click.option("--quiet", is_flag=True, help="No progress.")
@answers.json_option("One JSON object instead of text.")
@given_as(Request)
def command(given: Request) -> None:
    """Write into FOLDER, which must be empty or new, what an assessor needs to check a search of
    firmware without trusting its maker: certificate, the verdict of an independent re-check, model
    statement, tool versions, inputs, one page to read; all of it signed.

    The result of the search changes nothing of that: a pack can say that it failed. Exit code 7
    then; 2 when a limit stopped the search; 15 when --outcomes left some out.

    Only a search of compiled firmware can be packed, which a board file describes: no scenario of
    powerloss, and no subject in Python.
    """
    _refuse_unused(click.get_current_context(), given)
    check_folder(given.folder, force=False)
    if given.certificate is not None:
        check_certificate(given.certificate)
    signer = _signer(given)
    line = ProgressLine(quiet=given.quiet)
    order = Order(
        given.board,
        signer,
        _now(),
        lambda board, path: _search(given, board, path, line),
        read_board,
        given.certificate,
        given.recheck_sample or 0,
        lambda text: None if given.quiet else click.echo(text, err=True),
    )
    try:
        facts = make_pack(given.folder, order)
    finally:
        line.close()
    _tell(given, signer, facts)


def _refuse_unused(ctx: click.Context, given: Request) -> None:
    if given.certificate is not None:
        refuse_all_but(ctx, _WITH_CERTIFICATE, "with --certificate: it says what was searched")


_WITH_CERTIFICATE = (
    *("folder", "board", "key", "key_password_file", "certificate", "recheck_sample"),
    *("quiet", "as_json"),
)


# --- the key


def _signer(given: Request) -> Signer:
    return read_signer(given.key.read_bytes(), str(given.key), lambda: _pass_phrase(given))


def _pass_phrase(given: Request) -> str:
    """Raises UsageError where nobody can be asked."""
    if given.key_password_file is not None:
        lines = given.key_password_file.read_text(encoding="utf-8").splitlines()
        return lines[0] if lines else ""
    if not _is_interactive():
        raise UsageError(
            "the key is encrypted, and nobody can be asked for its pass phrase",
            where=str(given.key),
            expected="--key-password-file, or a terminal",
        )
    answer: str = click.prompt(f"Pass phrase of {given.key}", hide_input=True, err=True)
    return answer


def _is_interactive() -> bool:
    return sys.stdin.isatty()


# --- the search


def _now() -> str:
    """SOURCE_DATE_EPOCH where that is set (reproducible-builds.org), else the time."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdecimal() else datetime.now(UTC)
    return now.isoformat(timespec="seconds").replace("+00:00", "Z")


def _search(given: Request, board: BoardFile, path: Path, line: ProgressLine) -> None:
    """All violations are counted, since only a search to the end can be proved."""
    first, name = first_boot(board), name_of(board)
    limits = Limits(cuts=given.cuts, states=given.states, time_s=given.time_s, violations=None)
    options = SearchOptions(
        outcomes=given.outcomes, limits=limits, draws=given.draws, erased_values=given.erased_values
    )
    ended: list[BaseException] = []
    with Processes(given.jobs) as processes:
        executor = processes if given.jobs > 1 else None
        settings = SearchSettings(options, executor, path.parent, ended.append, ended.append)
        result = explore_board(board, first, settings, line.teller(name, "1/1", given.time_s))
    if ended:
        raise ended[0]
    if result.report is None:
        raise VerificationFailed(
            "the search cannot be believed", where=str(given.board), found=result.error
        )
    certificate_file(path.parent, name).rename(path)


# --- the end


def _tell(given: Request, signer: Signer, facts: Facts) -> None:
    """Raises what the result comes to."""
    said = headline(facts)
    if given.as_json:
        answers.result(_values(given, facts))
    else:
        click.echo(f"{given.folder}: {said}")
        click.echo(f"signed with {signer.key.algorithm} key {signer.key.keyid}")
        click.echo(f"{_CHECK} {given.folder} --key PUBLIC.pem checks it")
    match facts.result:
        case Result.FAILED:
            first = facts.findings[0]
            found = f"{first.question}: {first.text}"
            raise VerificationFailed("the search failed", where=str(given.folder), found=found)
        case Result.INCOMPLETE:
            found = facts.certificate.totals["stopped_by"]
            raise UsageError(
                "the search was not complete, and the pack says so",
                where=str(given.folder),
                found=f"stopped by {found}",
                then="Give a higher limit, or none",
            )
        case Result.NARROWER:
            raise click.exceptions.Exit(exits.NARROWER)


def _values(given: Request, facts: Facts) -> dict[str, object]:
    totals = facts.certificate.totals
    return {
        "event": "evidence",
        "folder": str(given.folder),
        "result": str(facts.result),
        "text": headline(facts),
        "states": totals["states"],
        "findings": totals["violations"],
        "head": facts.certificate.head,
        "keyid": facts.signer["keyid"],
    }
