"""WFI, WFE and SEV; and a core that is locked up while a watchdog runs."""

import struct

import pytest

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Ended

BASE = 0x0800_0000
WFE, WFI, SEV, BKPT = "20bf", "30bf", "40bf", "20be"


def booted(code: str, handler: str = "00be") -> tuple[Machine, Ended]:
    """A boot of an L476: every exception leads to *handler*, reset to *code*."""
    flash = EmulatedFlash(load_part("STM32L476xG"))
    begin = BASE + 0x40 + len(bytes.fromhex(handler))
    table = struct.pack("<16I", 0x2000_1000, begin + 1, *[BASE + 0x41] * 14)
    image = table + bytes.fromhex(handler + code)
    flash.preload(BASE, image + b"\xff" * (-len(image) % 8))
    flash.power_on()
    machine = Machine(flash.part)
    return machine, machine.boot(flash)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (WFE + BKPT, "sleep"),
        (SEV + WFE + BKPT, "breakpoint"),
        (SEV + SEV + WFE + WFE + BKPT, "sleep"),
        (WFI + BKPT, "sleep"),
        (SEV + WFI + BKPT, "sleep"),
        ("01df" + WFE + BKPT, "breakpoint"),  # svc #1: to return from an exception is an event
        ("01df" + WFE + WFE + BKPT, "sleep"),
        ("20bf fde7", "sleep"),  # a loop of WFE
        ("aff30280" + BKPT, "sleep"),  # wfe.w
        ("aff30380" + BKPT, "sleep"),  # wfi.w
        ("aff30480 aff30280 aff30180" + BKPT, "breakpoint"),  # sev.w, wfe.w, yield.w
    ],
)
def test_wfe_goes_on_at_an_event(code, kind):
    assert booted(code, "7047 00bf")[1].kind == kind


def test_wfe_sleeps_until_an_interrupt_comes():
    """SysTick every 10,000 cycles; adds r5 at each of five returns of WFE."""
    code = "0548 42f20f71 4160 0721 0160 20bf 0135 052d fbd1 20be 0000 10e000e0"
    machine, ended = booted(code, "0137 7047 00bf 00bf")
    assert ended.kind == "breakpoint"
    assert machine.engine.registers["r7"] in (2, 3)
    assert machine.now_us > 2 * 10_000 / machine.clock_mhz


# udf #1 in the handler. RCC_CSR.IWDGRSTF: bkpt #0x21; else start IWDG, udf #0.
LOCKED_UP = "0548 0468 a400 04d4 0448 4cf6cc41 0160 00de 21be 0000 94100240 00300040"


def test_a_watchdog_resets_a_core_that_is_locked_up():
    machine, ended = booted(LOCKED_UP, "01de")
    assert ended.text == "BKPT #33"
    assert machine.record.resets == ["IWDG"]
    assert machine.now_us > 400_000


def test_without_a_watchdog_it_stays_locked_up():
    assert booted(LOCKED_UP.replace("0160 00de", "00bf 00de"), "01de")[1].kind == "lock-up"


def test_a_lock_up_after_each_reset_ends_at_last():
    code = LOCKED_UP.replace("04d4", "00bf")
    machine, ended = booted(code, "01de")
    assert ended.kind == "lock-up"
    assert set(machine.record.resets) == {"IWDG"}
    assert len(machine.record.resets) == machine.limits.resets


SYSTICK = "0448 41f60f71 4160 0721 0160 {} 00bf 00bf 10e000e0"
"""SysTick every 8,000 cycles, with its interrupt; then what is to come."""


@pytest.mark.parametrize(
    ("idle", "kind"), [("30bf fde7", "sleep"), ("20bf fde7", "sleep"), ("fee7 00bf", "loop")]
)
@pytest.mark.parametrize("mask", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_a_core_that_idles_with_a_tick_is_at_rest_soon(idle, kind, mask):
    code = SYSTICK.format(idle)
    if mask:
        code = "72b6 00bf" + code  # cpsid i
    machine, ended = booted(code, "7047 00bf")
    assert ended.kind == kind
    assert len(machine.record.exceptions) <= machine.limits.wake_ups + 1
