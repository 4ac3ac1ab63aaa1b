"""Copies the chosen image to where it runs (strategy ``copy``).

The execution slot has a journal of the same format as the storage slots, written here and nowhere
else. It says which image stands there:

    CONFIRMED   the image of the header, complete: its digest was read back
    LOADING     that image is being copied; sectors below the count are written and verified
    else        nothing is known

An installation that was cut goes on by the ordinary start: a LOADING journal of the same image is
renewed, and the copy continues behind the sectors done. The sector after them is erased whatever
it reads, so a cut costs one sector, and what is in flash afterwards depends on progress alone.
The journals of the storage slots are not touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from mcu_updater.core.bank import Bank, open_banks, open_execution
from mcu_updater.core.errors import VerificationFailed, address_text
from mcu_updater.core.flash import FlashDevice
from mcu_updater.core.image import Extent
from mcu_updater.core.journal import JournalState, Phase, Record, Snapshot
from mcu_updater.core.slot import CopyLayout
from mcu_updater.core.writer import SectorWriter


class Installer:
    """A BankSwitch for parts whose banks are not exchanged: to map a bank is to install its image.

    ``sectors_written`` counts what that took.
    """

    maps_at_once = True
    mapped_bank = 0

    def __init__(self, device: FlashDevice, layout: CopyLayout) -> None:
        self._device = device
        self._layout = layout
        self.sectors_written = 0

    def map_bank(self, bank: int) -> None:
        """Make sure that the execution slot holds the image of *bank*. See ``install``."""
        source = open_banks(self._device, self, self._layout)[bank]
        for _ in install(source, open_execution(self._device, self._layout)):
            self.sectors_written += 1


def install(source: Bank, execution: Bank) -> Iterator[int]:
    """Copy the image of *source* to *execution* where it does not stand there already.

    Yields the index of each sector when it is written, verified and recorded. A cut leaves the
    execution slot incomplete and its journal saying so; *source* is only read.
    Raises VerificationFailed when the execution slot does not hold what was written, or *source*
    cannot be read; ImageRejected when it begins neither with a header nor with a vector table.
    """
    wanted = source.journal.read().snapshot
    if wanted is None:
        raise VerificationFailed(
            "no journal of the image to install can be read",
            where=f"bank {source.name}",
            then="The next start looks at it again",
        )
    reading = execution.journal.read()
    if _holds(reading, wanted):
        if execution.is_intact(wanted):
            if reading.needs_snapshot:
                execution.journal.snapshot(_told(wanted, Phase.CONFIRMED))
            return
        reading = JournalState()  # complete once, damaged since
    done = reading.sectors_done if is_of(reading.snapshot, wanted) else 0
    for start in (done, 0):  # once more from the first sector
        yield from _copy(source, execution, wanted, start)
        if execution.is_intact(wanted):
            execution.journal.snapshot(_told(wanted, Phase.CONFIRMED))
            return
    raise VerificationFailed(
        "the execution slot does not hold the image that was copied to it",
        where=address_text(execution.slot.address),
        expected=f"SHA-256 {wanted.image_sha256.hex()}",
        found="another",
        then=f"Bank {source.name} is untouched; the next start copies it again",
    )


def is_of(held: Snapshot | None, wanted: Snapshot | None) -> bool:
    """Whether *held* tells of the image that *wanted* tells of."""
    if held is None or wanted is None:
        return False
    return _identity(held) == _identity(wanted)


def _identity(snapshot: Snapshot) -> tuple[str, int, bytes]:
    return snapshot.version, snapshot.image_size, snapshot.image_sha256


def _holds(reading: JournalState, wanted: Snapshot) -> bool:
    return reading.phase is Phase.CONFIRMED and is_of(reading.snapshot, wanted)


def _told(wanted: Snapshot, phase: Phase, done: int = 0) -> Snapshot:
    """What the execution slot's journal says of *wanted*."""
    return Snapshot(
        phase,
        wanted.generation,
        wanted.component,
        wanted.version,
        image_size=wanted.image_size,
        image_sha256=wanted.image_sha256,
        sectors_done=done,
    )


def _copy(source: Bank, execution: Bank, wanted: Snapshot, done: int) -> Iterator[int]:
    """Sectors from *done* on, behind a new LOADING snapshot."""
    loading = _told(wanted, Phase.LOADING, done)
    after = execution.journal.snapshot(loading)
    plain = wanted.security_version is None  # a signed image begins with its header
    writer = SectorWriter(execution.slot, hashlib.sha256(), done=done, check_vectors=plain)
    for sector in _sectors(writer, source, execution, wanted.image_size):
        try:
            execution.journal.record(after, Record.SECTOR, sector)
        except OSError:  # the place is worn: say it in a header
            after = execution.journal.snapshot(replace(loading, sectors_done=sector + 1))
        yield sector


def _sectors(writer: SectorWriter, source: Bank, execution: Bank, size: int) -> Iterator[int]:
    """Feed the image to *writer*, a sector of *execution* at a time: all of it is read before that
    sector is touched, and it is all that a device need hold in RAM."""
    slot, target = source.slot, execution.slot
    for offset, length in zip(target.sector_starts, target.sector_sizes, strict=True):
        if offset >= size:
            break
        data = slot.peek(offset, min(length, size - offset))
        if data is None:
            raise VerificationFailed(
                "the image to install cannot be read any more",
                where=f"bank {source.name}, {address_text(slot.address + offset)}",
                then="The next start looks at it again",
            )
        yield from writer.put(Extent(slot.link_address + offset, data, 0))
    yield from writer.finish()
