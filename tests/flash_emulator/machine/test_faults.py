"""Faults of the bus: where they are taken, with which registers, and what they say."""

import random
import struct

import pytest

from flash_emulator import CutAt, EmulatedFlash, Outcome, PowerLoss, load_part
from flash_emulator.errors import FlashError
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Ended, Limits, Rests

BASE, BAD = 0x0800_0000, 0x0804_0000
# SHCSR = BusFault, MemManage, UsageFault; r1 = BAD, r0 = 0x55, r3 = 3, r5 = 0; b to what is behind.
# The handler: r6 = stacked PC, r11 = CFSR, r12 = BFAR; bkpt #0x41.
FRAME = (
    "074e 4ff4e027 3760 0649 5520 0323 0025 0ce0"
    "069e 044f d7f800b0 d7f810c0 41be 24ed00e0 00000408 28ed00e0"
)
HANDLER, BODY = 0x52, 0x6C


def torn(flash: EmulatedFlash, address: int) -> None:
    """The unit there is torn so that no read of it succeeds."""
    flash.power_on()
    for seed in range(1000):
        tried = flash.fork()
        tried.power_on()
        data = random.Random(seed).randbytes(flash.part.program_unit)
        for each in (tried, flash):
            each.supply = CutAt(1, Outcome.TORN)
            with pytest.raises(PowerLoss):
                each.program(address, data)
            each.power_on()
            try:
                each.read(address, 4)
            except FlashError:
                continue
            break
        else:
            return
    raise AssertionError("no unit that cannot be read")


def faulting(body: str, part: str = "STM32H743xI") -> tuple[Machine, Ended]:
    """A boot of FRAME and *body*, with a unit at BAD that cannot be read."""
    flash = EmulatedFlash(load_part(part))
    table = struct.pack("<16I", 0x2000_1000, BASE + 0x41, *[BASE + HANDLER + 1] * 14)
    image = table + bytes.fromhex(FRAME + body)
    flash.preload(BASE, image + b"\xff" * (-len(image) % flash.part.program_unit))
    torn(flash, BAD)
    machine = Machine(flash.part)
    return machine, machine.boot(flash)


IT = {
    "it": ("01bf 9846 4868 9946 9a46 00be", 4, 3),  # itttt eq; mov r8; ldr r0, [r1, #4]; mov r9
    "behind a good one": ("01bf 086c 4868 9946 9a46 00be", 4, 0),  # the first is ldr r0, [r1, #64]
    "behind another block": ("0f6c 002d 01bf 9846 4868 9946 9a46 00be", 8, 3),
}


@pytest.mark.parametrize(("body", "at", "r8"), IT.values(), ids=list(IT))
def test_a_bus_fault_within_an_it_block_is_taken_where_it_happens(body, at, r8):
    machine, ended = faulting(body)
    assert ended.text == "BKPT #65"
    registers = machine.engine.registers
    assert registers["r0"] == (0xFFFF_FFFF if "086c" in body else 0x55)
    assert [registers[name] for name in ("r8", "r9", "r10")] == [r8, 0, 0]
    assert registers["r6"] == BASE + BODY + at
    assert (registers["r11"], registers["r12"]) == (0x8200, BAD + 4)


def test_a_bus_fault_of_a_multiple_load_changes_no_register():
    machine, _ = faulting("91e80500 00be")  # ldm r1, {r0, r2}
    registers = machine.engine.registers
    assert (registers["r0"], registers["r2"], registers["r12"]) == (0x55, 0, BAD)


def test_the_address_of_a_bus_fault_is_the_one_that_was_reached_for():
    machine, ended = faulting("4ff03041 c1f84801 00be")  # mov r1, #0xb0000000; str r0, [r1, #0x148]
    assert ended.text == "BKPT #65"
    assert machine.engine.registers["r12"] == 0xB000_0148
    assert machine.engine.registers["r11"] == 0x8200


@pytest.mark.parametrize(
    "part", ["STM32H743xI", "STM32F767xI_single", "STM32U575xI", "STM32H563xI"]
)
def test_cores_that_begin_where_they_boot_have_no_flash_at_0(part):
    """VTOR is the address they boot from; at 0 is RAM of H7 and F7, and nothing on an M33."""
    flash = EmulatedFlash(load_part(part))
    image = struct.pack("<4I", 0x2000_1000, BASE + 0x11, 0, 0) + bytes.fromhex(
        "0020 0068 fee7 00bf"
    )
    flash.preload(BASE, image + b"\xff" * (-len(image) % flash.part.program_unit))
    flash.power_on()
    machine = Machine(flash.part)
    ended = machine.boot(flash)  # movs r0, #0; ldr r0, [r0]
    assert ended.table == BASE
    if machine.core == "m7":
        assert (ended.kind, machine.engine.registers["r0"]) == ("loop", 0)
    else:
        assert ended.kind == "lock-up"


