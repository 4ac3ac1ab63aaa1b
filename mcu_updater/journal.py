"""The journal: what is known of one slot, in the two halves of its trailer.

A half is a **snapshot** (one header, and a checkpoint where one is needed) and **records**,
each at a fixed place:

    +0                +256                         +256 + n*size
    | header      end | settled | record 0 .. n-2  | checkpoint ... |

Rules that keep it canonical, that is, a function of logical progress and of nothing else:

* A snapshot is written whole into the other half: checkpoint, the records of the sectors that are
  done, and the header last. Then the old half's header is erased, and only then ``settled`` is
  written. While both halves have a header, the settled one counts, and of two that are not
  settled the older one, for the newer one may be weak: its turn is one higher, modulo 4. No
  record is ever added to a half that is not settled.
* A record is never skipped and never repaired. What cannot be trusted after a reset is replaced:
  the next start writes a new snapshot of what was read (``needs_snapshot``), so a torn, blank or
  weak record lives for one boot at most. Nothing but half and turn tells the two apart.
* A half is erased before it is used, whatever it reads. Reading 0xFF proves nothing.
* What a cut may have left in a half without a header is not read: the header's last unit tells.

FORMAT.md gives every byte.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache

from mcu_updater.errors import VerificationFailed, address_text
from mcu_updater.seal import NO_FLOOR, Seal, Version
from mcu_updater.slot import ERASED, Window

FORMAT_VERSION = 2
SEALED_VERSION = 3
"""Of a header that says more than version 2 can, mostly of signed images; written only there."""

HEADER_SIZE = 256
_MAGIC = b"MCUJ"
COMPONENT_SIZE = 32  # bytes at most; the module's limits
VERSION_SIZE = 64
_HEADER = struct.Struct(f"<4sHBBIIII4x16s32s32s{COMPONENT_SIZE + 1}p{VERSION_SIZE + 1}pB")
_END = struct.Struct("<I4s")  # CRC, end mark
END_MARK = b"DONE"  # no part of it reads blank, whatever the program unit
TURN_AT = _HEADER.size + 8  # behind length and CRC of the checkpoint
TURNS = 4  # enough to tell the newer of two
_SEALS = struct.Struct("<B8sI8sI")  # sealed or not; version and counter of the image; the floor's
_SEALS_AT = TURN_AT + 1
CRC_AT = HEADER_SIZE - _END.size
assert _SEALS_AT + _SEALS.size <= CRC_AT


class Phase(IntEnum):
    """How far the slot's image has come. The value is what stands in the header."""

    EMPTY = 0  # no journal can be read: nothing is known of the slot
    PLANNED = 1  # a plan is accepted, or about to be
    LOADING = 2  # the package is known; sectors are being written
    VERIFIED = 3  # the whole image was verified from flash
    TRIAL = 4  # the boot has been switched to it: VERIFIED and Record.SWITCHED; in no header
    CONFIRMED = 5  # it has passed its trial
    FAILED = 6  # it will not be booted; ``reason`` says why


IN_PROGRESS = frozenset({Phase.PLANNED, Phase.LOADING, Phase.VERIFIED})
"""Phases in which no version may be reported: to the module it would be the verdict."""


class Reason(IntEnum):
    """Why a slot is FAILED."""

    NONE = 0
    PACKAGE_DIGEST = 1  # MD5 or SHA-256 of the package is wrong
    IMAGE = 2  # the image breaks a rule of its format, or does not fit the slot
    FLASH = 3  # flash does not hold what was written
    SELF_TEST = 4  # the image itself said no
    ATTEMPTS = 5  # the trial was never confirmed
    NOT_INTACT = 6  # the image in flash no longer has its digest
    UNTRUSTED = 7  # no signature that counts here, or an image for another device or version
    ROLLED_BACK = 8  # signed, and older than the floor
    OTHER_BASE = 9  # a delta package for another image than the one that runs


_LATER_REASONS = frozenset({Reason.UNTRUSTED, Reason.ROLLED_BACK, Reason.OTHER_BASE})


