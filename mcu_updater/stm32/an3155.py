"""AN3155 frames as the host has them: what to send, and what a reply must look like. Sans-I/O.

A command is a tuple of steps. Each sends one frame, in one write, and reads one reply:

    for step in read(0x0800_0000, 256):
        port.write(step.frame)
        reader = ReplyReader(step.reply)
        while reader.answer is None:
            reader.feed(port.read(timeout_of(step.wait)))

A reader takes bytes however they were cut, holds no more than its reply, and leaves what follows
in ``rest``. BUSY bytes before a reply are counted and skipped. What is neither ACK nor NACK where
one of them must stand is ``Garbled``: drain the line and begin with ``RESYNC``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from flash_emulator.an3155 import (
    ACK,
    BUSY,
    CRC_INITIAL,
    CRC_POLYNOMIAL,
    ERASE_EVERYTHING,
    FIRST_RESERVED,
    MAX_BLOCK,
    NACK,
    SYNC,
    Bulk,
    Command,
    checksum,
    with_checksum,
    with_complement,
)

MAX_PAGES_IN_ERASE = 255
"""Page numbers of one Erase: 0xFF in place of N means all."""
MAX_PAGES_IN_EXTENDED_ERASE = 511
"""ST's L0 take no more, and no part needs more (stm32flash splits there too)."""
_MOST_COUNTED = 64  # bytes of a reply that has its own count; GET has some 13, GET_ID 2 to 4

RESYNC = b"\x02"
"""Brings a ROM that has measured the speed back to waiting for a command, wherever it is: send it
alone, look for a NACK, up to ``MAX_RESYNC`` times.

As a command it is its own wrong complement. As an address, a count or a list its XOR is wrong: an
even count makes an odd number of bytes. So no frame that it begins is carried out; and the NACK
comes at the end of one, so that the next byte begins a command. A frame that somebody else began is
completed by 1 chance in 256, as with any byte: then an ACK comes, and what it was for may have been
done. FF 00, which stm32flash repeats, is GET when the line is one byte out of step, for ever; FF
alone completes a Write that it began.
"""
MAX_RESYNC = 2 * 0x203 + 2 + 1
"""The most that a ROM may wait for: pages 0x0202 + 1 of Extended Erase, and their XOR."""


class Wait(StrEnum):
    """What a step waits for; the host knows the part, and how long that takes."""

    PROMPT = "prompt"  # the ROM has it at hand
    PROGRAM = "program"  # one block of flash
    ERASE = "erase"  # the sectors of the command
    MASS_ERASE = "mass-erase"
    OPTIONS = "options"  # a change of option bytes; the chip resets after it
    CHECKSUM = "checksum"  # the range of the command


@dataclass(frozen=True, slots=True)
class Reply:
    """ACK, then *size* bytes; then, if *is_closed*, ACK again.

    *size* None: the first byte says how many follow it, less one.
    """

    size: int | None = 0
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """*frame* in one write, then *reply*. *resets*: the chip resets behind the reply, and waits for
    ``SYNC`` again."""

    frame: bytes
    reply: Reply = Reply()
    wait: Wait = Wait.PROMPT
    resets: bool = False


Exchange = tuple[Step, ...]


# --- commands


def get() -> Exchange:
    """Version and commands; see ``RomInfo``."""
    return (Step(with_complement(Command.GET), Reply(None, is_closed=True)),)


def get_version() -> Exchange:
    """Three bytes: version, and two that say nothing any more."""
    return (Step(with_complement(Command.GET_VERSION), Reply(3, is_closed=True)),)


def get_id() -> Exchange:
    """Two bytes, product identity; some families say more."""
    return (Step(with_complement(Command.GET_ID), Reply(None, is_closed=True)),)


def read(address: int, size: int) -> Exchange:
    """1 to 256 bytes; they carry no checksum."""
    _check_size(size, MAX_BLOCK)
    return (*_at(Command.READ, address), Step(with_complement(size - 1), Reply(size)))


def go(address: int) -> Exchange:
    """Run the program whose vector table lies at *address*. The ROM is left."""
    return _at(Command.GO, address)


def write(address: int, data: bytes, *, wait: Wait = Wait.PROGRAM) -> Exchange:
    """4 to 256 bytes, whole words to a word. The ACK says that it was tried, not that it is there.

    To the start of the option bytes: all of them at once, see ``write_options``.
    """
    _check_size(len(data), MAX_BLOCK)
    if address % 4 or len(data) % 4:
        raise ValueError(f"{len(data)} bytes at {address:#010x}: the ROM writes whole words")
    frame = with_checksum(bytes((len(data) - 1,)) + data)
    return (*_at(Command.WRITE, address), Step(frame, wait=wait))


