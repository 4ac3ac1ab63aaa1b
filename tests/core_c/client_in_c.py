"""The AT client and the parser of the C core, as their Python twins look from outside.

Results of both sides are put into the same words, so that a test compares them with ``==``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final
from zlib import crc32

from mcu_updater.core import ota
from mcu_updater.core.errors import LinkError, ModuleRefused
from mcu_updater.core.ports import BytePort, Clock
from mcu_updater.core_c import native
from mcu_updater.quectel.at import Final as FinalResult
from mcu_updater.quectel.at import Line, Payload, Urc, Value
from mcu_updater.quectel.client import AtClient
from tests.core_c import libraries

LIKE_PYTHON: Final = {
    "LINE_MAX": 2048,
    "PAYLOAD_MAX": 4096,
    "EVENTS": 250,
    "CONNECTION_EVENTS": 250,
}
"""Limits under which nothing may differ. The number of events also keeps this library apart from
those of other tests, which have hooks of their own."""

Told = tuple[Any, ...]

OK, NO_ANSWER, REFUSED = "ok", "no answer", "refused"
_STATUS: Final = {"FWU_OK": OK, "FWU_NO_ANSWER": NO_ANSWER, "FWU_REFUSED": REFUSED}
_LEAVE: Final = -2


def library(**choices: object) -> native.Native:
    """With the limits of Python, and otherwise with *choices*."""
    return libraries.library(**(LIKE_PYTHON | choices))


# --- values of the parser


def value_told(value: Value) -> Told:
    match value:
        case FinalResult(ok):
            return ("final", ok)
        case Line(text):
            return ("line", text.encode("latin-1"))
        case Payload(start, data, clean):
            return ("payload", min(start, 0xFFFF_FFFF), data, clean)
        case Urc(kind, code, arguments):
            return ("event", min(kind, 0xFFFF), min(code, 0xFFFF), arguments.encode("latin-1"))


class ParserInC:
    """``ResponseParser``, fed in the sizes that the buffer takes."""

    def __init__(self, built: native.Native) -> None:
        self._ffi, self._lib = built.ffi, built.lib
        self._at = self._ffi.new("struct fwu_at *")
        self._lib.fwu_at_begin(self._at)

    def feed(self, data: bytes) -> list[Told]:
        told, size = [], self._ffi.new("uint32_t *")
        while data:
            room = self._lib.fwu_at_room(self._at, size)
            taken, data = data[: size[0]], data[size[0] :]
            assert taken, "the buffer takes nothing more"
            self._ffi.memmove(room, taken, len(taken))
            self._lib.fwu_at_took(self._at, len(taken))
            told += self._take()
        return told

    def reset(self) -> None:
        self._lib.fwu_at_reset(self._at)

    def _take(self) -> list[Told]:
        told, value = [], self._ffi.new("struct fwu_value *")
        while self._lib.fwu_at_take(self._at, value):
            told.append(self._told(value))
        return told

    def _told(self, value: Any) -> Told:
        lib = self._lib
        match value.kind:
            case lib.FWU_VALUE_OK | lib.FWU_VALUE_ERROR:
                return ("final", value.kind == lib.FWU_VALUE_OK)
            case lib.FWU_VALUE_LINE:
                return ("line", self._text(value))
            case lib.FWU_VALUE_EVENT:
                return ("event", value.type, value.code, self._text(value))
            case lib.FWU_VALUE_PAYLOAD:
                held = lib.fwu_at_payload(self._at)
                data = bytes(self._ffi.buffer(held.data, held.size))
                assert len(data) == value.size
                return ("payload", value.start, data, bool(value.clean))
            case other:
                raise AssertionError(f"value of kind {other}")

    def _text(self, value: Any) -> bytes:
        return bytes(self._ffi.buffer(value.text, value.size))


# --- events


def event_told(event: ota.OtaEvent | None) -> Told:
    """What the C core keeps of an event: sizes and CRC-32 of texts, and the target's characters."""
    match event:
        case ota.PlanOffered(component, source, target, battery, signal, space):
            texts = (_mark(component), _mark(source), _mark(target))
            return ("plan", *texts, target.encode("latin-1")[:64], battery, signal, space)
        case ota.DownloadStarted(component, length, md5, _, sha256):
            return ("started", _mark(component), length, md5, sha256)
        case ota.PieceReady(component, length, start, size):
            return ("piece", _mark(component), length, start, size)
        case ota.OtherOtaEvent(code):
            return ("other", min(code, 0xFFFF))
        case None:
            return ("none",)
        case _:
            return ("said", ota.EVENT_CODES[type(event)])


MALFORMED: Final = ("malformed",)


def _mark(text: str) -> tuple[int, int]:
    data = text.encode("latin-1")
    return len(data), crc32(data)


def event_of_c(built: native.Native, event: Any) -> Told:
    """``struct fwu_event``, in the words of ``event_told``."""
    ffi, lib = built.ffi, built.lib
    match event.kind:
        case lib.FWU_EVENT_NONE:
            return ("none",)
        case lib.FWU_EVENT_MALFORMED:
            return MALFORMED
        case lib.FWU_EVENT_OTHER:
            return ("other", event.code)
        case lib.FWU_EVENT_PLAN:
            plan = getattr(event, "is").plan
            return ("plan", *plan_of_c(ffi, plan))
        case lib.FWU_EVENT_STARTED:
            started = getattr(event, "is").started
            package = started.package
            sha256 = bytes(package.sha256) if started.has_sha256 else None
            return ("started", _mark_of_c(started), package.length, bytes(package.md5), sha256)
        case lib.FWU_EVENT_PIECE:
            piece = getattr(event, "is").piece
            return ("piece", _mark_of_c(piece), piece.length, piece.start, piece.size)
        case _:
            return ("said", event.code)


