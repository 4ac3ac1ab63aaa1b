"""Which switch relaxes which rule: errors name their rule, and only here are switches known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from mcu_updater.cli.leaf import leaf
from mcu_updater.core.mcu import NothingBoots
from mcu_updater.errors import UpdaterError
from mcu_updater.image import Allow, Rule

_OF_ALLOW: Final = {
    Allow.BOM: "drops the mark",
    Allow.CR: "lets CR alone end a line",
    Allow.NO_END: "takes a file without its end record",
    Allow.AFTER_END: "ignores what is behind the end record",
    Allow.END_ADDRESS: "takes the address for the entry",
    Allow.MIXED: "lets each of types 02 and 04 replace the other",
    Allow.WINDOW: "lets a record go on above its window",
    Allow.STARTS: "keeps the first start address",
    Allow.COMMENTS: "skips what stands behind ; # or //",
    Allow.BLANKS: "drops blanks and tabs around a line",
    Allow.HEADERS: "takes S0 anywhere",
    Allow.COUNT: "takes a count record that counts otherwise",
    Allow.TERMINATOR: "takes a terminator of another width",
    Allow.SAME: "takes a byte that is given twice alike",
    Allow.GAPS: "takes gaps and segments without limit",
    Allow.MACHINE: "takes ELF files of any machine",
    Allow.VIRTUAL: "takes the virtual addresses",
}
_CONVERT: Final = "mcu-updater image convert"
_FIRST_IMAGE: Final = (
    "The chip needs a first image with its journal: mcu-updater install IMAGE --port PORT "
    "--version V (docs/how-to/first-installation.md)"
)

Has = Callable[[str], bool]


def hint(error: UpdaterError, meta: dict[str, Any]) -> str:
    """What helps against *error*, as a sentence; empty: nothing that a switch could do.

    *meta*: of the context that the command ran in.
    """
    command = leaf(meta)
    if isinstance(error, NothingBoots):
        params = {} if command is None else command.params
        return _FIRST_IMAGE if params.get("target_port") else ""
    if not error.rule:
        return ""
    has = _has(command)
    if error.rule in list(Allow):
        rule = Allow(error.rule)
        convert = f"{_CONVERT} --allow {rule} IN OUT.hex writes it anew"
        return f"--allow {rule} {_OF_ALLOW[rule]}; {convert}" if has("allow") else convert
    return _of_rule(Rule(error.rule), has)


def _of_rule(rule: Rule, has: Has) -> str:
    match rule:
        case Rule.NAME:
            taken = has("raw") or has("raw_file")
            return "--raw takes it whatever its name says" if taken else ""
        case Rule.RAW:
            return "--raw takes its bytes as they are" if has("raw") else ""
        case Rule.VECTORS:
            return "--force writes it all the same" if has("force_vectors") else ""
        case Rule.OUTSIDE:
            return (
                "--only flash takes what lies in flash and leaves out the rest; option bytes are "
                "written by mcu-updater option-bytes"
                if has("only")
                else f"{_CONVERT} --only flash IN OUT.hex leaves out the rest"
            )
        case Rule.SIGNED:
            return "--require-signature KEY says whose" if has("keys") else ""
        case Rule.ORDER | Rule.STREAM:
            return f"{_CONVERT} IN OUT.hex writes one that is taken"


def _has(command: click.Context | None) -> Has:
    """Whether the command has the option of that name."""

    def has(name: str) -> bool:
        names = {p.name for p in command.command.params} if command is not None else set()
        return name in names

    return has


def told(error: UpdaterError, meta: dict[str, Any] | None = None) -> str:
    """The message of *error*, and what helps."""
    if meta is None:
        ctx = click.get_current_context(silent=True)
        meta = {} if ctx is None else ctx.meta
    help_text = hint(error, meta)
    if not help_text:
        return error.message
    dot = "" if error.message.endswith((".", "!", "?")) else "."
    return f"{error.message}{dot} {help_text}"
