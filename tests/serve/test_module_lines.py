"""Hostile payloads over real lines, cut at byte boundaries; records, playback, options, faults."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from mcu_updater.cli.main import cli
from mcu_updater.core import ota
from mcu_updater.host.clock import MonotonicClock
from mcu_updater.quectel.client import AtClient
from mcu_updater.quectel.emulated.transcript import Said, Side, format_transcript, parse_transcript
from tests.serve.served import PATIENCE_S, opened, running, serving, where
from tests.serve.test_module_serve import PACKAGE, TRAPS, package, read_all, start, upgrade

__all__ = ["package"]  # the fixture

WIRES = [(), ("--tcp", "127.0.0.1:0")]


class LinePort:
    """A byte port on a client's file descriptors; *cut* writes every byte by itself."""

    def __init__(self, client, cut: bool = False) -> None:
        self._client = client
        self._cut = cut
        self.reads = 0

    def write(self, data: bytes) -> None:
        step = 1 if self._cut else len(data)
        for at in range(0, len(data), step):
            self._client.write(data[at : at + step])

    def read(self, timeout_s: float) -> bytes:
        source = self._client._source
        if not select.select([source], [], [], timeout_s)[0]:
            return b""
        self.reads += 1
        return os.read(source, 65536)


def upgraded(client: AtClient) -> bytes:
    client.connect()
    client.report_version("STM32", "1_0_0")
    client.request_plan()
    until(client, ota.PlanOffered)
    client.confirm()
    until(client, ota.PieceReady)
    data = b""
    while len(data) < len(PACKAGE):
        part = client.read(len(data), 1024)
        assert part is not None
        data += part
    client.announce_update()
    client.report_version("STM32", "2_0_0")
    until(client, ota.UpdateSucceeded)
    return data


def until(client: AtClient, kind: type) -> None:
    while (event := client.next_event(PATIENCE_S)) is not None:
        if isinstance(event, kind):
            return
    raise AssertionError(f"no {kind}")


def first_data(lines: str) -> int:
    """The position of the first data byte in all that the module sent."""
    sent = b"".join(
        e.data for e in parse_transcript(lines) if isinstance(e, Said) and e.side is Side.MODULE
    )
    return sent.index(TRAPS)


