"""A folder that a command fills."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mcu_updater.core.errors import PortError, Remedy
from mcu_updater.storage.output import write_whole


def check_folder(path: Path, *, force: bool) -> None:
    """Refuse, before anything is done, a folder that cannot be filled.

    Raises PortError where *path* is no folder, has files and *force* is not given, or where there
    is no folder to make it in.
    """
    try:
        if not path.exists():
            _check_parent(path.absolute().parent)
            return
        found = next(path.iterdir(), None)
    except OSError as error:
        raise _refused(path, error) from error
    if found is not None and not force:
        raise PortError(
            "is not empty",
            where=str(path),
            expected="an empty folder, or a name that is free",
            found=found.name,
            then="Nothing was changed",
            remedies=[Remedy.REPLACE],
        )


def _check_parent(parent: Path) -> None:
    if not parent.is_dir():
        raise FileNotFoundError(0, f"no folder {parent}")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(0, f"no folder can be made in {parent}")


def write_folder(path: Path, files: Mapping[Path, bytes]) -> None:
    """*files*, by their paths in *path*. Each is written whole or not at all; others stay.

    Raises PortError where that cannot be done; those before it are written.
    """
    for name, data in files.items():
        try:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _refused((path / name).parent, error) from error
        write_whole(path / name, data)


def _refused(path: Path, error: OSError) -> PortError:
    return PortError(
        "cannot be written",
        where=str(path),
        expected="a folder",
        found=(error.strerror or str(error)).lower(),
    )
