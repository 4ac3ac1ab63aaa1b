"""Your HAL, function by function, as src/fwu_hal.h says what each must do: hal_test.c asks it.

A function whose test fails makes an update fail in the field, or lose the device: see README.md.
"""

from __future__ import annotations

import pytest

from mcu_updater.devkit import Cause, Device, HalSession, sum_of

BYTES = bytes((7 * i + 1) % 251 for i in range(256))
RING = bytes(range(1, 255)) + b"\x01\x02"  # 256 bytes, which a HAL must keep


@pytest.fixture
def hal(device: Device) -> HalSession:
    return HalSession(device)


def places(device: Device) -> tuple[int, int]:
    """A sector of each half of flash that an update writes to."""
    return device.slot.start, device.other_slot.start


def sector_size(device: Device, address: int) -> int:
    return device.part.sector_starts[address - device.part.base]


def needs_exchange(device: Device) -> None:
    if not device.exchanges_banks:
        pytest.skip("images are copied: no bank is mapped")


def needs_swap(device: Device) -> None:
    if device.strategy != "swap-option":
        pytest.skip("no option of this strategy exchanges banks")


# --- fwu_hal_read


def test_read_is_exact_at_any_address_to_any_place(hal: HalSession, device: Device) -> None:
    unit = device.part.program_unit
    for address in places(device):
        hal.flash.preload(address, BYTES)

    def script() -> None:
        for address in places(device):
            for at in (*range(unit + 1), 61, 130):
                for size in (1, 2, 3, unit - 1 or 1, unit + 1, 31):
                    found = hal.read(address + at, size, offset=at + size)
                    assert found == BYTES[at : at + size], (hex(address + at), size)
            assert hal.read(address, len(BYTES)) == BYTES

    hal.run(script)


def test_read_says_each_time_where_a_unit_cannot_be_read(hal: HalSession, device: Device) -> None:
    """A cut leaves such units, and the journal knows by them that a write was not finished."""
    if not device.has_ecc:
        pytest.skip("this chip has no ECC: every unit can be read")
    unit = device.part.program_unit
    for address in places(device):
        hal.flash.preload(address, BYTES[: 3 * unit])
        hal.flash.spoil(address + unit)

    def script() -> None:
        for address in places(device):
            for _ in range(2):
                for at, size in ((unit, 1), (unit - 1, 2), (2 * unit - 1, 1), (0, 3 * unit)):
                    assert hal.read(address + at, size) is None, (hex(address + at), size)
                assert hal.read(address + unit - 1, 1) == BYTES[unit - 1 : unit]
                assert hal.read(address + 2 * unit, 1) == BYTES[2 * unit : 2 * unit + 1]
            assert hal.erase(address)
            assert hal.read(address + unit, 1) == b"\xff"

    hal.run(script)


# --- fwu_hal_program


def test_program_writes_these_units_and_no_other(hal: HalSession, device: Device) -> None:
    unit = device.part.program_unit
    before = hal.content()
    sizes = (unit, 4 * unit, min(16 * unit, 256))

    def script() -> None:
        for address in places(device):
            at = address + unit
            for size in sizes:
                assert hal.program(at, BYTES[:size]), f"{size} bytes at {at:#x}"
                assert hal.read(at, size) == BYTES[:size], f"{size} bytes at {at:#x}"
                at += size + unit

    hal.run(script)
    expected = bytearray(before)
    for address in places(device):
        at = address + unit - device.part.base
        for size in sizes:
            expected[at : at + size] = BYTES[:size]
            at += size + unit
    assert hal.content() == bytes(expected)
    done = [op.address for op in hal.operations("program")]
    assert done == sorted(done), "units must be programmed in ascending order"


def test_program_says_where_a_unit_is_not_blank(hal: HalSession, device: Device) -> None:
    unit = device.part.program_unit
    for address in places(device):
        hal.flash.preload(address + 2 * unit, b"\x12" * unit)

    def script() -> None:
        for address in places(device):
            assert not hal.program(address + 2 * unit, BYTES[:unit])
            assert not hal.program(address, BYTES[: 3 * unit]), "the last of three is not blank"
            assert hal.read(address, 2 * unit) == BYTES[: 2 * unit], "the units before it are done"
            assert hal.read(address + 2 * unit, unit) == b"\x12" * unit
            assert hal.program(address + 3 * unit, BYTES[:unit]), "an error must not stay"

    hal.run(script)


