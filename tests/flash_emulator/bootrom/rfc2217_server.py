"""``python rfc2217_server.py PTY``: pyserial's RFC 2217 server before PTY, client after client.
Prints its TCP port.

pyserial's ``PortManager`` does the protocol. A parameter that the port refuses gets no answer, and
the server goes on; the one that pyserial has as an example would end there.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import termios
from typing import Any

import serial
import serial.rfc2217


class Pty(serial.Serial):
    """A pty without the shim: modem lines that never move, or PortManager does not begin."""

    cts = dsr = ri = cd = property(lambda self: False)

    def _update_dtr_state(self) -> None: ...

    def _update_rts_state(self) -> None: ...


class Client:
    """The far end, as PortManager writes to it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def write(self, data: bytes) -> None:
        self.connection.sendall(data)


def serve(port: serial.Serial, connection: socket.socket) -> None:
    """Until the client leaves."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client: Any = Client(connection)  # "Serial" to the stubs of pyserial, as is any port
    far_port: Any = port
    manager = serial.rfc2217.PortManager(far_port, client)
    sources: list[socket.socket | int] = [connection, port.fileno()]
    while True:
        ready, _, _ = select.select(sources, [], [], 1.0)
        if port.fileno() in ready:
            connection.sendall(b"".join(manager.escape(port.read(port.in_waiting))))
        if connection in ready:
            data = connection.recv(4096)
            if not data:
                return
            for byte in data:
                with contextlib.suppress(termios.error, OSError):  # a pty: no parity, no lines
                    port.write(b"".join(manager.filter(bytes((byte,)))))
        with contextlib.suppress(OSError):
            manager.check_modem_lines()


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port_type = serial.Serial if "PTY_SHIM_LINES" in os.environ else Pty
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        port = port_type(sys.argv[1], timeout=0)
        with connection, port, contextlib.suppress(ConnectionError):
            serve(port, connection)


if __name__ == "__main__":
    main()
