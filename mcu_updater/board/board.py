"""A board on the bench: power it on, and it does what such a device does."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from dataclasses import replace
from enum import StrEnum

from flash_emulator import EmulatedFlash, Part, PowerSupply, SteadySupply, VirtualClock
from mcu_updater.board.attachment import PACKAGE_PER_SLOT, Attachment, PacedClock
from mcu_updater.board.switch import EmulatedChip, switch_of
from mcu_updater.cloud.cloud import Cloud
from mcu_updater.cloud.single_device import RUNNING, Package, Plan, SingleDeviceCloud
from mcu_updater.core.bank import Bank, open_banks, open_execution
from mcu_updater.core.boot import ATTEMPTS, Decision, ResetCause
from mcu_updater.core.errors import ImageRejected, InternalError, UsageError
from mcu_updater.core.events import Event
from mcu_updater.core.image_version import NO_FLOOR
from mcu_updater.core.journal import COMPONENT_SIZE, VERSION_SIZE, Phase, Snapshot
from mcu_updater.core.journal import Package as PackageIdentity
from mcu_updater.core.keepalive import KeepAliveFlash
from mcu_updater.core.loader import Loader
from mcu_updater.core.mcu import (
    ApplicationStopped,
    Chip,
    Firmware,
    Mcu,
    Processor,
    Surroundings,
    start,
)
from mcu_updater.core.session import Policy, Result
from mcu_updater.core.slot import CopyLayout
from mcu_updater.core.strategy import Strategy
from mcu_updater.core.trust import Place, Trust
from mcu_updater.flash_map.layouts import factory_image, layout_of, vector_table
from mcu_updater.flash_map.strategies import default_strategy
from mcu_updater.quectel.checks import Checks
from mcu_updater.quectel.client import AtClient
from mcu_updater.quectel.emulated.faults import Faults
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.options import ModuleOptions
from mcu_updater.quectel.emulated.pipe import ModulePipe
from mcu_updater.quectel.link import DEFAULT_DIALECT


class Trial(StrEnum):
    """How the new image behaves while it is on trial."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"  # its self-test says no
    CRASH = "crash"  # it never gets to a verdict: the watchdog bites
    NEVER = "never"  # it runs and never gives a verdict, until somebody resets the device


