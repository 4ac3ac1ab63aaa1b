"""The pages, in the order of the navigation."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mcu_updater.console.pages import device, monitoring, packages, plans, products


def routes() -> list[Route]:
    return [
        *products.ROUTES,
        *packages.ROUTES,
        *plans.ROUTES,
        *monitoring.ROUTES,
        *device.ROUTES,
        Route("/favicon.ico", _icon),
    ]


def _icon(request: Request) -> Response:
    """Browsers ask for it where a page names none."""
    del request
    return RedirectResponse("/static/icon.svg", 301)
