"""A chip with what ``emit c`` writes in it, and the emulated module at its USART."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

from flash_emulator import EmulatedFlash, load_part
from flash_emulator.machine.board import Board, Image, Questions
from flash_emulator.machine.hosts import Talk
from flash_emulator.machine.image_files import read_firmware
from flash_emulator.machine.rest import Limits, Rests
from mcu_updater.board.board import Board as UpdaterBoard
from mcu_updater.board.first_install import FirstInstallation
from mcu_updater.board.switch import switch_of
from mcu_updater.cloud.single_device import Package, Plan, SingleDeviceCloud
from mcu_updater.core.bank import open_banks
from mcu_updater.core.journal import JournalState
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.layouts import layout_of
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.on_line import serve
from mcu_updater.quectel.emulated.options import ModuleOptions
from mcu_updater.stm32.firmware import Firmware as Bytes
from mcu_updater.stm32.firmware import Segment
from tests.core_c.built import CLOCK_MHZ, programs

BAUD = 2_000_000  # faster than the USART is set: fewer interrupts
LED = "PA5"  # high: a session is over, and there is nothing to do


def make_module(clouds: list[SingleDeviceCloud], plans: tuple[Plan, ...]) -> EmulatedModule:
    """One that is powered on together with the device. The cloud is noted."""
    clouds.append(SingleDeviceCloud(plans))
    return EmulatedModule(clouds[-1], ModuleOptions(echo=False))


@dataclass
class Device:
    """*first*, *second*: versions of the application; *changes* of its source: ``programs``."""

    name: str
    strategy: Strategy
    changes: tuple[tuple[str, str, str], ...] = ()
    first: str = "1.0.0"
    second: str = "2.0.0"
    clouds: list[SingleDeviceCloud] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.part = load_part(self.name)
        self.layout = layout_of(self.part, self.strategy)
        found = programs(self.name, self.strategy, (self.first, self.second), self.changes)
        self.bootloader = read_firmware(found["bootloader"], self.part)
        self.images = {
            version: read_firmware(found[version], self.part).whole(version)
            for version in (self.first, self.second)
        }

    def raw(self, version: str) -> bytes:
        return self.images[version].data

    def installed(self, version: str) -> tuple[Image, ...]:
        """Bootloader, application and journal as ``install`` writes them."""
        board = UpdaterBoard.new(self.part, version, self.raw(version), strategy=self.strategy)
        first = FirstInstallation.of(board)
        loader = Bytes(tuple(Segment(i.address, i.data) for i in self.bootloader.images))
        written = first.with_bootloader(loader), first.images, first.journals
        return tuple(
            Image(f"{number}.{at}", segment.address, bytes(segment.data))
            for number, firmware in enumerate(written)
            for at, segment in enumerate(firmware.segments)
        )

    def board(self, package: bytes | None = None, *, baud: int = BAUD, **options: object) -> Board:
        """It runs *first*, and *package* is offered as *second*: the raw image, if None."""
        data = self.raw(self.second) if package is None else package
        plan = Plan("STM32", self.second, Package(data))
        host = Talk(
            "USART1",
            partial(serve, partial(make_module, self.clouds, (plan,))),
            blocking=True,
            baud=baud,
        )
        made = Board(
            self.part,
            self.installed(self.first),
            rests=Rests(pins=((LED, True),)),
            limits=Limits(300_000_000, wake_ups=1_000_000),
            clock_mhz=CLOCK_MHZ[self.name],
            questions=Questions(safe=False, live=False),
            host=host,
        )
        return replace(made, **options)  # type: ignore[arg-type]

    def journals(self, flash: EmulatedFlash) -> tuple[JournalState, JournalState]:
        """As the Python core reads them."""
        banks = open_banks(flash, switch_of(flash, self.strategy, self.layout), self.layout)
        return banks[0].journal.read(), banks[1].journal.read()
