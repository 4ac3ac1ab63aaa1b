"""The center file, edited by a program: one element at a time, the whole of it checked before.

Who edits names the revision that was read. If another stands there by then, nothing is written and
the conflict says what differs. Editors wait for each other; so does the activation of a plan.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mcu_updater.cloud.center.device_session import enter_file
from mcu_updater.cloud.center.edited_text import Edit, Read
from mcu_updater.cloud.center.faults import BadCenterFile, BadValue, Fault
from mcu_updater.cloud.center.form_faults import printable, short
from mcu_updater.cloud.center.json_form import (
    TABLES,
    Value,
    as_json,
    from_json,
    name_of,
    revision_of,
)
from mcu_updater.cloud.center.lifecycle import PlanState
from mcu_updater.cloud.center.load import CenterFile, Sign, center_of, raw_of, sign_of, text_of
from mcu_updater.cloud.center.model import Center, Device, Product, UpgradePlan, VersionPackage
from mcu_updater.cloud.center.packages import forget_uploads
from mcu_updater.cloud.center.store import Store
from mcu_updater.core.errors import PortError, UsageError
from mcu_updater.storage import FileInUse, hold, write_whole

__all__ = [
    "Difference",
    "EditConflict",
    "EditRefused",
    "as_json",
    "delete_device",
    "delete_package",
    "delete_plan",
    "delete_product",
    "from_json",
    "put_device",
    "put_package",
    "put_plan",
    "put_product",
    "revision_of",
]

PATIENCE_S = 10.0  # for other editors
_LONGEST_PAUSE_S = 0.02
_MOST_TRIES = 20  # where somebody without the lock writes the file meanwhile
_IN_MESSAGE = 5  # differences


@dataclass(frozen=True, slots=True)
class Difference:
    """One field, such as ``strategy.retries``, in which what stands in the file differs from what
    was to be written. In JSON; None: it is not there."""

    field: str
    there: Any
    wanted: Any

    def __str__(self) -> str:
        return f"{self.field} is {self.there!r} and not {self.wanted!r}"


class EditConflict(UsageError):
    """*You*: another has changed it since you read it. Nothing was written.

    *revision* and *current*: of what stands there now, None where nothing does. *differences*:
    from what was to be written.
    """

    def __init__(self, where: str, expected: str | None, there: Value | None, new: Value | None):
        self.revision = None if there is None else revision_of(there)
        self.current = None if there is None else as_json(there)
        self.differences = tuple(_differences(there, new))
        super().__init__(
            _WHAT[expected is None, there is None],
            where=where,
            expected="nothing of that name" if expected is None else f"revision {expected}",
            found="nothing" if self.revision is None else self._found(),
            then="Nothing was written. Read it again, and then decide",
        )

    def _found(self) -> str:
        first = ", ".join(str(one)[:200] for one in self.differences[:_IN_MESSAGE])
        more = len(self.differences) - _IN_MESSAGE
        return f"revision {self.revision}" + (
            f", where {first}" + (f" and {more} more" if more > 0 else "") if first else ""
        )


_WHAT = {
    (True, False): "is there already",
    (False, False): "another has changed it meanwhile",
    (False, True): "another has deleted it meanwhile",
}


class EditRefused(UsageError):
    """*You*: the platform does not let it be edited or deleted any more. Nothing was written."""


# --- what may be asked for


def put_product(
    path: Path, product: Product, *, revision: str | None, store: Store | None, name: str = ""
) -> CenterFile:
    """Write *product* into the center file *path*; return what the file then holds.

    *revision*: None: it is new; else that of the one which it takes the place of. *name*: of that
    one, where the new one has another. *store*: what has been activated; None: nothing.

    Raises EditConflict, EditRefused; BadValue where the product does not fit the rest;
    BadCenterFile where the file itself is not good; PortError where it cannot be written.
    """
    return _edit(path, Product, name or product.key, product, revision, store)


def put_package(
    path: Path,
    package: VersionPackage,
    *,
    revision: str | None,
    store: Store | None,
    name: str = "",
) -> CenterFile:
    """As ``put_product``. Files that were uploaded and are not named any more are removed."""
    return _edit(path, VersionPackage, name or package.name, package, revision, store)


def put_plan(
    path: Path, plan: UpgradePlan, *, revision: str | None, store: Store | None, name: str = ""
) -> CenterFile:
    """As ``put_product``."""
    return _edit(path, UpgradePlan, name or plan.name, plan, revision, store)


def put_device(
    path: Path, device: Device, *, revision: str | None, store: Store | None, name: str = ""
) -> CenterFile:
    """As ``put_product``. One of a group that ``count`` makes gets a table of its own."""
    return _edit(path, Device, name or device.id, device, revision, store)


def delete_product(path: Path, name: str, *, revision: str, store: Store | None) -> CenterFile:
    """Remove it from the center file; return what the file then holds. Raises as ``put_product``,
    EditRefused also where plans or devices need it."""
    return _edit(path, Product, name, None, revision, store)


def delete_package(path: Path, name: str, *, revision: str, store: Store | None) -> CenterFile:
    """As ``delete_product``. Its uploaded files are removed as well."""
    return _edit(path, VersionPackage, name, None, revision, store)


def delete_plan(path: Path, name: str, *, revision: str, store: Store | None) -> CenterFile:
    """As ``delete_product``."""
    return _edit(path, UpgradePlan, name, None, revision, store)


def delete_device(path: Path, name: str, *, revision: str, store: Store | None) -> CenterFile:
    """As ``delete_product``."""
    return _edit(path, Device, name, None, revision, store)


# --- how it is done


def _edit(
    path: Path,
    kind: type[Value],
    name: str,
    new: Value | None,
    revision: str | None,
    store: Store | None,
) -> CenterFile:
    with _held(path):
        for _ in range(_MOST_TRIES):
            sign = sign_of(path)
            attempt = _Attempt(path, kind, name, new)
            attempt.check_revision(revision)
            attempt.check_state(store)
            text, file = attempt.made()
            unchanged = partial(_check_unchanged, path, sign)
            try:
                with nullcontext() if store is None else store.transaction():
                    unchanged()
                    attempt.check_state(store)  # nobody activates a plan from here on
                    if store is not None:
                        enter_file(file, store)
                    if text is not None:
                        write_whole(path, text.encode(), before=unchanged)
            except _ChangedMeanwhile:
                continue
            break
        else:
            raise PortError("is written all the time", where=str(path), then="Nothing was changed")
    if isinstance(attempt.old, VersionPackage) and text is not None:
        forget_uploads(path, attempt.old.files, file.center)
    return file


class _ChangedMeanwhile(Exception):
    """An editor of text takes no lock."""


def _check_unchanged(path: Path, sign: Sign) -> None:
    if sign_of(path) != sign:
        raise _ChangedMeanwhile


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Nobody else edits it. Raises FileInUse where somebody does so for long."""
    until_s = time.monotonic() + PATIENCE_S
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(hold(path))
                break
            except FileInUse:
                if time.monotonic() > until_s:
                    raise
            time.sleep(random.uniform(0.0, _LONGEST_PAUSE_S))  # noqa: S311  fairness, no secret
        yield


