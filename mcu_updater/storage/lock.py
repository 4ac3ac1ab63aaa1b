"""One writer of a file at a time, from reading it to writing it.

The lock is the operating system's, on a file ``.NAME.lock`` beside the kept one, which a rename
does not replace. It goes with its process, however that ends: a lock file that a kill left blocks
nobody. In it stands who holds it. Where the system has no such locks, nobody is kept out.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from mcu_updater.core.errors import PortError
from mcu_updater.storage.undisturbed import undisturbed

_NAME_BYTES = 200
_GUARD_AT = 1 << 30  # the byte that Windows locks: far behind the text, which others read


class FileInUse(PortError):
    """Another process works on the file. *holder*: who, where it could be read."""

    def __init__(self, path: Path, holder: Holder | None) -> None:
        self.holder = holder
        super().__init__(
            "is in use by another process",
            where=str(path),
            found="a process that did not say who it is" if holder is None else str(holder),
            then="Wait for its end, or end it, and try again. Nothing was changed",
        )


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a lock. *since_s*: seconds since 1970."""

    pid: int
    command: str
    since_s: float

    @classmethod
    def me(cls) -> Holder:
        program, *arguments = sys.argv or ["python"]
        return cls(os.getpid(), shlex.join([Path(program).name, *arguments]), time.time())

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since_s, UTC)
        return f"process {self.pid}, since {since:%Y-%m-%d %H:%M:%S} UTC: {self.command}"


@contextmanager
def hold(path: Path, *, follow: bool = True) -> Iterator[None]:
    """Nobody else changes *path* meanwhile, which need not exist yet. Without *follow* a symbolic
    link is itself what is held, not the file that it leads to.

    Raises FileInUse at once where somebody else has it, PortError where no lock file can be made.
    """
    lock, descriptor = lock_file(path, follow=follow), None
    try:
        with undisturbed():
            descriptor = _taken(path, lock)
            _sign(descriptor)
        yield
    finally:
        if descriptor is not None:
            with undisturbed():
                _give_back(lock, descriptor)


def lock_file(path: Path, *, follow: bool = True) -> Path:
    """Of the file that *path* leads to: two names of one file have one lock."""
    target = Path(os.path.realpath(path)) if follow else path
    name = os.fsdecode(os.fsencode(target.name)[:_NAME_BYTES])
    return target.with_name(f".{name}.lock")


def holder_of(path: Path) -> Holder | None:
    """Who says that it works on *path*, and is alive; None: nobody. A look, which locks nothing:
    who wants to work on it asks ``hold``."""
    holder = _holder(lock_file(path))
    return holder if holder is not None and _is_alive(holder.pid) else None


def _is_alive(pid: int) -> bool:
    if os.name != "posix":  # there, asking so would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError, TypeError):
        return True  # of somebody else, or no number: it says so all the same
    return True


def _holder(lock: Path) -> Holder | None:
    """What stands in the lock file; None: nothing that can be read."""
    with suppress(OSError, ValueError, TypeError):
        return Holder(**json.loads(lock.read_text(encoding="utf-8")))
    return None


def _taken(path: Path, lock: Path) -> int:
    try:
        descriptor = _take(lock)
    except OSError as error:
        raise PortError(
            "cannot be locked, so it cannot be changed",
            where=str(path),
            found=f"{lock}: {error.strerror or error}",
            then="Nothing was changed",
        ) from error
    if descriptor is None:
        raise FileInUse(path, _holder(lock))
    return descriptor


def _give_back(lock: Path, descriptor: int) -> None:
    with suppress(OSError):  # Windows does not remove what is open; it blocks nobody
        lock.unlink()
    os.close(descriptor)


def _take(lock: Path) -> int | None:
    """The locked file; None: somebody has it."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        if not _lock(descriptor):
            os.close(descriptor)
            return None
        if _is_still(lock, descriptor):
            return descriptor
        os.close(descriptor)  # whoever had it removed it in between: this name is nobody's


def _is_still(lock: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(lock.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    """A full disk has no room for this either: then nobody knows who, and all else holds."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(asdict(Holder.me())).encode())


def _lock(descriptor: int) -> bool:
    """Whether it could be had. Raises OSError where the file system cannot lock."""
    try:
        import fcntl
    except ImportError:
        return _lock_on_windows(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_on_windows(descriptor: int) -> bool:
    try:
        import msvcrt
    except ImportError:
        return True
    os.lseek(descriptor, _GUARD_AT, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    except PermissionError:
        return False
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)
    return True
