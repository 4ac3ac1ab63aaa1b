"""What ran: Python, this program, and the packages below it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

PROGRAM, NOT_INSTALLED = "mcu-updater", "not installed as a package"
_ENGINE = "unicorn"  # executes the instructions
PACKAGES = ("cryptography", "jinja2", "pydantic", "pyelftools", _ENGINE, "xmodem")
"""That read the inputs, run the firmware, or sign; those that are installed are named."""


def tool_versions(made_of: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """*made_of*: as the certificate says it; it has the digest of the program's sources."""
    return {
        "program": {
            "name": PROGRAM,
            "version": _version(PROGRAM) or NOT_INSTALLED,
            "sources of flash_emulator, SHA-256": made_of["tool"]["sources"],
        },
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "engine": f"{_ENGINE} {_version(_ENGINE)}",
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
