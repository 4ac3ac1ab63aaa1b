"""The stubs there are: which chip each is for, and what its host has to know of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from mcu_updater.core.errors import ChipRefused, Remedy
from mcu_updater.stm32.chip import Chip

LOAD_ADDRESS: Final = 0x2000_4000
VERSION: Final = 2
"""Of the protocol, as SYNC tells it."""
_FOLDER: Final = Path(__file__).parent


class Slower(NamedTuple):
    """By which factors the stub's erases and programs take longer than the part file has them."""

    erase: float = 1.0
    program: float = 1.0


AS_FAST: Final = Slower()


@dataclass(frozen=True)
class StubImage:
    """*part* is the one that it runs on, *device_id* the 12 bits of its IDCODE. Times in seconds:
    the longest that erasing a sector, or all, may take. *expected_baud* is a guess for estimates,
    for no document at hand gives the clock that the boot ROM leaves: the host tries faster ones,
    and keeps what the stub answers at."""

    name: str
    part: str
    device_id: int
    flash_kib: int
    sector_erase_s: float
    bulk_erase_s: float
    expected_baud: int
    slower: Slower = AS_FAST

    @cached_property
    def data(self) -> bytes:
        return (_FOLDER / f"stub-{self.name}.bin").read_bytes()

    @cached_property
    def digest(self) -> str:
        """What is remembered of it is remembered of these bytes."""
        return hashlib.sha256(self.data).hexdigest()[:16]


STUBS: Final = {
    image.part: image
    for image in (
        StubImage(
            "l476",
            "STM32L476xG",
            device_id=0x415,
            flash_kib=1024,
            sector_erase_s=0.05,
            bulk_erase_s=0.05,
            expected_baud=921_600,  # of 29.5 MHz or more
        ),
        StubImage(  # bytes, PSIZE x8, where the part file has words: DS8626
            "f407",
            "STM32F407xG",
            device_id=0x413,
            flash_kib=1024,
            sector_erase_s=4.0,
            bulk_erase_s=32.0,
            expected_baud=460_800,  # of 14.7 to 29.5 MHz
            slower=Slower(erase=2.0, program=4.0),
        ),
        StubImage(
            "g0b1",
            "STM32G0B1xE",
            device_id=0x467,
            flash_kib=512,
            sector_erase_s=0.05,
            bulk_erase_s=0.05,
            expected_baud=460_800,  # of 14.7 to 29.5 MHz
        ),
    )
}


def stub_for(chip: Chip) -> StubImage:
    """Raises ChipRefused where no stub was made for *chip*."""
    image = STUBS.get(chip.name)
    if image is None or not chip.is_whole:
        raise ChipRefused(
            "there is no loader stub for this chip",
            where=chip.name,
            expected=", ".join(STUBS),
            then="Nothing was changed",
            remedies=[Remedy.NO_STUB],
        )
    return image
