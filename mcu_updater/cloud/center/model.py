"""What a Developer Center knows before any device comes: values, within the platform's limits.

Limits and defaults are those of the platform's manual (device management, OTA upgrade: add a
version package; create an upgrade plan). A value outside them cannot be made: ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.dataclasses import dataclass

MAX_FILES = 5
MAX_FILE_SIZE = 100 * 1024 * 1024
MAX_DEVICES = 10_000
SUFFIXES = (
    ".bin",
    ".rar",
    ".pack",
    ".mini_1",
    ".mini_2",
    ".py",
    ".tar",
    ".tar.gz",
    ".s19",
    ".bin_1",
    ".bin_2",
    ".zip",
)
"""Of a package's files; the platform takes more types on request, .hex for one."""

SEPARATORS = frozenset(':;"')  # of AT+QIOTMCUVER's list and arguments


def _no_separator(text: str) -> str:
    if SEPARATORS & set(text) or not (text.isascii() and text.isprintable()):
        raise ValueError('printable ASCII without : ; and "')
    return text


def _known_zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("a time zone such as Europe/Berlin or UTC") from error
    return text


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("no name twice")
    return names


Name = Annotated[str, Strict(), MinLen(1), MaxLen(100)]
ComponentId = Annotated[str, Strict(), MinLen(1), MaxLen(32), AfterValidator(_no_separator)]
Version = Annotated[str, Strict(), StringConstraints(pattern=r"^[A-Za-z0-9_.\-]{1,64}$")]
DeviceId = Annotated[str, Strict(), StringConstraints(pattern=r"^[!-~]{1,64}$")]
Flag = Annotated[bool, Strict()]
Number = Annotated[int, Strict()]
Moment = Annotated[
    datetime,
    Strict(),
    WithJsonSchema(  # no "date-time", which needs an offset (RFC 3339)
        {
            "type": "string",
            "description": "ISO 8601, as 2026-03-02T08:00:00; without an offset in *timezone*",
        }
    ),
]
Names = Annotated[tuple[DeviceId, ...], AfterValidator(_unique)]

_VALUE = ConfigDict(extra="forbid")


class Protocol(StrEnum):
    """How a product's devices reach the platform; it decides how long an upgrade may take."""

    MQTT = "mqtt"
    LWM2M = "lwm2m"


class ComponentType(StrEnum):
    """*mcu* is SOTA, what this project is about; *module* is the module's own firmware."""

    MCU = "mcu"
    MODULE = "module"


class Kind(StrEnum):
    """Of a package: *delta* fits one source version only."""

    FULL = "full"
    DELTA = "delta"


class Mode(StrEnum):
    """*silent*: devices get the plan at once. *confirmed*: when its user has said yes in an app."""

    SILENT = "silent"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True, config=_VALUE)
class Component:
    """One thing in a device that has a version of its own."""

    id: ComponentId
    type: ComponentType = ComponentType.MCU


@dataclass(frozen=True, slots=True, config=_VALUE)
class Product:
    """A kind of device, and its components."""

    key: Name
    components: Annotated[tuple[Component, ...], MinLen(1)]
    name: Annotated[str, Strict()] = ""
    protocol: Protocol = Protocol.MQTT

    def component(self, component_id: str) -> Component | None:
        return next((c for c in self.components if c.id == component_id), None)


@dataclass(frozen=True, slots=True, config=_VALUE)
class VersionPackage:
    """What is uploaded for one version of a component. *files* are relative to the center file."""

    name: Name
    target: Version
    files: Annotated[tuple[Path, ...], MinLen(1), MaxLen(MAX_FILES)]
    type: ComponentType = ComponentType.MCU
    kind: Kind = Kind.FULL
    source: Version | None = None
    note: Annotated[str, Strict(), MaxLen(200)] = ""

    @model_validator(mode="after")
    def _check(self) -> VersionPackage:
        if (self.kind is Kind.DELTA) != (self.source is not None):
            raise ValueError("a source version for a delta package, and none for a full one")
        if self.source == self.target:
            raise ValueError("a source version other than the target version")
        return self


