"""The cloud as the module sees it: one device's side of a Developer Center.

``single_device.SingleDeviceCloud`` is the small one, in memory; ``center`` has one that many
devices share and that keeps its state in a file.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Protocol

from mcu_updater.cloud.single_device import ComponentState, Plan


class Cloud(Protocol):
    """What a module needs of it. Times are the module's own clock, in seconds."""

    @property
    def plans(self) -> Sequence[Plan]:
        """All that may ever be offered: a module is saved with the index of its plan."""

    def message(self, versions: Mapping[str, str], now_s: float, *, pushed: bool) -> Sequence[Plan]:
        """What is due for a device that reports these *versions*: one plan for a component, in the
        order in which they are to be carried out; confirmed or refused together.

        *pushed*: the device has not asked.
        """

    def report(self, plan: Plan, state: ComponentState, now_s: float) -> None:
        """The module says how far *plan* is."""

    def memory(self, now_s: float) -> Hashable:
        """What decides what is offered from *now_s* on."""

    def memory_alone(self) -> Hashable:
        """``memory`` but for the time that has passed since an offer."""


class KeptCloud(Cloud, Protocol):
    """One that can be kept in the file of a served module."""

    def save(self, now_s: float = 0.0) -> dict[str, Any]:
        """JSON values. ``plans`` tells one such cloud from another."""

    def kept(self) -> Hashable:
        """What ``save`` would write, but for times: another value is worth another file."""

    def restored(self, saved: Mapping[str, Any], packages: Sequence[str]) -> KeptCloud:
        """This cloud as it was when *saved* was made, of plans whose packages had these SHA-256.

        Every plan keeps its index. Raises ``single_device.OtherPlans`` where that
        cannot be.
        """


def packages_of(cloud: KeptCloud) -> list[str]:
    """The SHA-256 of each plan's package, in the order of the plans."""
    return [plan.package.sha256.hex() for plan in cloud.plans]
