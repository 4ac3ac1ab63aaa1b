"""A bootloader in C that takes its application from the emulated module, on the machine."""

from __future__ import annotations

from functools import partial

import pytest

from flash_emulator.explore import Search, SearchOptions
from flash_emulator.machine.board import Questions
from flash_emulator.machine.first_boot import boot_once
from flash_emulator.machine.hosts import Talk
from flash_emulator.machine.rest import Limits
from flash_emulator.machine.subject import FirmwareSubject
from flash_emulator.power import Outcome
from mcu_updater.cloud.single_device import Package, Plan, SingleDeviceCloud
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.on_line import serve
from mcu_updater.quectel.emulated.options import ModuleOptions
from tests.flash_emulator.machine.boards import some_image
from tests.flash_emulator.machine.hosts.firmware_boards import BAUD, board_of


def make_module(package: bytes) -> EmulatedModule:
    plan = Plan("STM32", "2_0_0", Package(package))
    return EmulatedModule(SingleDeviceCloud([plan]), ModuleOptions(echo=False))


def module_board(size: int):
    image = some_image("new", size, 2)
    host = Talk(
        "USART2",
        partial(serve, partial(make_module, image.data)),
        blocking=True,
        baud=BAUD,
    )
    questions = Questions(published=(image,), wanted="new")
    return board_of("module_boot", host, questions=questions, limits=Limits(5_000_000))


@pytest.mark.parametrize("size", [800, 2500])
def test_firmware_takes_its_image_from_the_module(size):
    seen = boot_once(module_board(size))
    assert seen.verdict == "slot new", seen.record.output
    reads = [f"AT+QIOTOTARD={at},1024\r\n".encode() for at in range(0, size, 1024)]
    assert all(read in seen.record.output for read in reads)
    assert seen.record.output.endswith(b'AT+QIOTMCUVER="STM32","2_0_0"\r\n')


def test_a_download_is_closed_under_all_cuts():
    board = module_board(600)
    options = SearchOptions(outcomes=(Outcome.BEFORE, Outcome.AFTER))
    report = Search(FirmwareSubject(board), board.flash(), options=options).run()
    assert report.passed, report.violations[:1]
