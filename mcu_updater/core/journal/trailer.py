"""The two halves of a slot's trailer: which of them counts, what it says, how it is replaced."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace

from mcu_updater.core.errors import VerificationFailed, address_text
from mcu_updater.core.journal.header import (
    END_MARK,
    HEADER_SIZE,
    TURN_AT,
    TURNS,
    decode_header,
    encode_header,
)
from mcu_updater.core.journal.records import (
    MAX_ATTEMPTS,
    Record,
    checkpoint_offset,
    record_bytes,
    record_offset,
    record_size,
    sector_records,
)
from mcu_updater.core.journal.snapshot import Phase, Reason, Snapshot
from mcu_updater.core.slot import ERASED, Window


@dataclass(frozen=True, slots=True)
class JournalState:
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
        self._record_size = record_size(unit)
        self._checkpoint_start = checkpoint_offset(slot_sectors, self._record_size)
        self._slot_sectors = slot_sectors
        if self._checkpoint_start > halves[0].size:
            raise ValueError(
                f"{self._checkpoint_start} bytes do not fit a half of {halves[0].size}"
            )

    @property
    def checkpoint_capacity(self) -> int:
        """Largest checkpoint in bytes; 0 where the trailer has no room for one."""
        return self._halves[0].size - self._checkpoint_start

    # --- reading

    def read(self) -> JournalState:
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
        return self._read_records(_older(unsettled), settled=False) if unsettled else JournalState()

    def _read_header(self, half: int) -> _Header | None:
        """None at the first thing that is wrong; what is behind it is not looked at."""
        window = self._halves[half]
        size = min(len(END_MARK), window.unit)
        if not window.holds(HEADER_SIZE - size, END_MARK[-size:]):
            return None
        raw = window.peek(0, HEADER_SIZE)
        # as plain bytes: its CRC says whether it is one, and whoever is told what is compared with
        # what was read is told the same whether or not such a header was decoded before
        snapshot = None if raw is None else decode_header(bytes(raw))
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

    def _read_records(self, header: _Header, *, settled: bool) -> JournalState:
        half, snapshot = header.half, header.snapshot
        if snapshot.phase is Phase.LOADING:
            snapshot = replace(snapshot, sectors_done=self._count_sectors(half, snapshot))
        if snapshot.phase is not Phase.VERIFIED:
            return JournalState(half, snapshot, settled, turn=header.turn)
        return JournalState(
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
        expected = sector_records(snapshot.generation, self._slot_sectors, size)
        return self._halves[half].match(self._place(Record.SECTOR), expected) // size

    def _count_attempts(self, half: int) -> int:
        """All up to the last place that is not blank: one before it may be spent and read blank."""
        spent = (i for i in range(MAX_ATTEMPTS) if not self._is_blank(half, Record.ATTEMPT, i))
        return max(spent, default=-1) + 1

    def _place(self, record: Record, index: int = 0) -> int:
        return record_offset(record, index, self._record_size)

    def _bytes(self, record: Record, snapshot: Snapshot, index: int) -> bytes:
        return record_bytes(record, index, snapshot.generation, self._record_size)

    def _is_written(self, half: int, record: Record, snapshot: Snapshot) -> bool:
        return self._halves[half].holds(self._place(record), self._bytes(record, snapshot, 0))

    def _is_blank(self, half: int, record: Record, index: int = 0) -> bool:
        blank = bytes([ERASED]) * self._record_size
        return self._halves[half].holds(self._place(record, index), blank)

    # --- writing

    def snapshot(self, snapshot: Snapshot, old: JournalState | None = None) -> JournalState:
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
            done = sector_records(snapshot.generation, self._slot_sectors, self._record_size)
            done = done[: snapshot.sectors_done * self._record_size]
            window.program(self._place(Record.SECTOR), done)
        window.program(0, encode_header(snapshot, turn))

    def record(self, after: JournalState, record: Record, index: int = 0) -> None:
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


def _worn(window: Window, error: OSError | None) -> VerificationFailed:
    return VerificationFailed(
        "the trailer does not hold the journal",
        where=address_text(window.address),
        expected="what was written",
        found=str(error) if error else "something else",
        then="The active slot is untouched; the sector is worn out or protected",
    )
