"""Upgrade monitoring: the plans, and the devices of one: counted, filtered, page by page.

Each page is there without a script, too; with one it is kept up to date by its own parts, asked for
with ``?fragment=1``.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from mcu_updater.cloud.center.monitoring import (
    STAGE_ORDER,
    DevicesPage,
    DeviceState,
    PlanSummary,
    devices_page,
    overview,
)
from mcu_updater.cloud.center.store import Ended, Ending, Store
from mcu_updater.console.addresses import address, name_in
from mcu_updater.console.pages.device import drawer_of
from mcu_updater.console.pages.view import View, looked_at
from mcu_updater.console.problems import Problem
from mcu_updater.console.rendering import render
from mcu_updater.report.center import moment

PAGE = 100  # devices
STAGES = {stage: stage for stage in STAGE_ORDER} | {"device confirm": "device confirmation"}
"""In the words of the page."""

KINDS = {
    DeviceState.UPGRADED: "good",
    DeviceState.FAILED: "bad",
    DeviceState.UPGRADING: "",
    DeviceState.NOT_UPGRADED: "quiet",
    DeviceState.NOT_REQUIRED: "quiet",
}
"""How a state is painted."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What is looked for, as the address of the page says it."""

    text: str = ""
    state: DeviceState | None = None
    stage: str | None = None
    after: str | None = None

    @classmethod
    def of(cls, request: Request) -> Filter:
        """What an address has that is no filter is left aside, as an empty one is."""
        query = request.query_params
        state, stage = query.get("state"), query.get("stage")
        return cls(
            query.get("q", "").strip(),
            next((one for one in DeviceState if one == state), None),
            stage if stage in STAGE_ORDER else None,
            query.get("after") or None,
        )

    @property
    def is_any(self) -> bool:
        return bool(self.text or self.state or self.stage)

    def query(self, **changes: str | None) -> str:
        """Of an address with *changes*; a change of the filter leads to its first page."""
        values = {"q": self.text, "state": self.state, "stage": self.stage}
        known = {name: text for name, text in (values | changes).items() if text}
        return f"?{urlencode(known)}" if known else "?"

    def page(self, seen: View, store: Store, plan: str | None, limit: int = PAGE) -> DevicesPage:
        return devices_page(
            seen.center,
            store,
            seen.now_s,
            plan=plan,
            state=self.state,
            stage=self.stage,
            text=self.text,
            after=self.after,
            limit=limit,
        )


def plans(request: Request) -> Response:
    with looked_at(request) as (seen, store):
        rows = [_row(summary) for summary in overview(seen.center, store, seen.now_s)]
        time = _time(seen, store)
    fragment = "fragment" in request.query_params
    template = "monitoring_plans.html" if fragment else "monitoring.html"
    return render(request, template, plans=rows, time=time)


def _row(summary: PlanSummary) -> dict[str, Any]:
    return {"plan": summary, "stages": _stages(summary), "rate": rate(summary.success_rate)}


def _stages(summary: PlanSummary) -> list[dict[str, Any]]:
    """Segments of the bar: *before* says where each begins."""
    found, before = [], 0
    for stage, count in summary.stages.items():
        kind = stage.partition(" ")[0]
        found.append(
            {"stage": stage, "kind": kind, "words": STAGES[stage], "count": count, "before": before}
        )
        before += count
    return found


def rate(success: float | None) -> str:
    return "" if success is None else f"{success:.1%}"


def _time(seen: View, store: Store) -> tuple[str, str]:
    """The moment that is shown, and whose."""
    return moment(seen.now_s), "simulated time" if store.simulated else "UTC"


# --- one plan


def plan(request: Request) -> Response:
    name, chosen = name_in(request), Filter.of(request)
    with looked_at(request) as (seen, store):
        summaries = overview(seen.center, store, seen.now_s, plan=name)
        if not summaries:
            raise Problem(404, f"There is no plan of the name {name[:100]!r}")
        page = chosen.page(seen, store, name)
        values = {
            **_row(summaries[0]),
            **_list_values(chosen, page),
            "base": address("/monitoring", name),
            "can": seen.can(name),
            "states": [(state, summaries[0].counts[state]) for state in DeviceState],
            "endings": _endings(store, summaries[0]),
            "time": _time(seen, store),
            "drawer": drawer_of(seen, store, request.query_params.get("device"), request),
        }
    fragment = "fragment" in request.query_params
    return render(request, "monitoring_live.html" if fragment else "monitoring_plan.html", **values)


