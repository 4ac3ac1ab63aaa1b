"""``update --target PORT``: a real chip behind its boot ROM takes the place of the emulated board.

When all is done, reset the chip with BOOT0 low: its own bootloader finds the same journals.
"""

from __future__ import annotations

import time
from typing import Any

import click

from mcu_updater.board import Trial
from mcu_updater.board.rom_target import Target
from mcu_updater.cli.options import together
from mcu_updater.cli.screen import Screen
from mcu_updater.cli.session import Terms
from mcu_updater.cli.signatures import trust_of
from mcu_updater.cli.stm32_link import opened
from mcu_updater.quectel.center import Plan

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
            passes = terms.trial is Trial.PASS
            upgrade = target.upgrade(plan, terms.policy, passes=passes, attempts=terms.attempts)
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
