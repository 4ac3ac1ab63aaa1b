"""What the renderers say of a campaign, read back by others where there are others."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import junitparser
import pytest

from flash_emulator.docstrings import bullets
from flash_emulator.explore import Film, Frame, Path
from flash_emulator.explore.campaign import Expectation, Verdict, parse_replay_id
from flash_emulator.explore.render import (
    campaign_html,
    campaign_json,
    campaign_junit,
    film_lines,
)
from flash_emulator.player import FlashMap
from flash_emulator.player.film import changes
from tests.flash_emulator.evidence_toys import campaign, result

VERDICTS = {
    "tiny/copy": Verdict.PASSED,
    "tiny/two copies": Verdict.FAILED,
    "tiny/telling": Verdict.INCOMPLETE,
    "tiny/strict": Verdict.FAILED,
    "tiny/waiting": Verdict.HAZARD_FOUND,
    "tiny/late": Verdict.HAZARD_MISSED,
    "tiny/rng": Verdict.BROKEN,
}


def test_verdicts() -> None:
    assert {each.name: each.verdict for each in campaign().results} == VERDICTS
    assert not campaign().as_expected
    good = replace(campaign(), results=campaign().results[:1])
    assert good.as_expected


def test_regions_are_named_from_the_widest_on() -> None:
    array = FlashMap(0, ((0, 8), (8, 8)), {"slot": (0, 8), "bank": (0, 16)})
    assert [array.label(0), array.label(8), array.label(16)] == ["bank / slot", "bank", ""]


def test_replay_ids_are_read_back() -> None:
    found = campaign().results[1]
    for each in found.report.violations if found.report else ():
        assert parse_replay_id(found.replay_id(each.path)) == (found.name, each.path)
    with pytest.raises(ValueError, match="no replay ID"):
        parse_replay_id("600t")


# --- JSON


def test_json_holds_all_of_a_report() -> None:
    values = json.loads(campaign_json(campaign()))
    assert (values["schema"], values["version"]) == ("flash power-loss campaign", 3)
    assert [each["verdict"] for each in values["results"]] == list(VERDICTS.values())
    report, found = campaign().results[1].report, values["results"][1]
    assert report is not None
    fields = {field: found["report"][field] for field in ("states", "boots", "cuts", "edges")}
    assert fields == {name: getattr(report, name) for name in fields}
    assert found["report"]["levels"] == list(report.levels)
    assert len(found["counterexamples"]) == len(report.violations)
    assert values["results"][-1]["report"] is None


def test_json_is_the_same_for_the_same_search_but_for_time() -> None:
    again = replace(campaign(), results=(result("two copies"),))
    texts = [json.loads(campaign_json(c))["results"][-1] for c in (again, again)]
    first = json.loads(campaign_json(campaign()))["results"][1]
    for each in (first, *texts):
        del each["report"]["elapsed_s"]
    assert json.dumps(first) == json.dumps(texts[0]) == json.dumps(texts[1])


def test_films_come_back_out_of_their_changes() -> None:
    film = campaign().results[1].films[0]
    values = json.loads(campaign_json(campaign()))["results"][1]["counterexamples"][0]["film"]
    signs = "." * len(film.frames[0].sectors)
    for frame, found in zip(film.frames, values["frames"], strict=True):
        for first, text in found["changes"]:
            signs = signs[:first] + text + signs[first + len(text) :]
        assert signs == frame.sectors


def test_changes_are_runs() -> None:
    assert changes("....", "....") == []
    assert changes("......", "##.+.!") == [(0, "##"), (3, "+"), (5, "!")]


# --- JUnit


def test_junit_is_read_by_another_parser() -> None:
    xml = junitparser.JUnitXml.fromstring(campaign_junit(campaign()).encode())
    counts: dict[str, Any] = {}
    for suite in xml:
        (case,) = list(suite)
        counts[suite.name] = [type(found).__name__ for found in case.result]
        assert (suite.tests, suite.failures, suite.errors) == (
            1,
            counts[suite.name].count("Failure"),
            counts[suite.name].count("Error"),
        )
    assert counts == {
        "tiny/copy": [],
        "tiny/two copies": ["Failure"],
        "tiny/telling": ["Error"],
        "tiny/strict": ["Failure"],
        "tiny/waiting": ["Skipped"],
        "tiny/late": ["Failure"],
        "tiny/rng": ["Error"],
    }
    assert (xml.tests, xml.failures, xml.errors, xml.skipped) == (7, 3, 2, 1)
    strict = junitparser.JUnitXml.fromstring(
        campaign_junit(replace(campaign(), strict=True)).encode()
    )
    assert (strict.tests, strict.failures, strict.errors, strict.skipped) == (7, 4, 2, 0)


def test_junit_failures_can_be_replayed() -> None:
    root = ET.fromstring(campaign_junit(campaign()))
    failure = root.findtext(".//testcase[@name='tiny/two copies']/failure") or ""
    first = campaign().results[1].films[0]
    assert f"replay: tiny/two copies:{first.path}" in failure
    assert "\n".join(film_lines(first)) in failure
    properties = {p.get("name"): p.get("value") for p in root.iter("property")}
    assert {"states", "levels", "self-check closed", "part", "expectation"} <= properties.keys()
    known = root.findtext(".//testcase[@name='tiny/waiting']/system-out") or ""
    assert "replay: tiny/waiting:" in known


def test_junit_holds_no_character_that_xml_has_not() -> None:
    broken = replace(campaign().results[-1], name="a\x00b\ud800", error="\x1b[2J & <x>")
    text = campaign_junit(replace(campaign(), results=(broken,)))
    root = ET.fromstring(text.encode())
    assert root.find(".//testcase[@name='a\\x00b\\xd800']") is not None


# --- text


def frame(kind: str, text: str, operation: int = 0, address: int | None = None) -> Frame:
    return Frame(1, operation, kind, text, address, "..")


def test_operations_of_a_kind_are_one_line() -> None:
    frames = (
        frame("boot", "power-on 1"),
        frame("operation", "1: erase 0x0800_0000", 1, 0x0800_0000),
        frame("operation", "2: erase 0x0800_0800", 2, 0x0800_0800),
        frame("operation", "3 to 8: program 0x0800_0000, 48 bytes", 8, 0x0800_0000),
        frame("word", "moved\x1b[2J\nup", 8),
        frame("cut", "CUT: power lost", 8),
    )
    assert list(film_lines(Film(Path(), frames, "", None, None))) == [  # type: ignore[arg-type]
        "boot 1",
        "            1 to 2  erase, 2 times, 0x0800_0000 to 0x0800_0800",
        "            3 to 8  program 0x0800_0000, 48 bytes",
        "                    | moved\\x1b[2J\\x0aup",
        "                    CUT: power lost",
    ]


def test_a_film_ends_with_what_is_wrong() -> None:
    film = campaign().results[1].films[0]
    lines = list(film_lines(film))
    assert lines[0] == "boot 1"
    wrong = next(index for index, line in enumerate(lines) if "VIOLATION" in line)
    assert "VIOLATION unsafe: no copy is left" in lines[wrong]
    assert all(line.startswith(" " * 22) for line in lines[wrong + 1 :])
    assert sum("CUT" in line for line in lines) == len(film.path.cuts)


# --- HTML


def test_html_names_what_was_assumed_and_nothing_from_elsewhere() -> None:
    page = campaign_html(campaign())
    assert "The subject is deterministic in flash and external state." in page
    assert "Cells go from 1 to 0 in a program" in page
    assert page.count("http") == page.count("http-equiv")
    assert "url(" not in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


def test_html_escapes_the_subject_s_words() -> None:
    page = campaign_html(campaign())
    assert page.count("<script") == 2
    assert "document.title='!'</script>" not in page
    assert "<img" not in page
    assert "<title>Power loss &lt;of toys&gt; &amp; &#34;others&#34;</title>" in page


def test_html_of_a_thousand_sectors_stays_small() -> None:
    array = FlashMap(0, tuple((index * 2048, 2048) for index in range(1024)))
    frames = [frame("operation", f"{n}: erase 0x0800_0000", n, n * 2048) for n in range(1, 500)]
    frames = [replace(f, sectors="." * f.operation + "#" * (1024 - f.operation)) for f in frames]
    first = campaign().results[1]
    film = replace(first.films[0], frames=tuple(frames))
    page = campaign_html(replace(campaign(), results=(replace(first, array=array, films=(film,)),)))
    assert len(page) < 150_000


def test_a_known_hazard_needs_no_film() -> None:
    found = replace(campaign().results[1], films=(), expectation=Expectation.HAZARD)
    assert 'class="film"' not in campaign_html(replace(campaign(), results=(found,)))


def test_bullets_of_a_docstring() -> None:
    text = "x\n\n**Head.** More\n\n* one\n  line ``a``\n* two\n\nBehind\n* no"
    assert bullets(text, "**Head.**") == ["one line a", "two"]
    assert bullets(None, "**Head.**") == []
