"""``mcu-updater powerloss`` as a user runs it: results, files, exit codes."""

from __future__ import annotations

import gzip
import json
import re
import webbrowser
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from flash_emulator import MetastableMode, Outcome
from flash_emulator.certificate_check import Verdict
from flash_emulator.explore.campaign import Result as Explored
from mcu_updater.cli.main import cli
from mcu_updater.cli.powerloss import powerloss_path
from mcu_updater.powerloss import campaign
from mcu_updater.powerloss.scenario import Scenario
from tests.thorough import THOROUGH

TINY = ["--size", "300", "--jobs", "1", "--quiet"]
SHORT = [*TINY, "--scenario", "verified-alone"]
"""The least work of all that end in a pass: a dozen states, a second. What a search finds is for
others; here is how it is told."""
PROMISE = "representatives of journal trailers (checked side by side in "


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["powerloss", *arguments])


def test_a_limit_is_no_pass() -> None:
    result = run(*SHORT, "--cuts", "1")
    assert result.exit_code == 2
    assert "incomplete (cuts)" in result.output
    assert "1 scenario: 1 incomplete" in result.output
    assert "not everything was explored" in result.output


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """A search with all its evidence: r.json, r.html, r.xml and a certificate."""
    folder = tmp_path_factory.mktemp("passed")
    return run(*SHORT, *_reports(folder), "--certificates", str(folder / "certificates")), folder


def _reports(folder: Path) -> list[str]:
    options = ["--json-file", "r.json", "--html", "r.html", "--junit", "r.xml"]
    return [word if word.startswith("--") else str(folder / word) for word in options]


def test_a_pass_with_all_its_evidence(passed: tuple[Result, Path]) -> None:
    result, folder = passed
    assert result.exit_code == 0, result.output
    assert "passed" in result.output
    values = json.loads((folder / "r.json").read_text())
    assert "STM32L476xG/remap/verified-alone/bin/300b/s0" in json.dumps(values)
    assert ElementTree.parse(folder / "r.xml").getroot().tag in ("testsuites", "testsuite")
    assert (folder / "r.html").read_text().startswith("<!")
    (certificate,) = (folder / "certificates").iterdir()
    checked = run("--check", str(certificate), "--check-sample", "3")
    assert checked.exit_code == 14, checked.output
    assert "sample of 3 of" in checked.output and "not confirmed" in checked.output
    assert "of: mcu_updater.powerloss.subject.BoardSubject; part STM32L476xG" in checked.output
    assert "taken for granted:" in checked.output


def test_the_verdict_names_what_it_rests_on_wherever_it_is_told(
    passed: tuple[Result, Path],
) -> None:
    result, folder = passed
    page = (folder / "r.html").read_text()
    tried = "tried: 1 draw per place and outcome"
    assert f"; rests on: {PROMISE}" in result.output
    assert f"passed; {tried}, and every value compared with" in result.output
    assert f"; rests on: {PROMISE}" in page and tried in page
    (said,) = json.loads((folder / "r.json").read_text())["results"][0]["report"]["rests_on"]
    assert said.startswith(PROMISE)
    properties = ElementTree.parse(folder / "r.xml").getroot().iter("property")
    assert [each.get("value") for each in properties if each.get("name") == "rests on"] == [said]


def verdict(**fields: Any) -> Verdict:
    world = {"part": "STM32L476xG", "strategy": "remap"}
    known: dict[str, Any] = {"checked": 9, "states": 9, "cuts": 1, "violations": 0, "kinds": ()}
    known |= {"world": world, "subject": "s", "seed": "0", "represents": True, "left_out": 0}
    known |= {"replayed": 0, "compared": 0, "draws": 1, "erased_values": False}
    known |= {"outcomes": tuple(Outcome), "metastable_modes": tuple(MetastableMode), "head": "0f"}
    return Verdict(**{**known, **fields})


