"""``module serve`` in one process, ``update`` and ``watch`` in another, and what kills them.

MCU_UPDATER_KILLS says how many times a client is killed (8); ``make kills`` asks for 200.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mcu_updater.board import load_board
from mcu_updater.cli import exits
from mcu_updater.core.errors import InputRejected, ModuleRefused, PortError
from tests.command_processes import CommandProcess, run_command
from tests.places import FIXTURES
from tests.serve.served import serving, where
from tests.thorough import one_in

PACKAGE = FIXTURES / "fixture-2.0.0.bin"
PATIENCE_S = 180.0  # on a loaded machine
SPEED = 10  # of the module's time
SERVE = ("--package", PACKAGE, "--piece-size", 4000, "--speed", SPEED)
KILLS = int(os.environ.get("MCU_UPDATER_KILLS", "8"))
MOMENTS = 5  # at which one upgrade is killed; it may have ended before the last


def command(name: str, *options: object) -> tuple[object, ...]:
    return (name, "--verdict-wait", "0.3", *options)


def update(*options: object) -> subprocess.CompletedProcess[str]:
    return run_command(*command("update", *options), timeout_s=PATIENCE_S)


def runs(file: Path) -> str:
    return load_board(file).would_boot().version


@pytest.fixture(params=one_in(2, ["pty", "tcp"]))
def module(request, tmp_path):
    """Where a served module is."""
    place = ("--link", tmp_path / "tty") if request.param == "pty" else ("--tcp", "127.0.0.1:0")
    with serving(*SERVE, *place) as process:
        yield where(process)


def test_the_package_given(module, tmp_path):
    file = tmp_path / "one.board"
    first = update(PACKAGE, "--module", module, "--board", file, "--json")
    assert first.returncode == 0, first.stderr
    assert runs(file) == "2_0_0"
    summary = json.loads(first.stdout.splitlines()[-1])
    assert summary["outcome"] == "updated"
    assert summary["real_link"]
    again = update(PACKAGE, "--module", module, "--board", file, "--wait", 0.5)
    assert again.returncode == 0
    assert "already runs version 2_0_0" in again.stdout


def test_another_package_then_any(module, tmp_path):
    file = tmp_path / "one.board"
    other = FIXTURES / "fixture-2.0.0.hex"
    refused = update(other, "--module", module, "--board", file)
    assert refused.returncode == exits.CODES[InputRejected]
    assert "the package offered is not the one given" in refused.stderr
    assert runs(file) == "1.0.0"
    done = update("--any", "--module", module, "--board", file, "--wait", 20)
    assert (done.returncode, runs(file)) == (0, "2_0_0")
    for told, awaited in (
        ("STM32 runs version 2_0_0", "verdict: 0.3 s at most"),
        ("is there a plan?", "plan: 20 s at most"),
    ):
        behind = done.stdout.partition(told)[2].splitlines()
        assert behind[1] == f"Waiting for the module's {awaited}"


def test_pyserials_spy(tmp_path):
    """A port that can only be polled; its log has all that was said."""
    link, log = tmp_path / "tty", tmp_path / "spy.txt"
    with serving(*SERVE, "--link", link) as module:
        where(module)
        done = update("--any", "--module", f"spy://{link}?file={log}", "--board", tmp_path / "b")
    assert done.returncode == 0, done.stderr
    assert "AT+QIOTOTARD=?.." in log.read_text()


def test_a_port_that_is_not_there(tmp_path):
    done = update("--any", "--module", tmp_path / "tty", "--board", tmp_path / "one.board")
    assert done.returncode == exits.CODES[PortError]
    assert "cannot be opened" in done.stderr


def test_sigterm_in_an_update_leaves_a_board_that_goes_on(module, tmp_path):
    file = tmp_path / "one.board"
    words = command("update", "--any", "--module", module, "--board", file, "--json")
    with CommandProcess(words, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        for line in client.stdout:
            if '"code": 10703' in line:
                client.send_signal(signal.SIGTERM)
                break
        client.stdout.read()
        assert client.wait(PATIENCE_S) == 130
    assert runs(file) == "1.0.0"
    assert update("--any", "--module", module, "--board", file).returncode == 0
    assert runs(file) == "2_0_0"


@pytest.mark.parametrize("fault", ["drop=0.0004", "double=0.0004", "drop-received=0.002"])
def test_a_line_that_loses_bytes(fault, tmp_path):
    file, link = tmp_path / "one.board", tmp_path / "tty"
    package = FIXTURES / "fixture-2.0.0.hex"
    with serving(
        "--package", package, "--speed", SPEED, "--link", link, "--fault", fault
    ) as module:
        where(module)
        done = update(package, "--module", link, "--board", file, "--timeout", 0.5, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["retries"] >= 1
    assert runs(file) == "2_0_0"


# --- killed


def killed_at() -> list[tuple[str, int]]:
    """Wires and seeds. An ordinary run takes one wire for each seed; ``make kills`` all kills on
    either."""
    wires, seeds = ("pty", "tcp"), range(-(-KILLS // (MOMENTS - 1)))
    every = [(wire, seed) for wire in wires for seed in seeds]
    if KILLS >= 200:
        return every
    return [(wire, seed) for wire, seed in every if wires[seed % 2] == wire]


@pytest.mark.parametrize(("wire", "seed"), killed_at())
def test_a_client_that_is_killed_ends_upgraded_or_hears_10706(
    wire, seed, tmp_path, record_property
):
    """An upgrade takes 1.5 s from start to end here: flash operations take their time."""
    rng, killed = random.Random(f"{wire}/{seed}"), 0
    file = tmp_path / "one.board"
    place = ("--link", tmp_path / "tty") if wire == "pty" else ("--tcp", "127.0.0.1:0")
    with serving(*SERVE, *place) as module:
        options = ("--any", "--module", where(module), "--board", file, "--flash-time")
        for _ in range(MOMENTS):
            with CommandProcess(command("update", *options), stdout=subprocess.DEVNULL) as client:
                time.sleep(rng.uniform(0.3, 2.0))
                killed += client.poll() is None
                client.kill()
        last = update(*options, "--wait", 1)
    record_property("killed while it ran", killed)
    record_property("ended", (last.stderr or "upgraded by the last one").strip())
    if last.returncode == exits.CODES[ModuleRefused] and "offers no upgrade" in last.stderr:
        assert runs(file) == "2_0_0"  # a client was killed when all but the summary was done
        return
    if last.returncode == exits.CODES[ModuleRefused]:
        assert "10706" in last.stderr
        assert runs(file) == "1.0.0"
        return
    assert last.returncode == 0, last.stdout + last.stderr
    assert runs(file) == "2_0_0"


# --- watch


def watching(*options: object) -> subprocess.Popen[str]:
    words = command("watch", *options, "--json", "--ask-every", 2)
    return CommandProcess(words, stdout=subprocess.PIPE, text=True, bufsize=1)


def until(client: subprocess.Popen[str], name: str) -> dict[str, object]:
    assert client.stdout is not None
    for line in client.stdout:
        fields: dict[str, object] = json.loads(line)
        if fields["event"] == name:
            return fields
    raise AssertionError(f"no {name}; exit code {client.wait()}")


def test_watch_outlives_its_port_and_stops_when_asked(tmp_path):
    file, link = tmp_path / "one.board", tmp_path / "tty"
    assert update(PACKAGE, "--board", file, "--to", "1.5.0").returncode == 0  # the board's module
    with watching("--module", link, "--board", file) as client:
        assert until(client, "port-lost")["again_s"] == 1.0
        with serving(*SERVE, "--link", link) as module:
            where(module)
            assert until(client, "port-opened")["port"] == str(link)
            assert until(client, "upgraded")["version"] == "2_0_0"
        until(client, "port-lost")
        with serving(*SERVE, "--link", link) as module:
            where(module)
            until(client, "port-opened")
            until(client, "module-told")
            client.send_signal(signal.SIGINT)
            assert until(client, "stopped")["version"] == "2_0_0"
            assert client.wait(PATIENCE_S) == 12
    assert runs(file) == "2_0_0"
