"""RAR archives (4 and 5), unpacked on a host by libarchive: no device does that.

The limits are those of every package (``core.package.rules``), and hold while it is unpacked:
nothing is written anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

from mcu_updater.core.errors import UsageError
from mcu_updater.core.image.sniff import RAR_MAGIC
from mcu_updater.core.package.rules import Census, Closed, Item, Opened, check_name, damaged
from mcu_updater.files.rar_headers import Header, file_headers


class RarReader:
    """A ``Container`` that has its bytes from *path*, all with the first ``feed``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_read = False

    def feed(self, data: bytes) -> Iterator[Item]:
        """Raises ImageRejected, and UsageError where there is no libarchive."""
        del data
        if self._is_read:
            return
        self._is_read = True
        with self._path.open("rb") as file:
            headers = file_headers(file, str(self._path))
        try:
            yield from self._items(headers)
        except _libarchive().ArchiveError as error:
            text = error.msg or "nothing behind its first bytes"
            raise damaged(_what(text), str(self._path), "a sound RAR archive", text) from error

    def finish(self) -> None:
        """All was found with the first ``feed``."""

    def state(self) -> bytes:
        raise ValueError("no device unpacks RAR, so nothing of it is kept")

    def resume(self, state: bytes) -> None:
        raise ValueError(f"no device unpacks RAR: {state[:8].hex()}")

    def _items(self, headers: Sequence[Header]) -> Iterator[Item]:
        census, packed = Census(), self._path.stat().st_size
        with _libarchive().file_reader(str(self._path), filter_name="none") as archive:
            for at, entry in enumerate(archive):
                where = f"{self._path}, {entry.pathname!r}"
                name = check_name((entry.pathname or "").encode(errors="replace"), where)
                is_file = entry.isfile and not entry.islnk and entry.size is not None
                if not (is_file or entry.isdir):
                    what = "a link, a copy of another file, or a device"
                    raise damaged(what, where, "files and directories")
                if not name:
                    continue
                census.enter(name, entry.size, where)
                if entry.isdir:
                    continue
                crc = headers[at].crc if at < len(headers) else None
                yield from _file(entry, name, census, packed, crc, where)


def _file(
    entry: Any, name: str, census: Census, packed: int, crc: int | None, where: str
) -> Iterator[Item]:
    if crc is None:
        raise damaged("file has no checksum", where, "the CRC-32 that rar writes", "none")
    yield Opened(name, entry.size)
    size = found = 0
    for block in entry.get_blocks():
        size += len(block)
        found = crc32(block, found)
        census.count(len(block), size, packed, where)
        yield bytes(block)
    if size != entry.size:
        raise damaged("file is cut short", where, f"{entry.size} bytes", str(size))
    if found != crc:  # libarchive does not look at it where a file is stored
        raise damaged("CRC does not match", where, f"{crc:08x}", f"{found:08x}")
    yield Closed()


def _what(text: str) -> str:
    """A fault of libarchive in our words; its own follow."""
    return "archive is encrypted" if "ncrypt" in text else "archive cannot be unpacked"


def _libarchive() -> Any:
    """Raises UsageError, and says what is missing: the package, or the system's library."""
    try:
        import libarchive
    except ModuleNotFoundError as error:
        raise _missing("libarchive-c is not installed", "pip install 'mcu-updater[rar]'") from error
    except (OSError, TypeError, AttributeError) as error:  # it finds no library to load
        then = "Install it: libarchive13 of Debian and Ubuntu, libarchive of others and Homebrew"
        raise _missing("the system has no library libarchive", then) from error
    return libarchive


def _missing(what: str, then: str) -> UsageError:
    return UsageError(f"{what}: it unpacks .rar", then=f"{then}; or pack the image as .zip")


def is_rar(name: str, head: bytes) -> bool:
    """Whether suffix and bytes both say so."""
    return name.lower().endswith(".rar") and head.startswith(RAR_MAGIC)
