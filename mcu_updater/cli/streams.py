"""Standard output and error that never end in a traceback: full, closed, or of few characters."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from mcu_updater.cli.exits import UNUSABLE
from mcu_updater.cli.interrupts import PIPE_CLOSED, Interrupted

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def guard() -> None:
    """Put the guarded streams in place of ``sys.stdout`` and ``sys.stderr``.

    A character that the terminal does not have is written as its escape sequence. Once standard
    output takes no more, the command is interrupted, so that what it works on is put away; what it
    still says is let go. Standard error is let go at once.
    """
    codecs.register(_find_codec)
    _fill_gaps()
    sys.stdout = _guarded(1, sys.stdout, _Output)
    sys.stderr = _guarded(2, sys.stderr, _Errors)


_ASCII = "ascii-escaped"
"""ASCII under a name of ours: click takes an ASCII stream for a mistake, and writes UTF-8 to it."""


def _find_codec(name: str) -> codecs.CodecInfo | None:
    if name.replace("_", "-") != _ASCII:
        return None
    found = codecs.lookup("ascii")
    return codecs.CodecInfo(
        found.encode,
        found.decode,
        found.streamreader,
        found.streamwriter,
        found.incrementalencoder,
        found.incrementaldecoder,
        name=_ASCII,
    )


def _fill_gaps() -> None:
    """A standard descriptor that is closed must not become the next file that is opened."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the lowest free one; whoever writes to it is told


def _guarded(descriptor: int, stream: TextIO | None, raw: type[_Output]) -> io.TextIOWrapper:
    before = stream if isinstance(stream, io.TextIOWrapper) else None
    if before is not None:
        before.flush()
    file = raw(descriptor, "wb", closefd=False)
    encoding = before.encoding if before else "utf-8"
    return io.TextIOWrapper(
        io.BufferedWriter(file),
        encoding=_ASCII if codecs.lookup(encoding).name == "ascii" else encoding,
        errors="backslashreplace",
        line_buffering=file.isatty() or descriptor == 2,
    )


class _Output(io.FileIO):
    """Says once that nothing can be written, and swallows the rest."""

    is_lost = False

    def write(self, data: ReadableBuffer, /) -> int:
        if not self.is_lost:
            try:
                return super().write(data) or 0
            except OSError as error:
                self.is_lost = True
                self._tell(error)
        return memoryview(data).nbytes

    def _tell(self, error: OSError) -> None:
        if error.errno == errno.EPIPE:
            raise Interrupted("standard output was closed by its reader", PIPE_CLOSED)
        text = f"standard output: cannot be written; found {error.strerror}"
        raise Interrupted(text, UNUSABLE)


class _Errors(_Output):
    def _tell(self, error: OSError) -> None:
        """There is nobody to tell."""
