"""The console as a web application: what it works on, and what is mounted where.

It is one more process on the center's files. Every request reads the center file again where it has
changed, and opens the state file for itself; what happens meanwhile elsewhere is seen by the next.
"""

from __future__ import annotations

import contextlib
import mimetypes
from collections.abc import AsyncIterator
from hashlib import sha256

import anyio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from flash_emulator.player import player_assets
from mcu_updater.console import pages, problems, uploads
from mcu_updater.console.api.operations import routes
from mcu_updater.console.api.table import OPERATIONS
from mcu_updater.console.console import Console
from mcu_updater.console.ending import NoLongerThanServed
from mcu_updater.console.feed import Feed
from mcu_updater.console.security import Guard
from mcu_updater.console.segments import WholeSegments

__all__ = ["Console", "make_app"]


def make_app(console: Console) -> Starlette:
    """Pages at ``/``, the API at ``/api``, assets at ``/static``."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.feed = Feed(console)
        app.state.upload_threads = anyio.CapacityLimiter(uploads.MOST)
        yield
        app.state.feed.close()

    app = Starlette(
        routes=[*routes(OPERATIONS), *pages.routes(), _player(), _static()],
        middleware=[
            Middleware(Guard, token=console.token),
            Middleware(WholeSegments),
            Middleware(NoLongerThanServed),
        ],
        exception_handlers=problems.HANDLERS,
        lifespan=lifespan,
    )
    app.state.console = console
    return app


def _player() -> Mount:
    """The player of films, of another package: ``/static/player/player.js`` and its style."""
    routes = [_asset(name, content) for name, content in player_assets().items()]
    return Mount("/static/player", routes=routes, name="player")


def _asset(name: str, content: bytes) -> Route:
    media_type, _ = mimetypes.guess_type(name)
    headers = {"ETag": f'"{sha256(content).hexdigest()[:16]}"'}

    def answer(request: Request) -> Response:
        del request
        return Response(content, media_type=media_type, headers=headers)

    return Route(f"/{name}", answer, name=name)


def _static() -> Route | Mount:
    files = StaticFiles(packages=[("mcu_updater.console", "static")])
    return Mount("/static", files, name="static")
