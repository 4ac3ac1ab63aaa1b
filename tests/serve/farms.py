"""A farm in a thread of the test, and raw clients of its modules."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from benchmarks.served_modules import write_center
from mcu_updater.cloud.center.store import Store
from mcu_updater.quectel.emulated.options import ModuleOptions
from mcu_updater.serve.farm import Farm, FarmSettings
from mcu_updater.serve.places import parse_places

QUICK = ModuleOptions(
    connect_s=0.0,
    plan_delay_s=0.0,
    url_delay_s=0.0,
    url_retry_s=0.01,
    header_delay_s=0.0,
    boot_s=0.0,
    download_bytes_per_s=1e9,
    push_interval_s=600.0,
)


def free_ports(count: int) -> int:
    """The first of so many that are free now; another one each time."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        start = one.getsockname()[1]
    for first in range(20_000 + start % 10_000, 60_000, count):
        try:
            for port in range(first, first + count):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return first
    raise AssertionError("no free ports")


def settings_for(folder: Path, count: int = 2, places: str = "", **given) -> FarmSettings:
    file = folder / "center.toml"
    if not file.exists():
        write_center(folder, count)
    if not places:
        first = free_ports(count)
        places = f"tcp:{first}-{first + count - 1}"
    given = {"options": QUICK, **given}
    return FarmSettings(file=file, db=folder / "center.db", places=parse_places(places), **given)


class Running:
    """What a test asks of a farm that runs in another thread."""

    def __init__(self, settings: FarmSettings) -> None:
        self.settings = settings
        self.farm: Farm | None = None
        self.error: Exception | None = None
        self._ready, self._bell = threading.Event(), os.pipe()
        self._asked: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()
        if self.error is not None:
            self._thread.join()
            raise self.error

    def stop(self) -> None:
        os.write(self._bell[1], b"x")
        self._thread.join()
        for end in self._bell:
            os.close(end)
        if self.error is not None:
            raise self.error

    def ask(self, what):
        """The result of *what*, called with the farm between two of its turns."""
        answers: SimpleQueue[Any] = SimpleQueue()
        self._asked.append(lambda: answers.put(what(self.farm)))
        os.write(self._bell[1], b"?")
        return answers.get(timeout=60)

    def _run(self) -> None:
        try:
            self.farm = Farm(self.settings)
            self.farm.loop.on_readable(self._bell[0], self._hear)
        except Exception as error:
            self.error = error
            return
        finally:
            self._ready.set()
        self._ends = False
        try:
            while not self._ends:
                self.farm.loop.turn()
        except Exception as error:
            self.error = error
        finally:
            self.farm.close()

    def _hear(self) -> None:
        self._ends = b"x" in os.read(self._bell[0], 100)
        while self._asked:
            self._asked.pop(0)()


@contextmanager
def farming(settings: FarmSettings) -> Iterator[Running]:
    running = Running(settings)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def logged(settings: FarmSettings, device: str) -> list[str]:
    store = Store.open(settings.db, read_only=True)
    try:
        return [line.text for line in store.log(device)]
    finally:
        store.close()
