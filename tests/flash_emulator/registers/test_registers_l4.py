"""The L4 class: a test for each sentence of RM0440 3.3 and 3.7 that the front follows."""

from __future__ import annotations

import pytest

from flash_emulator import EmulatedFlash, Outcome, load_part
from flash_emulator.parts.part_model import BankSelect
from flash_emulator.registers import BusError, Nmi, SystemReset, UnmodelledOption
from flash_emulator.registers.eccr import ECCC, ECCD
from flash_emulator.registers.l4_layouts import (
    BSY,
    EOP,
    EOPIE,
    ERRIE,
    FASTERR,
    FSTPG,
    LOCK,
    MER1,
    MER2,
    MISERR,
    OBL_LAUNCH,
    OPERR,
    OPTLOCK,
    OPTSTRT,
    OPTVERR,
    PER,
    PG,
    PGAERR,
    PGSERR,
    PROGERR,
    RDERR,
    SIZERR,
    STRT,
    WRPERR,
)
from flash_emulator.registers.locks import KEYS
from tests.flash_emulator.registers.chips import BASE, Chip

PART = "STM32L476xG"
BANK = 0x8_0000
PAGE = 0x800
BFB2 = 1 << 20


def chip(part: str = PART, **kw: bool) -> Chip:
    return Chip(part, **kw)


def erase(c: Chip, cr: int) -> None:
    c["CR"] = cr
    c["CR"] = cr | STRT
    c["CR"] = 0


def program(c: Chip, address: int, *words: int) -> None:
    c["CR"] = PG
    c.store(address, *words)
    c["CR"] = 0


# --- locks


def test_control_is_locked_after_reset_and_opened_by_two_keys() -> None:
    c = chip(opened=False)
    assert c["CR"] == LOCK | OPTLOCK == 0xC000_0000
    c["CR"] = PG
    assert c["CR"] == 0xC000_0000
    c.open()
    assert c["CR"] == OPTLOCK
    c["CR"] = PG
    assert c["CR"] == OPTLOCK | PG


@pytest.mark.parametrize("keys", [(0,), (KEYS[0], KEYS[0]), (KEYS[1], KEYS[0]), (KEYS[0], 0)])
def test_a_wrong_key_sequence_is_a_bus_error_and_locks_until_reset(keys: tuple[int, ...]) -> None:
    c = chip(opened=False)
    with pytest.raises(BusError, match="wrong key"):
        for key in keys:
            c["KEYR"] = key
    c.open()
    assert c["CR"] & LOCK
    c.front.reset()
    c.open()
    assert not c["CR"] & LOCK


def test_setting_lock_also_sets_optlock() -> None:
    c = chip()
    c.open_options()
    assert c["CR"] == 0
    c["CR"] = LOCK
    assert c["CR"] == LOCK | OPTLOCK
    c.open()
    assert c["CR"] == OPTLOCK


def test_option_keys_count_only_while_control_is_open() -> None:
    c = chip(opened=False)
    c.open_options()
    c.open()
    assert c["CR"] == OPTLOCK


def test_bytes_of_a_register_can_be_accessed() -> None:
    c = chip()
    c["CR"] = PER | 0x7F << 3
    c.front.write(c.place("CR"), 1, 0)
    assert c["CR"] & 0xFFFF == 0x0300
    assert c.front.read(c.place("CR") + 1, 1) == 0x03
    assert c.front.read(0x3FC) == 0
    c.front.write(0x3FC, 4, 1)


# --- programming


def test_a_double_word_is_programmed_when_its_second_word_is_written() -> None:
    c = chip()
    c["CR"] = PG
    c.store(BASE + 8, 0x0403_0201)
    assert c.done() == []
    c.store(BASE + 12, 0x0807_0605)
    assert c.flash.read(BASE + 8, 8) == bytes(range(1, 9))
    assert c["SR"] == 0


def test_a_store_of_64_bits_is_two_words() -> None:
    c = chip()
    c["CR"] = PG
    c.front.store(BASE, 8, 0x0807_0605_0403_0201)
    assert c.front.load(BASE, 8) == 0x0807_0605_0403_0201