HAZARD = {"part": "STM32L476xG", "strategy": "option-toggle"}
LOST = ("safe", "option bytes lost: a cut in their change")


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (verdict(), 0),
        (verdict(checked=3), 14),
        (verdict(outcomes=(Outcome.BEFORE,)), 15),
        (verdict(metastable_modes=(MetastableMode.STABLE,), checked=3), 15),
        (verdict(violations=1, kinds=(("safe", "nothing runs"),)), 7),
        (verdict(violations=1, kinds=(LOST,)), 7),
        (verdict(violations=1, kinds=(LOST,), world=HAZARD), 0),
        (verdict(violations=2, kinds=(LOST, ("live", "no rest")), world=HAZARD), 7),
    ],
    ids=["all", "sample", "outcomes", "readings", "found", "no hazard", "hazard", "and more"],
)
def test_what_a_check_comes_to(found: Verdict, code: int, monkeypatch: Any, tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    monkeypatch.setattr(powerloss_path, "confirm", lambda *a, **k: found)
    result = run("--check", str(tmp_path / "one"))
    assert result.exit_code == code, result.output
    assert found.summary in result.output


def test_a_certificate_of_another_world_is_refused(
    passed: tuple[Result, Path], tmp_path: Path
) -> None:
    """Made with one image, and said to be of another."""
    (made,) = (passed[1] / "certificates").iterdir()
    file, text = tmp_path / made.name, gzip.decompress(made.read_bytes())
    assert _checked(file, text).exit_code == 14
    for old, new, code, said in (
        (b'"seed":"0"}', b'"seed":"1"}', 7, "another subject: seed"),
        (b'"300b"', b'"301b"', 7, "another subject: images"),
        (b'"verified-alone"', b'"revoked"', 7, "another subject: name"),
        (b'"seed":"0"}', b'"seed":"0","note":"x"}', 3, "no certificate of this command"),
    ):
        result = _checked(file, text.replace(old, new, 1))
        assert (result.exit_code, said in result.output) == (code, True), result.output


def _checked(file: Path, text: bytes) -> Result:
    """With a chain that fits."""
    chain, chained = "0" * 64, b""
    for line in text.splitlines():
        line = re.sub(rb'"chain":"[0-9a-f]{64}"\}$', b'"chain":"%s"}' % chain.encode(), line)
        chain, chained = sha256(line).hexdigest(), chained + line + b"\n"
    file.write_bytes(gzip.compress(chained, mtime=0))
    return run("--check", str(file), "--check-sample", "1")


@pytest.mark.parametrize(
    "content",
    [
        b"not a certificate",
        b"",
        gzip.compress(b"[]"),
        gzip.compress(b"null"),
        gzip.compress(b'{"chain": 1'),
        gzip.compress(b'{"chain": 1}')[:-9],
        gzip.compress(bytes(range(256))),
    ],
    ids=["text", "empty", "no object", "null", "half an object", "half a file", "binary"],
)
def test_what_is_no_certificate_is_refused(tmp_path: Path, content: bytes) -> None:
    false = tmp_path / "false.certificate.gz"
    false.write_bytes(content)
    result = run("--check", str(false))
    assert result.exit_code == 3
    assert "no whole certificate" in result.output
    assert "Error(" not in result.output and "BadGzipFile" not in result.output


def test_options_at_risk_is_off_unless_asked_for() -> None:
    f429 = ["--part", "STM32F429xI", *SHORT, "--cuts", "1"]
    assert "incomplete (cuts)" in run(*f429).output
    result = run(*f429, "--options-at-risk")
    assert result.exit_code == 7, result.output
    assert "safe: option bytes lost" in result.output
    (path, *_) = (word for word in result.output.split() if "/s0:" in word and word[-1] != ":")
    assert path.endswith("o")
    replayed = run("--replay", path)
    assert "option bytes lost" in replayed.output


@pytest.mark.parametrize("switch", [["--options-at-risk"], ["--decay", "last"]], ids=" ".join)
def test_what_is_beside_the_model_has_no_certificate(switch: list[str], tmp_path: Path) -> None:
    result = run(*TINY, *switch, "--certificates", str(tmp_path))
    assert result.exit_code == 2
    assert switch[0] in result.output


def test_strategies_are_compared() -> None:
    """In an ordinary run with the least that changes option bytes, and ten states of each."""
    arguments = ["--strategy", "all", "--part", "STM32L476xG", "--cuts", "1"]
    terms = TINY if THOROUGH else [*SHORT, "--states", "10"]
    result = run(*terms, *arguments, "--option-change-us", "21000")
    for word in ("remap", "copy", "option-toggle", "bricks", "21000 us", "option bytes lost"):
        assert word in result.output


def test_a_finding_is_shown_and_replayed() -> None:
    """A known hazard, in a search that a limit stopped: no pass. Exit code 7 for the film of it."""
    result = run(*SHORT, "--part", "STM32L476xG", "--strategy", "option-toggle", "--cuts", "1")
    assert result.exit_code == 2
    assert "incomplete (cuts)" in result.output
    found = next(line for line in result.output.splitlines() if "--replay" in line)
    name = found.split("--replay ")[1]
    film = run("--replay", name)
    assert film.exit_code == 7
    assert "option bytes lost" in film.output
    assert "CUT" in film.output
    shorter = run("--replay", name, "--shrink")
    assert f"ID: {name}" in shorter.output


ID = "STM32L476xG/option-toggle/unsigned/bin/300b/s0:3t.1t"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """URLs that a browser was asked to show."""
    urls: list[str] = []

    def show(url: str) -> bool:
        urls.append(url)
        return len(urls) == 1  # the second finds no browser

    monkeypatch.setattr(webbrowser, "open", show)
    return urls


def film_in(page: str) -> dict[str, Any]:
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    film: dict[str, Any] = json.loads(data)
    return film


def test_a_film_is_shown_in_a_browser(tmp_path: Path, opened: list[str]) -> None:
    """In one file that needs nothing else, with the steps of the film for a terminal."""
    file = tmp_path / "film of a path.html"
    result = run("--replay", ID, "--html", str(file), "--open")
    assert result.exit_code == 0, result.output
    assert opened == [file.absolute().as_uri()]
    assert f"film: {file}" in result.stderr
    page = file.read_text(encoding="utf-8")
    film = film_in(page)
    kinds = [frame[2] for frame in film["frames"]]
    assert (kinds.count("boot"), kinds.count("cut"), kinds[-1]) == (3, 2, "end")
    values = json.loads(run("--replay", ID, "--json").stdout)
    assert [frame[3] for frame in film["frames"]] == [each["text"] for each in values["frames"]]
    assert [name for _, name in film["map"]["labels"]][:2] == ["A boot", "A slot"]
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")

    again = run("--replay", ID, "--open")
    temporary = Path(url2pathname(urlsplit(opened[1]).path))
    assert f"film: {temporary}" in again.stderr
    assert "No browser could be opened" in again.stderr
    assert film_in(temporary.read_text(encoding="utf-8")) == film
    temporary.unlink()


def test_a_film_goes_to_standard_output_alone() -> None:
    result = run("--replay", ID, "--html", "-")
    assert film_in(result.stdout)["frames"]
    assert result.stdout.startswith("<!DOCTYPE html>")
    assert not re.search(r"^film:", result.output, flags=re.MULTILINE)  # where it was written


@pytest.mark.parametrize("more", [["--html", "-", "--json"], ["--html", "-", "--open"]])
def test_standard_output_takes_one_thing(more: list[str], opened: list[str]) -> None:
    result = run("--replay", ID, *more)
    assert (result.exit_code, opened) == (2, [])
    assert "the film cannot go to standard output" in result.stderr


def test_a_film_that_cannot_be_written_is_said_before_the_path_is_run(tmp_path: Path) -> None:
    result = run("--replay", "nonsense", "--html", str(tmp_path / "none" / "film.html"))
    assert "none" in result.stderr and "replay ID" not in result.stderr
    assert run("--open").exit_code == 2


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nonsense",
        "STM32L476xG/remap/good/bin/300b/s0",
        "STM32L476xG/remap/good/bin/300b/s0:9999t",
        "STM32L476xG/remap/good/bin/300b/s0:0t",
        "STM32L476xG/remap/good/bin/300b/sX:1t",
        "STM32L476xG/remap/good/nope/300b/s0:1t",
        "STM32L476xG/remap/nope/bin/300b/s0:1t",
        "STM32L476xG/swap-option/good/bin/300b/s0:1t",
        "STM32X/remap/good/bin/300b/s0:1t",
        "STM32L476xG/remap/good/bin/\N{SUPERSCRIPT TWO}b/s0:1t",
        "a/b/c/d/e/s0:1t",
    ],
)
def test_an_id_that_does_not_fit_is_a_usage_error(name: str) -> None:
    result = run("--replay", name)
    assert result.exit_code == 2, result.output


