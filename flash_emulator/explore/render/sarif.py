"""A campaign as SARIF 2.1.0 (OASIS, errata 01), as code scanning of forges reads it.

One result for each annotation that is a finding: rule by question, the place of the last cut, all
cuts and the end as related locations, the film as code flow. What a search has to say of itself
(incomplete, not to be believed) is a notification of the invocation: the code has no part in it.
A known hazard is a suppressed result, with its reason.

Paths count from %SRCROOT%, which the reader of the file knows and the file does not say.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from flash_emulator.explore.campaign import Campaign
from flash_emulator.explore.render.annotations import Annotation, Annotations, steps_of
from flash_emulator.explore.render.places import Place, SourceTree, cuts_of, end_of
from flash_emulator.explore.render.rules import BROKEN, INCOMPLETE, Rule
from flash_emulator.explore.replay import Frame
from flash_emulator.printable import printable

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
ROOT = "%SRCROOT%"
FINGERPRINT = "powerLossFinding/v1"
_MOST_STEPS = 1000  # of one code flow: the first ones and the last ones
_NOTIFIED = (INCOMPLETE, BROKEN)
_IMPORTANCE = {"cut": "essential", "violation": "essential", "boot": "important"}


def campaign_sarif(
    campaign: Campaign, tree: SourceTree, questions: Mapping[str, str] | None = None
) -> str:
    """A JSON document. *questions*: help of questions that subjects ask beside the known ones."""
    annotations = list(Annotations(campaign, tree, questions or {}))
    run = _run(campaign, annotations, tree)
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _run(campaign: Campaign, annotations: list[Annotation], tree: SourceTree) -> dict[str, Any]:
    found = [each for each in annotations if each.rule not in _NOTIFIED]
    rules = _unlike(each.rule for each in found)
    tool, _, version = campaign.tool.partition(" ")
    driver = {"name": tool or "mcu-updater", **({"version": version} if version else {})}
    return {
        "tool": {
            "driver": {
                **driver,
                "rules": [_rule(rule) for rule in rules],
                "notifications": [_rule(rule) for rule in _NOTIFIED],
            }
        },
        "automationDetails": {"id": "powerloss/"},
        "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository."}}},
        "columnKind": "utf16CodeUnits",
        "invocations": [_invocation(campaign, annotations)],
        "results": [_result(each, rules, tree) for each in found],
        "properties": {
            "searches": [
                {"name": result.name, "verdict": result.verdict, "says": result.words}
                for result in campaign.results
            ]
        },
    }


def _unlike(rules: Iterable[Rule]) -> list[Rule]:
    """Each once, in their order."""
    return list(dict.fromkeys(rules))


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.code.split("-")),
        "shortDescription": {"text": f"{rule.short}."},
        "fullDescription": {"text": rule.text},
        "help": {"text": rule.text},
        "defaultConfiguration": {"level": "warning" if rule is INCOMPLETE else "error"},
        "properties": {"tags": ["power-loss", "firmware", "reliability"], "precision": "very-high"},
    }


def _invocation(campaign: Campaign, annotations: list[Annotation]) -> dict[str, Any]:
    said = [each for each in annotations if each.rule in _NOTIFIED]
    invocation: dict[str, Any] = {
        "executionSuccessful": not any(each.rule is BROKEN for each in said),
        "toolExecutionNotifications": [_notification(each) for each in said],
    }
    if campaign.command_line:
        invocation["commandLine"] = printable(campaign.command_line)
    if campaign.created:
        invocation["endTimeUtc"] = _utc(campaign.created)
    return invocation


def _utc(created: str) -> str:
    at = datetime.fromisoformat(created)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _notification(said: Annotation) -> dict[str, Any]:
    return {
        "descriptor": {"id": said.rule.code, "index": _NOTIFIED.index(said.rule)},
        "level": said.level,
        "message": {"text": f"{said.result.name}: {said.text}"},
        "locations": _locations(said.place),
    }


# --- results


def _result(said: Annotation, rules: list[Rule], tree: SourceTree) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": said.rule.code,
        "ruleIndex": rules.index(said.rule),
        "level": said.level,
        "message": {"text": f"{said.title}. {said.text}"},
        "locations": _locations(said.place),
        "occurrenceCount": said.count,
        "partialFingerprints": {FINGERPRINT: said.fingerprint},
        "properties": {"search": said.result.name},
    }
    if said.found is not None:
        result["properties"]["replayId"] = said.result.replay_id(said.found.path)
    if said.excuse:
        known = {"kind": "external", "status": "accepted", "justification": said.excuse}
        result["suppressions"] = [known]
    if said.film is not None:
        result["relatedLocations"] = list(_related(said, tree))
        result["codeFlows"] = [_code_flow(said, tree)]
        stacks = list(_stacks(said, tree))
        if stacks:
            result["stacks"] = stacks
    return result


def _related(said: Annotation, tree: SourceTree) -> Iterator[dict[str, Any]]:
    """Every cut, and the end."""
    assert said.film is not None
    frames = [*cuts_of(said.film), *filter(None, [end_of(said.film)])]
    for number, frame in enumerate(frames, 1):
        place = tree.of_frame(said.result, frame)
        yield {"id": number, **_location(place, f"boot {frame.boot}: {_text(frame)}")}


def _stacks(said: Annotation, tree: SourceTree) -> Iterator[dict[str, Any]]:
    """Of every cut, and of the end, where they are known."""
    assert said.film is not None
    for frame in (*cuts_of(said.film), *filter(None, [end_of(said.film)])):
        places = tree.stack(said.result, frame)
        if places:
            frames = [{"location": _location(place)} for place in places]
            yield {"message": {"text": f"boot {frame.boot}: {_text(frame)}"}, "frames": frames}


def _code_flow(said: Annotation, tree: SourceTree) -> dict[str, Any]:
    assert said.film is not None
    steps = list(steps_of(said.film))
    left = len(steps) - _MOST_STEPS
    if left > 0:
        half = _MOST_STEPS // 2
        steps = [*steps[:half], *steps[-half:]]
    locations = [
        {
            "location": _location(tree.of_frame(said.result, frame), _step_text(frame, count)),
            "importance": _IMPORTANCE.get(frame.kind, "unimportant"),
            "nestingLevel": 0 if frame.kind == "boot" else 1,
            "executionOrder": order,
        }
        for order, (frame, count) in enumerate(steps, 1)
    ]
    flow: dict[str, Any] = {"threadFlows": [{"locations": locations}]}
    if left > 0:
        flow["message"] = {"text": f"{left:,} steps in the middle are left out."}
    return flow


def _step_text(frame: Frame, count: int) -> str:
    more = f", and {count - 1:,} more of this kind" if count > 1 else ""
    return f"{_text(frame)}{more}"


def _text(frame: Frame) -> str:
    return printable(frame.text) or frame.kind


def _locations(place: Place) -> list[dict[str, Any]]:
    """None where nothing is known: an empty one is refused by who shows it."""
    return [_location(place)] if place.file or place.function else []


def _location(place: Place, text: str = "") -> dict[str, Any]:
    location: dict[str, Any] = {}
    if place.file:
        region: dict[str, Any] = {"startLine": place.line}
        if place.column:
            region["startColumn"] = place.column
        artifact = {"uri": quote(os.fsencode(place.file)), "uriBaseId": ROOT}
        location["physicalLocation"] = {"artifactLocation": artifact, "region": region}
    if place.function:
        named = {"fullyQualifiedName": printable(place.function), "kind": "function"}
        location["logicalLocations"] = [named]
    if text:
        location["message"] = {"text": text}
    return location
