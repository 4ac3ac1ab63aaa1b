"""What SYSCFG shows at address 0: flash, or SRAM, where a core without VTOR has its vectors."""

from dataclasses import replace

from flash_emulator import load_part
from flash_emulator.machine.board import Board, Image
from flash_emulator.registers import SystemReset

VECTORS = "00100020 11000008 11000008 11000008"  # all lead to the code
# SRAM[8] = its last instruction (NMI), CFGR1 = 3, ICSR = NMIPENDSET, b .; BKPT #7
CODE = (
    "0548 0649 8160 064a 0323 1360 054c 064d 2560 fee7 c046 07be"
    "00000020 27000008 00000140 04ed00e0 00000080"
)


def booted(name: str, code: str = CODE):
    part = replace(load_part("STM32F103x8"), name=name)  # F0 and F3 have the registers of F1
    image = Image("code", 0x0800_0000, bytes.fromhex(VECTORS + code))
    board = Board(part, (image,))
    machine, flash = board.machine(), board.flash()
    flash.power_on()
    return machine, flash, machine.boot(flash)


def test_an_m0_takes_its_vectors_from_sram_when_it_is_told_to():
    machine, _, ended = booted("STM32F072xB")
    assert (ended.kind, ended.pc) == ("breakpoint", 0x0800_0026)
    assert [name for name, _ in machine.record.exceptions] == ["NMI"]
    assert machine.space.vector(8) == 0x0800_0027


def test_a_reset_shows_flash_again():
    machine, _, _ = booted("STM32F072xB")
    assert machine.space.vector(8) == 0x0800_0027
    machine._reset(SystemReset("SYSRESETREQ", 0xE000_ED0C))
    assert machine.space.vector(8) == 0x0800_0011


def test_without_the_remap_they_are_those_of_flash():
    machine, _, ended = booted("STM32F072xB", CODE.replace("0323", "0023"))
    assert ended.kind == "loop"
    assert machine.space.vector(8) == 0x0800_0011
