"""Minimal RAR archives, stored, as https://www.rarlab.com/technote.htm says of RAR 5.0."""

from __future__ import annotations

from zlib import crc32

MAGIC_4, MAGIC_5 = b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"
Files = list[tuple[str, bytes]]


def number(value: int) -> bytes:
    """Seven bits a byte, lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def header_5(body: bytes) -> bytes:
    sized = number(len(body)) + body
    return crc32(sized).to_bytes(4, "little") + sized


def file_5(
    name: str, data: bytes, *, size: int | None = None, crc: int | None = None, extra: bytes = b""
) -> bytes:
    raw = name.encode()
    body = number(2) + number(2 | bool(extra))
    body += number(len(extra)) if extra else b""
    body += number(len(data)) + number(4)  # the file has a CRC-32
    body += number(len(data) if size is None else size) + number(0o100644)
    body += (crc32(data) if crc is None else crc).to_bytes(4, "little")
    body += number(0) + number(1) + number(len(raw)) + raw + extra  # stored; of Unix
    return header_5(body) + data


def rar5(files: Files, *, flags: int = 0) -> bytes:
    main = header_5(number(1) + number(0) + number(flags))
    end = header_5(number(5) + number(0) + number(0))
    return MAGIC_5 + main + b"".join(file_5(*file) for file in files) + end


def header_4(kind: int, flags: int, rest: bytes, data: bytes = b"") -> bytes:
    sized = bytes((kind,)) + flags.to_bytes(2, "little")
    sized += (7 + len(rest)).to_bytes(2, "little") + rest
    return (crc32(sized) & 0xFFFF).to_bytes(2, "little") + sized + data


def rar4(files: Files, *, flags: int = 0) -> bytes:
    out = MAGIC_4 + header_4(0x73, flags, bytes(6))
    for name, data in files:
        raw = name.encode()
        rest = len(data).to_bytes(4, "little") * 2 + b"\x03"  # packed, unpacked; of Unix
        rest += crc32(data).to_bytes(4, "little") + bytes(4) + bytes((29, 0x30))  # stored
        rest += len(raw).to_bytes(2, "little") + (0o100644).to_bytes(4, "little") + raw
        out += header_4(0x74, 0x8000, rest, data)
    return out + header_4(0x7B, 0, b"")
