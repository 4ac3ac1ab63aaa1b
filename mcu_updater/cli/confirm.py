"""The question before anything that cannot be taken back; ``--yes`` answers it in advance."""

from __future__ import annotations

import click

yes_option = click.option("--yes", is_flag=True, help="Do not ask: go on.")


def ask(question: str, *, yes: bool) -> None:
    """Raises click.Abort unless the answer is yes; no answer, as at an end of input, is a no."""
    if yes:
        return
    try:
        click.confirm(question, abort=True, err=True)
    except click.Abort:
        click.echo("\n--yes answers this question in advance.", err=True)
        raise
