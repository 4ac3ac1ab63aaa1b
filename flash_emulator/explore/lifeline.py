"""A worker's process and its parent: it ends when the parent does, and shows that it is alive.

The parent may be killed, too, so it cannot be left to it to end its workers. Each of them waits for
the end of a pipe that its parent holds, in a thread; and where the system can do it, is ended by a
signal when that happens, also in a call that lets no thread run.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ctypes import Array, c_longlong
from multiprocessing import connection, parent_process
from multiprocessing.sharedctypes import RawArray

from flash_emulator import watchdog

Sign = Array[c_longlong]
"""Memory that both share: the worker's process ID, its ticks, kicks in vain, index of its state."""

_PID, _TICKS, _IN_VAIN, _STATE = range(4)
_MOST_IN_VAIN = 10  # kicks of the watchdog; then nothing but the end of the process helps
_SILENT_S = 5.0  # longer than any machine keeps a thread waiting

_ENDS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)

_sign: Sign | None = None


@contextmanager
def undisturbed() -> Iterator[None]:
    """Signals that end the process wait for the end of the block, where the system can do that.

    For forks: what a handler raises in the middle of one is lost, for Python's own hooks swallow
    it.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def new_sign() -> Sign:
    return RawArray(c_longlong, 4)


def begun(state: int) -> None:
    """The worker begins with this state of its batch."""
    if _sign is not None:
        _sign[_STATE] = state
        _sign[_TICKS] += 1


# --- the worker's side


def follow_parent(sign: Sign) -> None:
    """End with the parent, and leave it to the parent to be interrupted.

    Signals of a terminal or a service manager go to all processes of a group: the parent writes
    what is known so far, and ends the workers then.
    """
    global _sign
    _sign = sign
    sign[_PID] = os.getpid()
    for number in _ENDS:
        signal.signal(number, signal.SIG_IGN)
    watchdog.on_tick = _ticked
    parent = parent_process()
    if parent is not None:
        _end_by_signal(parent.sentinel)
        threading.Thread(target=_wait_for, args=(parent.sentinel,), daemon=True).start()


def _ticked(in_vain: int) -> None:
    assert _sign is not None
    _sign[_TICKS] += 1
    _sign[_IN_VAIN] = in_vain


def _wait_for(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _end_by_signal(pipe: int) -> None:
    """SIGIO, which ends a process that does not handle it, when the other end is closed."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)


# --- the parent's side


def kill(sign: Sign) -> None:
    """End the worker at once; it has nothing that must be saved."""
    if sign[_PID]:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(sign[_PID], getattr(signal, "SIGKILL", signal.SIGTERM))


class Pulse:
    """Whether a worker that has something to do still answers."""

    def __init__(self, sign: Sign) -> None:
        self._sign = sign
        self.begin()

    def begin(self) -> None:
        """It is given something to do."""
        self._ticks, self._since_s = self._sign[_TICKS], time.monotonic()

    def has_stopped(self, boot_s: float) -> bool:
        """It is interrupted again and again, and does not end; or has no ticks any more.

        To be asked often while it works.
        """
        now_s = time.monotonic()
        if self._sign[_TICKS] != self._ticks:
            self._ticks, self._since_s = self._sign[_TICKS], now_s
        silent = self._sign[_PID] and now_s - self._since_s > boot_s + _SILENT_S
        return bool(silent) or self._sign[_IN_VAIN] > _MOST_IN_VAIN

    @property
    def state(self) -> int:
        """The index in its batch of the state that it is at."""
        return self._sign[_STATE]