class _Attempt:
    """One edit of what stands in the file now."""

    def __init__(self, path: Path, kind: type[Value], name: str, new: Value | None) -> None:
        self._path, self._kind, self._name, self._new = path, kind, name, new
        text = text_of(path)
        self._read = Read(text, raw_of(path, text))
        self._bytes: dict[Path, bytes] = {}
        self._file = self._file_of(self._read.raw)
        there: Iterable[Value] = getattr(self._file.center, TABLES[kind])
        self.old: Value | None = next((one for one in there if name_of(one) == name), None)
        self._where = printable(f'{TABLES[kind]} "{name}"')

    def _file_of(self, raw: dict[str, Any]) -> CenterFile:
        return center_of(self._path, raw, self._package)

    def _package(self, path: Path) -> bytes:
        """Read once for both texts."""
        if path not in self._bytes:
            self._bytes[path] = path.read_bytes()
        return self._bytes[path]

    def check_revision(self, revision: str | None) -> None:
        """Raises EditConflict."""
        if (None if self.old is None else revision_of(self.old)) != revision:
            raise EditConflict(self._where, revision, self.old, self._new)

    def check_state(self, store: Store | None) -> None:
        """Raises EditRefused."""
        if self.old is None or self._is_same():
            return
        states = {} if store is None else store.plan_states()
        activated = {name for name, state in states.items() if state is not PlanState.SAVED}
        why = _why_refused(self._file.center, self.old, self._new, activated)
        if why:
            raise EditRefused(
                "cannot be deleted" if self._new is None else "cannot be edited",
                where=self._where,
                found=why,
                then="Nothing was written",
            )

    def _is_same(self) -> bool:
        return self._new is not None and as_json(self._new) == as_json(self.old or self._new)

    def made(self) -> tuple[str | None, CenterFile]:
        """The new text, and what it holds; None: nothing changes. Raises BadValue."""
        if self.old is not None and self._is_same():
            return None, self._file
        if isinstance(self._new, VersionPackage):
            _check_files(self._path, self._new, self.old)
        made = Edit(self._path, self._read, self._kind, self.old, self._new).made()
        try:
            return made.text, self._file_of(made.raw)
        except BadCenterFile as error:  # it was good before
            raise BadValue(self._where, self._within(error.faults)) from error

    def _within(self, faults: Iterable[Fault]) -> list[Fault]:
        """With places in the value, where that is known."""
        return [
            Fault(f.where, f.what, f.expected, f.found, f.at[2:])
            if f.at[:1] == (TABLES[self._kind],)
            else f
            for f in faults
        ]


