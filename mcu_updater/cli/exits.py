"""Exit codes: the one table, which ``--help`` prints. Errors carry theirs in their class."""

from __future__ import annotations

import os
import traceback

import click

from mcu_updater.cli import answers, interrupts
from mcu_updater.errors import (
    ChipRefused,
    ImageRejected,
    LinkError,
    ModuleRefused,
    NoBootloader,
    PortError,
    Reverted,
    UpdaterError,
    UsageError,
    VerificationFailed,
)

OK = 0
NOT_USABLE = PortError.exit_code  # doctor: something that every command needs
INTERRUPTED = interrupts.INTERRUPTED
BUG = 1
POWER_CUT = 9
STOPPED = 12
DECLINED = 13
SAMPLED = 14
NARROWER = 15
HUNG_UP, TERMINATED = 129, 143

MEANINGS: dict[int, str] = {
    OK: "ok",
    BUG: "a fault of this program",
    UsageError.exit_code: "usage: an option or argument that cannot be; a cut that never fired",
    ImageRejected.exit_code: "image, plan or other input rejected; nothing of it will boot",
    PortError.exit_code: "file or port cannot be used: missing, full, in use; doctor: so, too",
    ModuleRefused.exit_code: "module refused or failed, or offered no plan",
    ChipRefused.exit_code: "chip refused: its boot ROM said no, it is protected, or another one",
    VerificationFailed.exit_code: "verification failed: flash does not hold what was written",
    LinkError.exit_code: "link error after retries",
    POWER_CUT: "power cut as asked",
    Reverted.exit_code: "reverted: the new image did not pass its trial, the old one runs",
    NoBootloader.exit_code: "no boot ROM answers at the port",
    STOPPED: "watch: stopped between two steps, as SIGINT or SIGTERM asked",
    DECLINED: "declined: a question was not answered with yes; nothing was changed",
    SAMPLED: "powerloss --check-sample: the sample holds; the rest was not looked at",
    NARROWER: "powerloss --check: it holds, of a search that left outcomes or readings out",
    HUNG_UP: "hung up (SIGHUP)",
    INTERRUPTED: "interrupted (SIGINT)",
    interrupts.PIPE_CLOSED: "the reader of standard output has left",
    TERMINATED: "terminated (SIGTERM)",
}

TRACEBACK = "MCU_UPDATER_TRACEBACK"
"""Environment variable: with it a fault of this program shows where it is."""


def epilog() -> str:
    """The table as click shows it: ``\\b`` keeps its lines."""
    rows = [f"  {code:>3}  {meaning}" for code, meaning in sorted(MEANINGS.items())]
    return "\b\nExit codes:\n" + "\n".join(rows)


def complain(message: str) -> None:
    """The one form of an error."""
    answers.note_complaint(message)
    click.echo(f"error: {message}", err=True)


def code_of(error: BaseException) -> int:
    """What *error* comes to; it has then been told. Raises nothing, whatever it is."""
    match error:
        case click.exceptions.Exit():
            return int(error.exit_code)
        case click.ClickException():
            answers.note_complaint(error.format_message())
            error.show()
            return int(error.exit_code)
        case UpdaterError():
            from mcu_updater.cli.switches import told  # knows images: not for every start

            complain(told(error))
            return error.exit_code
        case click.Abort() if isinstance(error.__context__, KeyboardInterrupt):  # at a question
            return code_of(error.__context__)
        case click.Abort() | EOFError():
            complain("declined. Nothing was changed")
            return DECLINED
        case KeyboardInterrupt():
            text, code = interrupts.text_and_code(error)
            complain(text)
            return code
        case OSError():
            complain(_system_said(error))
            return PortError.exit_code
        case _ if isinstance(cause := _began_with(error), KeyboardInterrupt):
            return code_of(cause)  # and putting things away failed
        case _:
            return _bug(error)


def _began_with(error: BaseException) -> BaseException:
    """The first of those that came while another was on its way."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def _system_said(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"{where}{error.strerror or error}"


def _bug(error: BaseException) -> int:
    if os.environ.get(TRACEBACK):
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    text = f"{type(error).__name__}: {error}".strip()
    complain(f"a fault of this program: {text}. {TRACEBACK}=1 shows where; please report it")
    return BUG
