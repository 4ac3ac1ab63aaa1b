"""Ends a boot that does nothing new any more, and a search whose time is up, wherever it may be.

    with watching(silence_s=5, until_s=time.monotonic() + 60):
        beat()  # something new has happened; raises what is due

A thread of its own looks at all watches, every ``TICK_S``. It counts its own turns, not the wall
clock: where the machine is busy or asleep, a boot is not blamed for it. What is overdue is raised
in the thread that is watched, in whatever the subject does at that moment:

* in the main thread by a signal that is ignored otherwise (SIGURG), which also ends sleeping,
  waiting for a lock or reading from a socket. A subject that catches everything gets it again in
  the next line that it executes;
* in other threads, and on Windows, as an asynchronous exception: Python code is ended, a call
  into C when it returns.

A call into C that never comes back can be ended from outside only: ``batches.Processes`` does it.
Code of the search itself is not interrupted: it calls ``beat``, and ``heed`` wherever a subject
comes by that does nothing new. Nor is the machine: an engine calls it back, and would swallow what
is raised; it calls ``heed`` itself. A boot is not blamed for the time that the search has taken.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

TICK_S = 0.05
_HERE: Final = Path(__file__).parent
_OWN: Final = (
    *(f"{_HERE / room}{os.sep}" for room in ("explore", "machine")),
    *(str(_HERE / module) for module in ("subject.py", "watchdog.py", "moment.py")),
)
"""Where frames are the search's own."""
_SIGNAL: Final = getattr(signal, "SIGURG", None)
_BEFORE_TRACING = 2  # kicks
_NO_ROOM = 5  # kicks; then there may be no room on the stack for the signal's handler
_AT_ONCE, _EVERY = 4, 5  # ticks with a kick: the first ones, then one in so many
_CPU_S = 0.5
_LINGER_S = 5.0


class Overdue(BaseException):
    """No Exception: the subject's own handlers must not hide it."""


class Hung(Overdue):
    """The subject has done nothing new for so long."""


class OutOfTime(Overdue):
    """The time of the search is up."""


@dataclass(slots=True, eq=False)
class Watch:
    """What is watched in one thread. *silence_s*, *until_s* (``time.monotonic``): None: never."""

    silence_s: float | None
    until_s: float | None
    thread: int = field(default_factory=threading.get_ident)
    by_signal: bool = False
    beats: int = 0
    due: type[Overdue] | None = None
    kicks: int = 0
    is_raised: bool = False  # in the subject, which may have hidden it
    is_asynchronous: bool = False  # raised so, and perhaps not there yet
    turns: int = 0  # of the watchdog's thread, since the timer of the CPU was asked
    _seen: int = 0
    _ticks: int = 0  # since it is due
    _silent_s: float = 0.0

    def tick(self, passed_s: float) -> None:
        """Called by the watchdog's thread, every now and then."""
        if self.due is None:
            self.due = self._judged(passed_s)
        if self.due is not None:
            self._ticks += 1
            if self._ticks <= _AT_ONCE or self._ticks % _EVERY == 0:
                self.kicks += 1
                self._kick(self.due)

    def _judged(self, passed_s: float) -> type[Overdue] | None:
        if self.until_s is not None and time.monotonic() >= self.until_s:
            return OutOfTime
        self._silent_s = 0.0 if self.beats != self._seen else self._silent_s + passed_s
        self._seen = self.beats
        return Hung if self.silence_s is not None and self._silent_s >= self.silence_s else None

    def _kick(self, due: type[Overdue]) -> None:
        if self.by_signal:
            assert _SIGNAL is not None
            signal.pthread_kill(self.thread, _SIGNAL)
        if self.by_signal and self.kicks < _NO_ROOM:
            return
        if not _is_own(sys._current_frames().get(self.thread)):  # noqa: SLF001
            self.is_raised = self.is_asynchronous = True
            _raise_in(self.thread, due)

    def calm(self) -> None:
        """What was due is dealt with: from now on it is counted anew."""
        self.take_back()
        self.due, self.is_raised, self.kicks, self._ticks, self._silent_s = None, False, 0, 0, 0.0

    def take_back(self) -> None:
        """What was to be raised in this thread and was not yet is not raised any more."""
        if self.is_asynchronous:
            self.is_asynchronous = False
            _take_back()


class _Here(threading.local):
    watch: Watch | None = None


_here = _Here()
_lock = threading.Lock()
_watches: list[Watch] = []
_thread: threading.Thread | None = None
on_tick: Callable[[int], object] = int
"""In a worker's process: told by every tick how often the last kick was in vain."""


def beat() -> None:
    """Something new happened. Raises OutOfTime when time is up; and Hung where that was raised in
    the subject already. Elsewhere it was the search that took so long, and goes on."""
    watch = _here.watch
    if watch is None:
        return
    watch.beats += 1
    if watch.due is Hung and not watch.is_raised:
        watch.calm()
    elif watch.due is not None:
        raise watch.due


def heed() -> None:
    """The subject comes by, and that is nothing new. Raises Overdue when it is due."""
    watch = _here.watch
    if watch is not None and watch.due is not None:
        raise watch.due


def beat_if_new(thing: object, known: set[Any]) -> None:
    """``beat`` where *thing* is not *known* yet; then it is."""
    if thing not in known:
        known.add(thing)
        beat()


