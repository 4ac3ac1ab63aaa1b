"""One device: what it is, what became of its upgrades, what it did, what may be done with it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mcu_updater.cloud.center import rules
from mcu_updater.cloud.center.control import DeviceAction, act_on_device, why_not
from mcu_updater.cloud.center.device_session import look
from mcu_updater.cloud.center.model import Device
from mcu_updater.cloud.center.monitoring import ComponentView, DeviceView, device_view
from mcu_updater.cloud.center.rules import Judged
from mcu_updater.cloud.center.store import Store
from mcu_updater.console.addresses import address, name_in
from mcu_updater.console.pages.forms import Values
from mcu_updater.console.pages.posted import reads_form
from mcu_updater.console.pages.view import View, looked_at, opened_store, view
from mcu_updater.console.problems import Problem
from mcu_updater.console.rendering import render
from mcu_updater.core.errors import UsageError
from mcu_updater.report.center import moment

LINES = 100
"""Of the log, newest first; all of it is one click away."""

WORDS = {
    DeviceAction.CONFIRM: "Confirm for its user",
    DeviceAction.CANCEL: "Cancel",
    DeviceAction.RETRY: "Retry",
}


def device(request: Request) -> Response:
    name = name_in(request)
    with looked_at(request) as (seen, store):
        drawer = drawer_of(seen, store, name, request)
    if drawer is None:
        raise Problem(404, f"The center knows no device of the id {name[:100]!r}")
    fragment = "fragment" in request.query_params
    return render(request, "device_drawer.html" if fragment else "device.html", drawer=drawer)


def drawer_of(
    seen: View, store: Store, name: str | None, request: Request
) -> dict[str, Any] | None:
    """What there is to show of the device *name*; None where it is not known."""
    found = device_view(seen.center, store, name, seen.now_s) if name else None
    if name is None or found is None:
        return None
    everything = request.query_params.get("log") == "all"
    with store.snapshot():
        product = store.product_of(name) or ""
        described = seen.center.device(name)
        known = described or Device(name, product)
        versions = {**known.versions, **store.versions(name)}
        judged = look(seen.center, store, known, versions, seen.now_s)
        can = why_not(seen.center, store, name, seen.now_s)
        lines = store.log_page(name, None if everything else LINES + 1)
        ending = store.ending(name)
    return {
        "id": name,
        "address": address("/devices", name),
        "address_of_act": address("/devices", name, "act"),
        "back": _here(request),
        "product": product,
        "is_described": described is not None,
        "versions": sorted(versions.items()),
        "plans": [
            {"number": number, **_plan(seen, found, plan.name, can)}
            for number, plan in enumerate(seen.center.plans)
        ],
        "offers": _offers(judged),
        "lines": lines if everything else lines[:LINES],
        "more": not everything and len(lines) > LINES,
        "ending": ending,
        "zone": "simulated time" if store.simulated else "UTC",
        "module": _module(request, name),
        "film": address("/api/devices", name, "film"),
        "moment": moment,
    }


def _here(request: Request) -> str:
    """The address of the page that is shown, to come back to."""
    query = {k: v for k, v in request.query_params.items() if k not in ("fragment", "said")}
    path = str(request.scope["path"]).removesuffix("/act")
    return quote(path, safe="/%") + (f"?{urlencode(query)}" if query else "")


def _plan(
    seen: View, found: DeviceView, plan: str, can: dict[str, dict[DeviceAction, str]]
) -> dict[str, Any]:
    components: list[ComponentView] = [one for one in found.components if one.plan == plan]
    actions = [(action.value, WORDS[action], why) for action, why in can.get(plan, {}).items()]
    return {
        "name": plan,
        "state": seen.states[plan].value,
        "components": components,
        "actions": actions,
    }


def _offers(judged: list[Judged]) -> list[dict[str, Any]]:
    chosen = rules.choose(judged)
    found = []
    for one in judged:
        answer = "due after another plan" if one.why is None else str(one.why)
        found.append(
            {
                "plan": one.plan.name,
                "component": one.upgrade.component,
                "target": one.package.target,
                "is_offered": one in chosen,
                "answer": "would be offered now" if one in chosen else answer,
            }
        )
    return found


def _module(request: Request, device_id: str) -> str | None:
    """Where its served module is reached; None where none are served."""
    modules = getattr(request.app.state.console, "modules", None)
    found: str | None = None if modules is None else modules.address_of(device_id)
    return found


# --- what its owner does


def act(request: Request, values: Values) -> Response:
    """Cancel, retry or confirm; then back to where it was asked for."""
    name = name_in(request)
    plan, action, back = (values.get(key, [""])[0] for key in ("plan", "action", "back"))
    if action not in [*DeviceAction]:
        expected = ", ".join(DeviceAction)
        raise Problem(422, f"action: expected one of {expected}, found {action[:60]!r}")
    with opened_store(request) as store:
        seen = view(request, store)
        try:
            act_on_device(seen.center, store, plan, name, DeviceAction(action), seen.now_s)
        except UsageError as error:
            raise Problem(409, error.message) from error
    if "fragment" in request.query_params:
        return device(request)
    return RedirectResponse(_back(back, name), 303)


def _back(back: str, name: str) -> str:
    """An address of this console alone."""
    is_ours = back.startswith(("/monitoring", "/devices")) and "\\" not in back
    return back if is_ours else address("/devices", name)


ROUTES: list[Route] = [
    Route("/devices/{name:name}", device, name="device"),
    Route("/devices/{name:name}/act", reads_form(act), methods=["POST"], name="device_act"),
]
