"""What a package may hold: names, numbers and sizes.

The rules are those of docs/reference/formats.md.

A package is unpacked on its way into flash, by a device that trusts nobody yet. So a rule must be
told by what came so far, and nothing may make the memory grow.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from mcu_updater.core.errors import ImageRejected

MEMBERS: Final = 16  # directories count, too
NAME_BYTES: Final = 100  # what a tar header holds without its prefix
MEMBER_BYTES: Final = 100 * 1000 * 1000  # what the cloud takes as one file
TOTAL_BYTES: Final = 2 * MEMBER_BYTES
RATIO: Final = 100  # unpacked to packed, once ...
RATIO_FROM: Final = 4 << 20  # ... this much was unpacked: blank flash may be packed as it likes

PACKAGE_SUFFIXES: Final = (".zip", ".tar", ".tar.gz", ".tgz")
NOTES: Final = frozenset({"", ".txt", ".md", ".json", ".toml", ".xml", ".html", ".pdf", ".sig"})
"""Suffixes of what may lie beside an image and is skipped."""

NEIGHBOURS: Final = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
"""Names that a desktop leaves beside files, in lower case."""


class Opened(NamedTuple):
    """A file of the package begins. *size* None: it is told behind the data."""

    name: str
    size: int | None


class Closed(NamedTuple):
    """The file that was opened is complete, and has the checksum that the container gives it."""


Item = Opened | bytes | Closed


def is_neighbour(name: str) -> bool:
    """What a desktop puts beside files: macOS keeps attributes in ``__MACOSX/`` and ``._name``."""
    steps = name.split("/")
    return steps[0] == "__MACOSX" or steps[-1].startswith("._") or steps[-1].lower() in NEIGHBOURS


def damaged(what: str, where: str, expected: str = "", found: str = "") -> ImageRejected:
    """The package's own structure is wrong."""
    return ImageRejected(what, where=where, expected=expected, found=found)


def check_name(raw: bytes, where: str) -> str:
    """The name, where it is a plain relative path of printable ASCII; empty: the archive's own
    folder. A ``./`` before it, as tar writes one, says nothing.

    Raises ImageRejected for everything that could mean another file than it seems to: absolute
    paths, drives, backslashes, empty and dotted steps, control characters, other alphabets.
    """
    expected = f"a relative path of at most {NAME_BYTES} printable ASCII characters"
    shown = ascii(raw[:NAME_BYTES].decode("latin-1"))
    name = raw.decode("latin-1").removeprefix("./")
    if raw == b"./":
        return ""
    bad_step = any(step in ("", ".", "..") for step in name.removesuffix("/").split("/"))
    bad_character = any(not " " <= char <= "~" or char in '\\:*?"<>|' for char in name)
    if len(raw) > NAME_BYTES or bad_step or bad_character:
        raise damaged("name of a file cannot be", where, expected, shown)
    return name


class Census:
    """Counts files and bytes of one package, and holds them against the limits."""

    def __init__(self) -> None:
        self.total = 0  # bytes unpacked, of all files
        self._names: list[bytes] = []  # short hashes: no name may come twice

    def enter(self, name: str, size: int | None, where: str) -> None:
        """A file or directory begins. Raises ImageRejected when it must not."""
        if len(self._names) == MEMBERS:
            raise damaged("too many files", where, f"at most {MEMBERS}", "more")
        key = _short(name)
        if key in self._names:
            raise damaged("name comes twice, but for case", where, "distinct names", repr(name))
        self._names.append(key)
        if size is not None and size > MEMBER_BYTES:
            raise damaged("file is too large", where, f"at most {MEMBER_BYTES} bytes", str(size))

    def count(self, made: int, of_file: int, taken: int, where: str) -> None:
        """*made* more bytes came out; *of_file* so far, from *taken* packed ones."""
        self.total += made
        if of_file > MEMBER_BYTES or self.total > TOTAL_BYTES:
            raise damaged("unpacks to too much", where, f"at most {MEMBER_BYTES} bytes", "more")
        if of_file > RATIO_FROM and of_file > RATIO * taken:
            raise damaged(
                "unpacks to far more than it is",
                where,
                f"at most {RATIO} times as much",
                f"{of_file} bytes out of {taken}",
            )

    def state(self) -> bytes:
        return self.total.to_bytes(8, "big") + b"".join(self._names)

    def resume(self, state: bytes) -> None:
        self.total = int.from_bytes(state[:8], "big")
        self._names = [state[i : i + _SHORT] for i in range(8, len(state), _SHORT)]


_SHORT = 6  # bytes of a hash that tell the names of one package apart


def _short(name: str) -> bytes:
    return sha256(name.removesuffix("/").lower().encode()).digest()[:_SHORT]


class Container(Protocol):
    """An incremental reader of one kind of archive. The contract is that of ``image.Decoder``."""

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take the next bytes, while what they complete is taken from here. Raises ImageRejected.

        So what is wrong with a file is found before what is wrong behind it, however the package
        is cut.
        """

    def finish(self) -> None:
        """State that the package has ended. Raises ImageRejected when the archive has not."""

    def state(self) -> bytes:
        """All that the reader knows. Raises ImageRejected where that cannot be kept."""

    def resume(self, state: bytes) -> None:
        """Take over the state that another one gave."""


def pack(*fields: bytes) -> bytes:
    """Fields with their lengths, for states."""
    return b"".join(len(field).to_bytes(2, "big") + field for field in fields)


def unpack(packed: bytes) -> list[bytes]:
    """What ``pack`` was given."""
    fields, offset = [], 0
    while offset < len(packed):
        begin = offset + 2
        offset = begin + int.from_bytes(packed[offset:begin], "big")
        fields.append(packed[begin:offset])
    return fields