class Board:
    """One device: STM32 flash, Quectel module, the cloud behind it, and one clock for all.

    *strategy*: how the chosen image comes to the CPU; None: the part's default. Raises UsageError
    where the part cannot have it, or has no layout.
    """

    def __init__(
        self,
        part: Part,
        *,
        strategy: Strategy | None = None,
        component: str = "STM32",
        seed: int = 0,
        clock: VirtualClock | None = None,
        options: ModuleOptions | None = None,
        device: EmulatedFlash | None = None,
    ) -> None:
        self.part = part
        self.component = component
        self.strategy = strategy or default_strategy(part)
        self.layout = layout_of(part, self.strategy)
        self.clock = clock or VirtualClock()
        self.device = device or EmulatedFlash(part, seed=seed)
        self.device.clock = self.clock
        self.center = SingleDeviceCloud()
        self.module = EmulatedModule(self.center, options or ModuleOptions())
        self.on_write: Callable[[bytes], None] | None = None  # before it is sent to the module
        self.attachment: Attachment | None = None  # a module behind a port, instead of ``module``
        self.uid: bytes | None = None  # of the chip, as its boot ROM tells it; None: of its seed
        self.checks_limits = False  # battery and signal, against what a plan asks for
        self.tells_cause = True  # to the bootloader: else somebody has cleared the reset flags
        self.trust: Trust | None = None  # the application's: whose images it takes
        self.boot_trust: Trust | None = None  # the bootloader's: whose images it runs
        self._result: Result | None = None
        self.make_mcu: Callable[[Chip, Firmware], Processor] = self._mcu_in_python
        self._mcu: Processor | None = None  # of the session at hand
        self._links: list[AtClient] = []  # one for each start of the MCU

    @classmethod
    def new(
        cls,
        part: Part,
        version: str,
        image: bytes | None = None,
        *,
        strategy: Strategy | None = None,
        component: str = "STM32",
        seed: int = 0,
        base: int | None = None,
        trust: Trust | None = None,
    ) -> Board:
        """A board as it leaves the factory: bank A holds *image*, confirmed as *version*.

        *image* is a package in any format; without one, a minimal image is made up. *trust*: the
        image must be signed so, and application and bootloader take no others from then on.
        Raises ImageRejected when it does not fit, UsageError for an overlong name or version.
        """
        for name, text, limit in (
            ("component", component, COMPONENT_SIZE),
            ("version", version, VERSION_SIZE),
        ):
            if not 0 < len(text.encode()) <= limit:
                raise UsageError(f"bad {name}", expected=f"1 to {limit} bytes", found=repr(text))
        board = cls(part, strategy=strategy, component=component, seed=seed)
        bank = board.banks()[0]
        data = factory_image(bank.slot.link_address, version) if image is None else image
        first = Snapshot(Phase.CONFIRMED, 1, component, version)
        _write_factory_image(bank, data, first, base, trust)
        board.trust = board.boot_trust = trust
        board._prepare()
        board.device.usage = type(board.device.usage)()
        board.clock.now_us = 0
        return board

    def _prepare(self) -> None:
        """What else the factory leaves for the strategy."""
        if self.strategy is Strategy.COPY:
            switch_of(self.device, self.strategy, self.layout).map_bank(0)
        if self.strategy is Strategy.OPTION_TOGGLE:  # the boot ROM looks for a program there
            for start_address in self.part.bank_starts:
                self.device.preload(start_address, vector_table(self.part.base))

    # --- the cloud

    def offer(self, plan: Plan) -> None:
        """Let the Developer Center have *plan*, behind an upgrade that is under way.

        Plans that have ended, well or not, make room; *plan* is new then, whatever became of it.
        """
        running = [p for p in self.center.plans if self.center.state_of(p) in RUNNING]
        if plan in running:
            return
        saved = self.center.save()
        kept = [i for i, known in enumerate(self.center.plans) if known in running]
        plans = [*running, plan]
        state = SingleDeviceCloud(plans).save() | {"history": saved["history"]}
        state["progress"][: len(kept)] = [saved["progress"][i] for i in kept]
        self.center = SingleDeviceCloud.load(state, *(p.package for p in plans))
        self._replace_module(self.module.options)

    def connect(self, cloud: Cloud, options: ModuleOptions, faults: Faults) -> None:
        """Put another *cloud* in the place of the board's own, behind a module as it was made."""
        self.module = EmulatedModule(cloud, options, faults, self.clock.now_s())

    def configure_module(self, options: ModuleOptions) -> None:
        """Give the module other *options*; its state stays."""
        self._replace_module(options)

    def _replace_module(self, options: ModuleOptions) -> None:
        now_s = self.clock.now_s()
        saved = self.module.save(now_s)
        self.module = EmulatedModule.load(saved, self.center, options, now_s=now_s)

    def let_time_pass(self) -> None:
        """From now on flash operations take the time that they take, for whoever waits."""
        self.clock = self.device.clock = PacedClock(self.clock.now_us)

    # --- running

    def run(
        self,
        policy: Policy | None = None,
        *,
        supply: PowerSupply | None = None,
        trial: Trial = Trial.PASS,
        attempts: int = ATTEMPTS,
    ) -> Generator[Event, None, Result]:
        """Power on; boot, run the application, and again after every reset, until it is done.

        Returns how it ended, as ``result`` says afterwards. Raises PowerLoss where the MCU's
        *supply* cuts (None: it never does), and what ``Mcu.session`` raises.
        """
        self.device.supply = supply or SteadySupply()
        self.device.power_on()
        self.module.power_on(self.clock.now_s())
        return (yield from self.start(ResetCause.POWER, policy, trial=trial, attempts=attempts))

    def start(
        self,
        cause: ResetCause,
        policy: Policy | None = None,
        *,
        trial: Trial = Trial.PASS,
        attempts: int = ATTEMPTS,
    ) -> Generator[Event, None, Result]:
        """``run`` for a device that has power already, and starts because of *cause*."""
        policy = policy or Policy(component=self.component)
        firmware = Firmware(
            replace(policy, part=policy.part or self.part.name),
            lambda: _self_test(trial),
            attempts,
            self.trust,
            self.boot_trust,
            self.tells_cause,
        )
        mcu = self._mcu = self.make_mcu(self._chip(self.device), firmware)
        self._result = yield from mcu.session(cause)
        return self._result

    def _mcu_in_python(self, chip: Chip, firmware: Firmware) -> Processor:
        return Mcu(chip, firmware, self._connect)

    def _chip(self, device: EmulatedFlash) -> EmulatedChip:
        return EmulatedChip(device, self.strategy, self.layout)

    def memory(self) -> Hashable:
        """See ``Updater.memory``; of the application that runs."""
        return None if self._mcu is None else self._mcu.memory()

    def _connect(self) -> Surroundings:
        """The module that an application finds when it starts."""
        return self._attached() if self.attachment else self._on_board()

    def pipe(self) -> ModulePipe:
        """The line to the emulated module, as an application finds it when it starts."""
        self.module.transmit()  # what the module said to a CPU in reset is lost
        return ModulePipe(self.module, self.clock, on_write=self.on_write)

    def _on_board(self) -> Surroundings:
        dialect = replace(DEFAULT_DIALECT, max_read=self.module.options.max_read)
        link = AtClient(self.pipe(), self.clock, dialect)
        self._links.append(link)
        if not self.checks_limits:
            return Surroundings(link)
        largest = PACKAGE_PER_SLOT * self.banks()[0].slot.size
        return Surroundings(link, Checks(link, max_package=largest))

    def _attached(self) -> Surroundings:
        """The module behind the port, which is looked after while the flash is busy."""
        assert self.attachment is not None
        link = self.attachment.client()
        self._links.append(link)
        checks = self.attachment.checks(link, self.banks()[0].slot.size)
        return Surroundings(link, checks, KeepAliveFlash(self.device, link.keep_alive))

    @property
    def result(self) -> Result:
        """How the last session ended."""
        if self._result is None:
            raise InternalError("the board has not run to an end")
        return self._result

    @property
    def retries(self) -> int:
        """What had to be said again to the module, since this object was made."""
        return sum(link.retries for link in self._links)

    def cut_module(self) -> None:
        """The module loses power too; ``run`` gives it back."""
        self.module.power_cut(self.clock.now_s())

    # --- looking

    def banks(self) -> tuple[Bank, Bank]:
        """Both banks, as they are mapped now."""
        return self.banks_of(self.device)

    def banks_of(self, device: EmulatedFlash) -> tuple[Bank, Bank]:
        """Both banks of *device*, a twin of this board's."""
        return open_banks(device, switch_of(device, self.strategy, self.layout), self.layout)

    def execution_of(self, device: EmulatedFlash) -> Bank | None:
        """The execution slot of *device*, a twin of this board's; None where there is none."""
        layout = self.layout
        return open_execution(device, layout) if isinstance(layout, CopyLayout) else None

    def would_boot(self, attempts: int = ATTEMPTS) -> Decision:
        """What the next start after a power-on would choose. Changes nothing."""
        return self.boot_twin(attempts)[1]

    def boot_twin(self, attempts: int = ATTEMPTS) -> tuple[EmulatedFlash, Decision]:
        """The next start after a power-on, on a twin of the device; and the twin after it."""
        twin = self.device.fork()
        twin.power_on()
        return twin, start(self._chip(twin), ResetCause.POWER, attempts, self.boot_trust)


