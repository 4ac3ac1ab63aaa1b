"""The farm in a process of its own: asked, ended with its parent, and told from a dead one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from benchmarks.served_modules import states_of, upgrade_all
from mcu_updater.cloud.center.load import BadCenterFile
from mcu_updater.console import modules
from mcu_updater.console.modules import ModuleFarm
from mcu_updater.core.errors import InputRejected, PortError, UpdaterError, UsageError
from tests.serve.farms import free_ports, settings_for
from tests.serve.served import PATIENCE_S, opened, until

PARENT = """
import pathlib, sys, time
from mcu_updater.console.modules import ModuleFarm
from mcu_updater.serve.farm import FarmSettings
from mcu_updater.serve.places import parse_places
if __name__ == "__main__":
    file = pathlib.Path(sys.argv[1])
    farm = ModuleFarm(
        FarmSettings(file=file, db=file.with_suffix(".db"), places=parse_places(sys.argv[2]))
    )
    farm.start()
    print(farm._process.pid, flush=True)
    time.sleep(600)
"""


def has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize(
    ("clients", "processes"), [(12, 1), pytest.param(300, 2, marks=pytest.mark.thorough)]
)
def test_boards_of_other_processes_are_upgraded(tmp_path: Path, clients: int, processes: int):
    """One of four lines is bad: see ``benchmarks/served_modules.py``."""
    farm = ModuleFarm(settings_for(tmp_path, clients))
    farm.start()
    try:
        addresses = farm.addresses()
        assert farm.address_of("board-012") == addresses["board-012"]
        assert farm.address_of("nobody") is None
        done, _ = upgrade_all(addresses, processes, bad_every=4)
        figures = farm.figures()
    finally:
        farm.stop()
    assert [one for one in done if one.fault] == []
    assert sum(one.sessions > 1 for one in done) == clients // 4
    assert states_of(farm.settings.file, farm.settings.db) == {"success": clients}
    assert figures["running"]
    assert (figures["devices"], figures["failures"]) == (clients, 0)
    assert (farm.addresses(), farm.figures()) == ({}, {"running": False})


def test_it_ends_with_its_parent_however_that_ends(tmp_path: Path):
    settings = settings_for(tmp_path)
    first = free_ports(2)
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    command = [sys.executable, str(script), str(settings.file), f"tcp:{first}-{first + 1}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        with opened(f"socket://127.0.0.1:{first}") as client:
            client.ask('AT+QIOTMCUVER="STM32","7"')
        parent.send_signal(signal.SIGKILL)
    deadline_s = time.monotonic() + PATIENCE_S
    while not has_ended(pid):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert '"STM32": "7"' in (settings.folder / "board-001.module.json").read_text()


def test_one_that_was_killed_is_started_again(tmp_path: Path, caplog, monkeypatch):
    has_looked = threading.Event()

    def launch_again(farm: ModuleFarm, pause_s: float) -> None:
        assert has_looked.wait(PATIENCE_S)
        again(farm, pause_s / 100)

    again = ModuleFarm._launch_again
    monkeypatch.setattr(ModuleFarm, "_launch_again", launch_again)
    with ModuleFarm(settings_for(tmp_path)) as farm:
        one = farm.addresses()["board-001"]
        with opened(one) as client:
            client.ask('AT+QIOTMCUVER="STM32","7"')
        assert farm._process is not None
        farm._process.kill()
        until(lambda: "it is started again" in caplog.text)
        assert farm.address_of("board-001") is None
        assert farm.figures() == {"running": False}
        has_looked.set()
        until(lambda: farm.address_of("board-001") == one)
        assert farm.figures()["running"]
        with opened(one) as client:
            assert b'"STM32","7"' in client.ask("AT+QIOTMCUVER?")
    farm.stop()
    assert not farm.is_running


def test_one_that_cannot_start_again_is_told_and_can_be_stopped(
    tmp_path: Path, caplog, monkeypatch
):
    monkeypatch.setattr(modules, "_PAUSE_S", 0.01)
    with ModuleFarm(settings_for(tmp_path)) as farm:
        farm.settings.file.write_text("=")
        assert farm._process is not None
        farm._process.kill()
        until(lambda: "the modules are not served: " in caplog.text)
    assert "is no TOML" in caplog.text


def test_who_answers_late_goes_on_with_all_clients(tmp_path: Path, monkeypatch):
    with ModuleFarm(settings_for(tmp_path)) as farm:
        one = farm.addresses()["board-001"]
        assert farm._process is not None
        pid = farm._process.pid
        assert pid is not None
        with opened(one) as client:
            client.ask("AT")
            monkeypatch.setattr(modules, "ANSWER_S", 0.05)
            os.kill(pid, signal.SIGSTOP)
            assert [farm.address_of(f"board-00{at}") for at in (1, 2, 1)] == [None] * 3
            assert farm.is_running
            os.kill(pid, signal.SIGCONT)
            monkeypatch.setattr(modules, "ANSWER_S", PATIENCE_S)
            client.ask("AT")
            assert farm.figures()["clients"] == 1  # not the answer to what was asked before
            assert farm.address_of("board-001") == one


@pytest.mark.parametrize("what", ["range", "file", "folder"])
def test_what_cannot_be_served_is_said_in_the_parent(tmp_path: Path, what: str):
    first = free_ports(2)
    settings = settings_for(tmp_path, places=f"tcp:{first}-{first + (what != 'range')}")
    error: type[UpdaterError] = UsageError
    said = "there are more devices than ports"
    if what == "file":
        error, said = InputRejected, "is no TOML"
        settings.file.write_text("=")
    elif what == "folder":
        error, said = PortError, "cannot be made"
        settings.folder.touch()
    farm = ModuleFarm(settings)
    with pytest.raises(error, match=said) as caught:
        farm.start()
    assert not isinstance(caught.value, BadCenterFile)  # its faults stay in the other process
    assert not farm.is_running
