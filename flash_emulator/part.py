"""A part: geometry, rules, options and times of one STM32, read from ``parts/*.toml``.

A part file says what one part number is; ``classes.toml`` what its family has in common, and
``documents.toml`` what the sources are. Every table names its sources. What is unknown is
absent, never guessed; what an emulator has to choose all the same is listed as ``assumed``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from flash_emulator.part_file import PartReader, package_toml
from flash_emulator.part_tables import PartError, Table, text
from flash_emulator.silicon import Part
from flash_emulator.traits import (
    Aliasing,
    BadRead,
    Ecc,
    Endurance,
    Identity,
    Mode,
    Note,
    Numbering,
    OptionField,
    OptionModel,
    OptionRole,
    Overwrite,
    Provenance,
    Span,
    Timing,
)

__all__ = [
    "Aliasing",
    "BadRead",
    "Ecc",
    "Endurance",
    "Identity",
    "Mode",
    "Note",
    "Numbering",
    "OptionField",
    "OptionModel",
    "OptionRole",
    "Overwrite",
    "Part",
    "PartError",
    "Provenance",
    "Span",
    "Timing",
    "load_part",
    "load_part_file",
    "parse_part",
    "part_names",
]


def part_names() -> list[str]:
    """Names of all parts that come with the package."""
    folder = resources.files("flash_emulator") / "parts"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith("toml"))


def load_part(name: str) -> Part:
    """The part called *name*. Raises PartError, with the names that exist."""
    if name not in part_names():
        raise PartError(f"unknown part {name!r}; known: {', '.join(part_names())}")
    return parse_part(package_toml(f"parts/{name}.toml"), file=f"{name}.toml")


def load_part_file(path: str | Path) -> Part:
    """The part that a file of one's own describes. Raises PartError for a wrong file.

    OSError where it cannot be read.
    """
    source = Path(path)
    try:
        data = tomllib.loads(source.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PartError(file=str(source), expected="TOML", found=str(error)) from error
    return parse_part(data, file=str(source))


def parse_part(data: Mapping[str, Any], *, file: str = "part") -> Part:
    """A part from the tables of its file. Raises PartError with file, table, key."""
    documents = {**package_toml("documents.toml"), **_own_documents(data, file)}
    root = Table(data, file=file, name="", documents=documents)
    root.table("documents")
    part = PartReader(root, documents).part()
    root.done()
    return part


def _own_documents(data: Mapping[str, Any], file: str) -> dict[str, str]:
    table = Table(data.get("documents", {}), file=file, name="documents", documents={})
    return {key: table.take(key, text) for key in data.get("documents", {})}
