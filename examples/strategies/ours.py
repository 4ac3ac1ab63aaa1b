"""The updater of this project in the same world: its own board, module and cloud, same judge."""

from __future__ import annotations

from collections.abc import Hashable

from examples.strategies.images import OLD
from examples.strategies.judge import Judge
from examples.strategies.places import DoesNotFit
from flash_emulator import EmulatedFlash, Part
from mcu_updater.core.events import Booted, Event
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.strategies import strategies_of
from mcu_updater.powerloss.catalogue import filled, scenario
from mcu_updater.powerloss.questions import Asked, World
from mcu_updater.powerloss.scenario import Scenario
from mcu_updater.powerloss.subject import BoardSubject

IMAGE_SIZE = 320  # bytes: of images in one sector


class Ours(BoardSubject):
    """Boots boards, and asks what all six are asked."""

    def __init__(self, world: Scenario) -> None:
        super().__init__(world)
        self.judge = Judge(world.images, is_good=world.final != OLD)

    def questions(self, world: World, flash: EmulatedFlash) -> Asked:
        del flash
        return _Common(world, self.judge)


class _Common(Asked):
    def __init__(self, world: World, judge: Judge) -> None:
        self._world = world
        self._judge = judge

    def power_on(self) -> None:
        self._judge.options(self._world.board.device, self._world.readout_level)

    def event(self, event: Event) -> None:
        if isinstance(event, Booted):
            board = self._world.board
            bank = board.execution_of(board.device) or self._world.bank(event.bank or "")
            self._judge.runs(lambda size: bank.slot.sha256(size) or b"")

    def sent(self, data: bytes) -> None:
        """What the module is told is asked of in ``mcu-updater powerloss``."""

    def at_rest(self) -> str:
        version = self._world.board.would_boot().version
        self._judge.rests(version)
        return f"{version} runs"

    def memory(self) -> Hashable:
        return ()


def swap_of_banks(part: Part) -> Strategy:
    """How the banks of *part* are exchanged in ours. Raises DoesNotFit."""
    for strategy in (Strategy.REMAP, Strategy.SWAP_OPTION):
        if strategy in strategies_of(part):
            return strategy
    raise DoesNotFit(f"{part.name} has one bank, and nothing that exchanges two")


def ours(part: Part, strategy: Strategy, *, is_good: bool) -> Ours:
    """Raises DoesNotFit where *part* cannot have *strategy*."""
    if strategy not in strategies_of(part):
        raise DoesNotFit(f"{part.name} has no option byte by which its boot ROM chooses a bank")
    target = filled(part.spec, IMAGE_SIZE, "bin", strategy)
    return Ours(scenario("good" if is_good else "fail", target))
