"""What all devices of one process share: center file, state file, and each package once.

The file may be edited meanwhile: whoever asks gets what it says now. A plan that a device was
offered stays the same object as long as the plan stays what it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from mcu_updater.cloud.center.connections import StoreBusy
from mcu_updater.cloud.center.device_session import enter_file
from mcu_updater.cloud.center.load import BadCenterFile, CenterFile
from mcu_updater.cloud.center.model import Center, ComponentType, UpgradePlan, VersionPackage
from mcu_updater.cloud.center.rules import Key
from mcu_updater.cloud.center.store import Store
from mcu_updater.cloud.single_device import Package, Plan

T = TypeVar("T")

REST_S = 0.5  # after the state file was found locked: whoever has it is left alone so long


class Followed(Protocol):
    """A center file that is read again when it changes. *fault*: why its newest content is none."""

    fault: BadCenterFile | None

    def now(self) -> CenterFile: ...


class SharedCenter:
    """*source* with its state file, for one thread.

    *patient*: a state file that another process keeps locked is tried again later, and the devices
    do without it meanwhile. *fault*: why the newest content of *source* does not count.
    """

    def __init__(
        self, source: CenterFile | Followed, store: Store, *, patient: bool = False
    ) -> None:
        self.store = store
        self.patient = patient
        self._fault: BadCenterFile | None = None
        self.file = source if isinstance(source, CenterFile) else source.now()
        self._source = source
        self._read = self.file
        self._busy_until_s = 0.0
        self._packages: dict[str, tuple[tuple[bytes, ...], Package]] = {}
        self._plans: dict[Key, Plan] = {}

    @property
    def fault(self) -> BadCenterFile | None:
        """See the class."""
        return None if isinstance(self._source, CenterFile) else self._source.fault or self._fault

    def now(self) -> CenterFile:
        """The file as it is now, with its plans in the state file; the last good one where it
        cannot be so. Raises StoreBusy unless patient."""
        if isinstance(self._source, CenterFile):
            return self.file
        read = self._source.now()
        if read is not self._read and not self._is_known(read):
            self.attempt(lambda: self._enter(read))
        return self.file

    def _is_known(self, read: CenterFile) -> bool:
        """Whether it was only written once more."""
        if read != self.file:
            return False
        self._read, self._fault = read, None
        return True

    def _enter(self, read: CenterFile) -> None:
        try:
            with self.store.transaction():
                enter_file(read, self.store)
        except BadCenterFile as error:
            self._fault = error
        else:
            self.file, self._fault = read, None
        self._read = read

    def attempt(self, call: Callable[[], T]) -> T | None:
        """What *call* returns; None: the state file is locked by another process, or was a moment
        ago. Raises StoreBusy instead unless patient."""
        if time.monotonic() < self._busy_until_s:
            return None
        try:
            return call()
        except StoreBusy:
            if not self.patient:
                raise
            self._busy_until_s = time.monotonic() + REST_S
            return None

    def offers(self, product: str) -> Iterator[tuple[Key, Plan]]:
        """All that devices of *product* may be offered, as the module gets it."""
        center = self.file.center
        for plan in center.plans:
            if plan.product == product:
                yield from self._offers_of(center, plan)

    def _offers_of(self, center: Center, plan: UpgradePlan) -> Iterator[tuple[Key, Plan]]:
        for upgrade in plan.upgrades:
            package = center.package(upgrade.package)
            assert package is not None, "a center file is read only when its references hold"
            own = package.type is ComponentType.MODULE
            if own or len(self.file.contents[package.name]) == 1:
                key = plan.name, upgrade.component
                yield key, self._plan(key, plan, package)

    def _plan(self, key: Key, plan: UpgradePlan, package: VersionPackage) -> Plan:
        made = Plan(
            component=key[1],
            target_version=package.target,
            package=self._package(package.name),
            own=package.type is ComponentType.MODULE,
            source_version=package.source or "",
            battery_limit=plan.strategy.min_battery,
            min_signal=plan.strategy.min_signal,
            retry_times=plan.strategy.retries,
            rejection_period_s=60.0 * plan.rejection_minutes,
        )
        if self._plans.get(key) != made:
            self._plans[key] = made
        return self._plans[key]

    def _package(self, name: str) -> Package:
        """Its bytes are held, and its digests computed, once."""
        data = self.file.contents[name]
        known = self._packages.get(name)
        if known is None or known[0] != data:
            self._packages[name] = known = data, Package(b"".join(data))
        return known[1]