def test_an_f7_has_flash_on_its_itcm_bus():
    flash = EmulatedFlash(load_part("STM32F767xI_single"))
    image = struct.pack("<2I", 0x2000_1000, BASE + 9) + bytes.fromhex(
        "0148 0068 00be 00bf 00002000"
    )
    flash.preload(BASE, image)
    flash.power_on()
    machine = Machine(flash.part)
    machine.boot(flash)  # ldr r0, =0x00200000; ldr r0, [r0]
    assert machine.engine.registers["r0"] == 0x2000_1000


def booted(code: str, *, bad: bool = True, **options) -> tuple[Machine, Ended]:
    """A boot of an L476: every exception leads to the first instruction, reset to the second."""
    flash = EmulatedFlash(load_part("STM32L476xG"))
    image = struct.pack("<16I", 0x2000_1000, BASE + 0x43, *[BASE + 0x41] * 14) + bytes.fromhex(code)
    flash.preload(BASE, image + b"\xff" * (-len(image) % 8))
    if bad:
        torn(flash, BAD)
    flash.power_on()
    machine = Machine(flash.part, **options)
    return machine, machine.boot(flash)


def test_an_nmi_comes_before_the_slot_that_is_jumped_to():
    """ldr r0, [r1] of a unit that cannot be read; bx r2."""
    rests = Rests(slots=((0x0806_0000, 0x1000),))
    code = "41be 0249 024a 0868 1047 0000 00000408 01000608"
    machine, ended = booted(code, rests=rests)
    assert (ended.text, machine.record.exceptions) == ("BKPT #65", [("NMI", 0x0806_0000)])
    assert booted(code, bad=False, rests=rests)[1].kind == "slot"


def test_an_nmi_comes_before_a_breakpoint():
    code = "41be 0249 00bf 0868 20be 0000 00000408"
    assert booted(code)[1].text == "BKPT #65"
    assert booted(code, bad=False)[1].text == "BKPT #32"


ERASED_TABLE = (
    "41be 0548 80f30988 0220 80f31488 0348 034a 1060 01df 30be 00400020 00000408 08ed00e0"
)
"""ldr r0; msr psp, r0; movs r0, #2; msr control, r0; ldr r0; ldr r2; str r0, [r2]; svc; bkpt"""


def test_a_vector_that_is_erased_is_no_return_from_its_exception():
    """VTOR leads to erased flash, the stack is PSP's; svc #1."""
    _, ended = booted(ERASED_TABLE, bad=False)
    assert (ended.kind, ended.text) == ("lock-up", "BusFault within HardFault")


@pytest.mark.parametrize("code", ["7047 00de fde7", "7047 0120 0047"], ids=["undefined", "nowhere"])
def test_a_handler_that_returns_to_what_faults_again_ends(code):
    """bx lr in the handler; udf, or a jump to where nothing is."""
    machine, ended = booted(code, bad=False)
    assert ended.kind == "budget"
    assert "faults" in ended.text
    assert machine.exceptions.taken < 30_000


def test_instructions_are_a_budget_of_faults_too():
    _, ended = booted("7047 00de fde7", bad=False, limits=Limits(instructions=1000))
    assert (ended.kind, ended.text) == ("budget", "no rest after 1,000 instructions")


def test_what_returns_to_where_no_code_can_be_ends():
    """udf; the handler: mvn r0, #3; str r0, [sp, #24]; bx lr -- to 0xFFFFFFFC."""
    machine, ended = booted("00e0 00de 6ff00300 0690 7047", bad=False)
    assert ended.kind == "budget"
    assert machine.record.faults[-1].pc == 0xFFFF_FFFC


def test_several_words_are_loaded_within_an_it_block():
    """it eq; ldrd r0, r2, [r1, #64] of good units in a page that has a bad one; then of that."""
    machine, ended = faulting("08bf d1e91002 08bf d1e90002 00be")
    assert ended.text == "BKPT #65"
    registers = machine.engine.registers
    assert (registers["r0"], registers["r2"]) == (0xFFFF_FFFF, 0xFFFF_FFFF)
    assert (registers["r6"], registers["r12"]) == (BASE + BODY + 8, BAD)
