"""Writes journals, and knows which of them were written since this start of the MCU.

Only those may have records added: in any other, the place of the next record may be spoilt.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from mcu_updater.core.bank import Bank
from mcu_updater.core.errors import InternalError
from mcu_updater.core.events import Event, JournalWritten
from mcu_updater.core.journal import JournalState, Record, Snapshot


class JournalSession:
    """One for each start. Banks are told apart by their index.

    A journal is read again only where a record was added to it: a header that fades may read
    otherwise the next time, and what was decided by one reading is done by the same.
    """

    def __init__(self) -> None:
        self._written: dict[int, JournalState] = {}
        self._known: dict[int, JournalState] = {}

    def read(self, bank: Bank) -> JournalState:
        """What *bank*'s journal says."""
        reading = self._known.get(bank.index)
        if reading is None:
            reading = self._known[bank.index] = bank.journal.read()
        return reading

    def current(self, bank: Bank) -> Snapshot:
        """``read(bank).current()`` where an upgrade is known to be there. ValueError: our bug."""
        snapshot = self.read(bank).current()
        if snapshot is None:
            raise InternalError("no snapshot in the journal")
        return snapshot

    def is_renewed(self, bank: Bank, reading: JournalState) -> bool:
        """Whether *bank*'s journal was written since this start, or needs no writing."""
        return bank.index in self._written or not reading.needs_snapshot

    def write(self, bank: Bank, snapshot: Snapshot, detail: str = "") -> Iterator[Event]:
        """A new snapshot. Raises VerificationFailed when the trailer does not take it."""
        old = self.read(bank)
        del self._known[bank.index]
        written = bank.journal.snapshot(snapshot, old)
        self._written[bank.index] = self._known[bank.index] = written
        yield JournalWritten(bank.name, snapshot.phase.name, detail)

    def record(self, bank: Bank, record: Record, index: int = 0) -> None:
        """A record behind the snapshot that was written here. Raises OSError when it fails."""
        self._known.pop(bank.index, None)
        bank.journal.record(self._written[bank.index], record, index)

    def memory(self) -> Hashable:
        """What was read; and the banks whose journals were written since this start, unless that
        left them at rest.

        What was written is in flash, and at rest ``is_renewed`` is true after any start.
        """
        unrest = frozenset(bank for bank, read in self._written.items() if read.needs_snapshot)
        return unrest, tuple(sorted(self._known.items(), key=lambda known: known[0]))