def _self_test(trial: Trial) -> bool:
    if trial is Trial.CRASH:
        hangs = "the trial image hangs; the watchdog resets the MCU"
        raise ApplicationStopped(hangs, ResetCause.WATCHDOG)
    if trial is Trial.NEVER:
        silent = "the trial image gives no verdict; somebody resets the MCU"
        raise ApplicationStopped(silent, ResetCause.SOFTWARE)
    return trial is Trial.PASS


def _write_factory_image(
    bank: Bank, data: bytes, snapshot: Snapshot, base: int | None, trust: Trust | None
) -> None:
    place = Place(bank.slot.link_address, bank.slot.size)
    inspection = None if trust is None else trust.inspect(place, NO_FLOOR, snapshot.version)
    package = Package(data)
    identity = PackageIdentity(len(data), package.md5, package.sha256)
    loader = Loader(
        bank.slot, identity, base=base or place.address, single=True, inspection=inspection
    )
    if not data:
        raise ImageRejected("the image is empty")
    list(loader.feed(data))
    list(loader.finish())
    if trust is not None:
        security_version, _ = trust.inspect_flash(
            bank.slot.read, loader.image_size, place, NO_FLOOR, snapshot.version
        )
        snapshot = replace(snapshot, security_version=security_version, floor=security_version)
    bank.journal.snapshot(
        replace(snapshot, image_size=loader.image_size, image_sha256=loader.image_sha256)
    )
