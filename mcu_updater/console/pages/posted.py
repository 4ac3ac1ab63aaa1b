"""Pages that read forms: what was posted is read as it comes, and worked on in a thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from mcu_updater.console.pages.forms import Values
from mcu_updater.console.problems import Problem

MAX_FORM = 16 * 1024 * 1024
"""Bytes: two lists of 10,000 device ids of the greatest size, encoded, in three versions (what the
form showed, and both sides of a conflict)."""
MAX_FIELDS = 2_000

FORM = "application/x-www-form-urlencoded"

Page = Callable[[Request, Values], Response]


def reads_form(page: Page) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that calls *page* in a thread, with what was posted: nothing after a GET."""

    async def endpoint(request: Request) -> Response:
        values = await posted(request) if request.method == "POST" else {}
        return await run_in_threadpool(page, request, values)

    return endpoint


async def posted(request: Request) -> Values:
    """The fields of a form. Raises Problem where it is none, or too large."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise Problem(415, f"This page takes a form; expected {FORM}, found {kind or 'no type'}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            raise Problem(413, f"The form is too large; expected at most {MAX_FORM} bytes")
    return await run_in_threadpool(_fields_of, bytes(body))


def _fields_of(body: bytes) -> Values:
    """In a thread: the greatest form takes seconds."""
    try:
        return parse_qs(
            body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise Problem(422, f"The form cannot be read: {error}") from error
