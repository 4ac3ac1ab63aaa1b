"""Board files and images for ``firmware``: their faults as errors of the command line."""

from __future__ import annotations

from pathlib import Path

from flash_emulator.machine.board_faults import BadBoardFile
from flash_emulator.machine.board_file import BoardFile, board_of, read_board_file
from flash_emulator.machine.engine_library import MissingEngine
from flash_emulator.machine.first_boot import SeenBoot, Trace, boot_once
from flash_emulator.machine.hosts import HostBroken
from flash_emulator.machine.image_files import Firmware, ImageFault, read_firmware
from flash_emulator.parts.part import Part
from mcu_updater.core.errors import ImageRejected, InputRejected, PortError

_REFERENCE = "See docs/reference/board-files.md"


def read_board(path: Path) -> BoardFile:
    """Raises InputRejected with all that is wrong."""
    try:
        return read_board_file(path)
    except BadBoardFile as bad:
        raise _rejected(bad) from bad


def check_board(text: str, path: Path) -> None:
    """That *text* will be a good board file at *path*."""
    try:
        board_of(text, path)
    except BadBoardFile as bad:
        raise _rejected(bad) from bad


def _rejected(bad: BadBoardFile) -> InputRejected:
    count = len(bad.faults)
    what = "a fault" if count == 1 else f"{count} faults"
    lines = "".join(f"\n  {fault}" for fault in bad.faults)
    return InputRejected(f"{what}{lines}\n{_REFERENCE}", where=str(bad.path))


def read_image(path: Path, part: Part, address: int | None) -> Firmware:
    try:
        return read_firmware(path, part, address)
    except ImageFault as fault:
        raise ImageRejected(
            fault.where, where=str(path), expected=fault.expected, found=fault.found
        ) from fault


def first_boot(read: BoardFile, trace: Trace | None = None) -> SeenBoot:
    """Raises PortError where there is no CPU to boot on, InputRejected where its host is wrong."""
    try:
        return boot_once(read.board, read.symbols, trace)
    except MissingEngine as missing:
        raise PortError("the CPU is not installed", found=str(missing)) from missing
    except HostBroken as broken:
        raise InputRejected(
            "the host is at fault, not the firmware",
            where=str(read.path),
            found=str(broken),
            then=f"Mend what [host] names. {_REFERENCE}",
        ) from broken
