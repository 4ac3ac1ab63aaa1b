"""The socket: one debugger at a time, on loopback."""

from __future__ import annotations

import select
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from flash_emulator.machine.debugger.packets import Ack, Damaged, Interrupt, Item, Unpacker, packed

_SEND_S = 10.0
_BUSY = packed(b"E.another debugger is attached: end it first")


class Gone(Exception):
    """The debugger has closed the connection."""


class Connection:
    """Listens on *port* of 127.0.0.1; 0: any that is free. *log* is told who comes and goes.

    Raises OSError where the port cannot be had.
    """

    def __init__(self, port: int, log: Callable[[str], object]) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._log = log
        self.port: int = self._listener.getsockname()[1]
        self._client: socket.socket | None = None
        self._items: deque[Item] = deque()
        self._unpacker = Unpacker()
        self._last = b""
        self.acks = True

    def close(self) -> None:
        self.drop()
        self._listener.close()

    @property
    def is_attached(self) -> bool:
        return self._client is not None

    def attach(self) -> None:
        """Wait for a debugger."""
        self._client, _ = self._listener.accept()
        self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client.settimeout(_SEND_S)
        self._items.clear()
        self._unpacker, self._last, self.acks = Unpacker(), b"", True
        self._log("a debugger is attached")

    def drop(self) -> None:
        """Let the debugger go."""
        if self._client is not None:
            with suppress(OSError):
                self._client.close()
            self._client = None
            self._log("the debugger is gone")

    # --- what comes

    def next(self) -> bytes:
        """The next packet. Raises Gone."""
        while True:
            while self._items:
                data = self._taken(self._items.popleft())
                if data is not None:
                    return data
            self._read(None)

    def _taken(self, item: Item) -> bytes | None:
        match item:
            case Ack():
                if not item.is_good and self.acks:
                    self._write(self._last)
            case Interrupt():
                pass  # it stands still already
            case Damaged():
                self._log(f"the debugger has sent what is no packet: {item.why}")
                if self.acks:
                    self._write(b"-")
                else:
                    self.send(f"E.{item.why}".encode())
            case _:
                if self.acks:
                    self._write(b"+")
                return item.data
        return None

    def is_interrupted(self) -> bool:
        """While the boot runs: whether the debugger has asked for a stop, or is gone."""
        try:
            self._read(0)
        except Gone:
            return True
        for item in self._items:
            if isinstance(item, Interrupt):
                self._items.remove(item)
                return True
        return False

    def _read(self, timeout_s: float | None) -> None:
        if self._client is None:
            raise Gone
        ready, _, _ = select.select([self._client, self._listener], [], [], timeout_s)
        while self._client in ready:  # first: where it has gone, there is room for another
            self._receive(self._client)
            ready += select.select([self._client], [], [], 0)[0]
            ready.remove(self._client)
        if self._listener in ready:
            self._turn_away()

    def _receive(self, client: socket.socket) -> None:
        try:
            data = client.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self.drop()
            raise Gone
        self._items += self._unpacker.feed(data)

    def _turn_away(self) -> None:
        other, _ = self._listener.accept()
        self._log("another debugger was turned away: one is attached")
        with suppress(OSError):
            other.sendall(_BUSY)
        other.close()

    # --- what goes

    def send(self, data: bytes) -> None:
        """As a packet. Raises Gone."""
        self._last = packed(data)
        self._write(self._last)

    def _write(self, data: bytes) -> None:
        if self._client is None:
            raise Gone
        try:
            self._client.sendall(data)
        except OSError as error:
            self.drop()
            raise Gone from error
