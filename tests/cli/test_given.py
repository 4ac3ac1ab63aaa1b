"""What a command was given reaches its code as one typed value, and no dict of it goes further."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path

import click
import pytest

import mcu_updater.cli
from mcu_updater.cli.given import given_as
from tests.cli.every_command import commands

COMMANDS = dict(commands())
CLI = Path(mcu_updater.cli.__file__).parent


def innermost(command: click.Command) -> Callable[..., object]:
    assert command.callback is not None
    found: Callable[..., object] = inspect.unwrap(command.callback)
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_takes_whatever_comes(name: str) -> None:
    parameters = inspect.signature(innermost(COMMANDS[name])).parameters.values()
    assert all(each.kind is not inspect.Parameter.VAR_KEYWORD for each in parameters)


def typed(command: click.Command) -> type | None:
    """The dataclass that the command is given; None: it takes its options one by one."""
    kind = inspect.get_annotations(innermost(command), eval_str=True).get("given")
    return kind if is_dataclass(kind) and isinstance(kind, type) else None


TYPED = {name: kind for name, command in COMMANDS.items() if (kind := typed(command))}


@pytest.mark.parametrize("name", TYPED)
def test_the_fields_of_what_a_command_is_given_are_its_options(name: str) -> None:
    kind = TYPED[name]
    options = {each.name for each in COMMANDS[name].params if each.expose_value}
    needed = {field.name for field in fields(kind) if field.default is MISSING}
    assert needed <= options <= {field.name for field in fields(kind)}
    assert vars(kind)["__dataclass_params__"].frozen


def test_no_function_is_given_a_dict_of_options() -> None:
    found = [
        f"{path.name}:{node.lineno}"
        for path in CLI.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.arg) and node.arg == "given"
        if node.annotation is not None and "dict" in ast.unparse(node.annotation)
    ]
    assert not found


@dataclass(frozen=True, kw_only=True)
class Two:
    one: int
    other: str = "x"


def test_what_is_no_field_is_an_error_of_the_program() -> None:
    @given_as(Two)
    def command(given: Two, more: int) -> tuple[Two, int]:
        return given, more

    assert command(3, one=1) == (Two(one=1), 3)
    with pytest.raises(TypeError, match="third"):
        command(3, one=1, third=2)
    with pytest.raises(TypeError, match="one"):
        command(3, other="y")
