"""What questions are asked by: the board that runs, and what is known of its world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mcu_updater.board import Board
from mcu_updater.core.bank import Bank
from mcu_updater.powerloss.scenario import Scenario


@dataclass(frozen=True, slots=True)
class World:
    """*digests*: SHA-256 of what may stand in flash as a version; several, where a package was
    replaced by another one of the same version."""

    scenario: Scenario
    board: Board
    digests: Mapping[str, frozenset[bytes]]
    readout_level: int

    def bank(self, name: str) -> Bank:
        return next(bank for bank in self.board.banks() if bank.name == name)

    def other(self, name: str) -> Bank:
        return next(bank for bank in self.board.banks() if bank.name != name)

    def written(self, version: str) -> tuple[bytes, ...]:
        """All images that may come to flash as *version*, whole or the beginning of it."""
        never = self.scenario.unpublished.get(version)
        return (*self.editions(version), *(() if never is None else (never,)))

    def editions(self, version: str) -> tuple[bytes, ...]:
        """All images that were published as *version*."""
        image, scenario = self.scenario.images.get(version), self.scenario
        more = scenario.replacement if version == scenario.target else None
        return tuple(one for one in (image, more) if one is not None)
