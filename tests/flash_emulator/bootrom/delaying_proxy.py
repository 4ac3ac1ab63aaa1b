"""A TCP relay that lets every byte wait, in both directions: a bridge that is far away."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue


@contextlib.contextmanager
def delayed(port: int, delay_s: float, jitter_s: float = 0.0) -> Iterator[int]:
    """The port of a relay to *port*: *delay_s* each way, and up to *jitter_s* more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(
            target=_serve, args=(listener, port, delay_s, jitter_s), daemon=True
        ).start()
        yield listener.getsockname()[1]


def _serve(listener: socket.socket, port: int, delay_s: float, jitter_s: float) -> None:
    while True:
        try:
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", port))
        except OSError:
            return
        for source, target in ((near, far), (far, near)):
            target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _relay(source, target, delay_s, jitter_s)


def _relay(source: socket.socket, target: socket.socket, delay_s: float, jitter_s: float) -> None:
    queue: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
    rng = random.Random(3)

    def take() -> None:
        data = b"-"
        while data:
            try:
                data = source.recv(4096)
            except OSError:
                data = b""
            queue.put((time.monotonic() + delay_s + rng.uniform(0, jitter_s), data))

    def give() -> None:
        while True:
            due_s, data = queue.get()
            time.sleep(max(0.0, due_s - time.monotonic()))
            with contextlib.suppress(OSError):
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)

    for work in (take, give):
        threading.Thread(target=work, daemon=True).start()
