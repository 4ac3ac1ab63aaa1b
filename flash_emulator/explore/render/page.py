"""A campaign as one HTML file, which needs nothing else: no network, no fonts, no server.

Tables, findings and films as text are there without any script. Maps and timelines are drawn by
``page.js`` from the data in the page. The page's own policy lets no other script run than that one,
whatever a subject's words may hold; besides, everything is escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

from markupsafe import Markup

import flash_emulator
from flash_emulator import explore
from flash_emulator.docstrings import bullets
from flash_emulator.explore.campaign import Campaign, Result
from flash_emulator.explore.render.film import film_lines
from flash_emulator.explore.render.steps import steps_of_film
from flash_emulator.explore.render.values import findings
from flash_emulator.explore.report import Counterexample, Report
from flash_emulator.player import FlashMap
from flash_emulator.player.assets import inline_json, player_text, policy_hash
from flash_emulator.player.film import frame_rows
from flash_emulator.power import Outcome
from flash_emulator.printable import printable

_FOLDER = files(__package__)
_SHOWN = 20  # counterexamples of one result that have no film


def campaign_html(campaign: Campaign) -> str:
    """The whole file."""
    import jinja2  # 15 ms, and few searches write a page

    style = player_text("player.css") + _asset("page.css")
    script = player_text("player.js") + _asset("page.js")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": _number,
        "seconds": _seconds,
        "printable": printable,
        "printable_lines": lambda text: "\n".join(map(printable, text.splitlines())),
        "breakable": _breakable,
    }
    template = environment.from_string(_asset("page.html"))
    results = [_result(campaign, index, each) for index, each in enumerate(campaign.results)]
    return template.render(
        campaign=campaign,
        results=results,
        tone=_tone(campaign),
        totals=_totals(campaign),
        checks=_checks(campaign),
        assumed=bullets(explore.__doc__, "**What is assumed.**"),
        model=bullets(flash_emulator.__doc__, "**Assumptions, first.**"),
        style=style,
        script=script,
        style_hash=policy_hash(style),
        script_hash=policy_hash(script),
        data=inline_json([r["data"] for r in results]),
    )


def _tone(campaign: Campaign) -> str:
    """Of all results together: that of the worst."""
    if not campaign.as_expected:
        return "bad"
    return "warn" if any(result.tone == "warn" for result in campaign.results) else "good"


def _asset(name: str) -> str:
    return _FOLDER.joinpath(name).read_text(encoding="utf-8")


def _number(value: int) -> str:
    return f"{value:,}".replace(",", "\u2009")


def _seconds(value: float) -> str:
    if value < 100:
        return f"{value:.1f} s"
    return f"{value / 60:.0f} min" if value < 6000 else f"{value / 3600:.1f} h"


def _breakable(name: str) -> Markup:
    """A long name may go on in the next line behind each of its slashes."""
    return Markup("/<wbr>").join(name.split("/"))


# --- overview


def _totals(campaign: Campaign) -> dict[str, int]:
    reports = [result.report for result in campaign.results if result.report is not None]
    names = ("states", "boots", "cuts", "edges")
    return {name: sum(getattr(report, name) for report in reports) for name in names}


def _checks(campaign: Campaign) -> list[dict[str, Any]]:
    """Self-checks of all results together."""
    counts: Counter[str] = Counter()
    searches: Counter[str] = Counter()
    for result in campaign.results:
        for check in result.report.checks if result.report else ():
            counts[check.name] += check.count
            searches[check.name] += 1
    return [{"name": n, "count": counts[n], "searches": searches[n]} for n in searches]


# --- one result


def _result(campaign: Campaign, index: int, result: Result) -> dict[str, Any]:
    report = result.report
    found = list(findings(result))
    filmed = [each for each in found if result.film(each.path) is not None]
    others = [each for each in found if result.film(each.path) is None][:_SHOWN]
    total = max(len(found), report.violation_count if report else 0)
    return {
        "id": f"result-{index}",
        "result": result,
        "report": report,
        "tone": result.tone,
        "cuts_in_a_row": len(report.levels) - 1 if report else 0,
        "levels": _levels(report) if report else [],
        "heat": list(_heat_rows(result.array, report)) if report else [],
        "filmed": [_finding(campaign, result, each) for each in filmed],
        "others": [_finding(campaign, result, each) for each in others],
        "hidden": total - len(filmed) - len(others),
        "data": _data(result, filmed),
    }


def _levels(report: Report) -> list[dict[str, Any]]:
    most = max(report.levels, default=1) or 1
    return [
        {"cuts": cuts, "states": states, "share": round(100 * states / most, 1)}
        for cuts, states in enumerate(report.levels)
    ]


def _heat_rows(array: FlashMap, report: Report) -> Iterator[dict[str, Any]]:
    """Sectors that were cut or led to a violation; -1 stands for cuts between operations."""
    sizes = dict(array.sectors)
    for sector in sorted(report.heat.keys() | report.hot.keys()):
        cuts = report.heat.get(sector, {})
        yield {
            "place": f"0x{array.address_of(sector):08X}" if sector >= 0 else "between operations",
            "label": array.label(sector),
            "size": sizes.get(sector, 0),
            "cuts": [cuts.get(outcome, 0) for outcome in Outcome],
            "all": sum(cuts.values()),
            "violations": report.hot.get(sector, 0),
        }


def _finding(campaign: Campaign, result: Result, found: Counterexample) -> dict[str, Any]:
    film = result.film(found.path)
    return {
        "found": found,
        "cuts": len(found.path.cuts),
        "replay_id": result.replay_id(found.path),
        "command": campaign.replay_command(result, found.path),
        "lines": list(film_lines(film)) if film is not None else [],
    }


# --- data for the script


def _data(result: Result, filmed: Sequence[Counterexample]) -> dict[str, Any]:
    """The map; heat by index of the sector; the frames of each film."""
    array, report = result.array, result.report
    starts = [offset for offset, _ in array.sectors]
    films = (result.film(found.path) for found in filmed)
    return {
        "map": array.as_json(),
        "outcomes": list(Outcome),
        "heat": list(_heat(starts, report)) if report else [],
        "films": [
            list(frame_rows(array, steps_of_film(film))) for film in films if film is not None
        ],
    }


def _heat(starts: list[int], report: Report) -> Iterator[list[int]]:
    """Index of the sector, violations, cuts by outcome."""
    for index, sector in enumerate(starts):
        cuts, violations = report.heat.get(sector, {}), report.hot.get(sector, 0)
        if cuts or violations:
            yield [index, violations, *(cuts.get(outcome, 0) for outcome in Outcome)]
