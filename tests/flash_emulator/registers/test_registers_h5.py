"""H5: a test for each sentence of RM0481 and each capture of a chip that the front follows.

The sentences are those of the SVD file; the captures are of a NUCLEO-H563ZI. pyocd has no flash
algorithm for H5, so none of Arm's drives this front.
"""

from __future__ import annotations

import pytest

from flash_emulator import Outcome
from flash_emulator.registers import BusError, Nmi, UnmodelledOption
from flash_emulator.registers.h5_layout import (
    BER,
    BK_ECC,
    BKSEL,
    BSY,
    ECCC,
    ECCD,
    ECCIE,
    EOP,
    FW,
    INCERR,
    LOCK,
    MER,
    OPTLOCK,
    OPTSTRT,
    PG,
    PGSERR,
    SER,
    SNB_SHIFT,
    STRBERR,
    STRT,
    SWAP_BANK,
    WBNE,
    WRPERR,
)
from flash_emulator.registers.locks import KEYS
from tests.flash_emulator.registers.chips import BASE, Chip

PART = "STM32H563xI"
BANK, SECTOR = 0x10_0000, 0x2000
ALL = 0x00FF_0000


def chip(**kw: bool) -> Chip:
    return Chip(PART, **kw)


def program(c: Chip, address: int, *words: int) -> None:
    c["NSCR"] = PG
    c.store(address, *words)


def erase(c: Chip, cr: int) -> None:
    c["NSCR"] = cr
    c["NSCR"] = cr | STRT
    c["NSCR"] = 0


def swap(c: Chip) -> None:
    c.open_options()
    c["OPTSR_PRG"] = c["OPTSR_PRG"] | SWAP_BANK
    c["OPTCR"] = OPTSTRT
    c.flash.reset()
    c.front.reset()
    c.open()


# --- locks


def test_control_is_locked_until_both_keys_are_given() -> None:
    c = chip(opened=False)
    assert c["NSCR"] == LOCK and c["OPTCR"] == OPTLOCK
    c["NSCR"] = PG
    assert c["NSCR"] == LOCK
    for key in KEYS:
        c["NSKEYR"] = key
    c["NSCR"] = PG
    assert c["NSCR"] == PG


def test_unlocking_twice_locks_until_reset_and_a_wrong_key_is_a_bus_error() -> None:
    c = chip()
    c.open()
    assert c["NSCR"] == LOCK
    c.open()
    assert c["NSCR"] == LOCK
    c.front.reset()
    with pytest.raises(BusError):
        c["NSKEYR"] = 1
    c.open()
    assert c["NSCR"] == LOCK


def test_lock_leaves_the_other_bits_of_control_as_they_are() -> None:
    c = chip()
    c["NSCR"] = PG
    c["NSCR"] = LOCK
    assert c["NSCR"] == PG | LOCK


# --- programming


def test_a_quad_word_is_programmed_when_its_four_words_are_in_the_buffer() -> None:
    c = chip()
    program(c, BASE, 1, 2, 3)
    assert c["NSSR"] == WBNE and c.done() == []
    c.store(BASE + 12, 4)
    assert c["NSSR"] == EOP
    assert c.done() == ["program 0x0800_0000, 16 bytes"]
    assert [c.front.load(BASE + 4 * i) for i in range(4)] == [1, 2, 3, 4]


def test_order_and_width_of_the_writes_do_not_matter() -> None:
    c = chip()
    c["NSCR"] = PG
    c.front.store(BASE + 8, 8, 0x4444_3333)
    c.front.store(BASE, 8, 1)
    for at in range(16):
        c.front.store(BASE + 16 + at, 1, at)
    assert len(c.done()) == 2 and c["NSSR"] == EOP


def test_flags_are_cleared_by_nsccr_and_by_nothing_else() -> None:
    """Capture: "writing NSSR does not clear them"."""
    c = chip()
    program(c, BASE, 1, 2, 3, 4)
    c["NSSR"] = 0
    c["NSSR"] = 0xFFFF_FFFF
    assert c["NSSR"] == EOP
    c["NSCCR"] = EOP
    assert c["NSSR"] == 0


@pytest.mark.parametrize("first", [4, 8, 12])
def test_four_words_from_an_address_that_is_not_aligned_set_incerr_alone(first: int) -> None:
    """Capture: NSSR = 0x0010_0000 "after 4 writes from a non-aligned base"; nothing is written."""
    c = chip()
    program(c, BASE + first, 1, 2, 3, 4)
    assert c["NSSR"] == INCERR == 0x0010_0000
    assert c.done() == []
    c["NSCCR"] = INCERR
    program(c, BASE, 1, 2, 3, 4)
    assert c["NSSR"] == EOP and len(c.done()) == 1


def test_a_quad_word_that_is_not_complete_is_lost_when_another_is_begun() -> None:
    c = chip()
    program(c, BASE, 1, 2)
    c.store(BASE + 16, 3)
    assert c["NSSR"] == INCERR
    assert c.flash.read(BASE, 32) == b"\xff" * 32


