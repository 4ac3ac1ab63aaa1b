"""Two clients, one in Python and one in C, on two ports that behave alike: all that they do is
compared, call by call."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcu_updater.cloud.single_device import SingleDeviceCloud
from mcu_updater.core.decide import Module
from mcu_updater.core.journal import Package, Phase, Snapshot
from mcu_updater.core.module_state import ModuleTracker
from mcu_updater.core.ports import BytePort, Clock
from mcu_updater.powerloss.subject import MillisecondClock
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.options import Faults, ModuleOptions
from mcu_updater.quectel.emulated.pipe import ModulePipe
from mcu_updater.quectel.reader import Tail
from tests.core_c.client_in_c import (
    NO_ANSWER,
    OK,
    ClientInC,
    ClientInPython,
    Told,
    event_told,
    library,
    plan_of_c,
    text_in_c,
)
from tests.quectel.quectel_bench import COMPONENT, make_plan

Call = tuple[Any, ...]  # its name, and its arguments
MakePort = Callable[[Clock, list[bytes]], BytePort]

MODULES: Final = list(Module)
_TAILS: Final = list(Tail)


class Pair:
    """*make_port* is called once for each side, with its clock and where to note what is sent."""

    def __init__(self, make_port: MakePort, **choices: object) -> None:
        self.clocks = MillisecondClock(), MillisecondClock()
        self.sent: tuple[list[bytes], list[bytes]] = ([], [])
        ports = [make_port(clock, sent) for clock, sent in zip(self.clocks, self.sent, strict=True)]
        self.in_python = TrackedInPython(ports[0], self.clocks[0])
        self.in_c = TrackedInC(ports[1], self.clocks[1], **choices)

    def ask(self, name: str, *arguments: Any) -> Told:
        """Both sides; what they say, send and know must be the same."""
        told = self.in_python.ask(name, *arguments), self.in_c.ask(name, *arguments)
        first, second = self.sent
        assert second == first, (name, arguments)
        assert told[1] == told[0], (name, arguments)
        now_ms = [clock.now_us // 1000 for clock in self.clocks]
        assert now_ms[1] == now_ms[0], (name, arguments)
        assert self.in_c.known() == self.in_python.known(), (name, arguments)
        for sent in self.sent:
            sent.clear()
        return told[0]


# --- the client, and what is known of the module


@dataclass(slots=True)
class Held:
    """What the journal of the inactive slot says."""

    snapshot: Snapshot | None = None


class TrackedInPython(ClientInPython):
    def __init__(self, port: BytePort, clock: Clock) -> None:
        super().__init__(port, clock)
        self.held = Held()
        self.tracker = ModuleTracker(self.client, lambda: self.held.snapshot, COMPONENT)

    def _call(self, name: str, *arguments: Any) -> Told:
        match name:
            case "hold":
                self.held.snapshot = arguments[0]
            case "next_event":  # of those that were passed over, first
                return (event_told(self.tracker._next_event(*arguments)),)
            case "hear":
                timeout_s, silence = arguments
                list(self.tracker.hear(timeout_s, silence))
            case "probe":
                self.held.snapshot = arguments[0]
                self.tracker.module = Module.UNKNOWN
                list(self.tracker.probe(arguments[0]))
            case "set":
                self.tracker.module = arguments[0]
            case _:
                return super()._call(name, *arguments)
        return (self.tracker.module,)

    def known(self) -> Told:
        link, reader, heard = self.client._link, self.client._reader, self.tracker
        events = (len(heard._waiting), len(link.ota_events), len(link.connection_events))
        times = (math.ceil(link.extra_s * 1000 - 1e-6), link.sign_count)
        sizes = (reader.size.most, reader.size.now, reader.size._good)
        said = [event_told(each)[1:] for each in (heard.plan, heard.started, heard.piece)]
        return events, times, sizes, _TAILS.index(reader._tail), reader.offset, said


class TrackedInC(ClientInC):
    def __init__(self, port: BytePort, clock: Clock, **choices: object) -> None:
        super().__init__(library(**choices), port, clock)
        ffi = self.built.ffi
        self.state = ffi.new("struct fwu_module_state *")
        self.journal = ffi.new("struct fwu_journal *")
        self.component = text_in_c(self.built, "fwu_component", COMPONENT)
        self.built.lib.fwu_module_begin(self.state)

    def _hold(self, snapshot: Snapshot | None) -> Told:
        self.journal.is_there = snapshot is not None
        if snapshot is not None:
            fill(self.built.ffi, self.journal.snapshot, snapshot)
        return self._module(OK)

    def _set(self, module: Module) -> Told:
        self.state.module = MODULES.index(module)
        return self._module(OK)

    def _hear(self, timeout_s: float, silence: Module) -> Told:
        arguments = self.journal, self.component, round(timeout_s * 1000), MODULES.index(silence)
        self.call(self._of_module(self.built.lib.fwu_module_hear), *arguments)
        return self._module(OK)

    def _probe(self, snapshot: Snapshot) -> Told:
        wanted = self.built.ffi.new("struct fwu_snapshot *")
        fill(self.built.ffi, wanted, snapshot)
        self._hold(snapshot)
        self._set(Module.UNKNOWN)
        status = self._status(self.call(self._of_module(self.built.lib.fwu_module_probe), wanted))
        return (NO_ANSWER,) if status == NO_ANSWER else self._module(status)

    def _of_module(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda client, *arguments: function(self.state, client, *arguments)

    def _module(self, status: str) -> Told:
        return status, MODULES[self.state.module]

    def known(self) -> Told:
        client, link, state = self.client, self.client.link, self.state
        waiting = link.events_count - link.events_heard
        events = (link.events_heard, waiting, link.conditions_count)
        times = (link.extra_ms, link.sign_count)
        sizes = (client.read_most, client.read_now, client.read_good)
        offset = client.offset if client.holds else None
        return events, times, sizes, client.tail, offset, self._said(state)

    def _said(self, state: Any) -> list[Told]:
        started, piece = state.started, state.piece
        package, sha256 = started.package, started.has_sha256
        digests = bytes(package.md5), bytes(package.sha256) if sha256 else None
        return [
            plan_of_c(self.built.ffi, state.plan) if state.has_plan else (),
            (_mark(started), package.length, *digests) if state.has_started else (),
            (_mark(piece), piece.length, piece.start, piece.size) if state.has_piece else (),
        ]


def _mark(named: Any) -> tuple[int, int]:
    return named.component.size, named.component.crc


def fill(ffi: Any, made: Any, snapshot: Snapshot) -> None:
    """Of ``struct fwu_snapshot`` what is asked about pieces."""
    made.phase, made.piece_start = snapshot.phase, snapshot.piece_start
    made.has_package = snapshot.package is not None
    made.package.length = snapshot.package.length if snapshot.package else 0
    name = snapshot.component.encode()
    made.component.size = len(name)
    ffi.memmove(made.component.text, name, len(name))


def loading(length: int, start: int = 0, phase: Phase = Phase.LOADING) -> Snapshot:
    package = Package(length, bytes(16), bytes(32)) if length else None
    return Snapshot(phase, 1, COMPONENT, "2", package=package, piece_start=start)


# --- ports


def on_module(options: ModuleOptions, faults: Faults, size: int = 2500, **plan: Any) -> MakePort:
    """An emulated module of its own, on a wire of 115200 baud."""

    def make(clock: Clock, sent: list[bytes]) -> BytePort:
        cloud = SingleDeviceCloud([make_plan(size, **plan)])
        return ModulePipe(EmulatedModule(cloud, options, faults), clock, on_write=sent.append)

    return make


ANSWER: Final = b"<answer>"
RIGHT_END: Final = b"\r\n\r\nOK\r\n"


@dataclass(frozen=True, slots=True)
class Said:
    """*text* comes *after_ms* of the clock, or of what came before; ANSWER stands for the right
    answer to what was said last. *end*: in place of the line ends and OK; *cut*: bytes at its end
    that are lost; *spoilt*: the place of a byte that is changed."""

    after_ms: int
    text: bytes
    cut: int = 0
    end: bytes = RIGHT_END
    spoilt: int | None = None

    def heard(self, command: bytes) -> bytes:
        """What arrives when *command* was said last: a byte at least."""
        text = right_answer(command) if self.text == ANSWER else self.text
        if text.endswith(RIGHT_END):
            text = text.removesuffix(RIGHT_END) + self.end
        data = bytearray(text[: len(text) - self.cut] or b"\r")
        if self.spoilt is not None:
            data[self.spoilt % len(data)] ^= 1
        return bytes(data)


BYTES_PER_S: Final = 11_520


class ScriptedPort:
    """Says one after the other what it is told to, whatever it hears; then it is silent."""

    def __init__(self, clock: Clock, sent: list[bytes], script: Sequence[Said]) -> None:
        self._clock = clock
        self._sent = sent
        self._script = list(script[::-1])
        self._waited_ms = 0
        self._heard = b""

    def write(self, data: bytes) -> None:
        self._sent.append(data)
        self._heard = data
        self._clock.sleep(0.001)

    def read(self, timeout_s: float) -> bytes:
        left_ms = math.ceil(timeout_s * 1000 - 1e-6)
        if not self._script:
            self._clock.sleep(left_ms / 1000)
            return b""
        due_ms = max(0, self._script[-1].after_ms - self._waited_ms)
        if due_ms > left_ms:
            self._waited_ms += left_ms
            self._clock.sleep(left_ms / 1000)
            return b""
        self._clock.sleep(due_ms / 1000)
        said, self._waited_ms = self._script.pop(), 0
        data = said.heard(self._heard)
        self._clock.sleep(len(data) / BYTES_PER_S)
        return data


def right_answer(command: bytes) -> bytes:
    """Of a module that is ready, holds any byte, and takes every command."""
    if read := re.fullmatch(rb"AT\+QIOTOTARD=(\d+),(\d+)\r\n", command):
        start, size = int(read[1]), int(read[2])
        data = bytes(at % 251 for at in range(start, start + size))
        return b"\r\n+QIOTOTARD: %d,%d\r\n%b\r\n\r\nOK\r\n" % (start, size, data)
    for name, text in _ANSWERS.items():
        if command.startswith(name):
            return b"\r\n" + text + b"\r\n\r\nOK\r\n"
    return b"\r\nOK\r\n"


_ANSWERS: Final = {
    b"AT+QIOTSTATE?": b"+QIOTSTATE: 8",
    b"AT+QIOTREG?": b"+QIOTREG: 1",
    b"AT+QIOTOTARD=?": b"+QIOTOTARD: (0-4294967295),(1-1024)",
    b"AT+QIOTMCUVER?": b'+QIOTMCUVER: "STM32","1_0_0"',
}


def scripted(script: Sequence[Said]) -> MakePort:
    return lambda clock, sent: ScriptedPort(clock, sent, script)
