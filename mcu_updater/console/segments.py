"""Names in paths: any text, also with slashes and percent signs, as one segment each.

Servers decode a path before it is routed, so that the name ``a/b`` would be two segments. Here it
is decoded but for the slash and the percent sign, and the convertor ``name`` does the rest::

    Route("/plans/{name:name}", page)
    request.path_params["name"]                 # "a/b", of /plans/a%2Fb
    request.app.url_path_for("plan", name="a/b")  # /plans/a%2Fb
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send


class NameConvertor(Convertor[str]):
    """One segment, whatever is in it."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return value.replace("%2F", "/").replace("%25", "%")

    def to_string(self, value: str) -> str:
        return quote(value, safe="")


register_url_convertor("name", NameConvertor())


class WholeSegments:
    """Middleware: ``scope["path"]`` with slashes and percent signs in segments still encoded."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope.get("raw_path")
        if scope["type"] == "http" and raw:
            scope = {**scope, "path": "/".join(map(_decoded, raw.decode("latin-1").split("/")))}
        await self._app(scope, receive, send)


def _decoded(segment: str) -> str:
    return unquote(segment).replace("%", "%25").replace("/", "%2F")