@dataclass(frozen=True, slots=True, config=_VALUE)
class Upgrade:
    """One component in a plan. *versions*: with a full package, the versions it is meant for."""

    component: ComponentId
    package: Name
    versions: Annotated[tuple[Version, ...], MaxLen(8)] = ()


@dataclass(frozen=True, slots=True, config=_VALUE)
class Strategy:
    """What 10700 announces, and how often a failed upgrade is tried again.

    The platform leaves it to the device to look at its battery and its signal.
    """

    retries: Annotated[Number, Ge(0), Le(100)] = 5
    min_battery: Annotated[Number, Ge(0), Le(100)] = 30  # percent
    min_signal: Annotated[Number, Ge(-200), Le(0)] = -113  # dBm


@dataclass(frozen=True, slots=True, config=_VALUE)
class UpgradePlan:
    """Which devices of a product get which packages, when and how.

    *begin* and *end* without an offset are in *timezone*, and so is *push_hours*, a half-open
    span of whole hours that may pass midnight. *rejection_minutes* counts from the push.
    """

    name: Name
    product: Name
    upgrades: Annotated[tuple[Upgrade, ...], MinLen(1)]
    timezone: Annotated[str, Strict(), AfterValidator(_known_zone)] = "UTC"
    begin: Moment | None = None
    end: Moment | None = None
    push_hours: tuple[Annotated[Number, Ge(0), Le(23)], Annotated[Number, Ge(1), Le(24)]] | None = (
        None
    )
    mode: Mode = Mode.SILENT
    push: Flag = True
    rejection_minutes: Annotated[Number, Ge(10), Le(1440)] = 120
    whitelist: Names = ()
    blacklist: Names = ()
    strategy: Strategy = Field(default_factory=Strategy)
    active: Flag = True

    @model_validator(mode="after")
    def _check(self) -> UpgradePlan:
        if self.begin_s >= self.end_s:
            raise ValueError("an end after the begin")
        if self.push_hours is not None and self.push_hours[0] == self.push_hours[1]:
            raise ValueError("push_hours of one hour at least")
        named = [upgrade.component for upgrade in self.upgrades]
        if len(set(named)) < len(named):
            raise ValueError("each component once")
        return self

    @property
    def begin_s(self) -> float:
        """Seconds since 1970, UTC; minus infinity where none is set."""
        return -math.inf if self.begin is None else self._moment_s(self.begin)

    @property
    def end_s(self) -> float:
        return math.inf if self.end is None else self._moment_s(self.end)

    def _moment_s(self, moment: datetime) -> float:
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(self.timezone))
        return zoned.timestamp()

    def pushes_at(self, now_s: float) -> bool:
        """Whether *now_s* lies in the hours in which plans are pushed."""
        if self.push_hours is None:
            return True
        first, last = self.push_hours
        hour = datetime.fromtimestamp(now_s, UTC).astimezone(ZoneInfo(self.timezone)).hour
        return first <= hour < last if first < last else not last <= hour < first

    def covers(self, device: str) -> bool:
        """The black list wins; a white list leaves out who is not on it."""
        if device in self.blacklist:
            return False
        return not self.whitelist or device in self.whitelist


@dataclass(frozen=True, slots=True, config=_VALUE)
class Device:
    """A device as it was made known before it came; *versions* are what it starts with."""

    id: DeviceId
    product: Name
    versions: dict[ComponentId, Version] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, config=_VALUE)
class Center:
    """Everything. Plans and upgrades count in their order."""

    products: tuple[Product, ...]
    packages: tuple[VersionPackage, ...] = ()
    plans: tuple[UpgradePlan, ...] = ()
    devices: Annotated[tuple[Device, ...], MaxLen(MAX_DEVICES)] = ()

    def product(self, key: str) -> Product | None:
        return next((p for p in self.products if p.key == key), None)

    def package(self, name: str) -> VersionPackage | None:
        return next((p for p in self.packages if p.name == name), None)

    def plan(self, name: str) -> UpgradePlan | None:
        return next((p for p in self.plans if p.name == name), None)

    def device(self, device_id: str) -> Device | None:
        return next((d for d in self.devices if d.id == device_id), None)


Contents = Mapping[str, tuple[bytes, ...]]
"""The bytes of each package's files, by the package's name."""
