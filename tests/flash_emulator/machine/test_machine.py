"""Whole programs on the machine: from reset to rest."""

import struct

import pytest

from flash_emulator import CutAt, EmulatedFlash, Outcome, PowerLoss, load_part
from flash_emulator.machine.machine import Machine
from flash_emulator.machine.rest import Ended, Limits, Rests
from flash_emulator.watchdog import Hung, heed, watching
from tests.flash_emulator.machine.boards import (
    L476,
    MARK,
    SLOT,
    booted,
    copy_board,
    program,
)


@pytest.fixture(scope="module")
def machine():
    return Machine(load_part(L476))


def test_exceptions_of_an_m4f(machine):
    """SVC, PendSV, SysTick, NMI, masks, preemption, tail-chaining, both stacks, floating point,
    faults and escalation, VTOR, the cycle counter, bit-band, accesses in IT blocks, reset."""
    ended = booted(machine, program("selftest"))
    assert machine.record.output == b"SPTNMpcXUHVBFfbueEDZrwlLmsR\n"
    assert ended.kind == "loop"
    assert machine.record.resets == ["SYSRESETREQ"]


def test_exceptions_of_an_m0plus():
    """All but "w": the engine does not fault on an access that is not aligned."""
    machine = Machine(load_part("STM32G0B1xE"))
    booted(machine, program("selftest_m0", "STM32G0B1xE"))
    assert machine.record.output == b"SPTNMpcXUHVs-R\n"


def test_two_boots_do_the_same(machine):
    found = []
    for _ in range(2):
        ended = booted(machine, program("selftest"))
        found.append((ended, machine.state(), machine.now_us, machine.record.exceptions))
    assert found[0] == found[1]


def test_without_machine_code_all_is_the_same(machine, monkeypatch):
    booted(machine, program("selftest"))
    expected = machine.state(), machine.now_us, bytes(machine.record.output)
    monkeypatch.setattr("flash_emulator.machine.meter.executable", lambda code: None)
    other = Machine(load_part(L476))
    booted(other, program("selftest"))
    assert (other.state(), other.now_us, bytes(other.record.output)) == expected


@pytest.mark.parametrize("coalesce", [True, False])
@pytest.mark.parametrize("name", ["copy_restart", "copy_restart_paged", "copy_resume"])
def test_a_bootloader_installs_what_is_staged(name, coalesce):
    board = copy_board(name, 4096, coalesce=coalesce)
    machine, flash = board.machine(), board.flash()
    flash.power_on()
    ended = machine.boot(flash)
    new = board.questions.published[1]
    assert (ended.kind, ended.pc, ended.table) == ("slot", SLOT + 0x40, SLOT)
    assert flash.read(SLOT, len(new.data)) == new.data
    assert flash.read(MARK, 8) == b"DONE" + (4096).to_bytes(4, "little")
    assert flash.usage.programs == 4096 // 8 + 1


@pytest.mark.parametrize("operation", [1, 4, 300])
def test_a_cut_comes_out_and_the_next_boot_mends_it(operation):
    board = copy_board("copy_restart", 4096)
    machine, flash = board.machine(), board.flash()
    flash.power_on()
    flash.supply = CutAt(operation, Outcome.TORN)
    with pytest.raises(PowerLoss):
        machine.boot(flash)
    flash = flash.fork()
    flash.power_on()
    assert machine.boot(flash).kind == "slot"
    assert flash.read(SLOT, 4096) == board.questions.published[1].data


def test_what_a_boot_may_take_is_limited():
    machine = Machine(load_part(L476), limits=Limits(instructions=20_000))
    ended = booted(machine, program("selftest"))
    assert ended.kind == "budget"
    assert machine.now_us < 20_000 / machine.clock_mhz + 1e6


def test_text_ends_a_boot():
    machine = Machine(load_part(L476), rests=Rests(texts=(b"MpcX",)))
    assert booted(machine, program("selftest")).kind == "text"
    assert machine.record.output == b"SPTNMpcX"


def test_an_empty_flash_locks_up(machine):
    flash = EmulatedFlash(load_part(L476))
    flash.power_on()
    ended = machine.boot(flash)
    assert ended.kind == "lock-up"


def test_a_reset_vector_that_is_no_code_locks_up(machine):
    flash = EmulatedFlash(load_part(L476))
    flash.preload(0x0800_0000, bytes.fromhex("0010002000010008"))
    flash.power_on()
    ended = machine.boot(flash)
    assert ended.kind == "lock-up"
    assert "no Thumb address" in ended.text


def running(code: str, *, vectors: int = 4, heed=int, **options) -> tuple[Machine, Ended]:
    """A boot of Thumb *code*, which stands behind the vectors; each of them leads to it."""
    machine = Machine(load_part(L476), **options)
    machine.heed = heed
    flash = EmulatedFlash(machine.part)
    entry = 0x0800_0000 + 4 * vectors
    table = struct.pack(f"<{vectors}I", 0x2000_1000, *[entry + 1] * (vectors - 1))
    image = table + bytes.fromhex(code)
    flash.preload(0x0800_0000, image + b"\xff" * (-len(image) % 8))
    flash.power_on()
    return machine, machine.boot(flash)


