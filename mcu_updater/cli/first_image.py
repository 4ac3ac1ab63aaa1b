"""What goes on a device together with its first image."""

from __future__ import annotations

from pathlib import Path

from mcu_updater.board.first_install import FirstInstallation
from mcu_updater.cli.reading import read_file
from mcu_updater.stm32.firmware import Firmware, Segment


def read_bootloader(path: Path | None, first: FirstInstallation) -> Firmware:
    """The bootloader at *path*, where *first* has its boot regions; empty where none is given."""
    if path is None:
        return Firmware(())
    image = read_file((path,), base=first.boot_regions[0].start).image
    return first.with_bootloader(Firmware(tuple(Segment(*each) for each in image.segments)))
