"""F4 and F76x: a test for each sentence of RM0090 3.6 to 3.9 that the front follows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flash_emulator import Outcome, load_part
from flash_emulator.parts.part_model import Aliasing
from flash_emulator.registers import BusError, UnmodelledOption
from flash_emulator.registers.f4 import (
    BSY,
    EOP,
    EOPIE,
    ERRIE,
    LOCK,
    MER1,
    MER2,
    OPERR,
    OPTLOCK,
    OPTSTRT,
    PG,
    PGAERR,
    PGPERR,
    PGSERR,
    RDERR,
    SER,
    SNB_SHIFT,
    STRT,
    WRPERR,
)
from tests.flash_emulator.registers.chips import BASE, Chip

PART = "STM32F429xI"
BANK = 0x10_0000
X8, X16, X32, X64 = (n << 8 for n in range(4))
BFB2 = 1 << 4


def chip(part: str = PART, **kw: bool) -> Chip:
    return Chip(part, **kw)


def erase(c: Chip, cr: int) -> None:
    c["CR"] = cr
    c["CR"] = cr | STRT


def test_control_is_locked_after_reset_and_opened_by_two_keys() -> None:
    c = chip(opened=False)
    assert c["CR"] == LOCK
    c["CR"] = PG
    assert c["CR"] == LOCK
    c.open()
    c["CR"] = PG
    assert c["CR"] == PG
    c["CR"] = LOCK
    assert c["CR"] == LOCK


@pytest.mark.parametrize("register", ["KEYR", "OPTKEYR"])
def test_a_wrong_key_is_a_bus_error_and_locks_until_reset(register: str) -> None:
    c = chip(opened=False)
    with pytest.raises(BusError):
        c[register] = 0
    c.open()
    c.open_options()
    locked = c["CR"] & LOCK if register == "KEYR" else c["OPTCR"] & OPTLOCK
    assert locked
    c.front.reset()
    c.open()
    c.open_options()
    assert not c["CR"] & LOCK and not c["OPTCR"] & OPTLOCK


@pytest.mark.parametrize(("psize", "width"), [(X8, 1), (X16, 2), (X32, 4), (X64, 8)])
def test_an_access_of_the_width_that_psize_names_is_programmed_at_once(
    psize: int, width: int
) -> None:
    c = chip()
    c["CR"] = PG | psize
    value = 0x8877_6655_4433_2211 & (1 << 8 * width) - 1
    c.front.store(BASE + 8, width, value)
    assert c["SR"] == 0
    assert c.flash.read(BASE + 8, 8) == value.to_bytes(width, "little") + b"\xff" * (8 - width)


def test_bytes_of_one_word_are_programmed_one_after_the_other() -> None:
    c = chip()
    c["CR"] = PG | X8
    for index, byte in enumerate(b"\x11\x22\x33\x44\x55"):
        c.front.store(BASE + index, 1, byte)
    assert c.flash.read(BASE, 8) == b"\x11\x22\x33\x44\x55\xff\xff\xff"


def test_x64_takes_two_words_of_32_bits() -> None:
    c = chip()
    c["CR"] = PG | X64
    c.store(BASE, 1, 2)
    assert c.done() == ["program 0x0800_0000, 8 bytes"]
    c.store(BASE + 12, 1)
    assert c["SR"] == PGPERR


@pytest.mark.parametrize(("psize", "width"), [(X8, 4), (X16, 1), (X32, 2), (X32, 1), (X64, 2)])
def test_another_width_sets_pgperr(psize: int, width: int) -> None:
    c = chip()
    c["CR"] = PG | psize
    c.front.store(BASE, width, 0)
    assert c["SR"] == PGPERR
    assert c.done() == []


def test_data_across_a_128_bit_row_set_pgaerr() -> None:
    c = chip()
    c["CR"] = PG | X32
    c.front.store(BASE + 14, 4, 0)
    assert c["SR"] == PGAERR
    assert c.done() == []


@pytest.mark.parametrize("cr", [0, X32, PG | SER | X32, PG | MER1 | X32])
def test_a_write_out_of_sequence_sets_pgserr(cr: int) -> None:
    c = chip()
    c["CR"] = cr
    c.front.store(BASE, 4, 0)
    assert c["SR"] == PGSERR
    assert c.done() == []


def test_bits_go_from_1_to_0_without_an_erase() -> None:
    c = chip()
    c["CR"] = PG | X32
    c.store(BASE, 0xFFFF_0FF0)
    c.store(BASE, 0x0FFF_FFF3)
    assert c["SR"] == 0
    assert c.front.load(BASE) == 0x0FFF_0FF0


def test_eop_and_operr_need_their_interrupts() -> None:
    c = chip()
    c["CR"] = PG | X32 | EOPIE | ERRIE
    c.store(BASE, 1)
    assert c["SR"] == EOP
    c.front.store(BASE, 1, 1)
    assert c["SR"] == EOP | PGPERR | OPERR
    c["SR"] = EOP | PGPERR | OPERR
    assert c["SR"] == 0


def test_a_flag_that_is_not_cleared_keeps_nothing_from_starting() -> None:
    c = chip()
    c.raise_flags(PGSERR | PGAERR)
    c["CR"] = PG | X32
    c.store(BASE, 1)
    assert c.done() == ["program 0x0800_0000, 4 bytes"]


@pytest.mark.parametrize(
    ("number", "address"),
    [
        (0, "0x0800_0000"),
        (4, "0x0801_0000"),
        (11, "0x080E_0000"),
        (16, "0x0810_0000"),
        (17, "0x0810_4000"),
        (27, "0x081E_0000"),
    ],
)
def test_snb_names_a_sector_and_jumps_from_11_to_16(number: int, address: str) -> None:
    c = chip()
    erase(c, SER | number << SNB_SHIFT)
    assert c.done() == [f"erase {address}"]


@pytest.mark.parametrize("number", [12, 13, 14, 15, 28, 31])
@pytest.mark.parametrize("part", ["STM32F429xI", "STM32F429xG_DB1M"])
def test_a_number_that_is_not_allowed_sets_wrperr_on_f42x(part: str, number: int) -> None:
    """Seen on an F479 whose driver counted on from 11 to 12."""
    c = chip(part)
    erase(c, SER | number << SNB_SHIFT)
    assert c.done() == [] and c["SR"] == WRPERR
    assert c.front.undefined == []
    c["SR"] = WRPERR
    erase(c, SER | 16 << SNB_SHIFT)
    assert c["SR"] == 0 and len(c.done()) == 1


@pytest.mark.parametrize("number", [12, 16, 23])
def test_with_one_bank_the_numbers_of_the_second_set_wrperr(number: int) -> None:
    """DB1M = 0, as an F42x with 1 MB is delivered: sectors 0 to 11 of one bank."""
    two = load_part("STM32F429xI")
    one = replace(
        two, bank_count=1, bank_starts=(), first_sectors=(), aliasing=Aliasing.NONE, rww=False
    )
    c = Chip(one)
    erase(c, SER | number << SNB_SHIFT)
    assert c.done() == [] and c["SR"] == WRPERR


def test_what_nobody_has_seen_is_called_undefined() -> None:
    c = chip("STM32F407xG")
    erase(c, SER | 12 << SNB_SHIFT)
    assert c.done() == [] and c["SR"] == 0
    assert c.front.undefined == ["FLASH_CR: no sector has SNB 12"]


def test_db1m_parts_have_8_sectors_a_bank_and_bank_2_from_16() -> None:
    c = chip("STM32F429xG_DB1M")
    erase(c, SER | 16 << SNB_SHIFT)
    assert c.done() == ["erase 0x0808_0000"]


def test_mer_and_mer1_name_banks_and_both_are_a_mass_erase() -> None:
    c = chip()
    erase(c, MER1)
    erase(c, MER2)
    assert c.done() == ["bank erase 0x0800_0000", "bank erase 0x0810_0000"]
    erase(c, MER1 | MER2)
    assert set(c.flash.erase_counts) == {2}


def test_mer_of_a_part_with_one_bank_erases_it() -> None:
    c = chip("STM32F407xG")
    erase(c, MER1)
    assert set(c.flash.erase_counts) == {1}


def test_start_without_a_mode_is_unpredictable_without_any_error_flag() -> None:
    c = chip()
    erase(c, 0)
    assert c["SR"] == 0 and c.done() == []
    assert c.front.undefined == ["FLASH_CR: STRT with neither SER nor MER"]


def test_a_protected_sector_sets_wrperr_and_a_bit_of_nwrp_is_0() -> None:
    c = chip()
    c.flash.protect_sectors(BASE + 0x4000, BASE + BANK)
    c["CR"] = PG | X32
    c.store(BASE + 0x4000, 1)
    assert c["SR"] == WRPERR
    c["SR"] = WRPERR
    erase(c, MER1)
    assert c["SR"] == WRPERR and c.done() == []
    assert c["OPTCR"] >> 16 & 0xFFF == 0xFFD
    assert c["OPTCR1"] >> 16 & 0xFFF == 0xFFE


def test_sectors_keep_their_numbers_when_the_banks_are_exchanged() -> None:
    c = chip()
    c.flash.map_bank(1)
    erase(c, SER | 16 << SNB_SHIFT)
    assert c.done() == ["erase 0x0810_0000"]


def test_bsy_shows_while_the_device_works() -> None:
    c = chip()
    c.flash.background = True
    erase(c, SER | EOPIE)
    assert c["SR"] == BSY
    c["CR"] = PG | X32
    assert c.flash.clock.now_us >= 500_000, "the write has stalled"
    c.store(BASE, 1)
    c.store(BASE + 4, 1)
    c.flash.wait()
    assert c["SR"] == EOP | PGSERR


# --- options


def test_options_are_programmed_by_optstrt() -> None:
    c = chip()
    assert c["OPTCR"] == 0x0FFF_AAED, "as delivered, locked"
    c["OPTCR"] = 0x0FFF_AAED | BFB2
    assert c["OPTCR"] == 0x0FFF_AAED
    c.open_options()
    c["OPTCR"] = 0x0FFF_AAEC | BFB2
    assert c["OPTCR"] == 0x0FFF_AAEC | BFB2
    assert c.flash.options.programmed["BFB2"] == 0
    c["OPTCR"] = c["OPTCR"] | OPTSTRT
    assert c.flash.options.programmed["BFB2"] == 1
    c["OPTCR"] = c["OPTCR"] | OPTLOCK
    assert c["OPTCR"] & OPTLOCK
    c.flash.power_on()
    c.front.reset()
    assert c["OPTCR"] == 0x0FFF_AAED | BFB2


def test_a_change_that_is_cut_leaves_rdp1_and_pcrop() -> None:
    c = chip()
    c.open_options()
    c["OPTCR"] = c["OPTCR"] | BFB2
    c.cut(1, Outcome.TORN, lambda: c.__setitem__("OPTCR", c["OPTCR"] | OPTSTRT))
    assert c["OPTCR"] >> 8 & 0xFF == 0xFF
    c.open()
    c["CR"] = PG | X32
    c.store(BASE, 1)
    assert c["SR"] == WRPERR
    assert c.front.load(BASE) == 0
    assert c["SR"] == WRPERR | RDERR


@pytest.mark.parametrize("bits", [1 << 31, 1 << 30])  # SPRMOD; DB1M, none of 2 MB
def test_options_that_the_device_cannot_hold_are_refused_by_name(bits: int) -> None:
    c = chip()
    c.open_options()
    with pytest.raises(UnmodelledOption, match=f"OPTCR.*{bits:08X}"):
        c["OPTCR"] = (c["OPTCR"] ^ bits) | OPTSTRT
    c["OPTCR1"] = 0
    assert c["OPTCR1"] == 0


def load_options(c: Chip) -> None:
    c.flash.reset()
    c.front.reset()
    c.open()


def test_nwrp_protects_from_the_next_reset_on() -> None:
    """RM0090 3.7.1: a 0 in nWRP protects the sector; OPTCR1 has those of bank 2."""
    c = chip()
    c.open_options()
    c["OPTCR1"] = c["OPTCR1"] & ~(1 << 17)
    c["OPTCR"] = (c["OPTCR"] & ~(1 << 18)) | OPTSTRT
    assert len(c.done()) == 1, "one operation for both registers"
    c["CR"] = PG | X32
    c.store(BASE + 0x8000, 1)
    assert c["SR"] == 0, "not loaded yet"
    load_options(c)
    assert c["OPTCR"] >> 16 & 0xFFF == 0xFFB and c["OPTCR1"] >> 16 & 0xFFF == 0xFFD
    for sector, refused in ((0, 0), (2, WRPERR), (3, 0), (16, 0), (17, WRPERR), (18, 0)):
        erase(c, SER | sector << SNB_SHIFT)
        assert c["SR"] == refused, sector
        c["SR"] = WRPERR
    c["CR"] = PG | X32
    c.store(BASE + 0x8000, 0)
    assert c["SR"] == WRPERR


def test_protection_can_be_lifted_again() -> None:
    c = chip("STM32F407xG")
    for bits in (0xFFE, 0xFFF):
        c.open_options()
        c["OPTCR"] = c["OPTCR"] & ~(0xFFF << 16) | bits << 16 | OPTSTRT
        load_options(c)
        erase(c, SER)
        assert c["SR"] == (WRPERR if bits == 0xFFE else 0)
        c["SR"] = WRPERR


def test_user_options_are_kept() -> None:
    c = chip("STM32F407xG")
    c.open_options()
    c["OPTCR"] = 0x0FFF_AA00 | 1 << 6 | OPTSTRT
    load_options(c)
    assert c["OPTCR"] == 0x0FFF_AA41
    assert c.flash.options.starts_watchdog
    c.flash.power_on()
    assert c.flash.options.loaded["BOR_LEV"] == 0


def test_f767_nwrp_protects_pairs_of_sectors_with_two_banks() -> None:
    c = chip("STM32F767xI_dual")
    c.open_options()
    c["OPTCR"] = (c["OPTCR"] & ~(1 << 22)) | OPTSTRT
    load_options(c)
    starts = list(c.flash.part.sector_starts)
    assert c.flash.protected == {starts[12], starts[13]}


def test_f767_has_nwrp_for_pairs_of_sectors() -> None:
    c = chip("STM32F767xI_dual")
    assert c["OPTCR"] >> 29 & 1 == c.flash.options.loaded["nDBANK"] == 0
    c.flash.protect_sectors(BASE + 0x4000, BASE + BANK)
    assert c["OPTCR"] >> 16 & 0xFFF == 0xFFF & ~(1 | 1 << 6)
