"""The machine's C extension, built where it is not installed, and machines with it and without."""

from __future__ import annotations

import importlib.util
import shlex
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from flash_emulator.machine import front_cache, subject
from flash_emulator.machine.front_cache import EXTENSION
from tests.judges import need
from tests.places import ROOT

SOURCE = ROOT / "flash_emulator/machine/_front_cache.c"


def built(folder: Path) -> ModuleType:
    """The one that is installed, or else one that is compiled into *folder*."""
    if front_cache.extension is not None:
        return front_cache.extension
    need("gcc")
    target = folder / f"_front_cache{sysconfig.get_config_var('EXT_SUFFIX')}"
    compiler = shlex.split(sysconfig.get_config_var("CC") or "gcc")
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-std=c11"]
    include = f"-I{sysconfig.get_path('include')}"
    subprocess.run([*compiler, *flags, include, str(SOURCE), "-o", str(target)], check=True)
    spec = importlib.util.spec_from_file_location(EXTENSION, target)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def machines_with(module: ModuleType | None) -> Iterator[None]:
    """Machines that are made within have *module*, or no cache; those of before are put aside."""
    before, idle = front_cache.extension, dict(subject._idle)
    front_cache.extension = module
    subject._idle.clear()
    try:
        yield
    finally:
        front_cache.extension = before
        subject._idle.clear()
        subject._idle.update(idle)
