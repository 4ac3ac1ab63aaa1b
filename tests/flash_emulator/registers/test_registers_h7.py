"""H7: a test for each sentence of RM0399 chapter 4 that the front follows."""

from __future__ import annotations

import pytest

from flash_emulator import Outcome
from flash_emulator.registers import BusError, UnmodelledOption
from flash_emulator.registers.h7_layouts import (
    BER,
    BSY,
    DBECCERR,
    EOP,
    INCERR,
    LOCK,
    MER,
    OPTLOCK,
    OPTSTART,
    PG,
    PGSERR,
    QW,
    SER,
    SNECCERR,
    STRBERR,
    SWAP_BANK,
    WBNE,
    WRPERR,
)
from tests.flash_emulator.registers.chips import BASE, Chip

PART = "STM32H743xI"
BANK = 0x10_0000
SECTOR = 0x2_0000
FW, START = 1 << 6, 1 << 7
X32 = 2 << 4


def chip(part: str = PART, **kw: bool) -> Chip:
    return Chip(part, **kw)


def swap(c: Chip) -> None:
    c.open_options()
    c["OPTSR_PRG"] = c["OPTSR_PRG"] | 1 << 31
    c["OPTCR"] = OPTSTART
    c.flash.reset()
    c.front.reset()


def test_each_set_is_locked_and_opened_by_keys_of_its_own() -> None:
    c = chip(opened=False)
    assert c["CR1"] == c["CR2"] == LOCK
    for key in (0x4567_0123, 0xCDEF_89AB):
        c["KEYR2"] = key
    c["CR1"] = PG
    c["CR2"] = PG
    assert (c["CR1"], c["CR2"]) == (LOCK, PG)


def test_unlocking_an_unlocked_register_locks_it_until_reset() -> None:
    c = chip()
    c.open()
    assert c["CR1"] == LOCK
    c.open()
    assert c["CR1"] == LOCK
    c.front.reset()
    c.open()
    assert c["CR1"] == 0


def test_a_wrong_key_is_a_bus_error() -> None:
    c = chip(opened=False)
    with pytest.raises(BusError):
        c["KEYR1"] = 1
    c.open()
    assert (c["CR1"], c["CR2"]) == (LOCK, 0)


def test_lock_leaves_the_other_bits_of_control_as_they_are() -> None:
    c = chip()
    c["CR1"] = PG
    c["CR1"] = LOCK
    assert c["CR1"] == PG | LOCK


# --- programming


def test_a_flash_word_is_programmed_when_its_eight_words_are_in_the_buffer() -> None:
    c = chip()
    c["CR1"] = PG | X32
    c.store(BASE, *range(7))
    assert c["SR1"] == WBNE and c["SR2"] == 0 and c.done() == []
    c.store(BASE + 28, 7)
    assert c["SR1"] == EOP
    assert c.done() == ["program 0x0800_0000, 32 bytes"]
    assert c.front.load(BASE + 4) == 1
    c["CCR1"] = EOP
    assert c["SR1"] == 0


def test_the_order_and_the_width_of_the_writes_do_not_matter() -> None:
    c = chip()
    c["CR1"] = PG
    for place in (8, 0, 24, 16):
        c.front.store(BASE + place, 8, place)
    c.store(BASE + 32, *range(16), width=2)
    c.store(BASE + 64, *range(32), width=1)
    assert len(c.done()) == 3 and c["SR1"] == EOP


def test_another_flash_word_before_the_buffer_is_full_sets_incerr() -> None:
    c = chip()
    c["CR1"] = PG
    c.store(BASE, 1)
    c.store(BASE + 32, 1)
    assert c["SR1"] == INCERR
    c.store(BASE, *range(8))
    assert c["SR1"] == INCERR | PGSERR, "INCERR has not been cleared before a new write"
    c["CCR1"] = INCERR
    c.store(BASE, *range(8))
    assert c["SR1"] == PGSERR and c.done() == [], "PGSERR blocks as well"
    c["CCR1"] = PGSERR
    c.store(BASE, *range(8))
    assert c["SR1"] == EOP


