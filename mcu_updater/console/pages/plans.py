"""Upgrade plans: the list, the form, the preview beside it, activation and what comes after."""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import Any
from zoneinfo import available_timezones

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mcu_updater.cloud.center import editing
from mcu_updater.cloud.center.control import act_on_plan
from mcu_updater.cloud.center.lifecycle import ACTIONS, Action, PlanState
from mcu_updater.cloud.center.load import plan_faults
from mcu_updater.cloud.center.model import Center, UpgradePlan
from mcu_updater.console.addresses import name_in
from mcu_updater.console.pages import plan_form, plan_preview
from mcu_updater.console.pages.editor import Editor, Parsed
from mcu_updater.console.pages.forms import Form, Values
from mcu_updater.console.pages.posted import reads_form
from mcu_updater.console.pages.view import (
    View,
    hours,
    looked_at,
    opened_store,
    package_of,
    period,
    targets,
    view,
)
from mcu_updater.console.problems import Problem
from mcu_updater.console.rendering import render
from mcu_updater.core.errors import UsageError

_STATE_WORDS = {
    PlanState.SAVED: "No device sees it yet.",
    PlanState.ACTIVE: "Devices are offered it. It can neither be edited nor deleted.",
    PlanState.UPGRADING: "A device has confirmed. It can neither be edited nor deleted.",
    PlanState.PAUSED: "Nobody begins; who has begun goes on.",
    PlanState.TERMINATED: "Terminated by its owner: who had not confirmed has failed.",
    PlanState.ENDED: "Its planned time is over: who had not confirmed has failed.",
}
_DONE = {
    Action.ACTIVATE: "activated",
    Action.PAUSE: "paused",
    Action.RESUME: "resumed",
    Action.TERMINATE: "terminated",
}


def plans(request: Request) -> Response:
    with looked_at(request) as (seen, _):
        rows = [_row(seen, plan) for plan in seen.center.plans]
    return render(request, "plans.html", plans=rows)


def _row(seen: View, plan: UpgradePlan) -> dict[str, Any]:
    return {
        "plan": plan,
        "state": seen.states[plan.name].value,
        "targets": targets(seen.center, plan),
        "period": period(plan),
        "actions": seen.can(plan.name),
    }


# --- the form


def new_plan(request: Request, values: Values) -> Response:
    if request.method == "POST":
        return _posted(request, values, "")
    products = request.app.state.console.file.now().center.products
    chosen = request.query_params.get("product") or (products[0].key if products else "")
    return _show(request, plan_form.fresh(chosen), "", 200)


def plan(request: Request, values: Values) -> Response:
    """The form while it is saved only, else what it is."""
    name = name_in(request)
    if request.method == "POST":
        return _posted(request, values | {"name": [name]}, name)
    value = EDITOR.existing(request, name)
    with looked_at(request) as (seen, _):
        if seen.is_locked(name):
            return _locked(request, seen, value)
    return _show(request, EDITOR.opened(value), name, 200)


def _posted(request: Request, values: Values, name: str) -> Response:
    if values.get("do") == ["preview"]:
        return _show(request, Form(values, plan_form.LABELS), name, 200)
    return EDITOR.posted(request, values, name)


def delete_plan(request: Request, values: Values) -> Response:
    return EDITOR.deleted(request, values, name_in(request))


def preview(request: Request, values: Values) -> Response:
    """The list beside the form, of what is typed there."""
    form = Form(values, plan_form.LABELS)
    return render(request, "preview.html", **_preview_of(request, form))


def _preview_of(request: Request, form: Form) -> dict[str, Any]:
    center = request.app.state.console.file.now().center
    tried = Form(form.values | {"name": [_name_for(center, form)]}, form.labels)
    if not any(name.endswith(".package") and texts[0] for name, texts in form.values.items()):
        return {"preview": None, "preview_why": ""}
    draft = EDITOR.parsed(request, tried)
    if draft is not None:
        _, fields = _json_of(request, tried)
        tried.blame_all(plan_faults(center, draft), fields)
    if draft is None or tried.faults:
        name, text = tried.faults[0]
        what = tried.label(name) if name else "the plan"
        why = f"Not shown while {what} is not right: {text}."
        return {"preview": None, "preview_why": why}
    with looked_at(request) as (seen, store):
        return plan_preview.of(seen, store, draft)


def _name_for(center: Center, form: Form) -> str:
    """One that no plan has, while the person has not thought of any."""
    free = next(name for name in map("-".__mul__, count(1)) if center.plan(name) is None)
    return form.text("name").strip() or free


