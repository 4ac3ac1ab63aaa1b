"""Version packages: the list, what is in one, adding and changing it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mcu_updater.cloud.center import editing
from mcu_updater.cloud.center.load import CenterFile
from mcu_updater.cloud.center.model import (
    MAX_FILE_SIZE,
    MAX_FILES,
    SUFFIXES,
    Center,
    VersionPackage,
)
from mcu_updater.cloud.center.packages import forget_uploads
from mcu_updater.console.addresses import name_in
from mcu_updater.console.console import Console
from mcu_updater.console.pages import package_form
from mcu_updater.console.pages.editor import Editor, Parsed
from mcu_updater.console.pages.forms import Form, Values
from mcu_updater.console.pages.package_facts import files_of
from mcu_updater.console.pages.package_upload import PostedPackage, posted_package
from mcu_updater.console.pages.posted import reads_form
from mcu_updater.console.pages.view import looked_at, opened_store
from mcu_updater.console.rendering import render

FormPage = Callable[[Request, PostedPackage | None], Response]


def packages(request: Request) -> Response:
    file = request.app.state.console.file.now()
    rows = [(p, _size(file, p), _plans(file.center, p.name)) for p in file.center.packages]
    return render(request, "packages.html", packages=rows)


def _size(file: CenterFile, package: VersionPackage) -> int:
    return sum(len(data) for data in file.contents[package.name])


def _plans(center: Center, name: str) -> list[str]:
    return [plan.name for plan in center.plans if any(u.package == name for u in plan.upgrades)]


def _reads_upload(page: FormPage) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        posted = await posted_package(request) if request.method == "POST" else None
        return await run_in_threadpool(page, request, posted)

    return endpoint


def new_package(request: Request, posted: PostedPackage | None) -> Response:
    if posted is not None:
        return _saved(request, posted, "")
    return _show(request, package_form.fresh(), "", 200)


def package(request: Request, posted: PostedPackage | None) -> Response:
    name = name_in(request)
    if posted is not None:
        posted.values["name"] = [name]
        return _saved(request, posted, name)
    return _show(request, EDITOR.opened(EDITOR.existing(request, name)), name, 200)


def delete_package(request: Request, values: Values) -> Response:
    return EDITOR.deleted(request, values, name_in(request))


def _saved(request: Request, posted: PostedPackage, name: str) -> Response:
    """The new files are the package's then, or wait for who has to choose, or are not kept."""
    console: Console = request.app.state.console
    new = [kept.path.as_posix() for kept in posted.files]
    added = {key: posted.values.get(key, []) + new for key in ("keep", "had")}
    form = Form(posted.values | added | {"uploaded": new}, package_form.LABELS)
    for text in posted.refused:
        form.blame("files", text)
    files = [Path(path) for path in form.many("had")]
    saved = EDITOR.saved(request, form, name)
    if not saved.is_open:
        forget_uploads(console.file.path, files, console.file.now().center)
    return saved.answer


def _show(request: Request, form: Form, name: str, status: int) -> Response:
    """A form that comes back has lost the files that came with it: they must be chosen again."""
    with looked_at(request) as (seen, _):
        value = seen.center.package(name) if name else None
        plans = _plans(seen.center, name)
        locking = [plan for plan in plans if seen.is_locked(plan)]
        files = [] if value is None else files_of(seen.file, value)
    lost = set(form.many("uploaded")) if status >= 400 else set()
    for key in ("keep", "had"):
        form.values[key] = [path for path in form.many(key) if path not in lost]
    return render(
        request,
        "package.html",
        status_code=status,
        form=form,
        name=name,
        package=value,
        plans=plans,
        files=files,
        locked=_locked(locking),
        in_use=f"plan {plans[0]} needs it" if plans else "",
        suffixes=SUFFIXES,
        largest=MAX_FILE_SIZE,
        most=MAX_FILES,
    )


def _locked(plans: list[str]) -> str:
    """Why it cannot be changed."""
    return f"It cannot be changed any more: plan {plans[0]} has been activated." if plans else ""


def _put(request: Request, value: VersionPackage, revision: str | None) -> None:
    path = request.app.state.console.file.path
    with opened_store(request) as store:
        editing.put_package(path, value, revision=revision, store=store)


def _delete(request: Request, name: str, revision: str) -> None:
    path = request.app.state.console.file.path
    with opened_store(request) as store:
        editing.delete_package(path, name, revision=revision, store=store)


def _json_of(request: Request, form: Form) -> Parsed:
    del request
    return package_form.json_of(form, form.many("keep"))


def _find(center: Center, name: str) -> VersionPackage | None:
    return center.package(name)


EDITOR = Editor(
    base="/packages",
    word="package",
    kind=VersionPackage,
    labels=package_form.LABELS,
    find=_find,
    form_of=package_form.form_of,
    json_of=_json_of,
    group_of=package_form.group_of,
    put=_put,
    delete=_delete,
    show=_show,
)

ROUTES: list[Route] = [
    Route("/packages", packages),
    Route("/packages/new", _reads_upload(new_package), methods=["GET", "POST"]),
    Route("/packages/{name:name}", _reads_upload(package), methods=["GET", "POST"]),
    Route("/packages/{name:name}/delete", reads_form(delete_package), methods=["POST"]),
]
