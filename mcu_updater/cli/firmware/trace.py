"""What was executed, block by block, into a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from flash_emulator.machine.board_file import BoardFile
from mcu_updater.storage import STDOUT, new_file


class BlockTrace:
    """A line for each block: PC, function, bytes; a block that is repeated at once is one line."""

    def __init__(self, file: BinaryIO, name: Callable[[int], str]) -> None:
        self._file, self._name = file, name
        self._last: tuple[int, int] | None = None
        self._count = 0

    def __call__(self, address: int, size: int) -> None:
        if (address, size) == self._last:
            self._count += 1
            return
        self.finish()
        self._last, self._count = (address, size), 1

    def finish(self) -> None:
        """Tell what was not yet told."""
        if self._last is not None:
            address, size = self._last
            times = f", {self._count:,} times" if self._count > 1 else ""
            self._file.write(f"{self._name(address)}  {size} bytes{times}\n".encode())
            self._last = None


@contextmanager
def block_trace(path: Path | None, read: BoardFile) -> Iterator[BlockTrace | None]:
    """One that writes to *path*, which takes its place when the boot has ended; None: none."""
    if path is None:
        yield None
    elif path == STDOUT:
        yield from _told(sys.stdout.buffer, read)
    else:
        with new_file(path) as file:
            yield from _told(file, read)


def _told(file: BinaryIO, read: BoardFile) -> Iterator[BlockTrace]:
    trace = BlockTrace(file, read.symbols.name)
    yield trace
    trace.finish()
    file.flush()