def test_a_sector_that_is_protected_is_no_success(device: Device) -> None:
    begin = device.slot.start
    hal = HalSession(device, protected=[range(begin, begin + sector_size(device, begin))])
    unit = device.part.program_unit

    def script() -> None:
        assert not hal.program(begin, BYTES[:unit])
        assert not hal.erase(begin)
        behind = begin + sector_size(device, begin)
        if behind < device.slot.stop:
            hal.erase(device.slot.stop - sector_size(device, begin))

    hal.run(script)


# --- fwu_hal_erase


def sectors(device: Device) -> list[int]:
    """The first two and the last one of each slot."""
    base = device.part.base
    return [
        found[index]
        for slot in (device.slot, device.other_slot)
        for found in [[base + at for at in device.part.sector_starts if base + at in slot]]
        for index in (0, 1, -1)
        if len(found) > 2
    ]


def test_erase_erases_this_sector_and_no_other(hal: HalSession, device: Device) -> None:
    """The first unit and the last one of a sector and of its neighbours hold something."""
    base, unit = device.part.base, device.part.program_unit
    for slot in (device.slot, device.other_slot):
        for at, size in device.part.sector_starts.items():
            if base + at in slot:
                hal.flash.preload(base + at, BYTES[:unit])
                hal.flash.preload(base + at + size - unit, BYTES[:unit])
    expected = bytearray(hal.content())

    def script() -> None:
        for address in sectors(device):
            assert hal.erase(address), hex(address)
            size = sector_size(device, address)
            assert hal.read(address, unit) == b"\xff" * unit, hex(address)
            assert hal.read(address + size - unit, unit) == b"\xff" * unit, hex(address)

    hal.run(script)
    for address in sectors(device):
        at, size = address - base, sector_size(device, address)
        expected[at : at + size] = b"\xff" * size
    assert hal.content() == bytes(expected)


def test_erase_does_not_skip_what_reads_blank(hal: HalSession, device: Device) -> None:
    """After a cut, cells that read blank may hold too little charge to stay so."""

    def script() -> None:
        for address in places(device):
            assert hal.erase(address)
            assert hal.erase(address)

    hal.run(script)
    first, second = places(device)
    assert [op.address for op in hal.operations("erase")] == [first, first, second, second]


def test_erase_and_program_go_together(hal: HalSession, device: Device) -> None:
    """As often as an update does it: no lock, flag or mode stays behind."""
    unit = device.part.program_unit

    def script() -> None:
        for round_ in range(3):
            for address in places(device):
                assert hal.erase(address)
                assert hal.program(address, BYTES[round_ : round_ + unit])
                assert hal.read(address, unit) == BYTES[round_ : round_ + unit]

    hal.run(script)


# --- fwu_hal_mapped_bank, fwu_hal_map_bank


def test_remap_exchanges_the_banks_at_once(hal: HalSession, device: Device) -> None:
    if device.strategy != "remap":
        pytest.skip("no remap of this strategy")
    unit = device.part.program_unit
    slot, other = places(device)
    hal.flash.preload(slot, b"\x01" * unit)
    hal.flash.preload(other, b"\x02" * unit)

    def script() -> None:
        assert hal.mapped_bank() == 0
        assert hal.map_bank(1)
        assert hal.mapped_bank() == 1
        assert hal.read(slot, unit) == b"\x02" * unit, "bank 2 must be seen at the first address"
        assert hal.read(other, unit) == b"\x01" * unit
        assert hal.erase(slot), "of bank 2, which is here now"
        assert hal.program(slot, BYTES[:unit])
        assert hal.map_bank(0)
        assert hal.mapped_bank() == 0
        assert hal.read(other, unit) == BYTES[:unit]
        assert hal.read(slot, unit) == b"\x01" * unit
        assert hal.map_bank(1)
        hal.reset()
        assert hal.mapped_bank() == 0, "a reset takes it back"

    hal.run(script)


