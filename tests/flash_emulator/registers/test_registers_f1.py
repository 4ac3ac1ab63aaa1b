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
    OPTERR,
    OPTPG,
    OPTWRE,
    PER,
    PG,
    PGERR,
    RDPRT,
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


# --- option bytes: PM0075 2.4 and 2.5

OB = 0x1FFF_F800
RDP, USER, DATA0, DATA1, WRP0 = OB, OB + 2, OB + 4, OB + 6, OB + 8


def open_options(c: Chip) -> None:
    c.open_options(KEYS)


def erase_options(c: Chip) -> None:
    c["CR"] = OPTWRE | OPTER
    c["CR"] = OPTWRE | OPTER | STRT
    c["CR"] = OPTWRE


def program_option(c: Chip, address: int, value: int) -> None:
    c["CR"] = OPTWRE | OPTPG
    c.front.store(address, 2, value)
    c["CR"] = OPTWRE


def load_options(c: Chip) -> None:
    c.flash.reset()
    c.front.reset()
    c.open()


def half_word(c: Chip, address: int) -> int:
    return c.front.load(address, 2)


def test_optwre_is_set_by_the_keys_and_cleared_by_software() -> None:
    c = chip()
    assert not c["CR"] & OPTWRE
    open_options(c)
    assert c["CR"] & OPTWRE
    c["CR"] = 0
    assert not c["CR"] & OPTWRE


def test_as_delivered() -> None:
    """RM0008 3.3.7: FLASH_OBR resets to 0x03FF_FFFC."""
    c = chip()
    assert c["OBR"] == 0x03FF_FFFC and c["WRPR"] == 0xFFFF_FFFF
    assert half_word(c, RDP) == 0x5AA5 and half_word(c, DATA0) == 0xFFFF
    assert c.front.load(OB, 4) == 0xFFFF_5AA5
    assert c.front.load(OB + 1, 1) == 0x5A


def test_without_optwre_nothing_is_written() -> None:
    c = chip()
    c["CR"] = OPTER | STRT
    assert c["SR"] == WRPRTERR
    c["SR"] = WRPRTERR
    c["CR"] = OPTPG
    c.front.store(DATA0, 2, 0x12)
    assert c["SR"] == WRPRTERR and c.done() == []


def test_the_fpec_writes_the_complement_and_the_byte_counts_from_the_next_reset_on() -> None:
    c = chip()
    open_options(c)
    program_option(c, DATA0, 0x1234)
    assert c["SR"] == EOP
    assert half_word(c, DATA0) == 0xCB34
    assert c["OBR"] >> 10 & 0xFF == 0xFF
    load_options(c)
    assert c["OBR"] >> 10 & 0xFF == 0x34 and c["OBR"] >> 18 & 0xFF == 0xFF


def test_an_option_byte_that_is_not_erased_is_skipped_with_pgerr() -> None:
    c = chip()
    open_options(c)
    program_option(c, DATA1, 0x12)
    c["SR"] = EOP
    program_option(c, DATA1, 0x02)
    assert c["SR"] == PGERR
    assert half_word(c, DATA1) == 0xED12


def test_other_widths_are_bus_errors() -> None:
    c = chip()
    open_options(c)
    c["CR"] = OPTWRE | OPTPG
    for address, width in ((DATA0, 1), (DATA0, 4), (DATA0 + 1, 2)):
        with pytest.raises(BusError):
            c.front.store(address, width, 0)


def test_an_erase_takes_everything_and_protects_against_reads_from_the_next_load_on() -> None:
    c = chip()
    open_options(c)
    program_option(c, DATA0, 0x12)
    erase_options(c)
    assert len(c.done()) == 2
    assert [half_word(c, OB + 2 * i) for i in range(8)] == [0xFFFF] * 8
    assert not c["OBR"] & RDPRT
    load_options(c)
    assert c["OBR"] & (RDPRT | OPTERR) == RDPRT


