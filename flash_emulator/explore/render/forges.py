"""A campaign for two forges: workflow commands and a summary for GitHub, Code Quality for GitLab.

A workflow command is a line of a job's output: ``::error file=F,line=N,title=T::TEXT``, with the
characters that would end a part of it escaped as the toolkit of GitHub's actions does. GitHub shows
ten errors and ten warnings of a step, so what is beyond is counted.

Code Quality is a list of objects with description, check_name, fingerprint, severity and location,
of which GitLab compares the fingerprints of two branches.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from flash_emulator.explore.campaign import Campaign, Result
from flash_emulator.explore.render.annotations import Annotation, Annotations, Level
from flash_emulator.explore.render.places import SourceTree
from flash_emulator.printable import printable

_SHOWN = 10  # of a level, in one step
_COMMANDS: dict[Level, str] = {"error": "error", "warning": "warning", "note": "notice"}
_IN_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})
_IN_CELL = str.maketrans(
    {"|": "\\|", "\n": " ", "\r": " ", "<": "&lt;", ">": "&gt;", "&": "&amp;", "`": "'"}
)
_SEVERITIES: dict[Level, str] = {"error": "blocker", "warning": "minor", "note": "info"}


def github_commands(
    campaign: Campaign, tree: SourceTree, questions: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Lines, each one workflow command."""
    said: Counter[Level] = Counter()
    for each in Annotations(campaign, tree, questions or {}):
        said[each.level] += 1
        if said[each.level] <= _SHOWN:
            yield _command(each)
    for level, count in said.items():
        if count > _SHOWN:
            title = f"power loss: more of level {level}".translate(_IN_PROPERTY)
            text = f"{count - _SHOWN:,} more, which the other reports have"
            yield f"::notice title={title}::{text}"


def _command(said: Annotation) -> str:
    properties = {"title": said.title}
    if said.place.file:
        properties = {"file": said.place.file, "line": str(said.place.line), **properties}
    words = ",".join(f"{key}={value.translate(_IN_PROPERTY)}" for key, value in properties.items())
    line = f"::{_COMMANDS[said.level]} {words}::{said.text.translate(_IN_DATA)}"
    return line.encode(errors="backslashreplace").decode()  # bytes of names that are no UTF-8


def github_summary(
    campaign: Campaign, tree: SourceTree, questions: Mapping[str, str] | None = None
) -> str:
    """Markdown for the page of a job: a table of the searches, and one of what was found."""
    lines = [
        f"### {_cell(campaign.title)}: {_cell(str(campaign))}",
        "",
        "| search | verdict | states | cuts | s |",
        "|---|---|--:|--:|--:|",
        *map(_row, campaign.results),
    ]
    found = list(Annotations(campaign, tree, questions or {}))
    if found:
        lines += ["", "| | where | what |", "|---|---|---|", *map(_finding_row, found[:100])]
    if len(found) > 100:
        lines.append(f"| | | and {len(found) - 100:,} more |")
    return "\n".join([*lines, ""]) + "\n"


def _row(result: Result) -> str:
    report = result.report
    if report is None:
        return f"| {_cell(result.name)} | {result.verdict}: {_cell(result.error)} | | | |"
    stopped = f" ({report.stopped_by})" if report.stopped_by else ""
    numbers = f"{report.states:,} | {report.cuts:,} | {report.elapsed_s:.1f}"
    return f"| {_cell(result.name)} | {result.verdict}{stopped} | {numbers} |"


def _finding_row(said: Annotation) -> str:
    where = str(said.place) or said.result.name
    return f"| {said.level} | {_cell(where)} | **{_cell(said.title)}** {_cell(said.text)} |"


def _cell(text: str) -> str:
    return printable(text).translate(_IN_CELL)


def campaign_codequality(
    campaign: Campaign, tree: SourceTree, questions: Mapping[str, str] | None = None
) -> str:
    """A JSON document. GitLab wants a path of each: where no file is known, the search's name."""
    seen: Counter[str] = Counter()
    issues = []
    for each in Annotations(campaign, tree, questions or {}):
        seen[each.fingerprint] += 1
        issues.append(_issue(each, seen[each.fingerprint]))
    return json.dumps(issues, indent=1) + "\n"


def _issue(said: Annotation, number: int) -> dict[str, Any]:
    """*number*: of those with this fingerprint, of which GitLab shows only the first."""
    mark = said.fingerprint
    if number > 1:
        mark = sha256(f"{mark} {number}".encode()).hexdigest()
    return {
        "description": f"{said.title}. {said.text}",
        "check_name": said.rule.code,
        "fingerprint": mark,
        "severity": _SEVERITIES[said.level],
        "location": {
            "path": said.place.file or said.result.name,
            "lines": {"begin": said.place.line},
        },
    }