def _list_values(chosen: Filter, page: DevicesPage) -> dict[str, Any]:
    return {
        "chosen": chosen,
        "page": page,
        "moment": moment,
        "kinds": KINDS,
        "all_states": [*DeviceState],
        "all_stages": STAGES,
    }


def _endings(store: Store, summary: PlanSummary) -> list[tuple[str, int, int, int, int]]:
    """How devices of a fleet ended: outcome, devices, cuts, faults, sessions. They are those of the
    fleet, whatever plans it has: shown with the first."""
    endings = store.endings()
    if not endings or not summary.devices:
        return []
    groups: dict[str, list[Ending]] = {}
    for ending in endings:
        groups.setdefault(ending.outcome.value, []).append(ending)
    rows = [(one.value, groups[one.value]) for one in Ended if one.value in groups]
    return [_sums(words, some) for words, some in [*rows, ("all", endings)]]


def _sums(words: str, endings: list[Ending]) -> tuple[str, int, int, int, int]:
    sums: Counter[str] = Counter()
    for ending in endings:
        sums.update(cuts=ending.cuts, faults=ending.faults, sessions=ending.sessions)
    return words, len(endings), sums["cuts"], sums["faults"], sums["sessions"]


# --- all devices


def devices(request: Request) -> Response:
    query = Filter.of(request)
    chosen = Filter(text=query.text, after=query.after)
    with looked_at(request) as (seen, store):
        page = chosen.page(seen, store, None)
        values = {
            **_list_values(chosen, page),
            "base": "/devices",
            "time": _time(seen, store),
            "drawer": drawer_of(seen, store, request.query_params.get("device"), request),
        }
    fragment = "fragment" in request.query_params
    return render(request, "devices_live.html" if fragment else "devices.html", **values)


# --- as a table


COLUMNS = (
    "device",
    "device_state",
    "plan",
    "component",
    "state",
    "stage",
    "version",
    "target",
    "failures",
    "changed_at",
    "last",
)
BATCH = 2_000  # devices that are read at once: who matches is asked anew for each


def table(request: Request) -> Response:
    """All that match, one row for each upgrade: CSV, as RFC 4180 has it."""
    name, chosen = name_in(request), Filter.of(request)
    with looked_at(request) as (seen, store):
        if seen.center.plan(name) is None:
            raise Problem(404, f"There is no plan of the name {name[:100]!r}")
        first = replace(chosen, after=None).page(seen, store, name, limit=BATCH)
        head = columns(simulated=store.simulated)
    headers = {"Content-Disposition": 'attachment; filename="devices.csv"'}
    lines = _csv(head, _pages(request, seen, name, chosen, first))
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


def columns(*, simulated: bool) -> tuple[str, ...]:
    """The first line: whose time it is, the name of its column says."""
    zone = "simulated" if simulated else "utc"
    return tuple(f"changed_at_{zone}" if name == "changed_at" else name for name in COLUMNS)


def _pages(
    request: Request, seen: View, plan: str, chosen: Filter, page: DevicesPage
) -> Iterator[DevicesPage]:
    """*page* and those behind it. Each is read anew: a slow reader keeps nobody from writing."""
    yield page
    while page.next is not None:
        after = replace(chosen, after=page.next)
        with closing(Store.open(request.app.state.console.db, read_only=True)) as store:
            page = after.page(seen, store, plan, limit=BATCH)
        yield page


def _csv(head: tuple[str, ...], pages: Iterable[DevicesPage]) -> Iterator[str]:
    yield _line(head)
    for page in pages:
        yield "".join(_lines(page))


def _lines(page: DevicesPage) -> Iterator[str]:
    for view in page.views:
        for one in view.components:
            changed = "" if one.changed_at_s is None else moment(one.changed_at_s)
            yield _line(
                (
                    view.device,
                    view.state,
                    one.plan,
                    one.component,
                    one.state.value,
                    one.stage,
                    one.version,
                    one.target,
                    str(one.failures),
                    changed,
                    one.last,
                )
            )


def _line(cells: tuple[str, ...]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([_harmless(cell) for cell in cells])
    return text.getvalue()


def _harmless(cell: str) -> str:
    """What a spreadsheet would take for a formula is text there, behind an apostrophe."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def start(request: Request) -> Response:
    """The start page: what goes on."""
    del request
    return RedirectResponse("/monitoring", 303)


ROUTES: list[Route] = [
    Route("/", start, name="start"),
    Route("/monitoring", plans, name="monitoring"),
    Route("/monitoring/{name:name}", plan, name="monitoring_plan"),
    Route("/monitoring/{name:name}/devices.csv", table, name="devices_csv"),
    Route("/devices", devices, name="devices"),
]
