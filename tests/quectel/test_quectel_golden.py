"""Emulated module and client agree with the golden transcripts, byte for byte."""

from __future__ import annotations

import re

import pytest

from mcu_updater.core import ota
from mcu_updater.core.errors import ModuleRefused
from mcu_updater.quectel.at import Kind
from mcu_updater.quectel.client import AtClient
from mcu_updater.quectel.emulated.pipe import ModulePipe
from mcu_updater.quectel.emulated.transcript import (
    Playback,
    RecordedPort,
    Recorder,
    Said,
    Side,
    Silence,
    format_transcript,
    parse_transcript,
    play_host,
)
from mcu_updater.quectel.link import AtLink, Dialect
from tests.quectel.golden import NAMES, entries_of, module_of, package_of, text_of
from tests.quectel.quectel_bench import TestClock, package_bytes


def test_all_are_there():
    assert {name[0] for name in NAMES} == {"a", "b", "c"}
    assert len(NAMES) == 9


def test_the_package_is_what_the_readme_says():
    assert package_of("a-single-piece") == package_bytes(2500)
    assert len(package_of("b-second-piece")) == 150_000


@pytest.mark.parametrize("name", NAMES)
def test_the_module_answers_as_in_the_transcript(name):
    expected = entries_of(name)
    assert format_transcript(play_host(expected, module_of(name))) == format_transcript(expected)


@pytest.mark.parametrize("name", NAMES)
def test_the_files_are_written_as_a_recorder_would(name):
    body = "".join(line for line in text_of(name).splitlines(True) if line[0] != "#")
    assert format_transcript(entries_of(name)) == body


@pytest.mark.parametrize("name", NAMES)
def test_the_module_answers_alike_when_every_byte_comes_alone(name):
    module, now_s, said = module_of(name), 0.0, b""
    for entry in entries_of(name):
        if isinstance(entry, Silence):
            now_s += entry.duration_s
            module.advance(now_s)
        elif entry.side is Side.HOST:
            for byte in entry.data:
                module.receive(bytes([byte]), now_s)
                said += module.transmit()
        said += module.transmit()
    assert said == b"".join(
        e.data for e in entries_of(name) if isinstance(e, Said) and e.side is Side.MODULE
    )


class Host:
    """Does with the client's methods what the lines of the transcript say."""

    def __init__(self, port, clock) -> None:
        self._client = AtClient(port, clock, Dialect(error_retries=0))
        self._link = AtLink(port, clock, Dialect())

    def say(self, line: str) -> None:
        client = self._client
        match re.findall(r'[A-Z]+(?==)|"[^"]*"|\d+', line.removeprefix("AT+")):
            case ["QIOTMCUVER", component, version]:
                client.report_version(component.strip('"'), version.strip('"'))
            case ["QIOTREG", mode]:
                self._link.ask("+QIOTREG", Kind.WRITE, (int(mode),))
            case ["QIOTOTAREQ", "1"]:
                client.request_plan()
            case ["QIOTUPDATE", action]:
                acts = (
                    client.refuse, client.confirm, client.next_piece, client.announce_update,
                )  # fmt: skip
                acts[int(action)]()
            case ["QIOTOTARD", start, size]:
                client.read(int(start), int(size))
            case words:
                raise AssertionError(words)

    def hear(self) -> list[ota.OtaEvent]:
        events = []
        while (event := self._client.next_event(5000)) is not None:
            events.append(event)
        return events


@pytest.mark.parametrize("name", ["a-single-piece", "c-wrong-version", "c-20-minutes"])
def test_the_client_says_what_stands_in_the_transcript(name):
    clock = TestClock()
    playback = Playback(entries_of(name))
    host = Host(ModulePipe(playback, clock, baud=10**9), clock)
    for entry in entries_of(name):
        if isinstance(entry, Silence):
            clock.sleep(entry.duration_s)
        elif entry.side is Side.HOST:
            try:
                host.say(entry.data.decode().strip())
            except ModuleRefused:
                assert name == "c-wrong-version"
    assert playback.finished


def test_the_client_reads_the_package_of_the_transcript():
    clock = TestClock()
    entries = entries_of("a-single-piece")
    first = next(at for at, e in enumerate(entries) if isinstance(e, Said) and b"OTARD" in e.data)
    client = AtClient(ModulePipe(Playback(entries[first:]), clock), clock)
    parts = [client.read(start, 1024) for start in (0, 1024, 2048)]
    assert b"".join(part or b"" for part in parts) == package_of("a-single-piece")


def test_a_recorded_upgrade_plays_back():
    """What a client did with the emulated module, it does again with the recording."""
    clock, lines = TestClock(), list[str]()
    module = module_of("a-single-piece")
    recorder = Recorder(lines.append)
    port = RecordedPort(ModulePipe(module, clock), clock, recorder)
    upgrade(AtClient(port, clock))
    recorder.close()
    clock = TestClock()
    playback = Playback(parse_transcript("".join(lines)))
    upgrade(AtClient(ModulePipe(playback, clock), clock))
    assert playback.finished


def upgrade(client: AtClient) -> None:
    client.connect()
    client.report_version("STM32", "1_0_0")
    client.request_plan()
    assert isinstance(client.next_event(60), ota.PlanOffered)
    client.confirm()
    while not isinstance(client.next_event(60), ota.PieceReady):
        pass
    data = b"".join(client.read(start, 1024) or b"" for start in (0, 1024, 2048))
    assert data == package_of("a-single-piece")
    client.announce_update()
    client.report_version("STM32", "2_0_0")
    while not isinstance(client.next_event(60), ota.UpdateSucceeded):
        pass
