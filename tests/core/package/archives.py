"""Archives for the tests of packages: written by Python's own modules, and then bent."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from itertools import pairwise

import pytest

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image import Extent, sniff_size
from mcu_updater.core.package import PackageDecoder, Wanted, open_any

BASE = 0x0800_8000


def image(size: int, seed: int = 7) -> bytes:
    """A vector table and bytes that deflate somewhat."""
    head = struct.pack("<II", 0x2000_4000, BASE + 0x11)
    return (head + bytes(i * seed % 251 for i in range(size)))[:size]


def zipped(
    files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED, *, streamed: bool = False
) -> bytes:
    """*streamed*: as into a pipe, with sizes behind the data."""
    out = io.BytesIO()
    target = _Pipe(out) if streamed else out
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data, zipfile.ZIP_STORED if name.endswith("/") else method)
    return out.getvalue()


class _Pipe:
    """Can be written to and nothing else."""

    def __init__(self, out: io.BytesIO) -> None:
        self._out = out

    def write(self, data: bytes) -> int:
        return self._out.write(data)

    def flush(self) -> None: ...

    def close(self) -> None: ...


def tarred(files: Mapping[str, bytes], fmt: int = tarfile.USTAR_FORMAT, mtime: float = 0) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), mtime
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def gzipped(files: Mapping[str, bytes]) -> bytes:
    return gzip.compress(tarred(files), mtime=0)


MAKERS = {
    "zip": zipped,
    "zip, stored": lambda files: zipped(files, zipfile.ZIP_STORED),
    "zip, streamed": lambda files: zipped(files, streamed=True),
    "tar": tarred,
    "tar, pax": lambda files: tarred(files, tarfile.PAX_FORMAT, mtime=1.5),
    "tar, GNU": lambda files: tarred(files, tarfile.GNU_FORMAT),
    "tar.gz": gzipped,
}

ANYONE = Wanted()


def opened(package: bytes, wanted: Wanted = ANYONE, *, resumable: bool = False) -> PackageDecoder:
    first = package[: sniff_size(package)]
    decoder = open_any(first, wanted, base=BASE, room=1 << 20, resumable=resumable)
    assert isinstance(decoder, PackageDecoder)
    return decoder


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(ends)]


def read(
    package: bytes,
    places: list[int] | None = None,
    wanted: Wanted = ANYONE,
    *,
    reset: bool = False,
) -> bytes:
    """The image from BASE on; with *reset*, only states live on between two parts."""
    decoder = opened(package, wanted, resumable=reset)
    extents: list[Extent] = []
    for part in cut(package, places or []):
        if reset:
            decoder = PackageDecoder.restore(decoder.state(), wanted, base=BASE, room=1 << 20)
        extents += decoder.feed(part)
    decoder.finish()
    return joined(extents)


def joined(extents: list[Extent]) -> bytes:
    found = bytearray()
    for extent in extents:
        assert extent.address == BASE + len(found)
        found += extent.data
    return bytes(found)


def refusal(package: bytes, wanted: Wanted = ANYONE) -> ImageRejected:
    """The error that *package* meets, the same whole and byte by byte."""
    found = {}
    for step in (len(package) or 1, 1):
        with pytest.raises(ImageRejected) as caught:
            decoder = opened(package, wanted)
            for at in range(0, len(package), step):
                decoder.feed(package[at : at + step])
            decoder.finish()
        found[caught.value.message] = caught.value
    assert len(found) == 1, "the cuts change the complaint"
    return next(iter(found.values()))
