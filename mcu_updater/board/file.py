"""The file that keeps a board between two commands.

A zip, so that anyone can look inside: ``board.json`` (part, strategy, clock, option bytes, module,
cloud, keys; a part file of one's own, whole), ``flash.state`` (the device, with the marks of its
past), ``flash.bin`` (its data alone, for a hex dump; not read back), ``package-N.bin`` (the cloud's
packages). Every entry carries zip's CRC. A new file replaces the old one in one step. A file that
names no strategy has the part's default.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flash_emulator import EmulatedFlash, Part, VirtualClock
from flash_emulator.parts.catalogue import packaged_part, part_of_text
from mcu_updater.board.board import Board
from mcu_updater.cloud.single_device import Package, SingleDeviceCloud
from mcu_updater.core.errors import ImageRejected, PortError, Remedy
from mcu_updater.core.strategy import Strategy
from mcu_updater.core.trust import Trust, load_key
from mcu_updater.flash_map.strategies import default_strategy
from mcu_updater.quectel.emulated.module import EmulatedModule
from mcu_updater.quectel.emulated.options import ModuleOptions
from mcu_updater.storage import write_whole

VERSION = 1  # of board.json

_DAMAGE = (  # what a file that is no zip, or a zip that is no board, makes a reader stumble over
    OSError,
    EOFError,
    zlib.error,
    zipfile.BadZipFile,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    ImageRejected,  # of a key
    NotImplementedError,  # of zipfile: a way of packing that it does not know
)


def save_board(board: Board, path: Path) -> None:
    """Write *board* to *path*. Raises PortError when that cannot be done; the old file stays."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("board.json", json.dumps(_state(board), indent=1))
        archive.writestr("flash.state", board.device.save())
        archive.writestr("flash.bin", board.device.cells.export()[0])
        for index, plan in enumerate(board.center.plans):
            archive.writestr(f"package-{index}.bin", plan.package.data)
    write_whole(path, packed.getvalue())


def load_board(path: Path) -> Board:
    """The board that *path* keeps. Raises PortError when it cannot be read, or is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            state = json.loads(archive.read("board.json"))
            if state.get("board") != VERSION:
                raise ValueError(f"board file version {state.get('board')}, this reads {VERSION}")
            return _board(state, archive)
    except FileNotFoundError as error:
        raise PortError(
            "no such board file", where=str(path), remedies=[Remedy.NEW_BOARD]
        ) from error
    except _DAMAGE as error:
        raise _unusable(path, "is no readable board file", _found(path, error)) from error


def _found(path: Path, error: Exception) -> str:
    """What stands there instead of a board file, or what is wrong with it."""
    if zipfile.is_zipfile(path):
        return str(error)
    return "a file of another kind, or one whose end is missing (a board file is a ZIP archive)"


def _unusable(path: Path, what: str, found: str) -> PortError:
    return PortError(what, where=str(path), found=found, then="Nothing was changed")


def _state(board: Board) -> dict[str, Any]:
    now_s = board.clock.now_s()
    return {
        "board": VERSION,
        "part": board.part.name,
        **_own_part(board.part),
        **({} if board.uid is None else {"uid": board.uid.hex()}),
        "strategy": board.strategy,
        "component": board.component,
        "time_us": board.clock.now_us,
        **_trusted("trust", board.trust),
        **_trusted("boot_trust", board.boot_trust),
        "module": board.module.save(now_s),
        "module_options": asdict(board.module.options),
        "center": board.center.save(now_s),
        "digests": [[p.package.md5.hex(), p.package.sha256.hex()] for p in board.center.plans],
    }


def _own_part(part: Part) -> dict[str, Any]:
    """The part file of one's own, whole, so that the board outlives it; else nothing."""
    return {} if part.own_file is None else {"part_file": asdict(part.own_file)}


def _part(state: Mapping[str, Any]) -> Part:
    own = state.get("part_file")
    return (
        packaged_part(state["part"]) if own is None else part_of_text(own["text"], file=own["path"])
    )


def _trusted(name: str, trust: Trust | None) -> dict[str, Any]:
    """Keys and class of *trust*, under *name*; nothing where there is none."""
    if trust is None:
        return {}
    keys = [key.pem.decode() for key in trust.keys]
    return {name: {"keys": keys, "class_id": trust.class_id and trust.class_id.hex()}}


def _trust(state: Mapping[str, Any], name: str) -> Trust | None:
    saved = state.get(name)
    if saved is None:
        return None
    keys = tuple(load_key(pem.encode(), name) for pem in saved["keys"])
    class_id = saved["class_id"]
    return Trust(keys, None if class_id is None else bytes.fromhex(class_id))


def _board(state: Mapping[str, Any], archive: zipfile.ZipFile) -> Board:
    part = _part(state)
    board = Board(
        part,
        strategy=Strategy(state.get("strategy", default_strategy(part))),
        component=state["component"],
        clock=VirtualClock(state["time_us"]),
    )
    board.uid = bytes.fromhex(state["uid"]) if "uid" in state else None
    flash = archive.read("flash.state")
    board.device = EmulatedFlash.load(flash, clock=board.clock, part=board.part)
    packages = [
        Package(archive.read(f"package-{index}.bin"), bytes.fromhex(md5), bytes.fromhex(sha256))
        for index, (md5, sha256) in enumerate(state["digests"])
    ]
    board.trust, board.boot_trust = _trust(state, "trust"), _trust(state, "boot_trust")
    now_s = board.clock.now_s()
    board.center = SingleDeviceCloud.load(state["center"], *packages, now_s=now_s)
    options = ModuleOptions(**state["module_options"])
    board.module = EmulatedModule.load(state["module"], board.center, options, now_s=now_s)
    return board
