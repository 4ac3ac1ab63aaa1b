"""The parts that there are: geometry, rules, options and times, read from ``parts/*.toml``.

A part file says what one part number is; ``classes.toml`` what its family has in common, and
``documents.toml`` what the sources are. Every table names its sources. What is unknown is
absent, never guessed. How far a key can be relied on is said by lists: ``confirmed``, ``recalled``,
``inferred``, ``disputed``, and ``assumed`` for what an emulator has to choose all the same.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from flash_emulator.parts.part import Part
from flash_emulator.parts.part_file import PartReader, package_toml
from flash_emulator.parts.part_lookup import match_name, near_names
from flash_emulator.parts.part_model import OwnFile
from flash_emulator.parts.part_tables import PartError, Table, text


def part_names() -> list[str]:
    """Names of all parts that come with the package."""
    return list(_packaged_names())


@cache
def _packaged_names() -> tuple[str, ...]:
    folder = resources.files("flash_emulator") / "parts"
    files = [file.name for file in folder.iterdir() if file.name.endswith(".toml")]
    return tuple(sorted(name.removesuffix(".toml") for name in files))


def other_size_names() -> list[str]:
    """Names of parts that are one of ``part_names`` with another size or number of banks."""
    return sorted(package_toml("other_sizes.toml"))


def load_part(name: str) -> Part:
    """The part called *name*, or the one that the part file at the path *name* describes.

    A name may be in any case, or what is printed on the chip (``STM32L476RGT6``). Raises PartError
    with the names that are near, or for a file that cannot be read.
    """
    if name in (*part_names(), *other_size_names()):
        return packaged_part(name)
    if is_part_file(name):
        try:
            return load_part_file(name)
        except OSError as error:
            raise PartError(f"{name}: {error.strerror or error}") from error
    found = match_name(name, _known())
    if found is None:
        raise PartError(_unknown(name))
    return packaged_part(found)


@cache
def packaged_part(name: str) -> Part:
    """The part that comes with the package under exactly this *name*. Raises PartError.

    For names out of files, which must not make anybody read another file. Nobody changes a part.
    """
    if name in other_size_names():
        return parse_part(_of_other_size(name), file=f"other_sizes.toml: {name}")
    if name not in part_names():
        raise PartError(_unknown(name))
    return parse_part(package_toml(f"parts/{name}.toml"), file=f"{name}.toml")


def _known() -> dict[str, Sequence[str]]:
    names = (*part_names(), *other_size_names())
    return {name: package_toml(f"parts/{like_part(name)}.toml").get("alike", ()) for name in names}


def like_part(name: str) -> str:
    """Of a part of another size the one in ``parts`` that it is like; any other name itself."""
    other = package_toml("other_sizes.toml").get(name)
    return str(other["of"]) if other else name


def is_part_file(text: str) -> bool:
    """Whether *text* is a path rather than a part's name."""
    return text.endswith(".toml") or "/" in text or os.sep in text or Path(text).is_file()


def _unknown(name: str) -> str:
    near = near_names(name, _known())
    if not near:
        return (
            f"unknown part {name!r}; known: {', '.join(part_names())}; "
            "or the path of a part file (docs/reference/part-files.md)"
        )
    return (
        f"unknown part {name!r}; near: {'; '.join(map(str, near))}. "
        "Name one of these, or the path of a part file (docs/reference/part-files.md)"
    )


def _of_other_size(name: str) -> Mapping[str, Any]:
    """The part that *name* is like, with its own tables over it, key by key."""
    own = dict(package_toml("other_sizes.toml")[name])
    like = dict(package_toml(f"parts/{own.pop('of')}.toml"))
    gone = own.pop("without", ())
    like["options"] = {k: v for k, v in like.get("options", {}).items() if k not in gone}
    return {**_laid_over(like, own), "name": name}


def _laid_over(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    both = {key: common[key] for key in common.keys() & own.keys()}
    merged = {
        key: _laid_over(value, own[key])
        for key, value in both.items()
        if isinstance(value, Mapping)
    }
    return {**common, **own, **merged}


def load_part_file(path: str | Path) -> Part:
    """The part that a file of one's own describes. Raises PartError for a wrong file.

    OSError where it cannot be read.
    """
    source = Path(path)
    try:
        text_of_file = source.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PartError(file=str(source), expected="TOML", found=str(error)) from error
    return part_of_text(text_of_file, file=str(source))


def part_of_text(toml: str, *, file: str) -> Part:
    """The part that *toml*, the text of the part file *file*, describes. Raises PartError."""
    try:
        data = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise PartError(file=file, expected="TOML", found=str(error)) from error
    return replace(parse_part(data, file=file), own_file=OwnFile(file, toml))


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
