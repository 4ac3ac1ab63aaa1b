"""Every hostile file is decided as fixtures/hostile/decisions.toml says, by us and by others.

Where another reader decides otherwise, the table names it; a change of either side is found here.
"""

from __future__ import annotations

import re
import runpy
import tomllib
from typing import Any

import pytest

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image import Allow
from mcu_updater.files import read_image
from tests.core.image.oracles import ORACLES, oracle
from tests.places import ROOT

FOLDER = ROOT / "fixtures" / "hostile"
DECISIONS: dict[str, dict[str, Any]] = tomllib.loads((FOLDER / "decisions.toml").read_text())
EVERY_FILE = pytest.mark.parametrize("name", DECISIONS)


def segments_of(name: str, *allow: Allow) -> dict[int, bytes]:
    image = read_image([FOLDER / name], allow=frozenset(allow)).image
    return {segment.address: segment.data for segment in image.segments}


def decided(name: str) -> dict[int, bytes] | None:
    segments = DECISIONS[name].get("segments")
    if segments is None:
        return None
    return {int(address, 16): bytes.fromhex(data) for address, data in segments.items()}


def test_every_file_is_decided_and_made_by_the_script() -> None:
    made = runpy.run_path(str(FOLDER / "make.py"))["FILES"]
    assert {path.name for path in FOLDER.iterdir()} - {"make.py", "decisions.toml"} == set(made)
    assert set(DECISIONS) == set(made)
    for name, data in made.items():
        assert (FOLDER / name).read_bytes() == data


@EVERY_FILE
def test_our_decision(name: str) -> None:
    says = DECISIONS[name].get("says")
    if says is None:
        assert segments_of(name) == decided(name)
        return
    with pytest.raises(ImageRejected, match=re.escape(says)) as caught:
        segments_of(name)
    error = caught.value
    assert error.where or error.what == "too many segments"
    assert error.expected or error.found


@pytest.mark.parametrize("name", [n for n, d in DECISIONS.items() if "allow" in d])
def test_one_switch_relaxes_the_rule_and_no_other_does(name: str) -> None:
    allow = Allow(DECISIONS[name]["allow"])
    found = segments_of(name, allow)
    if "segment_count" in DECISIONS[name]:
        assert len(found) == DECISIONS[name]["segment_count"]
    else:
        assert found == decided(name)
    with pytest.raises(ImageRejected):
        segments_of(name, *set(Allow) - {allow})


@pytest.mark.parametrize(
    "name", [n for n, d in DECISIONS.items() if "says" in d and "allow" not in d]
)
def test_what_has_no_switch_is_refused_whatever_is_allowed(name: str) -> None:
    with pytest.raises(ImageRejected):
        segments_of(name, *Allow)


@pytest.mark.parametrize("reader", ORACLES)
@EVERY_FILE
def test_other_readers(name: str, reader: str) -> None:
    verdict = DECISIONS[name].get(reader)
    if verdict is None:
        return  # it does not know the format
    found, ours = oracle(reader)(FOLDER / name), decided(name)
    if found is None:
        assert verdict == "refuses"
    elif "segment_count" in DECISIONS[name]:
        assert len(found) == DECISIONS[name]["segment_count"]
    else:
        assert verdict == ("accepts" if ours is None else "same" if found == ours else "differs")


def test_the_table_names_every_disagreement() -> None:
    """Of each reader: files that we refuse and it takes, or takes as something else."""
    strange = {
        reader: sum(
            ("says" in d and d.get(reader, "refuses") != "refuses") or d.get(reader) == "differs"
            for d in DECISIONS.values()
        )
        for reader in ORACLES
    }
    assert all(count >= 5 for count in strange.values()), strange
