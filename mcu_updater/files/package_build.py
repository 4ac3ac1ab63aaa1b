"""Makes packages: the same bytes from the same files, always.

No time, owner, machine or version of a library goes into a package, but for the deflate of zlib,
whose output other versions may change; a stored package depends on nothing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from enum import StrEnum
from hashlib import sha256
from typing import Final, NamedTuple

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.package import gzipstream, manifest, zipstream
from mcu_updater.core.package.inflate import compressed, extra_of
from mcu_updater.core.package.manifest import Entry, File
from mcu_updater.core.package.rules import Census, check_name
from mcu_updater.core.package.tarstream import BLOCK

RESTART: Final = 1024
"""Bytes between restart points: what a checkpoint beside a sector of 2 KiB has room for."""

_VERSION_20: Final = 20  # of zip: deflate and directories
_DOS_EPOCH: Final = 0x0021  # 1980-01-01, the first date that zip can say
_MODE: Final = 0o100644 << 16
_UNIX: Final = 3 << 8
_OS_UNKNOWN: Final = 255


class Kind(StrEnum):
    """The archives that can be made."""

    ZIP = "zip"
    TAR = "tar"
    TAR_GZ = "tar.gz"


class Source(NamedTuple):
    """An image to be packed: its files in order, and what the manifest says of it."""

    files: tuple[tuple[str, bytes], ...]
    component: str = ""
    version: str = ""
    part: str = ""


def build(kind: Kind, sources: Iterable[Source], *, restart: int = RESTART) -> bytes:
    """A package of *sources* with their manifest.

    *restart*: bytes between restart points of compressed data; 0 makes it smaller, and it can then
    only be taken in one piece. Raises ImageRejected for names and numbers that no reader would
    take, and for an image without bytes.
    """
    files = list(_files(list(sources)))
    census = Census()
    for name, data in files:
        check_name(name.encode(), name)
        census.enter(name, len(data), name)
    if kind is Kind.ZIP:
        return _zip(files, restart)
    tar = _tar(files)
    return tar if kind is Kind.TAR else _gzip(tar, restart)


def _files(sources: list[Source]) -> Iterator[tuple[str, bytes]]:
    entries = []
    for source in sources:
        for name, data in source.files:
            if not data:
                raise ImageRejected("an image without bytes", where=name)
        described = tuple(File(n, len(d), sha256(d).digest()) for n, d in source.files)
        entries.append(Entry(described, source.component, source.version, source.part))
    text = manifest.render(entries)
    manifest.parse(text)  # what no reader would take is found here
    yield manifest.NAME, text
    for source in sources:
        yield from source.files


def _zip(files: list[tuple[str, bytes]], restart: int) -> bytes:
    body, directory = bytearray(), bytearray()
    for name, data in files:
        packed, method, extra = compressed(data, restart), zipstream.DEFLATED, extra_of(restart)
        if len(packed) >= len(data):
            packed, method, extra = data, zipstream.STORED, b""
        raw = name.encode("ascii")
        offset = len(body)
        common = (
            _VERSION_20,
            0,
            method,
            0,
            _DOS_EPOCH,
            zlib.crc32(data),
            len(packed),
            len(data),
            len(raw),
        )
        body += zipstream.LOCAL.pack(zipstream.LOCAL_MARK, *common, len(extra))
        body += raw + extra + packed
        directory += zipstream.CENTRAL.pack(
            zipstream.CENTRAL_MARK, _UNIX | _VERSION_20, *common, 0, 0, 0, 0, _MODE, offset
        )
        directory += raw
    end = zipstream.END.pack(
        zipstream.END_MARK, 0, 0, len(files), len(files), len(directory), len(body), 0
    )
    return bytes(body + directory) + end


def _tar(files: list[tuple[str, bytes]]) -> bytes:
    parts = []
    for name, data in files:
        head = b"".join(
            (
                name.encode("ascii").ljust(100, b"\0"),
                b"0000644\0",
                b"0000000\0" * 2,
                b"%011o\0" % len(data),
                b"%011o\0" % 0,
                b" " * 8,
                b"0",
                bytes(100),
                b"ustar\x0000",
            )
        ).ljust(BLOCK, b"\0")
        checksum = b"%06o\0 " % sum(head)
        parts += [head[:148], checksum, head[156:], data, bytes(-len(data) % BLOCK)]
    return b"".join(parts) + bytes(2 * BLOCK)


def _gzip(tar: bytes, restart: int) -> bytes:
    extra = extra_of(restart)
    flags = gzipstream.EXTRA if extra else 0
    head = gzipstream.HEAD.pack(gzipstream.MAGIC, gzipstream.DEFLATE, flags, 0, 2, _OS_UNKNOWN)
    field = struct.pack("<H", len(extra)) + extra if extra else b""
    tail = gzipstream.TAIL.pack(zlib.crc32(tar), len(tar))
    return head + field + compressed(tar, restart) + tail
