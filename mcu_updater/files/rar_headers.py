"""What the headers of a RAR archive say that libarchive finds late, or does not check.

It does not hold stored files against their checksum, and takes encrypted ones for damaged.

Source: RAR 5.0 archive format, https://www.rarlab.com/technote.htm, "General archive structure",
"Main archive header", "File header and service header", "File encryption record"; its note on
RAR 4.x for the older headers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from mcu_updater.core.image.sniff import RAR_MAGIC
from mcu_updater.core.package.rules import damaged

_RAR4, _RAR5 = RAR_MAGIC + b"\x1a\x07\x00", RAR_MAGIC + b"\x1a\x07\x01\x00"
_VOLUME: Final = 0x0001  # flag of the main header

_MAIN_4, _FILE_4, _END_4 = 0x73, 0x74, 0x7B  # types of headers of RAR 4
_ENCRYPTED_4, _FILE_ENCRYPTED_4 = 0x0080, 0x0004  # flags of the main header, and of a file's
_HAS_DATA_4, _LARGE_4 = 0x8000, 0x0100
_HEADER_4: Final = 7  # bytes that every header begins with: CRC, type, flags, size

_MAIN, _FILE, _ENCRYPTION, _END = 1, 2, 4, 5  # types of headers of RAR 5
_HAS_EXTRA, _HAS_DATA = 0x0001, 0x0002  # flags of any header of RAR 5
_HAS_TIME, _HAS_CRC = 0x0002, 0x0004  # flags of a file
_FILE_ENCRYPTION: Final = 1  # type of a record in the extra area of a file
_HEADER_BYTES: Final = 2 << 20  # the format's own limit
_HEADERS: Final = 64  # that are looked at: no package may have as many files


class Header(NamedTuple):
    """Of a file or directory. *crc*: CRC-32 of its data; None: it has none."""

    crc: int | None


def file_headers(file: BinaryIO, where: str) -> list[Header]:
    """In the order of the archive, as far as they can be followed: where they are damaged,
    libarchive says so.

    Raises ImageRejected for an archive that is encrypted, or has several volumes.
    """
    magic = file.read(len(_RAR5))
    if magic.startswith(_RAR4):
        file.seek(len(_RAR4))
        return list(_headers_4(file, where))
    return list(_headers_5(file, where)) if magic == _RAR5 else []


def _check(where: str, *, encrypted: bool, volume: bool = False) -> None:
    if encrypted:
        raise damaged("archive is encrypted", where, "one that needs no password", "a password")
    if volume:
        raise damaged("archive has several volumes", where, "one file", "a volume")


def _headers_4(file: BinaryIO, where: str) -> Iterator[Header]:
    for _ in range(_HEADERS):
        place = file.tell()
        head = file.read(_HEADER_4)
        kind, flags = head[2:3], int.from_bytes(head[3:5], "little")
        size = int.from_bytes(head[5:7], "little")
        body = file.read(max(size - _HEADER_4, 0))
        if size < _HEADER_4 or len(body) < size - _HEADER_4 or kind == bytes((_END_4,)):
            return
        if kind == bytes((_MAIN_4,)):
            _check(where, encrypted=bool(flags & _ENCRYPTED_4), volume=bool(flags & _VOLUME))
        data_size = int.from_bytes(body[:4], "little") if flags & _HAS_DATA_4 else 0
        if kind == bytes((_FILE_4,)):
            _check(where, encrypted=bool(flags & _FILE_ENCRYPTED_4))
            if flags & _LARGE_4:
                data_size += int.from_bytes(body[25:29], "little") << 32
            yield Header(int.from_bytes(body[9:13], "little"))
        if not _is_there(file, place + size + data_size):
            return


def _headers_5(file: BinaryIO, where: str) -> Iterator[Header]:
    for _ in range(_HEADERS):
        place = file.tell() + 4  # behind its CRC
        file.seek(place)
        size, at = _number(file.read(10), 0)
        file.seek(place + at)
        data = file.read(min(size, _HEADER_BYTES))
        if not size or len(data) < size:
            return
        kind, begin = _number(data, 0)
        flags, begin = _number(data, begin)
        extra_size, begin = _number(data, begin) if flags & _HAS_EXTRA else (0, begin)
        data_size, begin = _number(data, begin) if flags & _HAS_DATA else (0, begin)
        if kind in (_END, _ENCRYPTION):
            _check(where, encrypted=kind == _ENCRYPTION)
            return
        if kind == _MAIN:
            _check(where, encrypted=False, volume=bool(_number(data, begin)[0] & _VOLUME))
        if kind == _FILE:
            records = _records(data[max(len(data) - extra_size, 0) :] if extra_size else b"")
            _check(where, encrypted=_FILE_ENCRYPTION in records)
            yield Header(_crc(data, begin))
        if not _is_there(file, place + at + size + data_size):
            return


def _is_there(file: BinaryIO, place: int) -> bool:
    """Go to *place*, where that is in the file."""
    is_there = place <= file.seek(0, 2)
    file.seek(place if is_there else 0)
    return is_there


def _crc(data: bytes, at: int) -> int | None:
    """Of a file whose own fields begin at *at*: flags, size, attributes, time, CRC."""
    flags, at = _number(data, at)
    _, at = _number(data, at)
    _, at = _number(data, at)
    at += 4 if flags & _HAS_TIME else 0
    return int.from_bytes(data[at : at + 4], "little") if flags & _HAS_CRC else None


def _records(extra: bytes) -> set[int]:
    """The types of the records in an extra area."""
    found, at = set(), 0
    while at < len(extra):
        size, begin = _number(extra, at)
        found.add(_number(extra, begin)[0])
        at = begin + max(size, 1)
    return found


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first, and the place behind it."""
    number = 0
    for index, byte in enumerate(data[at : at + 10]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return number, at + index + 1
    return 0, len(data)
