"""The fixture ``firmware``: a device with a compiled bootloader, from a board file or an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flash_emulator.machine.board import Board, Image
from flash_emulator.machine.board_faults import BadBoardFile
from flash_emulator.machine.board_file import read_board_file
from flash_emulator.machine.debug_info.of_board import DebugInfos, Program
from flash_emulator.machine.driven import FirmwareDevice
from flash_emulator.machine.engine_library import MissingEngine
from flash_emulator.machine.image_files import ImageFault, read_firmware
from flash_emulator.parts.catalogue import load_part
from flash_emulator.parts.part import Part


class MakeFirmware:
    """See the fixture. Paths are relative to *folder*, where the test stands."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self,
        file: str | Path,
        *,
        part: Part | str | None = None,
        images: Sequence[Image] = (),
        address: int | None = None,
        **board: Any,
    ) -> FirmwareDevice:
        """*file*: a board file (``.toml``), or an image for *part* that lies in flash beside
        *images*; plain bytes need an *address*. *board*: more fields of ``Board``, such as
        *questions*, *rests*, *slots*, *limits*; those of a board file they replace.

        Fails the test where the file is wrong, or the extra ``cpu`` is not installed. Raises
        PartError, TypeError for a field that Board does not have.
        """
        path = self._folder / file
        try:
            if path.suffix == ".toml":
                return self._of_board_file(path, part, images, address, board)
            return self._of_image(path, part, images, address, board)
        except (BadBoardFile, ImageFault, MissingEngine) as error:
            pytest.fail(f"firmware: {error}", pytrace=False)

    def _of_board_file(
        self,
        path: Path,
        part: Part | str | None,
        images: Sequence[Image],
        address: int | None,
        board: dict[str, Any],
    ) -> FirmwareDevice:
        if part is not None or address is not None:
            raise TypeError(f"{path.name} is a board file: part and addresses stand in it")
        read = read_board_file(path)
        made = replace(read.board, images=(*read.board.images, *images), **board)
        return FirmwareDevice(made, read.symbols, read.debug)

    def _of_image(
        self,
        path: Path,
        part: Part | str | None,
        images: Sequence[Image],
        address: int | None,
        board: dict[str, Any],
    ) -> FirmwareDevice:
        if part is None:
            raise TypeError(f"{path.name} is no board file: part='...' is needed")
        chip = load_part(part) if isinstance(part, str) else part
        firmware = read_firmware(path, chip, address)
        board.setdefault("stack_floor", None if images else firmware.stack_floor)
        made = Board(chip, (*firmware.images, *images), **board)
        pieces = tuple((image.address, image.data) for image in firmware.images)
        debug = DebugInfos((Program(path.stem, path, pieces),))
        return FirmwareDevice(made, firmware.symbols, debug)
