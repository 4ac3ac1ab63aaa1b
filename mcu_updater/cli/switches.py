"""Which switch relaxes which rule: errors name their rule, and only here are switches known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from mcu_updater.cli.leaf import leaf
from mcu_updater.core.errors import Remedy, UpdaterError
from mcu_updater.core.image import Allow, Rule
from mcu_updater.core.mcu import NothingBoots
from mcu_updater.stm32.line import WIRINGS

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
_WITH_OPTION: Final = {
    Remedy.LOWER_BAUD: ("baud", "Try a lower {switch}, such as {value}"),
    Remedy.OTHER_BAUD: ("baud", "Give another {switch}"),
    Remedy.MORE_TIME: (
        "timeout",
        "If the link is slow, give a longer {switch}, such as {value}",
    ),
    Remedy.RESET_BY_LINES: ("reset", "{switch} takes one of {wirings}, or auto"),
    Remedy.NO_RESET: ("reset", "Leave {switch} out"),
    Remedy.NAME_PART: ("part", "Name the part of the chip with {switch}"),
    Remedy.GEOMETRY: ("geometry", "Say what its flash is with {switch}"),
    Remedy.READ_ALL: ("diff", "Use {switch} read"),
    Remedy.NO_STUB: ("stub", "Leave {switch} out: the boot ROM can do it alone"),
    Remedy.ADDRESS: ("base", "{switch} says where a raw image goes: is it right?"),
    Remedy.KEY: ("keys", "Give the key: {switch} KEY"),
    Remedy.BELIEVE_ONE_PLAN: ("plan_once", "{switch} has it believed at once"),
    Remedy.NAME_PORT: ("module", "Name the port: {switch} /dev/ttyS0, for instance"),
    Remedy.FIND_PORT: ("module", "{switch} auto lists what is plugged in"),
    Remedy.REPLACE: ("force", "Replace it with {switch}"),
    Remedy.OTHER_STATE: ("state", "Name another {switch} file, or remove this one"),
    Remedy.OTHER_DB: ("db", "Name another with {switch}"),
    Remedy.OTHER_LINK: ("link", "Name another {switch}"),
    Remedy.SOCKET: ("tcp", "{switch} serves on one"),
    Remedy.LARGER_IMAGE: ("size", "Give a larger {switch}, or leave it out"),
    Remedy.ADD_DEVICES: ("count", "{switch} N makes some up"),
}
"""Each is told where the command has the option of that name."""

_WITH_COMMAND: Final = {
    Remedy.LIFT_READOUT: "mcu-updater unprotect --readout lifts read-out protection, and erases "
    "the whole chip",
    Remedy.LIFT_WRITE: "mcu-updater unprotect --write lifts write protection",
    Remedy.FLASH: "mcu-updater flash writes an image to it",
    Remedy.ASK_CHIP: "mcu-updater info shows what the chip says of itself",
    Remedy.READ_BY_GEOMETRY: "mcu-updater info works, and read with --geometry",
    Remedy.PUBLIC_KEY: "Take it out: imgtool getpub --encoding pem",
    Remedy.NEW_BOARD: "Make one: mcu-updater board new",
    Remedy.SMALLER_DELTA: "mcu-updater delta make --profile device makes one for a smaller "
    "decoder, and so does --window",
    Remedy.LOOK_AT_DELTA: "Look at it: mcu-updater delta info; apply it: mcu-updater delta apply",
    Remedy.RESTART_POINTS: "mcu-updater package build sets restart points",
    Remedy.CHECK_CENTER: "mcu-updater center check lists them all",
    Remedy.UNPACK: "mcu-updater image convert FILE.rar IMAGE.hex unpacks it, with the extra rar",
}
_USUAL_VALUES: Final = {Remedy.LOWER_BAUD: "57600", Remedy.MORE_TIME: "10"}
_OF_A_TARGET: Final = {"baud": "target_baud", "reset": "target_reset", "part": "part"}
"""``update --target``: options of these names are the module's, and what counts is another one."""

Has = Callable[[str], bool]


def hint(error: UpdaterError, meta: dict[str, Any]) -> str:
    """What helps against *error*, in sentences; empty: nothing that a switch could do.

    *meta*: of the context that the command ran in.
    """
    command = leaf(meta)
    found = [_of_remedy(each, error, command) for each in error.remedies]
    if error.rule:
        found.append(_of_error_rule(error.rule, _has(command)))
    if isinstance(error, NothingBoots) and _is_target(command):
        found.append(_FIRST_IMAGE)
    return ". ".join(filter(None, found))


def _of_error_rule(name: str, has: Has) -> str:
    if name in list(Allow):
        rule = Allow(name)
        convert = f"{_CONVERT} --allow {rule} IN OUT.hex writes it anew"
        return f"--allow {rule} {_OF_ALLOW[rule]}; {convert}" if has("allow") else convert
    return _of_rule(Rule(name), has)


def _of_remedy(remedy: Remedy, error: UpdaterError, command: click.Context | None) -> str:
    if remedy in _WITH_COMMAND:
        return _WITH_COMMAND[remedy]
    name, text = _WITH_OPTION[remedy]
    switch = _switch(name, command)
    if not switch:
        return ""
    value = error.value or _USUAL_VALUES.get(remedy, "")
    return text.format(switch=switch, value=value, wirings=", ".join(WIRINGS))


def _is_target(command: click.Context | None) -> bool:
    return command is not None and command.params.get("target_port") is not None


def _switch(name: str, command: click.Context | None) -> str:
    """How the option *name* is written; empty where the command has none that would help."""
    if command is None:
        return ""
    known = {parameter.name: parameter.opts[0] for parameter in command.command.params}
    return known.get(_OF_A_TARGET.get(name, "") if _is_target(command) else name, "")


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


def message_with_hint(error: UpdaterError, meta: dict[str, Any] | None = None) -> str:
    """The message of *error*, and what helps."""
    if meta is None:
        ctx = click.get_current_context(silent=True)
        meta = {} if ctx is None else ctx.meta
    help_text = hint(error, meta)
    if not help_text:
        return error.message
    dot = "" if error.message.endswith((".", "!", "?")) else "."
    return f"{error.message}{dot} {help_text}"
