"""Small synthetic worlds: an image that costs few flash operations, and a board about to take it.

The image is mostly 0xFF, which the writer skips, and yet every sector of it holds something and
the last one is not full. A whole update with it takes a hundred and sixty operations, so a test
can cut every one of them.
"""

from __future__ import annotations

import struct
from typing import Any, Literal

import bincopy

from flash_emulator import load_part
from mcu_updater.board import Board
from mcu_updater.events import Event
from mcu_updater.quectel.center import Package, Plan
from mcu_updater.quectel.options import ModuleOptions

Format = Literal["bin", "hex", "s19"]

PART = "STM32L476xG"
COMPONENT = "STM32"
LINK_ADDRESS = 0x0800_8000
"""Where the default layout of the part has its slot."""

_ENTRY = LINK_ADDRESS + 0x41  # odd: Thumb


def image(version: str, size: int = 4500) -> bytes:
    """A raw image that no other *version* equals: vector table, three islands, a last byte."""
    data = bytearray(b"\xff" * size)
    struct.pack_into("<II", data, 0, 0x2000_8000, _ENTRY)
    text = (version * 32).encode()
    for begin, length in ((64, 32), (2040, 16), (size - 20, 20)):
        island = slice(begin, min(begin + length, size))
        data[island] = text[: max(0, island.stop - island.start)]
    return bytes(data[:size])


def package(fmt: Format, version: str, size: int = 4500) -> bytes:
    """``image`` as the file that the cloud would have, written by a program that is not ours."""
    data = image(version, size)
    if fmt == "bin":
        return data
    file = bincopy.BinFile()
    file.add_binary(data, LINK_ADDRESS)
    file.execution_start_address = _ENTRY
    text: str = file.as_ihex() if fmt == "hex" else file.as_srec(address_length_bits=32)
    return text.encode()


def board(
    fmt: Format = "bin", *, piece_size: int | None = None, seed: int = 0, target: str = "2.0.0"
) -> Board:
    """A fresh board that runs 1.0.0; *target* is planned and not asked for yet."""
    made = Board.new(load_part(PART), "1.0.0", image("1.0.0"), component=COMPONENT, seed=seed)
    if piece_size is not None:
        made.configure_module(ModuleOptions(piece_size=piece_size))
    made.offer(Plan(COMPONENT, target, Package(package(fmt, target))))
    return made


def run(board: Board, **kw: Any) -> list[Event]:
    """Everything that happens until the board is done, or until power is lost."""
    return list(board.run(**kw))
