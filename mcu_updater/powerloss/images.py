"""Images to explore with: of any size, linked for any slot, in any format."""

from __future__ import annotations

import hashlib
import struct
from typing import Literal

from mcu_updater.files.delta.make import make_delta
from mcu_updater.files.delta.makers import available

Format = Literal["bin", "hex", "s19"]
FORMATS: tuple[Format, ...] = ("bin", "hex", "s19")

_HEX_BYTES = 32  # of data in a record
_SREC_BYTES = 32
_CHANGE_EVERY = 200


def filler(version: str, size: int, address: int) -> bytes:
    """A raw image of *size* bytes for *address*: a vector table, then bytes that compress badly.

    No unit of it is blank, so every one of them is programmed.
    """
    table = struct.pack("<II", 0x2000_8000, address + 9)
    blocks = -(-size // 64)
    body = b"".join(_block(version, index) for index in range(blocks))
    return (table + body)[:size]


def _block(version: str, index: int) -> bytes:
    return hashlib.sha512(f"{version}/{index}".encode()).digest()


def edition(image: bytes, version: str) -> bytes:
    """*image* as a later release has it: some words changed, a few put in, all behind them moved.

    Of the same size, as if something at the end had gone.
    """
    data = bytearray(image)
    for at in range(_CHANGE_EVERY, len(data) - 16, _CHANGE_EVERY):
        data[at : at + 16] = _block(version, at)[:16]
    middle = len(data) // 2 & ~7
    data[middle:middle] = _block(version, 0)[:24]
    return bytes(data[: len(image)])


def delta_package(base: bytes, target: bytes) -> bytes:
    """In the device profile, by the maker that is always there."""
    makers = {"builtin": available()["builtin"]}
    return make_delta(base, target, makers=makers, target_version="2.0.0").package


def as_file(image: bytes, address: int, fmt: Format) -> bytes:
    """*image* as the cloud would have it: raw, Intel HEX or S-records with 32-bit addresses."""
    match fmt:
        case "bin":
            return image
        case "hex":
            return _hex_file(image, address)
        case "s19":
            return _srec_file(image, address)


def _hex_file(image: bytes, address: int) -> bytes:
    lines, upper = [], -1
    for offset in range(0, len(image), _HEX_BYTES):
        at = address + offset
        if at >> 16 != upper:
            upper = at >> 16
            lines.append(_hex_record(0, 4, struct.pack(">H", upper)))
        lines.append(_hex_record(at & 0xFFFF, 0, image[offset : offset + _HEX_BYTES]))
    lines += [_hex_record(0, 5, struct.pack(">I", address + 9)), ":00000001FF"]
    return ("\n".join(lines) + "\n").encode()


def _hex_record(offset: int, kind: int, data: bytes) -> str:
    record = struct.pack(">BHB", len(data), offset, kind) + data
    return f":{record.hex().upper()}{-sum(record) & 0xFF:02X}"


def _srec_file(image: bytes, address: int) -> bytes:
    spans = range(0, len(image), _SREC_BYTES)
    records = [_srec("S3", address + at, image[at : at + _SREC_BYTES]) for at in spans]
    return ("\n".join([*records, _srec("S7", address + 9, b"")]) + "\n").encode()


def _srec(kind: str, address: int, data: bytes) -> str:
    record = struct.pack(">BI", 5 + len(data), address) + data
    return f"{kind}{record.hex().upper()}{~sum(record) & 0xFF:02X}"
