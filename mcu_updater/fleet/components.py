"""Which components of a product an emulated device has: one MCU, and the module itself."""

from __future__ import annotations

from mcu_updater.cloud.center.model import Center, ComponentType, Device
from mcu_updater.core.errors import UsageError


def module_component_of(center: Center, device: Device) -> str | None:
    """The component that is the module's own firmware: the first of its type; None: there is none.

    A module has one; it reports no version of another, which is never offered then.
    """
    product = center.product(device.product)
    components = product.components if product else ()
    names = (one.id for one in components if one.type is ComponentType.MODULE)
    return next(names, None)


def components_of(center: Center, device: Device) -> list[str]:
    """All that have a version on the emulated device."""
    own = module_component_of(center, device)
    return [component_of(center, device), *([own] if own is not None else [])]


def component_of(center: Center, device: Device) -> str:
    """The one component of a board: the first MCU of the product, one that has a version first.

    Raises UsageError where there is none.
    """
    product = center.product(device.product)
    components = product.components if product else ()
    names = [one.id for one in components if one.type is ComponentType.MCU]
    if not names:
        raise UsageError("no MCU to upgrade", where=f"product {device.product}")
    return next((name for name in names if name in device.versions), names[0])
