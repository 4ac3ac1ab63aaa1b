"""The page on part files and their loader: every key that one knows, the other knows."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flash_emulator.parts.catalogue import load_part, parse_part, part_names
from flash_emulator.parts.part_file import package_toml
from flash_emulator.parts.part_model import Aliasing, BadRead, Numbering, OptionRole, Overwrite
from flash_emulator.parts.part_tables import Table
from tests.places import ROOT

PAGE = ROOT / "docs" / "reference" / "part-files.md"
EVERYWHERE = "In every table"
_HEADINGS = {"At the top": "", EVERYWHERE: EVERYWHERE}


def documented() -> dict[str, set[str]]:
    """Keys by table, from the first column of the page's tables."""
    found: dict[str, set[str]] = defaultdict(set)
    table: str | None = None
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            heading = line[3:].strip("`")
            table = _HEADINGS.get(heading) if heading in _HEADINGS else _bracketed(heading)
        elif table is not None and line.startswith("| `"):
            found[table] |= set(re.findall(r"`([^`]+)`", line.split("|")[1]))
    return dict(found)


def _bracketed(heading: str) -> str | None:
    match = re.fullmatch(r"\[+([\w.]+)\]+", heading)
    return match[1] if match else None


@pytest.fixture(scope="module")
def asked() -> dict[str, set[str]]:
    """Keys by table that the loader asks for, over all parts of the package."""
    found: dict[str, set[str]] = defaultdict(set)
    patch = pytest.MonkeyPatch()
    for name in ("take", "maybe", "table", "rows"):
        _record(patch, name, found)
    for part in part_names():
        parse_part(package_toml(f"parts/{part}.toml"), file=part)
    patch.undo()
    options = {key for key in found["options"] if key in _option_names()}
    found["options"] -= options
    return dict(found)


def _record(patch: pytest.MonkeyPatch, name: str, found: dict[str, set[str]]) -> None:
    original = getattr(Table, name)

    def recorded(self: Table, key: str, *more: Any) -> Any:
        found[_generic(self.name)].add(key)
        return original(self, key, *more)

    patch.setattr(Table, name, recorded)


def _generic(table: str) -> str:
    """``options.BFB2`` is one of many, as is ``l4.rules`` or ``notes 2``."""
    table = re.sub(rf"^({'|'.join(package_toml('classes.toml'))})\.", "", table)
    table = re.sub(r"^options\..+", "options.NAME", table)
    table = re.sub(r"^timing\.x\d+", "timing", table)
    return re.sub(r"^notes \d+", "notes", table)


def _option_names() -> set[str]:
    return {name for part in part_names() for name in parse_part(_toml(part)).options.fields}


def _toml(part: str) -> Any:
    return package_toml(f"parts/{part}.toml")


def tables() -> Iterator[str]:
    yield from (table for table in documented() if table != EVERYWHERE)


def test_the_page_has_all_tables(asked: dict[str, set[str]]) -> None:
    classes = set(package_toml("classes.toml"))
    assert set(tables()) == set(asked) - classes


@pytest.mark.parametrize("table", list(tables()))
def test_every_key_of_the_loader_is_on_the_page_and_no_other(
    table: str, asked: dict[str, set[str]]
) -> None:
    everywhere = documented()[EVERYWHERE]
    known = asked[table] - everywhere
    page = documented()[table] - {"x8", "x16", "x32", "x64"}
    known -= {"x8", "x16", "x32", "x64"}
    assert page == known, f"docs/reference/part-files.md, {table or 'At the top'}"


def test_what_is_in_every_table_is_asked_in_every_table(asked: dict[str, set[str]]) -> None:
    everywhere = documented()[EVERYWHERE]
    for table in tables():
        if table:
            assert everywhere <= asked[table], table


def examples() -> list[str]:
    return re.findall(r"```toml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)


def test_the_example_is_a_part_file(tmp_path: Path) -> None:

    (example,) = examples()
    file = tmp_path / "example.toml"
    file.write_text(example)
    part = load_part(str(file))
    assert (part.name, part.size, part.bank_count) == ("MY-BOARD-L476", 1 << 20, 2)


def test_every_word_that_a_key_may_have_is_on_the_page() -> None:
    text = PAGE.read_text()
    enums = (Overwrite, BadRead, Aliasing, Numbering, OptionRole)
    words = [*package_toml("classes.toml"), *(word for enum in enums for word in enum)]
    assert [word for word in words if f"`{word}`" not in text] == []
