"""RAM that is executed: what is executed is what was last written, in this boot and in the next."""

import pytest

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.machine.machine import Machine
from flash_emulator.parts.part import Part
from tests.flash_emulator.machine.boards import L476

RAM = 0x2000_0000


def flash_with(code: str, part: Part | None = None) -> EmulatedFlash:
    """A vector table, and *code* behind it."""
    flash = EmulatedFlash(part or load_part(L476))
    table = (RAM + 0x1000).to_bytes(4, "little") + (0x0800_0041).to_bytes(4, "little")
    data = table.ljust(0x40, b"\0") + bytes.fromhex(code.replace(" ", ""))
    flash.preload(0x0800_0000, data + b"\xff" * (-len(data) % 8))
    flash.power_on()
    return flash


def copies_and_calls(function: str) -> str:
    """ldr r1, =RAM + 0x400; ldr r0, =function; str r0, [r1]; adds r1, #1; blx r1; bkpt 0"""
    return "0249 0348 0860 0131 8847 00be" + "00040020" + function


MOVS_4, MOVS_9 = "0424 7047", "0924 7047"  # movs r4, #4 (or 9); bx lr


@pytest.fixture(scope="module")
def machine():
    return Machine(load_part(L476))


@pytest.mark.parametrize("order", [(MOVS_4, MOVS_9), (MOVS_9, MOVS_4, MOVS_9)])
def test_code_in_ram_is_this_boots(machine, order):
    for function in order:
        ended = machine.boot(flash_with(copies_and_calls(function)))
        assert ended.kind == "breakpoint"
        assert machine.engine.registers["r4"] == (4 if function == MOVS_4 else 9)


def test_code_in_ram_that_is_written_again_is_translated_again(machine):
    """It is called, overwritten, and called again; r5 keeps what it returned first."""
    code = "0549 0648 0860 4a1c 9047 2546 0448 0860 9047 00be 00bf 0000 00040020"
    ended = machine.boot(flash_with(code + MOVS_4 + MOVS_9))
    assert ended.kind == "breakpoint"
    registers = machine.engine.registers
    assert (registers["r5"], registers["r4"]) == (4, 9)


def test_ram_is_zero_at_power_on(machine):
    """And kept over a reset: that is letter R of the self-test."""
    place = RAM + 0x400
    machine.boot(flash_with(copies_and_calls(MOVS_4)))
    assert machine.space.bytes_at(place, 4) == bytes.fromhex(MOVS_4)
    machine.boot(flash_with("00be"))
    assert machine.space.bytes_at(place, 4) == bytes(4)


def test_ccm_is_seen_behind_sram2():
    """movs r0, #7; ldr r1, =0x2001_8000; str r0, [r1]; bkpt"""
    part = load_part("STM32G474xE_dual")
    machine = Machine(part)
    machine.boot(flash_with("0720 0149 0860 00be 00800120", part))
    assert machine.space.bytes_at(0x1000_0000, 4) == (7).to_bytes(4, "little")


def test_a_boot_does_not_grow_the_engines_table(machine):
    """A store to RAM and a load from flash with the same place in it, again and again."""
    asked = 0
    page = machine.engine._page

    def counting(address, access):
        nonlocal asked
        asked += 1
        return page(address, access)

    machine.engine._page = counting
    try:
        # mov r1, #RAM; mov r5, #flash; movs r3, #200; loop: str r0, [r1]; ldr r2, [r5];
        # subs r3, #1; bne loop; bkpt
        machine.boot(flash_with("4ff00051 4ff00065 c823 0860 2a68 013b fbd1 00be"))
    finally:
        machine.engine._page = page
    assert asked < 12
