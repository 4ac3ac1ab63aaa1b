"""Boards of the bootloaders that get their application over USART2."""

from __future__ import annotations

from collections.abc import Iterator

from flash_emulator import load_part
from flash_emulator.machine.board import Board, Questions, Slot
from flash_emulator.machine.hosts import Script, Step
from flash_emulator.machine.hosts.session import Plan
from flash_emulator.machine.rest import Limits, Rests
from tests.flash_emulator.machine.boards import L476, SLOT, program, some_image

SIZE = 256
NEW = some_image("new", SIZE, 2)
BAUD = 1_000_000  # fewer polls for each byte


def board_of(name: str, host: Plan | None, **options) -> Board:
    """Nothing is in the slot: NEW must come to run there."""
    loader = program(name)
    made = {
        "slots": (Slot("application", SLOT, SIZE),),
        "questions": Questions(published=(NEW,), wanted="new"),
        "rests": Rests(slots=((SLOT, 0x4_0000),)),
        "limits": Limits(400_000),
        "stack_floor": loader.stack_floor,
        **options,
    }
    return Board(load_part(L476), loader.images, host=host, **made)


def crc16(data: bytes) -> int:
    """CRC-16/XMODEM."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def xmodem_blocks(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), 128):
        number, block = at // 128 + 1 & 0xFF, data[at : at + 128].ljust(128, b"\x1a")
        head = bytes((1, number, 255 - number))
        yield head + block + crc16(block).to_bytes(2, "big")


def xmodem_script(data: bytes, **options) -> Script:
    """A transfer in steps; from the first one on where an answer does not come."""
    steps = [Step(expect=b"C")]
    for block in xmodem_blocks(data):
        steps += [Step(send=block), Step(expect=b"\x06")]
    steps += [Step(send=b"\x04"), Step(expect=b"\x06")]
    options = {"timeout_s": 3.0, "on_timeout": "restart", "baud": BAUD, **options}
    return Script("USART2", tuple(steps), **options)
