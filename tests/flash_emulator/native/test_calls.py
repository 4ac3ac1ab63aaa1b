"""What the functions of mcu_flash.h say, and what ends a boot instead."""

from __future__ import annotations

import pytest

from flash_emulator import EmulatedFlash, PowerLoss, UnknownContent, load_part
from flash_emulator.explore import Violation
from flash_emulator.native import Budget
from flash_emulator.power import CutAt, Outcome
from tests.flash_emulator.native.conftest import Make

pytestmark = pytest.mark.judge("gcc")

PLACE = 0x0800_8000


def returns(call: str, **more: str) -> str:
    return f"int boot(void) {{ unsigned char data[256] = {{1, 2, 3}}; (void)data; return {call}; }}"


def test_bytes_are_read_programmed_erased(c: Make, flash: EmulatedFlash) -> None:
    subject = c("""
        int boot(void)
        {
            unsigned char in[16] = "a text, 16 bytes", out[16];
            return flash_program(0x08008000, in, 16) * 100 + flash_read(0x08008001, out, 15) * 10 +
                   (out[0] == in[1] && out[14] == in[15]) + 2 * flash_erase(0x08008800);
        }
    """)
    flash.preload(PLACE + 2048, b"else    ")
    assert subject.boot_once(flash) == 1
    assert flash.read(PLACE, 16) == b"a text, 16 bytes"
    assert flash.read(PLACE + 2048, 8) == b"\xff" * 8


@pytest.mark.parametrize(
    ("held", "same"), [(b"\1\2\3" + bytes(13), 16), (b"\1\2\3" + bytes(6) + b"\7", 8), (b"", 0)]
)
def test_match_counts_bytes_up_to_the_unit_that_differs(
    c: Make, flash: EmulatedFlash, held: bytes, same: int
) -> None:
    flash.preload(PLACE, held.ljust(16, b"\xff"))
    assert c(returns("flash_match(0x08008000, data, 16)")).boot_once(flash) == same


def test_a_unit_that_the_ecc_gives_up_is_a_code(c: Make, flash: EmulatedFlash) -> None:
    flash.preload(PLACE, bytes(8))
    flash.flip(PLACE, 0)
    flash.flip(PLACE, 1)
    subject = c("""
        int boot(void)
        {
            unsigned char data[8] = {42};
            int read = flash_read(0x08008000, data, 8), same = flash_match(0x08008000, data, 8);
            return read == FLASH_UNREADABLE && data[0] == 42 && same == 0;
        }
    """)
    assert subject.boot_once(flash) == 1


def test_what_is_not_erased_or_protected_is_a_code(c: Make, flash: EmulatedFlash) -> None:
    flash.preload(PLACE, b"occupied")
    assert c(returns("flash_program(0x08008000, data, 8)")).boot_once(flash) == -2
    flash.protect_sectors(PLACE)
    assert c(returns("flash_program(0x08008000, data, 8)")).boot_once(flash) == -3
    assert c(returns("flash_erase(0x08008000)")).boot_once(flash) == -3


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("flash_program(0x08008004, data, 8)", "AlignmentError: .*unit is 8"),
        ("flash_program(0x08008000, data, 7)", "AlignmentError: .*unit is 8"),
        ("flash_erase(0x08008008)", "AlignmentError: no sector starts at 0x08008008"),
        ("flash_read(0x20000000, data, 4)", "AlignmentError"),
        ("flash_match(0x080FFFF8, data, 16)", "AlignmentError"),
        ("flash_map_bank(7)", "AlignmentError: STM32L476xG cannot map bank 7"),
        ('option_program("nonsense", 1)', "AlignmentError: .*nonsense"),
    ],
)
def test_a_call_that_no_mcu_could_do_ends_the_boot_and_names_the_line(
    c: Make, flash: EmulatedFlash, call: str, said: str
) -> None:
    with pytest.raises(Violation, match=rf"live: .*{said}.*, at boot\.c:2 in boot\(\)"):
        c(returns(call)).boot_once(flash)


