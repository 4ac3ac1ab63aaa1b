"""The folder of a pack, copied to where nobody else writes, with the digest of each file.

Only plain files in plain folders are taken: a link could lead out of the pack.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from flash_emulator.evidence.faults import Kind, PackFault

_STEP = 1 << 20
_DEEPEST = 40  # folders in each other


def copied(pack: Path, to: Path) -> dict[str, str]:
    """Copy all files of *pack* into *to*; their SHA-256 by name. Raises PackFault."""
    if not pack.is_dir() or pack.is_symlink():
        found = "nothing" if not pack.exists() else "a link" if pack.is_symlink() else "a file"
        what = "unpack it first" if found == "a file" else "cannot be checked"
        raise PackFault(Kind.FILES, str(pack), what, "the folder of an evidence pack", found)
    try:
        return {name: _copy(path, to / name) for name, path in sorted(_files(pack, ""))}
    except OSError as error:
        found = error.strerror or str(error)
        raise PackFault(
            Kind.FILES, str(error.filename or pack), "cannot be read", found=found
        ) from error


def _files(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    found = list(folder.iterdir())
    if prefix.count("/") > _DEEPEST:
        deep = f"{_DEEPEST} folders in each other at most"
        raise PackFault(Kind.FILES, prefix[:_DEEPEST], "lies too deep", deep, "more")
    if not found and prefix:
        raise PackFault(Kind.FILES, prefix, "is an empty folder: it was added", "no such folder")
    for path in found:
        name, mode = f"{prefix}{path.name}", path.lstat().st_mode
        if stat.S_ISDIR(mode):
            yield from _files(path, f"{name}/")
        elif stat.S_ISREG(mode):
            yield name, path
        else:
            kind = "a symbolic link" if stat.S_ISLNK(mode) else "something else"
            raise PackFault(Kind.FILES, name, "is no plain file", "a file", kind)


def _copy(source: Path, to: Path) -> str:
    to.parent.mkdir(parents=True, exist_ok=True)
    digest = sha256()
    with source.open("rb") as file, to.open("wb") as copy:
        while piece := file.read(_STEP):
            digest.update(piece)
            copy.write(piece)
    return digest.hexdigest()
