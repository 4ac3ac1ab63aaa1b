"""``manifest.json``: what a package holds, said in its first file.

    {"format": 1,
     "images": [{"component": "STM32", "version": "2.0.0", "part": "STM32L476xG",
                 "files": [{"name": "app.bin", "size": 4096, "sha256": "..."}]}]}

*component*, *version* and *part* may be empty: then they are for all. Several files of one image
are its parts, joined in the order given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.package.rules import check_name, damaged

NAME: Final = "manifest.json"
MANIFEST_BYTES: Final = 4096
FORMAT: Final = 1
_IMAGES: Final = 8
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TEXT = re.compile(r"[ -~]{0,64}")


@dataclass(frozen=True, slots=True)
class File:
    """One file of a package. *size* None, *sha256* empty: the package does not say."""

    name: str
    size: int | None = None
    sha256: bytes = b""


@dataclass(frozen=True, slots=True)
class Entry:
    """One image."""

    files: tuple[File, ...]
    component: str = ""
    version: str = ""
    part: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the device is, and what it was promised; empty: it does not know, or not mind."""

    component: str = ""
    version: str = ""
    part: str = ""


def parse(text: bytes) -> tuple[Entry, ...]:
    """The images. Raises ImageRejected, with the place in the document, for anything unexpected."""
    try:
        document = json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise damaged("manifest is no JSON", NAME, found=str(error)[:80]) from error
    found = _fields(document, {"format": int, "images": list}, "")
    if found["format"] != FORMAT:
        raise damaged("manifest has another format", f"{NAME}: format", "1", str(found["format"]))
    images = found["images"]
    if not 0 < len(images) <= _IMAGES:
        raise damaged("number of images", f"{NAME}: images", f"1 to {_IMAGES}", str(len(images)))
    entries = tuple(_entry(image, f"images[{i}]") for i, image in enumerate(images))
    names = [file.name for entry in entries for file in entry.files]
    if len(set(names)) != len(names):
        raise damaged("a file belongs to two images", NAME, "distinct names", "one name twice")
    return entries


def render(entries: Sequence[Entry]) -> bytes:
    """The document for *entries*; ``parse`` gives them back."""
    images = [
        {
            "component": entry.component,
            "version": entry.version,
            "part": entry.part,
            "files": [
                {"name": file.name, "size": file.size, "sha256": file.sha256.hex()}
                for file in entry.files
            ],
        }
        for entry in entries
    ]
    return (json.dumps({"format": FORMAT, "images": images}, indent=1) + "\n").encode("ascii")


def choose(entries: Sequence[Entry], wanted: Wanted) -> Entry:
    """The one image that is for *wanted*. Raises ImageRejected where there is none, or several."""
    fitting = [
        entry
        for entry in entries
        if _fits(entry.component, wanted.component) and _fits(entry.part, wanted.part)
    ]
    if len(fitting) != 1:
        raise damaged(
            "package holds no image for this device"
            if not fitting
            else "package holds several images for this device",
            NAME,
            f"one for {_named(wanted.component, wanted.part)}",
            ", ".join(_named(entry.component, entry.part) for entry in (fitting or entries)),
        )
    (entry,) = fitting
    if not _fits(entry.version, wanted.version):
        raise damaged(
            "package holds another version than was announced",
            NAME,
            repr(wanted.version),
            repr(entry.version),
        )
    return entry


def _fits(said: str, wanted: str) -> bool:
    return not said or not wanted or said == wanted


def _named(component: str, part: str) -> str:
    return f"component {component or 'any'}, part {part or 'any'}"


def _distinct(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            raise ValueError(f"{key!r} is given twice")
        fields[key] = value
    return fields


def _fields(value: object, kinds: dict[str, type], where: str) -> dict[str, Any]:
    """*value* as an object of exactly these fields."""
    at = f"{NAME}: {where or 'document'}"
    if not isinstance(value, dict) or set(value) != set(kinds):
        found = ", ".join(sorted(value)) if isinstance(value, dict) else type(value).__name__
        raise damaged("manifest is built otherwise", at, ", ".join(sorted(kinds)), found)
    for key, kind in kinds.items():
        if type(value[key]) is not kind:
            raise damaged("manifest is built otherwise", f"{at}.{key}", kind.__name__, "another")
    return value


def _entry(value: object, where: str) -> Entry:
    kinds: dict[str, type] = {"component": str, "version": str, "part": str, "files": list}
    fields = _fields(value, kinds, where)
    for key in ("component", "version", "part"):
        if not _TEXT.fullmatch(fields[key]):
            raise damaged("text cannot be", f"{NAME}: {where}.{key}", "64 ASCII characters", "more")
    files = [_file(file, f"{where}.files[{i}]") for i, file in enumerate(fields["files"])]
    if not files:
        raise damaged("an image without files", f"{NAME}: {where}", "one or more", "none")
    return Entry(tuple(files), fields["component"], fields["version"], fields["part"])


def _file(value: object, where: str) -> File:
    fields = _fields(value, {"name": str, "size": int, "sha256": str}, where)
    at = f"{NAME}: {where}"
    name = check_name(fields["name"].encode("utf-8", "replace"), at)
    if fields["size"] <= 0 or not _SHA256.fullmatch(fields["sha256"]):
        raise ImageRejected(
            "size or hash cannot be", where=at, expected="a positive size, 64 lower case hex digits"
        )
    return File(name, fields["size"], bytes.fromhex(fields["sha256"]))


def note_of(entry: Entry | None) -> list[Any] | None:
    """*entry* in few characters, for states."""
    if entry is None:
        return None
    files = [[file.name, file.size, file.sha256.hex()] for file in entry.files]
    return [entry.component, entry.version, entry.part, files]


def entry_of(note: list[Any] | None) -> Entry | None:
    """What ``note_of`` was given."""
    if note is None:
        return None
    component, version, part, files = note
    read = (File(name, size, bytes.fromhex(sha256)) for name, size, sha256 in files)
    return Entry(tuple(read), component, version, part)
