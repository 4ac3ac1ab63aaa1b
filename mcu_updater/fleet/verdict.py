"""The verdict on the module's own firmware on a device of a fleet, beside that on its MCU.

A plan for it needs the device's yes; the module downloads, checks, installs and reboots by itself,
and reports its version with every request (module FOTA).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcu_updater.cloud.center.model import Kind
from mcu_updater.cloud.center.store import Ended
from mcu_updater.cloud.single_device import ComponentState

if TYPE_CHECKING:
    from mcu_updater.fleet.device import FleetDevice

Verdict = tuple[Ended, str]
"""The outcome and its reason."""

_WORST_FIRST = (Ended.FAILED, Ended.LATE, Ended.REFUSED, Ended.UPGRADED, Ended.NOT_OFFERED)


class InconsistentReport(Exception):
    """What the device did or reported is not what it must be."""


def both(mcu: Verdict, firmware: Verdict) -> Verdict:
    """That of the device: the worse of the two; who was upgraded in part was upgraded."""
    return min(mcu, firmware, key=lambda verdict: _WORST_FIRST.index(verdict[0]))


def judge_firmware(device: FleetDevice, component: str, first_version: str) -> Verdict:
    """Raises InconsistentReport where center and module do not agree."""
    version = device.board.module.own_version
    reported = device.reported_version(component)
    if reported not in (None, version):
        raise InconsistentReport(f"the module runs {component} {version}, and reported {reported}")
    states = device.states_of(component)
    packages = {plan: device.package_of(plan, component) for plan in states}
    ended_well = {plan for plan, state in states.items() if state is ComponentState.SUCCESS}
    installed = {packages[plan].target for plan in ended_well}
    _check_version(device, component, version, installed or {first_version})
    failed = [
        plan
        for plan, state in states.items()
        if state is ComponentState.FAILED
        and not (packages[plan].kind is Kind.DELTA and packages[plan].target in installed)
    ]
    if failed:
        entry = device.entry_of(failed[-1], component)
        return Ended.FAILED, f"{component}: {entry.closed or f'failures {entry.failures}'}"
    refused = [plan for plan, state in states.items() if state is ComponentState.REFUSED]
    if refused:
        return Ended.REFUSED, f"{component}: {device.check_refused(refused[-1])}"
    device.check_admitted(ended_well)
    return (Ended.UPGRADED if ended_well else Ended.NOT_OFFERED), ""


def _check_version(device: FleetDevice, component: str, version: str, allowed: set[str]) -> None:
    """An upgrade that the center has ended may still have come to its end."""
    closed = {
        device.package_of(plan, component).target
        for plan in device.states_of(component)
        if device.entry_of(plan, component).closed
    }
    if version not in allowed | closed:
        expected = " or ".join(sorted(allowed))
        raise InconsistentReport(
            f"the module runs {component} {version}; by what the center says it is {expected}"
        )
