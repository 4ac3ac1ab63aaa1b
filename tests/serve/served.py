"""Starts ``module serve`` in a process of its own, and speaks to it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

from tests.command_processes import CommandProcess

PATIENCE_S = 180.0  # on a loaded machine


class Client:
    """Two file descriptors and a deadline."""

    def __init__(self, source: int, target: int) -> None:
        self._source, self._target = source, target
        self.seen = b""

    def send(self, text: str) -> None:
        self.write(text.encode() + b"\r\n")

    def write(self, data: bytes) -> None:
        os.write(self._target, data)

    def until(self, text: bytes) -> bytes:
        """All up to and with *text*; what follows it is kept."""
        deadline_s = time.monotonic() + PATIENCE_S
        while text not in self.seen:
            left_s = deadline_s - time.monotonic()
            ready, _, _ = select.select([self._source], [], [], max(0.0, left_s))
            data = os.read(self._source, 65536) if ready else b""
            assert data, f"{text!r} does not come: {self.seen!r}"
            self.seen += data
        end = self.seen.index(text) + len(text)
        said, self.seen = self.seen[:end], self.seen[end:]
        return said

    def ask(self, text: str) -> bytes:
        self.send(text)
        return self.until(b"OK\r\n")


@contextlib.contextmanager
def serving(*options: object, **given) -> Iterator[subprocess.Popen[bytes]]:
    """``module serve`` with *options*, and a version that the package is announced as."""
    with running("serve", "--target-version", "2_0_0", *options, **given) as process:
        yield process


@contextlib.contextmanager
def running(*words: object, **given) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    process: CommandProcess[bytes]
    process = CommandProcess(("module", *words), stdout=pipe, stderr=pipe, **given)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


def where(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


@contextlib.contextmanager
def opened(place: str | Path) -> Iterator[Client]:
    """A client at a device path or a socket:// address."""
    if str(place).startswith("socket://"):
        host, port = str(place).removeprefix("socket://").split(":")
        with socket.create_connection((host, int(port))) as one:
            yield Client(one.fileno(), one.fileno())
        return
    fd = os.open(place, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(fd, termios.TCSANOW)
        yield Client(fd, fd)
    finally:
        os.close(fd)


def until(holds) -> None:
    """It holds at last."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
