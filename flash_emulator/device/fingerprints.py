"""What a search was made with, as digests: program, part, subject, and what it began from.

A certificate holds them, so that one for something else is told apart. All are SHA-256 in hex;
``sources`` of what no file can be found for is empty.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.parts.part import Part

Fingerprints = dict[str, dict[str, str]]
"""By what they are of; each by name."""

_SOURCES = ("*.py", "*.toml")


def fingerprints(subject: Any, flash: EmulatedFlash, external: Any) -> Fingerprints:
    """Of a search of *subject* that begins with *flash* and *external*.

    ``given`` is what the subject says that it was made of: its ``fingerprints()``, if it has any.
    """
    given = getattr(subject, "fingerprints", dict)
    return {
        "tool": {"name": "flash_emulator", "sources": of_this_program()},
        "part": _of_part(flash.part),
        "subject": {"name": _named(subject), "sources": _of_modules(_modules(subject))},
        "given": dict(given()),
        "start": _of_start(flash, external),
    }


def of_this_program() -> str:
    """Of the sources of this package."""
    return _of_package("flash_emulator")


def _of_part(part: Part) -> dict[str, str]:
    """All that the part is, whoever made it; and the text of the file, where it has one."""
    text = part.own_file.text if part.own_file is not None else None
    return {
        "name": part.name,
        "values": _hex(repr(part).encode()),
        "file": "" if text is None else _hex(text.encode()),
    }


def _of_start(flash: EmulatedFlash, external: Any) -> dict[str, str]:
    """The array unit by unit, and all else that the device holds."""
    data, marks, raw = flash.cells.export()
    kept = json.dumps(flash.give_state(), sort_keys=True)
    cells = sha256(data + marks + repr(sorted(raw.items(), key=lambda each: each[0])).encode())
    return {
        "seed": str(flash.seed),
        "cells": cells.hexdigest(),
        "device": _hex(f"{flash.timing} {kept}".encode()),
        "rest": _hex(external.digest),  # as the format of certificates calls it
    }


# --- sources


def _modules(subject: Any) -> Iterator[str]:
    """Where the subject comes from, and the functions that it holds."""
    yield type(subject).__module__
    for name in getattr(type(subject), "__dataclass_fields__", ()):
        held = getattr(subject, name)
        if callable(held):
            yield getattr(held, "__module__", None) or type(held).__module__


def _of_modules(names: Iterable[str]) -> str:
    """Of whole packages: what a module imports counts as much as itself."""
    roots = {name.partition(".")[0] for name in names} - {"flash_emulator"}
    found = [_of_package(root) for root in sorted(roots)]
    return "" if "" in found else _hex("".join(found).encode())


@cache
def _of_package(root: str) -> str:
    """Of all source files of a package, or of the one of a module; empty where there are none."""
    file = getattr(sys.modules.get(root), "__file__", None)
    if file is None:
        return ""
    path = Path(file)
    is_package = path.name == "__init__.py"
    files = _files(path.parent) if is_package else [path]
    digest = sha256()
    try:
        for each in files:
            place = each.relative_to(path.parent).as_posix()
            digest.update(f"{place} {_hex(each.read_bytes())}\n".encode())
    except OSError:
        return ""
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for pattern in _SOURCES for path in folder.rglob(pattern))


def _named(subject: Any) -> str:
    """Its class, and where that is a dataclass, what it was made with: functions by their names."""
    held = [getattr(subject, name) for name in getattr(type(subject), "__dataclass_fields__", ())]
    given = ", ".join(_word(each) for each in held)
    return _name(type(subject)) + (f"({given})" if held else "")


def _word(value: Any) -> str:
    if callable(value):
        return _name(value if hasattr(value, "__qualname__") else type(value))
    return repr(value) if isinstance(value, str | bytes | int | float | None) else "..."


def _name(one: Any) -> str:
    return f"{one.__module__}.{one.__qualname__}"


def _hex(data: bytes) -> str:
    return sha256(data).hexdigest()
