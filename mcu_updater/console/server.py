"""The console on a port, until a signal ends it."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from mcu_updater.console.security import is_loopback
from mcu_updater.core.errors import PortError

PATIENCE_S = 1
"""How long requests that are under way may take, once it is to end."""

_BACKLOG = 512


class Place:
    """Where a console listens; it does from the start, so that nobody else gets the port."""

    def __init__(self, address: str, port: int) -> None:
        self.socket = _listening(address, port)
        self.address, self.port = self.socket.getsockname()[:2]

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.address)

    def url(self, token: str | None) -> str:
        """To open it on this computer, or from another. With the token, where there is one."""
        name = self.address
        if name in ("0.0.0.0", "::"):  # noqa: S104  compared, not bound
            name = socket.gethostname()
        host = f"[{name}]" if ":" in name else name
        return f"http://{host}:{self.port}/" + (f"?token={token}" if token else "")

    def close(self) -> None:
        self.socket.close()


def _listening(address: str, port: int) -> socket.socket:
    where = f"{address}, port {port}"
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address,
            port,
            type=socket.SOCK_STREAM,
            proto=socket.IPPROTO_TCP,
            flags=socket.AI_PASSIVE,
        )[0]
        found = socket.socket(family, kind, protocol)  # asyncio sets TCP_NODELAY where it is said
    except (OSError, ValueError) as error:
        raise _cannot_listen(where, error) from error
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(place)
        found.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        found.close()
        raise _cannot_listen(where, error) from error
    return found


def _cannot_listen(where: str, error: Exception) -> PortError:
    return PortError(
        "the console cannot listen there",
        where=where,
        expected="an address of this computer, and a port that nobody has",
        found=str(getattr(error, "strerror", "") or error),
    )


class _Server(uvicorn.Server):
    """Ends at a signal as the other servers do: all is put away, and that is no error."""

    def __init__(
        self, config: uvicorn.Config, on_start: Callable[[], None], on_end: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._on_start = on_start
        self._on_end = on_end
        self._failed: BaseException | None = None

    def run_until_end(self, place: Place) -> None:
        """Raises what *on_start* raised, when all is put away."""
        with self.at_signals():
            self.run(sockets=[place.socket])
        if self._failed is not None:
            raise self._failed

    @contextlib.contextmanager
    def at_signals(self) -> Iterator[None]:
        ends = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self.handle_exit) for number in ends]
        try:
            yield
        finally:
            for number, handler in zip(ends, before, strict=True):
                signal.signal(number, handler)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: they are ours before anything of it runs."""
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        del sig, frame
        self.force_exit = self.should_exit  # a second one does not wait for anybody
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        try:
            self._on_start()
        except BaseException as error:  # nobody reads our output, for one
            self._failed = error
            self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_end()
        await super().shutdown(sockets)
        if self.force_exit:  # then the application was not told, and would complain
            await self.lifespan.shutdown()


def serve(app: Starlette, place: Place, on_start: Callable[[], None]) -> None:
    """Until SIGINT or SIGTERM; then streams end, and what is under way has PATIENCE_S.

    *on_start* is called once it answers, and must not wait for an answer.
    """
    config = uvicorn.Config(
        app,
        access_log=False,  # addresses may hold the token
        http="h11",
        lifespan="on",
        log_config=None,
        loop="asyncio",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=PATIENCE_S,
        ws="none",
    )
    _Server(config, on_start, lambda: app.state.feed.close()).run_until_end(place)
