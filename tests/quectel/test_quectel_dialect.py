"""docs/reference/module-dialect.md is what the code has, and what the code has can be assigned."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import Any

import pytest

from mcu_updater.quectel.emulated.fault_text import KINDS
from mcu_updater.quectel.emulated.options import (
    ABOVE_ZERO,
    Family,
    ModuleOptions,
    option_rows,
    parse_options,
)
from tests.places import ROOT

DOC = ROOT / "docs" / "reference" / "module-dialect.md"


def tables() -> list[list[list[str]]]:
    """Cells of each table, without its heads."""
    found: list[list[list[str]]] = []
    for line in DOC.read_text().splitlines():
        if re.fullmatch(r"\|(---\|)+", line):
            found.append([])
        elif line.startswith("|") and found and line.endswith("|"):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            found[-1].append([cell.strip().replace("\\|", "|").strip("`") for cell in cells])
    return [[row for row in table if row[0] not in ("option", "fault")] for table in found]


def test_the_document_has_every_option_and_no_other():
    assert tables()[0] == [list(row) for row in option_rows()]


def test_the_document_has_every_fault_and_no_other():
    assert tables()[1] == [[kind + form, text] for kind, (form, text) in KINDS.items()]


@pytest.mark.parametrize("row", option_rows(), ids=lambda row: row[0])
def test_every_default_can_be_assigned(row):
    name, default = row[:2]
    assert parse_options({name: default}) == {name: getattr(ModuleOptions(), name)}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("push_interval_s", "600", 600.0),
        ("push_interval_s", "none", None),
        ("echo", "FALSE", False),
        ("family", "nb", Family.NB),
        ("read_test_text", "none", "none"),
        ("crc", "7", 7),
    ],
)
def test_assignments(name, text, value):
    assert parse_options({name: text}) == {name: value}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nosuch", "1"), ("echo", "1"), ("max_read", "1.5"), ("boot_s", "inf"), ("boot_s", "nan"),
        ("boot_s", "none"), ("family", "none"), ("crc", "x"),
    ],
)  # fmt: skip
def test_what_cannot_be_assigned(name, text):
    with pytest.raises(ValueError, match=name):
        parse_options({name: text})


def test_options_survive_a_file():
    options = ModuleOptions(family=Family.WIFI, piece_size=7)
    again = ModuleOptions(**json.loads(json.dumps(asdict(options))))
    assert again == options
    assert again.family is Family.WIFI


@pytest.mark.parametrize("name", ABOVE_ZERO)
def test_nothing_repeats_at_once_and_no_size_is_nothing(name):
    nothing: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"{name} must be more than 0"):
        ModuleOptions(**nothing)


@pytest.mark.parametrize("text", ["{nosuch}", "{0}", "{", "\N{EURO SIGN}"])
def test_texts_can_be_filled_in_and_sent(text):
    with pytest.raises(ValueError, match="read_test_text cannot be"):
        ModuleOptions(read_test_text=text)
