"""``module serve`` in processes of its own: pty, TCP, standard input, restart, several at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from mcu_updater.cli.main import cli
from tests.serve.served import PATIENCE_S, opened, serving, where

TRAPS = b"\r\nOK\r\n" + b"\0" * 7 + b"\r\nERROR\r\n\r\n+QIOTEVT: 7,10706\r\n" + bytes(range(256))
PACKAGE = TRAPS * 9


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "package.bin"
    path.write_bytes(PACKAGE)
    return path


def start(client) -> None:
    client.ask("ATE0")
    client.ask('AT+QIOTMCUVER="STM32","1_0_0"')
    client.ask("AT+QIOTREG=2")
    client.until(b"3,10200\r\n")
    client.ask("AT+QIOTOTAREQ=1")
    client.until(b"7,10700")
    client.ask("AT+QIOTUPDATE=1")


def upgrade(client) -> bytes:
    """The whole upgrade, by hand. Returns what was read."""
    start(client)
    client.until(b'7,10703,"STM32",%d,0,%d\r\n' % (len(PACKAGE), len(PACKAGE)))
    data = read_all(client)
    client.ask("AT+QIOTUPDATE=3")
    client.until(b"7,10704\r\n")
    client.ask('AT+QIOTMCUVER="STM32","2_0_0"')
    client.until(b"7,10705\r\n")
    return data


def read_all(client) -> bytes:
    data = b""
    while len(data) < len(PACKAGE):
        size = min(1024, len(PACKAGE) - len(data))
        client.send(f"AT+QIOTOTARD={len(data)},1024")
        client.until(b"\r\n+QIOTOTARD: %d,%d\r\n" % (len(data), size))
        part = PACKAGE[len(data) : len(data) + size]
        data += client.until(part)
        client.until(b"\r\n\r\nOK\r\n")
    return data


@pytest.mark.parametrize("wire", [(), ("--tcp", "127.0.0.1:0")])
def test_an_upgrade_over_pty_and_tcp(wire, package):
    with serving("--package", package, "--speed", 10, *wire) as process:
        with opened(where(process)) as client:
            assert upgrade(client) == PACKAGE
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


def test_standard_input_and_output(package):
    with serving("--package", package, "--stdio", stdin=subprocess.PIPE) as process:
        said, where_ = process.communicate(b"ATE0\r\nAT+QIOTSTATE?\r\n", timeout=PATIENCE_S)
    assert said == b"ATE0\r\r\nOK\r\n\r\n+QIOTSTATE: 1\r\n\r\nOK\r\n"
    assert where_ == b"standard input and output\n"
    assert process.returncode == 0


@pytest.mark.parametrize("wire", [(), ("--tcp", "127.0.0.1:0")])
def test_once_ends_with_its_client(wire, package):
    with serving("--package", package, "--once", *wire) as process:
        with opened(where(process)) as client:
            client.ask("AT")
            assert process.poll() is None
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("wire", [(), ("--tcp", "127.0.0.1:0")])
def test_the_next_client_finds_the_module_as_the_last_one_left_it(wire, package):
    with serving("--package", package, *wire) as process:
        place = where(process)
        with opened(place) as client:
            client.ask('AT+QIOTMCUVER="STM32","7"')
        with opened(place) as client:
            assert b'"STM32","7"' in client.ask("AT+QIOTMCUVER?")


def test_the_link_is_stable_and_removed(package, tmp_path):
    link = tmp_path / "module"
    link.symlink_to("/dev/null")
    with serving("--package", package, "--link", link) as process:
        assert where(process) == str(link)
        with opened(link) as client:
            client.ask("AT")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    assert not os.path.lexists(link)


def test_several_at_once(package, tmp_path):
    link = tmp_path / "module"
    with serving("--package", package, "--link", link, "--count", 2) as process:
        places = [where(process), where(process)]
        assert places == [f"{link}-1", f"{link}-2"]
        with opened(places[0]) as one, opened(places[1]) as two:
            one.ask('AT+QIOTMCUVER="STM32","7"')
            two.ask('AT+QIOTMCUVER="STM32","8"')
            assert b'"STM32","7"' in one.ask("AT+QIOTMCUVER?")
            assert b'"STM32","8"' in two.ask("AT+QIOTMCUVER?")


def test_a_killed_module_boots_from_its_state(package, tmp_path):
    """It starts the download over, as after a power loss."""
    options = ("--package", package, "--state", tmp_path / "state", "--speed", 10)
    with serving(*options) as process, opened(where(process)) as client:
        start(client)
        client.until(b"7,10703")
        process.kill()
        process.wait()
    with serving(*options) as process, opened(where(process)) as client:
        client.until(b"2,10200")
        client.until(b"7,10702\r\n")
        client.until(b"7,10703")
        client.ask("ATE0")
        assert read_all(client) == PACKAGE


def test_a_paused_module_goes_on(package, tmp_path):
    options = ("--package", package, "--state", tmp_path / "state", "--speed", 10)
    with serving(*options) as process, opened(where(process)) as client:
        start(client)
        client.until(b"7,10703")
        process.send_signal(signal.SIGTERM)
        process.wait()
    with serving(*options, "--paused") as process, opened(where(process)) as client:
        assert read_all(client) == PACKAGE


def refused(*options: object, code: int) -> str:
    arguments = ["module", "serve", "--target-version", "2", *map(str, options)]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, result.output
    return result.stderr


def test_what_cannot_be(package, tmp_path):
    given = ("--package", package)
    assert "one wire" in refused(*given, "--stdio", "--tcp", "x:1", code=2)
    assert "one module" in refused(*given, "--stdio", "--count", 2, code=2)
    assert "--state" in refused(*given, "--paused", code=2)
    assert "HOST:PORT" in refused(*given, "--tcp", "4321", code=2)
    assert "cannot listen" in refused(*given, "--tcp", "192.0.2.1:1", code=4)
    (tmp_path / "file").write_text("keep me")
    assert "free name" in refused(*given, "--link", tmp_path / "file", code=4)
    assert (tmp_path / "file").read_text() == "keep me"
    assert "no readable" in refused(*given, "--state", tmp_path / "file", code=4)


def test_a_state_of_another_package_is_not_taken(package, tmp_path):
    state = tmp_path / "state"
    with serving("--package", package, "--state", state) as process, opened(where(process)) as one:
        one.ask('AT+QIOTMCUVER="STM32","7"')
        process.send_signal(signal.SIGTERM)
        process.wait()
    assert json.loads(state.read_text())["module"]["firmware"]["versions"] == {"STM32": "7"}
    other = tmp_path / "other.bin"
    other.write_bytes(PACKAGE[:-1])
    options = ("--package", other, "--state", state, "--target-version", "2_0_0")
    assert "other packages" in refused(*options, code=2)
