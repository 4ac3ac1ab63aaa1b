"""A boot begins as if its machine had never booted anything else."""

import multiprocessing
import os
import struct

import pytest

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Limits

BASE = 0x0800_0000


def booted(machine: Machine, code: str) -> tuple[bytes, object]:
    flash = EmulatedFlash(machine.part)
    image = struct.pack("<4I", 0x2000_1000, BASE + 0x11, 0, 0) + bytes.fromhex(code)
    flash.preload(BASE, image + b"\xff" * (-len(image) % 8))
    flash.power_on()
    assert machine.boot(flash).kind == "breakpoint"
    return machine.state(), machine.now_us


TWO = {
    "the monitor of exclusive access: ldrex r1, [r0]; strex r1, r0, [r0]": (
        "0148 50e8001f 00be 00080020",
        "0148 40e80001 00be 00080020",
    ),
    "the CRC unit: str r0, [r0] of its data; ldr r1, [r0] of it": (
        "0148 0060 00bf 00be 00300240",
        "0148 00bf 0168 00be 00300240",
    ),
    "code at one address: mrs r0, control; mvn lr, #0": ("eff31480 00be", "6ff0000e 00be"),
    "code at one address: it eq; adds": ("08bf 0130 00be", "0130 0130 00be"),
}


@pytest.mark.parametrize(("first", "second"), TWO.values(), ids=list(TWO))
def test_nothing_of_an_earlier_boot_is_left(first, second):
    part = load_part("STM32L476xG")
    used, fresh = Machine(part), Machine(part)
    booted(used, first)
    assert booted(used, second) == booted(fresh, second)


# IWDG_KR = 0xCCCC; then for ever: ldr r1, [r2] of a register of GPIOA.
STARVED = "0348 4cf6cc41 0160 4ff09042 1168 fde7 00300040"


def test_a_reset_by_a_watchdog_is_no_news_after_power_on():
    """What nobody has read or written in a boot is reset all the same."""
    used, fresh = (Machine(load_part("STM32L476xG"), limits=Limits(resets=1)) for _ in range(2))
    flash = EmulatedFlash(used.part)
    image = struct.pack("<4I", 0x2000_1000, BASE + 0x11, 0, 0) + bytes.fromhex(STARVED)
    flash.preload(BASE, image + b"\xff" * (-len(image) % 8))
    flash.power_on()
    assert used.boot(flash).kind == "resets"
    flags = "0148 d0f89410 00be 00100240"  # ldr r1, [r0, #0x94]: RCC_CSR
    assert booted(used, flags) == booted(fresh, flags)


# ldr r1, GPIOA_ODR; mvn r2, #0; cmp r2, #0; itttt lt; four times str r0, [r1]; then adds r4, #1 in
# four blocks. From an odd address, 2A BF looks like another IT instruction.
HIDDEN = "0849 6ff00002 002a bfbf 0860 0860 0860 0860 0134 ffe7 0134 ffe7 0134 ffe7 0134 00be 00bf"


def test_nothing_that_looks_like_one_hides_an_it_instruction():
    """It must be known, or the engine skips an instruction behind its block."""
    machine, flash = Machine(load_part("STM32L476xG")), EmulatedFlash(load_part("STM32L476xG"))
    code = bytes.fromhex(HIDDEN) + struct.pack("<I", 0x4800_0014)
    image = struct.pack("<4I", 0x2000_1000, BASE + 0x11, 0, 0) + code
    flash.preload(BASE, image + b"\xff" * (-len(image) % 8))
    flash.power_on()
    assert machine.boot(flash).kind == "breakpoint"
    assert machine.engine.registers["r4"] == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process is forked here")
def test_a_process_that_is_forked_has_memory_of_its_own():
    """A machine that was kept from an earlier search goes on in workers that are forked later."""
    machine = Machine(load_part("STM32L476xG"))
    store = "0149 0860 00be 00be"  # ldr r1, [pc, #4]; str r0, [r1]: RAM
    booted(machine, store + "00200020")
    before = machine.space.bytes_at(0x2000_2000, 4)
    child = multiprocessing.get_context("fork").Process(
        target=lambda: machine.space.set_bytes(0x2000_2000, b"gone")
    )
    child.start()
    child.join()
    assert child.exitcode == 0
    assert machine.space.bytes_at(0x2000_2000, 4) == before