class Record(IntEnum):
    """Kinds of single records. The place of each is fixed by kind and index."""

    SETTLED = 0  # the other half is void
    SECTOR = 1  # after a LOADING header: sector *index* is written and verified
    SWITCHED = 2  # after a VERIFIED header, as are the next two: the commit point
    FAILED = 3  # by the bootloader: the trial is over
    ATTEMPT = 4  # by the bootloader: trial boot *index* begins


MAX_ATTEMPTS = 8
_FIRST_PLACE = {
    Record.SETTLED: 0,
    Record.SECTOR: 1,
    Record.SWITCHED: 1,
    Record.FAILED: 2,
    Record.ATTEMPT: 3,
}
_VERIFIED_PLACES = _FIRST_PLACE[Record.ATTEMPT] + MAX_ATTEMPTS


@dataclass(frozen=True, slots=True)
class Package:
    """What 10701 says of the package. *length* in bytes, digests raw."""

    length: int
    md5: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One header, and the checkpoint and the records that were written with it or since."""

    phase: Phase
    generation: int  # one more than the other slot's when this image was planned
    component: str
    version: str  # the version that the image will report
    reason: Reason = Reason.NONE
    package: Package | None = None  # LOADING and later
    image_size: int = 0  # VERIFIED and later; bytes from the slot's start
    image_sha256: bytes = bytes(32)
    piece_start: int = 0  # LOADING: the package offset that the checkpoint belongs to
    sectors_done: int = 0  # LOADING: sectors [0, n) are written and verified: what records say
    checkpoint: bytes = b""  # LOADING: the loader's state at piece_start, empty at 0
    seal: Seal | None = None  # VERIFIED and later, of an image whose signature was verified
    floor: Seal = NO_FLOOR  # the highest of all images that this device had confirmed by then

    @property
    def format_version(self) -> int:
        """The oldest in which all of this can be said."""
        plain = self.seal is None and self.floor == NO_FLOOR
        return FORMAT_VERSION if plain and self.reason not in _LATER_REASONS else SEALED_VERSION


@dataclass(frozen=True, slots=True)
class Reading:
    """What the journal says at this moment: a snapshot and the records of its trial."""

    half: int | None = None
    snapshot: Snapshot | None = None
    settled: bool = False
    switched: bool = False
    attempts: int = 0  # trial boots begun; a torn record counts as one
    failed: bool = False
    turn: int = 0  # of the header, modulo TURNS

    @property
    def phase(self) -> Phase:
        if self.snapshot is None:
            return Phase.EMPTY
        if self.snapshot.phase is not Phase.VERIFIED:
            return self.snapshot.phase
        if self.failed:
            return Phase.FAILED
        return Phase.TRIAL if self.switched else Phase.VERIFIED

    @property
    def generation(self) -> int:
        return self.snapshot.generation if self.snapshot else 0

    @property
    def version(self) -> str:
        return self.snapshot.version if self.snapshot else ""

    @property
    def sectors_done(self) -> int:
        return self.snapshot.sectors_done if self.snapshot else 0

    @property
    def needs_snapshot(self) -> bool:
        """Whether something here may be torn, weak or about to be written to by a past session.

        A snapshot to which no record is ever added, settled, is at rest. All else is replaced
        before anyone acts on it.
        """
        if self.snapshot is None:
            return False
        at_rest = self.snapshot.phase in (Phase.CONFIRMED, Phase.FAILED)
        return not (at_rest and self.settled)

    def current(self) -> Snapshot | None:
        """The snapshot that says in one header what this one and its records say together."""
        if self.snapshot is None:
            return None
        phase = self.phase
        if phase is Phase.TRIAL:
            raise ValueError("a trial cannot be told in a header: confirm or fail it")
        reason = self.snapshot.reason
        if phase is Phase.FAILED and reason is Reason.NONE:
            reason = Reason.ATTEMPTS if self.attempts else Reason.NOT_INTACT
        return replace(self.snapshot, phase=phase, reason=reason)


@dataclass(frozen=True, slots=True)
class _Header:
    """A valid header and its checkpoint; records have not been looked at."""

    half: int
    turn: int
    snapshot: Snapshot


class Journal:
    """The trailer of one slot. *slot_sectors* is the number of sectors that may be recorded."""

    def __init__(self, halves: tuple[Window, Window], slot_sectors: int) -> None:
        self._halves = halves
        unit = halves[0].unit
        self._record_size = _record_size(unit)
        places = max(_FIRST_PLACE[Record.SECTOR] + slot_sectors, _VERIFIED_PLACES)
        self._checkpoint_start = HEADER_SIZE + places * self._record_size
        self._slot_sectors = slot_sectors
        if self._checkpoint_start > halves[0].size:
            raise ValueError(f"{places} records do not fit a half of {halves[0].size} bytes")

    @property
    def checkpoint_capacity(self) -> int:
        """Largest checkpoint in bytes; 0 where the trailer has no room for one."""
        return self._halves[0].size - self._checkpoint_start

    # --- reading

    def read(self) -> Reading:
        """Which half counts, and what its records say. Never raises.

        Looks at no more than it takes to know: of a half without a header at its last header
        unit, at half 1 only where half 0 is not settled.
        """
        unsettled = []
        for half in (0, 1):
            header = self._read_header(half)
            if header is None:
                continue
            if self._is_written(half, Record.SETTLED, header.snapshot):
                return self._read_records(header, settled=True)
            unsettled.append(header)
        return self._read_records(_older(unsettled), settled=False) if unsettled else Reading()

    def _read_header(self, half: int) -> _Header | None:
        """None at the first thing that is wrong; what is behind it is not looked at."""
        window = self._halves[half]
        size = min(len(END_MARK), window.unit)
        if not window.holds(HEADER_SIZE - size, END_MARK[-size:]):
            return None
        raw = window.peek(0, HEADER_SIZE)
        snapshot = None if raw is None else decode_header(raw)
        if raw is None or snapshot is None:
            return None
        if snapshot.checkpoint:
            checkpoint = self._read_checkpoint(half, *struct.unpack("<II", snapshot.checkpoint))
            if checkpoint is None:
                return None
            snapshot = replace(snapshot, checkpoint=checkpoint)
        return _Header(half, raw[TURN_AT] % TURNS, snapshot)

    def _read_checkpoint(self, half: int, length: int, crc: int) -> bytes | None:
        if length > self.checkpoint_capacity:
            return None
        stored = self._halves[half].peek(self._checkpoint_start, length)
        return None if stored is None or zlib.crc32(stored) != crc else stored

    def _read_records(self, header: _Header, *, settled: bool) -> Reading:
        half, snapshot = header.half, header.snapshot
        if snapshot.phase is Phase.LOADING:
            snapshot = replace(snapshot, sectors_done=self._count_sectors(half, snapshot))
        if snapshot.phase is not Phase.VERIFIED:
            return Reading(half, snapshot, settled, turn=header.turn)
        return Reading(
            half,
            snapshot,
            settled,
            switched=settled and self._is_written(half, Record.SWITCHED, snapshot),
            attempts=self._count_attempts(half),
            failed=not self._is_blank(half, Record.FAILED),
            turn=header.turn,
        )

    def _count_sectors(self, half: int, snapshot: Snapshot) -> int:
        """Records are written in order, so the first that is missing ends them."""
        size = self._record_size
        expected = _sector_records(snapshot.generation, self._slot_sectors, size)
        return self._halves[half].match(self._place(Record.SECTOR), expected) // size

    def _count_attempts(self, half: int) -> int:
        """All up to the last place that is not blank: one before it may be spent and read blank."""
        spent = (i for i in range(MAX_ATTEMPTS) if not self._is_blank(half, Record.ATTEMPT, i))
        return max(spent, default=-1) + 1

    def _place(self, record: Record, index: int = 0) -> int:
        return HEADER_SIZE + (_FIRST_PLACE[record] + index) * self._record_size

    def _bytes(self, record: Record, snapshot: Snapshot, index: int) -> bytes:
        return _record_bytes(record, index, snapshot.generation, self._record_size)

    def _is_written(self, half: int, record: Record, snapshot: Snapshot) -> bool:
        return self._halves[half].holds(self._place(record), self._bytes(record, snapshot, 0))

    def _is_blank(self, half: int, record: Record, index: int = 0) -> bool:
        blank = bytes([ERASED]) * self._record_size
        return self._halves[half].holds(self._place(record, index), blank)

    # --- writing

    def snapshot(self, snapshot: Snapshot, old: Reading | None = None) -> Reading:
        """Put *snapshot* in the place of all that the journal says; return the new reading.

        *old* is what was read of it before, where that is known. A cut leaves the old journal or
        the new one, as a whole. Raises VerificationFailed when the trailer does not take it; what
        is found out before the old one is erased leaves that.
        """
        self._check(snapshot)
        old = old or self.read()
        half = 1 if old.half == 0 else 0
        turn = 0 if old.half is None else (old.turn + 1) % TURNS
        window = self._halves[half]
        try:
            self._write_half(window, snapshot, turn)
            if self._held(half) != snapshot:
                raise _worn(window, None)
            self._halves[1 - half].erase_sector(0)
            window.program(self._place(Record.SETTLED), self._bytes(Record.SETTLED, snapshot, 0))
        except OSError as error:
            raise _worn(window, error) from error
        reading = self.read()
        if reading.snapshot != snapshot or not reading.settled:
            raise _worn(window, None)
        return reading

    def _held(self, half: int) -> Snapshot | None:
        """What *half* says by itself."""
        header = self._read_header(half)
        return self._read_records(header, settled=False).snapshot if header else None

    def _check(self, snapshot: Snapshot) -> None:
        """ValueError for what the trailer cannot hold: a bug of ours."""
        if len(snapshot.checkpoint) > self.checkpoint_capacity:
            raise ValueError(f"checkpoint of {len(snapshot.checkpoint)} bytes does not fit")
        most = self._slot_sectors if snapshot.phase is Phase.LOADING else 0
        if not 0 <= snapshot.sectors_done <= most:
            raise ValueError(f"{snapshot.phase.name} with {snapshot.sectors_done} sectors done")

    def _write_half(self, window: Window, snapshot: Snapshot, turn: int) -> None:
        """All of the half is erased, so that it holds what *snapshot* says and nothing else."""
        window.erase_up_to(window.size)
        if snapshot.checkpoint:
            padding = bytes(-len(snapshot.checkpoint) % window.unit)
            window.program(self._checkpoint_start, snapshot.checkpoint + padding)
        if snapshot.sectors_done:
            done = _sector_records(snapshot.generation, self._slot_sectors, self._record_size)
            done = done[: snapshot.sectors_done * self._record_size]
            window.program(self._place(Record.SECTOR), done)
        window.program(0, encode_header(snapshot, turn))

    def record(self, after: Reading, record: Record, index: int = 0) -> None:
        """Add *record* behind the settled snapshot of *after*. A cut may leave it in any state.

        Raises OSError when its place cannot be programmed: a reset may have spoilt it.
        """
        if after.half is None or after.snapshot is None or not after.settled:
            raise ValueError(f"{record.name}: no settled snapshot to add it to")
        window = self._halves[after.half]
        window.program(self._place(record, index), self._bytes(record, after.snapshot, index))


def _older(unsettled: list[_Header]) -> _Header:
    """Of headers that are not settled, half 0 first, the one that was written first."""
    *_, last = unsettled
    return last if (unsettled[0].turn - last.turn) % TURNS == 1 else unsettled[0]


def _record_bytes(record: Record, index: int, generation: int, size: int) -> bytes:
    """A record is known in advance to the last bit, so that nothing torn can pass for it."""
    word = struct.pack("<BBHI", 0x4A, record, index, generation)
    return word * (size // len(word))


def settled_record(generation: int, unit: int) -> bytes:
    """SETTLED, as it stands behind a header in flash of this program unit."""
    return _record_bytes(Record.SETTLED, 0, generation, _record_size(unit))


def _record_size(unit: int) -> int:
    return max(8, unit)


@lru_cache(maxsize=8)
def _sector_records(generation: int, count: int, size: int) -> bytes:
    """SECTOR records 0 to *count* - 1 as they stand in flash."""
    return b"".join(_record_bytes(Record.SECTOR, i, generation, size) for i in range(count))


def _worn(window: Window, error: OSError | None) -> VerificationFailed:
    return VerificationFailed(
        "the trailer does not hold the journal",
        where=address_text(window.address),
        expected="what was written",
        found=str(error) if error else "something else",
        then="The active slot is untouched; the sector is worn out or protected",
    )


def encode_header(snapshot: Snapshot, turn: int = 0) -> bytes:
    """The 256 bytes of a header; the end mark is its last word, so the last unit completes it.

    Raises ValueError for a component or a version that does not fit; they are never cut short.
    """
    for name, text, limit in (
        ("component", snapshot.component, COMPONENT_SIZE),
        ("version", snapshot.version, VERSION_SIZE),
    ):
        if len(text.encode()) > limit:
            raise ValueError(f"{name} {text!r}: at most {limit} bytes")
    package = snapshot.package or Package(0, bytes(16), bytes(32))
    body = _HEADER.pack(
        _MAGIC,
        snapshot.format_version,
        snapshot.phase,
        snapshot.reason,
        snapshot.generation,
        snapshot.image_size,
        package.length,
        snapshot.piece_start,
        package.md5,
        package.sha256,
        snapshot.image_sha256,
        snapshot.component.encode(),
        snapshot.version.encode(),
        snapshot.package is not None,
    )
    body += struct.pack("<IIB", len(snapshot.checkpoint), zlib.crc32(snapshot.checkpoint), turn)
    seal, floor = snapshot.seal or NO_FLOOR, snapshot.floor
    body += _SEALS.pack(
        snapshot.seal is not None,
        seal.version.pack(),
        seal.counter,
        floor.version.pack(),
        floor.counter,
    )
    body = body.ljust(HEADER_SIZE - _END.size, b"\0")
    return body + _END.pack(zlib.crc32(body), END_MARK)


def with_turn(raw: bytes, turn: int) -> bytes:
    """The 256 bytes of a header, with another turn."""
    body = raw[:TURN_AT] + bytes([turn]) + raw[TURN_AT + 1 : -_END.size]
    return body + _END.pack(zlib.crc32(body), END_MARK)


@lru_cache(maxsize=16)  # the journal is read at every step, and seldom says something new
def decode_header(raw: bytes) -> Snapshot | None:
    """The snapshot of 256 bytes, or None when they are no header of this format.

    Its checkpoint holds length and CRC as they stand in the header, empty when there is none; of
    sectors done the header says nothing.
    """
    if len(raw) != HEADER_SIZE:
        return None
    body = raw[: -_END.size]
    if _END.unpack_from(raw, len(body)) != (zlib.crc32(body), END_MARK):
        return None
    try:
        return _snapshot_of(body)
    except ValueError:  # a phase, a reason or a text that no version of this program writes
        return None


def _snapshot_of(body: bytes) -> Snapshot | None:
    magic, version, phase, reason, generation, image_size, length, piece_start, *rest = (
        _HEADER.unpack_from(body)
    )
    md5, sha256, image_sha256, component, target, has_package = rest
    if magic != _MAGIC or phase == Phase.TRIAL:
        return None
    seal, floor = _seals_of(body) if version == SEALED_VERSION else (None, NO_FLOOR)
    checkpoint = body[_HEADER.size : _HEADER.size + 8]
    snapshot = Snapshot(
        Phase(phase),
        generation,
        component.decode(),
        target.decode(),
        Reason(reason),
        Package(length, md5, sha256) if has_package else None,
        image_size,
        image_sha256,
        piece_start,
        checkpoint=b"" if checkpoint[:4] == bytes(4) else checkpoint,
        seal=seal,
        floor=floor,
    )
    return snapshot if snapshot.format_version == version else None


def _seals_of(body: bytes) -> tuple[Seal | None, Seal]:
    """Of the image, where it has one; and the floor."""
    has_seal, version, counter, floor_version, floor_counter = _SEALS.unpack_from(body, _SEALS_AT)
    seal = Seal(Version.unpack(version), counter) if has_seal else None
    return seal, Seal(Version.unpack(floor_version), floor_counter)
