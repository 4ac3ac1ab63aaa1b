"""How banks come to their addresses: one test for each sentence of the manuals.

Flash facts of the project, section 1.3. The boot ROM is not part of the emulator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from flash_emulator import AlignmentError, BusyError, EmulatedFlash, Part
from flash_emulator.parts.part_model import Aliasing, Timing
from tests.flash_emulator.every_part import data_of, each, of_class, small

FOUR = {"STM32F429xI", "STM32F429xG_DB1M", "STM32F767xI_dual"}
RUN_TIME = FOUR | {"STM32L476xG", "STM32L4R5xI_dual", "STM32G474xE_dual"}
H7 = {"STM32H743xI", "STM32H7A3xI"}
SWAP = {"STM32L552xE", "STM32U575xI", "STM32U5A5xJ", "STM32G0B1xE", "STM32H563xI"} | H7

FORBIDDEN = {"STM32F429xI", "STM32F429xG_DB1M", "STM32L476xG", "STM32G474xE_dual"}

run_time = each(lambda part: part.name in RUN_TIME, at_least=6)
swap_option = each(lambda part: part.name in SWAP, at_least=7)
two_banks = each(lambda part: part.bank_count == 2, at_least=14)


def with_marks(part: Part) -> EmulatedFlash:
    """The first unit of each bank tells which bank it is."""
    device = EmulatedFlash(replace(part, timing=Timing(100, 10_000, 20_000, 40_000)))
    for bank in (0, 1):
        device.preload(part.base + bank * part.bank_size, data_of(part, bank))
    return device


def order(device: EmulatedFlash) -> tuple[int, int]:
    """Which banks are seen at the base address and behind it."""
    part = device.part
    seen = [device.read(part.base + at, part.program_unit) for at in (0, part.bank_size)]
    marks = [data_of(part, bank) for bank in (0, 1)]
    return marks.index(seen[0]), marks.index(seen[1])


# --- FB_MODE: F42x, F76x, L4, L4+, G4


@run_time
def test_with_fb_mode_bank_2_is_at_the_base_and_bank_1_behind_it(part: Part) -> None:
    """ "With FB_MODE=1, bank 2 is seen at 0x08000000 and bank 1 at base+bank_size." """
    assert part.aliasing is Aliasing.FB_MODE
    device = with_marks(part)
    assert (part.base, order(device)) == (0x0800_0000, (0, 1))
    device.map_bank(1)
    assert order(device) == (1, 0)
    device.map_bank(0)
    assert order(device) == (0, 1)


@run_time
def test_fb_mode_is_writable_at_run_time(part: Part) -> None:
    """ "FB_MODE is also writable by software at run time": at once, no operation, no time."""
    device = with_marks(part)
    device.map_bank(1)
    assert (device.mapped_bank, device.supply.taken, device.clock.now_us) == (1, 0, 0)
    before = device.digest()
    device.map_bank(0)
    assert device.digest() == before


@run_time
def test_fb_mode_is_0_after_every_reset(part: Part) -> None:
    """After reset it is the ROM that sets SYSCFG_MEMRMP bit 8, if anybody."""
    for start in (EmulatedFlash.reset, EmulatedFlash.power_on, EmulatedFlash.launch_options):
        device = with_marks(part)
        device.map_bank(1)
        start(device)
        assert order(device) == (0, 1)


@run_time
def test_programs_and_erases_go_where_the_cpu_sees_the_bank(part: Part) -> None:
    """With FB_MODE=1, bank 2 is seen at 0x08000000."""
    device = with_marks(part)
    device.map_bank(1)
    device.erase(part.base)
    device.program(part.base + part.program_unit, data_of(part, 7))
    device.reset()
    unit, second = part.program_unit, part.base + part.bank_size
    assert device.read(part.base, 2 * unit) == data_of(part, 0) + b"\xff" * unit
    assert device.read(second, 2 * unit) == b"\xff" * unit + data_of(part, 7)


# --- F103 XL, and parts that have no alias at all


def test_no_remap_register_exists_on_f103_xl() -> None:
    """F103 XL: "no remap register exists"."""
    device = with_marks(small("STM32F103xG"))
    for bank in (0, 1):
        with pytest.raises(AlignmentError, match="cannot map"):
            device.map_bank(bank)
    device.program_options(BFB2=0)
    device.power_on()
    assert order(device) == (0, 1)


@each(lambda part: part.bank_count == 1)
def test_parts_with_one_bank_map_none(part: Part) -> None:
    """Nothing to exchange."""
    with pytest.raises(AlignmentError, match="cannot map"):
        EmulatedFlash(part).map_bank(0)


# --- swap options: L5, U5, G0B1, H7, H7A3, H5


@swap_option
def test_the_option_itself_exchanges_the_two_address_halves(part: Part) -> None:
    """ "The option itself exchanges the two address halves." """
    assert part.aliasing is Aliasing.SWAP_OPTION
    device = with_marks(part)
    device.map_bank(1)
    assert device.supply.taken == 1  # it is an operation
    device.power_on()
    assert order(device) == (1, 0)
    for start in (EmulatedFlash.reset, EmulatedFlash.power_on):
        start(device)
        assert order(device) == (1, 0)


@of_class("l4", "u5")
def test_options_apply_at_obl_launch_or_power_on(part: Part) -> None:
    """ "L4/G4/L5/U5/G0: options apply at OBL_LAUNCH (resets the chip) or power-on." """
    starts: list[tuple[Callable[[EmulatedFlash], None], bool]] = [
        (EmulatedFlash.reset, False),
        (EmulatedFlash.launch_options, True),
        (EmulatedFlash.power_on, True),
    ]
    name = part.options.swap or "RDP"
    new = 0xBB if name == "RDP" else 1 - part.options[name]
    for start, applies in starts:
        device = EmulatedFlash(part)
        device.program_options(**{name: new})
        assert device.options.loaded[name] == part.options[name]
        start(device)
        assert (device.options.loaded[name] == new) is applies


@each(lambda part: part.family == "l4" and part.aliasing is Aliasing.FB_MODE)
def test_obl_launch_resets_the_chip(part: Part) -> None:
    """ "... OBL_LAUNCH (resets the chip) ..." """
    device = with_marks(part)
    device.map_bank(1)
    device.launch_options()
    assert device.mapped_bank == 0


@each(lambda part: part.name in H7, at_least=2)
def test_h7_loads_swap_bank_after_system_reset_or_por_only(part: Part) -> None:
    """ "H7: SWAP_BANK in OPTCR is loaded from SWAP_BANK_OPT only after system reset or POR" """
    for start in (EmulatedFlash.reset, EmulatedFlash.power_on):
        device = with_marks(part)
        device.program_options(SWAP_BANK_OPT=1)
        device.read(part.base, 1)
        device.erase(part.base + part.sector_sizes[0])
        assert order(device) == (0, 1)
        start(device)
        assert order(device) == (1, 0)


@of_class("h7")
def test_h7_may_swap_at_rdp_level_2(part: Part) -> None:
    """ "... and may be changed even at RDP level 2" """
    device = with_marks(part)
    device.program_options(RDP=0xCC)
    device.reset()
    assert device.options.readout_level == 2
    device.map_bank(1)
    device.reset()
    assert order(device) == (1, 0)
    with pytest.raises(AlignmentError, match="level 2"):
        device.program_options(RDP=0xAA)


# --- read while write, write while write


def busy(part: Part, bank: int) -> EmulatedFlash:
    """*bank* is being erased, for 10 ms."""
    device = with_marks(part)
    device.background = True
    device.erase(part.base + bank * part.bank_size + part.sector_sizes[0])
    return device


@two_banks
@pytest.mark.parametrize("bank", [0, 1])
def test_one_bank_is_read_while_the_other_programs_or_erases(part: Part, bank: int) -> None:
    """ "RWW: read one bank while the other programs/erases" """
    device = busy(part, bank)
    other = part.base + (1 - bank) * part.bank_size
    assert device.read(other, part.program_unit) == data_of(part, 1 - bank)
    assert (device.clock.now_us, device.usage.stall_us) == (0, 0)


@two_banks
@pytest.mark.parametrize("bank", [0, 1])
def test_a_read_of_the_busy_bank_stalls_and_does_not_fail(part: Part, bank: int) -> None:
    """ "a read of the busy bank *stalls the bus*, it does not fail." """
    device = busy(part, bank)
    at = part.base + bank * part.bank_size
    assert device.read(at, part.program_unit) == data_of(part, bank)
    assert device.clock.now_us == device.usage.stall_us == 10_000


@each(lambda part: part.name in FORBIDDEN, at_least=4)
def test_write_while_write_is_forbidden(part: Part) -> None:
    """ "Write-while-write is forbidden on F4/L4/G4 ..." """
    assert part.write_while_write == "refused"
    device = busy(part, 0)
    before = device.digest()
    for bank in (0, 1):
        at = part.base + bank * part.bank_size + 2 * part.sector_sizes[0]
        with pytest.raises(BusyError) as caught:
            device.program(at, data_of(part))
        assert (caught.value.flag, caught.value.address) == ("BSY", at)
        with pytest.raises(BusyError):
            device.erase(at)
    assert device.digest() == before


@of_class("h7")
def test_write_while_write_is_allowed_with_a_queue_for_each_bank(part: Part) -> None:
    """ "... allowed on H7 (a queue per bank)" """
    device = busy(part, 0)
    device.erase(part.base + part.bank_size)  # bank 2: at the same time
    device.program(part.base + 2 * part.sector_sizes[0], data_of(part))  # bank 1: behind
    assert device.clock.now_us == 0
    device.read(part.base + part.bank_size, 1)
    assert device.clock.now_us == 10_000
    device.read(part.base, 1)
    assert device.clock.now_us == 10_100


@of_class("h7")
def test_a_bank_erase_is_queued_behind_its_own_bank_only(part: Part) -> None:
    """ "... (a queue per bank)" """
    device = busy(part, 0)
    for _ in range(3):
        device.erase(part.base + part.sector_sizes[0])  # 40 ms in all
    device.erase_bank(1)
    device.read(part.base + part.bank_size, 1)
    assert device.clock.now_us == 20_000


# --- names of banks (section 1.1)


@two_banks
def test_mer1_and_mer2_name_physical_banks(part: Part) -> None:
    """ "MER1/MER2/BKER name physical banks even when FB_MODE/SWAP_BANK has exchanged the
    addresses" """
    for mapped in (0, 1):
        device = with_marks(part)
        if part.aliasing is not Aliasing.NONE:
            device.map_bank(mapped)
            if part.aliasing is Aliasing.SWAP_OPTION:
                device.power_on()
        device.erase_bank(0)
        assert device.cells.raw_data(0, part.bank_size) == b"\xff" * part.bank_size
        marked = device.cells.raw_data(part.bank_size, part.program_unit)
        assert marked == data_of(part, 1)
