"""What an update leaves in the emulated board's flash is executed by the chip that has it."""

from __future__ import annotations

import zlib

import pytest

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.machine.board import Board as CompiledBoard
from flash_emulator.machine.driven import FirmwareDevice
from mcu_updater.board import Board
from mcu_updater.cloud.single_device import Package, Plan
from mcu_updater.core.session import SessionOutcome
from mcu_updater.core.strategy import Strategy
from tests import worlds
from tests.flash_emulator.machine.boards import program
from tests.places import FIXTURES

OLD = (FIXTURES / "fixture-1.0.0.bin").read_bytes()
NEW = (FIXTURES / "fixture-2.0.0.bin").read_bytes()


def started(board: Board) -> FirmwareDevice:
    """The chip with the board's flash. Python is the board's bootloader: a compiled one that starts
    its slot lies in front of each; the bank that was decided on is exchanged by BFB2."""
    decision = board.would_boot()
    assert decision.bank is not None
    flash = board.device.fork()
    flash.power_on()
    loader = program("copy_restart")
    for start in board.part.bank_starts:
        put(flash, start, loader.whole("loader").data)
    if board.strategy is not Strategy.COPY:
        flash.program_options(BFB2=decision.bank)
    device = FirmwareDevice(CompiledBoard(board.part, loader.images))
    device.flash = flash
    return device


def put(flash: EmulatedFlash, address: int, data: bytes) -> None:
    flash.preload(address, data + b"\xff" * (-len(data) % flash.part.program_unit))


@pytest.mark.parametrize("strategy", [Strategy.REMAP, Strategy.COPY, Strategy.OPTION_TOGGLE])
@pytest.mark.parametrize("fmt", ["bin", "hex", "s19"])
def test_an_installed_fixture_says_what_it_is(strategy: Strategy, fmt: str) -> None:
    board = Board.new(load_part(worlds.PART), "1.0.0", OLD, strategy=strategy)
    started(board).expect(f"version 1.0.0 at 0x08008000, {len(OLD)} bytes, crc32 {crc(OLD)}\r\n")
    package = (FIXTURES / f"fixture-2.0.0.{fmt}").read_bytes()
    board.offer(Plan("STM32", "2.0.0", Package(package)))
    worlds.run(board)
    assert board.result.outcome is SessionOutcome.UPDATED
    started(board).expect(f"version 2.0.0 at 0x08008000, {len(NEW)} bytes, crc32 {crc(NEW)}\r\n")


def crc(data: bytes) -> str:
    return f"{zlib.crc32(data):08X}"