def test_eop_is_set_only_if_eopie_is_set() -> None:
    c = chip()
    program(c, BASE, 1, 2)
    assert c["SR"] == 0
    c["CR"] = PG | EOPIE
    c.store(BASE + 8, 1, 2)
    assert c["SR"] == EOP
    c["SR"] = EOP
    assert c["SR"] == 0


@pytest.mark.parametrize("width", [1, 2])
def test_a_byte_or_half_word_sets_sizerr(width: int) -> None:
    c = chip()
    c["CR"] = PG
    c.store(BASE, 0x12, width=width)
    assert c["SR"] == SIZERR
    assert c.done() == []


@pytest.mark.parametrize("places", [(4,), (0, 8), (0, 0), (0, 12)])
def test_a_word_that_belongs_to_no_double_word_sets_pgaerr(places: tuple[int, ...]) -> None:
    c = chip()
    c["CR"] = PG
    for place in places:
        c.store(BASE + place, 0x12)
    assert c["SR"] == PGAERR
    assert c.done() == []


def test_an_aborted_double_word_leaves_nothing_in_the_buffer() -> None:
    c = chip()
    c["CR"] = PG
    c.store(BASE, 1)
    c.store(BASE + 12, 2)
    c["SR"] = PGAERR
    c.store(BASE + 8, 3, 4)
    assert c["SR"] == 0
    assert c.done() == ["program 0x0800_0008, 8 bytes"]


def test_a_word_is_forgotten_with_pg() -> None:
    c = chip()
    c["CR"] = PG
    c.store(BASE, 1)
    c["CR"] = 0
    c["CR"] = PG
    c.store(BASE + 4, 2)
    assert c["SR"] == PGAERR


@pytest.mark.parametrize("cr", [0, PG | PER, PG | MER1, PG | MER2, PER, FSTPG])
def test_data_without_pg_or_with_an_erase_sets_pgserr(cr: int) -> None:
    """FSTPG: "the mass erase is not performed before setting FSTPG bit"."""
    c = chip()
    c["CR"] = cr
    c.store(BASE, 1)
    assert c["SR"] == PGSERR
    assert c.done() == []


def test_a_double_word_that_is_not_erased_sets_progerr_and_stays() -> None:
    c = chip()
    program(c, BASE, 1, 2)
    program(c, BASE, 1, 3)
    assert c["SR"] == PROGERR
    assert c.flash.read(BASE, 8) == bytes([1, 0, 0, 0, 2, 0, 0, 0])


def test_zeros_may_be_programmed_over_anything() -> None:
    c = chip()
    program(c, BASE, 1, 2)
    program(c, BASE, 0, 0)
    assert c["SR"] == 0
    assert c.flash.read(BASE, 8) == bytes(8)


def test_a_double_word_of_ones_is_no_longer_erased() -> None:
    c = chip()
    program(c, BASE, 0xFFFF_FFFF, 0xFFFF_FFFF)
    program(c, BASE, 1, 2)
    assert c["SR"] == PROGERR


@pytest.mark.parametrize(
    "flag", [PROGERR, WRPERR, PGAERR, SIZERR, PGSERR, MISERR, FASTERR], ids=hex
)
def test_a_flag_that_is_not_cleared_sets_pgserr_and_nothing_is_done(flag: int) -> None:
    c = chip()
    c.raise_flags(flag)
    program(c, BASE, 1, 2)
    assert c["SR"] == flag | PGSERR
    c.raise_flags(flag)
    erase(c, PER)
    assert c["SR"] == flag | PGSERR
    assert c.done() == []
    c["SR"] = 0xC3FA
    assert c["SR"] == 0
    program(c, BASE, 1, 2)
    assert c.done() == ["program 0x0800_0000, 8 bytes"]


def test_operr_is_set_only_if_errie_is_set() -> None:
    c = chip()
    c["CR"] = PG | ERRIE
    c.store(BASE, 1, width=2)
    assert c["SR"] == SIZERR | OPERR


def test_flags_are_cleared_by_writing_1_one_by_one() -> None:
    c = chip()
    c.raise_flags(PROGERR | SIZERR)
    c["SR"] = SIZERR
    assert c["SR"] == PROGERR
    c["SR"] = 0
    assert c["SR"] == PROGERR


