"""From files to an image: the format is told by the bytes, and the name must agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mcu_updater.errors import ImageRejected, PortError, UsageError
from mcu_updater.files.segments import MemoryImage, assemble
from mcu_updater.image import (
    PACKAGES,
    STRICT,
    Allowed,
    Decoder,
    Extent,
    ImageFormat,
    open_decoder,
    sniff,
    sniff_size,
)
from mcu_updater.package import Entry, PackageDecoder, Wanted
from mcu_updater.package.rules import NUMBERED, UNREADABLE, Opened, format_of, suffix_of

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
    paths = _parts(paths)
    names = tuple(str(path) for path in paths)
    total = sum(_size(path) for path in paths)
    chunks = _chunks(paths)
    head = next(chunks, b"")
    if raw:
        fmt = ImageFormat.BIN
    else:
        _refuse_unreadable(paths[0])
        fmt = _format(paths[0], head, allow)
    if fmt is ImageFormat.ELF:
        from mcu_updater.files.elf import read_elf  # pyelftools takes 30 ms

        extents, entry = read_elf(head + b"".join(chunks), allow)
        return ImageFile(names, total, fmt, fmt, assemble(extents, entry, allow))
    if fmt in PACKAGES:
        package = PackageDecoder(fmt, wanted or Wanted(), base=base, resumable=False, allow=allow)
        image = assemble(_decoded(package, head, chunks), None, allow)
        image = MemoryImage(image.segments, package.start)
        inner = package.format or fmt
        return ImageFile(names, total, fmt, inner, image, package.entries, tuple(package.members))
    decoder = open_decoder(fmt, base, allow)
    image = assemble(_decoded(decoder, head, chunks), None, allow)
    image = MemoryImage(image.segments, getattr(decoder, "entry", None))
    return ImageFile(names, total, fmt, fmt, image)


def read_package(path: Path, *, raw: bool = False) -> bytes:
    """The bytes of *path* as the cloud would hand them out; numbered parts joined.

    *raw*: whatever its suffix says. Raises ImageRejected for what nobody can interpret, and
    PortError where it cannot be read.
    """
    paths = _parts([path])
    if not raw:
        _refuse_unreadable(path)
    return b"".join(_chunks(paths))


def _decoded(decoder: Decoder, head: bytes, chunks: Iterator[bytes]) -> Iterator[Extent]:
    yield from decoder.feed(head)
    for chunk in chunks:
        yield from decoder.feed(chunk)
    decoder.finish()


def _parts(paths: Sequence[Path]) -> list[Path]:
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


def _refuse_unreadable(path: Path) -> None:
    why = UNREADABLE.get(suffix_of(path.name))
    if why is not None:
        raise ImageRejected(
            "the cloud takes this kind of file, and nobody can interpret it",
            where=str(path),
            expected="a raw binary, Intel HEX, S-records, TI-TXT, ELF, or a zip or tar of such",
            found=f"{suffix_of(path.name)}: {why}",
            then="--raw takes its bytes as they are",
        )


def _format(path: Path, head: bytes, allow: Allowed) -> ImageFormat:
    """No guess: a .hex that is none is damaged, and its decoder says where.

    The suffix of a text format decides, so that a fault in its first bytes is found in its line.
    Everything else is told by its bytes, which the suffix, where it says something, must confirm.
    """
    said = format_of(path.name)
    if said in _TEXT and head:
        return said
    fmt = sniff(head, allow)
    if said not in (None, fmt):
        raise ImageRejected(
            "suffix and content disagree",
            where=str(path),
            expected=str(said),
            found=fmt.value,
            then="Rename it, or take its bytes as they are with --raw",
        )
    return fmt


_TEXT = (ImageFormat.HEX, ImageFormat.SREC, ImageFormat.TI_TXT)


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
