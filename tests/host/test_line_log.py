"""What crosses the line is logged for whoever asks, and for nobody else."""

from __future__ import annotations

import logging
import os
import re
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcu_updater.host.rom_line import open_rom_line
from mcu_updater.host.serial_port import open_port
from tests.cli.command_line import run
from tests.flash_emulator.bootrom.served_chip import serving
from tests.places import FIXTURES

LINE = logging.getLogger("mcu_updater.line")


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    """The far end's descriptor, and the port's name."""
    far, near = os.openpty()
    tty.setraw(near)
    yield far, os.ttyname(near)
    os.close(far)
    os.close(near)


def said(records: list[logging.LogRecord]) -> list[tuple[str, str]]:
    return [(record.name, record.getMessage()) for record in records]


def test_the_at_line_is_logged_in_both_directions(pty, caplog: pytest.LogCaptureFixture) -> None:
    far, name = pty
    port = open_port(name)
    with caplog.at_level(logging.DEBUG, LINE.name):
        port.write(b"AT+QIOTSTATE?\r\n")
        os.write(far, b"+QIOTSTATE: 8\r\n\xff")
        port.read(1.0)
        port.read(0.0)  # nothing came: nothing is logged
    port.close()
    assert said(caplog.records) == [
        ("mcu_updater.line.at", r"> AT+QIOTSTATE?\r\n"),
        ("mcu_updater.line.at", r"< +QIOTSTATE: 8\r\n\xff"),
    ]


def test_the_rom_line_is_logged_in_hexadecimal(pty, caplog: pytest.LogCaptureFixture) -> None:
    far, name = pty
    line = open_rom_line(name, 115_200)
    with caplog.at_level(logging.DEBUG, LINE.name):
        line.write(b"\x7f")
        os.write(far, b"\x79")
        line.read(1.0)
    line.close()
    assert said(caplog.records) == [
        ("mcu_updater.line.rom", "> 7f"),
        ("mcu_updater.line.rom", "< 79"),
    ]


def test_nothing_is_logged_unless_somebody_asks(pty, caplog: pytest.LogCaptureFixture) -> None:
    """Also where a program listens to everything from INFO on."""
    _, name = pty
    port = open_port(name)
    with caplog.at_level(logging.INFO):
        port.write(b"AT\r\n")
    port.close()
    assert caplog.records == []
    assert not LINE.handlers


def test_line_log_writes_the_line_to_a_file_and_ends_with_the_command(tmp_path: Path) -> None:
    log = tmp_path / "line.log"
    log.write_text("an earlier run\n")
    common = ("--port", tmp_path / "tty", "--cache", tmp_path / "cache", "--timeout", 0.3)
    with serving("STM32L476xG", "--link", tmp_path / "tty"):
        assert run("info", *common, "--line-log", log).exit_code == 0
        written = log.read_text()
        assert run("info", *common).exit_code == 0
        aside = run("info", *common, "--line-log", "-", "--json")
    lines = written.splitlines()
    assert lines[0] == "an earlier run"
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} mcu_updater\.line\.rom > 7f", lines[1])
    assert any(line.endswith("< 79") for line in lines)
    assert log.read_text() == written and not LINE.handlers
    assert "mcu_updater.line.rom > 7f" in aside.stderr and "line.rom" not in aside.stdout


def test_a_log_that_cannot_be_written_is_refused_before_the_port_is_opened(tmp_path: Path) -> None:
    image = FIXTURES / "fixture-2.0.0.hex"
    lost = run("verify", image, "--port", tmp_path / "tty", "--line-log", tmp_path / "no" / "log")
    assert lost.exit_code == 4 and str(tmp_path / "no") in lost.stderr
    same = tmp_path / "image.hex"
    same.write_bytes(image.read_bytes())
    refused = run("verify", same, "--port", tmp_path / "tty", "--line-log", same)
    assert refused.exit_code == 2 and same.read_bytes() == image.read_bytes()


def test_an_update_without_a_line_refuses_the_log(tmp_path: Path) -> None:
    refused = run("update", FIXTURES / "fixture-2.0.0.hex", "--line-log", tmp_path / "log")
    assert refused.exit_code == 2
    assert "--line-log has no effect without --module or --target" in refused.stderr
    assert not (tmp_path / "log").exists()
