"""What pages look at: the center file as it is now, and what became of its plans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from mcu_updater.cloud.center.device_session import now_of, seen_states
from mcu_updater.cloud.center.faults import BadCenterFile
from mcu_updater.cloud.center.lifecycle import ACTIONS, Action, PlanState
from mcu_updater.cloud.center.load import CenterFile
from mcu_updater.cloud.center.model import Center, UpgradePlan, VersionPackage
from mcu_updater.cloud.center.store import Store


@contextmanager
def opened_store(request: Request) -> Iterator[Store]:
    with closing(request.app.state.console.store()) as store:
        yield store


@dataclass(frozen=True, slots=True)
class View:
    """Of one moment. *states*: of every plan of the file."""

    file: CenterFile
    now_s: float
    states: Mapping[str, PlanState]

    @property
    def center(self) -> Center:
        return self.file.center

    def can(self, plan: str) -> list[str]:
        """What its owner may do with it now."""
        return [action.value for action in Action if (action, self.states[plan]) in ACTIONS]

    def is_locked(self, plan: str) -> bool:
        """Activated once: it cannot be edited or deleted any more."""
        return self.states[plan] is not PlanState.SAVED


def view(request: Request, store: Store) -> View:
    file = request.app.state.console.file.now()
    with store.snapshot():
        now_s = now_of(store)
        return View(file, now_s, seen_states(file.center, store, now_s))


@contextmanager
def looked_at(request: Request) -> Iterator[tuple[View, Store]]:
    """The state file and what is in it. Where a plan that was activated is not in the file as it
    was, that is told on the page, and what the state file knows is still shown."""
    console = request.app.state.console
    try:
        store = console.store()
    except BadCenterFile as error:
        request.state.fault = error
        store = Store.open(console.db, read_only=True)
    with closing(store):
        yield view(request, store), store


def targets(center: Center, plan: UpgradePlan) -> list[tuple[str, str]]:
    return [(u.component, package_of(center, u.package).target) for u in plan.upgrades]


def package_of(center: Center, name: str) -> VersionPackage:
    found = center.package(name)
    assert found is not None, "a center file is read only when its references hold"
    return found


def period(plan: UpgradePlan) -> str:
    """The planned time, for people."""
    begin, end = _moment(plan.begin), _moment(plan.end)
    if not begin and not end:
        return "from activation on, without end"
    first = f"from {begin}" if begin else "from activation on"
    return f"{first} {f'to {end}' if end else 'without end'}, {plan.timezone}"


def hours(plan: UpgradePlan) -> str:
    if plan.push_hours is None:
        return "at any hour"
    first, last = plan.push_hours
    return f"from {first:02d}:00 to {last:02d}:00, {plan.timezone}"


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(" ", "minutes")