def test_a_quad_word_that_is_not_erased_is_programmed_bits_and_without_a_flag() -> None:
    """Capture: "Program-over-not-erased is allowed (no error)"; the ECC no longer fits."""
    c = chip()
    program(c, BASE, *[0xFFFF_FFF0] * 4)
    program(c, BASE, *[0xFFFF_FF0F] * 4)
    assert c["NSSR"] == EOP
    c.flash.cells.is_open = True
    held, code = c.flash.cells.word(0), c.flash.cells.code
    assert code is not None
    data = held & (1 << 128) - 1
    assert data == int.from_bytes((0xFFFF_FF00).to_bytes(4, "little") * 4, "little")
    assert held != code.encode(data), "two programs leave the check bits of neither"


def test_the_same_byte_twice_in_the_buffer_is_a_strobe_error() -> None:
    c = chip()
    program(c, BASE, 1)
    c.store(BASE, 1)
    assert c["NSSR"] == STRBERR and c.done() == []


def test_a_store_without_pg_is_a_sequence_error_and_stores_are_dropped_until_it_is_cleared() -> (
    None
):
    c = chip()
    c.store(BASE, 1)
    assert c["NSSR"] == PGSERR
    program(c, BASE, 1, 2, 3, 4)
    assert c["NSSR"] == PGSERR and c.done() == []
    c["NSCCR"] = ALL
    program(c, BASE, 1, 2, 3, 4)
    assert c["NSSR"] == EOP


def test_forcing_fills_the_quad_word_with_ones_once() -> None:
    c = chip()
    program(c, BASE + 4, 0x1234)
    c["NSCR"] = PG | FW
    assert c["NSCR"] == PG and c["NSSR"] == EOP
    assert c.flash.read(BASE, 16) == b"\xff" * 4 + bytes([0x34, 0x12, 0, 0]) + b"\xff" * 8
    c["NSCR"] = PG | FW
    assert len(c.done()) == 1, "effective only if the write buffer is not empty"


def test_the_buffer_outlives_pg_but_not_a_reset() -> None:
    """WBNE is reset when the buffer is complete, by FW, or by an error; PG is not among them."""
    c = chip()
    program(c, BASE, 1)
    c["NSCR"] = 0
    assert c["NSSR"] == WBNE
    c.front.reset()
    assert c["NSSR"] == 0


def test_one_buffer_serves_both_banks() -> None:
    c = chip()
    program(c, BASE, 1)
    c.store(BASE + BANK, 1)
    assert c["NSSR"] == INCERR
    c["NSCCR"] = INCERR
    program(c, BASE + BANK, 1, 2, 3, 4)
    assert c.done() == ["program 0x0810_0000, 16 bytes"]


# --- erasing


def test_a_sector_of_the_bank_that_bksel_names_is_erased() -> None:
    c = chip()
    erase(c, SER | 3 << SNB_SHIFT)
    erase(c, SER | BKSEL | 127 << SNB_SHIFT)
    assert c.done() == ["erase 0x0800_6000", "erase 0x081F_E000"]
    assert c["NSSR"] == EOP


def test_bksel_names_physical_banks_whatever_swap_bank_says() -> None:
    """ "The bit selects physical bank, SWAP_BANK setting is ignored"."""
    c = chip()
    swap(c)
    erase(c, SER)
    erase(c, SER | BKSEL)
    erase(c, BER | BKSEL)
    assert c.done()[1:] == ["erase 0x0800_0000", "erase 0x0810_0000", "bank erase 0x0810_0000"]


def test_a_bank_and_all_flash() -> None:
    c = chip()
    erase(c, BER)
    erase(c, MER)
    assert c.done() == ["bank erase 0x0800_0000", "mass erase 0x0800_0000"]


@pytest.mark.parametrize("both", [SER | MER, BER | MER, SER | BER, SER | BER | MER])
def test_two_kinds_of_erase_at_once_are_a_sequence_error(both: int) -> None:
    c = chip()
    erase(c, both)
    assert c["NSSR"] == PGSERR and c.done() == []


def test_a_start_with_no_kind_of_erase_is_reported() -> None:
    c = chip()
    c["NSCR"] = STRT
    assert c.front.undefined and c.done() == []


def test_protected_sectors_set_wrperr() -> None:
    c = chip()
    c.flash.protect_sectors(BASE + SECTOR)
    c.front.reset()
    c.open()
    assert c["WRP1R_CUR"] == 0xFFFF_FFFE and c["WRP2R_CUR"] == 0xFFFF_FFFF
    erase(c, SER | 1 << SNB_SHIFT)
    assert c["NSSR"] == WRPERR
    c["NSCCR"] = ALL
    erase(c, BER)
    assert c["NSSR"] == WRPERR
    c["NSCCR"] = ALL
    program(c, BASE + SECTOR, 1, 2, 3, 4)
    assert c["NSSR"] == WRPERR and c.done() == []


