"""How ``mcu-updater powerloss`` ends when something ends it, with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "mcu_updater", "powerloss"]
LONG = ["--scenario", "link", "--quiet"]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A long search with two workers, which has begun."""
    report = tmp_path / "report.json"
    process = subprocess.Popen(
        [*COMMAND, *LONG, "--jobs", "2", "--json-file", str(report)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 40
    while len(workers(process.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    yield process
    process.kill()
    process.communicate()


def workers(parent: int) -> list[int]:
    """Children of that process, and those of no parent any more that were."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "stat").read_text()
            except OSError:
                continue
            state, ppid = text.rpartition(")")[2].split()[:2]
            if int(ppid) == parent and state != "Z":
                found.append(int(folder.name))
    return found


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def gone(pids: list[int], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(alive, pids))


pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@pytest.mark.parametrize(
    ("number", "code", "word", "to_all"),
    [
        pytest.param(signal.SIGINT, 130, "interrupted", True, id="INT to its group"),
        pytest.param(signal.SIGTERM, 143, "terminated", False, id="TERM to it"),
        pytest.param(signal.SIGTERM, 143, "terminated", True, id="TERM to its group"),
        pytest.param(signal.SIGHUP, 129, "hung up", True, id="HUP to its group"),
    ],
)
def test_a_signal_ends_it_with_all_that_is_known(
    started: subprocess.Popen[str],
    tmp_path: Path,
    number: signal.Signals,
    code: int,
    word: str,
    to_all: bool,
) -> None:
    """A terminal and a service manager signal the whole group, ``kill`` one process."""
    children = workers(started.pid)
    assert len(children) == 2
    (os.killpg if to_all else os.kill)(started.pid, number)
    out, err = started.communicate(timeout=30)
    assert started.returncode == code
    assert gone(children, 1)
    assert "incomplete (interrupted)" in out
    assert word in err
    assert "Traceback" not in err
    (result,) = json.loads((tmp_path / "report.json").read_text())["results"]
    assert result["report"]["stopped_by"] == "interrupted"


def test_workers_end_with_a_parent_that_is_killed(started: subprocess.Popen[str]) -> None:
    children = workers(started.pid)
    assert len(children) == 2
    started.kill()
    started.communicate(timeout=10)  # nobody holds the pipe
    assert gone(children, 5)


def test_a_limit_of_time_holds_with_processes_and_all_reports(tmp_path: Path) -> None:
    options = ["--time", "3", "--jobs", "2", "--certificates", str(tmp_path / "certificates")]
    report = tmp_path / "report.json"
    done = subprocess.run(
        [*COMMAND, *LONG, *options, "--json-file", str(report), "--html", str(tmp_path / "r.html")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    (result,) = json.loads(report.read_text())["results"]
    assert result["report"]["stopped_by"] == "time"
    assert 0 < result["report"]["elapsed_s"] < 3.6


def test_a_report_that_cannot_be_written_costs_no_result() -> None:
    """It is told afterwards, with a code of its own."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full")
    search = ["--scenario", "verified-alone", "--size", "300", "--jobs", "1", "--quiet"]
    options = [*search, "--html", str(full)]
    done = subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 4, done.stderr
    assert "passed" in done.stdout
    assert "/dev/full" in done.stderr
