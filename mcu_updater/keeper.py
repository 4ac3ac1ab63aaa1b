"""Writes journals, and knows which of them were written since this start of the MCU.

Only those may have records added: in any other, the place of the next record may be spoilt.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from mcu_updater.bank import Bank
from mcu_updater.events import Event, JournalWritten
from mcu_updater.journal import Reading, Record, Snapshot


class Keeper:
    """One for each start. Banks are told apart by their index."""

    def __init__(self) -> None:
        self._written: dict[int, Reading] = {}

    def is_renewed(self, bank: Bank, reading: Reading) -> bool:
        """Whether *bank*'s journal was written since this start, or needs no writing."""
        return bank.index in self._written or not reading.needs_snapshot

    def write(self, bank: Bank, snapshot: Snapshot, detail: str = "") -> Iterator[Event]:
        """A new snapshot. Raises VerificationFailed when the trailer does not take it."""
        self._written[bank.index] = bank.journal.snapshot(snapshot)
        yield JournalWritten(bank.name, snapshot.phase.name, detail)

    def record(self, bank: Bank, record: Record, index: int = 0) -> None:
        """A record behind the snapshot that was written here. Raises OSError when it fails."""
        bank.journal.record(self._written[bank.index], record, index)

    def memory(self) -> Hashable:
        """The banks whose journals were written since this start, unless that left them at rest.

        What was written is in flash, and at rest ``is_renewed`` is true after any start.
        """
        return frozenset(bank for bank, read in self._written.items() if read.needs_snapshot)
