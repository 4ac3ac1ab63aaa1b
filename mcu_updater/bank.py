"""A bank as the updater sees it: its slot, and the journal in the slot's trailer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from mcu_updater.flash import BankSwitch, FlashDevice
from mcu_updater.journal import Journal, Snapshot
from mcu_updater.slot import Layout, Window

_CHUNK = 16 * 1024  # bytes read at a time while a digest is taken


@dataclass(frozen=True, slots=True)
class Bank:
    """Bank *index* (0 or 1, physical)."""

    index: int
    slot: Window
    journal: Journal

    @property
    def name(self) -> str:
        """``A`` or ``B``, as people call them."""
        return "AB"[self.index]

    def image_digest(self, size: int) -> bytes | None:
        """SHA-256 of the slot's first *size* bytes; None where flash cannot be read."""
        digest = hashlib.sha256()
        for offset in range(0, size, _CHUNK):
            data = self.slot.peek(offset, min(_CHUNK, size - offset))
            if data is None:
                return None
            digest.update(data)
        return digest.digest()

    def is_intact(self, snapshot: Snapshot) -> bool:
        """Whether the image that *snapshot* tells of stands in the slot, to the last bit."""
        if not 0 < snapshot.image_size <= self.slot.size:
            return False
        return self.image_digest(snapshot.image_size) == snapshot.image_sha256


def open_banks(device: FlashDevice, switch: BankSwitch, layout: Layout) -> tuple[Bank, Bank]:
    """Both banks, bank 0 first, as they are mapped now. Open them again after a remap."""

    def open_bank(index: int) -> Bank:
        mapped = index == switch.mapped_bank
        slot = Window.of_bank(device, layout.slot, mapped=mapped)
        first, second = (Window.of_bank(device, half, mapped=mapped) for half in layout.halves)
        return Bank(index, slot, Journal((first, second), len(layout.slot.sector_sizes)))

    return open_bank(0), open_bank(1)
