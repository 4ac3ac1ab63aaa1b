"""The folder of a pack, copied to where nobody else writes, and compared with its statement.

Only plain files in plain folders are taken: a link could lead out of the pack. Only what the
statement lists is read, and of each file no more than the statement says that it has.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from flash_emulator.evidence.faults import Kind, PackFault
from flash_emulator.evidence.names import STATEMENT
from flash_emulator.evidence.statement import Listed

_STEP = 1 << 20
_DEEPEST = 40  # folders in each other
_MOST_ADDED = 1000  # files beside those of the statement, before nobody looks any further
_MOST_OF_STATEMENT = 1 << 26  # bytes: nothing says how long it may be


def check_folder(pack: Path) -> None:
    """Raises PackFault where *pack* is no folder."""
    if pack.is_dir() and not pack.is_symlink():
        return
    found = "nothing" if not pack.exists() else "a link" if pack.is_symlink() else "a file"
    what = "unpack it first" if found == "a file" else "cannot be checked"
    raise PackFault(Kind.FILES, str(pack), what, "the folder of an evidence pack", found)


def statement_of(pack: Path) -> bytes:
    """The bytes of its statement. Raises PackFault; FileNotFoundError where there is none."""
    with _opened(pack / STATEMENT, STATEMENT) as file:
        data = file.read(_MOST_OF_STATEMENT + 1)
    if len(data) > _MOST_OF_STATEMENT:
        what = "is larger than any statement"
        raise PackFault(Kind.SIGNATURE, STATEMENT, what, f"{_MOST_OF_STATEMENT:,} bytes at most")
    return data


def copied(pack: Path, to: Path, expected: Mapping[str, Listed]) -> list[PackFault]:
    """Copy the files that are *expected* from *pack* into *to*. Every difference."""
    try:
        most = len(expected) + _MOST_ADDED
        found = dict(islice(_files(pack, ""), most + 1))
        if len(found) > most:
            what = "holds many files that are not in the statement"
            return [PackFault(Kind.FILES, str(pack), what, f"{len(expected):,}", f"over {most:,}")]
        return list(_differences(found, to, expected))
    except OSError as error:
        what, why = "cannot be read", error.strerror or str(error)
        raise PackFault(Kind.FILES, str(error.filename or pack), what, found=why) from error


def _differences(
    found: Mapping[str, Path], to: Path, expected: Mapping[str, Listed]
) -> Iterator[PackFault]:
    for name in sorted({*expected, *found} - {STATEMENT}):
        if name not in expected:
            what, size = "is not in the statement: it was added", found[name].lstat().st_size
            none, file = "no such file", f"a file of {size:,} bytes"
            yield PackFault(Kind.FILES, name, what, none, file)
        elif name not in found:
            digest = f"SHA-256 {expected[name].digest}"
            yield PackFault(Kind.FILES, name, "is missing", digest, "no such file")
        else:
            yield from _copy(name, found[name], to / name, expected[name])


def _files(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    if prefix.count("/") > _DEEPEST:
        deep = f"{_DEEPEST} folders in each other at most"
        raise PackFault(Kind.FILES, prefix[:_DEEPEST], "lies too deep", deep, "more")
    is_empty = True
    for path in folder.iterdir():
        is_empty = False
        name, mode = f"{prefix}{path.name}", path.lstat().st_mode
        if stat.S_ISDIR(mode):
            yield from _files(path, f"{name}/")
        else:
            _check_kind(name, mode)
            yield name, path
    if is_empty and prefix:
        raise PackFault(Kind.FILES, prefix, "is an empty folder: it was added", "no such folder")


def _check_kind(name: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "something else"
        raise PackFault(Kind.FILES, name, "is no plain file", "a file", kind)


def _opened(path: Path, name: str) -> BinaryIO:
    """A plain file, and nothing that somebody puts in its place meanwhile: no link is followed, no
    pipe is waited for."""
    _check_kind(name, path.lstat().st_mode)
    careful = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    binary = getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, os.O_RDONLY | careful | binary), "rb")
    try:
        _check_kind(name, os.fstat(file.fileno()).st_mode)
    except PackFault:
        file.close()
        raise
    return file


def _copy(name: str, source: Path, to: Path, expected: Listed) -> Iterator[PackFault]:
    """And whether it has the bytes that are expected."""
    with _opened(source, name) as file:
        size = os.fstat(file.fileno()).st_size
        if size != expected.size:
            sizes = f"{expected.size:,} bytes", f"{size:,} bytes"
            yield PackFault(Kind.FILES, name, "has other bytes", *sizes)
            return
        to.parent.mkdir(parents=True, exist_ok=True)
        digest = _copy_bytes(file, to, expected.size)
    if digest != expected.digest:
        digests = f"SHA-256 {expected.digest}", f"SHA-256 {digest}"
        yield PackFault(Kind.FILES, name, "has other bytes", *digests)


def _copy_bytes(file: BinaryIO, to: Path, left: int) -> str:
    """At most *left* of them, whoever writes on meanwhile. Their digest."""
    digest = sha256()
    with to.open("wb") as copy:
        while piece := file.read(min(_STEP, left)):
            left -= len(piece)
            digest.update(piece)
            copy.write(piece)
    return digest.hexdigest()
