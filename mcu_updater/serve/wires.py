"""Where a served module's bytes go: a pseudo-terminal, a TCP port, standard input and output.

A wire never blocks on a client that does not read: what it cannot take waits, up to
``MAX_WAITING_SIZE``, and what is more is lost, as on a UART without flow control.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from mcu_updater.core.errors import PortError, Remedy
from mcu_updater.storage import hold

MAX_WAITING_SIZE = 1 << 16  # bytes; ours: many answers, and no memory to speak of
_TCGETS2 = 0x802C_542A  # linux, asm-generic/ioctls.h; elsewhere no speed is known
_TERMIOS2 = struct.Struct("=4IB19s2I")  # asm-generic/termbits.h; last: c_ospeed
CHUNK_SIZE = 4096  # bytes; what a pty gives at once


def check_system() -> None:
    """Raise PortError where nothing can be served: poll and pipes that it can wait for are missing.

    Windows has neither; whatever else there is works without them.
    """
    if not hasattr(select, "poll"):
        raise PortError(
            "modules and chips cannot be served on this system",
            expected="Linux or macOS",
            found=sys.platform,
            then="Run the server there (WSL will do) on a socket, and use its socket:// here",
            remedies=[Remedy.SOCKET],
        )


class Wire(ABC):
    """One module's end. *where* is what a client opens; *gone* that no client will come again."""

    carries_output: ClassVar[bool] = False  # standard output belongs to the module

    def __init__(self, where: str, once: bool) -> None:
        self.where = where
        self.gone = False
        self.generation = 0  # counts clients: a descriptor may come again for another one
        self.received_size = self.sent_size = 0
        self.is_starved = False  # no file descriptor is left for the client that waits
        self._once = once
        self._waiting = bytearray()

    @abstractmethod
    def input(self) -> int:
        """The file descriptor that becomes readable when ``receive`` has something to do."""

    def output(self) -> int | None:
        """The file descriptor to wait for before ``flush``; None: nothing waits."""
        return self._target() if self._waiting else None

    @property
    def occupied(self) -> bool:
        """Whether there is a client; False also where nobody can know."""
        return False

    def hang_up(self) -> None:
        """On the client, if there is one; another may come."""
        self._waiting.clear()

    def receive(self) -> bytes:
        """What the client has sent; empty when there is nothing. Notices a client that left."""
        return self._take(self.input())

    def send(self, data: bytes) -> None:
        """Send, or let wait, or lose what is too much. Without a client all is lost."""
        if self._target() is None:
            return
        self._waiting += data[: MAX_WAITING_SIZE - len(self._waiting)]
        self.flush()

    def flush(self) -> None:
        target = self._target()
        if target is None or not self._waiting:
            return
        try:
            size = os.write(target, self._waiting)
            self.sent_size += size
            del self._waiting[:size]
        except BlockingIOError:
            return
        except OSError:
            self._left()

    def baud(self) -> int:
        """The speed that the client has set; 0 where a wire has none."""
        return 0

    @abstractmethod
    def close(self) -> None:
        """The client sees the end of the line. Closing again does nothing."""

    @abstractmethod
    def _target(self) -> int | None:
        """The file descriptor to write to; None while there is no client."""

    def _take(self, source: int) -> bytes:
        try:
            data = os.read(source, CHUNK_SIZE)
        except BlockingIOError:
            return b""
        except OSError:  # EIO: the last one has closed the pty; or a reset connection
            data = b""
        if not data:
            self._left()
        self.received_size += len(data)
        return data

    def _left(self) -> None:
        """The client has gone."""
        self._waiting.clear()
        self.gone = self._once


