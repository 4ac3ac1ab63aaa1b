"""Bodies of requests, read with a limit while they come."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from mcu_updater.console.problems import Problem

MAX_JSON = 4 * 1024 * 1024
"""Bytes: two lists of a plan that name 10,000 devices each take 1.4 MB."""


async def read_json(request: Request) -> Any:
    """What the body holds. Raises Problem for what is no JSON, or is too large."""
    kind = media_type(request)
    if kind != "application/json":
        text = f"The body must be application/json, and is {kind or 'of no type'}"
        raise Problem(415, text, headers={"Accept": "application/json"})
    refuse_large(request, MAX_JSON)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_JSON:
            raise too_large(MAX_JSON)
    return await run_in_threadpool(parsed, bytes(body))


def media_type(request: Request) -> str:
    """In small letters, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def refuse_large(request: Request, limit: int) -> None:
    """Before anything of it is read, where the asker says how large it is."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise too_large(limit)


def too_large(limit: int) -> Problem:
    return Problem(413, f"The body is too large; expected {limit} bytes at most")


def parsed(body: bytes | str) -> Any:
    """The JSON of somebody else. Raises Problem where it is none, or cannot be read here."""
    try:
        value = json.loads(body, parse_constant=_no_number, object_pairs_hook=_once)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except RecursionError as error:
        raise Problem(400, "The body is no JSON that is read here: nested too deeply") from error
    except ValueError as error:
        raise Problem(400, f"The body is no JSON: {error}") from error
    return value


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"the member {twice[:60]!r} stands twice in one object")
    return found
