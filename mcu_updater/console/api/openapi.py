"""The OpenAPI document, from the table of operations and the schemas."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from mcu_updater import __version__
from mcu_updater.console.api.operations import Operation
from mcu_updater.console.api.schemas import TEXT, all_schemas, ref
from mcu_updater.console.problems import MEDIA_TYPE
from mcu_updater.report.schema import SCHEMA

ALWAYS = (400, 401, 403, 422, 503)
"""Statuses of problems that every operation may have: of the request as such, the token, the site,
the query, the state file."""
_OF_BODIES = (413, 415)
_OF_GUARDED = (412, 428)

_PARAMETER = re.compile(r"\{(\w+)\}")


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for one in operations:
        paths[one.path][one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "An emulated Developer Center",
            "version": __version__,
            "description": f"Answers are of schema {SCHEMA}, as those of --json are",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "security": [{"token": []}, {}],
        "paths": dict(paths),
        "components": {
            "schemas": all_schemas(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Where the server was started with --token-file",
                }
            },
        },
    }


def _operation(one: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": _id(one),
        "summary": one.summary,
        "parameters": [*_path(one), *_query(one), *_headers(one)],
        "responses": {**_answers(one), **_problems(one)},
    }
    if one.body is not None:
        content = {kind: {"schema": ref(name)} for kind, name in one.bodies().items()}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _id(one: Operation) -> str:
    """``put_plans_name``: unique, for methods and paths are."""
    words = re.findall(r"\w+", one.path.removeprefix("/api"))
    return "_".join([one.method.lower(), *words])


def _path(one: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": TEXT}
        for name in _PARAMETER.findall(one.path)
    ]


def _query(one: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": parameter.name,
            "in": "query",
            "description": parameter.description,
            "schema": dict(parameter.schema),
        }
        for parameter in one.query
    ]


def _headers(one: Operation) -> list[dict[str, Any]]:
    known = {name: (text, False) for name, text in one.headers.items()}
    if one.is_guarded:
        known["If-Match"] = ('The revision that is changed, in quotes: "REVISION"', True)
    return [
        {"name": name, "in": "header", "required": needed, "description": text, "schema": TEXT}
        for name, (text, needed) in known.items()
    ]


def _answers(one: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, name in one.answers.items():
        found[str(status)] = {"description": HTTPStatus(status).phrase}
        if name is not None:
            found[str(status)]["content"] = {one.answer_type: {"schema": ref(name)}}
    return found


def _problems(one: Operation) -> dict[str, Any]:
    statuses = {*ALWAYS, *one.refusals}
    statuses |= {404} if "{" in one.path else set()
    statuses |= set(_OF_BODIES) if one.body is not None else set()
    statuses |= set(_OF_GUARDED) if one.is_guarded else set()
    content = {MEDIA_TYPE: {"schema": ref("Problem")}}
    return {
        str(status): {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted(statuses)
    }
