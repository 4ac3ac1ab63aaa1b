"""ELF files for tests: linked for 32-bit Arm, with program headers and nothing else."""

from __future__ import annotations

import struct

HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
PROGRAM = struct.Struct("<8I")


def elf(
    *segments: tuple[int, int, bytes], entry: int = 0x0800_8001, machine: int = 40, kind: int = 2
) -> bytes:
    """Segments of virtual address, physical address and data."""
    offset = HEADER.size + PROGRAM.size * len(segments)
    programs, body = b"", b""
    for virtual, physical, data in segments:
        place = offset + len(body)
        programs += PROGRAM.pack(1, place, virtual, physical, len(data), len(data), 5, 4)
        body += data
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    count = len(segments)
    head = HEADER.pack(ident, kind, machine, 1, entry, HEADER.size, 0, 0, 52, 32, count, 40, 0, 0)
    return head + programs + body
