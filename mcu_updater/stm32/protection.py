"""Protection and option bytes: commands that end in a reset of the chip, each looked at afterwards.

An ACK says that the ROM has begun. What came of it only the chip's next behaviour tells: whether it
lets itself be read, and what its option bytes are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from flash_emulator.an3155 import Command
from mcu_updater.core.errors import (
    ChipRefused,
    NoBootloader,
    Remedy,
    UsageError,
    VerificationFailed,
)
from mcu_updater.stm32.chip import FRAME_SIZE
from mcu_updater.stm32.connection import is_protected
from mcu_updater.stm32.events import FlasherEvent, Problem
from mcu_updater.stm32.flasher import Flasher
from mcu_updater.stm32.line import START_S
from mcu_updater.stm32.retry import RUN_AGAIN
from mcu_updater.stm32.rom import RomError

LEVEL_2: Final = 0xCC
"""Read-out protection for good: no host and no debugger ever gets in again."""
_RDP_PLACES: Final = (0, 1)  # byte of the option area: L4, G0, G4, F1 have 0; F4 1
_RESTARTS: Final = 20


def protect_readout(flasher: Flasher) -> Iterator[FlasherEvent]:
    """Level 1: nothing can be read, written or erased until ``unprotect_readout``."""
    _carry_out(flasher, Command.READOUT_PROTECT, flasher.connection.rom.rom.readout_protect)
    yield from _restarted(flasher)
    if not is_protected(flasher.connection.rom):
        raise _no_effect(flasher, "reads to be refused", "flash can still be read")


def unprotect_readout(flasher: Flasher) -> Iterator[FlasherEvent]:
    """Level 0. The chip erases all its flash before it is open again."""
    flasher.forget()
    _carry_out(flasher, Command.READOUT_UNPROTECT, flasher.connection.rom.rom.readout_unprotect)
    yield from _restarted(flasher)
    if is_protected(flasher.connection.rom):
        raise _no_effect(flasher, "flash that can be read", "reads are refused")


def protect_writing(flasher: Flasher, codes: Sequence[int]) -> Iterator[FlasherEvent]:
    """Protect the sectors with ST's *codes*, and no other; a code may stand for several sectors."""
    _carry_out(
        flasher, Command.WRITE_PROTECT, lambda: flasher.connection.rom.rom.write_protect(codes)
    )
    yield from _restarted(flasher)


def unprotect_writing(flasher: Flasher) -> Iterator[FlasherEvent]:
    _carry_out(flasher, Command.WRITE_UNPROTECT, flasher.connection.rom.rom.write_unprotect)
    yield from _restarted(flasher)


def read_option_bytes(flasher: Flasher) -> bytes:
    """Raises ChipRefused where they are no memory."""
    area = _area(flasher)
    flasher.check_readable()
    return flasher.connection.rom.read_range(area.start, len(area), FRAME_SIZE)


def write_option_bytes(flasher: Flasher, data: bytes) -> Iterator[FlasherEvent]:
    """Write the whole area: the ROM erases all of it first. The chip resets.

    Power must stay on: a cut in between locks some parts for good (DESIGN.md, option bytes).
    """
    area = _area(flasher)
    if len(data) != len(area):
        raise UsageError(
            "option bytes are written all at once",
            expected=f"{len(area)} bytes",
            found=f"{len(data)}",
            then="Nothing was changed",
        )
    if any(data[place] == LEVEL_2 for place in _RDP_PLACES):
        raise UsageError(
            "0xCC where read-out protection may stand is level 2, which nothing undoes",
            then="This tool does not write it. Nothing was changed",
        )
    before = read_option_bytes(flasher)
    _carry_out(
        flasher,
        Command.WRITE,
        lambda: flasher.connection.rom.rom.write_options(area.start, data),
    )
    yield from _restarted(flasher)
    found = read_option_bytes(flasher)
    if found != data:
        raise VerificationFailed(
            "the chip has other option bytes than were written",
            where=flasher.chip.name,
            expected=data.hex(),
            found=found.hex(),
            then=f"Before they were {before.hex()}; some bits cannot be chosen",
        )


def _area(flasher: Flasher) -> range:
    area = flasher.chip.option_bytes
    if area is None:
        raise ChipRefused(
            "the option bytes of this part are not memory, so its boot ROM cannot show them",
            where=flasher.chip.name,
            then="Change them over SWD, or in the firmware",
        )
    return area


def _carry_out(flasher: Flasher, command: Command, operation: Callable[[], None]) -> None:
    """One try: to ask again after half of it might not be harmless."""
    if not flasher.connection.info.has(command):
        raise ChipRefused(f"this ROM has no {command.words}", where=flasher.chip.name)
    try:
        operation()
    except RomError as error:
        raise ChipRefused(
            f"{command.words} failed",
            where=flasher.chip.name,
            found=str(error),
            remedies=[Remedy.ASK_CHIP],
        ) from error


def _restarted(flasher: Flasher) -> Iterator[FlasherEvent]:
    """Until the ROM answers again. Yields what there is to say; raises NoBootloader."""
    connection = flasher.connection
    rom = connection.rom.rom
    rom.clock.sleep(START_S)
    for _ in range(_RESTARTS):
        if rom.synchronize():
            return
        if connection.rom.reenter():
            yield Problem("the chip was reset into its ROM")
            return
    raise NoBootloader(
        "the chip has reset itself and its ROM does not answer",
        where=flasher.chip.name,
        then=f"It runs its program, or none. {RUN_AGAIN}",
    )


def _no_effect(flasher: Flasher, expected: str, found: str) -> VerificationFailed:
    return VerificationFailed(
        "the chip acknowledged, and nothing changed",
        where=flasher.chip.name,
        expected=expected,
        found=found,
    )
