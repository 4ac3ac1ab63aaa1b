"""Ports over the network: RFC 2217 with pyserial's own server, and bare TCP sockets."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcu_updater.core.errors import PortError
from mcu_updater.host.rom_line import open_rom_line
from tests.cli.command_line import run
from tests.flash_emulator.bootrom.served_chip import serving, shim
from tests.stm32.emulated_chip import image

pytestmark = pytest.mark.filterwarnings("ignore:set:DeprecationWarning")  # pyserial's threads
SERVER = Path(__file__).with_name("rfc2217_server.py")
BAUD = 115_200


@contextlib.contextmanager
def remote(pty: str, lines: Path | None = None) -> Iterator[str]:
    """The rfc2217:// address of *pty*. *lines*: the server's port has parity and modem lines."""
    environment = dict(os.environ)
    if lines is not None:
        environment |= {"LD_PRELOAD": shim(), "PTY_SHIM_LINES": str(lines)}
    command = [sys.executable, str(SERVER), pty]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        yield f"rfc2217://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def firmware(tmp_path):
    path = tmp_path / "firmware.bin"
    path.write_bytes(image(3000).segments[0].data)
    return path


def test_rfc2217_resets_the_chip_sets_the_speed_and_flashes(tmp_path, firmware):
    """8E1, and DTR and RTS of the far end, which fetch the chip out of its program."""
    lines = tmp_path / "lines"
    wiring = ("--lines", lines, "--wiring", "nrst=!dtr,boot0=!rts", "--boot0", "low")
    with serving("STM32L476xG", "--baud", "auto", *wiring) as chip, remote(chip.where, lines) as at:
        assert chip.status()["state"] == "application"
        common = ("--port", at, "--cache", tmp_path / "cache", "--reset", "dtr,!rts")
        done = run("flash", firmware, *common, "--baud", 460_800)
        assert done.exit_code == 0, done.output
        assert "0.1 s" in done.output and "8N1" not in done.output
        assert "460800 baud" in done.output
        assert int(chip.status()["resets"]) >= 1
        back = tmp_path / "back.bin"
        read = run("read", back, *common, "--baud", "auto", "--size", 3000, "--once")
        assert read.exit_code == 0 and "921600 baud" in read.output, read.output
        assert back.read_bytes() == firmware.read_bytes()
        assert chip.status()["misread"] == "0"


def test_an_rfc2217_server_that_has_no_parity_is_said(tmp_path, firmware):
    with serving("STM32L476xG") as chip, remote(chip.where) as at:
        done = run("flash", firmware, "--port", at, "--cache", tmp_path / "cache")
        assert done.exit_code == 0, done.output
        assert "takes no even parity; going on with 8N1" in done.output


def test_an_rfc2217_server_that_goes_away_ends_with_the_port(tmp_path):
    with serving("STM32L476xG") as chip, remote(chip.where) as at:
        line = open_rom_line(at, BAUD)
    with pytest.raises(PortError, match="port is gone"):
        for _ in range(20):
            line.write(b"\x7f")
            line.read(0.1)
    line.close()


def test_no_rfc2217_server():
    with pytest.raises(PortError, match="cannot be opened"):
        open_rom_line("rfc2217://127.0.0.1:1", BAUD)


def test_a_socket_says_what_it_cannot_do_and_refuses_what_it_is_asked_for(tmp_path, firmware):
    with serving("STM32L476xG", "--tcp", "127.0.0.1:0") as chip:
        common = ("--port", chip.where, "--cache", tmp_path / "cache")
        done = run("flash", firmware, *common)
        assert done.exit_code == 0 and "no baud rate, no parity, no DTR" in done.output
        reset = run("flash", firmware, *common, "--reset", "dtr,rts")
        assert reset.exit_code == 4 and "no DTR and RTS" in reset.output
        line = open_rom_line(chip.where, BAUD)
        with pytest.raises(PortError, match="no baud rate"):
            line.set_baud(57_600)
        with pytest.raises(PortError, match="no DTR and RTS"):
            line.set_modem_line("dtr", True)
        line.close()


def test_a_socket_answers_at_once(tmp_path):
    """TCP_NODELAY: 44 ms a command without it (pyserial issue 768)."""
    with serving("STM32L476xG", "--tcp", "127.0.0.1:0") as chip:
        path = tmp_path / "firmware.bin"
        path.write_bytes(image(16 * 1024).segments[0].data)
        done = run("flash", path, "--port", chip.where, "--cache", tmp_path / "cache")
    assert done.exit_code == 0
    seconds = float(done.output.rpartition("done in ")[2].partition(" s")[0])
    assert seconds < 4.0  # 390 turnarounds: 17 s at 44 ms each
