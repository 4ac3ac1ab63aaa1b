"""What other programs make of a file: segments by address, or None where they refuse it."""

from __future__ import annotations

import io
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import bincopy
import intelhex

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image import SrecDecoder
from mcu_updater.core.image.allow import Allow
from mcu_updater.files.segments import assemble
from tests.judges import JUDGES, need

Segments = dict[int, bytes]

_HEX, _SREC = (".hex",), (".s19", ".s28", ".s37")
_TIMEOUT_S = 20


def read_by_intelhex(path: Path) -> Segments | None:
    file = intelhex.IntelHex()
    try:
        file.loadhex(io.StringIO(path.read_text("latin-1")))
        return {a: bytes(file.tobinarray(start=a, size=b - a)) for a, b in file.segments()}
    except (intelhex.IntelHexError, ValueError):
        return None


def read_by_bincopy(path: Path) -> Segments | None:
    file = bincopy.BinFile()
    try:
        file.add(path.read_text("latin-1"))
    except (bincopy.Error, ValueError, IndexError):
        return None
    return {segment.address: bytes(segment.data) for segment in file.segments}


def read_by_srec_cat(path: Path) -> Segments | None:
    kind = {".hex": "-intel", ".titxt": "-ti-txt"}.get(path.suffix, "-motorola")
    return _converted(["srec_cat", str(path), kind, "-o", "OUT", "-motorola"], path)


def read_by_objcopy(path: Path) -> Segments | None:
    kind = "ihex" if path.suffix == ".hex" else "srec"
    command = ["objcopy", "-I", kind, "-O", "srec", "--srec-forceS3", str(path), "OUT"]
    return _converted(command, path)


def _converted(command: list[str], path: Path) -> Segments | None:
    """What the program writes as S-records, read by us: leniently, for srec_cat may end without."""
    out = Path(tempfile.gettempdir()) / f"{os.getpid()}-{path.name}.out"
    command = [str(out) if word == "OUT" else word for word in command]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_TIMEOUT_S)
        if done.returncode or not out.exists():
            return None
        decoder = SrecDecoder(frozenset({Allow.NO_END, Allow.TERMINATOR}))
        data = out.read_bytes()
        if not data:
            return None
        image = assemble(decoder.feed(data), None, frozenset({Allow.GAPS, Allow.SAME}))
    except ImageRejected:
        return {}  # it was taken, and what came out is no image
    finally:
        out.unlink(missing_ok=True)
    return {segment.address: segment.data for segment in image.segments}


ORACLES: dict[str, tuple[Callable[[Path], Segments | None], tuple[str, ...]]] = {
    "intelhex": (read_by_intelhex, _HEX),
    "bincopy": (read_by_bincopy, (*_HEX, *_SREC, ".titxt")),
    "srec_cat": (read_by_srec_cat, (*_HEX, *_SREC, ".titxt")),
    "objcopy": (read_by_objcopy, (*_HEX, *_SREC)),
}


def oracle(name: str) -> Callable[[Path], Segments | None]:
    """What that one makes of a file. Skips the calling test where it is a missing judge."""
    if name in JUDGES:
        need(name)
    return ORACLES[name][0]
