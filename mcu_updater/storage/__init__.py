"""Files on disk: written whole or not at all, never over an input, by one writer at a time."""

from mcu_updater.storage.folder import check_folder, write_folder
from mcu_updater.storage.lock import FileInUse, Holder, hold, holder_of
from mcu_updater.storage.output import STDOUT, check_output, is_same_file, new_file, write_whole
from mcu_updater.storage.undisturbed import disturb_again, undisturbed

__all__ = [
    "STDOUT",
    "FileInUse",
    "Holder",
    "check_folder",
    "check_output",
    "disturb_again",
    "hold",
    "holder_of",
    "is_same_file",
    "new_file",
    "undisturbed",
    "write_folder",
    "write_whole",
]
