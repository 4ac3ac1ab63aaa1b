"""docs/explanation/security.md: a test for each claim."""

from __future__ import annotations

import re

from tests.places import ROOT


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/explanation/security.md").read_text()))
    files = (ROOT / "tests").rglob("test_*.py")
    there = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text())}
    assert named <= there
    assert len(named) > 20
