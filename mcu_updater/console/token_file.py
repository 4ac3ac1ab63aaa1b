"""The token of a console that other computers reach: a file that its owner alone can read."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from mcu_updater.core.errors import PortError

LEAST = 16
"""Characters: what is shorter can be guessed."""


def token_in(path: Path) -> str:
    """What stands in *path*; where it is missing, it is made with a random token.

    Raises PortError where it cannot be read or made, is too short, or others can read it.
    """
    try:
        return _made(path)
    except FileExistsError:
        return _read(path)
    except OSError as error:
        raise _bad(path, "cannot be made", error.strerror or str(error)) from error


def _made(path: Path) -> str:
    token = secrets.token_urlsafe(32)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{token}\n")
    return token


def _read(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as file:
            mode = os.fstat(file.fileno()).st_mode
            token = file.read(4096).strip()
    except (OSError, ValueError) as error:
        raise _bad(path, "cannot be read", getattr(error, "strerror", "") or str(error)) from error
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise PortError(
            "others can read the token",
            where=str(path),
            expected="mode 0600",
            found=f"mode {stat.S_IMODE(mode):04o}",
            then=f"chmod 600 {path}",
        )
    if len(token) < LEAST or not token.isprintable() or " " in token:
        found = f"{len(token)} characters"
        raise PortError(
            "is no token",
            where=str(path),
            expected=f"one line of {LEAST} printable ASCII characters or more, without spaces",
            found=found,
        )
    return token


def _bad(path: Path, what: str, found: str) -> PortError:
    return PortError(f"the file of the token {what}", where=str(path), found=found)
