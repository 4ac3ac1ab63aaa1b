"""``--modules`` of ``center serve``, and what belongs to it: a module for each device."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcu_updater.cli import paths
from mcu_updater.cli.decorators import together
from mcu_updater.cli.emulators.module_behaviour import (
    Behaviour,
    behaviour_options,
    faults_of,
    options_of,
)
from mcu_updater.cli.unused import refuse
from mcu_updater.core.errors import UsageError
from mcu_updater.serve.places import Places, parse_places
from mcu_updater.storage import check_output

if TYPE_CHECKING:
    from mcu_updater.console.modules import ModuleFarm


@dataclass(frozen=True, kw_only=True)
class ModulesGiven(Behaviour):
    """Of ``modules_options``."""

    modules: str | None
    modules_file: Path | None


modules_options = together(
    click.option(
        "--modules",
        metavar="tcp:FIRST-LAST|pty:DIR",
        help="Serve an emulated module for each device of FILE: that of device n at port FIRST + "
        "n - 1 of this computer, or at a pty with the link DIR/DEVICE.",
    ),
    click.option(
        "--modules-file",
        type=paths.OUTPUT,
        metavar="JSON",
        help="With --modules: write there what a client of each device opens.  "
        "[default: addresses.json in DB's folder .modules]",
    ),
    behaviour_options,
)


def farm_of(given: ModulesGiven, file: Path, db: Path) -> AbstractContextManager[ModuleFarm | None]:
    """Served while the context lasts; None: nobody asked for modules. Raises UsageError."""
    if given.modules is None:
        behaviour = ("assignments", "faults", "seed", "speed")
        refuse(click.get_current_context(), ("modules_file", *behaviour), "without --modules")
        return nullcontext()
    if not given.faults:
        refuse(click.get_current_context(), ("seed",), "without --fault")
    faults_of(given.faults, given.seed)
    if given.modules_file is not None:
        check_output(given.modules_file, inputs=(file, db), force=True)
    from mcu_updater.console.modules import ModuleFarm
    from mcu_updater.serve.farm import FarmSettings

    return ModuleFarm(
        FarmSettings(
            file=file,
            db=db,
            places=_places(given.modules),
            options=options_of(given.assignments),
            faults=given.faults,
            seed=given.seed,
            speed=given.speed,
            addresses=given.modules_file,
        )
    )


def _places(text: str) -> Places:
    try:
        return parse_places(text)
    except UsageError as error:
        expected, found = error.expected, error.found
        raise UsageError(error.what, where="--modules", expected=expected, found=found) from error
