"""Packages of others, fetched by name and believed only with the SHA-256 written beside it.

They are kept in ``.cache/foreign``, never in the repository.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "foreign"
TIMEOUT_S = 120


class OutOfReach(Exception):
    """The registry does not answer, or has something else: why, in words."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel or source archive of PyPI."""

    package: str
    version: str
    file: str
    sha256: str

    def fetched(self) -> Path:
        """The archive. Raises OutOfReach."""
        path = CACHE / self.file
        if path.exists() and _digest(path) == self.sha256:
            return path
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            self._download(Path(scratch))
            made = Path(scratch) / self.file
            if not made.exists() or _digest(made) != self.sha256:
                raise OutOfReach(f"{self.package} {self.version}: the registry has another file")
            made.replace(path)
        return path

    def _download(self, folder: Path) -> None:
        wanted = f"{self.package}=={self.version}"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--dest", str(folder), wanted]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise OutOfReach(f"{wanted}: no answer within {TIMEOUT_S} s") from error
        except subprocess.CalledProcessError as error:
            complaint = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise OutOfReach(f"{wanted}: pip download failed: {complaint}") from error

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


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
