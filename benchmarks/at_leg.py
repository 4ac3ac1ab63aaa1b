"""Bytes per second of the AT leg: firmware from the module to here, over an emulated serial line.

The line: 8N1 at 115200 or 921600 baud, behind a USB bridge of the FTDI kind. What the host sends
goes out at line rate. What comes back is handed on when 62 bytes are together, or when the
latency timer (1 or 16 ms) ends, which starts anew with every packet handed on. Time is virtual,
the module is the emulated one and answers at once.

``limit``: what the protocol allows at best, one command and then its answer, 1024 bytes at a time,
nothing but wire time. ``line``: the firmware alone at line rate. ``fitted``: reads cut so that the
answer fills whole packets, which is what the client does behind such a bridge (``--usb-packet``).

Then the same with a flash that is busy after each read, for as long as 1024 bytes take on the
line: ``in turn`` reads and writes one after the other, ``ahead`` has the next read under way.

    python benchmarks/at_leg.py [--size BYTES] [--json] [--check] [--loss]

``--loss``: a line that loses bytes, in both directions, one by one or four at a time.

``--check`` fails below 95 % of the limit at 1 ms and 90 % at 16 ms.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from dataclasses import asdict, dataclass, replace
from typing import Any

from mcu_updater.cloud.single_device import Package, Plan, SingleDeviceCloud
from mcu_updater.core import ota
from mcu_updater.core.errors import LinkError
from mcu_updater.quectel.at import answer_size, format_command
from mcu_updater.quectel.client import AtClient
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.link import DEFAULT_DIALECT

PACKET = 62  # bytes of data in an FTDI packet
BITS_PER_BYTE = 10
READ = 1024
BAUDS, LATENCIES_MS = (115_200, 921_600), (1, 16)
AIMS = {1: 95.0, 16: 90.0}  # % of the limit, by latency


class VirtualTime:
    def __init__(self) -> None:
        self.time_s = 0.0

    def now_s(self) -> float:
        return self.time_s

    def sleep(self, duration_s: float) -> None:
        self.time_s += duration_s


class UsbLine:
    """``BytePort`` to *module*, through a UART and a USB bridge."""

    def __init__(
        self, module: EmulatedModule, clock: VirtualTime, baud: int, latency_s: float
    ) -> None:
        self._module = module
        self._clock = clock
        self._byte_s = BITS_PER_BYTE / baud
        self._latency_s = latency_s
        self._arrivals: list[tuple[float, int]] = []  # when each byte is in the bridge
        self._last_packet_s = 0.0

    def write(self, data: bytes) -> None:
        self._clock.sleep(len(data) * self._byte_s)
        self._module.receive(data, self._clock.now_s())
        self._collect()

    def read(self, timeout_s: float) -> bytes:
        deadline_s = self._clock.now_s() + timeout_s
        while True:
            self._module.advance(self._clock.now_s())
            self._collect()
            packet_s = self._packet_s()
            due_s = self._module.next_deadline()
            moments = [m for m in (packet_s, due_s, deadline_s) if m is not None]
            moment_s = max(self._clock.now_s(), min(moments))
            if packet_s is not None and packet_s <= moment_s:
                self._clock.time_s = max(self._clock.time_s, packet_s)
                return self._take(packet_s)
            if moment_s >= deadline_s:
                self._clock.time_s = deadline_s
                return b""
            self._clock.time_s = moment_s

    def _collect(self) -> None:
        """What the module says leaves it byte by byte."""
        free_s = self._arrivals[-1][0] if self._arrivals else 0.0
        start_s = max(self._clock.now_s(), free_s)
        for index, byte in enumerate(self._module.transmit()):
            self._arrivals.append((start_s + (index + 1) * self._byte_s, byte))

    def _packet_s(self) -> float | None:
        """When the bridge hands on its next packet; None: it holds nothing.

        The timer goes on without data, and what it then finds waits for its next end.
        """
        if not self._arrivals:
            return None
        first_s = self._arrivals[0][0]
        rounds = max(1, -int(-(first_s - self._last_packet_s) // self._latency_s))
        timer_s = self._last_packet_s + rounds * self._latency_s
        full_s = self._arrivals[PACKET - 1][0] if len(self._arrivals) >= PACKET else None
        return timer_s if full_s is None else min(timer_s, full_s)

    def _take(self, packet_s: float) -> bytes:
        ready = [byte for at_s, byte in self._arrivals[:PACKET] if at_s <= packet_s + 1e-12]
        del self._arrivals[: len(ready)]
        self._last_packet_s = packet_s
        return bytes(ready)


class LossyLine(UsbLine):
    """Loses bytes: *rate* of them, *burst* at a time."""

    def __init__(self, *given: Any, rate: float, burst: int, seed: int) -> None:
        super().__init__(*given)
        self.rate, self.burst = rate, burst
        self._rng = random.Random(seed)
        self._left = {"there": 0, "back": 0}

    def write(self, data: bytes) -> None:
        super().write(self._lossy(data, "there"))

    def read(self, timeout_s: float) -> bytes:
        return self._lossy(super().read(timeout_s), "back")

    def _lossy(self, data: bytes, way: str) -> bytes:
        kept = bytearray()
        for byte in data:
            if self._left[way]:
                self._left[way] -= 1
            elif self._rng.random() < self.rate / self.burst:
                self._left[way] = self.burst - 1
            else:
                kept.append(byte)
        return bytes(kept)


@dataclass(frozen=True, slots=True)
class Figure:
    baud: int
    latency_ms: int
    fitted: bool
    bytes_per_s: float
    percent_of_limit: float
    percent_of_line: float


def limit_s(size: int, baud: int) -> float:
    """Wire time of all commands and answers, READ bytes at a time."""
    total = 0
    for start in range(0, size, READ):
        count = min(READ, size - start)
        total += len(format_command("+QIOTOTARD")) + len(f"={start},{READ}")
        total += answer_size(start, count)
    return total * BITS_PER_BYTE / baud


def measure(
    size: int, baud: int, latency_ms: int, *, fitted: bool, ahead: bool = False, busy_s: float = 0
) -> Figure:
    """*busy_s*: how long the flash takes for what was read, before the next read is wanted."""
    data = random.Random(size).randbytes(size)
    center = SingleDeviceCloud([Plan("STM32", "2.0.0", Package(data))])
    clock = VirtualTime()
    module = EmulatedModule(center)
    dialect = replace(DEFAULT_DIALECT, usb_packet=PACKET if fitted else None, read_ahead=ahead)
    client = AtClient(UsbLine(module, clock, baud, latency_ms / 1000), clock, dialect)
    client.connect()
    client.report_version("STM32", "1.0.0")
    client.request_plan()
    while not isinstance(event := client.next_event(60), ota.PieceReady):
        if isinstance(event, ota.PlanOffered):
            client.confirm()
    start_s, received = clock.now_s(), bytearray()
    while len(received) < size:
        received += client.read(len(received), min(READ, size - len(received))) or b""
        clock.sleep(busy_s)
    assert received == data
    assert client.retries == 0
    spent_s = clock.now_s() - start_s
    return Figure(
        baud=baud,
        latency_ms=latency_ms,
        fitted=fitted,
        bytes_per_s=size / spent_s,
        percent_of_limit=100 * limit_s(size, baud) / spent_s,
        percent_of_line=100 * size * BITS_PER_BYTE / baud / spent_s,
    )


@dataclass(frozen=True, slots=True)
class Loss:
    """*bytes_per_s* 0: it was given up. *wrong*: bytes that are not those of the package."""

    bytes_per_s: float
    retries: int
    smallest: int
    wrong: int


def measure_loss(size: int, rate: float, burst: int, seed: int, most: int = READ) -> Loss:
    """At 115200 baud, USB 1 ms, as ``update --module`` reads. The line gets bad after the offer."""
    data = random.Random(size).randbytes(size)
    center = SingleDeviceCloud([Plan("STM32", "2.0.0", Package(data))])
    clock = VirtualTime()
    module = EmulatedModule(center)
    line = LossyLine(module, clock, 115_200, 0.001, rate=0.0, burst=burst, seed=seed)
    client = AtClient(line, clock, replace(DEFAULT_DIALECT, max_read=most, error_doubts=2))
    client.connect()
    client.report_version("STM32", "1.0.0")
    client.request_plan()
    while not isinstance(event := client.next_event(60), ota.PieceReady):
        if isinstance(event, ota.PlanOffered):
            client.confirm()
    line.rate = rate
    start_s, received, smallest = clock.now_s(), bytearray(), most
    try:
        while len(received) < size:
            part = client.read(len(received), min(most, size - len(received))) or b""
            if not part:
                break
            smallest = min(smallest, len(part))
            received += part
    except LinkError:
        pass
    whole = len(received) == size
    wrong = sum(a != b for a, b in zip(received, data, strict=False))
    rate_s = size / (clock.now_s() - start_s) if whole else 0.0
    return Loss(rate_s, client.retries, smallest, wrong)


def show_loss(size: int) -> None:
    print(f"\na line that loses bytes, {size} bytes, six lines each: got through, bytes/s, retries")
    for burst in (1, 4):
        for rate in (0.0, 0.0001, 0.0005, 0.001, 0.003, 0.01):
            runs = [measure_loss(size, rate, burst, seed) for seed in range(6)]
            through = [run for run in runs if run.bytes_per_s]
            mean = sum(run.bytes_per_s for run in through) / max(1, len(through))
            retries = sum(run.retries for run in runs) / len(runs)
            wrong = sum(run.wrong for run in runs)
            print(
                f"{rate:>7.2%} by {burst}  {len(through)}/6  {mean:>7.0f}  {retries:>6.1f}"
                f"  wrong {wrong}"
            )


def show_overlap(size: int) -> None:
    print("\nwith a flash that takes as long as the line, bytes/s")
    print("  baud  USB ms    in turn      ahead")
    for baud in BAUDS:
        for latency_ms in LATENCIES_MS:
            busy_s = READ * BITS_PER_BYTE / baud
            rates = [
                measure(size, baud, latency_ms, fitted=True, ahead=ahead, busy_s=busy_s).bytes_per_s
                for ahead in (False, True)
            ]
            print(f"{baud:>6}  {latency_ms:>6}  {rates[0]:>9.0f}  {rates[1]:>9.0f}")


def main() -> int:
    parser = argparse.ArgumentParser(description="the AT leg, in virtual time")
    parser.add_argument("--size", type=int, default=256 * 1024)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--loss", action="store_true")
    given = parser.parse_args()
    figures = [
        measure(given.size, baud, latency_ms, fitted=fitted)
        for baud in BAUDS
        for latency_ms in LATENCIES_MS
        for fitted in (False, True)
    ]
    if given.json:
        print(json.dumps([asdict(figure) for figure in figures]))
    else:
        print(
            f"AT leg, {given.size} bytes:\n  baud  USB ms  reads     bytes/s  % of limit  % of line"
        )
        for f in figures:
            reads = "fitted" if f.fitted else "plain"
            print(
                f"{f.baud:>6}  {f.latency_ms:>6}  {reads:<6}  {f.bytes_per_s:>9.0f}"
                f"  {f.percent_of_limit:>10.1f}  {f.percent_of_line:>9.1f}"
            )
        show_overlap(given.size)
    if given.loss:
        show_loss(min(given.size, 64 * 1024))
    short = [f for f in figures if f.fitted and f.percent_of_limit < AIMS[f.latency_ms]]
    return 1 if given.check and short else 0


if __name__ == "__main__":
    sys.exit(main())