def _check_files(path: Path, package: VersionPackage, old: Value | None) -> None:
    """A file by hand may name files anywhere; who edits through a program gets no others read."""
    known = old.files if isinstance(old, VersionPackage) else ()
    home = path.parent.resolve()
    faults = []
    for at, name in enumerate(package.files):
        try:
            is_inside = (home / name).resolve().is_relative_to(home)
        except (OSError, ValueError, RuntimeError):  # no name of a file
            is_inside = False
        if name not in known and not is_inside:
            place = ("files", at)
            faults.append(
                Fault(
                    "files", "leads out of the center's folder", str(home), short(str(name)), place
                )
            )
    if faults:
        raise BadValue(f'packages "{package.name}"', faults)


# --- what the platform refuses


def _why_refused(center: Center, old: Value, new: Value | None, activated: set[str]) -> str:
    """Empty: it may be done."""
    match old:
        case UpgradePlan():
            return "it has been activated" if old.name in activated else ""
        case VersionPackage():
            return _why_package(center, old, new, activated)
        case Product():
            return _why_product(center, old, new, activated)
        case Device():
            return ""


def _why_package(
    center: Center, old: VersionPackage, new: Value | None, activated: set[str]
) -> str:
    users = [p.name for p in center.plans if any(u.package == old.name for u in p.upgrades)]
    if new is not None and name_of(new) == old.name:
        users = [name for name in users if name in activated]
        return f"activated plans use it: {_some(users)}" if users else ""
    return f"plans use it: {_some(users)}" if users else ""


def _why_product(center: Center, old: Product, new: Value | None, activated: set[str]) -> str:
    plans = [plan for plan in center.plans if plan.product == old.key]
    if not isinstance(new, Product) or new.key != old.key:
        users = [f"plan {plan.name}" for plan in plans]
        users += [f"device {d.id}" for d in center.devices if d.product == old.key]
        return f"it is used by {_some(users)}" if users else ""
    plans = [plan for plan in plans if plan.name in activated]
    used = {upgrade.component for plan in plans for upgrade in plan.upgrades}
    changed = {name for name in used if old.component(name) != new.component(name)}
    if changed or (plans and new.protocol != old.protocol):
        what = f"components {_some(sorted(changed))}" if changed else "protocol"
        return f"activated plans need its {what} as they are: {_some([p.name for p in plans])}"
    return ""


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _IN_MESSAGE} more" if len(names) > _IN_MESSAGE else ""
    return ", ".join(names[:_IN_MESSAGE]) + more


# --- what differs


def _differences(there: Value | None, new: Value | None) -> Iterator[Difference]:
    if there is not None and new is not None:
        yield from _between("", as_json(there), as_json(new))


def _between(field: str, there: Any, new: Any) -> Iterator[Difference]:
    if isinstance(there, dict) and isinstance(new, dict):
        for key in there | new:
            yield from _between(f"{field}.{key}" if field else key, there.get(key), new.get(key))
    elif _are_tables(there) and _are_tables(new) and len(there) == len(new):
        for at, pair in enumerate(zip(there, new, strict=True), 1):
            yield from _between(f"{field}[{at}]", *pair)
    elif there != new:
        yield Difference(field, there, new)


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)
