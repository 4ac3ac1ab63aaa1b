"""Which build runs: compiled where a wheel was built with a C compiler, or pure Python.

    >>> import mcu_updater.build
    >>> mcu_updater.build.this_build().compiled
    ('flash_emulator.array.cells', ...)

Both do the same, byte for byte; see docs/explanation/compiled.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_RECORD = Path(__file__).with_name("build.json")  # hatch_build.py puts it into the wheel


@dataclass(frozen=True, slots=True)
class Build:
    """*compiled*: modules that run compiled, by name; none of them, and *why_pure* says why."""

    compiled: tuple[str, ...]
    why_pure: str

    @property
    def is_compiled(self) -> bool:
        return bool(self.compiled)

    def __str__(self) -> str:
        if self.is_compiled:
            return f"compiled: {len(self.compiled)} modules"
        return f"pure Python: {self.why_pure}"


def this_build() -> Build:
    """What is installed here. Looks at files and imports nothing."""
    try:
        record = json.loads(_RECORD.read_text())
    except FileNotFoundError:
        return Build((), "it runs from its sources, where nothing is compiled")
    there = tuple(name for name in record["compiled"] if _is_there(name))
    if record["compiled"] and not there:
        return Build((), "compiled files were taken away, or are another Python's")
    return Build(there, "" if there else record["why_pure"])


def _is_there(module: str) -> bool:
    path = _ROOT.joinpath(*module.split("."))
    return any(path.with_name(path.name + suffix).exists() for suffix in EXTENSION_SUFFIXES)
