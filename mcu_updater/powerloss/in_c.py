"""The core in C as the subject of an exploration: the same board, scenarios and questions."""

from __future__ import annotations

from functools import cache
from typing import Final

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.explore import Boot, ExternalState
from flash_emulator.native.errors import NativeError
from mcu_updater.board import Board
from mcu_updater.core.errors import UsageError
from mcu_updater.core.events import Event
from mcu_updater.core.mcu import Chip, Firmware, Processor
from mcu_updater.core.strategy import Strategy
from mcu_updater.core_c.mcu import CoreInC, McuInC
from mcu_updater.core_c.native import build, source_digest
from mcu_updater.flash_map.layouts import layout_of
from mcu_updater.powerloss.scenario import READ_SIZE, Core, Scenario
from mcu_updater.powerloss.subject import BoardBoot, BoardSubject, ModuleAndCloud
from mcu_updater.quectel.at import MAX_LINE_SIZE, MAX_PAYLOAD_SIZE

DEFINES: Final = {
    "READ_SIZE": READ_SIZE,
    "LINE_MAX": MAX_LINE_SIZE,
    "PAYLOAD_MAX": MAX_PAYLOAD_SIZE,
    "EVENTS": 64,
    "HAL_COMPARES": 1,  # a search sees what is compared, and asks no digest twice
    "TRACE": 1,
}
"""Choices by which the C core has the limits of the one in Python."""


@cache
def core_of(part: str, strategy: Strategy) -> CoreInC:
    """The one of this process: compiled where it is not in the cache. Raises UsageError."""
    loaded = load_part(part)
    try:
        return CoreInC(build(loaded, strategy, layout_of(loaded, strategy), defines=DEFINES))
    except NativeError as error:
        raise UsageError("the core in C cannot be compiled", found=str(error)) from error


class SubjectInC(BoardSubject):
    """Boots boards of one scenario with the C core as their firmware."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        core_of(scenario.part, scenario.strategy)

    def fingerprints(self) -> dict[str, str]:
        """For a certificate: of this scenario, and of this C code."""
        return {**super().fingerprints(), "C core": source_digest()}

    def boot(self, flash: EmulatedFlash, external: ExternalState) -> Boot:
        assert isinstance(external, ModuleAndCloud)
        return _BootInC(self, flash, external)


def subject_of(scenario: Scenario) -> BoardSubject:
    """The board of *scenario*, with the core that it names. Raises UsageError where that in C
    cannot be compiled."""
    return SubjectInC(scenario) if scenario.core is Core.C else BoardSubject(scenario)


class _BootInC(BoardBoot):
    """Questions are asked at the moments at which the C core tells what it does."""

    def __init__(self, subject: SubjectInC, flash: EmulatedFlash, external: ModuleAndCloud) -> None:
        super().__init__(subject, flash, external)
        scenario = subject.scenario
        self._core = core_of(scenario.part, scenario.strategy)
        self._board.make_mcu = self._mcu_in_c

    def _mcu_in_c(self, chip: Chip, firmware: Firmware) -> Processor:
        board: Board = self._board
        return McuInC(
            self._core, chip, firmware, lambda: (board.pipe(), board.clock), super()._take
        )

    def _take(self, event: Event) -> None:
        """Was taken when it happened."""
