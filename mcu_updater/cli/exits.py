"""Exit codes: the one table, which ``--help`` prints. Errors carry theirs in their class."""

from __future__ import annotations

import click

from mcu_updater.errors import (
    ChipRefused,
    ImageRejected,
    LinkError,
    ModuleRefused,
    NoBootloader,
    PortError,
    Reverted,
    UsageError,
    VerificationFailed,
)

OK = 0
NOT_USABLE = PortError.exit_code  # doctor: something that every command needs
POWER_CUT = 9
STOPPED = 12
INTERRUPTED = 130

MEANINGS: dict[int, str] = {
    OK: "ok",
    UsageError.exit_code: "usage: an option or argument that cannot be; a cut that never fired",
    ImageRejected.exit_code: "image or plan rejected; nothing of it will boot",
    PortError.exit_code: "port or board file cannot be used; doctor: something needed is missing",
    ModuleRefused.exit_code: "module refused or failed, or offered no plan",
    ChipRefused.exit_code: "chip refused: its boot ROM said no, it is protected, or another one",
    VerificationFailed.exit_code: "verification failed: flash does not hold what was written",
    LinkError.exit_code: "link error after retries",
    POWER_CUT: "power cut as asked",
    Reverted.exit_code: "reverted: the new image did not pass its trial, the old one runs",
    STOPPED: "watch: stopped between two steps, as SIGINT or SIGTERM asked",
    NoBootloader.exit_code: "no boot ROM answers at the port",
    INTERRUPTED: "interrupted",
}


def epilog() -> str:
    """The table as click shows it: ``\\b`` keeps its lines."""
    rows = [f"  {code:>3}  {meaning}" for code, meaning in sorted(MEANINGS.items())]
    return "\b\nExit codes:\n" + "\n".join(rows)


def complain(message: str) -> None:
    """The one form of an error."""
    click.echo(f"error: {message}", err=True)
