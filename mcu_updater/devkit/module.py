"""The module at the device's USART, and the one plan that its cloud has."""

from __future__ import annotations

from functools import partial

from flash_emulator.machine.hosts import Talk
from flash_emulator.machine.hosts.session import Common
from mcu_updater.cloud.single_device import Package, Plan, SingleDeviceCloud
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.on_line import serve
from mcu_updater.quectel.emulated.options import ModuleOptions

BAUD = 2_000_000
"""Bytes come faster than the device has set its USART: fewer interrupts between them, and the
test takes less time. What they do to a line of 115,200 baud says test_hal.py."""

NETWORK_S = 0.01
"""Each step of the network and the cloud takes so long."""


def module_host(usart: str, plan: Plan | None, *, survives: bool = False) -> Talk:
    """It offers *plan*. A cut of the device's power is one of its own, too, and it begins anew;
    or it *survives*, has power of its own, and goes on where it was."""
    make = partial(make_module, () if plan is None else (plan,))
    common = Common(survives=survives)
    return Talk(usart, partial(serve, make), blocking=True, baud=BAUD, common=common)


def make_module(plans: tuple[Plan, ...]) -> EmulatedModule:
    cloud = SingleDeviceCloud(plans)
    options = ModuleOptions(
        echo=False,
        boot_s=0.0,
        connect_s=NETWORK_S,
        plan_delay_s=NETWORK_S,
        url_delay_s=NETWORK_S,
        header_delay_s=NETWORK_S,
    )
    return EmulatedModule(cloud, options)


def plan_of(component: str, version: str, package: bytes) -> Plan:
    return Plan(component, version, Package(package))
