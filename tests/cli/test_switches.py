"""Commands, switches and exit codes are the command line's: nothing below it names them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import mcu_updater
from mcu_updater.cli import exits
from mcu_updater.cli.leaf import note
from mcu_updater.cli.main import cli
from mcu_updater.cli.switches import _OF_A_TARGET, _WITH_COMMAND, _WITH_OPTION, message_with_hint
from mcu_updater.core import errors
from mcu_updater.core.errors import Remedy, UpdaterError, UsageError
from mcu_updater.core.mcu import NotAtRest, NothingBoots
from tests.cli.command_line import run
from tests.cli.every_command import commands
from tests.places import FIXTURES

PACKAGE = Path(mcu_updater.__file__).parent
RIM = (  # what a shell runs, and what it runs first; and programs that are written for a user
    *("cli/", "start.py", "signals.py", "__main__.py"),
    "core_c/project/",
    "console/",  # whose reader has the server's command before them
)
SWITCH = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
COMMANDS = dict(commands())
IN_PLAIN_ENGLISH = {
    *("erase", "flash", "fleet", "info", "install", "ports", "protect", "read", "update"),
    *("verify", "watch"),
}
"""Commands whose names a message needs in another sense."""
COMMAND = re.compile(
    r"mcu-updater +\w|"
    + "|".join(rf"(?<![\w-]){name}(?![\w-])" for name in sorted({*COMMANDS} - IN_PLAIN_ENGLISH))
    + "|"
    + "|".join(f"[`']{name}[`' ]" for name in sorted(IN_PLAIN_ENGLISH))
)
BELOW = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if not path.relative_to(PACKAGE).as_posix().startswith(RIM)
]


def docstrings(tree: ast.Module) -> set[int]:
    """Of modules, classes and functions, and of the values that they explain."""
    bodies = [
        found for node in ast.walk(tree) if isinstance(found := getattr(node, "body", 0), list)
    ]
    return {
        id(each.value)
        for body in bodies
        for each in body
        if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
    }


def strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string that is no docstring."""
    told = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.lineno, node.value


