"""A device that a test drives: USARTs, pins, memory, supply, in virtual time."""

from __future__ import annotations

import time

import pytest

from flash_emulator import Outcome, PowerLoss, UnreadableUnit, load_part
from flash_emulator.explore import Violation
from flash_emulator.machine.board import Board
from flash_emulator.machine.driven import FirmwareDevice, NothingSent
from tests.flash_emulator.machine.boards import L476, SLOT, copy_board, program

PAGE = 0x0800_8000


@pytest.fixture
def echo() -> FirmwareDevice:
    firmware = program("echo")
    return FirmwareDevice(Board(load_part(L476), firmware.images), firmware.symbols)


def test_a_talk(echo):
    assert echo.expect("ready\r\n") == b"ready\r\n"
    echo.send("v")
    assert echo.expect("version 1") == b"version 1"
    assert echo.expect("\r\n") == b"\r\n"
    echo.send(b"xyz")
    assert echo.expect("z") == b"xyz"
    assert echo.output == b"ready\r\nversion 1\r\nxyz"
    assert echo.word("count") == 4


def test_a_time_out_is_of_virtual_time(echo):
    echo.expect("ready\r\n")
    before_ms, began_s = echo.now_ms, time.monotonic()
    with pytest.raises(NothingSent, match="'nothing' was not sent: 60000 ms are over; sent: b''"):
        echo.expect("nothing", timeout_ms=60_000)
    assert echo.now_ms - before_ms == pytest.approx(60_000, abs=1)
    assert time.monotonic() - began_s < 10
    echo.send("v")
    assert echo.expect("version 1\r\n", timeout_ms=10)


def test_what_was_sent_instead_is_told(echo):
    with pytest.raises(NothingSent, match=r"sent: b'ready\\r\\n'"):
        echo.expect("Ready", timeout_ms=5)
    assert echo.expect("ready") == b"ready"


def test_a_byte_takes_its_time(echo):
    echo.expect("ready\r\n")
    before_ms = echo.now_ms
    echo.send("a" * 10)
    echo.expect("a" * 10)
    assert echo.now_ms - before_ms == pytest.approx(10 * 0.0868, rel=0.1)


def test_run_stops_when_time_is_over(echo):
    assert echo.run(timeout_ms=3) is None
    assert echo.now_ms == pytest.approx(3, abs=0.1)
    assert echo.run(timeout_ms=2) is None
    assert echo.now_ms == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("high", [True, False])
def test_a_pin(echo, high):
    echo.set_pin("PC13", high=high)
    echo.expect("ready\r\n")
    echo.send("b")
    assert echo.expect("\r\n") == (b"high\r\n" if high else b"low\r\n")
    echo.set_pin("PC13", high=not high)
    echo.send("b")
    assert echo.expect("\r\n") == (b"low\r\n" if high else b"high\r\n")


def test_a_core_that_sleeps_for_ever_is_at_rest(echo):
    echo.expect("ready\r\n")
    echo.send("s")
    with pytest.raises(NothingSent, match="1000 ms are over"):
        echo.expect("woken")
    ended = echo.run()
    assert (ended.kind, "WFI" in ended.text) == ("sleep", True)
    with pytest.raises(NothingSent, match="the boot is at rest: sleep at 0x0800_"):
        echo.expect("woken")


def test_memory_and_flash_by_name_and_address(echo):
    assert echo.word("count") == 0
    echo.expect("ready\r\n")
    echo.send("ve")
    echo.expect("done\r\n")
    assert echo.read(PAGE, 8) == bytes.fromhex("78563412 02000000")
    assert echo.read("flash_erase", 2) == echo.read(echo.symbols.find("flash_erase")[0], 2)
    with pytest.raises(KeyError, match="no symbol 'counts'; near: count"):
        echo.word("counts")


def test_a_cut_is_counted_from_where_it_is_asked_for(echo):
    echo.expect("ready\r\n")
    echo.send("e")
    echo.expect("done\r\n")
    echo.cut_at(2, Outcome.TORN)
    echo.send("e")
    with pytest.raises(PowerLoss) as loss:
        echo.expect("done\r\n")
    assert (loss.value.address, loss.value.outcome) == (PAGE, Outcome.TORN)
    echo.expect("ready\r\n")
    assert echo.word("count") == 0
    echo.send("e")
    assert echo.expect("done\r\n")
    assert echo.read(PAGE, 8) == bytes.fromhex("78563412 01000000")


def test_power_goes_between_two_operations(echo):
    echo.expect("ready\r\n")
    echo.send("e")
    echo.expect("done\r\n")
    echo.power_off()
    assert echo.read(PAGE, 4) == bytes.fromhex("78563412")
    assert echo.expect("ready\r\n") == b"ready\r\n"
    echo.power_on()
    assert echo.output == b""


def test_a_usart_that_there_is_none_of(echo):
    with pytest.raises(ValueError, match="no USART has sent anything yet: name one"):
        echo.send("v")
    with pytest.raises(ValueError, match="no USART9 on STM32L476xG: LPUART1, UART4"):
        echo.send("v", usart="USART9")
    echo.send("v", usart="USART2")


def test_a_bootloader_is_cut_and_goes_on():
    device = FirmwareDevice(copy_board("copy_restart", 512))
    device.cut_at(20)
    with pytest.raises(PowerLoss):
        device.run()
    with pytest.raises(UnreadableUnit):
        for at in range(SLOT, SLOT + 512, 8):
            device.read(at, 8)
    ended = device.run()
    assert ended is not None and ended.kind == "slot"
    assert device.runs() == "slot new"
    assert device.run() == ended


def test_what_runs_is_judged():
    device = FirmwareDevice(copy_board("copy_restart", 512, wanted="old"))
    with pytest.raises(ValueError, match="not at rest"):
        device.runs()
    device.run()
    with pytest.raises(Violation, match="old is lost"):
        device.runs()
