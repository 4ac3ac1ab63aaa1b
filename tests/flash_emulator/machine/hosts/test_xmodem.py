"""XMODEM by a package that blocks, as it is."""

import pickle
import threading

import pytest

from flash_emulator.explore import Search, SearchOptions
from flash_emulator.explore.batches import Processes
from flash_emulator.machine.board import Questions
from flash_emulator.machine.first_boot import boot_once
from flash_emulator.machine.hosts import Talk, hosted
from flash_emulator.machine.hosts.serial_port import SerialPort
from flash_emulator.machine.hosts.xmodem_host import xmodem_host
from flash_emulator.machine.rest import Limits
from flash_emulator.machine.subject import FirmwareSubject
from flash_emulator.power import Outcome
from tests.flash_emulator.machine.boards import some_image
from tests.flash_emulator.machine.hosts.firmware_boards import BAUD, NEW, board_of

CLEAN = (Outcome.BEFORE, Outcome.AFTER)


def sends_new(**options):
    options = {"baud": BAUD, "timeout_s": 3.0, **options}
    return xmodem_host("USART2", NEW.data, **options)


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("host")]


def searched(board, executor=None, **options):
    options = {"outcomes": CLEAN, **options}
    search = Search(
        FirmwareSubject(board), board.flash(), options=SearchOptions(**options), executor=executor
    )
    return search.run()


def test_an_image_is_sent():
    seen = boot_once(board_of("xmodem_boot", sends_new()))
    assert seen.verdict == "slot new"
    assert seen.record.output == b"C\x06\x06\x06"
    assert not threads()


@pytest.mark.parametrize(
    ("name", "mode", "size"),
    [
        ("xmodem_boot", "xmodem1k", 2000),
        ("ymodem_boot", "ymodem", 200),
        ("ymodem_boot", "ymodem", 3000),
    ],
)
def test_other_modes(name, mode, size):
    image = some_image("new", size, 2)
    host = xmodem_host("USART2", image.data, mode=mode, baud=BAUD)
    questions = Questions(published=(image,), wanted="new")
    seen = boot_once(board_of(name, host, questions=questions, limits=Limits(2_000_000)))
    assert seen.verdict == "slot new", seen.record.output
    if mode == "ymodem":
        assert seen.host == ("came to its end",)
        assert seen.record.output.startswith(b"C\x06C\x06")
        assert seen.record.output.endswith(b"\x06C\x06")


@pytest.mark.thorough
def test_a_ymodem_transfer_is_closed_under_all_cuts():
    report = searched(board_of("ymodem_boot", sends_new(mode="ymodem")))
    assert report.passed, report.violations[:1]


@pytest.mark.parametrize("survives", [False, True])
def test_a_transfer_is_closed_under_all_cuts(survives, capfd):
    report = searched(board_of("xmodem_boot", sends_new(survives=survives)))
    assert report.passed, report.violations[:1]
    assert not threads()
    assert capfd.readouterr() == ("", "")


def test_a_receiver_that_acknowledges_too_early_is_found_out():
    report = searched(board_of("xmodem_boot_ack_first", sends_new(survives=True)))
    assert {violation.question for violation in report.violations} == {"live"}
    assert not threads()


@pytest.mark.thorough
def test_other_processes_find_the_same():
    """The host goes there by name, and its state by what it was answered."""
    board = board_of("xmodem_boot", sends_new(survives=True))
    alone, pool = searched(board), searched(board, Processes(2))
    assert pool.passed
    assert (pool.states, pool.cuts) == (alone.states, alone.cuts)


def test_its_name_tells_the_image():
    one, other = sends_new(), xmodem_host("USART2", NEW.data[:-1], baud=BAUD, timeout_s=3.0)
    assert repr(one) == repr(pickle.loads(pickle.dumps(one)))
    assert repr(one) != repr(other)


# --- as pyserial has a port


def test_a_line_as_a_serial_port():
    found: list[object] = []

    def greets(line):
        port = SerialPort(line, timeout=2.0)
        found.append(port.readline())
        found.append(port.in_waiting)
        port.write(b"v?")
        port.flush()
        found.extend((port.readline(), port.read(1), port.read(1)))
        port.write(b"v")
        line.wait(0.5)
        found.append(port.in_waiting)
        port.reset_input_buffer()
        port.write(b"v")
        found.append(port.read_until(b"s", 20))
        port.timeout = 0.0
        port.reset_input_buffer()
        found.append(port.read(3))
        port.close()

    board = board_of("echo", Talk("USART2", greets, blocking=True, baud=BAUD))
    machine, flash = board.machine(), board.flash()
    flash.power_on()
    with hosted(machine, board.host) as session:
        assert session is not None
        machine.boot(flash)
        assert session.is_done
    assert found == [b"ready\r\n", 0, b"version 1\r\n", b"?", b"", 11, b"vers", b""]
