"""``--line-log FILE``: what crosses the line to a module or a boot ROM, byte by byte."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcu_updater.cli import paths
from mcu_updater.core.errors import PortError
from mcu_updater.storage import STDOUT

if TYPE_CHECKING:
    import logging

NAME = "line_log"
LINE = "mcu_updater.line"  # parent of the loggers in host/serial_port.py
_FORMAT = "%(asctime)s.%(msecs)03d %(name)s %(message)s"
_GIVEN = f"{__name__}.given"


def _note(ctx: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    ctx.meta[_GIVEN] = path
    return path


line_log_option = click.option(
    "--line-log",
    NAME,
    type=paths.OUTPUT_OR_STDOUT,
    expose_value=False,
    callback=_note,
    metavar="FILE",
    help="Append all that crosses the line to FILE, with times; - is standard error.",
)


def start() -> None:
    """From now on until the command ends, if it was asked for. Call it before the port is opened.

    Raises PortError where FILE cannot be written.
    """
    context = click.get_current_context()
    path: Path | None = context.meta.get(_GIVEN)
    if path is None:
        return
    import logging

    logger = logging.getLogger(LINE)
    if logger.handlers:
        return
    handler = _handler(path)
    handler.setFormatter(logging.Formatter(_FORMAT, "%H:%M:%S"))
    propagated = logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False

    def end() -> None:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
        logger.propagate = propagated
        handler.close()

    context.find_root().call_on_close(end)


def _handler(path: Path) -> logging.Handler:
    import logging

    if path == STDOUT:
        return logging.StreamHandler(sys.stderr)
    paths.claim(path, force=True)
    try:
        return logging.FileHandler(path, encoding="ascii")
    except OSError as error:
        raise PortError("cannot be written", where=str(path), found=str(error)) from error