def test_a_protected_page_sets_wrperr() -> None:
    c = chip()
    c.flash.protect_sectors(BASE)
    program(c, BASE, 1, 2)
    assert c["SR"] == WRPERR
    c["SR"] = WRPERR
    erase(c, PER)
    assert c["SR"] == WRPERR
    assert c.done() == []
    assert c["WRP1AR"] == 0x0000_00FF, "registers show what is loaded at reset"
    c.front.reset()
    assert c["WRP1AR"] == 0 and c["WRP1BR"] == 0x0000_00FF


# --- fast programming


def fast(part: str = PART) -> Chip:
    c = chip(part)
    erase(c, MER1)
    c["CR"] = FSTPG
    return c


def test_a_row_is_programmed_after_a_mass_erase_of_its_bank() -> None:
    c = fast()
    c.store(BASE + 0x100, *range(64))
    c["CR"] = 0
    assert c["SR"] == 0
    assert c.flash.read(BASE + 0x100, 8) == bytes([0, 0, 0, 0, 1, 0, 0, 0])
    c["CR"] = FSTPG
    c.store(BASE + BANK, 1)
    assert c["SR"] == PGSERR


def test_another_row_or_a_lower_address_sets_pgaerr_and_fasterr() -> None:
    for place in (0x100, 0):
        c = fast()
        c.store(BASE, 1, 2, 3, 4)
        c.store(BASE + place, 5)
        assert c["SR"] == PGAERR | FASTERR
        assert len(c.done()) == 3, "all previous double words have been properly programmed"


def test_a_row_that_is_not_completed_sets_miserr_and_fasterr() -> None:
    c = fast()
    c.store(BASE, 1, 2)
    c["CR"] = 0
    assert c["SR"] == MISERR | FASTERR


def test_a_double_word_that_comes_too_late_sets_miserr_and_fasterr() -> None:
    c = fast()
    c.store(BASE, 1, 2)
    c.flash.clock.advance_us(91)
    c.store(BASE + 8, 3)
    assert c["SR"] == MISERR | FASTERR


def test_a_half_word_in_a_row_sets_sizerr_and_fasterr() -> None:
    c = fast()
    c.store(BASE, 1, 2)
    c.store(BASE + 8, 1, width=2)
    assert c["SR"] == SIZERR | FASTERR


@pytest.mark.parametrize("part", ["STM32L4R5xI_dual", "STM32G0B1xE", "STM32WB55xG"])
def test_where_the_size_of_a_row_is_not_known_it_is_one_unit(part: str) -> None:
    c = fast(part)
    c.store(BASE, 1, 2, 3, 4)
    assert c["SR"] == 0
    assert c.done()[-2:] == [f"fast program 0x0800_000{at}, 8 bytes" for at in (0, 8)]


def test_a_row_over_what_is_not_erased_sets_no_flag_and_bits_are_anded() -> None:
    """RM0440 3.3.7: nothing is verified, PROGERR is a flag of standard programming."""
    c = fast()
    c["CR"] = PG
    c.store(BASE + 8, 0x0F0F_0F0F, 0x3333_3333)
    c["CR"] = FSTPG
    c.store(BASE, *[0x5555_5555] * 64)
    c["CR"] = 0
    assert c["SR"] == 0
    assert c.flash.cells.raw_data(8, 8).hex() == "05050505" + "11111111"
    with pytest.raises(Nmi):
        c.front.load(BASE + 8)
    assert c.front.load(BASE + 16) == 0x5555_5555
    c["CR"] = PG
    c.store(BASE + 16, 1, 2)
    assert c["SR"] == PROGERR, "standard programming looks"


# --- erasing


@pytest.mark.parametrize("select", ["mapped", "physical"])
def test_nsbker_of_an_l5_in_both_readings(select: str) -> None:
    """RM0438, as it was read, has it follow the addresses; nobody has shown it on a chip."""
    part = load_part("STM32L552xE")
    assert part.sector_erase_bank is BankSelect.MAPPED
    c = Chip(part.with_sector_erase_bank(select))
    c.flash.map_bank(1)
    c.flash.power_on()
    c.front.reset()
    c.open()
    for cr in (PER | 3 << 3, PER | 3 << 3 | 1 << 11):
        c["NSCR"] = cr
        c["NSCR"] = cr | STRT
    places = {"mapped": ["0x0804_1800", "0x0800_1800"], "physical": ["0x0800_1800", "0x0804_1800"]}
    assert c.done()[1:] == [f"erase {place}" for place in places[select]]
    c["NSCR"] = MER1
    c["NSCR"] = MER1 | STRT
    assert c.done()[3] == "bank erase 0x0800_0000", "of MER nobody says that it follows"