@pytest.fixture(scope="module")
def data_position(tmp_path_factory) -> int:
    """Where the data begin when our client upgrades: found in a recording of it."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "package.bin").write_bytes(PACKAGE)
    options = ("--package", folder / "package.bin", "--speed", 10, "--record", folder / "record")
    with serving(*options) as process, opened(where(process)) as client:
        assert upgraded(AtClient(LinePort(client), MonotonicClock())) == PACKAGE
    return first_data((folder / "record").read_text())


@pytest.mark.parametrize("wire", WIRES)
def test_hostile_data_cut_at_every_byte_of_the_traps(wire, package, data_position):
    """From before the header to behind the traps, every byte leaves the module by itself."""
    places = range(data_position - 25, data_position + 70)
    cuts = [f"--fault=delay@{at}=0.1" for at in places]
    options = ("--package", package, "--speed", 10, *cuts, *wire)
    with serving(*options) as process, opened(where(process)) as client:
        port = LinePort(client, cut=True)
        assert upgraded(AtClient(port, MonotonicClock())) == PACKAGE
    assert port.reads > len(places) / 2


def test_a_recording_is_the_conversation_and_plays_back(package, tmp_path):
    record = tmp_path / "record.txt"
    options = ("--package", package, "--speed", 10, "--record", record)
    with serving(*options) as process, opened(where(process)) as client:
        assert upgrade(client) == PACKAGE
    text = record.read_text()
    entries = parse_transcript(text)
    assert format_transcript(entries) == text
    said = [e.data for e in entries if isinstance(e, Said) and e.side is Side.HOST]
    assert said[:2] == [b"ATE0\r\n", b'AT+QIOTMCUVER="STM32","1_0_0"\r\n']
    with running("play", record) as process:
        with opened(where(process)) as client:
            assert upgrade(client) == PACKAGE
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("said", ["AT", "ATE1"])
def test_a_client_that_does_not_follow_the_recording(said, tmp_path):
    record = tmp_path / "record.txt"
    record.write_text("T AT\\r\\n\nR \\r\\nOK\\r\\n\nT AT+QIOTREG?\\r\\n\n")
    with running("play", record) as process:
        with opened(where(process)) as client:
            client.send(said)
            if said == "AT":
                client.until(b"OK\r\n")
        assert process.wait(PATIENCE_S) == 8
        assert process.stderr is not None
        assert b"does not follow the transcript" in process.stderr.read()


def test_options_and_faults_reach_the_module(package):
    given = ("--set", "max_read=4096", "--set", "echo=false", "--fault", "error@QIOTREG:1")
    with serving("--package", package, *given) as process, opened(where(process)) as client:
        assert client.ask("AT+QIOTOTARD=?") == b"\r\n+QIOTOTARD: 0,(1-4096)\r\n\r\nOK\r\n"
        client.send("AT+QIOTREG=1")
        client.until(b"\r\nERROR\r\n")
        client.ask("AT+QIOTREG=1")


def test_a_module_that_unplugs_itself_ends_the_server(package):
    options = ("--package", package, "--fault", "unplug@2", "--tcp", "127.0.0.1:0")
    with serving(*options) as process, opened(where(process)) as client:
        client.ask("AT")
        client.ask("AT")
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("wire", WIRES)
def test_a_client_that_floods_and_never_reads_costs_no_memory(wire, package):
    """What it sends is taken; what it does not read is lost; then it is served as before."""
    with serving("--package", package, *wire) as process, opened(where(process)) as client:
        os.set_blocking(client._target, False)
        end_s = time.monotonic() + 1.0
        while time.monotonic() < end_s:
            if select.select([], [client._target], [], 0.05)[1]:
                with contextlib.suppress(BlockingIOError):
                    os.write(client._target, b"AT+QIOTINFO?\r\n" * 100 + b"x" * 3000)
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak_kb = int(status.split("VmHWM:")[1].split()[0])
        assert peak_kb < 120_000
        while select.select([client._source], [], [], 0.3)[0]:
            os.read(client._source, 65536)
        client.write(b"\r\n")
        client.ask("AT+QIOTSTATE?")


def test_the_lists_are_complete():
    listed = CliRunner().invoke(cli, ["module", "options"]).output
    assert "read_gap_limit_s" in listed
    listed = CliRunner().invoke(cli, ["module", "faults"]).output
    assert "refuse-connection=TYPE,CODE[,N]" in listed


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("--set", "nosuch=1"), "no option is called"),
        (("--set", "echo=maybe"), "expected true or false"),
        (("--set", "max_read=-"), "expected a whole number"),
        (("--set", "boot_s=-1"), "expected a number from 0 up"),
        (("--set", "family=5g"), "expected cellular, nb, wifi"),
        (("--fault", "nosuch"), "no such fault"),
    ],
)
def test_options_and_faults_that_cannot_be(given, reason, package):
    arguments = ["module", "serve", "--package", str(package), "--target-version", "2", *given]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert reason in result.stderr


def test_what_cannot_be_played(tmp_path):
    for text, code in ((None, 4), ("X\n", 3), ("", 3)):
        path = tmp_path / "talk.txt"
        if text is not None:
            path.write_text(text)
        assert CliRunner().invoke(cli, ["module", "play", str(path)]).exit_code == code


def test_sigterm_while_a_client_is_there(package):
    with serving("--package", package) as process, opened(where(process)) as client:
        start(client)
        client.until(b"7,10703")
        client.ask("ATE0")
        assert read_all(client) == PACKAGE
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
