"""Windows and layouts: offsets in, addresses out."""

from __future__ import annotations

from itertools import pairwise

import pytest

from flash_emulator import EmulatedFlash, load_part
from mcu_updater.core.errors import UsageError
from mcu_updater.core.slot import Layout, Region, Window
from mcu_updater.flash_map.layouts import default_layout
from tests.worlds import LINK_ADDRESS, PART, tiny_part

SIZES = (64, 64, 128, 256)
BANK = sum(SIZES)
BASE = 0x0800_0000


def test_a_layout_lays_slot_and_halves_one_behind_the_other() -> None:
    layout = Layout.of(tiny_part(SIZES), boot=1, slot=1, half=1)
    assert layout.slot == Region(64, (64,))
    assert layout.halves == (Region(128, (128,)), Region(256, (256,)))


def test_what_does_not_fit_a_bank_is_refused_in_sectors() -> None:
    part = tiny_part(SIZES)
    Layout.of(part, boot=0, slot=2, half=1)
    with pytest.raises(UsageError, match=r"at most 4 sectors, found 1 \+ 2 \+ 2 x 1"):
        Layout.of(part, boot=1, slot=2, half=1)


def test_the_default_layout_fits_its_part_and_its_regions_do_not_overlap() -> None:
    part = load_part(PART)
    layout = default_layout(part)
    assert isinstance(layout, Layout)
    assert part.base + layout.slot.offset == LINK_ADDRESS
    regions = (layout.slot, *layout.halves)
    for lower, upper in pairwise(regions):
        assert lower.offset + lower.size == upper.offset
    assert regions[-1].offset + regions[-1].size <= part.bank_size


def test_no_layout_is_made_up_for_a_part_without_one() -> None:
    with pytest.raises(UsageError, match=f"tiny.*{PART}"):
        default_layout(tiny_part(SIZES))


@pytest.mark.parametrize("distance", [0, BANK])
def test_a_window_lies_where_its_bank_is_and_links_where_it_will_be(distance: int) -> None:
    device = EmulatedFlash(tiny_part(SIZES))
    window = Window.of_bank(device, Region(128, (128, 256)), distance)
    assert (window.address, window.link_address) == (BASE + distance + 128, BASE + 128)
    assert (window.size, window.unit) == (384, 8)
    assert (window.sector_sizes, window.sector_starts) == ((128, 256), (0, 128))


def test_a_window_of_its_own_links_where_it_lies() -> None:
    window = Window(EmulatedFlash(tiny_part(SIZES)), BASE + 64, (64,))
    assert window.link_address == window.address


def test_offsets_are_relative_to_the_window() -> None:
    device = EmulatedFlash(tiny_part(SIZES))
    window = Window(device, BASE + 64, (64, 128))
    window.program(8, bytes(range(16)))
    assert device.read(BASE + 72, 16) == bytes(range(16))
    assert window.read(9, 3) == b"\x01\x02\x03"
    device.program(BASE + 128, bytes(8))
    window.erase_sector(1)
    assert device.read(BASE + 128, 8) == b"\xff" * 8
    assert device.read(BASE + 72, 16) == bytes(range(16))


def test_to_peek_is_to_read_without_an_error() -> None:
    device = EmulatedFlash(tiny_part(SIZES))
    window = Window(device, BASE, (64,))
    device.spoil(BASE + 8)
    assert window.peek(0, 8) == b"\xff" * 8
    assert window.peek(0, 9) is None
    with pytest.raises(OSError, match="ECC"):
        window.read(0, 9)


@pytest.mark.parametrize(
    ("end", "sectors"), [(0, 0), (1, 1), (64, 1), (65, 2), (128, 2), (129, 3), (256, 3)]
)
def test_erase_up_to_takes_the_sectors_that_hold_a_byte_below_the_end(
    end: int, sectors: int
) -> None:
    device = EmulatedFlash(tiny_part(SIZES))
    window = Window(device, BASE, (64, 64, 128))
    window.program(0, bytes(256))
    window.erase_up_to(end)
    erased = sum(window.sector_sizes[:sectors])
    assert window.read(0, 256) == b"\xff" * erased + bytes(256 - erased)
    assert device.usage.erases == sectors
