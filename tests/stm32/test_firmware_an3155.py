"""Our flasher against a bootloader in C that speaks AN3155, on the emulated machine."""

from __future__ import annotations

from functools import partial

import pytest

from flash_emulator.machine.board import Image, Questions
from flash_emulator.machine.first_boot import boot_once
from flash_emulator.machine.hosts import GaveUp, Line, Talk
from flash_emulator.machine.hosts.byte_port import LineClock, LinePort
from flash_emulator.machine.hosts.session import Common
from flash_emulator.machine.rest import Limits
from mcu_updater.cli.flasher.chips import chips_with
from mcu_updater.core.errors import UpdaterError
from mcu_updater.stm32 import (
    ConnectOptions,
    Firmware,
    Flasher,
    FlashOptions,
    Segment,
    connect,
    look,
)
from tests.flash_emulator.machine.boards import SLOT, some_image
from tests.flash_emulator.machine.hosts.firmware_boards import BAUD, board_of


def runs(image: Image) -> Questions:
    return Questions(published=(image,), wanted=image.name)


def flashes(data: bytes, said: list[str], address: int, line: Line) -> None:
    """A whole session: connect, compare, erase, write, verify, start."""
    port, clock = LinePort(line), LineClock(line)
    try:
        rom, info, wiring = connect(port, clock, ConnectOptions(), said.append)
        (chip, *_) = chips_with(info.pid)
        flasher = Flasher(look(rom, info, wiring, [chip]), chip)
        firmware = Firmware((Segment(address, data),))
        said.extend(
            type(event).__name__ for event in flasher.flash(firmware, FlashOptions(go=SLOT))
        )
    except UpdaterError as error:
        raise GaveUp(error.message) from error


@pytest.mark.parametrize("overrun", [False, True])
@pytest.mark.parametrize("size", [256, 3000])
def test_a_bootloader_in_c_is_flashed_by_our_client(size, overrun):
    image, said = some_image("new", size, 2), list[str]()
    host = Talk("USART2", partial(flashes, image.data, said, SLOT), blocking=True, baud=BAUD)
    limits = Limits(5_000_000)
    board = board_of("an3155_boot", host, overrun=overrun, limits=limits, questions=runs(image))
    seen = boot_once(board)
    assert seen.verdict == "slot new"
    assert said[-2:] == ["Verified", "Started"]
    assert {"Planned", "Problem"} & set(said) == {"Planned"}
    erased = [operation.address for operation, _ in seen.operations if operation.kind == "erase"]
    assert erased == [SLOT + page for page in range(0, size, 2048)]


def test_what_the_bootloader_refuses_is_told():
    """Its own pages: the client gives up, and the device is left alone."""
    said = list[str]()
    function = partial(flashes, bytes(256), said, 0x0800_0000)
    host = Talk("USART2", function, blocking=True, baud=BAUD, common=Common(tries=1))
    board = board_of("an3155_boot", host, limits=Limits(1_000_000), questions=Questions(safe=False))
    seen = boot_once(board)
    assert seen.ended is not None
    assert seen.ended.kind == "budget"
    assert seen.operations == ()
    assert "Verified" not in said


def test_a_line_has_no_speed_and_no_modem_lines():
    port = LinePort(Line(lambda request: b"", bytearray()), 9600)
    assert port.baud == 9600
    with pytest.raises(OSError, match="9600 baud, and not 115200"):
        port.set_baud(115_200)
    with pytest.raises(OSError, match="no line DTR"):
        port.set_modem_line("dtr", True)
