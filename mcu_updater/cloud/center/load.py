"""The center file, ``center.toml``, to a model and the packages' bytes.

All that is wrong with a file is said at once, each fault with its place, what was expected and
what was found. What is odd but possible is a warning.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from mcu_updater.cloud.center.model import (
    MAX_DEVICES,
    MAX_FILE_SIZE,
    SUFFIXES,
    Center,
    ComponentType,
    Contents,
    Kind,
    Upgrade,
    UpgradePlan,
    VersionPackage,
)
from mcu_updater.core.errors import InputRejected, Remedy

_FOUND_SIZE = 60  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a center file."""

    where: str
    what: str
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}"
        text += f"; expected {self.expected}" if self.expected else ""
        return text + (f", found {self.found}" if self.found else "")


class BadCenterFile(InputRejected):
    """*Them*: the center file, or a package that it names, is not what it must be."""

    def __init__(self, path: Path, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(
            f"{len(self.faults)} faults" if len(self.faults) > 1 else "a fault",
            where=str(path),
            found="; ".join(str(fault) for fault in self.faults[:3]),
            remedies=[Remedy.CHECK_CENTER] if len(self.faults) > 3 else (),
        )


@dataclass(frozen=True, slots=True)
class CenterFile:
    """What a good center file holds. *warnings*: what its author may not have meant."""

    path: Path
    center: Center
    contents: Contents
    warnings: tuple[Fault, ...] = ()


def read_center(path: Path) -> CenterFile:
    """The center that *path* describes. Raises BadCenterFile, whatever is wrong."""
    raw = _expanded(path, _toml(path))
    try:
        center = TypeAdapter(Center).validate_python(raw)
    except ValidationError as error:
        raise BadCenterFile(path, [_fault(raw, detail) for detail in error.errors()]) from error
    faults = list(_reference_faults(center))
    contents, bad_files = _contents(center, path.parent)
    faults += bad_files
    if faults:
        raise BadCenterFile(path, faults)
    return CenterFile(path, center, contents, tuple(_warnings(center)))


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        found = error.strerror or str(error)
        raise BadCenterFile(path, [Fault("file", "cannot be read", found=found)]) from error
    except ValueError as error:  # of TOML, or of UTF-8
        fault = Fault("file", "is no TOML", "TOML 1.0 in UTF-8", str(error))
        raise BadCenterFile(path, [fault]) from error


def _expanded(path: Path, raw: dict[str, Any]) -> dict[str, Any]:
    """``count = 3`` makes three devices, ``pump-001`` to ``pump-003``."""
    devices = raw.get("devices")
    if not isinstance(devices, list):
        return raw
    found: list[Any] = []
    for number, device in enumerate(devices, 1):
        if not isinstance(device, dict) or "count" not in device:
            found.append(device)
            continue
        count, prefix = device["count"], device.get("id")
        if type(count) is not int or not 1 <= count <= MAX_DEVICES:
            expected = f"a number from 1 to {MAX_DEVICES}"
            fault = Fault(f"devices[{number}], count", "cannot be", expected, _short(count))
            raise BadCenterFile(path, [fault])
        rest = {key: value for key, value in device.items() if key != "count"}
        width = max(3, len(str(count)))
        found += [{**rest, "id": f"{prefix}-{at:0{width}}"} for at in range(1, count + 1)]
    return {**raw, "devices": found}


# --- faults of form


def _fault(raw: Any, detail: ErrorDetails) -> Fault:
    where = _place(raw, detail["loc"])
    match detail["type"]:
        case "missing":
            return Fault(where, "is missing")
        case "unexpected_keyword_argument":
            return Fault(where, "is not known here", found=_short(detail["input"]))
        case "value_error":
            text = detail["msg"].removeprefix("Value error, ")
            found = detail["input"] if isinstance(detail["input"], str | list | int) else ""
            return Fault(where, "cannot be", text, _short(found) if found != "" else "")
        case _:
            text = detail["msg"].replace("Input should be ", "")
            return Fault(where, "cannot be", text, _short(detail["input"]))


def _place(raw: Any, location: tuple[int | str, ...]) -> str:
    """``plans[2] "spring", strategy.retries``: counted from 1, with the name where there is one."""
    text, value = "", raw
    for step in location:
        value = _inside(value, step)
        if isinstance(step, int):
            text += f"[{step + 1}]{_name_of(value)}"
        else:
            separator = "" if not text else ", " if text.endswith(("]", '"')) else "."
            text += f"{separator}{step}"
    return text or "file"


def _inside(value: Any, step: int | str) -> Any:
    try:
        return value[step]
    except (LookupError, TypeError):
        return None


def _name_of(value: Any) -> str:
    if not isinstance(value, Mapping):
        return ""
    names = (value[key] for key in ("name", "key", "id", "component") if key in value)
    name = next(names, None)
    return f' "{name}"' if isinstance(name, str) and len(name) <= _FOUND_SIZE else ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _FOUND_SIZE else f"{text[:_FOUND_SIZE]}..."


# --- faults of reference


def _reference_faults(center: Center) -> Iterator[Fault]:
    yield from _twice("products", [p.key for p in center.products])
    yield from _twice("packages", [p.name for p in center.packages])
    yield from _twice("plans", [p.name for p in center.plans])
    yield from _twice("devices", [d.id for d in center.devices])
    for product in center.products:
        yield from _twice(f'products "{product.key}"', [c.id for c in product.components])
    for device in center.devices:
        if center.product(device.product) is None:
            known = _one_of(p.key for p in center.products)
            yield Fault(f'devices "{device.id}", product', "is not known", known, device.product)
    for plan in center.plans:
        yield from _plan_faults(center, plan)


def _twice(where: str, names: list[str]) -> Iterator[Fault]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Fault(where, "a name stands twice", "each name once", repr(name))


def _plan_faults(center: Center, plan: UpgradePlan) -> Iterator[Fault]:
    where = f'plans "{plan.name}"'
    product = center.product(plan.product)
    if product is None:
        known = _one_of(p.key for p in center.products)
        yield Fault(f"{where}, product", "is not known", known, repr(plan.product))
        return
    for upgrade in plan.upgrades:
        component = product.component(upgrade.component)
        package = center.package(upgrade.package)
        place = f'{where}, upgrades "{upgrade.component}"'
        if component is None:
            known = _one_of(c.id for c in product.components)
            what = "the product has no such component"
            yield Fault(f"{place}, component", what, known, repr(upgrade.component))
        if package is None:
            known = _one_of(p.name for p in center.packages)
            yield Fault(f"{place}, package", "is not known", known, repr(upgrade.package))
        if component is not None and package is not None:
            yield from _misfits(place, component.type, package, upgrade)


def _misfits(
    place: str, kind: ComponentType, package: VersionPackage, upgrade: Upgrade
) -> Iterator[Fault]:
    if package.type is not kind:
        what = "the package is for another type of component"
        yield Fault(f"{place}, package", what, str(kind), str(package.type))
    if package.kind is Kind.DELTA and upgrade.versions:
        what = "a delta package has its source version"
        yield Fault(f"{place}, versions", what, "none", _short(list(upgrade.versions)))


def _one_of(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - 5} more" if len(known) > 5 else ""
    return f"one of {', '.join(known[:5])}{more}" if known else "at least one to be described"


# --- files


def _contents(center: Center, folder: Path) -> tuple[Contents, list[Fault]]:
    contents: dict[str, tuple[bytes, ...]] = {}
    faults: list[Fault] = []
    for package in center.packages:
        where = f'packages "{package.name}", files'
        read: list[bytes] = []
        for name in package.files:
            fault = _file_fault(where, folder / name)
            if fault is not None:
                faults.append(fault)
            else:
                read.append((folder / name).read_bytes())
        contents[package.name] = tuple(read)
    return contents, faults


def _file_fault(where: str, path: Path) -> Fault | None:
    if not path.name.lower().endswith(SUFFIXES):
        return Fault(where, "the platform takes no such file", " ".join(SUFFIXES), path.name)
    try:
        size = path.stat().st_size
    except OSError as error:
        return Fault(where, f"{path.name} cannot be read", found=error.strerror or str(error))
    if not path.is_file():
        return Fault(where, f"{path.name} is no file")
    if not 0 < size <= MAX_FILE_SIZE:
        return Fault(where, path.name, f"1 to {MAX_FILE_SIZE} bytes", f"{size} bytes")
    return None


# --- warnings


def _warnings(center: Center) -> Iterator[Fault]:
    known = {device.id for device in center.devices}
    used = {upgrade.package for plan in center.plans for upgrade in plan.upgrades}
    first = {version for device in center.devices for version in device.versions.values()}
    for package in center.packages:
        where = f'packages "{package.name}"'
        if package.name not in used and package.target not in first:
            yield Fault(where, "no plan uses it")
        if package.type is ComponentType.MCU and len(package.files) > 1:
            what = "modules of SDK 2.9.0 take one file for an MCU: it will not be offered"
            yield Fault(where, what)
    yield from _delta_warnings(center)
    for plan in center.plans:
        where = f'plans "{plan.name}"'
        for kind, names in (("whitelist", plan.whitelist), ("blacklist", plan.blacklist)):
            unknown = [name for name in names if name not in known]
            if known and unknown:
                what = "names devices that are not described"
                yield Fault(f"{where}, {kind}", what, found=_short(unknown))
        if plan.whitelist and not any(plan.covers(name) for name in plan.whitelist):
            yield Fault(where, "no device is left: all on the white list are on the black one")


def _delta_warnings(center: Center) -> Iterator[Fault]:
    """A delta needs a full package, behind it: for other versions, and for where it fails."""
    for at, plan in enumerate(center.plans):
        for upgrade in plan.upgrades:
            delta = center.package(upgrade.package)
            if delta is None or delta.kind is not Kind.DELTA:
                continue
            where = f'plans "{plan.name}", upgrades "{upgrade.component}"'
            fulls = [
                place
                for place, other in enumerate(center.plans)
                if other.product == plan.product and _leads_to(center, other, upgrade, delta)
            ]
            if not fulls:
                yield Fault(where, "no full package for devices that the delta does not fit")
            elif fulls[0] < at:
                first = center.plans[fulls[0]].name
                yield Fault(where, f'never offered: plan "{first}" comes first and has it in full')


def _leads_to(center: Center, plan: UpgradePlan, upgrade: Upgrade, delta: VersionPackage) -> bool:
    """Whether *plan* has a full package of the same component and target."""
    for other in plan.upgrades:
        package = center.package(other.package)
        if other.component == upgrade.component and package is not None:
            return package.kind is Kind.FULL and package.target == delta.target
    return False