def names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """What is defined: variables, attributes of classes, functions."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.FunctionDef(name=name):
                yield node.lineno, name


def test_the_walk_sees_what_it_looks_for() -> None:
    tree = ast.parse('def f():\n    """--x in words"""\n    exit_code = f"a {1} --force b"\n')
    assert [text for _, text in strings(tree) if SWITCH.search(text)] == [" --force b"]
    assert (3, "exit_code") in list(names(tree))
    assert len(BELOW) > 150


@pytest.mark.parametrize("path", BELOW, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_switch_and_no_exit_code_is_named_below_the_command_line(path: Path) -> None:
    tree = ast.parse(path.read_text())
    found = [f"{line}: {text}" for line, text in strings(tree) if SWITCH.search(text)]
    assert not found
    codes = [line for line, name in names(tree) if name == "exit_code"]
    assert not codes


@pytest.mark.parametrize("path", BELOW, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_command_is_named_below_the_command_line(path: Path) -> None:
    tree = ast.parse(path.read_text())
    found = [f"{line}: {text}" for line, text in strings(tree) if COMMAND.search(text)]
    assert not found


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("see mcu-updater ports", True),
        ("part show NAME says more", True),
        ("use `flash` for that", True),
        ("unprotect it first", True),
        ("flash cannot be read", False),
        ("in ~/.cache/mcu-updater", False),
    ],
)
def test_a_command_is_told_from_plain_english(text: str, named: bool) -> None:
    assert bool(COMMAND.search(text)) is named


def kinds(kind: type[UpdaterError] = UpdaterError) -> Iterator[type[UpdaterError]]:
    for each in kind.__subclasses__():
        yield each
        yield from kinds(each)


def test_every_kind_of_error_has_an_exit_code() -> None:
    for kind in kinds():
        assert any(base in exits.CODES for base in kind.__mro__), kind
    assert {*exits.CODES.values(), exits.OK, exits.BUG} <= set(exits.MEANINGS)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("x"), 2),
        (errors.ImageRejected("x"), 3),
        (errors.RolledBack("x"), 3),
        (errors.PortError("x"), 4),
        (errors.ModuleRefused("x"), 5),
        (errors.ChipRefused("x"), 6),
        (NothingBoots("x"), 7),
        (NotAtRest("x"), 7),
        (errors.LinkError("x"), 8),
        (errors.Reverted("x"), 10),
        (errors.NoBootloader("x"), 11),
    ],
)
def test_the_exit_codes_are_those_that_scripts_know(error: UpdaterError, code: int) -> None:
    assert exits.code_for(error) == code


# --- what helps


def test_every_remedy_is_told_in_one_way() -> None:
    assert set(_WITH_OPTION) | set(_WITH_COMMAND) == set(Remedy)
    assert not set(_WITH_OPTION) & set(_WITH_COMMAND)


def test_every_option_that_helps_is_one_of_some_command() -> None:
    known = {each.name for _, command in commands() for each in command.params}
    assert {name for name, _ in _WITH_OPTION.values()} <= known
    assert set(_OF_A_TARGET.values()) <= known


def test_every_switch_in_a_hint_is_one_of_the_command_that_it_names() -> None:
    known = dict(commands())
    for text in _WITH_COMMAND.values():
        named = re.search(r"mcu-updater ([a-z]+(?: [a-z]+)?)", text)
        if named is None:
            continue  # another program
        words = named[1]
        command = known.get(words) or known[words.partition(" ")[0]]
        switches = {switch for each in command.params for switch in each.opts}
        assert set(SWITCH.findall(text)) - {"--geometry"} <= switches, text


def context(name: str, *arguments: str) -> click.Context:
    command = note(dict(commands())[name])
    above = click.Context(cli, **cli.context_settings)  # a command keeps the -h that it first gets
    return command.make_context(name, list(arguments), parent=above, resilient_parsing=True)


ERROR = UsageError(
    "no", then="Nothing was changed", remedies=[Remedy.LOWER_BAUD, Remedy.LIFT_WRITE]
)


def test_only_options_that_the_command_has_are_told() -> None:
    has, lacks = context("flash", "x.bin", "--port", "p"), context("image inspect", "x.bin")
    assert message_with_hint(ERROR, has.meta) == (
        "no. Nothing was changed. Try a lower --baud, such as 57600. "
        "mcu-updater unprotect --write lifts write protection"
    )
    assert "--baud" not in message_with_hint(ERROR, lacks.meta)
    assert ERROR.message == "no. Nothing was changed"


def test_of_a_target_the_options_of_the_target_are_told() -> None:
    target = context("update", "x.bin", "--target", "p").meta
    assert "lower --target-baud" in message_with_hint(ERROR, target)
    assert "--timeout" not in message_with_hint(
        UsageError("no", remedies=[Remedy.MORE_TIME]), target
    )
    module = context("update", "x.bin", "--module", "p").meta
    assert "longer --timeout" in message_with_hint(
        UsageError("no", remedies=[Remedy.MORE_TIME]), module
    )


def test_a_value_that_the_error_knows_is_told() -> None:
    error = UsageError("no", remedies=[Remedy.MORE_TIME], value="24")
    assert message_with_hint(error, context("info", "--port", "p").meta) == (
        "no. If the link is slow, give a longer --timeout, such as 24"
    )


def test_it_reaches_the_user(tmp_path: Path) -> None:
    image = FIXTURES / "fixture-1.0.0.bin"
    done = run("image", "convert", image, tmp_path / "a.hex", "--base", "0x08008000")
    assert done.exit_code == 0, done.output
    again = run("image", "convert", image, tmp_path / "a.hex", "--base", "0x08008000")
    assert again.exit_code == 4
    assert again.stderr.endswith("exists already. Replace it with --force\n")