PEND_NMI = "0148 0249 0160 fee7" + "04ed00e0 00000080"  # ICSR = NMIPENDSET; b .


def test_what_cannot_be_taken_does_not_end_a_loop():
    """The second NMI is pending within the first, which never ends."""
    machine, ended = running(PEND_NMI)
    assert (ended.kind, machine.record.exceptions) == ("loop", [("NMI", 0x0800_0016)])


def test_events_that_are_masked_do_not_end_a_loop_for_ever():
    """SysTick every 16 cycles, with PRIMASK set: ``cpsid i``, RVR = 15, CSR = 7, ``b .``."""
    machine, ended = running("72b6 0248 0f21 4160 0721 0160 fee7 c046 10e000e0")
    assert ended.kind == "loop"
    assert machine.record.exceptions == []


def test_a_poll_that_never_ends_is_ended_from_outside():
    """What is raised asynchronously in a callback of the engine would be lost."""
    limits = Limits(instructions=10**10)
    with watching(silence_s=0.2), pytest.raises(Hung):
        running("0148 0168 fde7 c046 00500140", helps=False, limits=limits, heed=heed)


def test_the_hook_for_others_is_called_though_nothing_is_due():
    calls = []
    limits = Limits(instructions=20_000_000)
    _, ended = running("00bf fde7", limits=limits, heed=lambda: calls.append(1))  # nop; b to it
    assert ended.kind == "budget"
    assert len(calls) > 5


# PWR_CR1.LPMS = 3, SCR.SLEEPDEEP, a word of RAM, WFI; or BKPT with that word in r4, where PWR_SR1
# says that the chip was in Standby
STANDBY = (
    "0848 0169 c905 09d4 0321 0160 064a 0421 1160 4ff0 0053 1960 30bf fee7"
    "4ff0 0053 1c68 00be 00700040 10ed00e0"
)


def test_standby_ends_in_a_reset_and_loses_ram():
    machine, ended = running(STANDBY, wake_us=200_000)
    assert ended.kind == "breakpoint"
    assert machine.engine.registers["r4"] == 0
    assert machine.record.resets == ["Standby"]
    assert machine.now_us == pytest.approx(200_000, rel=1e-3)


def test_nothing_wakes_the_chip_from_standby_unless_the_board_says_so():
    _, ended = running(STANDBY)
    assert (ended.kind, ended.text) == ("sleep", "Standby, and nothing wakes the chip")


def test_a_stack_that_runs_out_of_ram_is_a_fault(machine):
    """mov sp, r0 with r0 = the base of RAM + 8; push {r0-r3}: below RAM lies system memory."""
    flash = EmulatedFlash(load_part(L476))
    table = [0x2000_1000, 0x0800_0041, *[0x0800_0061] * 6]
    code = b"".join(word.to_bytes(4, "little") for word in table).ljust(0x40, b"\0")
    code += bytes.fromhex("4ff00050083085460fb4fee7")
    flash.preload(0x0800_0000, code.ljust(0x60, b"\0") + bytes.fromhex("fee7") + bytes(6))
    flash.power_on()
    ended = machine.boot(flash)
    assert ended.kind == "lock-up"  # HardFault cannot push its frame either
    assert "no RAM there" in ended.text


def test_a_watchdog_that_nobody_has_touched_is_part_of_the_state():
    """IWDG that an option byte has started: how much time is left decides what comes."""
    part = load_part("STM32F429xI")
    states = []
    for wait in (0, 10_000):
        machine = Machine(part)
        flash = EmulatedFlash(part)
        flash.preload(0x0800_0000, bytes.fromhex("0010002041000008").ljust(0x40, b"\0"))
        flash.preload(0x0800_0040, bytes.fromhex("00be00be"))
        field = next(n for n, f in part.options.fields.items() if f.role == "watchdog")
        flash.program_options(**{field: 0})
        flash.power_on()
        machine.boot(flash)
        machine.pass_us(wait)
        states.append(machine.state())
    assert states[0] != states[1]


@pytest.mark.parametrize(("matters", "joins"), [(True, False), (False, True)])
def test_what_was_sent_is_part_of_the_state_where_somebody_asks_for_it(matters, joins):
    machine = Machine(load_part(L476), rests=Rests(texts=(b"ready",)), output_matters=matters)
    booted(machine, program("app_1"))
    states = []
    for text in (b"page 1 done, rea", b"page 2 done, rea"):
        machine.record.output[:] = text
        states.append(machine.state())
    assert (states[0] == states[1]) is joins
    machine.record.output[:] = b"page 2 done, red"
    assert machine.state() != states[1]
    ends = []
    for text in (b"page 2 done, read", b"page 2 done, head"):
        machine.record.output[:] = text
        ends.append(machine.state())
    assert ends[0] != ends[1]  # "ready" may come of one of them
