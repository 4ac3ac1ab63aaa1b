"""Build hook: compiles the hot rooms (mypyc) and C extensions into the wheel, where it can.

What is compiled stands in pyproject.toml, [tool.hatch.build.targets.wheel.hooks.custom]:

* ``modules``: Python modules, as paths or patterns; compiled together, into one library.
* ``extensions``: C extensions, by module name, each with its sources.

The Python sources stay in the wheel: without the compiled files beside them it is the pure build.

``MCU_UPDATER_PURE=1`` compiles nothing; ``=0`` fails where nothing can be compiled. Where it is not
set, the build is pure then, and a line says why: no installation shall fail for the sake of speed.
An editable install is pure: whoever edits sources runs them. ``python hatch_build.py`` compiles the
C extensions in place (make front-cache).
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PURE = "MCU_UPDATER_PURE"
COMPILER = "mypy[mypyc]==2.4.1"
"""The release that requirements/dev.txt pins: what the tests have run with, compiles."""
HAS_WHEELS = ("x86_64", "aarch64", "arm64", "AMD64")
"""Machines that the compiler has wheels for. It is not asked for elsewhere: it would have to be
built first, by compilers that may not be there."""
RECORD = "mcu_updater/build.json"
"""In the wheel: what is compiled, and if nothing is, why. ``mcu_updater.build`` reads it."""
GROUP = "mcu_updater"
_SHARED = f"{GROUP}__mypyc"  # the library that all compiled modules are in


class CompilingHook(BuildHookInterface[Any]):
    """Of wheels. hatchling finds it by its base class."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Asked before anything is built; what is asked for must be had, or pip fails."""
        if why_not_here() or self.target_name != "wheel":
            return []
        alone = os.environ.get("PIP_NO_INDEX") or os.environ.get("UV_OFFLINE")
        has_wheel = platform.machine() in HAS_WHEELS
        if os.environ.get(PURE) != "0" and (alone or not has_wheel):
            return []
        return [COMPILER]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the wheel is packed; *version* is ``standard`` or ``editable``."""
        if version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory(
            prefix="mcu-updater-build-"
        )  # until it is packed
        folder = Path(self._folder.name)
        built: list[Path] = []
        why = why_not_here()
        if not why:
            built, why = self._compile(folder)
        if why:
            if os.environ.get(PURE) == "0":
                raise RuntimeError(f"{PURE}=0, and nothing could be compiled: {why}")
            self.app.display_warning(f"mcu-updater: pure Python is built, nothing compiled: {why}")
        else:
            self.app.display_info(f"mcu-updater: compiled, {len(built)} files")
        for path in built:
            build_data["force_include"][str(path)] = path.relative_to(folder / "lib").as_posix()
        if built:
            build_data["pure_python"], build_data["infer_tag"] = False, True
        record = folder / "build.json"
        names = sorted({_module(path.relative_to(folder / "lib")) for path in built} - {_SHARED})
        record.write_text(json.dumps({"compiled": names, "why_pure": why}, indent=1) + "\n")
        build_data["force_include"][str(record)] = RECORD

    def _compile(self, folder: Path) -> tuple[list[Path], str]:
        """Compiled files below *folder*/lib; or none, and why."""
        root = Path(self.root)
        modules = sorted(
            {
                str(path.relative_to(root))
                for pattern in self.config.get("modules", [])
                for path in root.glob(pattern)
            }
        )
        work = {
            "modules": modules,
            "extensions": self.config.get("extensions", {}),
            "folder": str(folder),
        }
        done = subprocess.run(  # noqa: S603 - apart: compilers print, and may end the process
            [sys.executable, __file__, json.dumps(work)],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stdout + done.stderr).strip()
            for line in said.splitlines()[-20:]:
                self.app.display_warning(line)
            last = re.sub(r"\[.*\]", "[...]", said.splitlines()[-1] if said else "")
            return [], f"the compiler failed ({done.returncode}): {last}"
        return sorted(path for path in (folder / "lib").rglob("*") if path.is_file()), ""


def why_not_here() -> str:
    """Why nothing is compiled here; empty where it can be tried."""
    if os.environ.get(PURE, "") not in ("", "0"):
        return f"{PURE}={os.environ[PURE]}"
    if platform.python_implementation() != "CPython":
        return f"{platform.python_implementation()} runs, and compiled modules are CPython's"
    if os.name == "nt":
        return ""  # setuptools finds the compiler by itself
    command = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    if shutil.which(shlex.split(command)[0]) is None:
        return f"there is no C compiler: {command}"
    header = Path(sysconfig.get_path("include"), "Python.h")
    return "" if header.exists() else f"Python's headers are missing: {header}"


def _module(path: Path) -> str:
    return ".".join([*path.parent.parts, path.name.partition(".")[0]])


def compile_in(folder: Path, modules: list[str], extensions: dict[str, list[str]]) -> None:
    """Compile into *folder*/lib. Exits with what went wrong."""
    try:
        from setuptools import Extension, setup
    except ImportError as error:
        sys.exit(f"{error}: pip install '{COMPILER}'")
    found = [Extension(name, sources) for name, sources in extensions.items()]
    if modules:
        try:
            from mypyc.build import mypycify
        except ImportError as error:
            sys.exit(f"{error}: pip install '{COMPILER}'")
        # Types are checked where all is that they come from (make types), so not strictly here.
        options = ["--config-file=", "--ignore-missing-imports", f"--cache-dir={folder / 'types'}"]
        found += mypycify(
            [*options, *modules],
            target_dir=str(folder / "c"),
            group_name=GROUP,
            opt_level="2",
            debug_level="0",
        )
    setup(
        name="compiled",
        packages=[],
        py_modules=[],
        ext_modules=found,
        script_args=[
            "--quiet",
            "build_ext",
            f"--build-lib={folder / 'lib'}",
            f"--build-temp={folder / 'temp'}",
        ],
    )


def compile_extensions_in_place() -> None:
    """The C extensions of pyproject.toml, beside their sources: for who works on these."""
    root = Path(__file__).parent
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    hook = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]
    with tempfile.TemporaryDirectory() as folder:
        compile_in(Path(folder), [], hook["extensions"])
        shutil.copytree(Path(folder, "lib"), root, dirs_exist_ok=True)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        compile_extensions_in_place()
    else:
        given = json.loads(sys.argv[1])
        compile_in(Path(given["folder"]), given["modules"], given["extensions"])
