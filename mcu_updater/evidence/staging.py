"""The folder of a pack while it is being made: beside its place, under another name, and gone if it
is not finished. What signs it is written last, so even one that a kill leaves is no whole pack."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mcu_updater.core.errors import PortError
from mcu_updater.storage import check_folder, undisturbed


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A new folder that takes the place of *folder* when the block ends without an error.

    Raises PortError where *folder* exists and is not empty, or cannot be made.
    """
    folder = folder.absolute()
    check_folder(folder, force=False)
    room = folder.parent / f".{folder.name[:100]}.{secrets.token_hex(4)}.new"
    try:
        room.mkdir()
        yield room
        if folder.exists():
            folder.rmdir()  # it is empty, or this fails
        room.rename(folder)
    except OSError as error:
        raise PortError(
            "the pack cannot be written",
            where=str(folder),
            found=error.strerror or str(error),
            then="Nothing of it was left",
        ) from error
    finally:
        with undisturbed(), suppress(OSError):
            shutil.rmtree(room)


def write(room: Path, name: str, data: bytes) -> None:
    """One file of the pack."""
    path = room / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
