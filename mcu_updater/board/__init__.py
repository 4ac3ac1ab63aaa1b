"""The emulated board: chip, module and cloud on one virtual clock, and the file that keeps them.

The only room but the command line that knows the flash emulator: everything below it sees the
Protocols of ``flash.py``, ``ports.py`` and ``ota.py``, and would run on silicon as it runs here.
"""

from mcu_updater.board.attachment import Attachment, PacedClock
from mcu_updater.board.board import Board, Trial
from mcu_updater.board.file import load_board, save_board

__all__ = [
    "Attachment",
    "Board",
    "PacedClock",
    "Trial",
    "load_board",
    "save_board",
]
