"""Who may ask: this computer, or who has the token; and no page of another site in their name.

* On loopback a request must name this computer as its host: a name of somebody else's that leads
  here (DNS rebinding) is refused.
* With a token every request needs it: as ``Authorization: Bearer TOKEN``, or as the cookie that a
  browser got for ``?token=TOKEN``, which it sends to no other site's requests and shows no script.
* What changes anything is refused where a browser says that another site asks (``Sec-Fetch-Site``,
  ``Origin``). Programs send neither.
* Each answer forbids scripts and frames of others, and guesses of its type.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import ipaddress
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcu_updater.console.headers import HEADERS
from mcu_updater.console.problems import refusal

SAFE_METHODS = frozenset({"GET", "HEAD"})
OWN_SITES = frozenset({"same-origin", "none"})  # of Sec-Fetch-Site; none: typed by the user

STATIC = "/static/"


class Guard:
    """Middleware. *token* is None on loopback, where anybody on this computer may ask."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guarded = _guarded(send, scope["path"])
        answer = self._refused(HTTPConnection(scope), scope["method"])
        if answer is not None:
            await answer(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)

    def _refused(self, request: HTTPConnection, method: str) -> Response | None:
        host = host_of(request.headers.get("host", ""))
        if host is None:
            return refusal(request, 400, "The request names no host, or one that cannot be")
        if self._token is None and not (host.name == "localhost" or is_loopback(host.name)):
            text = "The request names another computer as its host. Open localhost or 127.0.0.1"
            return refusal(request, 403, text)
        if method not in SAFE_METHODS and not is_own_site(request.headers):
            text = "Another site asks for a change. Only this site's pages and programs may"
            return refusal(request, 403, text)
        if self._token is None:
            return None
        return self._unknown(request, method, self._token)

    def _unknown(self, request: HTTPConnection, method: str, token: str) -> Response | None:
        """Who has no token is told so; a browser that brings it is given its cookie."""
        given = request.query_params.get("token")
        if given is not None and method in SAFE_METHODS and _same(given, token):
            return _cookie_for(request, token)
        if _is_known(request, token):
            return None
        text = "A token is missing or wrong. Open the address that the server printed at its start"
        return refusal(request, 401, text, {"WWW-Authenticate": "Bearer"})


class Host(NamedTuple):
    """Of the header of that name. *port* is 80 where it names none."""

    name: str
    port: int


def host_of(header: str) -> Host | None:
    """What *header* names, in small letters; None where it is not what RFC 9110 says."""
    if set(header) & set("/?#@\\ "):
        return None
    try:
        parts = urlsplit(f"//{header}")
        return Host(parts.hostname, parts.port or 80) if parts.hostname else None
    except ValueError:
        return None


def is_loopback(address: str) -> bool:
    """Of 127.0.0.0/8 or ::1; False for what is no address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def is_own_site(headers: Headers) -> bool:
    """Whether no browser says that the request comes from elsewhere."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site not in OWN_SITES:
        return False
    return origin is None or origin.partition("://")[2] == headers.get("host")


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())


def _is_known(request: HTTPConnection, token: str) -> bool:
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and _same(bearer.strip(), token):
        return True
    return _same(request.cookies.get(_cookie_name(request), ""), _cookie_value(token))


def _cookie_name(request: HTTPConnection) -> str:
    """Cookies know no ports: two consoles of one computer must not share theirs."""
    host = host_of(request.headers.get("host", ""))
    return f"mcu-updater-{host.port if host else 80}"


def _cookie_value(token: str) -> str:
    """Not the token itself: whoever reads it cannot ask with it in a header."""
    return hmac.new(token.encode(), b"cookie of a browser", hashlib.sha256).hexdigest()


def _cookie_for(request: HTTPConnection, token: str) -> Response:
    """The same page without the token in its address. Not a redirect: of one that began at another
    site, as a link in a chat, browsers do not send the new cookie."""
    rest = [pair for pair in request.query_params.multi_items() if pair[0] != "token"]
    path = "/" + quote(request.scope["path"].lstrip("/"))
    target = html.escape(path + (f"?{urlencode(rest)}" if rest else ""))
    response = HTMLResponse(
        '<!doctype html><meta charset="utf-8"><title>Developer Center</title>'
        f'<meta http-equiv="refresh" content="0; url={target}"><a href="{target}">Go on</a>'
    )
    response.set_cookie(
        _cookie_name(request), _cookie_value(token), httponly=True, samesite="strict"
    )
    return response


def _guarded(send: Send, path: str) -> Send:
    """With our headers in each answer; what is not an asset is kept nowhere."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault(
                "Cache-Control", "no-cache" if path.startswith(STATIC) else "no-store"
            )
        await send(message)

    return guarded
