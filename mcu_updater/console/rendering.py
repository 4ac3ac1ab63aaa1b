"""Pages from templates, in which every value is text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse

from mcu_updater.console.addresses import address
from mcu_updater.console.frame import Frame, bare_frame, frame_of


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("mcu_updater.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(
    request: HTTPConnection,
    template: str,
    /,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
    frame: Frame | None = None,
    **values: Any,
) -> HTMLResponse:
    """*template* with *values*; *frame* is what stands around it. Templates may call
    ``url(name, ...)``, the address of a route, and ``address(base, name, ...)``, of what is named.
    """
    text = (
        _environment()
        .get_template(template)
        .render(
            request=request,
            url=request.scope["app"].url_path_for,
            address=address,
            frame=frame or frame_of(request),
            **values,
        )
    )
    return HTMLResponse(text, status_code, headers=headers)


def render_error(
    request: HTTPConnection, problem: Mapping[str, Any], headers: Mapping[str, str]
) -> HTMLResponse:
    """The page of an error, which needs nothing but the error."""
    return render(
        request,
        "error.html",
        status_code=problem["status"],
        headers=headers,
        frame=bare_frame(request),
        problem=problem,
    )
