"""Part files: what they say, held against a second source, and what a wrong name is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flash_emulator import PartError, load_part, part_names

L476 = load_part("STM32L476xG")


def test_l476_is_cut_up_as_other_programs_say() -> None:
    # OpenOCD, stm32l4x.c, device 0x415: max_flash_size_kb 1024, pages of 2 KiB when dual bank.
    # CMSIS, stm32l476xx.h: FLASH_BASE 0x0800_0000, FLASH_BANK_SIZE half of FLASH_SIZE.
    assert L476.base == 0x0800_0000
    assert L476.size == 1024 * 1024
    assert L476.bank_count == 2
    assert L476.bank_size == 512 * 1024
    assert L476.sector_sizes == (2048,) * 256
    assert L476.program_unit == 8  # stm32flash, dev_table.c: writes in double words on L4


def test_l476_rules_are_those_of_a_part_with_ecc_and_a_run_time_alias() -> None:
    assert L476.overwrite == "only_all_zero"
    assert L476.ecc
    assert L476.aliasing == "fb_mode"
    assert L476.options["BFB2"] == 0  # reset starts in bank 1


def test_l476_times_are_the_only_ones_that_are_documented() -> None:
    assert L476.timing.program_unit_us == 90
    assert L476.timing.sector_erase_us == 24_470


def test_sector_starts_cover_both_banks_without_a_gap() -> None:
    starts = L476.sector_starts
    assert len(starts) == 512
    end = 0
    for start, size in starts.items():
        assert start == end
        end = start + size
    assert end == L476.size


def test_mixed_sectors_start_where_the_smaller_ones_end() -> None:
    mixed = replace(L476, sector_sizes=(16, 16, 64))
    assert dict(mixed.sector_starts) == {0: 16, 16: 16, 32: 64, 96: 16, 112: 16, 128: 64}
    assert (mixed.bank_size, mixed.size) == (96, 192)


def test_every_part_loads_under_its_own_name() -> None:
    assert "STM32L476xG" in part_names()
    for name in part_names():
        part = load_part(name)
        assert part.name == name
        assert all(size % part.program_unit == 0 for size in part.sector_sizes)


@pytest.mark.parametrize("name", ["STM32F000", "", "stm32l476xg", "../STM32L476xG"])
def test_an_unknown_part_is_told_the_known_ones(name: str) -> None:
    with pytest.raises(PartError) as caught:
        load_part(name)
    assert repr(name) in str(caught.value)
    assert "STM32L476xG" in str(caught.value)
