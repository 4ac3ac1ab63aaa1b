"""A campaign as JUnit XML, in the dialect that Jenkins, GitLab and their like read.

One suite for each search, with its numbers as properties, and one case in it. A violation is a
failure, with its replay ID and its film; a search that was stopped, or that cannot be believed, an
error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from xml.etree import ElementTree as ET

from flash_emulator.explore.campaign import Campaign, Result, Verdict
from flash_emulator.explore.render.film import film_lines, printable
from flash_emulator.explore.render.values import findings
from flash_emulator.explore.report import Counterexample

_SHOWN = 10  # failures of one case; the number of all is in its message
_BAD = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2


def campaign_junit(campaign: Campaign) -> str:
    """An XML document."""
    root = _element(None, "testsuites", name=campaign.title, time=_time(campaign.elapsed_s))
    suites = [_suite(root, result, campaign.created) for result in campaign.results]
    root.set("tests", str(len(suites)))
    for kind in ("failures", "errors"):
        root.set(kind, str(sum(int(suite.get(kind, "0")) for suite in suites)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(root: ET.Element, result: Result, created: str) -> ET.Element:
    seconds = _time(result.report.elapsed_s if result.report else 0)
    suite = _element(root, "testsuite", name=result.name, tests="1", time=seconds, skipped="0")
    if created:
        suite.set("timestamp", created)
    properties = _element(suite, "properties")
    for name, value in _properties(result):
        _element(properties, "property", name=name, value=value)
    case = _element(suite, "testcase", name=result.name, classname="powerloss", time=seconds)
    kinds = [_outcome(case, result)] if not result.as_expected else []
    suite.set("failures", str(kinds.count("failure")))
    suite.set("errors", str(kinds.count("error")))
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
        "operations_first",
        "operations_most",
        "violation_count",
        "chain",
    ):
        yield name, str(getattr(report, name))
    yield "levels", " ".join(map(str, report.levels))
    for check in report.checks:
        yield f"self-check {check.name}", f"{check.count}: {check.text}"


def _outcome(case: ET.Element, result: Result) -> str:
    """The child that says what is wrong; its kind."""
    report = result.report
    match result.verdict:
        case Verdict.FAILED if report is not None:
            first = next(findings(result))
            message = f"{report.violation_count} violations; first {first.question}: {first.text}"
            text = "\n\n".join("\n".join(_finding(result, f)) for f in _shown(result))
            return _add(case, "failure", first.question, message, text)
        case Verdict.INCOMPLETE if report is not None:
            message = f"stopped by {report.stopped_by}: {report.states} states so far"
            return _add(case, "error", "incomplete", message, "")
        case Verdict.HAZARD_MISSED:
            message = "the known hazard was not found: the search or the expectation is wrong"
            return _add(case, "failure", "hazard missed", message, "")
        case _:
            return _add(case, "error", "self-check", result.error, "")


def _add(case: ET.Element, kind: str, of_type: str, message: str, text: str) -> str:
    _element(case, kind, type=of_type, message=message).text = _clean(text)
    return kind


def _output(result: Result) -> Iterator[str]:
    """Counterexamples of a hazard that is known: they are no failure, and must be seen."""
    if result.verdict is Verdict.HAZARD_FOUND:
        for found in _shown(result):
            yield from _finding(result, found)


def _shown(result: Result) -> Iterator[Counterexample]:
    return islice(findings(result), _SHOWN)


def _finding(result: Result, found: Counterexample) -> Iterator[str]:
    yield printable(f"{found.question}: {found.text}")
    yield f"replay: {result.replay_id(found.path)}"
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
