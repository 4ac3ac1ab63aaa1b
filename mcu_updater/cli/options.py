"""Options that several commands have."""

from __future__ import annotations

import click

from flash_emulator import Outcome
from mcu_updater.cli import params
from mcu_updater.cli.decorators import Decorator, together
from mcu_updater.cli.names import NameChoice, component_names


def component_option(text: str) -> Decorator:
    """*text*: what the name is for."""
    return click.option(
        "--component",
        default="STM32",
        show_default=True,
        callback=params.component,
        shell_complete=component_names,
        metavar="NAME",
        help=text,
    )


base_option = click.option(
    "--base", callback=params.address, metavar="ADDR", help="Where a raw image is linked."
)
image_version_option = click.option(
    "--version",
    required=True,
    callback=params.version,
    metavar="V",
    help="Version of IMAGE, as it will be reported.",
)
read_size_option = click.option(
    "--read-size",
    type=click.IntRange(1, 4096),
    default=1024,
    show_default=True,
    metavar="N",
    help="Bytes of one AT+QIOTOTARD.",
)
piece_size_option = click.option(
    "--piece-size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Bytes that the module holds at a time.  [default: the whole package]",
)
cut_options = together(
    click.option(
        "--cut-at", type=click.IntRange(min=1), metavar="N", help="Cut power at flash operation N."
    ),
    click.option(
        "--outcome",
        type=NameChoice([outcome.value for outcome in Outcome]),
        default=Outcome.TORN.value,
        show_default=True,
        help="What the cut leaves of that operation.",
    ),
)
