"""Which devices are held to the contract: those of ``--flash-device``, or the emulator's parts."""

from __future__ import annotations

import importlib
import sys
from functools import partial

import pytest

from flash_emulator.contract.shape import Flash, Make
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.parts.catalogue import load_part, part_names
from flash_emulator.parts.part import Part
from flash_emulator.parts.part_tables import PartError

_CHOSEN = pytest.StashKey[dict[str, Make]]()


def chosen(config: pytest.Config) -> dict[str, Make]:
    """Makers by the name that tests show. Raises UsageError for options that name nothing."""
    if _CHOSEN not in config.stash:
        config.stash[_CHOSEN] = _choose(config)
    return config.stash[_CHOSEN]


def _choose(config: pytest.Config) -> dict[str, Make]:
    spec, names = config.getoption("flash_device"), config.getoption("flash_part")
    if spec and names:
        raise pytest.UsageError(
            "--flash-part chooses among emulated parts: not with --flash-device"
        )
    if spec:
        return {spec: _made_by(spec, str(config.invocation_params.dir))}
    parts = [_part(name) for name in names or part_names()]
    return {part.name: partial(_emulated, part) for part in parts}


def _emulated(part: Part) -> Flash:
    return EmulatedFlash(part)


def _part(name: str) -> Part:
    try:
        return load_part(name)
    except (PartError, OSError) as error:
        raise pytest.UsageError(f"--flash-part: {error}") from error


def _made_by(spec: str, folder: str) -> Make:
    """The callable that *spec* names; its module may be in *folder*, as for ``python -m``."""
    module_name, colon, name = spec.partition(":")
    if not (module_name and colon and name):
        raise pytest.UsageError(f"--flash-device: expected MODULE:CALLABLE, found {spec!r}")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found = importlib.import_module(module_name)
    except ImportError as error:
        raise pytest.UsageError(f"--flash-device: {error}") from error
    made = getattr(found, name, None)
    if not callable(made):
        raise pytest.UsageError(f"--flash-device: {module_name} has no callable {name!r}")
    return made  # type: ignore[no-any-return]  # its shape is what the tests look at
