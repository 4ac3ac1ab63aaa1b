"""A compiled bootloader in this process: booted on a flash, as often and as deep as is asked."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import Any, Final, NoReturn

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.errors import (
    BusyError,
    ProgramError,
    ReadProtected,
    UnreadableUnit,
    WriteProtected,
)
from flash_emulator.native.build import INCLUDE
from flash_emulator.native.elf import Places, data_ranges
from flash_emulator.native.errors import NativeError
from flash_emulator.subject import Violation, ended_in
from flash_emulator.watchdog import heed

_OK: Final = 0
_CODES: Final[tuple[tuple[type[Exception], int], ...]] = (
    (UnreadableUnit, -1),
    (ProgramError, -2),
    (WriteProtected, -3),
    (ReadProtected, -3),
    (BusyError, -4),
)
_LEAVE: Final = -(2**31)  # GLUE_LEAVE
(
    _RETURNED,
    _LEFT,
    _RESET,
    _ENDLESS,
    _DEEP,
    _CRASHED,
    _ASSERTED,
    _EXITED,
    _STUCK,
    _SMASHED,
    _NO_MEMORY,
) = range(11)


@dataclass(frozen=True, slots=True)
class Budget:
    """What one boot may use. Beyond it is a violation of "live": it would never come to rest.

    *blocks*: basic blocks of C code; *calls*: of flash and option functions that change nothing;
    *resets*: that it does by itself; *stack*: bytes. Flash operations have a limit of the search.
    """

    blocks: int = 100_000_000
    calls: int = 1_000_000
    resets: int = 100
    stack: int = 256 * 1024


@dataclass(slots=True)
class _Level:
    """A boot that is under way."""

    flash: EmulatedFlash
    coalesce: bool
    most_calls: int
    calls: int  # that are left
    data: Any = None  # what was read last: it must live until it is copied
    raised: BaseException | None = None


class Library:
    """The library at *path*. One boot at a time, but for those inside of its flash calls."""

    def __init__(self, path: Path) -> None:
        self._ffi = new_ffi(_declarations())
        try:
            self._lib = self._ffi.dlopen(str(path))
        except OSError as error:
            raise NativeError(f"the compiled bootloader cannot be loaded: {error}") from error
        if not self._lib.glue_has_boot():
            raise NativeError(
                "the C code has no function boot: expected `int boot(void)`, not static, in one of "
                "its sources"
            )
        self._base: int = self._lib.glue_base()
        self._places = Places(path)
        self._levels: list[_Level] = []
        self._lock = threading.RLock()
        self._set_up(data_ranges(path))

    def _set_up(self, ranges: list[tuple[int, int]]) -> None:
        given = self._ffi.new(
            "struct glue_range[]", [(self._base + at, size) for at, size in ranges]
        )
        hooks = self._ffi.new("struct glue_hooks *")
        self._callbacks = {
            name: self._ffi.callback(
                self._ffi.typeof(getattr(hooks, name)), hook, error=_LEAVE, onerror=self._failed
            )
            for name, hook in (
                ("read", self._read),
                ("program", self._program),
                ("erase", self._erase),
                ("match", self._match),
                ("option_read", self._option_read),
                ("option_program", self._option_program),
                ("map_bank", self._map_bank),
                ("reset", self._reset),
            )
        }
        for name, callback in self._callbacks.items():
            setattr(hooks, name, callback)
        if self._lib.glue_set_up(given, len(ranges), hooks):
            size = sum(size for _, size in ranges)
            raise NativeError(f"no memory for a copy of the C code's {size:,} bytes of data")

    # --- booting

    def boot(self, flash: EmulatedFlash, budget: Budget, *, coalesce: bool = True) -> int:
        """What ``boot()`` returns. *coalesce*: programs may be done later, see
        ``EmulatedFlash.program_later``.

        Raises what a flash call has raised that has no code in C, such as PowerLoss; Violation
        where the C code itself goes wrong.
        """
        with self._lock:
            for _ in range(budget.resets + 1):
                end, level = self._run(flash, budget, coalesce)
                if end.ended == _RETURNED:
                    return int(end.returned)
                if end.ended != _RESET:
                    self._went_wrong(end, level, budget)
        raise Violation("live", f"the MCU was reset {budget.resets} times by boot() in one boot")

    def _run(self, flash: EmulatedFlash, budget: Budget, coalesce: bool) -> tuple[Any, _Level]:
        end = self._ffi.new("struct glue_end *")
        level = _Level(flash, coalesce, budget.calls, budget.calls)
        self._levels.append(level)
        try:
            self._lib.glue_boot(budget.blocks, budget.stack, end)
        finally:
            self._levels.pop()
        if end.ended != _LEFT:
            flash.settle()
        return end, level

    def _went_wrong(self, end: Any, level: _Level, budget: Budget) -> NoReturn:
        place = self._place(end.where)
        if end.ended == _LEFT:
            self._left(level, place)
        if end.ended == _NO_MEMORY:
            raise MemoryError("no memory for one more boot of the C code")
        raise Violation("live", self._finding(end, level, budget) + place)

    def _finding(self, end: Any, level: _Level, budget: Budget) -> str:
        if end.ended == _ENDLESS:
            return f"no rest after {budget.blocks:,} basic blocks of C code"
        if end.ended == _STUCK:
            return "no rest: the C code goes round an empty loop"
        if end.ended == _SMASHED:
            return "the C code writes beyond a local array"
        if end.ended == _DEEP:
            return f"the C code uses more than {budget.stack:,} bytes of stack"
        if end.ended == _EXITED:
            return f"the C code calls exit({end.what})"
        if end.ended == _ASSERTED:
            line = f"{Path(self._text(end.file)).name}:{end.what}"
            return f"assertion failed: {self._text(end.text)}, at {line}"
        return self._crash(end, level)

    def _left(self, level: _Level, place: str) -> NoReturn:
        error, level.raised = level.raised, None
        if error is None:  # what a signal has raised in the last moment of a hook
            level.flash.cells.halt.check()
            heed()
            raise RuntimeError("the boot was interrupted, and what interrupted it is lost")
        if isinstance(error, Exception):
            level.flash.settle()
        if isinstance(error, Violation):
            raise Violation(error.question, error.text + place) from error
        if isinstance(error, Exception):
            raise Violation("live", f"{ended_in(error)}{place}") from error
        try:
            raise error
        finally:  # its traceback leads here: no circle, which would keep the flash
            del error

    def _crash(self, end: Any, level: _Level) -> str:
        name = Signals(end.what).name
        if end.what == Signals.SIGABRT:
            return "the C code calls abort()"
        if end.what not in (Signals.SIGSEGV, Signals.SIGBUS):
            return f"the C code crashes with {name}"
        text = f"the C code crashes with {name} at 0x{end.address:X}"
        base, size = level.flash.part.base, level.flash.part.size
        if base <= end.address < base + size:
            text += ", an address of flash: read it with flash_read, not by a pointer"
        return text

    def _place(self, where: int) -> str:
        name = self._places.name(where - self._base) if where > self._base else ""
        return f", at {name}" if name else ""

    def _text(self, pointer: Any) -> str:
        return str(self._ffi.string(pointer).decode(errors="replace"))

    # --- what the C code calls; raises what is no answer in C

    def _failed(self, _: type[BaseException], error: BaseException, _trace: TracebackType) -> int:
        """A hook has raised: what the C code is told. Called by cffi."""
        level = self._levels[-1]
        level.raised = error  # at once: another may come from a signal
        for type_, code in _CODES:
            if isinstance(error, type_):
                level.raised = None
                return code
        return _LEAVE

    def _flash(self) -> EmulatedFlash:
        """For a call that changes nothing: the search does not count those."""
        level = self._levels[-1]
        level.calls -= 1
        if level.calls < 0:
            raise Violation(
                "live",
                f"no rest: more than {level.most_calls:,} calls of flash functions that only look",
            )
        return level.flash

    def _read(self, address: int, size: int, data: Any) -> int:
        found = self._flash().read(address, size)
        self._levels[-1].data = data[0] = self._ffi.from_buffer(found)
        return _OK

    def _program(self, address: int, data: Any, size: int) -> int:
        level = self._levels[-1]
        program = level.flash.program_later if level.coalesce else level.flash.program
        program(address, self._ffi.buffer(data, size)[:])
        return _OK

    def _erase(self, address: int) -> int:
        self._levels[-1].flash.erase(address)
        return _OK

    def _match(self, address: int, expected: Any, size: int, same: Any) -> int:
        wanted = self._ffi.buffer(expected, size)[:]
        same[0] = self._flash().match(address, wanted)
        return _OK

    def _option_read(self, name: Any, value: Any) -> int:
        options = self._flash().options
        wanted = self._text(name)
        options.check({wanted: 0})
        value[0] = options.loaded[wanted]
        return _OK

    def _option_program(self, name: Any, value: int) -> int:
        level = self._levels[-1]
        level.flash.program_options(**{self._text(name): value})
        return _OK

    def _map_bank(self, bank: int) -> int:
        self._flash().map_bank(bank)
        return _OK

    def _reset(self, loads_options: int) -> int:
        flash = self._flash()
        if loads_options:
            flash.launch_options()
        else:
            flash.reset()
        return _OK


def new_ffi(declarations: str) -> Any:
    """cffi, told what the C code declares. NativeError where it is not installed."""
    try:
        from cffi import FFI
    except ImportError as error:
        raise NativeError(
            "cffi is not installed, which calls C code: pip install 'mcu-updater[native]'"
        ) from error
    ffi = FFI()
    ffi.cdef(declarations)
    return ffi


def _declarations() -> str:
    text = (INCLUDE / "glue.h").read_text()
    return text.partition("/* cffi begins */")[2].partition("/* cffi ends */")[0]


@cache
def load(path: Path) -> Library:
    """The one of this process: data of a library are there once, however often it is loaded."""
    return Library(path)
