"""Ports by name: ptys, sockets, what goes wrong, and the one that ``auto`` means."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import threading
import time
import tty
from dataclasses import dataclass
from typing import Any

import pytest
import serial
import serial.rfc2217

from mcu_updater.core.errors import PortError
from mcu_updater.host import serial_port
from mcu_updater.host.serial_port import open_port, runs_modem_manager
from mcu_updater.host.stop import Stop, StoppablePort, StopRequested
from mcu_updater.host.usb import find_module_port, is_ftdi

PATIENCE_S = 120.0  # on a loaded machine


@pytest.fixture
def pty():
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    for fd in (master, slave):
        with contextlib.suppress(OSError):
            os.close(fd)


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_bytes_over_a_pty(pty):
    master, name = pty
    port = open_port(name)
    port.write(b"AT\r\n")
    assert os.read(master, 100) == b"AT\r\n"
    os.write(master, bytes(range(256)) * 4)
    data = port.read(1.0)
    while len(data) < 1024:
        data += port.read(1.0)
    assert data == bytes(range(256)) * 4
    started = time.monotonic()
    assert port.read(0.05) == b""
    assert 0.04 < time.monotonic() - started < PATIENCE_S
    port.close()


def test_a_pty_that_goes_away(pty):
    master, name = pty
    port = open_port(name)
    os.close(master)
    with pytest.raises(PortError, match="the port is gone"):
        port.read(1.0)


def test_a_socket_is_written_at_once_and_tells_when_it_ends(server):
    port = open_port(f"socket://127.0.0.1:{server.getsockname()[1]}")
    peer, _ = server.accept()
    assert port._fd is not None
    twin = socket.socket(fileno=os.dup(port._fd))
    with twin:
        assert twin.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    port.write(b"AT+CSQ\r\n")
    assert peer.recv(100) == b"AT+CSQ\r\n"
    peer.sendall(b"\r\nOK\r\n")
    assert port.read(1.0) == b"\r\nOK\r\n"
    peer.close()
    with pytest.raises(PortError, match="end of file"):
        port.read(1.0)


def test_the_rest_of_an_answer_to_somebody_else_goes_by(pty, monkeypatch):
    monkeypatch.setattr(serial_port, "_QUIET_S", 0.05)
    master, name = pty
    port = open_port(name)
    os.write(master, b"firmware that says +QIOTEVT: 7,10706\r\n")
    port.drain()
    os.write(master, b"\r\nOK\r\n")
    assert port.read(1.0) == b"\r\nOK\r\n"


def test_a_line_that_is_never_quiet_is_not_drained_for_ever(pty, monkeypatch):
    monkeypatch.setattr(serial_port, "_LONGEST_DRAIN_S", 0.3)
    master, name = pty
    port = open_port(name)
    done = threading.Event()

    def talk():
        while not done.is_set():
            os.write(master, b"x")
            time.sleep(0.01)

    talker = threading.Thread(target=talk)
    talker.start()
    started = time.monotonic()
    port.drain()
    done.set()
    talker.join()
    assert time.monotonic() - started < PATIENCE_S


@pytest.mark.filterwarnings("ignore:set(Name|Daemon)")
def test_over_rfc2217(server):
    """pyserial's own server, in front of a loop: what is sent comes back."""
    done = threading.Event()

    def serve():
        backend: Any = serial.serial_for_url("loop://", timeout=0.05)
        peer, _ = server.accept()

        class Writer:
            def write(self, data):
                peer.sendall(data)

        writer: Any = Writer()  # all that it needs of a connection, which its stubs call a port
        manager = serial.rfc2217.PortManager(backend, writer)
        peer.settimeout(0.02)
        while not done.is_set():
            try:
                data = peer.recv(1024)
            except TimeoutError:
                data = b""
            backend.write(b"".join(manager.filter(data)))
            waiting = backend.read(backend.in_waiting)
            if waiting:
                peer.sendall(b"".join(manager.escape(waiting)))
        peer.close()
        backend.close()

    server_thread = threading.Thread(target=serve)
    server_thread.start()
    try:
        port = open_port(f"rfc2217://127.0.0.1:{server.getsockname()[1]}")
        port.write(b"\r\n\xff\x00OK\r\n")
        data = b""
        while len(data) < 8:
            data += port.read(2.0)
        assert data == b"\r\n\xff\x00OK\r\n"
        assert port.read(0.0) == b""
        port.close()
    finally:
        done.set()
        server_thread.join()


# --- what to say when it cannot be opened


def refusing(monkeypatch, error):
    def refuse(*args, **kw):
        raise error

    monkeypatch.setattr(serial, "serial_for_url", refuse)