def calm() -> None:
    """What was raised is dealt with; the thread goes on being watched."""
    if _here.watch is not None:
        _here.watch.calm()


def calm_if_hung() -> None:
    """As ``calm``, where what was raised hides behind something else; not when time is up."""
    watch = _here.watch
    if watch is not None and watch.due is Hung:
        watch.calm()


class watching:  # noqa: N801 - it is used as a function is
    """Watch this thread. Hung or OutOfTime is raised in it when it is overdue."""

    def __init__(self, silence_s: float | None = None, until_s: float | None = None) -> None:
        self._limits = silence_s, until_s

    def __enter__(self) -> None:
        self._watch, self._outer = Watch(*self._limits), _here.watch
        self._tracing = sys.gettrace()
        if _SIGNAL is not None and threading.current_thread() is threading.main_thread():
            self._watch.by_signal = True
            self._before = signal.signal(_SIGNAL, _kicked)
            self._begin_timer()
            # Others' callbacks of the collector: Python swallows what is raised in them.
            self._collected, gc.callbacks[:] = list(gc.callbacks), []
        _here.watch = self._watch
        _begin(self._watch)

    def __exit__(self, *_: object) -> None:
        _end(self._watch)
        _here.watch = self._outer
        if self._watch.by_signal:
            assert _SIGNAL is not None
            self._end_timer()
            gc.callbacks[:0] = self._collected
            signal.signal(_SIGNAL, self._before if self._before is not None else signal.SIG_DFL)
        if sys.gettrace() is not self._tracing:
            sys.settrace(self._tracing)

    def _begin_timer(self) -> None:
        """For C code that keeps the watchdog's thread from running, and looks at signals itself."""
        self._timer: Any = None
        if signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0):  # nobody else uses it
            self._timer = signal.signal(signal.SIGVTALRM, _worked)
            signal.setitimer(signal.ITIMER_VIRTUAL, _CPU_S, _CPU_S)

    def _end_timer(self) -> None:
        if self._timer is not None:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, self._timer)


def _begin(watch: Watch) -> None:
    global _thread
    with _lock:
        _watches.append(watch)
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_look, name="powerloss watchdog", daemon=True)
            _thread.start()


def _end(watch: Watch) -> None:
    watch.due = None
    with _lock:
        _watches.remove(watch)
        watch.take_back()


def _look() -> None:
    """The thread. It ends when there was nothing to watch for some time."""
    global _thread
    idle, last_s = 0, time.monotonic()
    while True:
        time.sleep(TICK_S)
        now_s = time.monotonic()
        passed_s, last_s = min(now_s - last_s, 2 * TICK_S), now_s
        with _lock:
            idle = 0 if _watches else idle + 1
            for watch in _watches:
                watch.turns += 1
                watch.tick(passed_s)
            on_tick(max((watch.kicks for watch in _watches), default=0))
            if idle * TICK_S > _LINGER_S:
                _thread = None
                return


def _forked() -> None:
    """In a child nothing is watched, and no thread looks."""
    global _lock, _thread
    _lock, _thread = threading.Lock(), None
    _watches.clear()
    _here.watch = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


# --- raising


def _is_own(frame: FrameType | None) -> bool:
    """Whether the search itself is at work, which looks by itself whether something is due."""
    return frame is None or frame.f_code.co_filename.startswith(_OWN)


def _kicked(_: int, frame: FrameType | None) -> None:
    """The signal's handler, in the main thread."""
    watch = _here.watch
    if watch is None or watch.due is None or _is_own(frame):
        return
    if watch.kicks > _BEFORE_TRACING:
        _trace(watch, frame)
    watch.is_raised = True
    raise watch.due


def _worked(number: int, frame: FrameType | None) -> None:
    """Half a second of work in this process; did the watchdog's thread have a turn in it?"""
    watch = _here.watch
    if watch is None:
        return
    if not watch.turns:
        watch.tick(_CPU_S)
    watch.turns = 0
    _kicked(number, frame)


def _trace(watch: Watch, frame: FrameType | None) -> None:
    """From now on every line raises, too, in the subject's frames: also those of its handlers.

    Tracing ends with the first that does. So a handler that catches everything is left; where
    several stand around one another, each kick leaves one of them.
    """

    def line(at: FrameType, event: str, argument: object) -> Any:
        del argument
        if watch.due is None or _is_own(at):
            return None
        if event in ("line", "call"):
            watch.is_raised = True
            raise watch.due
        return line

    while frame is not None and not _is_own(frame):
        frame.f_trace = line
        frame = frame.f_back
    sys.settrace(line)


def _raise_in(thread: int, exception: type[BaseException]) -> None:
    """In the place of what was to be raised there and was not yet."""
    with suppress(AttributeError):  # no CPython
        wanted = ctypes.py_object(exception)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), wanted)


class _TakenBack(BaseException):
    """Takes the place of what was to be raised."""


def _take_back() -> None:
    """Raised and caught here. Where NULL takes its place, CPython 3.11 looks for it from then on,
    and never gets into the next function that is called while another one traces."""
    with suppress(_TakenBack):
        _raise_in(threading.get_ident(), _TakenBack)
        for _ in range(100):  # at a jump backwards, if it was not before
            pass
