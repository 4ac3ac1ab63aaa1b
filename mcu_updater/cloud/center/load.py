"""The center file, ``center.toml``, to a model and the packages' bytes.

All that is wrong with a file is said at once, each fault with its place, what was expected and
what was found. What is odd but possible is a warning.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mcu_updater.cloud.center.faults import BadCenterFile, Fault, Place
from mcu_updater.cloud.center.form_faults import form_faults, short
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
from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image.names import refuse_unreadable

__all__ = ["BadCenterFile", "CenterFile", "Fault", "read_center"]

Sign = tuple[int, ...]
ReadFile = Callable[[Path], bytes]
_CENTER = TypeAdapter(Center)


@dataclass(frozen=True, slots=True)
class CenterFile:
    """What a good center file holds. *warnings*: what its author may not have meant."""

    path: Path
    center: Center
    contents: Contents
    warnings: tuple[Fault, ...] = ()
    sign: Sign = field(default=(), compare=False, repr=False)
    """Of the file when it was read: it may be another by now. Empty: it was not read there."""

    @property
    def is_stale(self) -> bool:
        return bool(self.sign) and self.sign != sign_of(self.path)


def sign_of(path: Path) -> Sign:
    """What changes with the content of *path*: times, size, identity; equal where it is missing."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return ()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


def read_center(path: Path, *, read_file: ReadFile = Path.read_bytes) -> CenterFile:
    """The center that *path* describes. Raises BadCenterFile, whatever is wrong.

    *read_file* reads packages: of a caller that has them already.
    """
    sign = sign_of(path)
    return replace(center_of(path, _raw(path), read_file), sign=sign)


def center_of(path: Path, raw: dict[str, Any], read_file: ReadFile = Path.read_bytes) -> CenterFile:
    """The same of what TOML made of *path*."""
    raw = expanded(path, raw)
    try:
        center = _CENTER.validate_python(raw)
    except ValidationError as error:
        raise BadCenterFile(path, form_faults(raw, error)) from error
    faults = list(_reference_faults(center))
    contents, bad_files = _contents(center, path.parent, read_file)
    faults += bad_files
    if faults:
        raise BadCenterFile(
            path, faults, [path.parent / f for p in center.packages for f in p.files]
        )
    return CenterFile(path, center, contents, tuple(_warnings(center)))


