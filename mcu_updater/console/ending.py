"""Requests that are still coming when the server is to end: as if their client had left."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcu_updater.console.feed import Feed
from mcu_updater.console.security import SAFE_METHODS


class NoLongerThanServed:
    """Middleware: nobody waits for the rest of a body when ``app.state.feed`` is closed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        feed: Feed | None = getattr(scope["app"].state, "feed", None)
        has_body = scope["type"] == "http" and scope["method"] not in SAFE_METHODS
        if has_body and feed is not None:
            receive = _until(feed.ended, receive)
        await self._app(scope, receive, send)


def _until(ended: asyncio.Event, receive: Receive) -> Receive:
    async def receive_or_end() -> Message:
        coming, ending = asyncio.ensure_future(receive()), asyncio.ensure_future(ended.wait())
        try:
            await asyncio.wait([coming, ending], return_when=asyncio.FIRST_COMPLETED)
            return coming.result() if coming.done() else {"type": "http.disconnect"}
        finally:
            coming.cancel()
            ending.cancel()

    return receive_or_end
