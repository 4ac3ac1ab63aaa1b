"""``ports`` and ``doctor``: what the computer has, who may use it, what to do about the rest."""

from __future__ import annotations

import importlib.metadata
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcu_updater.host import checkup, ports
from mcu_updater.host.checkup import State, check_cache, check_encoding, check_library
from mcu_updater.host.ports import PortFacts, list_ports
from tests.cli.command_line import run


@dataclass
class Listed:
    """What pyserial lists."""

    device: str
    vid: int | None = None
    pid: int | None = None
    description: str = "n/a"
    location: str | None = None
    serial_number: str | None = None


@pytest.fixture
def bridge(tmp_path: Path) -> Listed:
    device = tmp_path / "ttyUSB0"
    device.touch()
    return Listed(str(device), 0x0403, 0x6001, "FT232R USB UART", "1-2", "A50285BI")


def listed(*found: Listed, proc: Path = Path("/nonexistent")) -> list[PortFacts]:
    return list_ports(lambda: found, proc)


# --- ports


def test_a_port_with_identity_access_and_timer(
    bridge: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "latency_timer_ms", lambda _: 16.0)
    (port,) = listed(bridge)
    assert (port.usb_id, port.kind, port.serial) == ("0403:6001", "FTDI", "A50285BI")
    assert (port.may_open, port.latency_ms) == (True, 16.0)
    assert port.mode.startswith("-rw") and port.owner and port.group
    assert "low_latency" in port.advice


def test_a_port_that_is_not_for_this_user(bridge: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    (port,) = listed(bridge)
    assert not port.may_open
    assert port.advice.startswith(f"sudo usermod -aG {port.group} ")


def test_who_has_a_port_open_is_told(bridge: Listed, tmp_path: Path) -> None:
    process = tmp_path / "proc" / "4711"
    (process / "fd").mkdir(parents=True)
    (process / "fd" / "3").symlink_to(bridge.device)
    (process / "comm").write_text("minicom\n")
    (port,) = listed(bridge, proc=tmp_path / "proc")
    assert port.holders == ("minicom (4711)",)
    assert port.advice == "in use by minicom (4711)"


def test_ports_are_sorted_and_one_without_a_device_file_is_told(tmp_path: Path) -> None:
    found = listed(Listed("/dev/none9"), Listed(str(tmp_path)))
    assert [port.device for port in found] == sorted(["/dev/none9", str(tmp_path)])
    gone = next(port for port in found if port.device == "/dev/none9")
    assert (gone.mode, gone.may_open, gone.usb_id, gone.description) == ("", False, "", "")


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_table_cuts_no_device_and_no_identity(
    bridge: Listed, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    device = "/dev/ttyACM17"
    found = listed(Listed(device, 0x2C7C, 0x0125, "A module with a long description " * 3))
    monkeypatch.setattr("mcu_updater.cli.ports.list_ports", lambda: found)
    shown = run("ports")
    assert shown.exit_code == 0
    assert device in shown.stdout and "2C7C:0125" in shown.stdout
    assert "Quectel module" in " ".join(shown.stdout.split())
    assert max(map(len, shown.stdout.splitlines())) <= columns
    assert "…" not in shown.stdout


def test_ports_for_programs_and_where_there_is_none(
    bridge: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = listed(bridge)
    monkeypatch.setattr("mcu_updater.cli.ports.list_ports", lambda: found)
    said = json.loads(run("ports", "--json").stdout)
    assert said["ports"][0]["usb_id"] == "0403:6001"
    monkeypatch.setattr("mcu_updater.cli.ports.list_ports", list)
    assert json.loads(run("ports", "--json").stdout)["ports"] == []
    nothing = run("ports")
    assert nothing.exit_code == 0 and "no serial port found" in nothing.stdout


# --- doctor


def test_the_doctor_finds_this_computer_fit() -> None:
    said = run("doctor", "--json")
    assert said.exit_code == 0, said.output
    found = json.loads(said.stdout)
    assert found["ok"] is True
    subjects = {check["subject"] for check in found["checks"]}
    assert subjects >= {"python", "library", "program", "port", "group", "text", "cache", "pty"}
    names = {check["name"]: check["state"] for check in found["checks"]}
    assert names["pyserial"] == names["click"] == "ok"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_doctor_cuts_nothing_off(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = run("doctor").stdout
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= columns
    assert "…" not in shown


def test_what_every_command_needs_fails_with_4_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declared = ["click>=99", "no-such-library-here>=1", 'distributed>=1; extra == "cluster"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: declared)
    said = run("doctor")
    assert said.exit_code == 4
    words = " ".join(said.stdout.split())
    assert "pip install 'no-such-library-here>=1'" in words
    assert ">=99 is wanted" in words
    assert json.loads(run("doctor", "--json").stdout)["ok"] is False


@pytest.mark.parametrize(
    ("requirement", "extra", "state"),
    [
        ("click<9,>=8.1", "", State.OK),
        ("click <9, >=8.1", "", State.OK),
        ("click>=99", "", State.FAILED),
        ("click<8", "", State.FAILED),
        ("click==1.0", "", State.FAILED),
        ("click", "", State.OK),
        ("no-such-library", "", State.FAILED),
        ("no-such-library", "bench", State.NOTE),
        ("click>=99", "bench", State.WARNING),
    ],
)
def test_a_library_is_there_and_within_its_limits(
    requirement: str, extra: str, state: State
) -> None:
    check = check_library(requirement, extra=extra)
    assert check.state is state
    assert bool(check.advice) is (state is not State.OK)


@pytest.mark.parametrize(
    ("encoding", "state"),
    [("utf-8", State.OK), ("UTF8", State.OK), ("ascii", State.WARNING), ("", State.WARNING)],
)
def test_the_terminals_encoding(encoding: str, state: State) -> None:
    assert check_encoding(encoding).state is state


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    assert check_cache(tmp_path / "a" / "b").state is State.OK
    (tmp_path / "file").touch()
    blocked = check_cache(tmp_path / "file" / "chips")
    assert blocked.state is State.WARNING and "XDG_CACHE_HOME" in blocked.advice
    assert list((tmp_path / "a" / "b").iterdir()) == []  # nothing is left behind


def test_a_user_who_is_not_in_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    check = checkup.check_groups([], is_root=False)
    assert check.state in (State.WARNING, State.NOTE)
    assert check.advice
    assert checkup.check_groups([], is_root=True).state in (State.OK, State.NOTE)


def test_an_old_python_is_told() -> None:
    assert checkup.check_python((3, 10, 4)).state is State.FAILED
    assert checkup.check_python((3, 13, 0)).state is State.OK


def test_modem_manager_is_told(tmp_path: Path) -> None:
    (tmp_path / "12").mkdir()
    (tmp_path / "12" / "comm").write_text("ModemManager\n")
    assert checkup.check_modem_manager(tmp_path).state is State.WARNING
