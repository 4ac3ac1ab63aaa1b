"""``update --target PORT``: the A/B updater on the flash of a real chip, behind its boot ROM.

The host takes the MCU's part from reset to reset: it boots by the journals as the bootloader does,
talks to the module, writes the inactive slot and its journal, and judges the trial as ``--trial``
says, for it cannot run the image. When all is done, reset the chip with BOOT0 low: its own
bootloader finds the same journals.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any

import click

from flash_emulator import Part, PartError, VirtualClock, load_part
from mcu_updater.admission import ADMIT_ALL
from mcu_updater.bank import NAMES, open_banks
from mcu_updater.board import Trial
from mcu_updater.board.layout import has_layout, layout_of, parts_with_layout
from mcu_updater.board.strategies import default_strategy
from mcu_updater.boot import ResetCause, boot
from mcu_updater.cli.options import together
from mcu_updater.cli.screen import Screen
from mcu_updater.cli.session import Terms
from mcu_updater.cli.signatures import trust_of
from mcu_updater.cli.stm32_link import opened
from mcu_updater.errors import ChipRefused, VerificationFailed
from mcu_updater.events import Booted, Event
from mcu_updater.flash import BankSwitch
from mcu_updater.install import Installer
from mcu_updater.journal import Phase, Reading
from mcu_updater.quectel.center import DeveloperCenter, Plan
from mcu_updater.quectel.client import AtClient
from mcu_updater.quectel.link import DEFAULT_DIALECT
from mcu_updater.quectel.module import EmulatedModule
from mcu_updater.quectel.options import ModuleOptions
from mcu_updater.quectel.pipe import ModulePipe
from mcu_updater.slot import CopyLayout
from mcu_updater.stm32.chip import WORD
from mcu_updater.stm32.compare import read_frame
from mcu_updater.stm32.flasher import Flasher
from mcu_updater.stm32.target import RomFlash
from mcu_updater.strategy import Strategy
from mcu_updater.trust import Trust
from mcu_updater.updater import Outcome, Result, Updater

MOST_STARTS = 8  # of the MCU in one update: two are usual

_WHY_NOT = {
    Strategy.SWAP_OPTION: "its banks are exchanged by an option bit, which",
    Strategy.OPTION_TOGGLE: "its boot bank is an option bit, which",
}


target_options = together(
    click.option(
        "--target",
        "target_port",
        metavar="PORT",
        help="Update a real chip behind its boot ROM at PORT, instead of an emulated board.",
    ),
    click.option(
        "--target-baud", default=115_200, show_default=True, metavar="N", help="With --target."
    ),
    click.option("--target-reset", metavar="WIRING", help="With --target: as --reset of flash."),
)


def update_target(given: dict[str, Any], plan: Plan, terms: Terms, screen: Screen) -> int:
    """The whole upgrade to *plan*. Returns the exit code; raises UpdaterError."""
    link = {
        "port": given["target_port"],
        "baud": given["target_baud"],
        "reset": given["target_reset"],
        "part": given["part"],
        "timeout": 1.0,
        "as_json": False,
        "quiet": True,
        "merge": False,
        **dict.fromkeys(("geometry", "program_unit", "full_packets", "cache")),
    }
    trust = trust_of(given)
    with opened(link) as bench:
        target = Target(bench.flasher, given["strategy"], trust, given["part"])
        began_s = time.monotonic()
        try:
            for event in target.upgrade(plan, terms):
                screen.event(event, int((time.monotonic() - began_s) * 1e6))
        finally:
            screen.close()
        result = target.result
        if target.had_it_already(plan):
            screen.note(f"nothing to do: the chip already runs version {plan.target_version}")
            return 0
        if result.error is not None:
            raise result.error
        screen.note(f"{result.outcome}. Reset the chip with BOOT0 low: its bootloader goes on")
    return 0


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
        self.layout = layout_of(self.part, self.strategy)
        frame = read_frame(flasher.connection.rom.rom.line.wants_full_packets)
        self.flash = RomFlash(flasher, self.part, self.part.bank_starts, frame)
        self.result = Result(Outcome.NO_PLAN)
        self._booted: Reading | None = None  # the journal of the bank that the last start chose

    def had_it_already(self, plan: Plan) -> bool:
        """After ``upgrade``: nothing was offered, for the version of *plan* runs, confirmed."""
        booted = self._booted
        return (
            self.result.outcome is Outcome.NO_PLAN
            and booted is not None
            and booted.phase is Phase.CONFIRMED
            and booted.version == plan.target_version
        )

    def upgrade(self, plan: Plan, terms: Terms) -> Iterator[Event]:
        """Let an emulated module offer *plan*, and run until the MCU rests."""
        clock = VirtualClock()
        options = ModuleOptions(max_read=max(terms.policy.read_size, ModuleOptions().max_read))
        module = EmulatedModule(DeveloperCenter([plan]), options)
        module.power_on(clock.now_s())
        cause, asked_again = ResetCause.POWER, False
        for _ in range(MOST_STARTS):
            module.transmit()  # what it said to a CPU in reset is lost
            dialect = replace(DEFAULT_DIALECT, max_read=options.max_read)
            client = AtClient(ModulePipe(module, clock), clock, dialect)
            done = yield from self._start(cause, client, terms)
            if done and (asked_again or not self._was_another(module, plan)):
                return
            asked_again = asked_again or done
            cause = ResetCause.SOFTWARE
        raise VerificationFailed("the MCU does not come to rest", found=f"{MOST_STARTS} starts")

    def _was_another(self, module: EmulatedModule, plan: Plan) -> bool:
        """An upgrade that an earlier run began was looked for, and this module knows nothing of
        it: now *plan* is due."""
        told = module.versions.get(plan.component)
        lost = (Outcome.LOST, Outcome.NO_PLAN)
        return told != plan.target_version and self.result.outcome in lost

    def _start(
        self, cause: ResetCause, client: AtClient, terms: Terms
    ) -> Generator[Event, None, bool]:
        """One start of the MCU. Whether all is done."""
        self.flash.reset()
        layout = self.layout
        switch: BankSwitch = (
            Installer(self.flash, layout) if isinstance(layout, CopyLayout) else self.flash
        )
        decision = boot(self.flash, switch, layout, cause, terms.attempts)
        if decision.bank is None:
            raise VerificationFailed(
                "nothing can be booted",
                where=self.part.name,
                found="; ".join(decision.reasons),
                then="The chip needs a first image with its journal: mcu-updater install IMAGE "
                "--port PORT --version V (docs/first-installation.md)",
            )
        name = NAMES[decision.bank]
        yield Booted(name, decision.version, decision.mode, cause, decision.reasons)
        banks = open_banks(self.flash, switch, layout)
        active, inactive = banks[decision.bank], banks[1 - decision.bank]
        self._booted = active.journal.read()
        passes = terms.trial is Trial.PASS
        policy = replace(terms.policy, part=self.part.name)
        updater = Updater(active, inactive, client, policy, lambda: passes, ADMIT_ALL, self.trust)
        yield from updater.run()
        self.result = updater.result
        return updater.result.outcome is not Outcome.RESET


def part_of(flasher: Flasher) -> Part:
    """The part that the chip is, whole. Raises ChipRefused for any other."""
    try:
        part = load_part(flasher.chip.name)
    except PartError as error:
        raise ChipRefused(
            "an update needs a part whose banks are known",
            found=flasher.chip.name,
            then="Name it with --part, if it is one. Nothing was changed",
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
            then="mcu-updater flash writes an image to it. Nothing was changed",
        )


def check_strategy(part: Part, strategy: Strategy) -> None:
    """Raise ChipRefused where the boot ROM cannot do what *strategy* needs."""
    if part.program_unit < WORD:
        raise ChipRefused(
            f"{part.name} cannot be updated through its boot ROM: journals there are written in "
            f"units of {part.program_unit} bytes, and the ROM writes {WORD} at once",
            then="mcu-updater flash writes an image to it. Nothing was changed",
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
        expected="a part with a run-time alias (L4, G4, F42x, F76x), or --strategy copy",
        then="mcu-updater flash writes an image to it. Nothing was changed",
    )