def test_the_same_byte_twice_sets_strberr() -> None:
    c = chip()
    c["CR1"] = PG
    c.store(BASE, 1)
    c.store(BASE, 1)
    assert c["SR1"] == STRBERR
    c.store(BASE, *range(8))
    assert c["SR1"] == STRBERR | EOP


def test_a_write_with_pg_at_0_sets_pgserr() -> None:
    c = chip()
    c.store(BASE + BANK, 1)
    assert (c["SR1"], c["SR2"]) == (0, PGSERR)


def test_what_is_in_the_buffer_is_lost_with_pg() -> None:
    c = chip()
    c["CR1"] = PG
    c.store(BASE, 1)
    c["CR1"] = 0
    assert c["SR1"] == 0


def test_fw_fills_the_missing_bits_with_1() -> None:
    c = chip()
    c["CR1"] = PG
    c.store(BASE, 0x1234)
    c["CR1"] = PG | FW
    assert c["CR1"] == PG, "reset by the hardware"
    assert c.flash.read(BASE, 32) == b"\x34\x12\0\0" + b"\xff" * 28


@pytest.mark.parametrize("words", [(), (0xFFFF_FFFF,)])
def test_fw_has_no_effect_if_no_bit_of_the_buffer_is_0(words: tuple[int, ...]) -> None:
    c = chip()
    c["CR1"] = PG
    c.store(BASE, *words)
    c["CR1"] = PG | FW
    assert c.done() == [] and not c["SR1"] & EOP


def test_an_overwrite_is_executed_and_may_leave_an_ecc_error() -> None:
    c = chip()
    c["CR1"] = PG
    c.store(BASE, *range(100, 108))
    c.store(BASE, *range(203, 211))
    assert c["SR1"] == EOP
    with pytest.raises(BusError):
        c.front.load(BASE)
    assert c["SR1"] & DBECCERR


def test_a_protected_sector_sets_wrperr_and_a_bit_of_wpsn_is_0() -> None:
    c = chip()
    c.flash.protect_sectors(BASE + SECTOR)
    c.front.reset()
    c.open()
    assert (c["WPSN_CUR1"], c["WPSN_CUR2"]) == (0xFD, 0xFF)
    c["CR1"] = PG
    c.store(BASE + SECTOR, *range(8))
    assert c["SR1"] == WRPERR
    c["CCR1"] = WRPERR
    c["CR1"] = BER | START
    assert c["SR1"] == WRPERR and c.done() == []


# --- erasing


def test_ser_and_snb_name_a_sector_of_the_set_s_bank() -> None:
    c = chip()
    c["CR2"] = SER | 1 << 8
    c["CR2"] = SER | 1 << 8 | START
    assert c["CR2"] == SER | 1 << 8
    assert c.done() == ["erase 0x0812_0000"] and (c["SR1"], c["SR2"]) == (0, EOP)


def test_ber_has_priority_over_ser() -> None:
    c = chip()
    c["CR1"] = SER | BER | START
    assert c.done() == ["bank erase 0x0800_0000"]


def test_start_without_a_mode_does_nothing() -> None:
    c = chip()
    c["CR1"] = START
    assert c.done() == [] and c.front.undefined


def test_mer_in_optcr_erases_both_banks() -> None:
    c = chip()
    c["OPTCR"] = MER
    assert not any(c.flash.erase_counts), "locked"
    c.open_options()
    c["OPTCR"] = MER
    assert set(c.flash.erase_counts) == {1}
    assert c["SR1"] == c["SR2"] == EOP


def test_each_bank_has_a_queue() -> None:
    c = chip()
    c.flash.background = True
    c["CR1"] = SER | START
    c["CR2"] = SER | START
    c["CR2"] = SER | 1 << 8 | START
    assert c["SR1"] == c["SR2"] == BSY | QW
    c.flash.wait()
    assert c["SR1"] == c["SR2"] == EOP
    assert len(c.done()) == 3


# --- swap


