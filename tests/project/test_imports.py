"""What the parts that others take load: the emulator the standard library, the core no OpenSSL."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.places import ROOT

OUTSIDE = """
import sys
before = set(sys.modules)
import {module}
known = set(sys.stdlib_module_names)
print(*sorted({{name.partition(".")[0] for name in set(sys.modules) - before}} - known))
"""


def loaded(module: str) -> set[str]:
    """Top-level modules outside the standard library that an import of *module* brings."""
    program = OUTSIDE.format(module=module)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_emulator_needs_nothing_but_the_standard_library() -> None:
    assert loaded("flash_emulator") == {"flash_emulator"}


@pytest.mark.parametrize("module", ["mcu_updater.core.mcu", "mcu_updater.core.updater"])
def test_the_core_loads_no_openssl_and_nothing_else_of_others(module: str) -> None:
    assert loaded(module) == {"mcu_updater"}


OURS = ("flash_emulator", "mcu_updater")
SCRIPTS = sorted(
    path for folder in ("benchmarks", "examples", "docs") for path in (ROOT / folder).rglob("*.py")
)


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Module and name, of all that the script at *path* takes from our packages."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OURS):
            yield from ((node.module or "", each.name) for each in node.names)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_script_imports_what_there_is(path: Path) -> None:
    """Also within functions: most scripts are run by hand, and none is type-checked."""
    for module, name in imported(path):
        found = hasattr(import_module(module), name) or find_spec(f"{module}.{name}")
        assert found, f"{module} has no {name}"


def test_a_key_loads_it() -> None:
    assert "cryptography" in loaded("mcu_updater.core.trust.openssl")


ENGINE = ROOT / "flash_emulator/machine/engine_library.py"
SOURCES = sorted(
    path
    for folder in (*OURS, "benchmarks", "docs", "examples", "fixtures", "tests")
    for path in (ROOT / folder).rglob("*.py")
)


def modules_of(path: Path) -> Iterator[str]:
    """Every module that the file at *path* imports, also by its name in a call."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str(module)):
                yield module
            case ast.Call(args=[ast.Constant(value=str(name)), *_]):
                yield name


def test_one_file_knows_the_engine_of_others() -> None:
    """Its traps are mended there, once: a private copy of the glue would meet them again."""
    knowing = [
        path
        for path in SOURCES
        if any(name.partition(".")[0] == "unicorn" for name in modules_of(path))
    ]
    assert knowing == [ENGINE]
    opening = {
        (path.name, each.name)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for each in node.names
        if ENGINE.stem in (each.name, str(node.module).rpartition(".")[2])
    }
    using = {file for file, name in opening if name != "MissingEngine"}
    assert using == {"engine.py", "shadow.py"}  # the latter hooks an engine of a test's machine