def test_rdp_programmed_in_the_same_session_costs_nothing() -> None:
    c = chip()
    c.flash.preload(BASE, b"program!")
    open_options(c)
    erase_options(c)
    program_option(c, RDP, 0xA5)
    load_options(c)
    assert not c["OBR"] & RDPRT
    assert c.flash.read(BASE, 8) == b"program!"


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_cut_between_erase_and_rdp_costs_all_flash_at_the_next_attempt(outcome: Outcome) -> None:
    """The lock-up of firmware that protects itself: RDP is erased, then written again."""
    c = chip()
    c.flash.preload(BASE, b"program!")
    open_options(c)
    c.cut(1, outcome, lambda: erase_options(c))
    protected = outcome is not Outcome.BEFORE
    assert bool(c["OBR"] & RDPRT) == protected
    if not protected:
        return
    assert bool(c["OBR"] & OPTERR) == (outcome is not Outcome.AFTER)
    c.open()
    open_options(c)
    erase_options(c)
    program_option(c, RDP, 0xA5)
    assert c.flash.read(BASE, 8) == b"\xff" * 8, "read-out protection is lifted by a mass erase"


def test_a_byte_whose_program_was_cut_is_0xff_with_opterr_and_the_others_stay() -> None:
    c = chip()
    open_options(c)
    program_option(c, DATA0, 0x12)
    c.cut(1, Outcome.TORN, lambda: program_option(c, DATA1, 0x34))
    assert c["OBR"] & OPTERR and not c["OBR"] & RDPRT
    assert c["OBR"] >> 10 & 0xFF == 0x12 and c["OBR"] >> 18 & 0xFF == 0xFF
    c.open()
    open_options(c)
    program_option(c, DATA1, 0x34)
    assert c["SR"] & PGERR, "not erased: it has to be erased with all others"
    erase_options(c)
    program_option(c, RDP, 0xA5)
    load_options(c)
    assert not c["OBR"] & OPTERR


def test_the_watchdog_and_what_is_kept_for_the_user() -> None:
    c = chip()
    assert not c.flash.options.starts_watchdog
    open_options(c)
    program_option(c, USER, 0xFE)
    load_options(c)
    assert c.flash.options.starts_watchdog and c["OBR"] >> 2 & 0b111 == 0b110


def test_user_bits_that_are_no_options_are_refused_by_name() -> None:
    c = chip()
    open_options(c)
    with pytest.raises(UnmodelledOption, match=r"1FFFF802.*00000080"):
        program_option(c, USER, 0x7F)


@pytest.mark.parametrize(
    ("part", "at", "value", "pages"),
    [
        ("STM32F103x8", WRP0, 0xFE, range(4)),  # pages of 1 KB: four a bit
        ("STM32F103xB", WRP0 + 6, 0x7F, range(124, 128)),
        ("STM32F103xG", WRP0 + 2, 0xFD, range(18, 20)),  # pages of 2 KB: two a bit
        ("STM32F103xG", WRP0 + 6, 0x7F, range(62, 512)),  # the last bit: all the rest
    ],
)
def test_wrp_protects_from_the_next_reset_on(part: str, at: int, value: int, pages: range) -> None:
    c = chip(part)
    open_options(c)
    program_option(c, at, value)
    assert c.flash.protected == frozenset()
    load_options(c)
    size = c.flash.part.sector_sizes[0]
    assert c.flash.protected == {page * size for page in pages}
    assert c["WRPR"] != 0xFFFF_FFFF
    c["AR"] = BASE + pages[0] * size
    c["CR"] = PER
    c["CR"] = PER | STRT
    assert c["SR"] == WRPRTERR
    c["SR"] = WRPRTERR
    c["CR"] = PG
    c.front.store(BASE + pages[0] * size, 2, 0)
    assert c["SR"] == WRPRTERR and c.done()[1:] == []


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