def test_a_swap_counts_from_the_next_reset_on() -> None:
    c = chip()
    c.open_options()
    c["OPTSR_PRG"] = c["OPTSR_PRG"] | 1 << 31
    c["OPTCR"] = OPTSTART
    assert not c["OPTCR"] & SWAP_BANK and not c["OPTSR_CUR"] >> 31
    c.flash.reset()
    c.front.reset()
    assert c["OPTCR"] == SWAP_BANK | OPTLOCK and c["OPTSR_CUR"] >> 31


def test_with_swap_bank_the_register_sets_change_places_too() -> None:
    c = chip()
    swap(c)
    c.open()
    c["CR1"] = SER | 1 << 8 | START
    assert c.done()[-1] == "erase 0x0812_0000", "physical: bank 2, seen at the base"
    c["CR1"] = PG
    c.store(BASE, *range(8))
    assert (c["SR1"], c["SR2"]) == (EOP, 0)
    assert c.done()[-1] == "program 0x0810_0000, 32 bytes"
    c["CR1"] = BER | START
    assert c.done()[-1] == "bank erase 0x0810_0000"


def test_a_change_of_options_that_is_cut_keeps_the_old_value() -> None:
    c = chip()
    c.open_options()
    c["OPTSR_PRG"] = c["OPTSR_PRG"] | 1 << 31
    c.cut(1, Outcome.TORN, lambda: c.__setitem__("OPTCR", OPTSTART))
    assert not c["OPTCR"] & SWAP_BANK
    assert not c.flash.options.mismatch


def test_options_are_locked_and_what_the_device_cannot_hold_is_refused() -> None:
    c = chip()
    before = c["OPTSR_PRG"]
    c["OPTSR_PRG"] = 0
    assert c["OPTSR_PRG"] == before
    c.open_options()
    c["WPSN_PRG1"] = 0
    with pytest.raises(UnmodelledOption, match="WPSN_PRG1"):
        c["OPTCR"] = OPTSTART
    c["OPTCR"] = OPTLOCK
    assert c["OPTCR"] == OPTLOCK


def test_shared_registers_are_seen_in_both_sets() -> None:
    c = chip()
    c.front.write(0x108, 4, 0x0819_2A3B)
    c.front.write(0x008, 4, 0x4C5D_6E7F)
    assert c.front.read(0x118) == c.front.read(0x018) == 0


# --- ECC and cuts


def test_one_wrong_bit_sets_sneccerr_and_two_dbeccerr_with_a_bus_error() -> None:
    c = chip()
    c["CR2"] = PG
    c.store(BASE + BANK + 64, *range(8))
    c.flash.flip(BASE + BANK + 64, 9)
    assert c.front.load(BASE + BANK + 68) == 1
    assert c["SR2"] == EOP | SNECCERR and c["ECC_FA2"] == 2
    c.flash.spoil(BASE + BANK + 96)
    with pytest.raises(BusError):
        c.front.load(BASE + BANK + 96)
    assert c["SR2"] == EOP | SNECCERR | DBECCERR and c["ECC_FA2"] == 2, "that of the first"
    c["CCR2"] = SNECCERR | DBECCERR
    assert c["SR2"] == EOP and c["ECC_FA2"] == 0


def test_what_is_in_the_buffer_when_power_goes_is_lost() -> None:
    c = chip()
    c["CR1"] = c["CR2"] = PG
    c.store(BASE + 32, *range(4))
    c.cut(1, Outcome.TORN, lambda: c.store(BASE + BANK, *range(8)))
    assert c["SR1"] == 0 and c["CR1"] == LOCK
    assert c.flash.read(BASE + 32, 32) == b"\xff" * 32


def test_h7a3_has_no_psize_and_its_bits_elsewhere() -> None:
    c = chip("STM32H7A3xI")
    c["CR2"] = SER | 127 << 6 | 1 << 5
    assert c.done() == ["erase 0x081F_E000"]
    c["CR1"] = PG
    c.store(BASE, 1)
    c["CR1"] = PG | 1 << 4
    assert c.done()[1:] == ["program 0x0800_0000, 16 bytes"]
