"""The pages, in the order of the navigation."""

from __future__ import annotations

from starlette.routing import Route

from mcu_updater.console.pages import device, monitoring, packages, plans, products


def routes() -> list[Route]:
    return [
        *products.ROUTES,
        *packages.ROUTES,
        *plans.ROUTES,
        *monitoring.ROUTES,
        *device.ROUTES,
    ]
