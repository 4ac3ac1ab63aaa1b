"""Small centers to test with: one product, two components, packages of a few bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mcu_updater.cloud.center.load import CenterFile
from mcu_updater.cloud.center.model import (
    Center,
    Component,
    ComponentType,
    Device,
    Kind,
    Product,
    Upgrade,
    UpgradePlan,
    VersionPackage,
)
from tests.places import ROOT

PRODUCT, DEVICE, COMPONENT = "p1", "d1", "STM32"
T0 = 1_772_435_000.0  # 2026-03-02, some time in the morning
EXAMPLE = ROOT / "examples" / "center" / "center.toml"


def product(**changes: Any) -> Product:
    components = (
        Component(COMPONENT),
        Component("radio"),
        Component("modem", ComponentType.MODULE),
    )
    return replace(Product(PRODUCT, components), **changes)


def package(name: str = "full", target: str = "2.0", **given: Any) -> VersionPackage:
    return VersionPackage(name, target, **{"files": (Path(f"{name}.bin"),), **given})


PACKAGES = (
    package(),
    package("delta", kind=Kind.DELTA, source="1.0"),
    package("radio", "r2"),
    package("modem", "m2", type=ComponentType.MODULE),
    package("many", files=(Path("a.bin"), Path("b.bin"))),
)


def plan(
    name: str = "plan", upgrades: tuple[tuple[str, str], ...] = (), **given: Any
) -> UpgradePlan:
    pairs = upgrades or ((COMPONENT, "full"),)
    given.setdefault("product", PRODUCT)
    return UpgradePlan(name, upgrades=tuple(Upgrade(*pair) for pair in pairs), **given)


def center(*plans: UpgradePlan, **given: Any) -> Center:
    devices = (Device(DEVICE, PRODUCT, {COMPONENT: "1.0"}), Device("d2", PRODUCT))
    given = {"devices": devices, "products": (product(),), "packages": PACKAGES, **given}
    return Center(plans=plans or (plan(),), **given)


def file_of(one: Center) -> CenterFile:
    contents = {
        p.name: tuple(f"{p.name} {name}".encode() * 9 for name in p.files) for p in one.packages
    }
    return CenterFile(Path("center.toml"), one, contents)