@pytest.mark.parametrize("part", ["STM32G0B1xE", "STM32U575xI", "STM32H563xI"])
def test_bank_numbers_are_physical_as_seen_on_chips(part: str) -> None:
    made = load_part(part)
    assert made.sector_erase_bank is BankSelect.PHYSICAL
    rules = [entry for entry in made.provenance if "sector_erase_bank" in entry.confirmed]
    assert rules and {"WOLFBOOT821", "NUTTX20054", "NUTTX-H5"} & set(rules[-1].sources)


@pytest.mark.parametrize(("bank", "busy"), [(0, 1 << 16), (1, 1 << 17)])
def test_g0_tells_which_bank_is_busy(bank: int, busy: int) -> None:
    """CMSIS-G0B1: BSY1 is bit 16, BSY2 bit 17."""
    c = chip("STM32G0B1xE")
    c.flash.background = True
    cr = PER | 5 << 3 | bank << 13
    c["CR"] = cr
    c["CR"] = cr | STRT
    seen = set()
    while value := c["SR"]:
        seen.add(value)
    assert seen == {busy}


def test_g0_shows_both_banks_busy_in_a_mass_erase() -> None:
    c = chip("STM32G0B1xE")
    c.flash = c.front.flash = EmulatedFlash(c.flash.part.with_timing(mass_erase_max_us=40_000))
    c.flash.background = True
    c["CR"] = MER1 | MER2
    c["CR"] = MER1 | MER2 | STRT
    assert c["SR"] == 0b11 << 16


def test_per_pnb_and_bker_name_a_page_of_a_physical_bank() -> None:
    c = chip()
    erase(c, PER | 2 << 3 | 1 << 11)
    assert c.done() == ["erase 0x0808_1000"]
    c.flash.map_bank(1)
    erase(c, PER | 2 << 3 | 1 << 11)
    erase(c, PER | 255 << 3)
    assert c.done()[1:] == ["erase 0x0808_1000", "erase 0x0807_F800"]
    assert c["SR"] == 0


def test_mer1_and_mer2_name_physical_banks() -> None:
    c = chip()
    c.flash.map_bank(1)
    erase(c, MER2)
    erase(c, MER1)
    erase(c, MER1 | MER2)
    assert c.done()[:2] == ["bank erase 0x0808_0000", "bank erase 0x0800_0000"]
    assert set(c.flash.erase_counts) == {2}


def test_a_bank_with_a_protected_page_is_refused_as_a_whole() -> None:
    c = chip()
    c.flash.protect_sectors(BASE + BANK + PAGE)
    for mass in (MER2, MER1 | MER2):
        erase(c, mass)
        assert c["SR"] == WRPERR
        c["SR"] = WRPERR
    assert not any(c.flash.erase_counts)


@pytest.mark.parametrize("cr", [PER | MER1, PER | PG, MER1 | PG, PER | FSTPG, PER | MER2])
def test_modes_that_mix_set_pgserr(cr: int) -> None:
    c = chip()
    erase(c, cr)
    assert c["SR"] == PGSERR
    assert c.done() == []


def test_start_without_a_mode_does_nothing_and_is_noted() -> None:
    c = chip()
    erase(c, 0)
    assert c["SR"] == 0
    assert c.front.undefined == ["FLASH_CR: STRT with none of PER, MER1, MER2"]


def test_with_dbank_0_both_mer_bits_are_needed() -> None:
    c = chip("STM32G474xE_single")
    erase(c, MER1)
    assert c["SR"] == PGSERR
    c["SR"] = PGSERR
    erase(c, MER1 | MER2)
    assert set(c.flash.erase_counts) == {1}


def test_g0b1_has_bker_at_bit_13() -> None:
    c = chip("STM32G0B1xE")
    erase(c, PER | 3 << 3 | 1 << 13)
    assert c.done() == ["erase 0x0804_1800"]
    erase(c, PER | 200 << 3)
    assert c["SR"] == WRPERR, "no page has that number"