def test_no_permission_names_the_group(monkeypatch, tmp_path):
    device = tmp_path / "ttyUSB0"
    device.touch()
    refusing(monkeypatch, serial.SerialException(errno.EACCES, "Permission denied"))
    with pytest.raises(PortError, match=rf"usermod -aG {device.group()} \$USER"):
        open_port(str(device))
    with pytest.raises(PortError, match=r"usermod -aG dialout \$USER"):
        open_port("/dev/ttyNOTHING")


@pytest.mark.parametrize("running", [True, False])
def test_a_busy_port_names_the_usual_suspect(monkeypatch, running):
    monkeypatch.setattr(serial_port, "runs_modem_manager", lambda _: running)
    refusing(monkeypatch, serial.SerialException(errno.EBUSY, "Device or resource busy"))
    with pytest.raises(PortError) as caught:
        open_port("/dev/ttyUSB2")
    assert ("ID_MM_DEVICE_IGNORE" in caught.value.then) is running
    assert "Another program has it" in caught.value.then


def test_modem_manager_is_found_by_its_process(tmp_path):
    (tmp_path / "self").mkdir()
    (tmp_path / "77").mkdir()
    assert not runs_modem_manager(tmp_path)
    (tmp_path / "77" / "comm").write_text("ModemManager\n")
    assert runs_modem_manager(tmp_path)


def test_two_clients_do_not_share_a_port(pty):
    _, name = pty
    first = open_port(name)
    with pytest.raises(PortError, match="Another program has it"):
        open_port(name)
    first.close()
    open_port(name).close()


@pytest.mark.parametrize("name", ["socket://127.0.0.1:1", "nothing://x", "hwgrep://no such thing"])
def test_urls_that_lead_nowhere(name):
    with pytest.raises(PortError, match="cannot be opened"):
        open_port(name)


# --- auto


@dataclass
class Usb:
    device: str
    vid: int | None
    pid: int | None = 0x0125
    description: str = "EC25"
    location: str | None = "1-1:1.2"
    serial_number: str | None = None


QUECTEL = Usb("/dev/ttyUSB2", 0x2C7C)
BRIDGE = Usb("/dev/ttyUSB9", 0x0403, 0x6001, "FT232R", "1-2")
OTHER = Usb("/dev/ttyACM0", 0x0483, 0x374B, "STLINK-V3", "1-3")
BUILT_IN = Usb("/dev/ttyS0", None, None, "ttyS0", None)


@pytest.mark.parametrize(
    "ports, device",
    [
        ([BUILT_IN, OTHER, QUECTEL], QUECTEL.device),
        ([QUECTEL, BRIDGE], QUECTEL.device),
        ([OTHER, BRIDGE], BRIDGE.device),
    ],
)
def test_auto(ports, device):
    assert find_module_port(ports) == device


def test_auto_does_not_guess():
    second = Usb("/dev/ttyUSB3", 0x2C7C, location="1-1:1.3")
    with pytest.raises(PortError) as caught:
        open_port("auto", lister=lambda: [QUECTEL, second, BRIDGE])
    assert "/dev/ttyUSB2 (2C7C:0125 EC25 at 1-1:1.2)" in caught.value.found
    assert "/dev/ttyUSB3" in caught.value.found
    assert BRIDGE.device not in caught.value.found


@pytest.mark.parametrize("ports", [[], [BUILT_IN, OTHER]])
def test_auto_finds_nothing(ports):
    with pytest.raises(PortError, match="no module found"):
        find_module_port(ports)


def test_ftdi_is_known():
    assert is_ftdi(BRIDGE.device, [QUECTEL, BRIDGE])
    assert not is_ftdi(QUECTEL.device, [QUECTEL, BRIDGE])


# --- stop


class Silent:
    def __init__(self, stop=None):
        self.stop, self.asked, self.written = stop, [], []

    def write(self, data):
        self.written.append(data)

    def read(self, timeout_s):
        self.asked.append(timeout_s)
        if self.stop and len(self.asked) == 2:
            self.stop.requested = True
        return b""


def test_a_long_wait_ends_when_asked_and_an_answer_is_waited_for():
    stop = Stop()
    port = Silent(stop)
    with pytest.raises(StopRequested):
        StoppablePort(port, stop, 3.0, lambda _: None).read(600.0)
    assert len(port.asked) == 2
    assert StoppablePort(Silent(), stop, 3.0, lambda _: None).read(1.0) == b""


def test_before_each_write_somebody_is_told(monkeypatch):
    order, port = [], Silent()
    monkeypatch.setattr(port, "write", lambda data: order.append(("sent", data)))
    StoppablePort(port, Stop(), 3.0, lambda data: order.append(("before", data))).write(b"AT")
    assert order == [("before", b"AT"), ("sent", b"AT")]


def test_signals_are_a_wish_then_an_order():
    before = signal.getsignal(signal.SIGTERM)
    with Stop().on_signals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    assert signal.getsignal(signal.SIGTERM) is before
