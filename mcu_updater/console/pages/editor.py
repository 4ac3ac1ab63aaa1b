"""Values of the center file edited by forms: shown, checked, saved, deleted; and what comes of two
who edit one value at the same time.

A form carries the revision of what it showed, and what it showed itself (*base*). Where another
value stands there by the time it is saved, both are shown side by side, and the person chooses: by
default what only one of both has changed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mcu_updater.cloud.center.editing import EditConflict, as_json, from_json, revision_of
from mcu_updater.cloud.center.faults import BadCenterFile, BadValue, Place
from mcu_updater.cloud.center.model import Center, Device, Product, UpgradePlan, VersionPackage
from mcu_updater.console.addresses import address
from mcu_updater.console.api.bodies import parsed
from mcu_updater.console.pages.forms import Form, Values
from mcu_updater.console.problems import Problem, problem_of
from mcu_updater.console.rendering import render
from mcu_updater.core.errors import UpdaterError

V = TypeVar("V", Product, VersionPackage, UpgradePlan, Device)

Parsed = tuple[dict[str, Any], dict[Place | str, str]]
SIDES = ("theirs", "mine")


@dataclass(frozen=True, slots=True)
class Saved:
    """*is_open*: nothing is decided yet, and what came along is still needed."""

    answer: Response
    is_open: bool = False


@dataclass(frozen=True)
class Editor(Generic[V]):
    """How values of one kind are edited. *base*: ``/plans``."""

    base: str
    word: str
    kind: type[V]
    labels: Mapping[str, str]
    find: Callable[[Center, str], V | None]
    form_of: Callable[[V], Form]
    json_of: Callable[[Request, Form], Parsed]
    group_of: Callable[[str], str]
    put: Callable[[Request, V, str | None], object]
    delete: Callable[[Request, str, str], object]
    show: Callable[[Request, Form, str, int], Response]

    def existing(self, request: Request, name: str) -> V:
        """Raises Problem where there is none of that name."""
        return self.existing_in(request.app.state.console.file.now().center, name)

    def existing_in(self, center: Center, name: str) -> V:
        """As ``existing``."""
        found = self.find(center, name)
        if found is None:
            raise Problem(404, f"There is no {self.word} {name!r}. It may have been deleted.")
        return found

    def opened(self, value: V) -> Form:
        """The form as it is shown first."""
        form = self.form_of(value)
        form.values["revision"] = [revision_of(value)]
        form.values["base"] = [json.dumps(as_json(value))]
        return form

    def posted(self, request: Request, values: Values, name: str) -> Response:
        """Save what was posted; *name* is empty for a new value."""
        return self.saved(request, Form(values, self.labels), name).answer

    def saved(self, request: Request, form: Form, name: str) -> Saved:
        """As ``posted``. *form* may have faults already."""
        form.values = self._chosen(form.values)
        if not name:
            form.values[self._key] = [form.text(self._key).strip()]
        if form.text("do") == "show":
            return Saved(self.show(request, form, name, 200), is_open=True)
        value = self.parsed(request, form)
        if value is None or form.faults:
            return Saved(self.show(request, form, name, 422))
        try:
            return Saved(self._put(request, form, value, name))
        except EditConflict as conflict:
            answer = self._conflict(request, form, value, name, conflict)
            return Saved(answer, is_open=not self._is_taken(form, name))

    def _put(self, request: Request, form: Form, value: V, name: str) -> Response:
        revision = form.text("revision") or None
        try:
            self.put(request, value, revision)
        except EditConflict:
            raise
        except (BadValue, BadCenterFile) as error:
            form.blame_all(error.faults, self.json_of(request, form)[1])
            return self.show(request, form, name, 422)
        except (UpdaterError, sqlite3.Error) as error:
            problem = problem_of(error)
            form.blame("", problem.detail)
            return self.show(request, form, name, problem.status)
        done = "saved" if revision else "added"
        return self.done(form.text(self._key), done)

    def parsed(self, request: Request, form: Form) -> V | None:
        """The value that *form* describes; None, and its faults in *form*, where there is none."""
        given, fields = self.json_of(request, form)
        try:
            return from_json(self.kind, given)
        except BadValue as error:
            form.blame_all(error.faults, fields)
            return None

    def deleted(self, request: Request, values: Values, name: str) -> Response:
        """Delete what the form showed, and nothing else."""
        revision = next(iter(values.get("revision", ())), "")
        try:
            self.delete(request, name, revision)
        except EditConflict as conflict:
            if conflict.current is None:
                return RedirectResponse(f"{self.base}?said={self.word}-deleted", 303)
            form = self.opened(self.existing(request, name))
            text = f"Somebody changed this {self.word} since you opened it. It was not deleted."
            form.blame("", text)
            return self.show(request, form, name, 409)
        except (UpdaterError, sqlite3.Error) as error:
            problem = problem_of(error)
            form = self.opened(self.existing(request, name))
            form.blame("", f"It was not deleted: {problem.detail}")
            return self.show(request, form, name, problem.status)
        return RedirectResponse(f"{self.base}?said={self.word}-deleted", 303)

    def done(self, name: str, what: str) -> Response:
        where = address(self.base, name)
        mark = "&" if "?" in where else "?"
        return RedirectResponse(f"{where}{mark}said={self.word}-{what}", 303)

    @property
    def _key(self) -> str:
        return "key" if self.kind is Product else "name"

    # --- two at the same time

    def _is_taken(self, form: Form, name: str) -> bool:
        """It was to be a new one."""
        return not name and not form.text("revision")

    def _conflict(
        self, request: Request, form: Form, mine: V, name: str, conflict: EditConflict
    ) -> Response:
        if self._is_taken(form, name):
            form.blame(self._key, f"there is a {self.word} of that name already")
            return self.show(request, form, name, 409)
        values: dict[str, Any] = {
            "name": name or form.text(self._key),
            "action": address(self.base, name),
            "leave": self.base if conflict.current is None else address(self.base, name),
            "gone": conflict.current is None,
            "multipart": self.kind is VersionPackage,
        }
        if conflict.current is None:
            kept = _pairs({k: v for k, v in form.values.items() if k not in ("revision", "do")})
            values |= {"revision": "", "kept": kept, "rows": []}
        else:
            theirs = from_json(self.kind, conflict.current)
            rows, kept = self._side_by_side(form, mine, theirs)
            kept.append(("base", json.dumps(as_json(theirs))))
            values |= {"revision": revision_of(theirs), "kept": kept, "rows": rows}
        return render(request, "conflict.html", status_code=409, **values)

    def _side_by_side(
        self, form: Form, mine: V, theirs: V
    ) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
        """A row for each difference, and what the page keeps in hidden fields."""
        sides = {"theirs": self._groups(theirs), "mine": self._groups(mine)}
        base = self._base(form)
        rows, kept = [], []
        for group in sides["mine"] | sides["theirs"]:
            own, other = (sides[side].get(group, {}) for side in ("mine", "theirs"))
            if own == other:
                kept += _pairs(own)
                continue
            kept += [(f"mine:{name}", text) for name, text in _pairs(own)]
            kept += [(f"theirs:{name}", text) for name, text in _pairs(other)]
            by = _changed_by(None if base is None else base.get(group, {}), own, other)
            rows.append(self._row(form, group, own, other, by))
        return rows, kept

    def _row(self, form: Form, group: str, own: Values, other: Values, by: str) -> dict[str, Any]:
        return {
            "label": self.labels.get(group) or group.partition(".")[2] or group,
            "id": form.id(group),
            "group": group,
            "mine": _words(own),
            "theirs": _words(other),
            "by": by,
        }

    def _groups(self, value: V) -> dict[str, Values]:
        found: dict[str, Values] = {}
        for name, texts in self.form_of(value).values.items():
            if any(texts):
                found.setdefault(self.group_of(name), {})[name] = texts
        return found

    def _base(self, form: Form) -> dict[str, Values] | None:
        """What the form showed when it was opened, as far as it still can be told."""
        try:
            return self._groups(from_json(self.kind, parsed(form.text("base"))))
        except (Problem, BadValue):
            return None

    def _chosen(self, values: Values) -> Values:
        """What was posted, of both sides what was chosen."""
        found = {name: texts for name, texts in values.items() if ":" not in name}
        for name, texts in values.items():
            side, colon, field = name.partition(":")
            choice = values.get(f"choose.{self.group_of(field)}", ["mine"])
            if colon and side in SIDES and choice == [side]:
                found[field] = texts
        return {name: texts for name, texts in found.items() if not name.startswith("choose.")}


def _pairs(values: Values) -> list[tuple[str, str]]:
    return [(name, text) for name, texts in values.items() for text in texts]


def _changed_by(base: Values | None, own: Values, other: Values) -> str:
    """Since the form was opened: by whom; both where that is not known."""
    if base is None or base not in (own, other):
        return "both"
    return "other" if base == own else "you"


def _words(values: Values) -> str:
    """Of one side of a difference, for people."""
    return "\n".join(text for texts in values.values() for text in texts) or "(nothing)"