def test_page_numbers_of_g4_are_cut_to_seven_bits() -> None:
    c = chip("STM32G474xE_dual")
    erase(c, PER | 1 << 11 | 127 << 3)
    assert c.done() == ["erase 0x0807_F800"]


# --- busy


def test_bsy_shows_while_the_device_works_and_eop_when_it_has_done() -> None:
    c = chip()
    c.flash.background = True
    c["CR"] = PER | EOPIE
    c["CR"] = PER | EOPIE | STRT
    assert c["SR"] == BSY
    c.flash.wait()
    assert c["SR"] == EOP


def test_polling_takes_time() -> None:
    c = Chip(PART)
    c.front.poll_us = 1000
    c.flash.background = True
    erase_cr = PER | STRT
    c["CR"] = erase_cr
    polls = 0
    while c["SR"] & BSY:
        polls += 1
    assert polls == 25  # 24 470 us


def test_a_write_to_control_stalls_until_bsy_is_cleared() -> None:
    c = chip()
    c.flash.background = True
    c["CR"] = PER | STRT
    c["CR"] = 0
    assert c.flash.clock.now_us >= 24_470
    assert not c["SR"] & BSY


def test_a_write_while_the_device_works_is_not_allowed() -> None:
    c = chip()
    c.flash.background = True
    c["CR"] = PG
    c.store(BASE, 1, 2)
    c.store(BASE + 8, 1, 2)
    c.flash.wait()
    assert c["SR"] == PGSERR
    assert c.done() == ["program 0x0800_0000, 8 bytes"]


# --- options


def test_options_are_programmed_by_optstrt_and_loaded_by_obl_launch() -> None:
    c = chip()
    optr = c["OPTR"]
    assert optr & 0xFF == 0xAA and not optr & BFB2
    c["OPTR"] = optr | BFB2
    assert c["OPTR"] == optr, "locked"
    c.open_options()
    c["OPTR"] = optr | BFB2
    assert c["OPTR"] == optr | BFB2
    assert c.flash.options.programmed["BFB2"] == 0
    c["CR"] = OPTSTRT
    assert c.flash.options.programmed["BFB2"] == 1
    assert c.flash.options.loaded["BFB2"] == 0
    with pytest.raises(SystemReset, match="OBL_LAUNCH"):
        c["CR"] = OBL_LAUNCH
    assert c.flash.options.loaded["BFB2"] == 1
    assert c["CR"] == LOCK | OPTLOCK
    assert c["OPTR"] == optr | BFB2


def test_optstrt_and_obl_launch_need_the_option_keys() -> None:
    c = chip()
    c["CR"] = OPTSTRT
    c["CR"] = OBL_LAUNCH
    assert c.done() == []


def test_the_banks_of_a_swap_option_part_change_places_at_obl_launch() -> None:
    c = chip("STM32G0B1xE")
    program(c, BASE + 0x4_0000, 0x22, 0x22)
    c.open_options()
    c["OPTR"] = c["OPTR"] & ~(1 << 20)  # nSWAP_BANK
    c["CR"] = OPTSTRT
    assert c.front.load(BASE) == 0xFFFF_FFFF
    with pytest.raises(SystemReset):
        c["CR"] = OBL_LAUNCH
    assert c.front.load(BASE) == 0x22
    c.open()
    erase(c, PER | 1 << 13)
    assert c.front.load(BASE) == 0xFFFF_FFFF, "BKER names the physical bank"


def test_a_change_of_options_that_is_cut_leaves_optverr_rdp1_and_pcrop() -> None:
    c = chip()
    program(c, BASE, 1, 2)
    c.open_options()
    c["OPTR"] = c["OPTR"] | BFB2
    c.cut(1, Outcome.TORN, lambda: c.__setitem__("CR", OPTSTRT))
    assert c["SR"] == OPTVERR
    assert c["OPTR"] & BFB2 and c["OPTR"] & 0xFF == 0xFF
    assert c["PCROP1SR"] == 0 and c["PCROP1ER"] == 0xFFFF
    c.open()
    erase(c, PER)
    assert c["SR"] == OPTVERR | WRPERR
    assert c.front.load(BASE) == 0
    assert c["SR"] & RDERR
    c["SR"] = 0xC3FA
    assert c["SR"] == 0


