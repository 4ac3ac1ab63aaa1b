"""What is compiled slices nothing that a boot has read: docs/explanation/compiled.md says why.

Compiled code takes a slice of a ``ReadBytes`` as one of ``bytes``, and what that is compared with
is noted by nobody: a search would miss states, and pass.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places import ROOT

HOOK = ("tool", "hatch", "build", "targets", "wheel", "hooks", "custom")
ROOMS = {
    "flash_emulator/array/[a-z]*.py": "below the device that makes bytes of a boot (import-linter: "
    "'silicon is built from its facts up'): it is given them to be programmed, and gives plain ones"
}
"""What is compiled, and why that is safe. Whoever adds a room reads every slice of it first."""

SAFE = {
    ("cells.py", "program", "data[taken:taken + size]"): "is put into a page; nothing is compared",
    (
        "cells.py",
        "restore",
        "data[begin:begin + self._page_size]",
    ): "of a saved array; no boot runs",
    ("cells.py", "restore", "marks[first:first + self._units_per_page]"): "the same",
}
"""Slices and single bytes of what functions are given, and why each of them is safe."""


def compiled() -> list[Path]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for key in HOOK:
        table = table[key]
    patterns = table["modules"]
    assert patterns == [*ROOMS]
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


def given_bytes(function: ast.FunctionDef) -> set[str]:
    every = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    return {
        each.arg
        for each in every
        if each.annotation is not None and "bytes" in ast.unparse(each.annotation)
    }


def taken_apart(source: str) -> Iterator[tuple[str, str]]:
    """Function and expression: a slice, a byte, or a walk over what the function is given."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        names = given_bytes(function)
        for node in ast.walk(function):
            whole = node.value if isinstance(node, ast.Subscript) else None
            whole = node.iter if isinstance(node, ast.For | ast.comprehension) else whole
            if isinstance(whole, ast.Name) and whole.id in names:
                yield function.name, ast.unparse(node if isinstance(node, ast.Subscript) else whole)


def test_no_compiled_room_takes_apart_what_a_boot_may_have_read() -> None:
    paths = compiled()
    assert len(paths) > 5
    found = {(path.name, *each) for path in paths for each in taken_apart(path.read_text("utf-8"))}
    assert found == SAFE.keys()


def test_no_compiled_room_knows_bytes_of_a_boot() -> None:
    for path in compiled():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("flash_emulator.device"), path


@pytest.mark.parametrize(
    "body", ["return data[1:]", "return data[0]", "return [each for each in data]"]
)
def test_each_way_to_take_bytes_apart_is_seen(body: str) -> None:
    assert [*taken_apart(f"def read(data: bytes | None):\n    {body}\n")]
    assert not [*taken_apart(f"def read(data: list[int]):\n    {body}\n")]
