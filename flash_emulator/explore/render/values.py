"""A campaign as JSON; the schema, version 3.

    schema        "flash power-loss campaign", version 3
    title, created, tool, command_line, strict, as_expected, elapsed_s
    counts        results by what became of them: passed, known hazards, incomplete, failed
    results       in their order, each:
        name, expectation, verdict, as_expected, facts, error, certificate
        array         base, sectors [[offset, size] ...], regions {name: [offset, size]}
        report        null, or all of ``Report``: heat is {sector: {outcome: cuts}}, sectors by
                      offset in decimal; hot {sector: violations}, -1 for cuts between operations
        counterexamples   question, tag (unsafe, not live ...), text, path, replay_id, trace (of an
                          exception in the subject, or where it was when it hung), film: null, or
            end, violation, trace, place, frames: boot, operation, kind, text, address, changes,
            moment
            *changes*: [first sector, signs] of each run of sectors that look other than in the
            frame before; before the first one all are "."; signs as in ``replay.Frame``
            *place*: of ``Film.place``: function, file, line, column, path; null
            *moment*: of cuts, violations and ends, as ``moment.Moment`` has it, or null; bytes are
            hexadecimal. running: stack (pc, symbol, source, is_inlined, note), registers, excerpt,
            instructions, missing; touched; last. New in version 3, with *place*

Keys are in this order. The same results give the same text, but for ``created`` and ``elapsed_s``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from flash_emulator.explore.campaign import Campaign, Result
from flash_emulator.explore.path import Path
from flash_emulator.explore.replay import Film
from flash_emulator.explore.report import Counterexample, Report
from flash_emulator.player.film import changes

SCHEMA = "flash power-loss campaign"
VERSION = 3


def campaign_json(campaign: Campaign) -> str:
    """See above. One line for each value, and a line end at the end."""
    return json.dumps(campaign_values(campaign), indent=1) + "\n"


def campaign_values(campaign: Campaign) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "title": campaign.title,
        "created": campaign.created,
        "tool": campaign.tool,
        "command_line": campaign.command_line,
        "strict": campaign.strict,
        "as_expected": campaign.as_expected,
        "elapsed_s": round(campaign.elapsed_s, 3),
        "counts": campaign.counts,
        "results": [_result(result) for result in campaign.results],
    }


def _result(result: Result) -> dict[str, Any]:
    array, report = result.array, result.report
    return {
        "name": result.name,
        "expectation": result.expectation,
        "verdict": result.verdict,
        "as_expected": result.as_expected,
        "facts": dict(result.facts),
        "error": result.error,
        "certificate": result.certificate,
        "array": {"base": array.base, "sectors": array.sectors, "regions": dict(array.regions)},
        "report": None if report is None else _report(report),
        "counterexamples": [_counterexample(result, found) for found in findings(result)],
    }


def _report(report: Report) -> dict[str, Any]:
    return {
        "complete": report.complete,
        "stopped_by": report.stopped_by,
        "states": report.states,
        "boots": report.boots,
        "cuts": report.cuts,
        "edges": report.edges,
        "merged": report.merged,
        "refinements": report.refinements,
        "draws": report.draws,
        "enumerated": report.enumerated,
        "tried": report.tried,
        "levels": report.levels,
        "operations_first": report.operations_first,
        "operations_most": report.operations_most,
        "ends": dict(report.ends),
        "violation_count": report.violation_count,
        "heat": {str(sector): dict(cuts) for sector, cuts in report.heat.items()},
        "hot": {str(sector): count for sector, count in sorted(report.hot.items())},
        "checks": [
            {"name": check.name, "count": check.count, "text": check.text}
            for check in report.checks
        ],
        "elapsed_s": round(report.elapsed_s, 3),
        "chain": report.chain,
        "decays": report.decays,
        "outcomes": report.outcomes,
        "rests_on": report.rests_on,
    }


def findings(result: Result) -> Iterator[Counterexample]:
    """Counterexamples of the report, then those that are only filmed (shrunk paths)."""
    seen: set[Path] = set()
    for found in result.report.violations if result.report else ():
        seen.add(found.path)
        yield found
    for film in result.films:
        if film.path not in seen and film.violation is not None:
            yield Counterexample(*film.violation, film.path)


def _counterexample(result: Result, found: Counterexample) -> dict[str, Any]:
    film = result.film(found.path)
    return {
        "question": found.question,
        "tag": found.tag,
        "text": found.text,
        "path": str(found.path),
        "replay_id": result.replay_id(found.path),
        "trace": found.trace,
        "film": None if film is None else film_values(film),
    }


def film_values(film: Film) -> dict[str, Any]:
    frames, before = [], "." * len(film.frames[0].sectors) if film.frames else ""
    for frame in film.frames:
        frames.append(
            {
                "boot": frame.boot,
                "operation": frame.operation,
                "kind": frame.kind,
                "text": frame.text,
                "address": frame.address,
                "changes": changes(before, frame.sectors),
                "moment": None if frame.moment is None else plain(frame.moment),
            }
        )
        before = frame.sectors
    return {
        "end": film.end,
        "violation": film.violation,
        "trace": film.trace,
        "place": None if film.place is None else plain(film.place),
        "frames": frames,
    }


def plain(value: Any) -> Any:
    """*value*, made of dataclasses, as JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return value.hex() if isinstance(value, bytes) else value
