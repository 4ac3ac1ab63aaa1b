"""What says how an emulated module behaves, wherever it is served: dialect, faults, pace."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import click

from mcu_updater.cli.decorators import together
from mcu_updater.core.errors import UsageError
from mcu_updater.quectel.emulated.fault_text import parse_faults
from mcu_updater.quectel.emulated.faults import Faults
from mcu_updater.quectel.emulated.options import ModuleOptions, parse_options

PUSH_INTERVAL_S = 600.0  # the platform pushes plans about every 10 min


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """Of ``behaviour_options``."""

    assignments: tuple[str, ...]
    faults: tuple[str, ...]
    seed: int
    speed: float


behaviour_options = together(
    click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="OPTION=VALUE",
        help="Change how a module behaves; 'mcu-updater module options' lists them.",
    ),
    click.option(
        "--fault",
        "faults",
        multiple=True,
        metavar="KIND[@PLACE][=VALUE]",
        help="Let something go wrong; 'mcu-updater module faults' lists what.",
    ),
    click.option(
        "--seed", type=int, default=0, show_default=True, metavar="N", help="Of faults with a rate."
    ),
    click.option(
        "--speed",
        type=click.FloatRange(min=0, min_open=True),
        default=1.0,
        show_default=True,
        metavar="X",
        help="Let the modules' time run X times as fast.",
    ),
)


def options_of(assignments: Iterable[str], **sizes: int) -> ModuleOptions:
    """A module whose center pushes, with *assignments*. Raises UsageError."""
    pairs = [text.partition("=") for text in assignments]
    try:
        assigned: dict[str, Any] = parse_options({name: value for name, _, value in pairs})
        return ModuleOptions(**{"push_interval_s": PUSH_INTERVAL_S, **sizes, **assigned})
    except ValueError as error:
        then = "'mcu-updater module options' lists them"
        raise UsageError(str(error), where="--set", then=then) from error


def faults_of(texts: Iterable[str], seed: int) -> Faults:
    """Raises UsageError."""
    try:
        return parse_faults(texts, seed)
    except UsageError as error:
        where, expected, found = "--fault", error.expected, error.found
        raise UsageError(error.what, where=where, expected=expected, found=found) from error
