"""Coverage-guided fuzzing of both AT grammars: ``make fuzz``.

    python -m tests.fuzz.at module|client CORPUS [libFuzzer options]

The corpus begins with the golden conversations, and keeps what leads to something new.

Anything but the typed errors is a finding, so is an answer that takes too long or grows without
end; libFuzzer writes the input that did it into a file.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import atheris

from tests.places import ROOT

with atheris.instrument_imports(include=["mcu_updater.quectel"]):
    from mcu_updater.cloud.single_device import Package, Plan, SingleDeviceCloud
    from mcu_updater.quectel.client import AtClient
    from mcu_updater.quectel.emulated.module import EmulatedModule
    from mcu_updater.quectel.emulated.options import ModuleOptions

from flash_emulator import VirtualClock
from mcu_updater.core.errors import UpdaterError
from mcu_updater.quectel.emulated.transcript import Said, Side, parse_transcript

GOLDEN = ROOT / "fixtures" / "at"

MOST_HELD = 64 * 1024  # bytes that a module may keep of what it was sent
LONGEST_S = 200.0  # of one call of the client: see tests/quectel/test_quectel_hostile.py
LINE_RATE = 11520  # bytes a second


def module(data: bytes) -> None:
    """Whatever a host sends, in any pieces: the module is still there. 0xFF: a second passes."""
    center = SingleDeviceCloud([Plan("STM32", "2.0.0", Package(b"\0" * 3000))])
    emulated, now_s = EmulatedModule(center, ModuleOptions()), 0.0
    emulated.power_on(now_s)
    for chunk in data.split(b"\xff"):
        now_s += 1.0
        emulated.advance(now_s)
        emulated.receive(chunk, now_s)
        emulated.transmit()
    assert len(emulated.save(now_s)["received"]) < MOST_HELD
    emulated.receive(b"\r\nAT\r\n", now_s)
    said = emulated.transmit()
    assert said.endswith(b"OK\r\n"), said


class Babbling:
    """A port whose other end says what the fuzzer says, as fast as a line carries it."""

    def __init__(self, clock: VirtualClock, chunks: list[bytes]) -> None:
        self._clock = clock
        self._chunks = chunks

    def write(self, data: bytes) -> None:
        self._clock.sleep(len(data) / LINE_RATE)

    def read(self, timeout_s: float) -> bytes:
        said = self._chunks.pop() if self._chunks else b""
        self._clock.sleep(max(1, len(said)) / LINE_RATE if said else timeout_s)
        return said


def client(data: bytes) -> None:
    """Whatever a module says, cut at 0xFF: an answer or a typed error, in bounded time.

    The first four bytes say what is asked of it.
    """
    clock = VirtualClock()
    talker = AtClient(Babbling(clock, data[4:].split(b"\xff")[::-1]), clock)
    calls = (
        talker.connect,
        talker.request_plan,
        talker.confirm,
        talker.next_piece,
        talker.announce_update,
        talker.info,
        talker.csq,
        talker.known_versions,
        lambda: talker.read(0, 1024),
        lambda: talker.next_event(30.0),
        lambda: talker.report_version("STM32", "2.0.0"),
    )
    for number in data[:4]:
        began_s = clock.now_s()
        with contextlib.suppress(UpdaterError):
            calls[number % len(calls)]()
        assert clock.now_s() - began_s < LONGEST_S


def write_seeds(name: str, corpus: Path) -> None:
    """The golden conversations, one side of each."""
    corpus.mkdir(parents=True, exist_ok=True)
    side = Side.HOST if name == "module" else Side.MODULE
    asked = b"" if name == "module" else b"\x00\x01\x07\x08"
    for path in sorted(GOLDEN.glob("*.txt")):
        entries = parse_transcript(path.read_text("ascii"))
        said = [each.data for each in entries if isinstance(each, Said) and each.side is side]
        (corpus / path.stem).write_bytes(asked + b"\xff".join(said))


if __name__ == "__main__":
    name, folder, *options = sys.argv[1:]
    write_seeds(name, Path(folder))
    atheris.Setup([sys.argv[0], *options, folder], {"module": module, "client": client}[name])
    atheris.Fuzz()
