"""The A/B updater on the flash of a real chip, behind its boot ROM.

The host takes the MCU's part from reset to reset: it boots by the journals as the bootloader does,
talks to the module, writes the inactive slot and its journal, and judges the trial as it is told
to, for it cannot run the image. When all is done, the chip's own bootloader finds the same
journals.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from flash_emulator import Part, PartError, VirtualClock, load_part
from mcu_updater.cloud.single_device import Plan, SingleDeviceCloud
from mcu_updater.core.boot import ATTEMPTS, Mode, ResetCause
from mcu_updater.core.errors import ChipRefused, InternalError, Remedy
from mcu_updater.core.events import Event
from mcu_updater.core.flash import BankSwitch
from mcu_updater.core.install import Installer
from mcu_updater.core.mcu import Firmware, Mcu, Surroundings, until_rest
from mcu_updater.core.session import Policy, Result, SessionOutcome
from mcu_updater.core.slot import AnyLayout, CopyLayout
from mcu_updater.core.strategy import Strategy
from mcu_updater.core.trust import Trust
from mcu_updater.flash_map.layouts import has_layout, layout_of, parts_with_layout
from mcu_updater.flash_map.strategies import default_strategy
from mcu_updater.quectel.client import AtClient
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.options import ModuleOptions
from mcu_updater.quectel.emulated.pipe import ModulePipe
from mcu_updater.quectel.link import DEFAULT_DIALECT
from mcu_updater.stm32.chip import WORD
from mcu_updater.stm32.flasher import Flasher
from mcu_updater.stm32.target import RomFlash

_WHY_NOT = {
    Strategy.SWAP_OPTION: "its banks are exchanged by an option bit, which",
    Strategy.OPTION_TOGGLE: "its boot bank is an option bit, which",
}


@dataclass(frozen=True, slots=True)
class RomChip:
    """A chip behind its boot ROM as the MCU has it: see ``core.mcu.Chip``."""

    name: str
    flash: RomFlash
    layout: AnyLayout

    def switch(self) -> BankSwitch:
        layout = self.layout
        return Installer(self.flash, layout) if isinstance(layout, CopyLayout) else self.flash

    def reset(self) -> None:
        self.flash.reset()

    def load_options(self) -> None:
        """Never asked for: see ``check_strategy``."""
        raise InternalError("a boot ROM does not let a host map banks by an option")


class Target:
    """A chip behind its ROM, with the host in its MCU's place.

    *trust*: whose signed images are taken, and no others; None: an image need not be signed. What
    the chip's own bootloader demands is its own affair.
    """

    def __init__(
        self,
        flasher: Flasher,
        strategy: Strategy | None = None,
        trust: Trust | None = None,
        part: Part | None = None,
    ) -> None:
        self.trust = trust
        self.part = part or part_of(flasher)
        self.strategy = strategy or default_strategy(self.part)
        check_strategy(self.part, self.strategy)
        check_layout(self.part, self.strategy)
        self._flasher = flasher
        flash = RomFlash(flasher, self.part, self.part.bank_starts)
        self.chip = RomChip(self.part.name, flash, layout_of(self.part, self.strategy))
        self.result = Result(SessionOutcome.NO_PLAN)
        self._mcu: Mcu | None = None

    def had_it_already(self, plan: Plan) -> bool:
        """After ``upgrade``: nothing was offered, for the version of *plan* runs, confirmed."""
        booted = None if self._mcu is None else self._mcu.decision
        return (
            self.result.outcome is SessionOutcome.NO_PLAN
            and booted is not None
            and booted.mode is Mode.RUN
            and booted.version == plan.target_version
        )

    def upgrade(
        self, plan: Plan, policy: Policy, *, passes: bool = True, attempts: int = ATTEMPTS
    ) -> Iterator[Event]:
        """Let an emulated module offer *plan*, and run until the MCU rests.

        *passes*: how the trial of the new image is judged.
        """
        most = sum(self.part.sector_sizes)
        self._flasher.expect(reads=most, writes=most)
        clock = VirtualClock()
        options = ModuleOptions(max_read=max(policy.read_size, ModuleOptions().max_read))
        module = EmulatedModule(SingleDeviceCloud([plan]), options)
        module.power_on(clock.now_s())

        def connect() -> Surroundings:
            module.transmit()  # what it said to a CPU in reset is lost
            dialect = replace(DEFAULT_DIALECT, max_read=options.max_read)
            return Surroundings(AtClient(ModulePipe(module, clock), clock, dialect))

        policy = replace(policy, part=self.part.name)
        firmware = Firmware(policy, lambda: passes, attempts, self.trust)
        self._mcu = Mcu(self.chip, firmware, connect)
        sessions = _Sessions(self._mcu)

        def is_rest(result: Result) -> bool:
            told = module.versions.get(plan.component)
            return sessions.count > 1 or not _was_another(result, told, plan)

        self.result = yield from until_rest(sessions.run, is_rest)


@dataclass(slots=True)
class _Sessions:
    """Those of one upgrade: the first begins with power, each other one with a reset."""

    mcu: Mcu
    count: int = 0

    def run(self) -> Generator[Event, None, Result]:
        self.count += 1
        return self.mcu.session(ResetCause.POWER if self.count == 1 else ResetCause.SOFTWARE)


def _was_another(result: Result, told: str | None, plan: Plan) -> bool:
    """An upgrade that an earlier run began was looked for, and this module knows nothing of it:
    now *plan* is due. *told*: the version that the module has heard."""
    return told != plan.target_version and result.outcome in (
        SessionOutcome.LOST,
        SessionOutcome.NO_PLAN,
    )


def part_of(flasher: Flasher) -> Part:
    """The part that the chip is, whole. Raises ChipRefused for any other."""
    try:
        part = load_part(flasher.chip.name)
    except PartError as error:
        raise ChipRefused(
            "an update needs a part whose banks are known",
            found=flasher.chip.name,
            then="Nothing was changed",
            remedies=[Remedy.NAME_PART],
        ) from error
    return part


def can_be_updated(part: Part, strategy: Strategy) -> bool:
    """Whether ``update --target`` can do it."""
    try:
        check_strategy(part, strategy)
    except ChipRefused:
        return False
    return True


def check_layout(part: Part, strategy: Strategy) -> None:
    """Raise ChipRefused where nobody has laid out two slots and their trailers on *part*."""
    if not has_layout(part, strategy):
        raise ChipRefused(
            f"no layout for two images is known for {part.name}",
            expected=f"one of {', '.join(parts_with_layout(strategy))}",
            then="Nothing was changed",
            remedies=[Remedy.FLASH],
        )


def check_strategy(part: Part, strategy: Strategy) -> None:
    """Raise ChipRefused where the boot ROM cannot do what *strategy* needs."""
    if part.program_unit < WORD:
        raise ChipRefused(
            f"{part.name} cannot be updated through its boot ROM: journals there are written in "
            f"units of {part.program_unit} bytes, and the ROM writes {WORD} at once",
            then="Nothing was changed",
            remedies=[Remedy.FLASH],
        )
    if strategy in (Strategy.REMAP, Strategy.COPY):
        return
    mapped = part.identity.option_bytes is not None
    reason = (
        "the boot ROM can only write together with all the others; a power cut in between locks "
        "the chip"
        if mapped
        else "is no memory, so the boot ROM cannot write it"
    )
    raise ChipRefused(
        f"{part.name} cannot be updated through its boot ROM: {_WHY_NOT[strategy]} {reason}",
        expected="a part with a run-time alias (L4, G4, F42x, F76x), or the strategy copy",
        then="Nothing was changed",
        remedies=[Remedy.FLASH],
    )
