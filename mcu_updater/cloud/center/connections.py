"""How the state file is opened; what goes wrong with it is SQLite's, and said as ``PortError``."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mcu_updater.core.errors import PortError, Remedy

BUSY_S = 60.0  # how long a writer waits for another

DAMAGE = (sqlite3.Error, OSError)


class StoreBusy(PortError):
    """Another process writes to the state file, and has not come to an end."""


def exists_already(path: Path) -> PortError:
    return PortError("exists already", where=str(path), remedies=[Remedy.REPLACE])


def connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None)


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Who may write opens it so, for then no companion of WAL mode is left; and does not. Who may
    not reads what is in the file alone, unless there are companions: somebody is at work then."""
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        connection = connect(path, "rw")
        connection.execute("PRAGMA query_only = ON")
        return connection
    is_at_rest = not path.with_name(f"{path.name}-wal").exists()
    return connect(path, "ro&immutable=1" if is_at_rest else "ro")


@contextmanager
def made(path: Path) -> Iterator[None]:
    """A new, empty file, which nobody else has made; gone again where the block fails."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
    except FileExistsError:
        raise exists_already(path) from None
    try:
        yield
    except BaseException:
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm", f"{path.name}-journal"):
            path.with_name(name).unlink(missing_ok=True)
        raise


@contextmanager
def port_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            raise StoreBusy(
                "is locked by another process",
                where=str(path),
                expected="to be written within the time that was waited",
                then="Nothing was changed; try again when that process is done",
            ) from error
        raise PortError(
            "cannot be used as the state file of a center", where=str(path), found=str(error)
        ) from error
