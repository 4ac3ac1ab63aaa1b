"""The same comparison as ``stm32_serial.py``, free of the machine's other load, in minutes.

Each client runs for real, as a process of its own, against ``chip serve`` without waits; what it
sends is recorded. Our host asks how long answers take before it decides what goes out in one write:
it is recorded behind a bridge of 4 ms, and does the same at 1 and 16. Then each recording is played
to the same chip in virtual time, at each baud rate and latency, with flash timing: the next bytes
go out when the answer to the last ones has come.

What the client takes itself is added. The CPU time of its start is that of a start with a port that
is not there; the rest is spread over its turnarounds, where a latency timer may hide it. A silence
of more than 80 ms, or of 300 ms at the ends, is one that the client keeps on purpose (a reset, a
time-out), and stays.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stm32_serial import CASES, PEERS, TIMES, Case, Clients, Row, images_in, show

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.bootrom import Chip, Line, RomOptions, Speed
from flash_emulator.bootrom.times import with_times

_ON_PURPOSE_US, _AT_THE_ENDS_S = 80_000.0, 0.3
_BRIDGE = ("--latency-ms", "4")
_RUNS = 3  # what is not the same in all of them is the machine's


@dataclass(frozen=True)
class Job:
    """One run of a client: (silence before, bytes) of all that it sent, and its CPU time."""

    name: str
    sent: tuple[tuple[float, bytes], ...]
    cpu_s: float
    start_s: float
    idle_s: float  # before the first byte and behind the last
    is_good: bool

    @property
    def silence_us(self) -> float:
        return sum(gap for gap, _ in self.sent if gap > _ON_PURPOSE_US)

    @classmethod
    def of(cls, runs: Sequence[Job]) -> Job:
        """The shortest of *runs*, with each silence the shortest of those that sent the same."""
        best = min(runs, key=lambda job: job.silence_us)
        data = [data for _, data in best.sent]
        alike = [job for job in runs if [data for _, data in job.sent] == data]
        gaps = [
            min(pairs) for pairs in zip(*([gap for gap, _ in j.sent] for j in alike), strict=True)
        ]
        return cls(
            best.name,
            tuple(zip(gaps, data, strict=True)),
            min(job.cpu_s for job in runs),
            min(job.start_s for job in runs),
            min(job.idle_s for job in runs),
            all(job.is_good for job in runs),
        )


# --- recording


def serve(record: Path, arguments: Sequence[str]) -> None:
    """``chip serve`` that writes down what comes; in a process of its own, until SIGTERM."""
    from mcu_updater.cli.emulators import chip
    from mcu_updater.cli.main import cli

    class Recorder(Line):
        last_us = 0.0

        def receive(self, data: bytes, now_us: float, baud: int = 0) -> None:
            with record.open("a") as file:
                print(json.dumps([now_us - self.last_us, data.hex(), time.monotonic()]), file=file)
            self.last_us = now_us
            super().receive(data, now_us, baud)

        def transmit(self, now_us: float) -> bytes:
            data = super().transmit(now_us)
            self.last_us = now_us if data else self.last_us
            return data

    chip.Line = Recorder  # type: ignore[misc]
    cli(["chip", "serve", *arguments], standalone_mode=False)


@dataclass(frozen=True)
class Run:
    """A process that has ended. *began_s* and *ended_s* are monotonic."""

    code: int
    said: str
    cpu_s: float
    began_s: float
    ended_s: float


def run_timed(command: Sequence[str]) -> Run:
    began_s = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Run(done.returncode, done.stderr, cpu_s, began_s, time.monotonic())


class Recording:
    """What one case sends in each of its jobs."""

    def __init__(self, folder: Path, clients: Clients, images: tuple[Path, Path]) -> None:
        self.folder, self.clients, self.images = folder, clients, images

    def jobs(self, case: Case) -> list[Job]:
        runs = [self._once(case) for _ in range(_RUNS)]
        return [Job.of(jobs) for jobs in zip(*runs, strict=True)]

    def _once(self, case: Case) -> list[Job]:
        port, record = self.folder / "tty", self.folder / "record"
        shutil.rmtree(self.folder / "cache", ignore_errors=True)
        command = [sys.executable, __file__, "--serve", str(record), "STM32L476xG"]
        process = subprocess.Popen(
            [*command, "--link", str(port), *case.chip, *(_BRIDGE if case.is_timed else ())],
            stdout=subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            process.stdout.readline()
            first, second = self.images
            jobs = [self._job(case, case.name, first), self._job(case, case.name, second)]
            if case.cached:
                more = Case(case.name, tool=("--diff", "cache"))
                jobs.append(self._job(more, f"{case.name}, --diff cache", first))
            return jobs
        finally:
            process.terminate()
            process.wait()

    def _job(self, case: Case, name: str, image: Path) -> Job:
        record = self.folder / "record"
        record.write_text("")
        run = run_timed(self._command(case, image, self.folder / "tty"))
        if run.code:
            print(f"{name}: {run.code}: {run.said[-300:]}", file=sys.stderr)
        lines = [json.loads(line) for line in record.read_text().splitlines()]
        sent = tuple((float(gap), bytes.fromhex(data)) for gap, data, _ in lines)
        start = run_timed(self._command(case, image, self.folder / "no-port"))
        before_s = lines[0][2] - run.began_s - (start.ended_s - start.began_s)
        idle_s = [s for s in (before_s, run.ended_s - lines[-1][2]) if s > _AT_THE_ENDS_S]
        sent = ((0.0, sent[0][1]), *sent[1:])
        return Job(name, sent, run.cpu_s, start.cpu_s, sum(idle_s), not run.code)

    def _command(self, case: Case, image: Path, port: Path) -> list[str]:
        if case.name in PEERS:
            command: list[str] = getattr(self.clients, case.name)(image, port)
            return command
        return self.clients.ours(image, port, *case.tool)


# --- playing


class Player:
    """A chip on a line in virtual time, and one host after another."""

    def __init__(self, case: Case, baud: int, latency_ms: float) -> None:
        times = dict(zip(TIMES[::2], map(float, TIMES[1::2]), strict=True))
        part, _ = with_times(
            load_part("STM32L476xG"),
            "typ",
            program_unit_us=times["--program-us"],
            sector_erase_us=times["--erase-us"],
            mass_erase_us=times["--mass-erase-us"],
        )
        version = 0x33 if "3.3" in case.chip else None
        chip = Chip(EmulatedFlash(part), RomOptions(version=version))
        self.line = Line(chip, Speed(baud, latency_ms, flash=True))
        self.now_us = 0.0

    def play(self, job: Job) -> Row:
        began_us, self.now_us = self.now_us, self.now_us + (job.start_s + job.idle_s) * 1e6
        wire_bytes = turnarounds = 0
        own_us = max(0.0, job.cpu_s - job.start_s) * 1e6 / len(job.sent)
        for gap_us, data in job.sent:
            self.now_us += own_us + (gap_us if gap_us > _ON_PURPOSE_US else 0.0)
            self.line.receive(data, self.now_us)
            answer = self._answer()
            wire_bytes += len(data) + answer
            turnarounds += bool(answer)
        took_s = (self.now_us - began_us) / 1e6
        return Row(job.name, took_s, wire_bytes, turnarounds, job.is_good)

    def _answer(self) -> int:
        """Bytes that come; it is then when the last one has come."""
        count = 0
        while (due_us := self.line.next_due_us()) is not None:
            self.now_us = max(self.now_us, due_us)
            count += len(self.line.transmit(self.now_us))
        return count


def table(recorded: dict[Case, list[Job]], size: int, baud: int, latency_ms: int) -> None:
    rows: list[Row] = []
    again: list[Row] = []
    for case, jobs in recorded.items():
        player = Player(case, baud, min(1, latency_ms) if case.driver else latency_ms)
        first, *others = [player.play(job) for job in jobs]
        rows.append(first)
        again += others
    show(rows, again, size, baud, latency_ms)


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]), sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256 * 1024, help="bytes of the image")
    size = parser.parse_args().size
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = name
        folder = Path(name)
        images = images_in(folder, size)
        clients = Clients(folder, 115_200)
        recording = Recording(folder, clients, images)
        recorded = {case: recording.jobs(case) for case in CASES}
        for baud in (115_200, 921_600):
            for latency_ms in (1, 16):
                table(recorded, size, baud, latency_ms)
    print(f"recorded and played in {time.monotonic() - began_s:.0f} s")
    sys.exit(0 if all(job.is_good for jobs in recorded.values() for job in jobs) else 1)


if __name__ == "__main__":
    main()
