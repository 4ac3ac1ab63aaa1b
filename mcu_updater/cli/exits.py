"""Exit codes: the one table, which ``--help`` prints. Errors do not know theirs."""

from __future__ import annotations

import os
import traceback

import click

from mcu_updater.cli import answers, interrupts
from mcu_updater.core.errors import (
    ChipRefused,
    InputRejected,
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
BUG = 1
USAGE = 2
REJECTED = 3
UNUSABLE = 4  # doctor: something that every command needs
POWER_CUT = 9
STOPPED = 12
DECLINED = 13
SAMPLED = 14
NARROWER = 15
HUNG_UP, TERMINATED = 129, 143
INTERRUPTED = interrupts.INTERRUPTED

CODES: dict[type[UpdaterError], int] = {
    UsageError: USAGE,
    InputRejected: REJECTED,
    PortError: UNUSABLE,
    ModuleRefused: 5,
    ChipRefused: 6,
    VerificationFailed: 7,
    LinkError: 8,
    Reverted: 10,
    NoBootloader: 11,
}
"""Of errors that a user may see. A class that is not here has the code of its base."""

MEANINGS: dict[int, str] = {
    OK: "ok",
    BUG: "a fault of this program",
    USAGE: "usage: an option or argument that cannot be; a cut that never fired; a search that a "
    "limit stopped",
    REJECTED: "image, plan or other input rejected; nothing of it will boot",
    UNUSABLE: "file or port cannot be used: missing, full, in use; doctor: so, too",
    CODES[ModuleRefused]: "module refused or failed, or offered no plan",
    CODES[ChipRefused]: "chip refused: its boot ROM said no, it is protected, or another one",
    CODES[VerificationFailed]: "verification failed: flash does not hold what was written",
    CODES[LinkError]: "link error after retries",
    POWER_CUT: "power cut as asked",
    CODES[Reverted]: "reverted: the new image did not pass its trial, the old one runs",
    CODES[NoBootloader]: "no boot ROM answers at the port",
    STOPPED: "watch: stopped between two steps, as SIGINT or SIGTERM asked",
    DECLINED: "declined: a question was not answered with yes; nothing was changed",
    SAMPLED: "--check-sample: the sample holds; the rest was not looked at",
    NARROWER: "a search or its certificate holds, and left outcomes or metastable modes out",
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


def code_for(error: UpdaterError) -> int:
    """By the nearest class that the table has."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), BUG)


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
            from mcu_updater.cli.switches import (
                message_with_hint,  # knows images: not for every start
            )

            complain(message_with_hint(error))
            return code_for(error)
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
            return UNUSABLE
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
