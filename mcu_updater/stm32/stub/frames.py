"""Requests and replies of the stub, and the frames that carry them; firmware/line.h draws them."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

from mcu_updater.stm32.stub import cobs

EVERYTHING, BANK_1, BANK_2 = 0xFFFF_FFFF, 0xFFFF_FFFE, 0xFFFF_FFFD  # addresses of ERASE
BLOCK_SIZE = 2048  # most that one WRITE carries; none goes across a multiple of it
MOST_RANGES = 128  # of one CHECKSUM
OPERATION_S = 0.06
"""More than the erase of a page, or the program of a block, takes on L476 and G0B1. F407's blocks
may take 0.2 s (2,048 bytes of 100 us, DS8626), which the half second of slack covers."""
_CRC = struct.Struct("<I")
_WRITE = struct.Struct("<IIHB")
_RANGES = struct.Struct("<IIB")
_RANGE = struct.Struct("<BI")
_FACTS = struct.Struct("<11I")


class Command(IntEnum):
    SYNC = 1
    SPEED = 2
    ERASE = 3
    WRITE = 4
    CHECKSUM = 5
    GO = 6
    RESET = 7


class Status(IntEnum):
    OK = 0
    RESEND = 1  # damaged, or out of order; data: whether one failed, whether it was done before
    BAD_REQUEST = 2
    BAD_ADDRESS = 3
    BAD_DATA = 4  # does not decode, or to something else; nothing was written
    REFUSED = 5  # by the flash controller; data: FLASH_SR
    DIFFERS = 6  # flash does not hold what was written
    STOPPED = 7  # after an earlier failure, until SYNC


class Encoding(IntEnum):
    RAW = 0
    LZ4 = 1


@dataclass(frozen=True, slots=True)
class Request:
    """*work_s*: how long the chip may take for it. *covers*: bytes of flash that it is for.

    *is_query*: what matters is the data of its reply, so it is asked again when that is lost.
    """

    command: Command
    arguments: bytes = b""
    work_s: float = OPERATION_S
    covers: int = 0

    @property
    def is_query(self) -> bool:
        return self.command in (Command.SYNC, Command.CHECKSUM)

    def framed(self, seq: int) -> bytes:
        return frame(bytes((seq, self.command)) + self.arguments)


def sync() -> Request:
    return Request(Command.SYNC)


def speed(brr: int) -> Request:
    return Request(Command.SPEED, brr.to_bytes(4, "little"))


def erase(address: int, *, work_s: float = OPERATION_S, covers: int = 0) -> Request:
    """Of the sector that begins at *address*, or in bulk."""
    return Request(Command.ERASE, address.to_bytes(4, "little"), work_s, covers)


def write(address: int, data: bytes, encoding: Encoding, encoded: bytes) -> Request:
    """*data* is what flash will hold, at most a block; *encoded* is what goes over the line."""
    head = _WRITE.pack(address, zlib.crc32(data), len(data), encoding)
    return Request(Command.WRITE, head + encoded, covers=len(data))


def checksum(address: int, size: int, count: int = 1) -> Request:
    """Of *count* ranges of *size* bytes, one behind the other."""
    covers = size * count
    work_s = OPERATION_S + covers / 1e6  # 1 MB/s at least
    return Request(Command.CHECKSUM, _RANGES.pack(address, size, count), work_s, covers)


def go(address: int) -> Request:
    return Request(Command.GO, address.to_bytes(4, "little"))


def reset() -> Request:
    return Request(Command.RESET)


@dataclass(frozen=True, slots=True)
class Reply:
    """*seq* of the request, *next_seq* that the stub waits for now."""

    seq: int
    next_seq: int
    status: Status
    data: bytes = b""

    @property
    def tells_failure(self) -> bool:
        """Whether an erase or a write has failed since SYNC: before this request, or by it."""
        if self.status is Status.RESEND:
            return self.data[:1] == b"\1"
        return self.status is Status.STOPPED

    @property
    def asks_again(self) -> bool:
        """Requests from *next_seq* on are to be sent again: not where one came that was done."""
        return self.status is Status.RESEND and self.data[1:] != b"\1"

    def checksums(self) -> list[int | None]:
        """CRC-32 of each range; None where it cannot be read."""
        return [crc if readable else None for readable, crc in _RANGE.iter_unpack(self.data)]


@dataclass(frozen=True, slots=True)
class Facts:
    """What SYNC tells. *is_mapped_otherwise*: banks are exchanged, or one."""

    version: int
    idcode: int
    flash_kib: int
    uid: bytes
    is_mapped_otherwise: bool
    usart_base: int
    brr: int
    frame_count: int
    frame_size: int

    @classmethod
    def of(cls, reply: Reply) -> Facts:
        """Raises ValueError for data of another size."""
        try:
            version, idcode, kib, *uid, mapping, base, brr, count, size = _FACTS.unpack(reply.data)
        except struct.error as error:
            raise ValueError(
                f"SYNC: expected {_FACTS.size} bytes, found {len(reply.data)}"
            ) from error
        packed = struct.pack("<3I", *uid)
        return cls(version, idcode, kib, packed, bool(mapping), base, brr, count, size)


# --- frames


def frame(content: bytes) -> bytes:
    return b"\0" + cobs.encode(content + _CRC.pack(zlib.crc32(content))) + b"\0"


def content_of(stuffed: bytes) -> bytes | None:
    """What a frame holds, given without its zeros; None for a damaged one."""
    data = cobs.decode(stuffed)
    if data is None:
        return None
    content, crc = data[: -_CRC.size], data[-_CRC.size :]
    return content if len(data) > _CRC.size and crc == _CRC.pack(zlib.crc32(content)) else None


class ReplyReader:
    """Replies out of a stream of bytes, however it is cut. Damaged ones are left out."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> list[Reply]:
        *frames, self._pending = (self._pending + data).split(b"\0")
        replies = (_reply(content_of(stuffed)) for stuffed in frames if stuffed)
        return [reply for reply in replies if reply is not None]


def _reply(content: bytes | None) -> Reply | None:
    if content is None or len(content) < 3 or content[2] not in tuple(Status):
        return None
    return Reply(content[0], content[1], Status(content[2]), content[3:])
