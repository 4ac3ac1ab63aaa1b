"""Emulated boards in other processes, upgraded at once by the modules of one center.

Each board is a real client: bootloader, application and AT client of this project, in a thread of
its own, over TCP. In one of ten the line is bad: it begins with garbage and half a command, and is
cut in the middle of a read of firmware; then the board starts again. At the end the image in each
board is compared with the published one, and what the center says with that.

    python -m benchmarks.served_modules [--clients 300] [--processes 2] [--size KIB] [--json]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.update import image
from flash_emulator import load_part
from mcu_updater.board import Attachment, Board
from mcu_updater.cloud.center.load import read_center
from mcu_updater.cloud.center.monitoring import monitor
from mcu_updater.cloud.center.store import Store
from mcu_updater.console.modules import ModuleFarm
from mcu_updater.core.errors import PortError, UpdaterError
from mcu_updater.core.mcu import NotAtRest, until_rest
from mcu_updater.core.session import Policy, Result, SessionOutcome
from mcu_updater.fleet.device import image_of
from mcu_updater.host.clock import MonotonicClock
from mcu_updater.host.serial_port import SerialPort, open_port
from mcu_updater.quectel.emulated.options import ModuleOptions
from mcu_updater.quectel.link import DEFAULT_DIALECT
from mcu_updater.serve.farm import FarmSettings
from mcu_updater.serve.places import Places, parse_places

PART, COMPONENT = "STM32L476xG", "STM32"
OLD, NEW = "1.0.0", "2.0.0"
PACKAGE = Path(__file__).parent.parent / "fixtures" / "fixture-2.0.0.s19"
BAD_EVERY = 10  # one line of so many is bad
BAD_READS = 4  # so many commands for firmware go well on it, and then it breaks
MOST_SESSIONS = 40

CENTER = """
[[products]]
key = "p11111"
[[products.components]]
id = "STM32"
[[packages]]
name = "new"
target = "{version}"
files = ["{package}"]
[[plans]]
name = "benchmark"
product = "p11111"
[[plans.upgrades]]
component = "STM32"
package = "new"
[plans.strategy]
retries = 5
[[devices]]
id = "board"
count = {count}
product = "p11111"
versions = {{ STM32 = "{old}" }}
"""


def write_center(folder: Path, count: int, package: Path = PACKAGE) -> Path:
    (folder / package.name).write_bytes(package.read_bytes())
    path = folder / "center.toml"
    text = CENTER.format(version=NEW, old=OLD, package=package.name, count=count)
    path.write_text(text, encoding="utf-8")
    return path


class BreakingPort:
    """A port that breaks once: in the middle of a read of firmware."""

    def __init__(self, port: SerialPort, reads: int) -> None:
        self._port = port
        self._left = reads

    def write(self, data: bytes) -> None:
        if data.startswith(b"AT+QIOTOTARD="):
            self._left -= 1
        self._port.write(data)
        if self._left < 0:
            self._port.close()
            raise PortError("the line broke", where=self._port.name)

    def read(self, timeout_s: float) -> bytes:
        return self._port.read(timeout_s)


def speak_badly(address: str) -> None:
    """Garbage, half a command, and away in the middle of it."""
    if address.startswith("socket://"):
        host, port = address.removeprefix("socket://").split(":")
        with socket.create_connection((host, int(port))) as one:
            one.sendall(bytes(range(256)) * 8 + b"\r\nAT+QIOTMCU")
    else:
        descriptor = os.open(address, os.O_RDWR | os.O_NOCTTY)
        os.write(descriptor, bytes(range(1, 256)) + b"\r\nAT+QIOTMCU")
        os.close(descriptor)


@dataclass(frozen=True)
class Upgraded:
    """What became of one board."""

    device: str
    fault: str
    sessions: int
    wall_s: float


class Client:
    """One board behind *address*. *is_bad*: its line. *package*: what it is to get."""

    def __init__(self, device: str, address: str, is_bad: bool, package: bytes) -> None:
        self.device, self.address, self.is_bad, self.package = device, address, is_bad, package
        self.sessions = 0
        self.board = Board.new(load_part(PART), OLD, component=COMPONENT, seed=hash(device))
        self.port: SerialPort | None = None

    def run(self) -> Upgraded:
        start_s = time.monotonic()
        try:
            if self.is_bad:
                speak_badly(self.address)
            for _ in until_rest(
                self._session, self._is_rest, most=MOST_SESSIONS, unreachable=self._unreachable
            ):
                pass
            fault = self._judge()
        except (UpdaterError, NotAtRest) as error:
            fault = error.message
        finally:
            if self.port is not None:
                self.port.close()
        return Upgraded(self.device, fault, self.sessions, time.monotonic() - start_s)

    def _session(self):  # type: ignore[no-untyped-def]
        self.sessions += 1
        if self.port is None:
            self.port = open_port(self.address)
            self.port.drain()
        breaks = self.is_bad and self.sessions == 1
        port = BreakingPort(self.port, BAD_READS) if breaks else self.port
        dialect = replace(DEFAULT_DIALECT, request_before_confirm=True)
        self.board.attachment = Attachment(port, MonotonicClock(), dialect)
        return (yield from self.board.run(Policy(component=COMPONENT)))

    def _is_rest(self, result: Result) -> bool:
        return result.outcome is SessionOutcome.UPDATED

    def _unreachable(self, error: UpdaterError) -> None:
        if isinstance(error, PortError) and self.port is not None:
            self.port.close()
            self.port = None
        time.sleep(0.2)

    def _judge(self) -> str:
        decision = self.board.would_boot()
        if decision.bank is None or decision.version != NEW:
            return f"version {decision.version} runs"
        slot = self.board.banks()[decision.bank].slot
        published = image_of(self.package, slot.link_address)
        assert published is not None
        same = slot.sha256(len(published)) == hashlib.sha256(published).digest()
        return "" if same else "the image is not the published one"


def upgrade_some(
    clients: list[tuple[str, str, bool]], package: bytes, go: float
) -> tuple[list[Upgraded], float]:
    """All at once, a thread each, from the moment *go* on. Also the CPU time of this process."""
    made = [Client(*one, package) for one in clients]
    time.sleep(max(0.0, go - time.time()))
    with ThreadPoolExecutor(len(made)) as threads:
        done = list(threads.map(lambda one: one.run(), made))
    return done, time.process_time()


def upgrade_all(
    addresses: Mapping[str, str],
    processes: int,
    package: Path = PACKAGE,
    *,
    ready_s: float = 2.0,
    bad_every: int = BAD_EVERY,
) -> tuple[list[Upgraded], float]:
    """All boards, by *processes* other processes. Also their CPU time."""
    clients = [(name, one, at % bad_every == 0) for at, (name, one) in enumerate(addresses.items())]
    shares = [share for at in range(processes) if (share := clients[at::processes])]
    context = multiprocessing.get_context("spawn")
    go = time.time() + ready_s
    with context.Pool(len(shares)) as pool:
        found = pool.starmap(upgrade_some, [(share, package.read_bytes(), go) for share in shares])
    return [one for done, _ in found for one in done], sum(cpu_s for _, cpu_s in found)


def states_of(center: Path, db: Path) -> Counter[str]:
    """Of all devices, as the center says them."""
    with closing(Store.open(db, read_only=True)) as store:
        plans = monitor(read_center(center).center, store, time.time()).plans
    return Counter(c.state.value for plan in plans for d in plan.devices for c in d.components)


@contextmanager
def serving(
    center: Path, places: Places, speed: float, options: ModuleOptions
) -> Iterator[ModuleFarm]:
    farm = ModuleFarm(
        FarmSettings(
            file=center,
            db=center.with_suffix(".db"),
            places=places,
            options=options,
            speed=speed,
        )
    )
    farm.start()
    try:
        yield farm
    finally:
        farm.stop()


def measure(
    clients: int, processes: int, speed: float, places: Places, size: int
) -> dict[str, object]:
    """*size*: of a package that is made up; 0: a small one."""
    with tempfile.TemporaryDirectory() as folder:
        package = PACKAGE
        if size:
            package = Path(folder) / "made-up.bin"
            package.write_bytes(image(size))
        center = write_center(Path(folder), clients, package)
        with serving(center, places, speed, ModuleOptions()) as farm:
            before = farm.figures()
            start_s = time.monotonic()
            done, clients_cpu_s = upgrade_all(farm.addresses(), processes, package)
            wall_s = time.monotonic() - start_s
            after = farm.figures()
        states = states_of(center, center.with_suffix(".db"))
    faults = [f"{one.device}: {one.fault}" for one in done if one.fault]
    walls = sorted(one.wall_s for one in done)
    return {
        "clients": clients,
        "package_bytes": size or PACKAGE.stat().st_size,
        "speed": speed,
        "upgraded_and_verified": len(done) - len(faults),
        "center_says": dict(states),
        "sessions_most": max(one.sessions for one in done),
        "wall_s": round(wall_s, 1),
        "client_wall_s_median": round(walls[len(walls) // 2], 1),
        "client_wall_s_longest": round(walls[-1], 1),
        "server_cpu_s": round(after["cpu_s"] - before["cpu_s"], 2),
        "clients_cpu_s": round(clients_cpu_s, 1),
        "server_mib_before": round(before["memory_size"] / 2**20, 1),
        "server_mib_after": round(after["memory_size"] / 2**20, 1),
        "sent_mib": round(after["sent_size"] / 2**20, 2),
        "module_failures": after["failures"],
        "faults": faults[:5],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clients", type=int, default=300)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--size", type=int, default=0, help="of the package, in KiB")
    parser.add_argument("--places", default="", help="tcp:FIRST-LAST or pty:DIR")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args()
    places = parse_places(given.places or f"tcp:20001-{20000 + given.clients}")
    figures = measure(given.clients, given.processes, given.speed, places, given.size << 10)
    if given.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:24} {value}")


if __name__ == "__main__":
    main()
