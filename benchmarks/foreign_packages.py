"""Packages of others, fetched by name and believed only with the SHA-256 written beside it.

They are kept in ``.cache/foreign``, never in the repository.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "foreign"
TIMEOUT_S = 120


class OutOfReach(Exception):
    """The registry does not answer, or has something else: why, in words."""


class Archive(Protocol):
    """What files of others come out of."""

    def read(self, path: str, sha256: str = "") -> bytes:
        """One of them, which must have that hash where one is given. Raises OutOfReach."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel of PyPI."""

    package: str
    version: str
    file: str
    sha256: str

    def fetched(self) -> Path:
        """The archive. Raises OutOfReach."""
        return _fetched(self.file, self.sha256, self._download)

    def _download(self, folder: Path) -> None:
        wanted = f"{self.package}=={self.version}"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--dest", str(folder), wanted]
        _run(command, folder, wanted)

    def unpacked(self) -> Path:
        """The folder with its files. Raises OutOfReach."""
        archive = self.fetched()
        folder = CACHE / f"{self.package}-{self.version}-{self.sha256[:8]}"
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                with zipfile.ZipFile(archive) as packed:
                    packed.extractall(Path(scratch) / "files")
                (Path(scratch) / "files").rename(folder)
        return folder


@dataclass(frozen=True, slots=True)
class Npm:
    """A package of npm, as a tarball."""

    package: str
    version: str
    file: str
    sha256: str

    def read(self, path: str, sha256: str = "") -> bytes:
        """A file in it. Raises OutOfReach."""
        with tarfile.open(_fetched(self.file, self.sha256, self._download)) as packed:
            found = packed.extractfile(path)
            assert found is not None, f"{path} is no file of {self.package}"
            return _checked(found.read(), sha256, path)

    def _download(self, folder: Path) -> None:
        wanted = f"{self.package}@{self.version}"
        _run(["npm", "pack", "--loglevel=error", "--fetch-retries=1", wanted], folder, wanted)


@dataclass(frozen=True, slots=True)
class Deb:
    """A package of Debian. The archive chooses the version: files have to be pinned one by one."""

    package: str
    version: str

    def read(self, path: str, sha256: str = "") -> bytes:
        """The file whose name is the last of *path*. Raises OutOfReach."""
        found = sorted(self.unpacked().rglob(Path(path).name))
        if not found:
            raise OutOfReach(
                f"{self.package}: this archive has another release than {self.version}"
            )
        return _checked(found[0].read_bytes(), sha256, path)

    def unpacked(self) -> Path:
        """The folder with its files. Raises OutOfReach."""
        folder = CACHE / f"{self.package}-{self.version}"
        if not folder.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                _run(["apt-get", "download", self.package], Path(scratch), self.package)
                (deb,) = Path(scratch).glob("*.deb")
                unpack = ["dpkg-deb", "-x", str(deb), f"{scratch}/files"]
                _run(unpack, Path(scratch), self.package)
                Path(scratch, "files").rename(folder)
        return folder


class _Download(Protocol):
    def __call__(self, folder: Path) -> None: ...


def _fetched(file: str, sha256: str, download: _Download) -> Path:
    path = CACHE / file
    if path.exists() and _digest(path) == sha256:
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        download(folder=Path(scratch))
        made = Path(scratch) / file
        if not made.exists() or _digest(made) != sha256:
            raise OutOfReach(f"{file}: the registry has another file")
        made.replace(path)
    return path


def _run(command: Sequence[str], folder: Path, wanted: str) -> None:
    if shutil.which(command[0]) is None:
        raise OutOfReach(f"{wanted}: {command[0]} is not installed")
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise OutOfReach(f"{wanted}: no answer within {TIMEOUT_S} s") from error
    except subprocess.CalledProcessError as error:
        complaint = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise OutOfReach(f"{wanted}: {command[0]} failed: {complaint}") from error


def _checked(data: bytes, sha256: str, path: str) -> bytes:
    if sha256 and hashlib.sha256(data).hexdigest() != sha256:
        raise OutOfReach(f"{path}: not the file whose SHA-256 is written here")
    return data


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
