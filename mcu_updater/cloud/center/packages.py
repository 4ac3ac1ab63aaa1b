"""Files of version packages that are uploaded: kept in a folder beside the center file.

``center.toml`` has ``center.packages/``, with a folder for each package. A file there is never
written over, for a plan that is active may need it: another one of its name gets a number.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import BinaryIO

from mcu_updater.cloud.center.model import MAX_FILE_SIZE, SUFFIXES, Center
from mcu_updater.core.errors import InputRejected, PortError

_NAME_BYTES = 80  # of a name without its suffix; file systems take 255 in all
_NOT_IN_NAMES = re.compile(r"[^\w.+-]+")
_NAMES_OF_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # on Windows


@dataclass(frozen=True, slots=True)
class KeptUpload:
    """A file that was kept. *path* is relative to the center file, as ``files`` names it."""

    path: Path
    size: int
    sha256: str


class UploadRefused(InputRejected):
    """*Them*: no file that a package may hold; nothing of it was kept."""


class UploadTooLarge(UploadRefused):
    """*Them*: more bytes than a package's file may have."""


def packages_folder(center_path: Path) -> Path:
    """Where uploads of a center are kept."""
    return center_path.with_suffix(".packages")


def keep_upload(
    center_path: Path, package: str, filename: str, chunks: Iterable[bytes]
) -> KeptUpload:
    """Keep what *chunks* bring as a file for *package*, called like *filename* as far as is safe.

    Raises UploadRefused where the platform takes no such file, UploadTooLarge as soon as it is too
    large, PortError where it cannot be written. Then, and where *chunks* raises, nothing is left.
    """
    stem, suffix = _parts(filename)
    with _folder(center_path, package) as folder, _incoming(folder) as (temporary, file):
        size, sha256 = _copy(filename, chunks, file)
        name = _placed(temporary, folder, stem, suffix, sha256)
    return KeptUpload((folder / name).relative_to(center_path.parent), size, sha256)


def forget_uploads(center_path: Path, files: Iterable[Path], center: Center) -> None:
    """Remove those *files* that were uploaded and that no package of *center* has any more."""
    home = packages_folder(center_path)
    used = {os.path.realpath(center_path.parent / f) for p in center.packages for f in p.files}
    for name in files:
        if "\0" in str(name):  # no file of any system
            continue
        path = Path(os.path.realpath(center_path.parent / name))
        if Path(os.path.realpath(home)) not in path.parents or str(path) in used:
            continue
        with suppress(OSError):
            path.unlink()
        with suppress(OSError):  # others are in it
            path.parent.rmdir()
            home.rmdir()


def _parts(filename: str) -> tuple[str, str]:
    """The last component of *filename*, made safe, and its suffix, which may have two dots."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", filename))[-1]
    found = [suffix for suffix in SUFFIXES if last.lower().endswith(suffix)]
    if not found:
        raise UploadRefused(
            "the platform takes no such file",
            where=repr(last[:100]),
            expected=" ".join(SUFFIXES),
            then="Nothing of it was kept",
        )
    suffix = max(found, key=len)
    return _safe(last[: -len(suffix)], "package"), suffix


def _safe(name: str, otherwise: str) -> str:
    """A name that every file system takes, and that leads nowhere else."""
    readable = name.encode("utf-8", "replace").decode()
    plain = _NOT_IN_NAMES.sub("_", readable).strip("._ ")
    plain = plain.encode()[:_NAME_BYTES].decode("utf-8", "ignore").rstrip("._ ") or otherwise
    return f"_{plain}" if _NAMES_OF_DEVICES.fullmatch(plain) else plain


@contextmanager
def _folder(center_path: Path, package: str) -> Iterator[Path]:
    """The package's own; where the block fails, it goes again unless something is in it."""
    home = packages_folder(center_path)
    folder = home / _safe(package, "package")
    try:
        _check_inside(center_path, folder)
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except OSError as error:
        _remove_empty(folder, home)
        raise PortError(
            "an upload cannot be kept",
            where=str(folder),
            found=error.strerror or str(error),
            then="Nothing of it was kept",
        ) from error
    except BaseException:
        _remove_empty(folder, home)
        raise


def _remove_empty(*folders: Path) -> None:
    """Of uploads that fail together, the last one finds them empty, and not who made them."""
    with suppress(OSError):
        for path in folders:
            path.rmdir()


def _check_inside(center_path: Path, folder: Path) -> None:
    """A symbolic link in place of the folder would have uploads written anywhere."""
    home = Path(os.path.realpath(center_path.parent))
    expected = home / folder.relative_to(center_path.parent)
    if Path(os.path.realpath(folder)) != expected:
        raise PortError(
            "leads out of the folder of uploads",
            where=str(folder),
            expected=str(expected),
            found=os.path.realpath(folder),
            then="Nothing was kept",
        )


@contextmanager
def _incoming(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    temporary = folder / f".{os.getpid()}-{secrets.token_hex(8)}.upload"
    try:
        with _opened(temporary) as file:
            yield temporary, file
    finally:
        with suppress(OSError):
            temporary.unlink()


def _opened(temporary: Path) -> BinaryIO:
    """Another upload that broke off may have taken the empty folder with it."""
    while True:
        with suppress(FileNotFoundError):
            return temporary.open("xb")
        temporary.parent.mkdir(parents=True, exist_ok=True)


def _copy(filename: str, chunks: Iterable[bytes], file: BinaryIO) -> tuple[int, str]:
    """Size and SHA-256 of what is then on disk."""
    size, digest = 0, hashlib.sha256()
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_FILE_SIZE:
            raise UploadTooLarge(
                "too large",
                where=repr(filename[:100]),
                expected=f"1 to {MAX_FILE_SIZE} bytes",
                found="more",
                then="Nothing of it was kept",
            )
        digest.update(chunk)
        file.write(chunk)
    if not size:
        raise UploadRefused(
            "is empty",
            where=repr(filename[:100]),
            expected=f"1 to {MAX_FILE_SIZE} bytes",
            then="Nothing of it was kept",
        )
    file.flush()
    os.fsync(file.fileno())
    return size, digest.hexdigest()


def _placed(temporary: Path, folder: Path, stem: str, suffix: str, sha256: str) -> str:
    """The name under which the file now stands in *folder*: an equal one is there already, or it
    is new. A name is taken in one step, whoever else uploads."""
    for ending in chain([""], (f"-{number}" for number in count(2))):
        path = folder / f"{stem}{ending}{suffix}"
        try:
            os.link(temporary, path)
        except FileExistsError:
            if not _holds(path, sha256):
                continue
        return path.name
    raise AssertionError("there is always another number")


def _holds(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False