def test_swap_counts_from_the_next_reset_on(hal: HalSession, device: Device) -> None:
    needs_swap(device)
    unit = device.part.program_unit
    slot, other = places(device)
    hal.flash.preload(other, b"\x02" * unit)

    def script() -> None:
        assert hal.mapped_bank() == 0
        assert hal.map_bank(1)
        assert hal.mapped_bank() == 0, "it counts from the next reset on"
        hal.reset()
        assert hal.mapped_bank() == 1
        assert hal.read(slot, unit) == b"\x02" * unit
        assert hal.erase(slot)
        assert hal.program(slot, BYTES[:unit])
        assert hal.read(slot, unit) == BYTES[:unit]

    hal.run(script)


def test_no_bank_is_mapped_that_holds_no_bootloader(device: Device) -> None:
    needs_exchange(device)
    hal = HalSession(device, both=False)

    def script() -> None:
        assert not hal.map_bank(1), "there is no code to go on with"
        assert hal.mapped_bank() == 0
        assert hal.map_bank(0)

    hal.run(script)
    assert not hal.operations("options")


# --- fwu_hal_cause, fwu_hal_reset, fwu_hal_swaps, fwu_hal_keep, the watchdog


def test_causes_of_resets(hal: HalSession) -> None:
    def script() -> None:
        assert hal.cause() is Cause.POWER
        hal.reset()
        assert hal.cause() is Cause.SOFTWARE
        seconds = hal.starve_watchdog()
        assert 1 < seconds < 100, f"the watchdog comes after {seconds:.1f} s"
        assert hal.cause() is Cause.WATCHDOG
        hal.reset()
        assert hal.cause() is Cause.SOFTWARE, "flags must be cleared at each start"

    hal.run(script)


def test_get_feeds_the_watchdog(hal: HalSession) -> None:
    """An image on trial waits for the module, longer than the watchdog does."""

    def script() -> None:
        assert hal.get_on_trial(80_000) == 0

    hal.run(script)


def test_what_is_kept_counts_after_the_next_reset_and_only_there(
    hal: HalSession, device: Device
) -> None:
    needs_swap(device)

    def script() -> None:
        assert hal.swaps() == 0
        hal.keep(2, Cause.WATCHDOG)
        hal.reset()
        assert (hal.swaps(), hal.cause()) == (2, Cause.WATCHDOG)
        hal.reset()
        assert (hal.swaps(), hal.cause()) == (0, Cause.SOFTWARE)
        hal.keep(1, Cause.POWER)
        hal.starve_watchdog()
        assert (hal.swaps(), hal.cause()) == (0, Cause.WATCHDOG)

    hal.run(script)


# --- fwu_hal_now_ms, fwu_hal_get, fwu_hal_put


def test_get_waits_as_long_as_it_is_told(hal: HalSession) -> None:
    def script() -> None:
        for timeout_ms in (0, 1, 300, 5000):
            told_ms, passed_ms = hal.get_for(timeout_ms)
            assert timeout_ms <= passed_ms <= timeout_ms + 50, "fwu_hal_get"
            assert abs(told_ms - timeout_ms) <= 30, "fwu_hal_now_ms"

    hal.run(script)


def test_bytes_are_kept_that_come_while_nobody_asks(hal: HalSession) -> None:
    def script() -> None:
        for data in (RING[:1], RING):
            assert hal.heard("i", 60, data) == sum_of(data)

    hal.run(script)


def test_bytes_are_kept_that_come_while_a_sector_is_erased(hal: HalSession, device: Device) -> None:
    """As many as the line brings meanwhile, up to 256.

    The emulated line does not go on while the CPU waits for flash: whether your interrupt is served
    then, from RAM, shows a board alone.
    """
    erase_us = device.part.timing.span("sector_erase", device.part.sector_sizes[0]).typ or 0
    data = RING[: max(1, min(256, int(erase_us / 1e6 * 11_520)))]

    def script() -> None:
        for address in places(device):
            assert hal.heard("l", address, data) == sum_of(data)

    hal.run(script)


def test_put_sends_all(hal: HalSession) -> None:
    wanted = "".join(chr(ord("a") + i % 26) for i in range(256))

    def script() -> None:
        assert hal.ask("o", 256) == wanted
        assert hal.ask("o", 1) == "a"

    hal.run(script)
