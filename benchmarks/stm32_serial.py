"""Our host, stm32flash and stm32loader side by side over AN3155, each against ``chip serve``.

Write and verify of one image on a fresh STM32L476, with flash timing, at each baud rate and USB
latency; then the same again with 2 of its sectors changed. ``chip serve`` runs as it is, but for
counters in its line: bytes both ways, and how often the host waited for an answer before it sent
more. The line rate is that of 11 bits a byte, and of the image's bytes once.

A pty has no driver with a low-latency mode, which our host asks of every port. In the row "as on an
FTDI" the shim of the tests stands in for one: what our host asks for sets the emulated bridge's
timer to 1 ms, and full packets are on as they are behind an FTDI. The peers do not ask.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
BASE, SECTOR = 0x0800_0000, 2048
BITS_PER_BYTE = 11
TIMES = ("--program-us", "81.69", "--erase-us", "22000", "--mass-erase-us", "22000")
"""L476, typical, as the measurements of others have them; the part file knows maxima only."""


# --- the chip: chip serve, with counters


def serve(counts: Path, arguments: Sequence[str]) -> None:
    """Run in a process of its own, until SIGTERM."""
    from flash_emulator.bootrom import Line
    from mcu_updater.cli.emulators import chip
    from mcu_updater.cli.main import cli

    seen = {"wire_bytes": 0, "turnarounds": 0}

    class CountingLine(Line):
        answered = False

        def receive(self, data: bytes, *moment: float) -> None:
            seen["wire_bytes"] += len(data)
            seen["turnarounds"] += self.answered
            self.answered = False
            super().receive(data, *moment)

        def transmit(self, now_us: float) -> bytes:
            data = super().transmit(now_us)
            seen["wire_bytes"] += len(data)
            self.answered = self.answered or bool(data)
            return data

    def tell(*_: object) -> None:
        counts.write_text(json.dumps(seen))
        seen.update(wire_bytes=0, turnarounds=0)

    signal.signal(signal.SIGUSR2, tell)
    chip.Line = CountingLine  # type: ignore[misc]
    cli(["chip", "serve", *arguments], standalone_mode=False)


@dataclass(frozen=True)
class Served:
    port: Path
    counts: Path
    process: subprocess.Popen[bytes]

    def counted(self) -> dict[str, int]:
        """Since the last time."""
        self.counts.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR2)
        while not (self.counts.exists() and self.counts.stat().st_size):
            if self.process.poll() is not None:
                sys.exit(f"chip serve has ended with {self.process.returncode}")
            time.sleep(0.01)
        seen: dict[str, int] = json.loads(self.counts.read_text())
        return seen


@contextmanager
def chip(folder: Path, baud: int, latency_ms: int, *more: str) -> Iterator[Served]:
    port, counts = folder / "tty", folder / "counts"
    command = (
        *(sys.executable, __file__, "--serve", str(counts), "STM32L476xG", "--link", str(port)),
        *("--baud", str(baud), "--latency-ms", str(latency_ms), "--timing", "typ", *TIMES, *more),
    )
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=None)
    assert process.stdout is not None
    if not process.stdout.readline():
        sys.exit(f"chip serve does not start: {command}")
    try:
        yield Served(port, counts, process)
    finally:
        process.terminate()
        process.wait()


# --- the clients


class Clients:
    """Command lines, with the same job for each: write IMAGE and verify it."""

    def __init__(self, folder: Path, baud: int) -> None:
        self.folder, self.baud = folder, baud
        self.shim = folder / "shim.so"
        source = ROOT / "tests" / "flash_emulator" / "bootrom" / "pty_shim.c"
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-o", str(self.shim), str(source), "-ldl"], check=True
        )

    def stm32flash(self, image: Path, port: Path) -> list[str]:
        return ["stm32flash", "-m", "8n1", "-b", str(self.baud), "-w", str(image), "-v", str(port)]

    def stm32loader(self, image: Path, port: Path) -> list[str]:
        tool = [str(BIN / "stm32loader"), "-p", str(port), "-b", str(self.baud), "-f", "L4"]
        return ["env", f"LD_PRELOAD={self.shim}", *tool, "-e", "-w", "-v", "-n", str(image)]

    def ours(self, image: Path, port: Path, *more: str) -> list[str]:
        cache = str(self.folder / "cache")
        tool = [sys.executable, "-m", "mcu_updater", "flash", str(image), "--port", str(port)]
        return [*tool, "--baud", str(self.baud), "--cache", cache, "--quiet", *more]


@dataclass(frozen=True)
class Row:
    name: str
    seconds: float
    wire_bytes: int
    turnarounds: int
    is_good: bool

    def text(self, best_peer_s: float | None, floor_s: float) -> str:
        ratio = f"x{best_peer_s / self.seconds:.1f}" if best_peer_s else ""
        mark = "" if self.is_good else "  FAILED"
        return (
            f"  {self.name:34} {self.seconds:8.2f} s {self.wire_bytes:9} bytes "
            f"{self.turnarounds:6} turns {floor_s / self.seconds * 100:7.1f} % {ratio:>7}{mark}"
        )


def timed(name: str, served: Served, command: list[str]) -> Row:
    served.counted()
    began_s = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    took_s = time.monotonic() - began_s
    seen = served.counted()
    if done.returncode:
        print(f"{name}: {done.returncode}: {done.stderr[-300:]}", file=sys.stderr)
    return Row(name, took_s, seen["wire_bytes"], seen["turnarounds"], not done.returncode)


def images_in(folder: Path, size: int) -> tuple[Path, Path]:
    """Two images of *size* bytes; the second differs in 2 sectors."""
    first, second = folder / "first.bin", folder / "second.bin"
    noise = random.Random(6).randbytes(size)
    data = struct.pack("<II", 0x2000_8000, BASE + 0x101) + noise[8:]
    first.write_bytes(data)
    changed = bytearray(data)
    for sector in (size // SECTOR // 3, size // SECTOR // 2):
        changed[sector * SECTOR + 100] ^= 0x55
    second.write_bytes(changed)
    return first, second


@dataclass(frozen=True)
class Case:
    """One way of doing both jobs. *chip* are options of chip serve, *tool* those of our host."""

    name: str
    chip: tuple[str, ...] = ()
    tool: tuple[str, ...] = ()
    driver: bool = False  # over the shim, as a serial port with a driver
    is_timed: bool = False  # what it does depends on how long answers take
    cached: bool = False  # a third job: back to the first image by --diff cache


CASES = (
    Case("stm32flash"),
    Case("stm32loader"),
    Case("ours", cached=True, is_timed=True),
    Case("ours, --erase-chip", tool=("--erase-chip", "--yes"), is_timed=True),
    Case("ours, --no-merge", tool=("--no-merge",), is_timed=True),
    Case("ours, ROM with CRC", chip=("--rom-version", "3.3"), is_timed=True),
    Case("ours, as on an FTDI", tool=("--full-packets",), driver=True, is_timed=True),
)
PEERS = ("stm32flash", "stm32loader")


class Comparison:
    """One table of a baud rate and a latency: the same image first, then with 2 sectors changed."""

    def __init__(self, folder: Path, size: int, baud: int, latency_ms: int) -> None:
        self.folder, self.size, self.baud, self.latency_ms = folder, size, baud, latency_ms
        self.first, self.second = images_in(folder, size)
        self.clients = Clients(folder, baud)
        self.rows: list[Row] = []
        self.again: list[Row] = []

    def run(self, case: Case) -> None:
        shutil.rmtree(self.folder / "cache", ignore_errors=True)
        lines = ("--lines", str(self.folder / "lines"), "--wiring", "boot0=dtr")
        more = (*case.chip, *(lines if case.driver else ()))
        with chip(self.folder, self.baud, self.latency_ms, *more) as served:
            self.rows.append(timed(case.name, served, self._command(case, self.first)))
            self.again.append(timed(case.name, served, self._command(case, self.second)))
            if case.cached:
                cached = self.clients.ours(self.first, served.port, "--diff", "cache")
                self.again.append(timed(f"{case.name}, --diff cache", served, cached))

    def _command(self, case: Case, image: Path) -> list[str]:
        port = self.folder / "tty"
        if case.name in PEERS:
            command: list[str] = getattr(self.clients, case.name)(image, port)
            return command
        command = self.clients.ours(image, port, *case.tool)
        if not case.driver:
            return command
        shim = (f"LD_PRELOAD={self.clients.shim}", f"PTY_SHIM_LINES={self.folder / 'lines'}")
        return ["env", *shim, *command]

    def show(self) -> bool:
        """Print it. Whether everything ended well."""
        show(self.rows, self.again, self.size, self.baud, self.latency_ms)
        return all(row.is_good for row in self.rows + self.again)


def show(rows: list[Row], again: list[Row], size: int, baud: int, latency_ms: int) -> None:
    floor_s = size * BITS_PER_BYTE / baud
    for title, table in (("write and verify", rows), ("again, 2 sectors changed", again)):
        peers = [row.seconds for row in table if row.name in PEERS and row.is_good]
        where = f"{size} bytes, {baud} baud, {latency_ms} ms"
        print(f"{title}: {where}; line rate {floor_s:.2f} s")
        for row in table:
            print(row.text(min(peers, default=None), floor_s), flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]), sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256 * 1024, help="bytes of the image")
    parser.add_argument("--baud", type=int, action="append")
    parser.add_argument("--latency-ms", type=int, action="append")
    names = [case.name for case in CASES]
    parser.add_argument("--row", action="append", choices=names, help="only that; several times")
    given = parser.parse_args()
    chosen = [case for case in CASES if case.name in (given.row or names)]
    if CASES[0] in chosen and shutil.which("stm32flash") is None:
        sys.exit("stm32flash is missing (apt-get install stm32flash), or choose each --row")
    good = True
    for baud in given.baud or (115_200, 921_600):
        for latency_ms in given.latency_ms or (1, 16):
            with tempfile.TemporaryDirectory() as name:
                os.environ["XDG_CACHE_HOME"] = name
                table = Comparison(Path(name), given.size, baud, latency_ms)
                for case in chosen:
                    table.run(case)
                good &= table.show()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
