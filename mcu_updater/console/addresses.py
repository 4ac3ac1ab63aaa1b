"""Addresses of what has a name of its own: ``/plans/spring``, whatever the name is."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request

from mcu_updater.console.segments import NameConvertor

_ODD = frozenset({".", "..", "new", "named", "preview"})
"""Names that an address cannot hold: browsers take a dot away, and some are pages themselves."""


def address(base: str, name: str, *rest: str) -> str:
    """``address("/plans", "a/b", "activate")``: ``/plans/a%2Fb/activate``."""
    tail = "".join(f"/{part}" for part in rest)
    if name in _ODD:
        return f"{base}/named{tail}?{urlencode({'name': name})}"
    return f"{base}/{NameConvertor().to_string(name)}{tail}"


def name_in(request: Request) -> str:
    """The name that the address of *request* holds."""
    name: str = request.path_params["name"]
    return request.query_params.get("name", name) if name == "named" else name
