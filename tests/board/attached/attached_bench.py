"""A board whose module is behind a wire of its own: a second cloud, and one virtual clock."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from flash_emulator import VirtualClock, load_part
from mcu_updater.board import Attachment, Board
from mcu_updater.cloud.single_device import Package, Plan, SingleDeviceCloud
from mcu_updater.core.events import Event, ModuleSaid, ModuleTold, Problem
from mcu_updater.core.session import Policy
from mcu_updater.quectel.checks import Wanted
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.options import Faults, ModuleOptions
from mcu_updater.quectel.emulated.pipe import ModulePipe
from mcu_updater.quectel.link import DEFAULT_DIALECT, Dialect
from tests import worlds

ATTACHED = replace(DEFAULT_DIALECT, request_before_confirm=True, error_doubts=2)


class SlowFlash(VirtualClock):
    """The device's time, stretched: a flash behind something slow. The clock of all goes along."""

    def __init__(self, clock: VirtualClock, factor: float) -> None:
        super().__init__()
        self.clock, self.factor, self.longest_us = clock, factor, 0

    def advance_us(self, duration_us: int) -> None:
        stretched_us = round(duration_us * self.factor)
        self.longest_us = max(self.longest_us, stretched_us)
        self.clock.advance_us(stretched_us)
        self.now_us = self.clock.now_us


def wanted(package: Package) -> Wanted:
    return Wanted(len(package.data), package.md5, package.sha256)


@dataclass
class Bench:
    """One device, one module; ``run`` until the session ends."""

    plan: Plan = field(
        default_factory=lambda: Plan("STM32", "2.0.0", Package(worlds.package("bin", "2.0.0")))
    )
    options: ModuleOptions = field(default_factory=ModuleOptions)
    faults: Faults = field(default_factory=Faults)
    dialect: Dialect = ATTACHED
    policy: Policy = field(default_factory=Policy)
    wanted: Wanted | None = None
    battery: int | None = None
    message: tuple[Plan, ...] = ()  # of several components; without it the plan alone

    def __post_init__(self) -> None:
        self.board = Board.new(load_part(worlds.PART), "1.0.0", worlds.image("1.0.0"))
        self.clock = self.board.clock
        self.center = SingleDeviceCloud(self.message or [self.plan])
        self.module = EmulatedModule(self.center, self.options, self.faults, self.clock.now_s())
        self.pipe = ModulePipe(self.module, self.clock)
        self.board.attachment = Attachment(
            self.pipe, self.clock, self.dialect, self.wanted, self.battery
        )

    def run(self) -> list[Event]:
        return list(self.board.run(self.policy))

    @property
    def erases(self) -> int:
        return self.board.device.usage.erases

    def version(self) -> str:
        return self.board.would_boot().version


def codes(events: list[Event]) -> list[int]:
    said = [event.code for event in events if isinstance(event, ModuleSaid)]
    return [code for i, code in enumerate(said) if code != 10702 or said[i - 1] != 10702]


def told(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, ModuleTold)]


def problems(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Problem)]
