"""From files to an image. What a file is, ``image.identify`` decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mcu_updater.core.errors import ImageRejected, PortError, UsageError
from mcu_updater.core.image import (
    PACKAGES,
    STRICT,
    Allowed,
    Decoder,
    Extent,
    ImageFormat,
    identify,
    open_decoder,
    sniff,
    sniff_size,
)
from mcu_updater.core.image.formats import TEXTS
from mcu_updater.core.image.names import NUMBERED
from mcu_updater.core.package import Entry, PackageDecoder, Wanted
from mcu_updater.core.package.rules import Opened
from mcu_updater.files.rar import RarReader, is_rar
from mcu_updater.files.segments import MemoryImage, assemble

CHUNK = 256 * 1024  # bytes decoded at a time


@dataclass(frozen=True, slots=True)
class ImageFile:
    """What one or more files hold. *inner*: the format inside a package, else *format* again."""

    names: tuple[str, ...]
    size: int  # of the files, in bytes
    format: ImageFormat
    inner: ImageFormat
    image: MemoryImage
    entries: tuple[Entry, ...] = ()  # of a package's manifest
    members: tuple[Opened, ...] = ()


def read_image(
    paths: Sequence[Path],
    *,
    base: int = 0,
    raw: bool = False,
    wanted: Wanted | None = None,
    allow: Allowed = STRICT,
) -> ImageFile:
    """The image in *paths*: one file, or numbered parts (``.bin_1``, ``.bin_2``) of one.

    *base*: where a raw binary is linked. *raw*: take the bytes as they are, whatever they look
    like. Raises ImageRejected with line and column, and PortError where a file cannot be read.
    """
    paths = numbered_parts(paths)
    names = tuple(str(path) for path in paths)
    total = sum(_size(path) for path in paths)
    chunks = _chunks(paths)
    head = next(chunks, b"")
    if not raw and is_rar(paths[0].name, head):
        fmt, container = ImageFormat.RAR, RarReader(paths[0])
        rar = PackageDecoder(
            fmt, wanted or Wanted(), base=base, resumable=False, allow=allow, container=container
        )
        return _unpacked(rar, fmt, names, total, _decoded(rar, b"", iter(())), allow)
    fmt = identify(paths[0].name, head, allow=allow, raw=raw, where=str(paths[0]))
    if fmt is ImageFormat.ELF:
        from mcu_updater.files.elf import read_elf  # pyelftools takes 30 ms

        extents, entry = read_elf(head + b"".join(chunks), allow)
        return ImageFile(names, total, fmt, fmt, assemble(extents, entry, allow))
    if fmt in PACKAGES:
        package = PackageDecoder(fmt, wanted or Wanted(), base=base, resumable=False, allow=allow)
        return _unpacked(package, fmt, names, total, _decoded(package, head, chunks), allow)
    decoder = open_decoder(fmt, base, allow)
    image = assemble(_decoded(decoder, head, chunks), None, allow)
    image = MemoryImage(image.segments, getattr(decoder, "entry", None))
    return ImageFile(names, total, fmt, fmt, image)


def _unpacked(
    package: PackageDecoder,
    fmt: ImageFormat,
    names: tuple[str, ...],
    size: int,
    extents: Iterator[Extent],
    allow: Allowed,
) -> ImageFile:
    image = assemble(extents, None, allow)
    image = MemoryImage(image.segments, package.start)
    inner = package.format or fmt
    return ImageFile(names, size, fmt, inner, image, package.entries, tuple(package.members))


def read_package(path: Path, *, raw: bool = False) -> bytes:
    """The bytes of *path* as the cloud would hand them out; numbered parts joined.

    *raw*: whatever they are: the device will tell. Raises ImageRejected for what is no image by
    ``image.identify``, and PortError where it cannot be read.
    """
    paths = numbered_parts([path])
    data = b"".join(_chunks(paths))
    if data and not raw:
        _check_told_alike(path, data)
    return data


def _check_told_alike(path: Path, data: bytes) -> None:
    """A device sees no name: what is a damaged text by its suffix must not be a raw binary to it.

    Raises ImageRejected, where the text is damaged if it is one.
    """
    head = data[: sniff_size(data)]
    fmt = identify(path.name, head, where=str(path))
    if fmt not in TEXTS:
        return
    try:
        alike = sniff(head) is fmt
    except ImageRejected:
        alike = False
    if not alike:
        decoder = open_decoder(fmt, 0)
        decoder.feed(data)
        decoder.finish()


def _decoded(decoder: Decoder, head: bytes, chunks: Iterator[bytes]) -> Iterator[Extent]:
    yield from decoder.feed(head)
    for chunk in chunks:
        yield from decoder.feed(chunk)
    decoder.finish()


def numbered_parts(paths: Sequence[Path]) -> list[Path]:
    """The files in order. The first of numbered parts brings the others that lie beside it."""
    if not paths:
        raise UsageError("no file is named")
    first = NUMBERED.fullmatch(paths[0].name)
    if len(paths) == 1 and first is None:
        return list(paths)
    if first is None or first[2] != "1":
        raise ImageRejected(
            "only numbered parts can be joined",
            where=str(paths[0]),
            expected="name.bin_1, then name.bin_2 and so on",
            found=paths[0].name,
        )
    expected, found = [paths[0]], paths[0]
    while (found := found.with_name(f"{first[1]}_{len(expected) + 1}")).exists():
        expected.append(found)
    if len(paths) > 1 and list(paths) != expected:
        raise ImageRejected(
            "parts are missing, out of order or of another image",
            where=str(paths[0]),
            expected=", ".join(path.name for path in expected),
            found=", ".join(path.name for path in paths),
        )
    return expected


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise PortError("cannot be read", where=str(path), found=str(error.strerror)) from error


def _chunks(paths: Sequence[Path]) -> Iterator[bytes]:
    """The bytes of all files. The first chunk is large enough to tell the format."""
    held = b""
    for path in paths:
        try:
            with path.open("rb") as file:
                for chunk in _read(file):
                    held += chunk
                    if len(held) >= sniff_size(held):
                        yield held
                        held = b""
        except OSError as error:
            raise PortError("cannot be read", where=str(path), found=str(error.strerror)) from error
    if held:
        yield held


def _read(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