def write_options(address: int, data: bytes) -> Exchange:
    """All option bytes, from the start of their area; the ROM erases them all first, and resets."""
    *head, last = write(address, data)
    return (*head, Step(last.frame, wait=Wait.OPTIONS, resets=True))


def erase(pages: Sequence[int]) -> Exchange:
    """1 to 255 pages of parts with the old Erase."""
    _check_size(len(pages), MAX_PAGES_IN_ERASE)
    frame = with_checksum(bytes((len(pages) - 1, *pages)))
    return (Step(with_complement(Command.ERASE)), Step(frame, wait=Wait.ERASE))


def erase_everything() -> Exchange:
    """Of parts with the old Erase."""
    last = Step(with_complement(ERASE_EVERYTHING), wait=Wait.MASS_ERASE)
    return (Step(with_complement(Command.ERASE)), last)


def extended_erase(pages: Sequence[int]) -> Exchange:
    """1 to 511 pages, numbered from 0 through all banks."""
    _check_size(len(pages), MAX_PAGES_IN_EXTENDED_ERASE)
    if not all(0 <= page < FIRST_RESERVED for page in pages):
        raise ValueError(f"pages are numbered from 0 to {FIRST_RESERVED - 1:#x}: {list(pages)}")
    numbers = b"".join(page.to_bytes(2, "big") for page in pages)
    frame = with_checksum((len(pages) - 1).to_bytes(2, "big") + numbers)
    return (Step(with_complement(Command.EXTENDED_ERASE)), Step(frame, wait=Wait.ERASE))


def extended_erase_bulk(what: Bulk) -> Exchange:
    """A bank, or everything."""
    last = Step(with_checksum(what.to_bytes(2, "big")), wait=Wait.MASS_ERASE)
    return (Step(with_complement(Command.EXTENDED_ERASE)), last)


def write_protect(sectors: Sequence[int]) -> Exchange:
    """1 to 256 sector codes, in place of whatever was protected. The chip resets."""
    _check_size(len(sectors), MAX_BLOCK)
    frame = with_checksum(bytes((len(sectors) - 1, *sectors)))
    last = Step(frame, wait=Wait.OPTIONS, resets=True)
    return (Step(with_complement(Command.WRITE_PROTECT)), last)


def write_unprotect() -> Exchange:
    """All sectors. The chip resets."""
    return _two_acks(Command.WRITE_UNPROTECT, Wait.OPTIONS)


def readout_protect() -> Exchange:
    """Level 1. The chip resets."""
    return _two_acks(Command.READOUT_PROTECT, Wait.OPTIONS)


def readout_unprotect() -> Exchange:
    """Level 0: erases flash and RAM. The chip resets."""
    return _two_acks(Command.READOUT_UNPROTECT, Wait.MASS_ERASE)


