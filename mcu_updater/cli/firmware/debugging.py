"""``firmware explore --replay ID --gdb PORT``: a debugger at the boot that goes wrong."""

from __future__ import annotations

import os
import shlex
import shutil
from contextlib import suppress

import click

from flash_emulator.explore.path import Path as CutPath
from flash_emulator.explore.search import SearchOptions
from flash_emulator.machine.board_file import BoardFile
from flash_emulator.machine.debugger import COMMANDS, Debuggee, Server
from mcu_updater.core.errors import PortError

_GDBS = ("arm-none-eabi-gdb", "gdb-multiarch")


def serve_debugger(read: BoardFile, path: CutPath, options: SearchOptions, port: int) -> None:
    """Until it is interrupted. Raises PathLeft, and PortError where the port cannot be had."""
    debuggee = Debuggee(read.subject, path, options)
    try:
        server = Server(debuggee, port, _log)
    except OSError as error:
        raise PortError(
            "no debugger can be served",
            where=f"127.0.0.1:{port}",
            found=os.strerror(error.errno) if error.errno else str(error),
            then="Give --gdb another port, or 0 for any that is free",
        ) from error
    click.echo(
        f"gdb is waited for at 127.0.0.1:{server.port}: boot {debuggee.boots} of {debuggee.boots}, "
        f"at reset. Ctrl-C ends this. In another terminal:\n  {command_line(read, server.port)}"
    )
    with suppress(KeyboardInterrupt):
        server.serve()


def command_line(read: BoardFile, port: int) -> str:
    """How gdb is called."""
    gdb = next((name for name in _GDBS if shutil.which(name)), _GDBS[1])
    paths = [program.path for program in read.debug.programs]
    folders = dict.fromkeys(str(path.parent) for path in paths)
    words = [gdb, "-q", *(word for folder in folders for word in ("-d", folder))]
    words += ["-x", str(COMMANDS), "-ex", f"target remote 127.0.0.1:{port}"]
    return shlex.join([*words, *map(str, paths[:1])])


def _log(text: str) -> None:
    click.echo(text, err=True)
