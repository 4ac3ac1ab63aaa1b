"""Products, packages, plans and devices: read, made, changed and deleted, each in one way.

What is answered has the names of the center file, and ``revision``; whoever changes one sends that
back in ``If-Match``. In a body, what only an answer has (``revision``, a plan's ``state``) is left
aside, so that a value can be read, changed and sent back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from mcu_updater.cloud.center import editing
from mcu_updater.cloud.center.device_session import now_of, seen_states
from mcu_updater.cloud.center.json_form import (
    TABLES,
    Value,
    as_json,
    from_json,
    name_of,
    revision_of,
)
from mcu_updater.cloud.center.load import CenterFile
from mcu_updater.cloud.center.model import Center, Device, Product, UpgradePlan, VersionPackage
from mcu_updater.console.api.bodies import media_type, read_json
from mcu_updater.console.api.operations import Call, result
from mcu_updater.console.problems import Problem
from mcu_updater.console.uploads import FORM, UploadForm, receive_form

_ONLY_ANSWERED: dict[type[Value], frozenset[str]] = {
    Product: frozenset({"schema", "revision"}),
    VersionPackage: frozenset({"schema", "revision"}),
    UpgradePlan: frozenset({"schema", "revision", "state"}),
    Device: frozenset(
        {"schema", "revision", "state", "is_described", "reported", "module", "components"}
    ),
}
"""Members of answers that are no fields of the value."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of value and what may be done with it. *parameter*: its name in paths."""

    kind: type[Value]
    put: Callable[..., CenterFile]
    delete: Callable[..., CenterFile]
    parameter: str = "name"

    @property
    def table(self) -> str:
        return TABLES[self.kind]

    @property
    def path(self) -> str:
        return f"/api/{self.table}/{{{self.parameter}}}"

    def values(self, center: Center) -> tuple[Value, ...]:
        found: tuple[Value, ...] = getattr(center, self.table)
        return found

    def value(self, call: Call) -> Value:
        """The one of the path. Raises Problem where there is none."""
        name = call.name(self.parameter)
        found = next((v for v in self.values(call.file.center) if name_of(v) == name), None)
        if found is None:
            raise Problem(404, f"{self.table}: there is none of the name {name[:100]!r}")
        return found

    # --- operations

    def list(self, call: Call) -> Response:
        states = _states(call) if self.kind is UpgradePlan else {}
        values = self.values(call.file.center)
        return result({self.table: [_shown(value, states) for value in values]})

    def read(self, call: Call) -> Response:
        value = self.value(call)
        return self._answer(call, value)

    def create(self, call: Call) -> Response:
        fields = call.body
        if isinstance(fields, UploadForm):
            return self._create_uploaded(call, fields)
        if self.kind is UpgradePlan and isinstance(fields, dict):
            fields = {"active": False, **fields}
        value = from_json(self.kind, fields_of(self.kind, fields))
        return self._created(call, value)

    def replace(self, call: Call) -> Response:
        old = self.value(call)
        revision = _known(call, old)
        new = from_json(self.kind, fields_of(self.kind, call.body))
        with closing(call.store()) as store:
            self.put(call.console.file.path, new, revision=revision, store=store, name=name_of(old))
        return self._answer(call, new)

    def remove(self, call: Call) -> Response:
        old = self.value(call)
        revision = _known(call, old)
        with closing(call.store()) as store:
            self.delete(call.console.file.path, name_of(old), revision=revision, store=store)
        return Response(status_code=204)

    def _create_uploaded(self, call: Call, form: UploadForm) -> Response:
        """A package with its files; without them, where it cannot be."""
        try:
            fields: dict[str, Any] = {name: text for name, text in form.fields.items() if text}
            fields["files"] = [kept.path.as_posix() for kept in form.files]
            return self._created(call, from_json(self.kind, fields))
        except BaseException:
            form.forget(call.console)
            raise

    def _created(self, call: Call, value: Value) -> Response:
        with closing(call.store()) as store:
            self.put(call.console.file.path, value, revision=None, store=store)
        place = f"/api/{self.table}/{quote(name_of(value), safe='')}"
        return self._answer(call, value, 201, {"Location": place})

    def _answer(
        self, call: Call, value: Value, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        states = _states(call) if isinstance(value, UpgradePlan) else {}
        etag = f'"{revision_of(value)}"'
        return result(_shown(value, states), status, {"ETag": etag, **(headers or {})})


PRODUCTS = Resource(Product, editing.put_product, editing.delete_product, "key")
PACKAGES = Resource(VersionPackage, editing.put_package, editing.delete_package)
PLANS = Resource(UpgradePlan, editing.put_plan, editing.delete_plan)
DEVICES = Resource(Device, editing.put_device, editing.delete_device, "id")


async def read_package(request: Request) -> Any:
    """JSON, or a form with files."""
    if media_type(request) == FORM:
        return await receive_form(request)
    return await read_json(request)


def fields_of(kind: type[Value], body: Any) -> Any:
    """Of a value that may have been read from here."""
    if not isinstance(body, dict):
        return body
    return {name: value for name, value in body.items() if name not in _ONLY_ANSWERED[kind]}


def _known(call: Call, old: Value) -> str:
    """The revision that the asker knows: the one that stands there, if it is among them."""
    known, there = call.revisions(), revision_of(old)
    return there if there in known else known[0]


def _shown(value: Value, states: Mapping[str, str]) -> dict[str, Any]:
    state = {"state": states[value.name]} if isinstance(value, UpgradePlan) else {}
    return {**as_json(value), **state, "revision": revision_of(value)}


def _states(call: Call) -> dict[str, str]:
    with closing(call.store()) as store, store.snapshot():
        states = seen_states(call.file.center, store, now_of(store))
    return {name: state.value for name, state in states.items()}
