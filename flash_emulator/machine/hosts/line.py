"""An ordinary function that blocks, as a host: it runs in a thread of its own, one side at a time.

The function is given a ``Line``. Whenever it waits for something, its thread stops and the
machine goes on, until what it waits for has come in virtual time; so nothing depends on how threads
are scheduled. Where the boot is given up, the call that it waits in raises ``Abandoned``, which is
no Exception.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from flash_emulator.machine.hosts.asking import (
    Answer,
    Count,
    Drop,
    Ended,
    Expect,
    GaveUp,
    Heard,
    Now,
    Read,
    Request,
    Wait,
)

__all__ = ["Abandoned", "GaveUp", "Line", "Stuck", "ThreadAsking"]

PATIENCE_S: Final = 20.0
"""Real seconds that a host may compute between two calls of its line."""
_ROOM: Final = 1 << 16  # bytes that are written without a look at the time


class Abandoned(BaseException):
    """The boot that the host talks to is over."""


class Stuck(Exception):
    """The host does not come back to its line."""


class Line:
    """The host's end of the line. Times are virtual, in seconds; ``time.sleep`` knows nothing of
    them: use ``wait``."""

    def __init__(self, ask: Callable[[Request], Answer], sent: bytearray) -> None:
        self._ask, self._sent = ask, sent

    def write(self, data: bytes) -> None:
        """*data* go out, one byte after the other. It does not wait; what waits next does so from
        when all is out."""
        self._sent += data
        if len(self._sent) > _ROOM:
            self.wait(0.0)

    def read(self, size: int | None = 1, timeout_s: float | None = 1.0) -> bytes:
        """*size* bytes; None: whatever there is, at least one. Fewer, or none, after *timeout_s*.
        None there: it waits for ever."""
        answer = self._ask(Read(size, timeout_s))
        assert isinstance(answer, bytes)
        return answer

    def expect(self, pattern: bytes | str, timeout_s: float | None = 1.0) -> Heard:
        """All bytes up to the end of the first that match *pattern*. Raises TimeoutError; what has
        come until then stays to be read."""
        answer = self._ask(Expect(pattern, timeout_s))
        if answer is None:
            raise TimeoutError(f"{pattern!r} has not come within {timeout_s} s")
        assert isinstance(answer, Heard)
        return answer

    def wait(self, time_s: float) -> None:
        """Let *time_s* pass."""
        self._ask(Wait(time_s))

    def now_s(self) -> float:
        """Since the device was powered on."""
        answer = self._ask(Now())
        assert isinstance(answer, float)
        return answer

    def drop(self) -> bytes:
        """What has come and was not read; it is gone."""
        answer = self._ask(Drop())
        assert isinstance(answer, bytes)
        return answer

    @property
    def waiting(self) -> int:
        """How many bytes have come that were not read."""
        answer = self._ask(Count())
        assert isinstance(answer, float)
        return int(answer)


class ThreadAsking:
    """``Asking`` of a function that blocks."""

    keeper: None = None

    def __init__(self, function: Callable[[Line], object], patience_s: float = PATIENCE_S) -> None:
        self._function, self._patience_s = function, patience_s
        self._sent = bytearray()
        self._request: Request | None = None
        self._answer: Answer = None
        self._error: BaseException | None = None
        self._abandoned = self._over = False
        self._host_may_run, self._machine_may_run = threading.Lock(), threading.Lock()
        self._host_may_run.acquire()
        self._machine_may_run.acquire()
        self._thread: threading.Thread | None = None

    def resume(self, answer: Answer) -> tuple[bytes, Request]:
        if self._over:
            raise Ended
        self._answer = answer
        self._let_it_run()
        sent = bytes(self._sent)
        self._sent.clear()
        if self._request is not None:
            return sent, self._request
        raise Ended(sent, self._error)

    def _let_it_run(self) -> None:
        self._request = None
        if self._thread is None:
            name = f"host {getattr(self._function, '__name__', 'function')}"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()
        else:
            self._host_may_run.release()
        if not self._machine_may_run.acquire(timeout=self._patience_s):
            self._abandoned = self._over = True
            raise Stuck(f"it has not come back to its line for {self._patience_s:g} s (real time)")
        if self._over:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._function(Line(self._ask, self._sent))
        except Abandoned:
            pass
        except BaseException as error:  # whoever resumes gets it
            self._error = error
        finally:
            self._over = True
            self._machine_may_run.release()

    def _ask(self, request: Request) -> Answer:
        """Called by the function: its thread stops here."""
        if threading.current_thread() is not self._thread:
            raise RuntimeError("only the thread that the host was started in may use its line")
        if self._abandoned:
            raise Abandoned
        self._request = request
        self._machine_may_run.release()
        self._host_may_run.acquire()
        if self._abandoned:
            raise Abandoned
        return self._answer

    def close(self) -> None:
        """Its thread ends. One that does not come back to the line is left alone, it is a daemon's;
        who resumed it was told."""
        if self._thread is None or self._over:
            return
        self._abandoned = True
        self._host_may_run.release()
        if threading.current_thread() is not self._thread:
            self._thread.join(self._patience_s)
