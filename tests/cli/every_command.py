"""A valid command line for every command, with the files in it by what becomes of them.

``in:NAME`` is read, ``kept:NAME`` read and written, ``new:NAME`` written, ``port:`` a served chip,
``module:`` a served module.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from mcu_updater.cli.main import cli

CHIP = "--port port: --cache new:cache --timeout 0.5"

EXAMPLES = {
    "board boot": "kept:one.board --json",
    "board new": "new:fresh.board --version 1.0.0 --image in:old.bin",
    "board status": "kept:one.board",
    "board why": "kept:one.board",
    "center check": "in:center.toml",
    "center control": "in:center.toml pause --plan spring --db kept:center.db",
    "center monitor": "in:center.toml --db kept:center.db --json",
    "center offer": "in:center.toml --device pump-001 --db kept:center.db",
    "center serve": "in:center.toml --db kept:center.db --port 0",
    "delta apply": "in:old.bin in:patch.mcud -o new:result.bin",
    "delta info": "in:patch.mcud --json",
    "delta make": "in:old.bin in:new.bin -o new:result.mcud",
    "chip serve": "STM32L476xG --file kept:one.chip --link new:tty",
    "doctor": "--json",
    "emit c": "--part STM32L476xG -o new:emitted",
    "emit factory": "in:new.bin --part STM32L476xG --version 2.0.0 -o new:factory.hex",
    "erase": f"--start 0x08080000 --size 2048 {CHIP}",
    "evidence": "new:pack --board in:board.toml --key in:ed25519.pem --cuts 1 --jobs 1 --quiet "
    "--recheck-sample 1",
    "firmware explore": "in:board.toml --states 1 --jobs 2 --quiet --html new:report.html "
    "--certificates new:certificates",
    "firmware new": "in:boot.elf --part STM32L476xG -o new:first.toml",
    "firmware run": "in:board.toml --trace new:trace.txt",
    "flash": f"in:new.bin --base 0x08008000 {CHIP}",
    "fleet": "in:center.toml --devices 2 --cuts 0 --faults 0 --jobs 1 --db new:fleet.db",
    "image check": "in:new.bin --part STM32L476xG",
    "image convert": "in:new.hex new:result.s19",
    "image diff": "in:old.bin in:new.bin --json",
    "image inspect": "in:new.hex",
    "info": f"{CHIP} --json",
    "install": f"in:new.bin --version 2.0.0 --base 0x08008000 {CHIP}",
    "module faults": "",
    "module options": "",
    "module play": "in:talk.txt --link new:tty",
    "module serve": "--package in:new.bin --target-version 2.0.0 --state kept:module.state "
    "--link new:tty --record new:talk",
    "option-bytes": CHIP,
    "package build": "new:package.zip in:new.bin --component STM32 --version 2.0.0",
    "part list": "",
    "part show": "STM32L476xG",
    "ports": "",
    "powerloss": "--size 300 --states 1 --jobs 2 --quiet --html new:report.html "
    "--certificates new:certificates",
    "protect": f"--readout --yes {CHIP}",
    "read": f"new:memory.bin --size 2048 {CHIP}",
    "unprotect": f"--write --yes {CHIP}",
    "update": "in:new.bin --board kept:one.board --json",
    "verify": f"in:new.bin --base 0x08008000 {CHIP}",
    "watch": "--module module: --board kept:one.board --json",
}

READERS = frozenset({"board status", "board why", "center monitor", "center offer"})
"""Commands that look at a kept file and change nothing."""

SERVERS = frozenset({"center serve", "chip serve", "module serve", "module play", "watch"})
"""Commands that go on until they are ended."""

MAY_BE_NEW = frozenset({"center serve", "chip serve", "module serve", "update"})
"""Commands that make a kept file that is not there."""


def commands(
    command: click.Command = cli, words: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Every command that there is, by its name."""
    if not isinstance(command, click.Group):
        yield " ".join(words), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, (*words, name))


def leaves() -> Iterator[str]:
    """The names of all of them."""
    return (name for name, _ in commands())
