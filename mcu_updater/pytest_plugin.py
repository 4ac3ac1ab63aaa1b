"""Fixtures for tests against an emulated board or module.

    def test_update(board):
        mine = board("STM32L476xG", version="1.0.0")
        mine.offer(plan)
        list(mine.run())

Installed with the package, so loaded by every pytest run beside it: until a fixture is used, it
imports nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from flash_emulator import Part
    from mcu_updater.board import Board
    from mcu_updater.cloud.single_device import Plan, SingleDeviceCloud
    from mcu_updater.quectel.emulated.module import EmulatedModule

DEFAULT_PART = "STM32L476xG"
DEFAULT_PACKAGE = bytes(range(256)) * 10


class MakeBoard(Protocol):
    """Makes boards as they leave the factory; *settings* are the other arguments of Board.new."""

    def __call__(
        self,
        part: Part | str = DEFAULT_PART,
        version: str = "1.0.0",
        image: bytes | None = None,
        **settings: Any,
    ) -> Board: ...


@dataclass(frozen=True, slots=True)
class OfferingModule:
    """A module that is powered and not registered, and the cloud behind it with one plan."""

    module: EmulatedModule
    center: SingleDeviceCloud
    plan: Plan


class MakeModule(Protocol):
    """Makes modules; *settings* are the other arguments of EmulatedModule: options, faults."""

    def __call__(
        self,
        package: bytes = DEFAULT_PACKAGE,
        version: str = "2.0.0",
        *,
        component: str = "STM32",
        **settings: Any,
    ) -> OfferingModule: ...


@pytest.fixture
def board() -> MakeBoard:
    """``board(part, version, image, **settings)``: see ``mcu_updater.board.Board.new``."""
    return _board


@pytest.fixture
def quectel_module() -> MakeModule:
    """``quectel_module(package, version)``: an emulated module that has a plan to offer."""
    return _module


def _board(
    part: Part | str = DEFAULT_PART,
    version: str = "1.0.0",
    image: bytes | None = None,
    **settings: Any,
) -> Board:
    from flash_emulator import load_part
    from mcu_updater.board import Board

    return Board.new(load_part(part) if isinstance(part, str) else part, version, image, **settings)


def _module(
    package: bytes = DEFAULT_PACKAGE,
    version: str = "2.0.0",
    *,
    component: str = "STM32",
    **settings: Any,
) -> OfferingModule:
    from mcu_updater.cloud.single_device import Package, Plan, SingleDeviceCloud
    from mcu_updater.quectel.emulated.module import EmulatedModule

    plan = Plan(component, version, Package(package))
    center = SingleDeviceCloud([plan])
    return OfferingModule(EmulatedModule(center, **settings), center, plan)
