"""A bank as the updater sees it: its slot, and the journal in the slot's trailer."""

from __future__ import annotations

from dataclasses import dataclass

from mcu_updater.core.flash import BankSwitch, FlashDevice
from mcu_updater.core.journal import Journal, Snapshot
from mcu_updater.core.slot import AnyLayout, CopyLayout, Layout, Window

EXECUTION = 2
"""Index of the execution slot, where there is one."""

NAMES = ("A", "B", "execution slot")
"""By index."""


@dataclass(frozen=True, slots=True)
class Bank:
    """Bank *index*: 0 or 1, physical; or the execution slot. *halves* is the journal's place."""

    index: int
    slot: Window
    halves: tuple[Window, Window]
    journal: Journal

    @property
    def name(self) -> str:
        """``A`` or ``B``, as people call them, or ``execution slot``."""
        return NAMES[self.index]

    def is_intact(self, snapshot: Snapshot) -> bool:
        """Whether the image that *snapshot* tells of stands in the slot, to the last bit."""
        if not 0 < snapshot.image_size <= self.slot.size:
            return False
        return self.slot.sha256(snapshot.image_size) == snapshot.image_sha256


def open_banks(device: FlashDevice, switch: BankSwitch, layout: AnyLayout) -> tuple[Bank, Bank]:
    """Both banks, bank 0 first, as they are mapped now. Open them again after a remap."""
    if isinstance(layout, CopyLayout):
        runs_at = device.geometry.base + layout.execution.slot.offset
        first, second = layout.storage
        return _open_area(device, 0, first, runs_at), _open_area(device, 1, second, runs_at)

    mapped, bank_size = switch.mapped_bank, sum(device.geometry.sector_sizes)

    def open_bank(index: int) -> Bank:
        distance = 0 if index == mapped else bank_size
        slot, *halves = (Window.of_bank(device, region, distance) for region in layout.regions)
        return _bank(index, slot, tuple(halves))

    return open_bank(0), open_bank(1)


def open_execution(device: FlashDevice, layout: CopyLayout) -> Bank:
    """The execution slot and its journal."""
    return _open_area(device, EXECUTION, layout.execution, None)


def _open_area(device: FlashDevice, index: int, area: Layout, runs_at: int | None) -> Bank:
    slot = Window.of_array(device, area.slot, runs_at)
    return _bank(index, slot, tuple(Window.of_array(device, half) for half in area.halves))


def _bank(index: int, slot: Window, halves: tuple[Window, ...]) -> Bank:
    first, second = halves
    return Bank(index, slot, (first, second), Journal((first, second), len(slot.sector_sizes)))
