"""An upgrade from a served module over each kind of port that pyserial knows, by its own handlers.

``update`` in another process over a path, socket:// and spy://: test_two_processes.py.
"""

from __future__ import annotations

import os
import re
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import serial
import serial.rfc2217
from serial.tools import list_ports, list_ports_common

from mcu_updater.core import ota
from mcu_updater.host.clock import MonotonicClock
from mcu_updater.host.serial_port import SerialPort, open_port
from mcu_updater.quectel.client import AtClient
from tests.serve.served import serving, where

TRAPS = b"\r\nOK\r\n\r\nERROR\r\n\r\n+QIOTEVT: 7,10706\r\n\x00\xff\xff\x11\x13" * 60
"""0xFF is telnet's own byte, 0x11 and 0x13 are XON and XOFF."""


def spied(place: str, folder: Path) -> str:
    return f"spy://{place}?file={folder / 'spy.txt'}"


def grepped(place: str, folder: Path) -> str:
    return f"hwgrep://^{re.escape(place)}$"


def plain(place: str, folder: Path) -> str:
    return place


def upgrade(port: SerialPort) -> bytes:
    """All of it but the flash. Returns the package."""
    client = AtClient(port, MonotonicClock())
    client.connect()
    client.report_version("STM32", "1_0_0")
    client.request_plan()
    until(client, ota.PlanOffered)
    client.confirm()
    piece = until(client, ota.PieceReady)
    data = b""
    while len(data) < piece.length:
        data += client.read(len(data), 1024) or b""
    client.announce_update()
    client.report_version("STM32", "2_0_0")
    until(client, ota.UpdateSucceeded)
    return data


def until(client: AtClient, kind: type) -> Any:
    while (event := client.next_event(20)) is not None:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind}")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "package.bin"
    path.write_bytes(TRAPS)
    return path


@pytest.fixture
def module(package: Path, tmp_path: Path) -> Iterator[str]:
    with serving(
        "--package", package, "--raw", "--speed", 10, "--link", tmp_path / "tty"
    ) as process:
        yield os.path.realpath(where(process))


@pytest.mark.parametrize("url", [plain, spied, grepped])
def test_over_a_pty(
    url: Callable[[str, Path], str],
    module: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed = list_ports_common.ListPortInfo(module)  # pyserial does not list ptys
    monkeypatch.setattr(list_ports, "comports", lambda *_: [listed])
    port = open_port(url(module, tmp_path))
    assert upgrade(port) == TRAPS
    port.close()
    if url is spied:
        log = (tmp_path / "spy.txt").read_text()
        assert "AT+QIOTUPDATE=3" in log


def test_over_tcp(package: Path) -> None:
    with serving("--package", package, "--raw", "--speed", 10, "--tcp", "127.0.0.1:0") as process:
        port = open_port(where(process))
        assert upgrade(port) == TRAPS
        port.close()


@pytest.mark.filterwarnings("ignore:set(Name|Daemon)")
def test_over_rfc2217(module: str) -> None:
    """pyserial's own server, as its example uses it, between a socket and the module's pty."""
    with rfc2217_server(module) as (url, seen):
        port = open_port(url, baud=921_600)
        assert upgrade(port) == TRAPS
        port.close()
    assert 921_600 in seen, "the server's port takes the baud rate"


@contextmanager
def rfc2217_server(path: str) -> Iterator[tuple[str, list[int]]]:
    """Its URL, and the baud rates that the port behind it was given."""
    done, seen = threading.Event(), list[int]()
    with socket.create_server(("127.0.0.1", 0)) as listener, Pty(path, timeout=0) as back:

        def serve() -> None:
            peer, _ = listener.accept()
            both: list[socket.socket | Pty] = [peer, back]
            with peer:
                ends: tuple[Any, Any] = back, Peer(peer)  # its stubs call for ports of RFC 2217
                manager = serial.rfc2217.PortManager(*ends)
                while not done.is_set():
                    ready, _, _ = select.select(both, [], [], 0.05)
                    if peer in ready:
                        data = peer.recv(1024)
                        if not data:
                            return
                        back.write(b"".join(manager.filter(data)))
                    if back in ready:
                        peer.sendall(b"".join(manager.escape(back.read(1024))))
                    if back.baudrate not in seen:
                        seen.append(back.baudrate)

        server = threading.Thread(target=serve)
        server.start()
        try:
            yield f"rfc2217://127.0.0.1:{listener.getsockname()[1]}", seen
        finally:
            done.set()
            server.join()


class Pty(serial.Serial):
    """A serial port for the server: a pty has no modem lines."""

    cts = dsr = ri = cd = rts = dtr = False


class Peer:
    """What PortManager wants of a connection."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer

    def write(self, data: bytes) -> None:
        self._peer.sendall(data)