def _show(request: Request, form: Form, name: str, status: int) -> Response:
    center = request.app.state.console.file.now().center
    product = center.product(form.text("product"))
    return render(
        request,
        "plan_form.html",
        status_code=status,
        form=form,
        name=name,
        products=[(p.key, f"{p.key} - {p.name}" if p.name else p.key) for p in center.products],
        components=plan_form.components_of(center, product),
        zones=_zones(),
        **_preview_of(request, form),
    )


@cache
def _zones() -> list[str]:
    """To choose from; others are taken as well."""
    return ["UTC", *sorted(name for name in available_timezones() if "/" in name)]


# --- what it is, and what is done with it


def _locked(request: Request, seen: View, value: UpgradePlan, refused: str = "") -> Response:
    return render(
        request,
        "plan.html",
        status_code=409 if refused else 200,
        state_words=_STATE_WORDS[seen.states[value.name]],
        actions=seen.can(value.name),
        refused=refused,
        **_facts(seen, value),
    )


def _facts(seen: View, value: UpgradePlan) -> dict[str, Any]:
    return {
        "plan": value,
        "state": seen.states[value.name].value,
        "upgrades": [(u, package_of(seen.center, u.package)) for u in value.upgrades],
        "period": period(value),
        "hours": hours(value),
    }


def activate(request: Request, values: Values) -> Response:
    """What would come of it, and the button. Only what was shown is activated."""
    name = name_in(request)
    center = request.app.state.console.file.now().center
    value = EDITOR.existing_in(center, name)
    revision, refused = editing.revision_of(value), ""
    if request.method == "POST":
        if values.get("revision") == [revision]:
            return _act(request, center, value, Action.ACTIVATE, "")
        refused = "Somebody changed the plan since this page was opened: this is what it is now."
    with looked_at(request) as (seen, store):
        found = plan_preview.of(seen, store, value)
        return render(
            request,
            "activate.html",
            status_code=409 if refused else 200,
            revision=revision,
            refused=refused,
            can=(Action.ACTIVATE, seen.states[name]) in ACTIONS,
            will=plan_preview.will_happen(seen, value, found["preview"]),
            **found,
            **_facts(seen, value),
        )


def act(request: Request, values: Values) -> Response:
    """Pause, resume, terminate."""
    center = request.app.state.console.file.now().center
    value = EDITOR.existing_in(center, name_in(request))
    try:
        action = Action(next(iter(values.get("action", ())), ""))
    except ValueError:
        raise Problem(
            422, f"There is no such action; expected one of {', '.join(Action)}"
        ) from None
    return _act(request, center, value, action, next(iter(values.get("back", ())), ""))


def _act(
    request: Request, center: Center, value: UpgradePlan, action: Action, back: str
) -> Response:
    """*center* is that of *value*: where another stands in the file by now, it is not activated."""
    with opened_store(request) as store:
        now_s = view(request, store).now_s
        try:
            act_on_plan(center, store, value.name, action, now_s)
        except UsageError as error:
            return _locked(request, view(request, store), value, error.message)
    if back == "/plans":
        return RedirectResponse(f"/plans?said=plan-{_DONE[action]}", 303)
    return EDITOR.done(value.name, _DONE[action])


def _put(request: Request, value: UpgradePlan, revision: str | None) -> None:
    path = request.app.state.console.file.path
    with opened_store(request) as store:
        editing.put_plan(path, value, revision=revision, store=store)


def _delete(request: Request, name: str, revision: str) -> None:
    path = request.app.state.console.file.path
    with opened_store(request) as store:
        editing.delete_plan(path, name, revision=revision, store=store)


def _json_of(request: Request, form: Form) -> Parsed:
    center = request.app.state.console.file.now().center
    return plan_form.json_of(form, center.product(form.text("product")))


def _find(center: Center, name: str) -> UpgradePlan | None:
    return center.plan(name)


EDITOR = Editor(
    base="/plans",
    word="plan",
    kind=UpgradePlan,
    labels=plan_form.LABELS,
    find=_find,
    form_of=plan_form.form_of,
    json_of=_json_of,
    group_of=plan_form.group_of,
    put=_put,
    delete=_delete,
    show=_show,
)

ROUTES: list[Route] = [
    Route("/plans", plans),
    Route("/plans/new", reads_form(new_plan), methods=["GET", "POST"]),
    Route("/plans/preview", reads_form(preview), methods=["POST"]),
    Route("/plans/{name:name}", reads_form(plan), methods=["GET", "POST"]),
    Route("/plans/{name:name}/activate", reads_form(activate), methods=["GET", "POST"]),
    Route("/plans/{name:name}/act", reads_form(act), methods=["POST"]),
    Route("/plans/{name:name}/delete", reads_form(delete_plan), methods=["POST"]),
]
