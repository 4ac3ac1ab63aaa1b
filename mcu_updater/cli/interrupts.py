"""What ends a command from outside: signals, and a reader of standard output that has left.

All of them are KeyboardInterrupt, so that whatever puts things away at Ctrl-C does so for each.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from mcu_updater import signals

INTERRUPTED = 130
PIPE_CLOSED = 141  # 128 + SIGPIPE: as a program that does not care would end

_AT_ONCE = getattr(select, "PIPE_BUF", 512)  # bytes that a pipe with room takes at once: POSIX


class Interrupted(KeyboardInterrupt):
    """Ends the command with *exit_code*; *text* says why."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.text = text
        self.exit_code = exit_code


def text_and_code(interrupt: KeyboardInterrupt) -> tuple[str, int]:
    if isinstance(interrupt, Interrupted):
        return interrupt.text, interrupt.exit_code
    return "interrupted", INTERRUPTED


def raise_at_signals() -> None:
    """All is imported: from now on a signal is raised where the command is at work.

    Only in place of ``signals.leave``: where somebody else's program runs us, its handlers stay.
    """
    for number in signals.SIGNALS:
        if signal.getsignal(number) is signals.leave:
            signal.signal(number, _raiser(os.getpid()))


def let_pass() -> None:
    """How the command ended has been said, and the process is about to leave with that code: a
    signal has nothing to end any more."""
    for number in signals.SIGNALS:
        handler = signal.getsignal(number)
        if handler is signals.leave or getattr(handler, "raises_interrupted", False):
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def held_while_told(size: int) -> Iterator[None]:
    """A signal waits while the last object, of *size* bytes, is written: what it says stays true.

    Only where its reader takes it at once, for else nothing could end us.
    """
    if not (hasattr(signal, "pthread_sigmask") and size < _AT_ONCE and _takes_at_once()):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _takes_at_once() -> bool:
    """Whether standard output has room for _AT_ONCE bytes."""
    try:
        return bool(select.select([], [sys.stdout], [], 0)[1])
    except (OSError, ValueError):  # no descriptor, or one that cannot be waited for
        return False


def _raiser(owner: int) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, _: FrameType | None) -> None:
        if os.getpid() != owner:  # a child that was forked has nothing to put away
            os._exit(128 + number)
        raise Interrupted(signals.WORDS[signal.Signals(number).name], 128 + number)

    handle.raises_interrupted = True  # type: ignore[attr-defined]
    return handle
