"""What ``emit c`` writes, cross-compiled and executed, with the emulated module at the USART: from
the first AT to the confirmed version."""

from __future__ import annotations

import re

import pytest

from flash_emulator import EmulatedFlash
from flash_emulator.machine.board import Board
from flash_emulator.machine.hosts.session import hosted
from flash_emulator.machine.machine import Machine
from mcu_updater.cloud.single_device import ComponentState
from mcu_updater.core.journal import Phase, Reason
from mcu_updater.core.strategy import Strategy
from tests.core_c.device import Device

pytestmark = pytest.mark.judge("arm-none-eabi-gcc")

L476 = "STM32L476xG", Strategy.REMAP
OTHERS = (
    ("STM32F103xG", Strategy.COPY),
    ("STM32U575xI", Strategy.SWAP_OPTION),
    ("STM32L476xG", Strategy.COPY),
)
SELF_TEST = "{\n    return true;\n}\n\n/* May"
FAILS = ("2.0.0", SELF_TEST, "{\n    return false;\n}\n\n/* May")
HANGS = ("2.0.0", SELF_TEST, "{\n    for (;;) {\n    }\n}\n\n/* May")


def run(board: Board, flash: EmulatedFlash) -> Machine:
    """From power-on to rest."""
    machine = board.machine()
    flash.power_on()
    with hosted(machine, board.host):
        ended = machine.boot(flash)
    assert ended.kind == "pin", ended
    assert ended.thread
    return machine


def sent(machine: Machine) -> str:
    return machine.record.output.decode()


def phases(device: Device, flash: EmulatedFlash) -> list[tuple[Phase, str]]:
    flash.reset()
    return [(each.phase, each.version) for each in device.journals(flash)]


def upgrade(device: Device, package: bytes | None = None) -> tuple[Machine, EmulatedFlash]:
    board = device.board(package)
    flash = board.flash()
    flash.power_on()
    assert phases(device, flash) == [(Phase.CONFIRMED, "1.0.0"), (Phase.EMPTY, "")]
    return run(board, flash), flash


def check_upgraded(device: Device, machine: Machine, flash: EmulatedFlash) -> None:
    said = sent(machine)
    first, second = (said.index(f'AT+QIOTMCUVER="STM32","{v}"\r\n') for v in ("1.0.0", "2.0.0"))
    assert first < said.index("AT+QIOTUPDATE=1\r\n") < said.index("AT+QIOTOTARD=0,") < second
    assert said.index("AT+QIOTUPDATE=3\r\n") < second
    assert device.clouds[-1].history[-1].state is ComponentState.SUCCESS
    assert phases(device, flash) == [(Phase.CONFIRMED, "1.0.0"), (Phase.CONFIRMED, "2.0.0")]
    assert machine.record.faults == []
    assert not machine.met.registers
    assert not machine.met.polls
    snapshot = device.journals(flash)[1].snapshot
    assert snapshot is not None
    assert snapshot.image_size == len(device.raw("2.0.0"))
    assert b"version 2.0.0" in device.raw("2.0.0")


def test_a_whole_upgrade_from_at_to_confirmed_version():
    device = Device(*L476)
    machine, flash = upgrade(device)
    check_upgraded(device, machine, flash)
    assert machine.record.resets == ["SYSRESETREQ"]
    reads = re.findall(r"AT\+QIOTOTARD=(\d+),", sent(machine))
    assert [int(each) for each in reads] == list(range(0, len(device.raw("2.0.0")), 1024))
    # its slot lies in bank 2, and the bank that ran was not touched behind its journal
    area = device.layout.slot  # type: ignore[union-attr]
    begin = device.part.base + device.part.bank_size + area.offset
    assert flash.read(begin, len(device.raw("2.0.0"))) == device.raw("2.0.0")
    running = range(device.part.base, device.part.base + area.offset + area.size)
    touched = [op for op, _ in machine.record.operations if op.address in running]
    assert touched == []


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "strategy"), OTHERS)
def test_a_whole_upgrade_of_other_chips(name, strategy):
    device = Device(name, strategy)
    machine, flash = upgrade(device)
    check_upgraded(device, machine, flash)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["hex", "srec"])
def test_a_whole_upgrade_by_other_formats(kind, tmp_path):
    import bincopy

    device = Device(*L476)
    file = bincopy.BinFile()
    file.add_binary(device.raw("2.0.0"), address=device.images["2.0.0"].address)
    text = file.as_ihex() if kind == "hex" else file.as_srec(address_length_bits=32)
    machine, flash = upgrade(device, text.encode())
    check_upgraded(device, machine, flash)


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "strategy"), [L476, *OTHERS[:2]])
@pytest.mark.parametrize(
    ("change", "reason"), [(FAILS, Reason.SELF_TEST), (HANGS, Reason.ATTEMPTS)]
)
def test_an_image_that_fails_its_trial_is_taken_back(name, strategy, change, reason):
    """By its own word, or by the watchdog, three times."""
    device = Device(name, strategy, (change,))
    machine, flash = upgrade(device)
    said = sent(machine)
    assert '"2.0.0"' not in said
    assert said.count('AT+QIOTMCUVER="STM32","1.0.0"\r\n') >= 2
    assert device.clouds[-1].history[-1].state is ComponentState.FAILED
    assert phases(device, flash)[0] == (Phase.CONFIRMED, "1.0.0")
    journal = device.journals(flash)[1]
    snapshot = journal.current()
    assert snapshot is not None
    assert (journal.phase, snapshot.reason) == (Phase.FAILED, reason)
