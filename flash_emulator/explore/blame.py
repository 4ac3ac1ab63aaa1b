"""Where in the subject something went wrong: a traceback with its frames, and not with ours."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from traceback import StackSummary, TracebackException
from typing import Final

from flash_emulator.watchdog import Hung

_OURS: Final = str(Path(__file__).parents[1]) + os.sep
_LIBRARY: Final = sysconfig.get_path("stdlib") + os.sep
_FIRST, _LAST = 5, 25  # frames that are shown of a deep recursion


def trace_of(error: BaseException) -> str:
    """As Python prints it, but for the frames of this package; empty where no other one is left."""
    found = TracebackException.from_exception(error)
    if isinstance(error, Hung):  # whatever it was doing when it was interrupted the first time
        found.__context__ = None
    if not _strip(found):
        before = error.__context__
        # The second time may have come on the way out of it already, in no line of his.
        return trace_of(before) if isinstance(error, Hung) and isinstance(before, Hung) else ""
    lines = "".join(found.format()).rstrip().splitlines()
    if isinstance(error, Hung):
        lines[-1] = "interrupted here"
    return "\n".join(lines)


def _strip(found: TracebackException) -> bool:
    """Whether any frame is left."""
    chain = [each for each in (found.__cause__, found.__context__) if each is not None]
    for each in chain:
        _strip(each)
    frames = [frame for frame in found.stack if not frame.filename.startswith(_OURS)]
    if len(frames) > _FIRST + _LAST:
        frames = [*frames[:_FIRST], *frames[-_LAST:]]
    for frame in frames:
        frame.filename = _near(frame.filename)
    found.stack = StackSummary.from_list(frames)
    return any(_is_his(frame.filename) for frame in frames)


def _is_his(file: str) -> bool:
    """Not of the standard library, which we use, too."""
    return not file.startswith(("<string>", _LIBRARY))


def _near(file: str) -> str:
    """As it is called from the current folder, where it lies below it."""
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file
