"""What SIGINT, SIGTERM and SIGHUP do while the program is still being imported.

Nothing has been done yet that would need to be put away, so it ends at once. An interrupt that is
raised in the middle of an import ends in a traceback, or is swallowed there.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""What ends a command from outside. Its exit code is then 128 and the signal's number."""

WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}


def leave_at_signals() -> None:
    """From now on each of SIGNALS ends the process, unless whoever started it ignores it."""
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, leave)


def leave(number: int, _: FrameType | None) -> None:
    word, code = WORDS[signal.Signals(number).name], 128 + number
    if "--json" in sys.argv:
        _say(1, f'{{"event": "end", "ok": false, "exit_code": {code}, "error": "{word}"}}\n')
    _say(2, f"error: {word}\n")
    os._exit(code)


def _say(descriptor: int, text: str) -> None:
    try:
        os.write(descriptor, text.encode())
    except OSError:  # nobody reads it
        return
