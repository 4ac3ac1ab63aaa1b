"""What the API can do, as a table's rows; and how a row becomes an endpoint.

From the same rows comes the OpenAPI document (``openapi``): neither says more than the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcu_updater.cloud.center.faults import Fault
from mcu_updater.cloud.center.load import CenterFile
from mcu_updater.cloud.center.store import Store
from mcu_updater.console.api.bodies import read_json
from mcu_updater.console.console import Console
from mcu_updater.console.problems import Problem
from mcu_updater.report.schema import SCHEMA


@dataclass(frozen=True, slots=True)
class Parameter:
    """Of the query. *schema*: as OpenAPI has it."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})

    def value_of(self, text: str) -> str | int:
        """Raises Problem where the schema does not allow it."""
        choices = self.schema.get("enum")
        if choices is not None and text not in choices:
            raise self._refused(f"one of {', '.join(choices)}", text)
        if self.schema["type"] != "integer":
            return text
        least, most = self.schema["minimum"], self.schema["maximum"]
        is_number = text.isascii() and text.isdigit() and len(text) < 10
        if not (is_number and least <= int(text) <= most):
            raise self._refused(f"a number from {least} to {most}", text)
        return int(text)

    def _refused(self, expected: str, found: str) -> Problem:
        fault = Fault(f"query, {self.name}", "cannot be", expected, repr(found[:60]))
        return Problem(422, str(fault), faults=[fault])


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read: what the function of an operation is given."""

    request: Request
    console: Console
    query: Mapping[str, str | int]
    body: Any = None

    def name(self, parameter: str = "name") -> str:
        """Of the path."""
        return str(self.request.path_params[parameter])

    def text(self, parameter: str) -> str | None:
        """Of the query; None: it does not name it."""
        value = self.query.get(parameter)
        return None if value is None else str(value)

    def number(self, parameter: str, otherwise: int) -> int:
        return int(self.query.get(parameter, otherwise))

    @property
    def file(self) -> CenterFile:
        return self.console.file.now()

    def store(self) -> Store:
        """Open; whoever asks closes it."""
        return self.console.store()

    def revisions(self) -> tuple[str, ...]:
        """Those of If-Match, which the asker knows. Raises Problem where it names none: it would
        change what it may never have seen."""
        header = self.request.headers.get("if-match", "").strip()
        if header in ("", "*"):
            text = 'This needs the header If-Match with the revision that is changed: "REVISION"'
            raise Problem(428, text)
        return tuple(part.strip().removeprefix("W/").strip('"') for part in header.split(","))


JSON = "application/json"
Reader = Callable[[Request], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a program may ask.

    *answers* and *body* name schemas of the document. *refusals* are statuses of problems, besides
    those that every operation may have. *is_guarded*: it needs If-Match.
    """

    method: str
    path: str
    function: Callable[[Call], Response]
    summary: str
    answers: Mapping[int, str | None]
    query: tuple[Parameter, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    body_type: str = JSON
    more_bodies: Mapping[str, str] = field(default_factory=dict)
    reader: Reader = read_json
    answer_type: str = JSON
    refusals: tuple[int, ...] = ()
    is_guarded: bool = False

    def bodies(self) -> dict[str, str]:
        """Names of schemas, by media type."""
        return {} if self.body is None else {self.body_type: self.body, **self.more_bodies}

    async def answer(self, request: Request) -> Response:
        query = _query(self, request)
        body = await self.reader(request) if self.body else None
        call = Call(request, request.app.state.console, query, body)
        return await run_in_threadpool(self.function, call)


def routes(operations: Iterable[Operation]) -> list[Route]:
    """One for each path: a method that it does not know is answered with those that it does."""
    by_path: dict[str, dict[str, Operation]] = defaultdict(dict)
    for operation in operations:
        by_path[operation.path][operation.method] = operation
    return [_route(path, methods) for path, methods in by_path.items()]


def _route(path: str, methods: Mapping[str, Operation]) -> Route:
    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await methods[method].answer(request)

    template = path.replace("}", ":name}")
    return Route(template, endpoint, methods=list(methods), name=path)


def _query(operation: Operation, request: Request) -> dict[str, str | int]:
    known = {parameter.name: parameter for parameter in operation.query}
    found: dict[str, str | int] = {}
    for name, text in request.query_params.multi_items():
        if name not in known:
            expected = f"one of {', '.join(known)}" if known else "no query"
            fault = Fault(f"query, {name[:60]}", "is not known here", expected)
            raise Problem(422, str(fault), faults=[fault])
        found[name] = known[name].value_of(text)
    return found


def result(
    fields: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """As the command line's ``--json`` has it, with the number of the schema first."""
    return JSONResponse({"schema": SCHEMA, **fields}, status, headers=headers)
