"""What becomes of plans and devices, and what their owner does: as ``center monitor``, ``offer``
and ``control`` have it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from starlette.responses import Response

from mcu_updater.cloud.center import lifecycle, rules
from mcu_updater.cloud.center.control import DeviceAction, act_on_device, act_on_plan
from mcu_updater.cloud.center.device_session import look, now_of
from mcu_updater.cloud.center.faults import BadValue, Fault
from mcu_updater.cloud.center.json_form import as_json, from_json, revision_of
from mcu_updater.cloud.center.load import plan_faults
from mcu_updater.cloud.center.model import Device, UpgradePlan
from mcu_updater.cloud.center.monitoring import (
    DeviceState,
    device_view,
    devices_page,
    overview,
)
from mcu_updater.cloud.center.preview import preview
from mcu_updater.cloud.center.store import Store
from mcu_updater.console.api.definitions import PLANS, fields_of
from mcu_updater.console.api.operations import Call, Parameter, result
from mcu_updater.console.device_film import film_of
from mcu_updater.console.problems import Problem
from mcu_updater.report import center as report

MOST = 1000
PAGE = 100

LIMIT = Parameter(
    "limit", "How many devices at most", {"type": "integer", "minimum": 1, "maximum": MOST}
)
FILTERS = (
    Parameter("state", "What the device is", {"type": "string", "enum": [*DeviceState]}),
    Parameter("text", "In the device's id, in any case"),
    Parameter("after", "The id behind which to begin: *next* of the page before"),
    LIMIT,
)
OF_PLAN = Parameter("plan", "Devices of that plan alone")


# --- monitoring


def monitoring(call: Call) -> Response:
    with closing(call.store()) as store:
        plans = overview(call.file.center, store)
        fields = {**_moment(store), "plans": [report.summary_json(plan) for plan in plans]}
        return result(fields)


def monitoring_of_plan(call: Call) -> Response:
    plan = PLANS.value(call)
    assert isinstance(plan, UpgradePlan)
    with closing(call.store()) as store:
        summaries = overview(call.file.center, store)
        fields = next(report.summary_json(one) for one in summaries if one.name == plan.name)
        return result({**_moment(store), **fields, **_page(call, store, plan.name)})


def devices(call: Call) -> Response:
    with closing(call.store()) as store:
        return result({**_moment(store), **_page(call, store, call.text("plan"))})


def device(call: Call) -> Response:
    """As the file describes it, as it reported itself, and what became of it."""
    device_id, center = call.name("id"), call.file.center
    described = center.device(device_id)
    with closing(call.store()) as store:
        view = device_view(center, store, device_id)
        product = store.product_of(device_id)
        reported = store.versions(device_id)
    if view is None or product is None:
        raise _no_device(device_id)
    fields = as_json(described or Device(device_id, product))
    seen = report.device_json(view)
    del seen["device"]
    module = call.console.module_address(device_id)
    fields |= {"is_described": described is not None, "reported": reported, "module": module}
    fields |= seen
    if described is None:
        return result(fields)
    revision = revision_of(described)
    return result({**fields, "revision": revision}, headers={"ETag": f'"{revision}"'})


def modules(call: Call) -> Response:
    """Where clients find the emulated modules, and what serving them costs."""
    farm = call.console.modules
    if farm is None:
        text = "No modules are served here. center serve --modules tcp:FIRST-LAST serves them"
        raise Problem(404, text)
    return result({"addresses": farm.addresses(), "figures": farm.figures()})


def log(call: Call) -> Response:
    with closing(call.store()) as store:
        _check_device(store, call.name("id"))
        return result(report.log_json(store.log(call.name("id"))))


def film(call: Call) -> Response:
    """Of an emulated board; of another device, why there is none."""
    with closing(call.store()) as store:
        _check_device(store, call.name("id"))
    return result(film_of(call.console, call.name("id")))


def offer(call: Call) -> Response:
    """What it would be offered now, and why not the rest."""
    device_id, center = call.name("id"), call.file.center
    with closing(call.store()) as store, store.snapshot():
        product = _check_device(store, device_id)
        one = center.device(device_id) or Device(device_id, product)
        versions = {**one.versions, **store.versions(device_id)}
        judged = look(center, store, one, versions, now_of(store))
    return result(report.offer_json(judged, rules.choose(judged)))


def _page(call: Call, store: Store, plan: str | None) -> dict[str, Any]:
    state = call.text("state")
    page = devices_page(
        call.file.center,
        store,
        plan=plan,
        state=None if state is None else DeviceState(state),
        text=call.text("text") or "",
        after=call.text("after"),
        limit=call.number("limit", PAGE),
    )
    views = [report.device_json(view) for view in page.views]
    return {"devices": views, "matching": page.total, "next": page.next, "previous": page.previous}


def _moment(store: Store) -> dict[str, Any]:
    with store.snapshot():
        return {"at": report.moment(now_of(store)), "simulated": store.simulated}


def _check_device(store: Store, device_id: str) -> str:
    """Its product. Raises Problem where it is not known."""
    product = store.product_of(device_id)
    if product is None:
        raise _no_device(device_id)
    return product


def _no_device(device_id: str) -> Problem:
    return Problem(404, f"devices: there is none of the id {device_id[:100]!r}")


# --- preview


def preview_of_plan(call: Call) -> Response:
    plan = PLANS.value(call)
    assert isinstance(plan, UpgradePlan)
    return _preview(call, plan)


def preview_of_draft(call: Call) -> Response:
    """Of a plan that need not be in the file."""
    plan = from_json(UpgradePlan, fields_of(UpgradePlan, call.body))
    faults = list(plan_faults(call.file.center, plan))
    if faults:
        raise BadValue("plan", faults)
    return _preview(call, plan)


def _preview(call: Call, plan: UpgradePlan) -> Response:
    with closing(call.store()) as store:
        with store.snapshot():
            now_s = now_of(store)
        return result(report.preview_json(preview(call.file.center, store, plan, now_s)))


# --- control


def act_on_plan_named(call: Call) -> Response:
    plan, file = PLANS.value(call), call.file
    assert isinstance(plan, UpgradePlan)
    (action,) = _members(call.body, {"action": [*lifecycle.Action]})
    with closing(call.store()) as store:
        now_s = _now_s(store)
        state = act_on_plan(file.center, store, plan.name, lifecycle.Action(action), now_s)
    return result({"plan": plan.name, "action": action, "state": state})


def act_on_device_named(call: Call) -> Response:
    device_id, center = call.name("id"), call.file.center
    names = [plan.name for plan in center.plans]
    plan, action = _members(call.body, {"plan": names, "action": [*DeviceAction]})
    with closing(call.store()) as store:
        _check_device(store, device_id)
        now_s = _now_s(store)
        changed = act_on_device(center, store, plan, device_id, DeviceAction(action), now_s)
    components = [component for _, component in changed]
    return result({"plan": plan, "device": device_id, "action": action, "components": components})


def _now_s(store: Store) -> float:
    with store.snapshot():
        return now_of(store)


def _members(body: Any, known: Mapping[str, list[str]]) -> list[str]:
    """The members of *body*, each one of those that are *known*. Raises Problem."""
    faults: list[Fault] = []
    if not isinstance(body, dict):
        expected = f"an object with {', '.join(known)}"
        faults.append(Fault("body", "cannot be", expected, type(body).__name__))
        body = {}
    else:
        faults += [Fault(name[:60], "is not known here") for name in body if name not in known]
        for name, choices in known.items():
            if name not in body:
                faults.append(Fault(name, "is missing"))
            elif body[name] not in choices:
                some = ", ".join(choices[:5]) + (" and more" if len(choices) > 5 else "")
                found = repr(body[name])[:60]
                faults.append(Fault(name, "cannot be", f"one of {some}", found))
    if faults:
        raise Problem(422, "; ".join(map(str, faults)), faults=faults)
    return [body[name] for name in known]
