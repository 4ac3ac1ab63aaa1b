"""Errors as answers: problem JSON (RFC 9457) under ``/api``, a page elsewhere.

Whose fault it is decides the status: 4xx is the asker's, 503 another process's or the disk's, and
500 a fault of this program, which no input may lead to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from mcu_updater.cloud.center.editing import EditConflict
from mcu_updater.cloud.center.faults import BadCenterFile, BadValue, Fault
from mcu_updater.cloud.center.packages import UploadTooLarge
from mcu_updater.console.headers import HEADERS
from mcu_updater.console.rendering import render_error
from mcu_updater.core.errors import InputRejected, PortError, UpdaterError, UsageError
from mcu_updater.storage import FileInUse

API = "/api/"
MEDIA_TYPE = "application/problem+json"
RETRY_S = 1
"""After which a request that another process kept out may be tried again."""

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class Problem(Exception):
    """An answer other than the one that was asked for. *more*: members of the problem JSON."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        faults: Iterable[Fault] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    def members(self) -> dict[str, Any]:
        """As the standard names them; *faults* and what else there is are our own."""
        faults = {"faults": [asdict(fault) for fault in self.faults]} if self.faults else {}
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **faults,
            **self.more,
        }


def problem_of(error: Exception) -> Problem:
    """Of what a request ended with. Raises it again where it is a fault of this program."""
    match error:
        case Problem():
            return error
        case ClientDisconnect():
            return Problem(400, "The request broke off. Nothing was changed")
        case HTTPException():
            return Problem(error.status_code, str(error.detail), headers=error.headers)
        case BadCenterFile() | BadValue():
            return Problem(422, error.message, faults=error.faults)
        case EditConflict():
            return _conflict(error)
        case UploadTooLarge():
            return Problem(413, error.message, more=fields(error))
        case FileInUse():
            return _busy(error.message)
        case UsageError():
            return Problem(409, error.message, more=fields(error))
        case InputRejected():
            return Problem(422, error.message, more=fields(error))
        case PortError():
            text = error.message
            return _busy(text) if is_busy(error) else Problem(503, text, more=fields(error))
        case sqlite3.Error():
            return _busy(str(error)) if is_busy(error) else Problem(503, str(error))
        case _:
            raise error


def _conflict(error: EditConflict) -> Problem:
    """With what stands there now, so that nobody has to ask again."""
    if error.revision is None:
        return Problem(412, error.message, more={"revision": None, "current": None})
    more = {
        "revision": error.revision,
        "current": error.current,
        "differences": [asdict(one) for one in error.differences],
    }
    headers = {"ETag": f'"{error.revision}"'}
    return Problem(
        409 if error.expected == "nothing of that name" else 412,
        error.message,
        more=more,
        headers=headers,
    )


def fields(error: UpdaterError) -> dict[str, str]:
    """What the message was made from, for programs."""
    named = {name: getattr(error, name) for name in ("what", "where", "expected", "found")}
    return {name: value for name, value in named.items() if value}


def is_busy(error: BaseException) -> bool:
    """Whether another process kept us out of the state file."""
    cause = error if isinstance(error, sqlite3.Error) else error.__cause__
    code = getattr(cause, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _BUSY


def _busy(detail: str) -> Problem:
    return Problem(503, detail, headers={"Retry-After": str(RETRY_S)}, more={"busy": True})


def answer(request: HTTPConnection, problem: Problem) -> Response:
    """For a program or for a person, by the address."""
    if request.scope["path"].startswith(API):
        return JSONResponse(
            problem.members(), problem.status, headers=problem.headers, media_type=MEDIA_TYPE
        )
    return render_error(request, problem.members(), problem.headers)


def refusal(
    request: HTTPConnection, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    return answer(request, Problem(status, detail, headers=headers))


async def _on_error(request: Request, error: Exception) -> Response:
    return answer(request, problem_of(error))


async def _on_fault(request: Request, error: Exception) -> Response:
    """Told by the server too, with where it is. Made of nothing that may be at fault itself."""
    detail = f"A fault of this program: {type(error).__name__}. Its output says where"
    if request.scope["path"].startswith(API):
        return answer(request, Problem(500, detail, headers=HEADERS))
    return PlainTextResponse(detail, 500, headers=HEADERS)


HANDLERS: Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    Problem: _on_error,
    ClientDisconnect: _on_error,
    HTTPException: _on_error,
    UpdaterError: _on_error,
    sqlite3.Error: _on_error,
    Exception: _on_fault,
}