def test_bsy_shows_until_the_time_has_passed() -> None:
    c = chip()
    c.flash.background = True
    erase(c, SER)
    assert c["NSSR"] == BSY
    c.flash.wait()
    assert c["NSSR"] == EOP


# --- options


def test_a_swap_counts_from_the_next_reset_on() -> None:
    """OPTSR_CUR shows what is programmed; SWAP_BANK of OPTCR follows "only after reset or POR"."""
    c = chip()
    program(c, BASE, 1, 2, 3, 4)
    c.open_options()
    assert c["OPTSR_CUR"] == 0x2D30_EDF8
    c["OPTSR_PRG"] = c["OPTSR_PRG"] | SWAP_BANK
    assert c["OPTSR_CUR"] == 0x2D30_EDF8
    c["OPTCR"] = OPTSTRT
    assert c["OPTSR_CUR"] == 0x2D30_EDF8 | SWAP_BANK
    assert c["OPTCR"] == 0 and c.front.load(BASE) == 1
    c.flash.reset()
    c.front.reset()
    assert c["OPTCR"] == SWAP_BANK | OPTLOCK
    assert c.front.load(BASE + BANK) == 1


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_change_of_options_that_is_cut_is_the_old_or_the_new(outcome: Outcome) -> None:
    c = chip()
    c.open_options()
    c["OPTSR_PRG"] = c["OPTSR_PRG"] | SWAP_BANK
    c.cut(1, outcome, lambda: c.__setitem__("OPTCR", OPTSTRT))
    assert bool(c["OPTCR"] & SWAP_BANK) == (outcome is Outcome.AFTER)
    assert not c.flash.options.mismatch


def test_options_are_locked_and_what_the_device_cannot_hold_is_refused() -> None:
    c = chip()
    for name in ("OPTSR_PRG", "WRP1R_PRG", "NSBOOTR_PRG"):
        before = c[name]
        c[name] = before ^ 0xFF
        assert c[name] == before
    c["OPTCR"] = OPTSTRT
    c.open_options()
    c["WRP1R_PRG"] = 0xFFFF_FFFE
    with pytest.raises(UnmodelledOption, match="WRP1R_PRG"):
        c["OPTCR"] = OPTSTRT
    c["WRP1R_PRG"] = 0xFFFF_FFFF
    c["OPTSR_PRG"] = 0x2D30_17F8
    with pytest.raises(UnmodelledOption, match="OPTSR_PRG"):
        c["OPTCR"] = OPTSTRT
    c["OPTCR"] = OPTLOCK
    assert c["OPTCR"] == OPTLOCK and c.done() == []


# --- ECC, cuts


def test_one_wrong_bit_is_corrected_and_two_are_an_nmi_with_the_place_of_the_first() -> None:
    c = chip()
    program(c, BASE + BANK + 64, 1, 2, 3, 4)
    c["ECCCORR"] = ECCIE
    c.flash.flip(BASE + BANK + 64, 9)
    assert c.front.load(BASE + BANK + 68) == 2
    assert c["ECCCORR"] == ECCC | ECCIE | BK_ECC | 4
    c.flash.spoil(BASE + 96)
    c.flash.spoil(BASE + 128)
    for address in (BASE + 96, BASE + 128):
        with pytest.raises(Nmi):
            c.front.load(address)
    assert c["ECCDETR"] == ECCD | 6
    c["ECCDETR"] = ECCD
    c["ECCCORR"] = ECCC | ECCIE
    assert c["ECCDETR"] == 0 and c["ECCCORR"] == ECCIE


def test_the_bank_of_an_ecc_error_is_the_physical_one() -> None:
    c = chip()
    program(c, BASE + BANK, 1, 2, 3, 4)
    c.flash.spoil(BASE + BANK)
    swap(c)
    with pytest.raises(Nmi):
        c.front.load(BASE)
    assert c["ECCDETR"] == ECCD | BK_ECC


def test_opsr_tells_what_a_cut_broke_off() -> None:
    c = chip()
    c["NSCR"] = PG
    c.cut(1, Outcome.TORN, lambda: c.store(BASE + BANK + 32, 1, 2, 3, 4))
    assert c["OPSR"] == 1 << 29 | 1 << 22 | 32
    c.open()
    c.cut(1, Outcome.TORN, lambda: erase(c, SER | 2 << SNB_SHIFT))
    assert c["OPSR"] == 3 << 29 | 2 * SECTOR
    c.open()
    erase(c, SER | 2 << SNB_SHIFT)
    assert c["OPSR"] == 0


def test_what_is_in_the_buffer_when_power_goes_is_lost() -> None:
    c = chip()
    program(c, BASE, 1, 2)
    c.flash.power_on()
    c.front.reset()
    assert c["NSSR"] == 0 and c.flash.read(BASE, 16) == b"\xff" * 16
