"""Where the program begins."""

from __future__ import annotations

from mcu_updater.signals import leave_at_signals


def main() -> None:
    """``mcu-updater``."""
    leave_at_signals()
    from mcu_updater.cli.main import main as run_command

    run_command()
