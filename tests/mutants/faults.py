"""Seeded faults: what ``faults.toml`` lists, and how one is put into a copy of the packages."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.places import ROOT

PACKAGE = "mcu_updater"
COPIED = (PACKAGE, "flash_emulator")


@dataclass(frozen=True, slots=True)
class Edit:
    """*old* stands in *file* (below the package) once, and becomes *new*."""

    file: str
    old: str
    new: str

    def applied_to(self, text: str) -> str:
        found = text.count(self.old)
        if found != 1:
            raise ValueError(f"{self.file}: expected once, found {found} times: {self.old.strip()}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake, and the cheapest thing that finds it.

    *command*: arguments of ``mcu-updater powerloss``, without the switch ``--scenario``; *check*: a
    stricter check of ``scenarios.checks``, or the command with one of ``hold.STRICTER``; *tests*:
    arguments of pytest. One of the three is named. *why*: why the command does not find it.
    *without_cut*: why it need not wait for a power cut. *growth*: why more states than there may be
    are what it is about. *promise*: why it breaks what the updater promises of its states.
    """

    name: str
    origin: str
    what: str
    edits: tuple[Edit, ...]
    command: str = ""
    check: str = ""
    tests: tuple[str, ...] = ()
    why: str = ""
    without_cut: str = ""
    growth: str = ""
    promise: str = ""


def load() -> list[Fault]:
    """All faults, in the order of the file. Raises ValueError for two of one name."""
    text = Path(__file__).with_name("faults.toml").read_text()
    faults = [_fault(entry) for entry in tomllib.loads(text)["fault"]]
    names = [fault.name for fault in faults]
    if len(set(names)) != len(names):
        raise ValueError("two faults have one name")
    return faults


def _fault(entry: dict[str, Any]) -> Fault:
    first, more = dict(entry), entry.get("more", [])
    first.pop("more", None)
    file, old, new = first.pop("file"), first.pop("old"), first.pop("new")
    edits = [Edit(file, old, new)]
    edits += [Edit(each.get("file", file), each["old"], each["new"]) for each in more]
    texts = {key: value.strip() for key, value in first.items() if isinstance(value, str)}
    return Fault(**texts, edits=tuple(edits), tests=tuple(first.get("tests", ())))


def mutated(fault: Fault) -> dict[str, str]:
    """The files that *fault* changes, as they are then. Raises ValueError where it does not fit."""
    texts: dict[str, str] = {}
    for edit in fault.edits:
        path = ROOT / PACKAGE / edit.file
        text = texts[edit.file] if edit.file in texts else path.read_text()
        texts[edit.file] = edit.applied_to(text)
    return texts


def copy_to(folder: Path, fault: Fault | None) -> None:
    """The packages in *folder*, with *fault* in them; the work tree is only read."""
    for package in COPIED:
        shutil.copytree(ROOT / package, folder / package)
    for name, text in (mutated(fault) if fault else {}).items():
        path = folder / PACKAGE / name
        path.write_text(text)
        for stale in path.parent.glob(f"__pycache__/{path.stem}.*"):
            stale.unlink()