def get_checksum(
    address: int, size: int, polynomial: int = CRC_POLYNOMIAL, initial: int = CRC_INITIAL
) -> Exchange:
    """CRC of *size* bytes, whole words, in AN3155's dialect; see ``crc_of``.

    Parts whose polynomial and initial value are fixed take both and do not heed them. Compare one
    range that was read with ``flash_emulator.an3155.crc32`` before you believe the ROM.
    """
    _check_words(address, size)
    numbers = (size // 4).to_bytes(4, "big"), polynomial.to_bytes(4, "big")
    return (
        *_at(Command.GET_CHECKSUM, address),
        *(Step(with_checksum(number)) for number in numbers),
        Step(with_checksum(initial.to_bytes(4, "big"))),
        Step(b"", Reply(5), Wait.CHECKSUM),
    )


def get_checksum_private(address: int, size: int) -> Exchange:
    """The same in the older dialect, which stm32flash 0.7 speaks: bytes, and no parameters."""
    _check_words(address, size)
    return (
        *_at(Command.GET_CHECKSUM, address),
        Step(with_checksum(size.to_bytes(4, "big"))),
        Step(b"", Reply(5), Wait.CHECKSUM),
    )


def _at(command: Command, address: int) -> Exchange:
    if not 0 <= address < 1 << 32:
        raise ValueError(f"{address:#x} is no 32-bit address")
    return (
        Step(with_complement(command)),
        Step(with_checksum(address.to_bytes(4, "big"))),
    )


def _two_acks(command: Command, wait: Wait) -> Exchange:
    return (Step(with_complement(command)), Step(b"", wait=wait, resets=True))


def _check_size(size: int, most: int) -> None:
    if not 1 <= size <= most:
        raise ValueError(f"one frame carries 1 to {most}, not {size}")


def _check_words(address: int, size: int) -> None:
    if address % 4 or size % 4 or size < 4:
        raise ValueError(f"{size} bytes at {address:#010x}: a checksum is of whole words")


# --- replies


@dataclass(frozen=True, slots=True)
class Accepted:
    """ACK, with the bytes that came with it."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """NACK."""


@dataclass(frozen=True, slots=True)
class Garbled:
    """*found* stands where *expected* must: the line is out of step."""

    found: bytes
    expected: str


Answer = Accepted | Refused | Garbled


class ReplyReader:
    """Reads one reply. *answer* is None until it is complete; bytes behind it are in *rest*.

    A ROM that says ACK twice after the handshake (L412, V13.1) is borne with: where a count must
    stand that no ROM has, an ACK is taken for the second one and skipped, once.
    """

    def __init__(self, reply: Reply) -> None:
        self.answer: Answer | None = None
        self.busy_count = 0
        self.rest = b""
        self._reply = reply
        self._buffer = bytearray()
        self._skipped_ack = False

    def feed(self, data: bytes) -> None:
        if self.answer is not None:
            self.rest += data
            return
        self._buffer += data
        self.answer = self._read()
        if self.answer is not None:
            self.rest = bytes(self._buffer)
            self._buffer.clear()

    def _read(self) -> Answer | None:
        buffer = self._buffer
        while buffer[:1] == bytes((BUSY,)):
            self.busy_count += 1
            del buffer[0]
        if not buffer:
            return None
        if buffer[0] != ACK:
            return self._not_accepted()
        size = self._reply.size
        return self._counted() if size is None else self._sized(1, size)

    def _not_accepted(self) -> Answer:
        found = self._taken(1)
        return Refused() if found[0] == NACK else Garbled(found, "ACK or NACK")

    def _counted(self) -> Answer | None:
        buffer = self._buffer
        if len(buffer) > 1 and buffer[1] == ACK and not self._skipped_ack:
            self._skipped_ack = True
            del buffer[1]
        if len(buffer) < 2:
            return None
        if buffer[1] >= _MOST_COUNTED:
            return Garbled(self._taken(2), f"a count below {_MOST_COUNTED}")
        return self._sized(2, buffer[1] + 1)

    def _sized(self, start: int, size: int) -> Answer | None:
        end = start + size
        if len(self._buffer) < end + self._reply.is_closed:
            return None
        taken = self._taken(end + self._reply.is_closed)
        if self._reply.is_closed and taken[-1] != ACK:
            return Garbled(taken, "ACK at the end")
        return Accepted(taken[start:end])

    def _taken(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


class SyncReader:
    """Reads the answer to ``SYNC``: a ROM that was not asked yet says ACK.

    One that already listens takes two of them for a command that it does not know, and says NACK:
    it lives too. What else comes is noise, of which only the count is kept.
    """

    FRAME = bytes((SYNC,))

    def __init__(self) -> None:
        self.is_alive = False
        self.noise_count = 0

    def feed(self, data: bytes) -> None:
        for byte in data:
            if byte in (ACK, NACK):
                self.is_alive = True
            else:
                self.noise_count += 1


# --- what replies mean


class ReplyError(ValueError):
    """A reply whose bytes do not mean anything."""


@dataclass(frozen=True, slots=True)
class RomInfo:
    """What GET says. *codes* may hold commands that ``Command`` does not name."""

    version: int
    codes: bytes

    @classmethod
    def of(cls, data: bytes) -> RomInfo:
        if not data:
            raise ReplyError("GET: an empty reply")
        return cls(data[0], data[1:])

    def has(self, command: Command) -> bool:
        return command in self.codes

    @property
    def version_text(self) -> str:
        """``3.1`` for 0x31."""
        return f"{self.version >> 4}.{self.version & 0xF}"


def pid_of(data: bytes) -> int:
    """Product identity in the reply to GET_ID: its first two bytes."""
    if len(data) < 2:
        raise ReplyError(f"GET_ID: {len(data)} bytes, expected at least 2")
    return int.from_bytes(data[:2], "big")


def crc_of(data: bytes) -> int:
    """The CRC in the last reply of ``get_checksum``. Raises ReplyError where its XOR is wrong."""
    if len(data) != 5 or checksum(data):
        raise ReplyError(f"Get Checksum: {data.hex(' ')} is no CRC with its XOR")
    return int.from_bytes(data[:4], "big")
