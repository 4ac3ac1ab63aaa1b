"""The MCU from reset to reset, run by the C core: what ``core.mcu.Mcu`` is in Python.

The C code asks its HAL, and the HAL of this machine asks here. A hook that raises what is no answer
in C, such as a power loss, ends the C code where it is: nothing of it runs on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, cast

from flash_emulator import EmulatedFlash
from mcu_updater.core.bank import NAMES
from mcu_updater.core.boot import MOST_SWAPS, Mode, ResetCause
from mcu_updater.core.decide import Module, Step
from mcu_updater.core.errors import InternalError, LinkError, UsageError, VerificationFailed
from mcu_updater.core.events import (
    Booted,
    Decided,
    Event,
    JournalWritten,
    Progress,
    Resumed,
    Work,
)
from mcu_updater.core.flash import BankSwitch, FlashDevice, match_of, sha256_of
from mcu_updater.core.journal import Phase
from mcu_updater.core.mcu import (
    ApplicationStopped,
    Chip,
    Firmware,
    NothingBoots,
    until_no_reset,
)
from mcu_updater.core.ports import BytePort, Clock
from mcu_updater.core.session import Result, SessionOutcome
from mcu_updater.core_c.native import Native

_FAILED: Final = -1  # FWU_HOST_FAILED
_LEAVE: Final = -2  # FWU_HOST_LEAVE
_LEFT: Final = -1  # FWU_HOST_LEFT
_OK: Final = 0

_CAUSES: Final = tuple(ResetCause)  # in the order of enum fwu_cause
_MODES: Final = tuple(Mode)
_STEPS: Final = tuple(Step)
_MODULES: Final = tuple(Module)
_OUTCOMES: Final = {  # enum fwu_outcome
    2: SessionOutcome.UPDATED,
    3: SessionOutcome.NO_PLAN,
    4: SessionOutcome.REFUSED,
    5: SessionOutcome.REVERTED,
    6: SessionOutcome.REJECTED,
    7: SessionOutcome.LOST,
}
_RUNNING, _RESET, _LINK_LOST, _TRAILER_WORN = 0, 1, 8, 9
_STEP, _JOURNAL, _RESUMED, _SECTOR = range(4)  # enum fwu_trace

_KEPT: Final = (  # of struct fwu_updater, between two steps, beside what follows from them
    *("connected", "has_error", "asked", "asked_again", "outcome", "refusal", "reason", "fault"),
)
_KEPT_OF_SIDES: Final = ("journal", "is_known", "is_written")  # of struct fwu_side

Listener = Callable[[Event], object]


@dataclass(slots=True)
class _Level:
    """What the C code that runs now asks. *pending*: bytes of the module that it has not taken."""

    flash: FlashDevice
    switch: BankSwitch
    port: BytePort | None = None
    clock: Clock | None = None
    self_test: Callable[[], bool] = bool
    listener: Listener = str
    bank: int = 0
    pending: bytes = b""
    raised: BaseException | None = None
    asked: list[int] = field(default_factory=list)  # step and module of the last trace

    def program(self, address: int, data: bytes) -> None:
        """What goes on where the last program ended is one operation with it, as it is in Python,
        where a checkpoint is programmed at one stroke."""
        if isinstance(self.flash, EmulatedFlash):
            self.flash.program_later(address, data)
        else:
            self.flash.program(address, data)

    def settle(self) -> None:
        """Before anything else in the world can depend on what was programmed."""
        if isinstance(self.flash, EmulatedFlash):
            self.flash.settle()


class CoreInC:
    """The C core of one part and strategy: boots and steps, which may nest."""

    def __init__(self, native: Native) -> None:
        self.native = native
        self._ffi, self._lib = native.ffi, native.lib
        self._levels: list[_Level] = []
        hooks = self._ffi.new("struct fwu_hooks *")
        self._callbacks = {}  # must live as long as the library calls them
        for name, _ in self._ffi.typeof("struct fwu_hooks").fields:
            kind = self._ffi.typeof(getattr(hooks, name))
            callback = self._ffi.callback(
                kind, getattr(self, f"_{name}"), error=_LEAVE, onerror=self._failed
            )
            self._callbacks[name] = callback
            setattr(hooks, name, callback)
        self._lib.fwu_host_set_up(hooks)

    def boot(self, level: _Level, cause: ResetCause, swaps: int) -> Any:
        """``struct fwu_decision``. Raises what a hook has raised that is no answer in C."""
        decision = self._ffi.new("struct fwu_decision *")
        self._run(level, self._lib.fwu_host_boot, _CAUSES.index(cause), swaps, decision)
        return decision

    def begin(self, level: _Level, bank: int) -> Any:
        """``struct fwu_updater``, running from *bank*."""
        updater = self._ffi.new("struct fwu_updater *")
        self._run(level, self._lib.fwu_host_begin, updater, bank)
        return updater

    def step(self, level: _Level, updater: Any) -> int:
        """``enum fwu_outcome``."""
        return self._run(level, self._lib.fwu_host_step, updater)

    def values(self, data: Any) -> Hashable:
        """*data* of C as a value, without what lies between the fields of a struct."""
        if not isinstance(data, self._ffi.CData):
            return cast("Hashable", data)
        kind = self._ffi.typeof(data)
        if kind.kind == "array":
            return bytes(self._ffi.buffer(data))
        return tuple(self.values(getattr(data, name)) for name, _ in kind.fields)

    def _run(self, level: _Level, function: Callable[..., int], *arguments: Any) -> int:
        self._levels.append(level)
        try:
            returned = int(function(*arguments))
        finally:
            self._levels.pop()
        if returned != _LEFT:
            level.settle()
            return returned
        error, level.raised = level.raised, None
        if error is None:
            raise InternalError("the C core was left, and nobody knows why")
        try:
            raise error
        finally:  # its traceback leads here: no circle, which would keep the flash
            del error

    # --- what the HAL asks

    def _failed(self, _: type[BaseException], error: BaseException, _trace: TracebackType) -> int:
        """A hook has raised: what the C code is told. Called by cffi."""
        if isinstance(error, OSError):
            return _FAILED
        self._levels[-1].raised = error
        return _LEAVE

    def _settled(self) -> FlashDevice:
        level = self._levels[-1]
        level.settle()
        return level.flash

    def _read(self, address: int, data: Any, size: int) -> int:
        found = self._settled().read(address, size)
        self._ffi.memmove(data, found, size)
        return _OK

    def _program(self, address: int, data: Any, size: int) -> int:
        self._levels[-1].program(address, bytes(self._ffi.buffer(data, size)))
        return _OK

    def _erase(self, address: int) -> int:
        self._levels[-1].flash.erase(address)
        return _OK

    def _match(self, address: int, expected: Any, size: int) -> int:
        return match_of(self._settled(), address, bytes(self._ffi.buffer(expected, size)))

    def _sha256(self, address: int, size: int, digest: Any) -> int:
        self._ffi.memmove(digest, sha256_of(self._settled(), address, size), 32)
        return _OK

    def _mapped_bank(self) -> int:
        level = self._levels[-1]
        return level.bank if level.port is not None else level.switch.mapped_bank

    def _map_bank(self, bank: int) -> int:
        self._levels[-1].switch.map_bank(bank)
        return _OK

    def _now_ms(self) -> int:
        self._levels[-1].settle()
        return round(self._clock().now_s() * 1000)

    def _get(self, data: Any, size: int, timeout_ms: int) -> int:
        level = self._levels[-1]
        level.settle()
        came = level.pending or self._port().read(timeout_ms / 1000)
        level.pending = came[size:]
        self._ffi.memmove(data, came, min(size, len(came)))
        return min(size, len(came))

    def _put(self, data: Any, size: int) -> int:
        self._levels[-1].settle()
        self._port().write(bytes(self._ffi.buffer(data, size)))
        return _OK

    def _self_test(self) -> int:
        self._levels[-1].settle()
        return int(self._levels[-1].self_test())

    def _admits(self, _: Any) -> int:
        return 1

    def _trace(self, what: int, first: int, second: int) -> int:
        level = self._levels[-1]
        level.settle()
        match what:
            case _ if what == _STEP:
                level.asked = [first, second]
                level.listener(Decided(_STEPS[first].name, "", "", _MODULES[second]))
            case _ if what == _JOURNAL:
                level.listener(JournalWritten(NAMES[first], Phase(second).name))
            case _ if what == _RESUMED:
                level.listener(Resumed(NAMES[1 - level.bank], first, second))
            case _:
                level.listener(Progress(Work.PROGRAM, second, 0))
        return _OK

    def _cause(self) -> int:
        raise InternalError("the bootloader is told its cause")

    def _swaps(self) -> int:
        raise InternalError("the bootloader is told its resets")

    def _keep(self, _swaps: int, _cause: int) -> int:
        raise InternalError("the bootloader's resets are made here")

    def _reset(self) -> int:
        raise InternalError("resets are made here")

    def _port(self) -> BytePort:
        port = self._levels[-1].port
        if port is None:
            raise InternalError("the bootloader asks for the module")
        return port

    def _clock(self) -> Clock:
        clock = self._levels[-1].clock
        if clock is None:
            raise InternalError("the bootloader asks for the time")
        return clock


class McuInC:
    """*chip* with the C core as its firmware; *connect* gives the port to the module and the clock,
    and is called by each start of the application.

    *listener* is told each event at the moment at which it happens; ``session`` yields those of the
    boot, and Decided after each step: what is held in RAM may be asked for then.
    """

    def __init__(
        self,
        core: CoreInC,
        chip: Chip,
        firmware: Firmware,
        connect: Callable[[], tuple[BytePort, Clock]],
        listener: Listener = str,
    ) -> None:
        if firmware.trust is not None or firmware.boot_trust is not None:
            raise UsageError("the C core checks no signatures", expected="a device without keys")
        self._core = core
        self._chip = chip
        self._firmware = firmware
        self._connect = connect
        self._listener = listener
        self._level: _Level | None = None
        self._updater: Any = None  # struct fwu_updater, of the start at hand

    def session(self, cause: ResetCause) -> Generator[Event, None, Result]:
        """As ``Mcu.session``."""
        return (yield from until_no_reset(self._chip, self._start, cause))

    def _start(self, cause: ResetCause) -> Generator[Event, None, Result | ResetCause]:
        known = cause if self._firmware.knows_cause else ResetCause.UNKNOWN
        decision = self._boot(known)
        if not decision.is_found:
            raise NothingBoots("nothing can be booted", where=self._chip.name)
        version = bytes(self._core.native.ffi.buffer(decision.version.text, decision.version.size))
        name = NAMES[decision.bank]
        booted = Booted(name, version.decode(), _MODES[decision.mode], known, ())
        self._listener(booted)
        yield booted
        port, clock = self._connect()
        self._level = _Level(
            self._chip.flash,
            self._chip.switch(),
            port,
            clock,
            self._firmware.self_test,
            self._listener,
            decision.bank,
        )
        return (yield from self._run(self._level))

    def _boot(self, cause: ResetCause) -> Any:
        """The bootloader, through the resets that it needs itself."""
        for swaps in range(MOST_SWAPS + 1):
            level = _Level(self._chip.flash, self._chip.switch())
            decision = self._core.boot(level, cause, swaps)
            if not decision.needs_reset:
                return decision
            self._chip.load_options()
        raise InternalError("the bootloader swaps for ever")

    def _run(self, level: _Level) -> Generator[Event, None, Result | ResetCause]:
        """The application, until it has nothing more to do or the MCU is reset."""
        try:
            self._updater = self._core.begin(level, level.bank)
            while (outcome := self._core.step(level, self._updater)) == _RUNNING:
                step, module = level.asked
                yield Decided(_STEPS[step].name, "", "", _MODULES[module])
        except ApplicationStopped as stopped:
            return stopped.cause
        if outcome == _LINK_LOST:
            raise LinkError("the module does not answer, or does not get ready")
        if outcome == _TRAILER_WORN:
            raise VerificationFailed("the trailer does not hold the journal")
        return ResetCause.SOFTWARE if outcome == _RESET else Result(_OUTCOMES[outcome])

    def memory(self) -> Hashable:
        """All in RAM that decides what comes next; see ``Updater.memory``."""
        if self._level is None or self._updater is None:
            return None
        level, updater = self._level, self._updater
        client = updater.client
        return (
            level.bank,
            level.pending,
            tuple(self._core.values(getattr(updater, name)) for name in _KEPT),
            tuple(
                self._core.values(getattr(side, name))
                for side in (updater.active, updater.inactive)
                for name in _KEPT_OF_SIDES
            ),
            (updater.load_offset, updater.load_end) if updater.loading else None,
            self._heard(updater.heard),
            self._link(client.link, round(self._clock_of(level).now_s() * 1000)),
            (client.read_most, client.read_now, client.read_good, client.tail),
            client.offset if client.holds else None,
        )

    @staticmethod
    def _clock_of(level: _Level) -> Clock:
        assert level.clock is not None
        return level.clock

    def _heard(self, heard: Any) -> Hashable:
        """As ``ModuleTracker.memory``."""
        said: Hashable
        match _MODULES[heard.module]:
            case Module.OFFERED | Module.OFFERED_ONCE:
                said = self._core.values(heard.plan)
            case Module.STARTED:
                said = self._core.values(heard.started)
            case Module.HOLDS_NEXT | Module.HOLDS_FIRST:
                said = self._core.values(heard.piece)
            case _:
                said = None
        return heard.module, said

    def _link(self, link: Any, now_ms: int) -> Hashable:
        """As ``AtLink.memory``: what has arrived and was not taken, and how slow the link is."""
        at = link.at
        announced = (at.header_end, at.start, at.size) if at.header_end else None
        return (
            tuple(
                (event.kind, event.code, event.size, event.crc)
                for event in link.events[0 : link.events_count]
            ),
            link.events_heard,
            bytes(self._core.native.ffi.buffer(at.buffer)[at.at : at.end]),
            announced,
            at.ends_cr,
            link.extra_ms,
            now_ms - link.unanswered_ms if link.is_unanswered else None,
        )
