"""Single records: where each stands, and its bytes, which are known in advance."""

from __future__ import annotations

import struct
from enum import IntEnum
from functools import lru_cache

from mcu_updater.core.journal.header import HEADER_SIZE


class Record(IntEnum):
    """Kinds of single records. The place of each is fixed by kind and index."""

    SETTLED = 0  # the other half is void
    SECTOR = 1  # after a LOADING header: sector *index* is written and verified
    SWITCHED = 2  # after a VERIFIED header, as are the next two: the commit point
    FAILED = 3  # by the bootloader: the trial is over
    ATTEMPT = 4  # by the bootloader: trial boot *index* begins


MAX_ATTEMPTS = 8
FIRST_PLACE = {
    Record.SETTLED: 0,
    Record.SECTOR: 1,
    Record.SWITCHED: 1,
    Record.FAILED: 2,
    Record.ATTEMPT: 3,
}
VERIFIED_PLACES = FIRST_PLACE[Record.ATTEMPT] + MAX_ATTEMPTS


def record_offset(record: Record, index: int, size: int) -> int:
    """Where the record stands in its half."""
    return HEADER_SIZE + (FIRST_PLACE[record] + index) * size


@lru_cache(maxsize=64)  # journals are read at every step
def record_bytes(record: Record, index: int, generation: int, size: int) -> bytes:
    """A record is known in advance to the last bit, so that nothing torn can pass for it."""
    return _record(record, index, generation, size)


def _record(record: Record, index: int, generation: int, size: int) -> bytes:
    word = struct.pack("<BBHI", 0x4A, record, index, generation)
    return word * (size // len(word))


@lru_cache(maxsize=8)
def record_size(unit: int) -> int:
    return max(8, unit)


@lru_cache(maxsize=8)
def checkpoint_offset(slot_sectors: int, size: int) -> int:
    """Where the checkpoint stands in its half, behind all places of records."""
    places = max(FIRST_PLACE[Record.SECTOR] + slot_sectors, VERIFIED_PLACES)
    return HEADER_SIZE + places * size


@lru_cache(maxsize=8)
def sector_records(generation: int, count: int, size: int) -> bytes:
    """SECTOR records 0 to *count* - 1 as they stand in flash."""
    return b"".join(_record(Record.SECTOR, i, generation, size) for i in range(count))