class PtyWire(Wire):
    """A pseudo-terminal, raw, with a stable name if asked.

    We keep the client's side open too: so nobody finds it cooked and echoing, and nothing is
    lost between two clients. With *once* we let go of it at the first bytes of a client, because
    only then does the kernel tell us when that client leaves.
    """

    def __init__(self, link: Path | None = None, once: bool = False) -> None:
        check_system()
        import tty

        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._link: StableName | None = None
        name = os.ttyname(self._slave)
        if link is not None:
            try:
                self._link = StableName(link, name)
            except PortError:
                self._close_both()
                raise
        super().__init__(name if link is None else str(link), once)

    def input(self) -> int:
        return self._master

    def receive(self) -> bytes:
        data = super().receive()
        if data and self._once and self._slave >= 0:
            os.close(self._slave)
            self._slave = -1
        return data

    def baud(self) -> int:
        """Exact, also where it is none of the usual speeds; 0 where the system does not tell."""
        import fcntl

        with contextlib.suppress(OSError):
            settings = fcntl.ioctl(self._master, _TCGETS2, bytes(_TERMIOS2.size))
            return int(_TERMIOS2.unpack(settings)[-1])
        return 0

    def close(self) -> None:
        self._close_both()
        if self._link is not None:
            self._link.remove()
            self._link = None

    def _target(self) -> int:
        return self._master

    def _close_both(self) -> None:
        for descriptor in (self._slave, self._master):
            if descriptor >= 0:
                os.close(descriptor)
        self._slave = self._master = -1


class StableName:
    """A symbolic link to *terminal* at *link*, while this process serves it.

    Takes the place of a link that a server left which is no more. Raises PortError where one is
    still served, and for whatever is no link to a terminal.
    """

    def __init__(self, link: Path, terminal: str) -> None:
        self._link, self._terminal = link, terminal
        self._held = contextlib.ExitStack()
        with contextlib.ExitStack() as held:
            held.enter_context(hold(link.parent.resolve() / link.name, follow=False))
            self._point()
            self._held = held.pop_all()

    def _point(self) -> None:
        try:
            if self._link.is_symlink() and _is_left_over(self._link):
                self._link.unlink()
            self._link.symlink_to(self._terminal)
        except OSError as error:
            raise PortError(
                "the link cannot be made",
                where=str(self._link),
                expected="a free name, or the link of a server that has ended",
                found=error.strerror or str(error),
                remedies=[Remedy.OTHER_LINK],
            ) from error

    def remove(self) -> None:
        with self._held, contextlib.suppress(OSError):
            if str(self._link.readlink()) == self._terminal:
                self._link.unlink()


def _is_left_over(link: Path) -> bool:
    """Of a server, which nobody holds any more: it leads to a terminal, or to nothing."""
    return not link.exists() or link.is_char_device()


class TcpWire(Wire):
    """Listens at HOST:PORT (port 0: any free one), and serves one client at a time.

    Clients that come meanwhile wait in the backlog. What the module says to nobody is lost.
    """

    def __init__(self, host: str, port: int, once: bool = False) -> None:
        try:
            self._listener = socket.create_server((host, port))
        except OSError as error:
            raise PortError(
                "cannot listen",
                where=f"{host}:{port}",
                found=error.strerror or str(error),
                then="Give another port, or 0 for any free one",
            ) from error
        self._listener.setblocking(False)
        self._client: socket.socket | None = None
        bound = self._listener.getsockname()[1]
        super().__init__(f"socket://{host}:{bound}", once)

    def input(self) -> int:
        return (self._client or self._listener).fileno()

    @property
    def occupied(self) -> bool:
        return self._client is not None

    def hang_up(self) -> None:
        if self._client is not None:
            self._left()

    def close(self) -> None:
        for one in (self._client, self._listener):
            if one is not None:
                one.close()

    def _target(self) -> int | None:
        return None if self._client is None else self._client.fileno()

    def _take(self, source: int) -> bytes:
        if self._client is not None:
            return super()._take(source)
        try:
            self._client, _ = self._listener.accept()
            self.generation += 1
            self._client.setblocking(False)
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except OSError as error:  # a client that left before it was let in, for one
            self.is_starved = error.errno in (errno.EMFILE, errno.ENFILE)
        return b""

    def _left(self) -> None:
        super()._left()
        if self._client is not None:
            self._client.close()
            self._client = None
            self.generation += 1


class StdioWire(Wire):
    """Standard input and output; whoever started us is the client, and there is no second."""

    carries_output = True

    def __init__(self) -> None:
        super().__init__("standard input and output", once=True)

    def input(self) -> int:
        return 0

    def receive(self) -> bytes:
        """Whoever started us may have left it blocking."""
        poll = select.poll()
        poll.register(0, select.POLLIN)
        return super().receive() if poll.poll(0) else b""

    def close(self) -> None:
        """Nothing to do: the client sees the end of this process."""

    def _target(self) -> int:
        return 1