def test_an_unknown_part_is_refused() -> None:
    result = run(*TINY, "--part", "STM32X")
    assert result.exit_code == 2
    assert "unknown part" in result.output


# --- a known hazard is no pass

HAZARDOUS = [*SHORT, "--part", "STM32U575xI"]


@pytest.fixture(scope="module")
def once() -> Iterator[None]:
    """The same scenario is explored once for all who ask for it: they are about how it is told."""
    known: dict[str, Explored] = {}
    explore = campaign.explore

    def remembered(scenario: Scenario, *more: Any) -> Explored:
        if scenario.id not in known:
            known[scenario.id] = explore(scenario, *more)
        return known[scenario.id]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(campaign, "explore", remembered)
        yield


@pytest.fixture(scope="module")
def hazard(once: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """All reports of a search that finds nothing but the known hazard."""
    folder = tmp_path_factory.mktemp("hazard")
    return run(*HAZARDOUS, *_reports(folder)), folder


def test_a_known_hazard_is_counted_apart(hazard: tuple[Result, Path]) -> None:
    result, folder = hazard
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "1 scenario: 1 known hazard"
    assert "passed" not in result.output
    assert "unsafe: option bytes lost" in result.output
    values = json.loads((folder / "r.json").read_text())
    assert values["counts"] == {"passed": 0, "known hazards": 1, "incomplete": 0, "failed": 0}
    assert values["results"][0]["counterexamples"][0]["tag"] == "unsafe"
    page = (folder / "r.html").read_text()
    assert '<p class="banner warn"><strong>1 scenario: 1 known hazard</strong>' in page
    assert '<span class="verdict warn">known hazard</span>' in page
    assert "our updater" not in page.lower()
    suites = ElementTree.parse(folder / "r.xml").getroot()
    assert [suites.get(kind) for kind in ("tests", "failures", "errors", "skipped")] == list("1001")
    skipped = suites.find(".//skipped")
    assert skipped is not None
    assert "known hazard, unsafe: option bytes lost" in (skipped.get("message") or "")


@pytest.mark.usefixtures("once")
def test_with_strict_it_is_a_failure(tmp_path: Path) -> None:
    junit = tmp_path / "r.xml"
    result = run(*HAZARDOUS, "--strict", "--junit", str(junit))
    assert result.exit_code == 7
    assert "found known hazard" in result.output
    suites = ElementTree.parse(junit).getroot()
    assert [suites.get(kind) for kind in ("tests", "failures", "errors", "skipped")] == list("1100")
    assert "replay: STM32U575xI/swap-option" in (suites.findtext(".//failure") or "")


def test_reports_say_what_made_them_and_of_what(hazard: tuple[Result, Path]) -> None:
    _, folder = hazard
    values = json.loads((folder / "r.json").read_text())
    assert re.fullmatch(r"mcu-updater \d+\.\d+\.\d+.*", values["tool"])
    assert values["command_line"].split()[0] == "mcu-updater"
    facts = values["results"][0]["facts"]
    assert facts["seed"] == "0"
    assert re.fullmatch("[0-9a-f]{64}", facts["SHA-256 of the package"])
    page = (folder / "r.html").read_text()
    assert values["tool"] in page
    assert facts["SHA-256 of the package"] in page


def test_an_option_that_is_gone_is_refused() -> None:
    result = run(*TINY, "--sample", "0.1")
    assert result.exit_code == 2
    assert "No such option" in result.output
