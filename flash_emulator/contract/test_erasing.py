"""What an erase does, and what it leaves alone."""

from __future__ import annotations

from flash_emulator.contract.bench import check, fill, fill_sector
from flash_emulator.contract.layout import Expected, Layout
from flash_emulator.contract.shape import Flash


def test_an_erase_restores_ff_over_exactly_one_sector(
    device: Flash, expected: Expected, layout: Layout
) -> None:
    """After an erase all of the sector reads 0xFF, and no other byte of the device has changed: not
    in the sectors before and behind it, be they of another size, nor in the other bank."""
    for sector in layout.sectors:
        fill(device, expected, layout.ends(sector))
    for sector in layout.landmarks:
        device.erase(sector.address)
        expected.erase(sector)
        check(device, expected)


def test_an_erase_of_a_full_sector_restores_all_of_it(
    device: Flash, expected: Expected, layout: Layout
) -> None:
    """Every unit of a sector reads 0xFF after an erase, and can be programmed again."""
    fill_sector(device, expected, layout.small)
    device.erase(layout.small.address)
    expected.erase(layout.small)
    check(device, expected)
    fill_sector(device, expected, layout.small, salt=1)
    check(device, expected)


def test_a_unit_is_programmable_after_each_erase(
    device: Flash, expected: Expected, layout: Layout
) -> None:
    """Erase and program may follow one another again and again."""
    for sector in layout.on_edges:
        for salt in range(5):
            fill(device, expected, layout.ends(sector), salt=salt)
            check(device, expected)
            device.erase(sector.address)
            expected.erase(sector)
            check(device, expected)


def test_an_erased_sector_may_be_erased(device: Flash, expected: Expected, layout: Layout) -> None:
    """An erase of an erased sector changes nothing, and its units can be programmed."""
    for sector in layout.landmarks:
        device.erase(sector.address)
        device.erase(sector.address)
    check(device, expected)
    for sector in layout.landmarks:
        fill(device, expected, layout.ends(sector))
    check(device, expected)


def test_an_erase_leaves_erased_neighbours_programmable(
    device: Flash, expected: Expected, layout: Layout
) -> None:
    """Units outside the erased sector that were erased before can still be programmed, and those
    that were programmed keep their data."""
    for sector in layout.on_edges:
        device.erase(sector.address)
    others = [sector for sector in layout.landmarks if sector not in layout.on_edges]
    for sector in others:
        fill(device, expected, layout.ends(sector))
    for sector in layout.on_edges:
        device.erase(sector.address)
    check(device, expected)
