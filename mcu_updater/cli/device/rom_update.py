"""``update --target PORT``: a real chip behind its boot ROM takes the place of the emulated board.

When all is done, reset the chip with BOOT0 low: its own bootloader finds the same journals.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import click

from flash_emulator import Part
from mcu_updater.board import Trial
from mcu_updater.board.rom_target import Target
from mcu_updater.cli.decorators import together
from mcu_updater.cli.device.session import SessionSettings
from mcu_updater.cli.flasher.stm32_link import PortOptions, opened
from mcu_updater.cli.screen import Screen
from mcu_updater.cloud.single_device import Plan
from mcu_updater.core.strategy import Strategy
from mcu_updater.core.trust import Trust

TIMEOUT_S = 1.0  # longest silence of the chip that is no fault


@dataclass(frozen=True, kw_only=True)
class TargetOptions:
    """Of ``target_options``."""

    target_port: str | None
    target_baud: int
    target_reset: str | None

    def chip(self, part: Part | None) -> PortOptions | None:
        """How to get to the chip, which is expected to be *part*; None: none was named."""
        if self.target_port is None:
            return None
        return PortOptions(
            port=self.target_port,
            baud=self.target_baud,
            reset=self.target_reset,
            part=part,
            timeout=TIMEOUT_S,
            quiet=True,
        )


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


def update_target(
    chip: PortOptions,
    strategy: Strategy | None,
    trust: Trust | None,
    plan: Plan,
    settings: SessionSettings,
    screen: Screen,
) -> int:
    """The whole upgrade of *chip* to *plan*. Returns the exit code; raises UpdaterError."""
    with opened(chip) as bench:
        target = Target(bench.flasher, strategy, trust, chip.part)
        began_s = time.monotonic()
        try:
            passes = settings.trial is Trial.PASS
            upgrade = target.upgrade(
                plan, settings.policy, passes=passes, attempts=settings.attempts
            )
            for event in upgrade:
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