def test_optverr_keeps_no_operation_from_starting() -> None:
    c = chip()
    c.raise_flags(OPTVERR | RDERR)
    program(c, BASE, 1, 2)
    assert c["SR"] == OPTVERR | RDERR
    assert len(c.done()) == 1


@pytest.mark.parametrize("written", [0, BFB2])
def test_from_level_1_to_0_the_registers_set_user_options_and_pcrop_goes(written: int) -> None:
    """RM0440 3.5.1: what is written in the same change counts, what is not stays as it was."""
    c = chip()
    c.open_options()
    c["OPTR"] = c["OPTR"] & ~0xFF | 0xBB | 3 << 8
    c["CR"] = OPTSTRT
    with pytest.raises(SystemReset):
        c["CR"] = OBL_LAUNCH
    c.flash.options.program({"PCROP": 1})
    c.flash.launch_options()
    c.front.reset()
    c.open()
    c.open_options()
    c["OPTR"] = c["OPTR"] & ~0xFF | 0xAA | written
    c["CR"] = OPTSTRT
    with pytest.raises(SystemReset):
        c["CR"] = OBL_LAUNCH
    loaded = c.flash.options.loaded
    wanted = {"RDP": 0xAA, "PCROP": 0, "BOR_LEV": 3, "BFB2": int(bool(written))}
    assert {name: loaded[name] for name in wanted} == wanted


def test_registers_follow_dbank() -> None:
    """A page number and BKER name other places once DBANK is loaded."""
    c = chip("STM32L4R5xI_single")
    erase(c, PER | 1 << 3 | 1 << 11)
    assert c.done() == ["erase 0x0800_2000"], "one bank: BKER names nothing"
    c.open_options()
    c["OPTR"] = c["OPTR"] | 1 << 22
    c["CR"] = OPTSTRT
    with pytest.raises(SystemReset):
        c["CR"] = OBL_LAUNCH
    assert c["OPTR"] & (1 << 22 | 1 << 20) == 1 << 22
    c.open()
    erase(c, PER | 1 << 3 | 1 << 11)
    erase(c, PER | 1 << 3)
    assert c.done()[2:] == ["erase 0x0810_1000", "erase 0x0800_1000"]
    assert c["SR"] == 0


def test_writing_the_options_again_after_a_mismatch_keeps_pcrop() -> None:
    """PCROP is only ever taken back on the way from RDP level 1 to 0."""
    c = chip()
    c.open_options()
    c.cut(1, Outcome.TORN, lambda: c.__setitem__("CR", OPTSTRT))
    c.open()
    c.open_options()
    c["CR"] = OPTSTRT
    assert c.flash.options.programmed["PCROP"] == 1


def test_from_level_1_to_0_all_flash_is_erased() -> None:
    c = chip()
    program(c, BASE, 1, 2)
    c.open_options()
    c["OPTR"] = c["OPTR"] & ~0xFF
    c["CR"] = OPTSTRT
    with pytest.raises(SystemReset):
        c["CR"] = OBL_LAUNCH
    assert c.flash.options.readout_level == 1
    c.open()
    c.open_options()
    c["OPTR"] = c["OPTR"] | 0xAA
    c["CR"] = OPTSTRT
    assert c.flash.options.readout_level == 0
    assert c.flash.read(BASE, 8) == b"\xff" * 8


def test_at_level_2_a_change_of_options_sets_wrperr() -> None:
    c = chip()
    c.open_options()
    c["OPTR"] = c["OPTR"] & ~0xFF | 0xCC
    c["CR"] = OPTSTRT
    with pytest.raises(SystemReset):
        c["CR"] = OBL_LAUNCH
    c.open()
    c.open_options()
    c["OPTR"] = c["OPTR"] | BFB2
    c["CR"] = OPTSTRT
    assert c["SR"] == WRPERR
    assert c.flash.options.programmed["BFB2"] == 0


@pytest.mark.parametrize(("name", "value"), [("OPTR", 0xFFEF_B8AA), ("WRP1AR", 0x0003_0000)])
def test_options_that_the_device_cannot_hold_are_refused_by_name(name: str, value: int) -> None:
    c = chip()
    c.open_options()
    c[name] = value
    with pytest.raises(UnmodelledOption, match=name):
        c["CR"] = OPTSTRT
    assert c.done() == []


