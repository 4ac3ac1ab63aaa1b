"""A file that a command writes: all of it, or none of it, and never over what the command read.

The bytes go to a new file beside the wanted one, which takes its place in one step when it is whole
and on disk. So a full disk, a kill or a power cut leaves the old file, and at worst a hidden
``.NAME.*.new``. What is no regular file (a pipe, ``/dev/null``) is written to as it is.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NoReturn

from mcu_updater.core.errors import PortError, Remedy, UsageError
from mcu_updater.storage.undisturbed import undisturbed

STDOUT = Path("-")
"""What an output is called that goes to standard output."""

_NEW_MODE = 0o666  # less what the umask takes
_NAME_BYTES = 120  # of the old name that a temporary one repeats: file systems take 255 in all


def _nothing() -> None:
    pass


def write_whole(
    path: Path, data: bytes, *, durable: bool = True, before: Callable[[], None] = _nothing
) -> None:
    """*data* in place of whatever *path* held; to standard output for ``STDOUT``.

    The new file has the old one's permissions and owner; one that was not there gets what the umask
    leaves. A symbolic link stays one: its target is replaced. Raises PortError when that cannot be
    done; the old file is then as it was. Without *durable* nobody waits for the disk: a kill of
    this process still leaves the old file or the new one, a power cut of the computer perhaps none.
    *before* is called when all is written, and only the name is still to be taken: what it raises
    leaves the old file as it is.
    """
    if path == STDOUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    with new_file(path, durable=durable, before=before) as file:
        file.write(data)


@contextmanager
def new_file(
    path: Path, *, durable: bool = True, before: Callable[[], None] = _nothing
) -> Iterator[BinaryIO]:
    """As ``write_whole``, for who writes bit by bit: when the block ends without an error the file
    takes its place."""
    try:
        found = _status(path)
        if found is not None and not stat.S_ISREG(found.st_mode):
            with path.open("wb") as special:
                yield special
            return
        if found is not None and not os.access(path, os.W_OK):
            raise PermissionError(0, "the file is read-only")
        with _written_beside(Path(os.path.realpath(path)), found, durable, before) as file:
            yield file
    except OSError as error:
        _refuse(path, error)


@contextmanager
def _written_beside(
    target: Path, found: os.stat_result | None, durable: bool, before: Callable[[], None]
) -> Iterator[BinaryIO]:
    temporary = _name_beside(target)
    try:
        with _opened(temporary) as file:
            yield file
            file.flush()
            _inherit(file.fileno(), found)
            if durable:
                os.fsync(file.fileno())
        before()
        temporary.replace(target)
    except BaseException:
        with undisturbed(), suppress(OSError):
            temporary.unlink()
        raise
    if durable:
        _settle(target.parent)


def check_output(path: Path, *, inputs: Iterable[Path] = (), force: bool = False) -> None:
    """Refuse, before anything is done, what could not be written in the end.

    Raises UsageError where *path* is one of *inputs*, under whatever name, and PortError where
    there is a file already and *force* is not given, or no file can be made there.
    """
    if path == STDOUT:
        return
    same = next((one for one in inputs if is_same_file(path, one)), None)
    if same is not None:
        raise UsageError(
            "the output is a file that is read",
            where=str(path),
            expected="another file",
            found="the same file" if same == path else f"the same file as {same}",
            then="Nothing was changed; whatever is asked for, an input is not replaced",
        )
    try:
        _check_place(path, force)
    except OSError as error:
        _refuse(path, error)


def is_same_file(one: Path, other: Path) -> bool:
    """Whether both names lead to one file: by hard link, symbolic link or letter case, too."""
    try:
        return one.samefile(other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def _check_place(path: Path, force: bool) -> None:
    found = _status(path)
    if found is None:
        folder = Path(os.path.realpath(path)).parent
        if not folder.is_dir():
            raise FileNotFoundError(0, f"no folder {folder}")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(0, f"no file can be made in {folder}")
        return
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(0, "a directory")
    if not stat.S_ISREG(found.st_mode):
        return
    if not force:
        raise PortError("exists already", where=str(path), remedies=[Remedy.REPLACE])
    if not os.access(path, os.W_OK):
        raise PermissionError(0, "the file is read-only")


def _status(path: Path) -> os.stat_result | None:
    """Of what the name leads to; None: of nothing."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _name_beside(target: Path) -> Path:
    """Of a new file in the same folder, which is on the same file system."""
    name = os.fsdecode(os.fsencode(target.name)[:_NAME_BYTES])
    return target.with_name(f".{name}.{os.getpid()}-{os.urandom(4).hex()}.new")


def _opened(temporary: Path) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(temporary, flags, _NEW_MODE), "w+b")


def _inherit(descriptor: int, old: os.stat_result | None) -> None:
    if old is None or not hasattr(os, "fchmod"):
        return
    with suppress(OSError):  # only root can give files away
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _settle(folder: Path) -> None:
    """The new name, too, survives a power cut, where folders can be synchronised."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _refuse(path: Path, error: OSError) -> NoReturn:
    raise PortError(
        "cannot be written",
        where=str(path),
        found=error.strerror or str(error),
        then="Nothing was changed",
    ) from error
