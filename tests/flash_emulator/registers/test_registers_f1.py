"""F1: a test for each sentence of PM0075 and PM0068 that the front follows."""

from __future__ import annotations

import pytest

from flash_emulator import Outcome
from flash_emulator.registers import BusError, UnmodelledOption
from flash_emulator.registers.f1 import (
    BSY,
    EOP,
    LOCK,
    MER,
    OPTER,
    OPTWRE,
    PER,
    PG,
    PGERR,
    STRT,
    WRPRTERR,
)
from flash_emulator.registers.locks import KEYS
from tests.flash_emulator.registers.chips import BASE, Chip

PART = "STM32F103xG"
BANK = 0x8_0000


def chip(part: str = PART, **kw: bool) -> Chip:
    return Chip(part, **kw)


def erase_page(c: Chip, address: int, suffix: str = "") -> None:
    c[f"CR{suffix}"] = PER
    c[f"AR{suffix}"] = address
    c[f"CR{suffix}"] = PER | STRT
    c[f"CR{suffix}"] = 0


def test_each_bank_has_keys_of_its_own() -> None:
    c = chip(opened=False)
    assert c["CR"] == c["CR2"] == LOCK == 0x80
    c.open("KEYR2")
    assert c["CR"] == LOCK and c["CR2"] == 0
    for key in KEYS:
        c["KEYR"] = key
    assert c["CR"] == 0
    c["CR"] = LOCK
    assert c["CR"] == LOCK


def test_a_wrong_key_is_a_bus_error_and_locks_that_bank_until_reset() -> None:
    c = chip(opened=False)
    with pytest.raises(BusError):
        c["KEYR"] = KEYS[1]
    c.open()
    assert c["CR"] == LOCK and c["CR2"] == 0


def test_a_half_word_is_programmed_at_once_and_eop_is_set() -> None:
    c = chip()
    c["CR"] = PG
    c.store(BASE, 0x1234, 0x5678, width=2)
    assert c["SR"] == EOP
    assert c.front.load(BASE) == 0x5678_1234
    c["SR"] = EOP
    assert c["SR"] == 0


@pytest.mark.parametrize("width", [1, 4, 8])
def test_any_other_width_is_a_bus_error(width: int) -> None:
    c = chip()
    c["CR"] = PG
    with pytest.raises(BusError, match="half-words"):
        c.front.store(BASE, width, 0)


def test_a_half_word_that_is_not_erased_is_skipped_with_pgerr_unless_it_is_0() -> None:
    c = chip()
    c["CR"] = PG
    c.store(BASE, 0x1234, width=2)
    c["SR"] = EOP
    c.store(BASE, 0x1230, width=2)
    assert c["SR"] == PGERR
    assert c.front.load(BASE, 2) == 0x1234
    c.store(BASE, 0, width=2)
    assert c.front.load(BASE, 2) == 0


def test_ones_leave_a_half_word_erased() -> None:
    c = chip()
    c["CR"] = PG
    c.store(BASE, 0xFFFF, width=2)
    c.store(BASE, 0x1234, width=2)
    assert c["SR"] == EOP
    assert c.front.load(BASE, 2) == 0x1234


def test_without_pg_nothing_is_programmed() -> None:
    c = chip()
    c.store(BASE, 1, width=2)
    assert c.done() == [] and c["SR"] == 0
    assert c.front.undefined == ["write to 0x08000000 with PG = 0"]


def test_a_protected_page_sets_wrprterr_and_two_pages_share_a_bit() -> None:
    c = chip()
    c.flash.protect_sectors(BASE + 3 * 0x800)
    erase_page(c, BASE + 3 * 0x800)
    assert c["SR"] == WRPRTERR
    assert c["WRPR"] == 0xFFFF_FFFD


def test_ar_takes_any_address_of_the_page() -> None:
    c = chip()
    erase_page(c, BASE + 0x1234)
    assert c.done() == ["erase 0x0800_1000"]


def test_the_second_set_serves_the_addresses_of_bank_2() -> None:
    c = chip()
    erase_page(c, BASE + BANK, "2")
    c["CR2"] = PG
    c.store(BASE + BANK, 1, width=2)
    assert c["SR"] == 0 and c["SR2"] == EOP
    c["CR2"] = MER
    c["CR2"] = MER | STRT
    assert c.done() == [
        "erase 0x0808_0000",
        "program 0x0808_0000, 2 bytes",
        "bank erase 0x0808_0000",
    ]
    erase_page(c, BASE, "2")
    assert c.front.undefined == ["FLASH_AR: 0x08000000 is in no page of the bank"]


def test_mer_of_a_part_with_one_bank_erases_all() -> None:
    c = chip("STM32F103x8")
    c["CR"] = MER
    c["CR"] = MER | STRT
    assert set(c.flash.erase_counts) == {1}
    assert c.front.read(0x50) == 0, "no second set"


def test_bsy_shows_in_the_bank_that_works() -> None:
    c = chip()
    c.flash.background = True
    erase_page(c, BASE)
    assert c["SR"] == BSY and c["SR2"] == 0
    c.flash.wait()
    assert c["SR"] == EOP


def test_obr_tells_of_bfb2() -> None:
    c = chip()
    assert c["OBR"] >> 5 & 1 == c.flash.options.loaded["BFB2"] == 1


def test_option_bytes_through_the_fpec_are_refused_by_name() -> None:
    c = chip()
    assert not c["CR"] & OPTWRE
    c.open_options(KEYS)
    assert c["CR"] & OPTWRE
    with pytest.raises(UnmodelledOption, match="FLASH_CR"):
        c["CR"] = OPTWRE | OPTER | STRT
    c["CR"] = 0
    assert not c["CR"] & OPTWRE


def test_after_a_cut_a_torn_half_word_takes_only_0() -> None:
    c = chip()
    c["CR"] = PG
    c.cut(1, Outcome.TORN, lambda: c.store(BASE, 0x0000_1234, width=2))
    c.open()
    c["CR"] = PG
    c.store(BASE, 0x1234, width=2)
    assert c["SR"] == PGERR
    erase_page(c, BASE)
    c["CR"] = PG
    c.store(BASE, 0x1234, width=2)
    assert c.front.load(BASE, 2) == 0x1234
