"""Flash at address 0, where many parts show it, too: it is the same flash, and the same code."""

import struct

import pytest

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Limits
from tests.flash_emulator.machine.boards import L476

BASE, PAGE_4 = 0x0800_0000, 0x0800_2000


def booted(code: str, entry: int = BASE + 0x41, held: bytes = b""):
    """A boot of *code*, which begins at *entry*; page 4 holds *held*."""
    machine = Machine(load_part(L476), limits=Limits(instructions=10_000))
    flash = EmulatedFlash(machine.part)
    image = struct.pack("<16I", 0x2000_1000, entry, *[0] * 14) + bytes.fromhex(code)
    flash.preload(BASE, image + b"\xff" * (-len(image) % 8))
    flash.preload(PAGE_4, held)
    flash.power_on()
    return machine, machine.boot(flash)


# Unlock flash; r4 and r5 = page 4 by both addresses; erase it; r6 and r8 = the same; set PG;
# str r1, [r3]; str r1, [r3, #4] there; r9 and r10 = the same; bkpt #0
LOOKS = (
    "0b480c4981600c4981600d4b0d4f1c683d680a4941611e68d7f800800121416119605960d3f80090d7f800a000be00bf"
    "00200240 23016745 ab89efcd 22000100 00200008 00200000"
)


def test_what_is_erased_and_programmed_is_seen_at_both_addresses():
    machine, ended = booted(LOOKS, held=bytes(range(8)))
    assert ended.kind == "breakpoint"
    seen = [machine.engine.registers[f"r{n}"] for n in (4, 5, 6, 8, 9, 10)]
    assert seen == [0x0302_0100, 0x0302_0100, 0xFFFF_FFFF, 0xFFFF_FFFF, 1, 1]


def test_an_erase_takes_its_time():
    machine, _ = booted(LOOKS, held=bytes(range(8)))
    erase_us = machine.part.timing.of("sector_erase", size=2048, mode="max")
    program_us = machine.part.timing.of("program_unit", mode="max")
    assert machine.now_us == pytest.approx(erase_us + program_us, abs=10)


@pytest.mark.parametrize("entry", [BASE + 0x41, 0x41], ids=["where it lies", "at 0"])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("fee7", "loop"),
        ("30bf 00be", "sleep"),
        ("20bf 00be", "sleep"),
        ("40bf 20bf 00be", "breakpoint"),  # sev; wfe
    ],
)
def test_instructions_that_wait_are_known_at_both_addresses(code, kind, entry):
    assert booted(code, entry)[1].kind == kind


@pytest.mark.parametrize("entry", [BASE + 0x41, 0x41], ids=["where it lies", "at 0"])
def test_it_blocks_are_known_at_both_addresses(entry):
    """cmp r0, #0; it eq; ldr r5, [r3], which is a call; eight times adds r6, #1 in a block."""
    code = "0b4b 0026 0020 0028 08bf 1d68" + "0136 ffe7" * 8 + "00be 00bf 00300240"
    machine, ended = booted(code, entry)
    assert ended.kind == "breakpoint"
    assert machine.engine.registers["r6"] == 8
