"""Text of source files, looked for where they may lie today."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

_MOST_BYTES = 16 << 20


class Sources:
    """*folders* are looked in, in this order; *compiled_in*: folders as units name them."""

    def __init__(self, folders: Sequence[Path], compiled_in: Sequence[str]) -> None:
        self._folders = tuple(dict.fromkeys(folders))
        self._compiled_in = tuple(Path(folder) for folder in compiled_in if folder.startswith("/"))
        self._paths: dict[str, Path | None] = {}
        self._texts: dict[Path, tuple[str, ...] | None] = {}

    def path(self, file: str) -> Path | None:
        """Where *file* lies; None where it is gone."""
        if file not in self._paths:
            self._paths[file] = next((path for path in self._places(file) if _is_file(path)), None)
        return self._paths[file]

    def text(self, file: str) -> tuple[str, ...] | None:
        """Its lines."""
        path = self.path(file)
        if path is None:
            return None
        if path not in self._texts:
            self._texts[path] = _lines(path)
        return self._texts[path]

    @property
    def looked_in(self) -> tuple[Path, ...]:
        """Folders, for a message."""
        return (*self._folders, *self._compiled_in)

    def _places(self, file: str) -> Iterator[Path]:
        """As it is named; then with less and less of what stands before its name: a source that was
        compiled elsewhere lies in the same folders below another one, or beside it (``../``)."""
        parts = [part for part in PurePosixPath(file).parts if part != "."]
        if not parts or "\0" in file:
            return
        if file.startswith("/"):
            yield Path(file)
            parts = parts[1:]
        else:
            yield from (folder / file for folder in self.looked_in)
        for first in range(len(parts)):
            rest = parts[first:]
            for named in (rest, [part for part in rest if part != ".."]):
                yield from (folder.joinpath(*named) for folder in self._folders if named)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size <= _MOST_BYTES
    except (OSError, ValueError):
        return False


def _lines(path: Path) -> tuple[str, ...] | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return None if b"\0" in data else tuple(data.decode("utf-8", "replace").splitlines())
