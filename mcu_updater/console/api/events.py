"""The stream of events: the log as it grows, plans' states, the center file.

Each line of the log has an id, ``EPOCH-NUMBER``, from which a client that was cut off goes on: the
header ``Last-Event-ID``, which browsers send by themselves, or ``?after=ID`` (``0``: from the first
line). Plans, center file and problems are sent whole at the start, and whenever they change.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mcu_updater.cloud.center.faults import Fault
from mcu_updater.console.api.operations import Call
from mcu_updater.console.feed import Feed, Line, event
from mcu_updater.console.look import Seen
from mcu_updater.console.problems import Problem

HEARTBEAT_S = 15.0
"""A comment at least so often: so proxies keep the connection, and a dead one is noticed."""

_RETRY_MS = 1000  # after which a browser comes again
_PIECE = 16 * 1024  # bytes
_ID = re.compile(r"(?:([0-9a-f]{1,16})-)?([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Position:
    """In the log of the state file *epoch*; without one, of any."""

    epoch: str
    number: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Lines of one device or plan alone; None: of all."""

    device: str | None
    plan: str | None

    def has(self, line: Line) -> bool:
        is_device = self.device in (None, line.line.device)
        return is_device and self.plan in (None, line.line.plan)


def stream(call: Call) -> Response:
    """From now on, or from where the client was."""
    header = call.request.headers.get("last-event-id")
    wanted = Wanted(call.text("device"), call.text("plan"))
    if header is None:
        position = position_of(call.text("after"), "query, after")
    else:
        position = position_of(header, "header, Last-Event-ID")
    return EventStream(call.request.app.state.feed, position, wanted)


def position_of(text: str | None, where: str) -> Position | None:
    """From where on; None: from now. Raises Problem for what is no id."""
    if not text:
        return None
    found = _ID.fullmatch(text)
    if found is None or (found[1] is None and int(found[2])):
        fault = Fault(where, "is no id of an event", "EPOCH-NUMBER, or 0", repr(text[:60]))
        raise Problem(422, str(fault), faults=[fault])
    return Position(found[1] or "", int(found[2]))


class EventStream(Response):
    """Ends when the client has left, and when the feed is closed. Nothing of it stays."""

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, position: Position | None, wanted: Wanted) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._feed = feed
        self._position = position
        self._wanted = wanted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b""})
            return
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                while (await receive())["type"] != "http.disconnect":
                    continue
                group.cancel_scope.cancel()

            group.start_soon(watch)
            await self._send(send)
            group.cancel_scope.cancel()

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async with aclosing(events(self._feed, self._position, self._wanted)) as stream:
            async for data in stream:
                await send({"type": "http.response.body", "body": data, "more_body": True})
                await asyncio.sleep(0)  # so that it is heard of who has left
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def events(
    feed: Feed, position: Position | None, wanted: Wanted
) -> AsyncGenerator[bytes, None]:
    """What to send, until the feed is closed."""
    feed.join()
    try:
        yield f"retry: {_RETRY_MS}\n\n".encode()
        told = Seen()
        while not feed.is_closed:
            tick, seen = feed.tick, feed.seen
            if seen.epoch:
                position, reset = _placed(position, seen)
                yield reset
            yield _differences(told, seen)
            told = seen
            while position is not None and (lines := await feed.lines_after(position.number)):
                position = Position(position.epoch, lines[-1].number)
                for data in _pieces(line.event for line in lines if wanted.has(line)):
                    yield data
                if feed.is_closed or feed.seen.epoch != position.epoch:
                    break
            else:
                if not await _rung(tick):
                    yield b":\n\n"
    finally:
        feed.leave()


def _pieces(texts: Iterable[bytes]) -> Iterator[bytes]:
    """*texts* joined to pieces of about _PIECE bytes: of one that a client does not take, the
    server holds no more."""
    piece = bytearray()
    for text in texts:
        piece += text
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


def _placed(position: Position | None, seen: Seen) -> tuple[Position, bytes]:
    """Where a listener is in the log as it is now. One that knows another log begins anew."""
    if position is None:
        return Position(seen.epoch, seen.last), b""
    is_known = position.epoch == seen.epoch and position.number <= seen.last
    if is_known or not position.epoch:
        return Position(seen.epoch, position.number), b""
    return Position(seen.epoch, 0), event("reset", {"epoch": seen.epoch})


def _differences(told: Seen, seen: Seen) -> bytes:
    """What a listener does not know yet, but for the log."""
    found = b""
    if seen.center and seen.center != told.center:
        found += event("center", seen.center)
    if seen.plans != told.plans:
        found += event("plans", {"plans": seen.plans})
    if seen.problem != told.problem:
        found += event("problem", {"detail": seen.problem or None})
    return found


async def _rung(tick: asyncio.Event) -> bool:
    """Whether there is anything new, before a heartbeat is due."""
    try:
        await asyncio.wait_for(tick.wait(), HEARTBEAT_S)
    except TimeoutError:
        return False
    return True