def test_a_cut_leaves_the_c_code_at_once(c: Make, flash: EmulatedFlash) -> None:
    subject = c("""
        int boot(void)
        {
            unsigned char data[32] = {0};
            while (flash_program(0x08008000, data, 32) != FLASH_OK) ;
            flash_erase(0x08009000);
            return 5;
        }
    """)
    flash.supply = CutAt(3, Outcome.AFTER)
    with pytest.raises(PowerLoss, match="operation 3"):
        subject.boot_once(flash)
    assert flash.usage.programs == 2


def test_unknown_content_and_what_else_is_no_error_comes_through(
    c: Make, flash: EmulatedFlash
) -> None:
    subject = c(returns("flash_read(0x08008000, data, 32)"))
    flash.cells.forget(0x8008, 8)
    with pytest.raises(UnknownContent) as raised:
        subject.boot_once(flash)
    assert raised.value.offset == PLACE - flash.part.base

    class Odd(BaseException):
        pass

    class Raises:
        def read(self, offset: int, size: int) -> None:
            raise Odd

        def compared(self, unit: int, wanted: object, *, never: bool) -> None: ...
        def operation(self, operation: object) -> None: ...
        def moment(self) -> None: ...

    fresh = EmulatedFlash(flash.part)
    fresh.watch = Raises()
    with pytest.raises(Odd):
        subject.boot_once(fresh)


RESETS = """
static int begun;
int boot(void)
{
    unsigned char unit[8] = {7};
    begun++;
    if (flash_match(0x08008000, unit, 8) != 8) {
        flash_program(0x08008000, unit, 8);
        mcu_reset();
    }
    return begun;
}
"""


def test_a_reset_begins_anew_with_the_same_flash(c: Make, flash: EmulatedFlash) -> None:
    assert c(RESETS).boot_once(flash) == 1


def test_banks_are_exchanged_by_the_option_and_at_once(c: Make, flash: EmulatedFlash) -> None:
    flash.preload(0x0808_0000, (0x2001_8000).to_bytes(4, "little") + b"two!")
    subject = c("""
        int boot(void)
        {
            uint32_t swapped = 9;
            if (option_read("BFB2", &swapped) != FLASH_OK)
                return -1;
            if (!swapped) {
                option_program("BFB2", 1);
                option_launch();
            }
            unsigned char two[4];
            flash_read(0x08000004, two, 4);
            int has = two[0] == 't';
            flash_map_bank(0);
            flash_read(0x08000004, two, 4);
            return has && two[0] == 0xFF;
        }
    """)
    assert subject.boot_once(flash) == 1


def test_a_part_without_ecc_and_with_other_sectors(c: Make) -> None:
    flash = EmulatedFlash(load_part("STM32F429xI"))
    subject = c(returns("flash_erase(0x08020000) + flash_program(0x08020004, data, 8)"))
    assert subject.boot_once(flash) == 0
    assert flash.read(0x0802_0000, 8) == b"\xff\xff\xff\xff\1\2\3\0"


def test_budgets_are_those_that_were_given(c: Make, flash: EmulatedFlash) -> None:
    loops = "int boot(void) { volatile int n = 0; while (n < 1000) n++; return n; }"
    assert c(loops, budget=Budget(blocks=2100)).boot_once(flash) == 1000
    with pytest.raises(Violation, match=r"live: no rest after 900 basic blocks of C code, at boot"):
        c(loops, budget=Budget(blocks=900)).boot_once(flash)


@pytest.mark.parametrize("coalesce", [True, False])
def test_what_was_programmed_a_moment_ago_is_read(
    c: Make, flash: EmulatedFlash, coalesce: bool
) -> None:
    subject = c(
        """
        int boot(void)
        {
            unsigned char unit[8] = {1, 2, 3}, read = 0, before = 0;
            flash_erase(0x08008000);
            flash_program(0x08008000, unit, 8);
            flash_program(0x08008008, unit, 8);
            flash_read(0x08007FFF, &before, 1);
            flash_read(0x0800800A, &read, 1);
            flash_program(0x08008010, unit, 8);
            return read + 10 * flash_match(0x08008010, unit, 8) + before;
        }
        """,
        coalesce=coalesce,
    )
    assert subject.boot_once(flash) == 3 + 80 + 0xFF