def plan_of_c(ffi: Any, plan: Any) -> Told:
    target = plan.target
    texts = tuple((each.size, each.crc) for each in (plan.component, plan.source, target.mark))
    shown = bytes(ffi.buffer(target.text))[: target.mark.size]
    return (*texts, shown, plan.battery, plan.signal, plan.space)


def _mark_of_c(named: Any) -> tuple[int, int]:
    return named.component.size, named.component.crc


# --- the client


class Hooks:
    """The HAL of *built* on a port and a clock. One at a time: ``use`` before each call."""

    def __init__(self, built: native.Native, port: BytePort, clock: Clock) -> None:
        self.raised: BaseException | None = None
        self._ffi, self._lib = built.ffi, built.lib
        self._port, self._clock, self._pending = port, clock, b""
        self._hooks = self._ffi.new("struct fwu_hooks *")
        self._callbacks = [self._callback(name) for name in ("now_ms", "get", "put")]

    def use(self) -> None:
        self._lib.fwu_host_set_up(self._hooks)

    def _callback(self, name: str) -> Any:
        kind = self._ffi.typeof(getattr(self._hooks, name))
        function = getattr(self, f"_{name}")
        callback = self._ffi.callback(kind, function, error=-1, onerror=self._failed)
        setattr(self._hooks, name, callback)
        return callback

    def _failed(self, _: type[BaseException], error: BaseException, _trace: TracebackType) -> None:
        self.raised = self.raised or error

    def _now_ms(self) -> int:
        return round(self._clock.now_s() * 1000)

    def _get(self, data: Any, size: int, timeout_ms: int) -> int:
        assert size > 0
        came = self._pending or self._port.read(timeout_ms / 1000)
        self._pending = came[size:]
        self._ffi.memmove(data, came[:size], len(came[:size]))
        return len(came[:size])

    def _put(self, data: Any, size: int) -> int:
        self._port.write(bytes(self._ffi.buffer(data, size)))
        return 0


def text_in_c(built: native.Native, kind: str, text: str) -> Any:
    """``struct fwu_component`` or ``fwu_version``."""
    made, data = built.ffi.new(f"struct {kind} *"), text.encode("latin-1")
    made.size = len(data)
    built.ffi.memmove(made.text, data, len(data))
    return made


class ClientInC:
    """The calls of ``OtaModule``, each answered with (status, what it gave)."""

    def __init__(self, built: native.Native, port: BytePort, clock: Clock) -> None:
        self.built = built
        self.client = built.ffi.new("struct fwu_client *")
        self.hooks = Hooks(built, port, clock)
        self.call(built.lib.fwu_client_begin)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """With the client before *arguments*. Raises what a hook has raised."""
        self.hooks.use()
        returned = function(self.client, *arguments)
        if self.hooks.raised is not None:
            raise self.hooks.raised
        return returned

    def ask(self, name: str, *arguments: Any) -> Told:
        """One of *CALLS*."""
        return getattr(self, f"_{name}", self._plain(name))(*arguments)

    def _plain(self, name: str) -> Callable[[], Told]:
        return lambda: (self._status(self.call(getattr(self.built.lib, f"fwu_client_{name}"))),)

    def _status(self, status: int) -> str:
        return _STATUS[self.built.ffi.string(self.built.ffi.cast("enum fwu_status", status))]

    def _report(self, component: str, version: str) -> Told:
        names = self._names(component, version)
        return (self._status(self.call(self.built.lib.fwu_client_report, *names)),)

    def _knows(self, component: str, version: str) -> Told:
        told, same = self.built.ffi.new("bool *"), self.built.ffi.new("bool *")
        names = self._names(component, version)
        status = self._status(self.call(self.built.lib.fwu_client_knows, *names, told, same))
        return (status, bool(told[0]), bool(same[0])) if status == OK else (status,)

    def _names(self, component: str, version: str) -> tuple[Any, Any]:
        built = self.built
        return text_in_c(built, "fwu_component", component), text_in_c(
            built, "fwu_version", version
        )

    def _read(self, start: int, size: int) -> Told:
        data = self.built.ffi.new("struct fwu_bytes *")
        status = self._status(self.call(self.built.lib.fwu_client_read, start, size, data))
        found = bytes(self.built.ffi.buffer(data.data, data.size)) if data.size else None
        return (status, found) if status == OK else (status,)

    def _next_event(self, timeout_s: float) -> Told:
        event = self.built.ffi.new("struct fwu_event *")
        self.call(self.built.lib.fwu_client_next_event, round(timeout_s * 1000), event)
        return (OK, event_of_c(self.built, event))


class ClientInPython:
    """The same calls of ``AtClient``, answered in the same words."""

    def __init__(self, port: BytePort, clock: Clock) -> None:
        self.client = AtClient(port, clock)

    def ask(self, name: str, *arguments: Any) -> Told:
        try:
            return (OK, *self._call(name, *arguments))
        except ModuleRefused:
            return (REFUSED,)
        except LinkError:
            return (OK, MALFORMED) if name == "next_event" else (NO_ANSWER,)

    def _call(self, name: str, *arguments: Any) -> Told:
        match name:
            case "knows":
                component, version = arguments
                known = self.client.known_versions()
                return bool(known), known.get(component) == version
            case "read":
                return (self.client.read(*arguments),)
            case "next_event":
                return (event_told(self.client.next_event(*arguments)),)
            case _:
                getattr(self.client, _PYTHON_NAMES.get(name, name))(*arguments)
                return ()


_PYTHON_NAMES: Final[Mapping[str, str]] = {
    "report": "report_version",
    "announce": "announce_update",
}
