"""A campaign as JUnit XML, in the dialect that Jenkins, GitLab and their like read.

One suite for each search, with its numbers as properties, and one case in it. A violation is a
failure, with its replay ID and its film; a search that was stopped, or that cannot be believed, an
error. A known hazard is skipped, with its reason; where the campaign is strict, a failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from xml.etree import ElementTree as ET

from flash_emulator.explore.campaign import Campaign, Result, Verdict
from flash_emulator.explore.render.film import film_lines
from flash_emulator.explore.render.values import findings
from flash_emulator.explore.report import Counterexample
from flash_emulator.printable import printable

_SHOWN = 10  # failures of one case; the number of all is in its message
_BAD = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2


def campaign_junit(campaign: Campaign) -> str:
    """An XML document."""
    root = _element(None, "testsuites", name=campaign.title, time=_time(campaign.elapsed_s))
    suites = [_suite(root, campaign, result) for result in campaign.results]
    root.set("tests", str(len(suites)))
    for kind in ("failures", "errors", "skipped"):
        root.set(kind, str(sum(int(suite.get(kind, "0")) for suite in suites)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(root: ET.Element, campaign: Campaign, result: Result) -> ET.Element:
    seconds = _time(result.report.elapsed_s if result.report else 0)
    suite = _element(root, "testsuite", name=result.name, tests="1", time=seconds)
    if campaign.created:
        suite.set("timestamp", campaign.created)
    properties = _element(suite, "properties")
    named = {"tool": campaign.tool, "command line": campaign.command_line}
    for name, value in [*((n, v) for n, v in named.items() if v), *_properties(result)]:
        _element(properties, "property", name=name, value=value)
    case = _element(suite, "testcase", name=result.name, classname="powerloss", time=seconds)
    kind = "" if result.tone == "good" else _outcome(case, result, strict=campaign.strict)
    suite.set("failures", str(int(kind == "failure")))
    suite.set("errors", str(int(kind == "error")))
    suite.set("skipped", str(int(kind == "skipped")))
    if text := "\n".join(_output(result)):
        _element(case, "system-out").text = _clean(text)
    return suite


def _properties(result: Result) -> Iterator[tuple[str, str]]:
    yield from result.facts.items()
    yield "expectation", result.expectation
    yield "verdict", result.verdict
    if result.certificate:
        yield "certificate", result.certificate
    report = result.report
    if report is None:
        return
    for name in (
        "complete",
        "stopped_by",
        "states",
        "boots",
        "cuts",
        "edges",
        "merged",
        "refinements",
        "draws",
        "enumerated",
        "tried",
        "operations_first",
        "operations_most",
        "violation_count",
        "chain",
    ):
        yield name, str(getattr(report, name))
    yield "decays", ", ".join(report.decays) or "none"
    yield "outcomes left out", ", ".join(report.outcomes_left_out) or "none"
    yield "rests on", ", ".join(report.rests_on) or "nothing beside the model"
    yield "levels", " ".join(map(str, report.levels))
    for check in report.checks:
        yield f"self-check {check.name}", f"{check.count}: {check.text}"


def _outcome(case: ET.Element, result: Result, *, strict: bool) -> str:
    """The child that says what is wrong; its kind."""
    report = result.report
    match result.verdict:
        case Verdict.FAILED if report is not None:
            first = next(findings(result))
            message = f"{report.violation_count} violations; first {first.tag}: {first.text}"
            message += _place(result, first)
            return _add(case, "failure", first.tag, message, _findings(result))
        case Verdict.HAZARD_FOUND:
            first = next(findings(result))
            message = f"known hazard, {first.tag}: {first.text}{_place(result, first)}"
            if not strict:
                return _add(case, "skipped", "known hazard", message, "")
            return _add(case, "failure", "known hazard", message, _findings(result))
        case Verdict.INCOMPLETE if report is not None:
            message = f"stopped by {report.stopped_by}: {report.states} states so far"
            return _add(case, "error", "incomplete", message, "")
        case Verdict.HAZARD_MISSED:
            message = "the known hazard was not found: the search or the expectation is wrong"
            return _add(case, "failure", "hazard missed", message, "")
        case _:
            return _add(case, "error", "self-check", result.error, "")


def _place(result: Result, found: Counterexample) -> str:
    """Where in the subject's source power went, where that is known."""
    film = result.film(found.path)
    return "" if film is None or film.place is None else f" (power lost in {film.place})"


def _findings(result: Result) -> str:
    return "\n\n".join("\n".join(_finding(result, found)) for found in _shown(result))


def _add(case: ET.Element, kind: str, of_type: str, message: str, text: str) -> str:
    _element(case, kind, type=of_type, message=message).text = _clean(text)
    return kind


def _output(result: Result) -> Iterator[str]:
    """Counterexamples of a hazard that is known: where they are no failure, they must be seen."""
    if result.verdict is Verdict.HAZARD_FOUND:
        for found in _shown(result):
            yield from _finding(result, found)


def _shown(result: Result) -> Iterator[Counterexample]:
    return islice(findings(result), _SHOWN)


def _finding(result: Result, found: Counterexample) -> Iterator[str]:
    yield printable(f"{found.tag}: {found.text}")
    yield f"replay: {result.replay_id(found.path)}"
    yield from map(printable, found.trace.splitlines())
    film = result.film(found.path)
    if film is not None:
        yield from film_lines(film)


def _element(parent: ET.Element | None, tag: str, **attributes: str) -> ET.Element:
    clean = {name: _clean(value) for name, value in attributes.items()}
    return ET.Element(tag, clean) if parent is None else ET.SubElement(parent, tag, clean)


def _clean(text: str) -> str:
    """*text* without what XML cannot hold."""
    return _BAD.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"
