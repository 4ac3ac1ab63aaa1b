"""The build hook on a small project: compiled with a C compiler; without, pure, with the reason."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import hatch_build
from mcu_updater import build
from mcu_updater.host import checkup

ROOT = Path(__file__).parents[2]
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "small"
version = "1"
requires-python = ">=3.11"
[tool.hatch.build.targets.wheel]
packages = ["small"]
[tool.hatch.build.targets.wheel.hooks.custom]
modules = ["small/[a-z]*.py"]
"""
MODULE = """
def twice(number: int) -> int:
    return 2 * number
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    there = tmp_path / "project"
    (there / "small").mkdir(parents=True)
    (there / "pyproject.toml").write_text(PROJECT)
    (there / "small" / "__init__.py").write_text("")
    (there / "small" / "hot.py").write_text(MODULE)
    shutil.copy(ROOT / "hatch_build.py", there)
    return there


def built(project: Path, **environment: str) -> tuple[list[Path], str, int]:
    """Wheels, what was said, and the exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "out"],
        cwd=project,
        env={key: value for key, value in os.environ.items() if key not in ("CC", hatch_build.PURE)}
        | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return list(project.glob("out/*.whl")), done.stdout + done.stderr, done.returncode


def record(wheel: Path) -> dict[str, object]:
    found = json.loads(zipfile.ZipFile(wheel).read(hatch_build.RECORD))
    assert isinstance(found, dict)
    return found


@pytest.mark.judge("gcc")
def test_a_wheel_carries_its_modules_compiled_and_their_sources(project: Path, tmp_path: Path):
    wheels, _, _ = built(project, MCU_UPDATER_PURE="0")
    (wheel,) = wheels
    assert "none-any" not in wheel.name
    assert record(wheel) == {"compiled": ["small.hot"], "why_pure": ""}
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    assert (installed / "small" / "hot.py").read_text() == MODULE
    code = "import small.hot; print(small.hot.__file__, small.hot.twice(21))"
    asked = subprocess.run(
        [sys.executable, "-c", code], cwd=installed, capture_output=True, text=True, check=True
    )
    path, answer = asked.stdout.split()
    assert (Path(path).suffix, answer) == (".so", "42")


EXTENSION = """
[tool.hatch.build.targets.wheel.hooks.custom.extensions]
"small._cold" = ["small/_cold.c"]
"""
COLD = """
#include <Python.h>
static struct PyModuleDef cold = {PyModuleDef_HEAD_INIT, "_cold", "In C.", -1, NULL};
PyMODINIT_FUNC PyInit__cold(void) { return PyModule_Create(&cold); }
"""


@pytest.mark.judge("gcc")
def test_by_hand_the_hook_compiles_extensions_beside_their_sources(project: Path):
    (project / "pyproject.toml").write_text(PROJECT + EXTENSION)
    (project / "small" / "_cold.c").write_text(COLD)
    subprocess.run([sys.executable, "hatch_build.py"], cwd=project, check=True, timeout=120)
    code = "import small._cold as cold, small.hot as hot; print(cold.__doc__, hot.__file__)"
    asked = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True
    )
    assert asked.stdout.split() == ["In", "C.", str(project / "small" / "hot.py")]


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"MCU_UPDATER_PURE": "1"}, "MCU_UPDATER_PURE=1"),
        ({"CC": "/nowhere/cc"}, "there is no C compiler: /nowhere/cc"),
        ({"CC": shutil.which("false") or "false"}, "the compiler failed (1): "),
    ],
)
def test_without_a_compiler_the_wheel_is_pure_and_says_why(
    project: Path, environment: dict[str, str], why: str
):
    wheels, said, code = built(project, **environment)
    (wheel,) = wheels
    assert code == 0
    assert wheel.name == "small-1-py3-none-any.whl"
    assert f"pure Python is built, nothing compiled: {why}" in said
    found = record(wheel)
    assert found["compiled"] == []
    assert str(found["why_pure"]).startswith(why)


@pytest.mark.parametrize("compiler", ["/nowhere/cc", shutil.which("false") or "false"])
def test_where_compiled_is_asked_for_there_is_no_pure_wheel(project: Path, compiler: str):
    wheels, said, code = built(project, MCU_UPDATER_PURE="0", CC=compiler)
    assert (wheels, bool(code)) == ([], True)
    assert "MCU_UPDATER_PURE=0, and nothing could be compiled: " in said


def dependencies(monkeypatch: pytest.MonkeyPatch, target: str = "wheel", **given: str) -> list[str]:
    for name in (hatch_build.PURE, "CC", "PIP_NO_INDEX", "UV_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    hook = hatch_build.CompilingHook(str(ROOT), {}, None, None, str(ROOT), target)  # type: ignore[arg-type]
    return hook.dependencies()


@pytest.mark.judge("gcc")
def test_the_compiler_is_asked_for_where_it_can_be_had(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert dependencies(monkeypatch) == [hatch_build.COMPILER]
    assert dependencies(monkeypatch, MCU_UPDATER_PURE="1") == []
    assert dependencies(monkeypatch, CC="/nowhere/cc") == []
    assert dependencies(monkeypatch, PIP_NO_INDEX="1") == []
    assert dependencies(monkeypatch, PIP_NO_INDEX="1", MCU_UPDATER_PURE="0") == [
        hatch_build.COMPILER
    ]
    assert dependencies(monkeypatch, target="sdist") == []
    monkeypatch.setattr("platform.machine", lambda: "armv7l")
    assert dependencies(monkeypatch) == [], "it would have to be built there first"


def test_the_release_that_compiles_is_the_one_that_is_pinned():
    name, version = hatch_build.COMPILER.replace("[mypyc]", "").split("==")
    assert f"\n{name}=={version} " in (ROOT / "requirements" / "dev.txt").read_text()


def test_what_runs_is_told_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(build, "_RECORD", tmp_path / "build.json")
    monkeypatch.setattr(build, "_ROOT", tmp_path)
    assert build.this_build().why_pure == "it runs from its sources, where nothing is compiled"

    (tmp_path / "build.json").write_text('{"compiled": ["small.hot"], "why_pure": ""}')
    assert "taken away" in build.this_build().why_pure
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / f"hot{EXTENSION_SUFFIXES[0]}").touch()
    assert build.this_build() == build.Build(("small.hot",), "")
    check = checkup.check_build(build.this_build())
    assert (check.state, check.found) == (checkup.State.OK, "compiled: 1 modules: small.hot")

    (tmp_path / "build.json").write_text('{"compiled": [], "why_pure": "MCU_UPDATER_PURE=1"}')
    check = checkup.check_build(build.this_build())
    assert (check.state, check.found) == (checkup.State.NOTE, "pure Python: MCU_UPDATER_PURE=1")
    assert check.advice