def text_of(path: Path) -> str:
    """What stands in *path*. Raises BadCenterFile where it cannot be read, or is no UTF-8."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # of which no end may come
            fault = Fault("file", "cannot be read", "a file on disk", "a pipe or a device")
            raise BadCenterFile(path, [fault])
        return path.read_bytes().decode()
    except OSError as error:
        found = error.strerror or str(error)
        raise BadCenterFile(path, [Fault("file", "cannot be read", found=found)]) from error
    except ValueError as error:
        raise _no_toml(path, error) from error


def raw_of(path: Path, text: str) -> dict[str, Any]:
    """What TOML makes of *text*. Raises BadCenterFile."""
    if text.startswith("\ufeff"):
        fault = Fault("file", "begins with a byte order mark", "TOML 1.0 in UTF-8 without one")
        raise BadCenterFile(path, [fault])
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_toml(path, error) from error


def _raw(path: Path) -> dict[str, Any]:
    return raw_of(path, text_of(path))


def _no_toml(path: Path, error: Exception) -> BadCenterFile:
    return BadCenterFile(path, [Fault("file", "is no TOML", "TOML 1.0 in UTF-8", str(error))])


def expanded(path: Path, raw: dict[str, Any]) -> dict[str, Any]:
    """``count = 3`` makes three devices, ``pump-001`` to ``pump-003``."""
    devices = raw.get("devices")
    if not isinstance(devices, list):
        return raw
    found: list[Any] = []
    for at, device in enumerate(devices):
        if not isinstance(device, dict) or "count" not in device:
            found.append(device)
            continue
        fault = _count_fault(device, ("devices", at, "count"))
        if fault is not None:
            raise BadCenterFile(path, [fault])
        rest = {key: value for key, value in device.items() if key != "count"}
        found += [{**rest, "id": name} for name in names_of(device)]
        if len(found) > MAX_DEVICES:
            break  # the model says so, too
    return {**raw, "devices": found}


def names_of(group: dict[str, Any]) -> list[str]:
    """The ids of the devices that a table with ``count`` stands for."""
    width = max(3, len(str(group["count"])))
    return [f"{group['id']}-{at:0{width}}" for at in range(1, group["count"] + 1)]


def _count_fault(device: dict[str, Any], at: Place) -> Fault | None:
    count, prefix = device["count"], device.get("id")
    where = f"devices[{int(at[1]) + 1}]"
    if type(count) is not int or not 1 <= count <= MAX_DEVICES:
        expected = f"a number from 1 to {MAX_DEVICES}"
        return Fault(f"{where}, count", "cannot be", expected, short(count), at)
    if not isinstance(prefix, str):
        expected = "a text, which the names of all of them begin with"
        return Fault(f"{where}, id", "cannot be", expected, short(prefix), (*at[:2], "id"))
    return None


# --- faults of reference


def _reference_faults(center: Center) -> Iterator[Fault]:
    yield from _twice("products", [p.key for p in center.products])
    yield from _twice("packages", [p.name for p in center.packages])
    yield from _twice("plans", [p.name for p in center.plans])
    yield from _twice("devices", [d.id for d in center.devices])
    for at, product in enumerate(center.products):
        names = [c.id for c in product.components]
        yield from _twice(f'products "{product.key}"', names, ("products", at, "components"))
    for at, device in enumerate(center.devices):
        if center.product(device.product) is None:
            known, place = _one_of(p.key for p in center.products), ("devices", at, "product")
            where = f'devices "{device.id}", product'
            yield Fault(where, "is not known", known, device.product, place)
    for at, plan in enumerate(center.plans):
        for fault in plan_faults(center, plan):
            yield replace(fault, at=("plans", at, *fault.at))


def _twice(where: str, names: list[str], at: Place = ()) -> Iterator[Fault]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Fault(where, "a name stands twice", "each name once", repr(name), at)


def plan_faults(center: Center, plan: UpgradePlan) -> Iterator[Fault]:
    """What of *plan*, which need not be in *center*, does not fit what is. Places are within it."""
    where = f'plans "{plan.name}"'
    product = center.product(plan.product)
    if product is None:
        known, found = _one_of(p.key for p in center.products), repr(plan.product)
        yield Fault(f"{where}, product", "is not known", known, found, ("product",))
        return
    for number, upgrade in enumerate(plan.upgrades):
        at = ("upgrades", number)
        component = product.component(upgrade.component)
        package = center.package(upgrade.package)
        place = f'{where}, upgrades "{upgrade.component}"'
        if component is None:
            known = _one_of(c.id for c in product.components)
            what = "the product has no such component"
            found = repr(upgrade.component)
            yield Fault(f"{place}, component", what, known, found, (*at, "component"))
        if package is None:
            known = _one_of(p.name for p in center.packages)
            found = repr(upgrade.package)
            yield Fault(f"{place}, package", "is not known", known, found, (*at, "package"))
        if component is not None and package is not None:
            yield from _misfits(place, at, component.type, package, upgrade)


def _misfits(
    place: str, at: Place, kind: ComponentType, package: VersionPackage, upgrade: Upgrade
) -> Iterator[Fault]:
    if package.type is not kind:
        what = "the package is for another type of component"
        yield Fault(f"{place}, package", what, str(kind), str(package.type), (*at, "package"))
    if package.kind is Kind.DELTA and upgrade.versions:
        what = "a delta package has its source version"
        found = short(list(upgrade.versions))
        yield Fault(f"{place}, versions", what, "none", found, (*at, "versions"))


def _one_of(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - 5} more" if len(known) > 5 else ""
    return f"one of {', '.join(known[:5])}{more}" if known else "at least one to be described"


# --- files


def _contents(center: Center, folder: Path, read_file: ReadFile) -> tuple[Contents, list[Fault]]:
    contents: dict[str, tuple[bytes, ...]] = {}
    faults: list[Fault] = []
    for at, package in enumerate(center.packages):
        where = f'packages "{package.name}", files'
        read: list[bytes] = []
        for number, name in enumerate(package.files):
            data = _file(where, folder / name, read_file)
            if isinstance(data, Fault):
                faults.append(replace(data, at=("packages", at, "files", number)))
            else:
                read.append(data)
        contents[package.name] = tuple(read)
    return contents, faults


def _file(where: str, path: Path, read_file: ReadFile) -> bytes | Fault:
    name = short(path.name)[1:-1]
    if not path.name.lower().endswith(SUFFIXES):
        return Fault(where, "the platform takes no such file", " ".join(SUFFIXES), name)
    try:
        size = path.stat().st_size
        if not path.is_file():
            return Fault(where, f"{name} is no file")
        if 0 < size <= MAX_FILE_SIZE:
            return read_file(path)
    except (OSError, ValueError) as error:  # a name can hold what no system takes
        found = getattr(error, "strerror", None) or str(error)
        return Fault(where, f"{name} cannot be read", found=found)
    return Fault(where, name, f"1 to {MAX_FILE_SIZE} bytes", f"{size} bytes")


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
            yield Fault(where, what, "one file, made of the parts")
        elif package.type is ComponentType.MCU:
            yield from _unreadable(where, package.files[0].name)
    yield from _delta_warnings(center)
    for plan in center.plans:
        where = f'plans "{plan.name}"'
        for kind, names in (("whitelist", plan.whitelist), ("blacklist", plan.blacklist)):
            unknown = [name for name in names if name not in known]
            if known and unknown:
                what = "names devices that are not described"
                yield Fault(f"{where}, {kind}", what, found=short(unknown))
        if plan.whitelist and not any(plan.covers(name) for name in plan.whitelist):
            yield Fault(where, "no device is left: all on the white list are on the black one")


def _unreadable(where: str, name: str) -> Iterator[Fault]:
    """The platform takes more kinds of files than devices can read."""
    try:
        refuse_unreadable(name, where)
    except ImageRejected as error:
        yield Fault(where, error.what, error.expected or "", error.found or "")


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
