"""A chip as a file: flash with all its marks, and what a host at the ROM left beside it.

A zip of ``chip.json`` and ``flash.state`` (see ``saved.py``). RAM is not in it: whoever opens the
file powers the chip on.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from typing import Any

from flash_emulator.bootrom.chip import Chip
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.parts.part import Part

VERSION = 1
_DAMAGE = (LookupError, TypeError, ValueError, zipfile.BadZipFile, zlib.error, EOFError)


def pack(chip: Chip) -> bytes:
    state = {"chip": VERSION, "uid": chip.memory.uid.hex(), **chip.memory.options.save()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:  # flash.state is compressed already
        archive.writestr("chip.json", json.dumps(state, indent=1))
        archive.writestr("flash.state", chip.device.save())
    return packed.getvalue()


def unpack(data: bytes, part: Part | None = None) -> tuple[EmulatedFlash, dict[str, Any]]:
    """The device, and its ``uid``, ``options`` and ``locked``.

    *part* brings other times, or a part file of one's own. Raises ValueError for any damage, and
    for another part.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            state = json.loads(archive.read("chip.json"))
            if state.get("chip") != VERSION:
                raise ValueError(f"version {state.get('chip')}, this program reads {VERSION}")
            return EmulatedFlash.load(archive.read("flash.state"), part=part), state
    except _DAMAGE as error:
        raise ValueError(f"no readable chip file: {error}") from error
