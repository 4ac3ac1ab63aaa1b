"""The vocabulary of ST's USART boot ROM (AN3155): bytes, codes and checksums that both ends share.

The emulated chip (``flash_emulator.bootrom``) and the host (``mcu_updater.stm32``) use this one
module, so that they cannot disagree by accident; and only external clients can tell whether both
are wrong. It imports nothing. Documents: AN3155; AN2662, the same protocol in the F105/107.

    host                          chip
    7F                       ->
                             <-   79                              speed measured, ready
    command, command ^ FF    ->
                             <-   79, or 1F: not now, not this, not understood
    address (4), XOR         ->
                             <-   79
    N, N + 1 bytes, XOR      ->
                             <-   79                              when it is done
"""

from __future__ import annotations

from enum import IntEnum

SYNC = 0x7F
"""Sent once, so that the ROM can measure the speed. Later it is a byte like any other."""

ACK = 0x79
NACK = 0x1F
BUSY = 0x76
"""Still at it: asks for patience. Belongs to the no-stretch I2C commands; harmless elsewhere."""

MAX_BLOCK = 256
"""Bytes of one Read or Write."""


class Command(IntEnum):
    """Command codes. What a ROM has, its answer to GET says."""

    GET = 0x00
    GET_VERSION = 0x01
    GET_ID = 0x02
    READ = 0x11
    GO = 0x21
    WRITE = 0x31
    ERASE = 0x43
    EXTENDED_ERASE = 0x44
    SPECIAL = 0x50
    EXTENDED_SPECIAL = 0x51
    WRITE_PROTECT = 0x63
    WRITE_UNPROTECT = 0x73
    READOUT_PROTECT = 0x82
    READOUT_UNPROTECT = 0x92
    GET_CHECKSUM = 0xA1

    @property
    def words(self) -> str:
        """As AN3155 calls it, in lower case with dashes: ``extended-erase``."""
        return self.name.lower().replace("_", "-")


AT_LEVEL_1 = frozenset(
    (Command.GET, Command.GET_VERSION, Command.GET_ID, Command.READOUT_UNPROTECT)
)
"""What is left while read-out protection is active (AN3155, table of commands, note 2)."""

ERASE_EVERYTHING = 0xFF
"""Of ERASE: in place of N; its complement follows."""


class Bulk(IntEnum):
    """Of EXTENDED_ERASE: in place of N. No page numbers follow, only the XOR of the two bytes."""

    MASS = 0xFFFF
    BANK_1 = 0xFFFE
    BANK_2 = 0xFFFD


FIRST_RESERVED = 0xFFF0
"""Of EXTENDED_ERASE: N from here on is no count."""

CRC_POLYNOMIAL = 0x04C1_1DB7
CRC_INITIAL = 0xFFFF_FFFF
"""Of the CRC unit after a reset; the ROM uses them where the host cannot choose."""


def checksum(data: bytes, initial: int = 0) -> int:
    """XOR of all bytes."""
    value = initial
    for byte in data:
        value ^= byte
    return value


def with_checksum(data: bytes) -> bytes:
    return data + bytes((checksum(data),))


def with_complement(byte: int) -> bytes:
    return bytes((byte, byte ^ 0xFF))


def _table(polynomial: int) -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1) ^ (polynomial if value & 0x8000_0000 else 0)
        table.append(value & 0xFFFF_FFFF)
    return tuple(table)


_TABLES: dict[int, tuple[int, ...]] = {}


def crc32(data: bytes, polynomial: int = CRC_POLYNOMIAL, initial: int = CRC_INITIAL) -> int:
    """As the STM32's CRC unit has it: little-endian words, most significant bit first.

    No reflection, no final XOR. ValueError where *data* are not whole words.
    """
    if len(data) % 4:
        raise ValueError(f"the CRC unit takes words of 4 bytes, not {len(data)} bytes")
    table = _TABLES.get(polynomial) or _TABLES.setdefault(polynomial, _table(polynomial))
    value = initial
    for start in range(0, len(data), 4):
        for at in (start + 3, start + 2, start + 1, start):
            value = (value << 8 & 0xFFFF_FF00) ^ table[value >> 24 ^ data[at]]
    return value