# --- ECC


def test_one_wrong_bit_sets_eccc_with_the_address_in_its_bank() -> None:
    c = chip()
    program(c, BASE + BANK + 0x48, 1, 2)
    c.flash.flip(BASE + BANK + 0x48, 3)
    assert c.front.load(BASE + BANK + 0x4C) == 2
    assert c["ECCR"] == ECCC | 1 << 19 | 0x48


def test_two_wrong_bits_set_eccd_and_raise_an_nmi() -> None:
    c = chip()
    c.flash.spoil(BASE + 0x20)
    with pytest.raises(Nmi, match="0x0800_0020"):
        c.front.load(BASE + 0x24)
    assert c["ECCR"] == ECCD | 0x20


def test_the_address_is_frozen_until_the_flags_are_cleared() -> None:
    c = chip()
    c.flash.spoil(BASE + 0x20)
    c.flash.spoil(BASE + 0x40)
    for place in (0x20, 0x40):
        with pytest.raises(Nmi):
            c.front.load(BASE + place)
    assert c["ECCR"] == ECCD | 0x20
    c["ECCR"] = ECCC
    assert c["ECCR"] == ECCD | 0x20
    c["ECCR"] = ECCD
    assert c["ECCR"] == 0
    with pytest.raises(Nmi):
        c.front.load(BASE + 0x40)
    assert c["ECCR"] == ECCD | 0x40


def test_the_failing_address_is_physical() -> None:
    c = chip()
    c.flash.spoil(BASE + 0x20)
    c.flash.map_bank(1)
    with pytest.raises(Nmi):
        c.front.load(BASE + BANK + 0x20)
    assert c["ECCR"] == ECCD | 0x20


def test_g0b1_has_an_ecc_register_for_each_bank() -> None:
    c = chip("STM32G0B1xE")
    c.flash.spoil(BASE + 0x4_0000)
    with pytest.raises(Nmi):
        c.front.load(BASE + 0x4_0000)
    assert (c["ECCR"], c["ECC2R"]) == (0, ECCD)


def test_a_bad_double_word_is_healed_with_zeros() -> None:
    """What X-CUBE-EEPROM does in the NMI."""
    c = chip()
    c.flash.spoil(BASE)
    program(c, BASE, 0, 0)
    assert c["SR"] == 0
    assert c.front.load(BASE) == 0


def test_no_flash_no_access() -> None:
    c = chip()
    for call in (c.front.load, lambda at: c.front.store(at, 4, 0)):
        with pytest.raises(BusError):
            call(BASE + 2 * BANK)


# --- L5, U5


def test_l5_has_its_registers_elsewhere() -> None:
    c = chip("STM32L552xE")
    assert c.place("NSCR") == 0x28 and c.place("OPTR") == 0x40
    c["NSCR"] = PER | 1 << 11 | STRT
    c["NSCR"] = PG
    c.store(BASE, 1, 2)
    assert c.done() == ["erase 0x0804_0000", "program 0x0800_0000, 8 bytes"]


def test_u5_programs_four_words_at_a_time() -> None:
    c = chip("STM32U575xI")
    c["NSCR"] = PG
    c.store(BASE, 1, 2, 3)
    assert c.done() == []
    c.store(BASE + 12, 4)
    assert c.done() == ["program 0x0800_0000, 16 bytes"]
    c.store(BASE + 24, 1)
    assert c["NSSR"] == PGAERR


def test_u5_programs_a_burst_with_bwr() -> None:
    c = chip("STM32U575xI")
    c["NSCR"] = PG | 1 << 14
    c.store(BASE + 0x80, *range(32))
    assert c.done() == ["program 0x0800_0080, 128 bytes"]


def test_u5_tells_after_a_cut_what_was_broken_off() -> None:
    c = chip("STM32U575xI")
    c["NSCR"] = PG
    c.cut(1, Outcome.TORN, lambda: c.store(BASE + 0x10_0010, 1, 2, 3, 4))
    assert c["OPSR"] == 1 << 29 | 1 << 21 | 0x10
    c.open()
    c["NSCR"] = PER | 1 << 11 | STRT
    assert c["OPSR"] == 0
