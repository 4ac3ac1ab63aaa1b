"""Firmware that nobody here wrote, out of Debian packages: read as objcopy and srec_cat read it.

The packages are fetched by name with apt, which checks them; the files in them are told by hash
where this page names them. Skipped where apt or its archive is out of reach.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from mcu_updater.core.errors import ImageRejected
from mcu_updater.core.image import Allow
from mcu_updater.files import read_image
from mcu_updater.files.facts import vectors
from tests.core.image.oracles import ORACLES, oracle
from tests.judges import out_of_reach
from tests.project.released import debian_files, pybricks_firmware

pytestmark = pytest.mark.network

AFTER_END = frozenset({Allow.AFTER_END})


def files_of(package: str, pattern: str) -> list[Path]:
    folder, reason = debian_files(package)
    if folder is None:
        out_of_reach(reason)
    found = sorted(folder.rglob(pattern))
    assert found, f"{package} has no {pattern}"
    return found


def as_hex(path: Path, tmp_path: Path) -> Path:
    """The same file under the suffix that the other readers go by."""
    copy = tmp_path / f"{path.stem}.hex"
    copy.write_bytes(path.read_bytes())
    return copy


def assert_read_alike(path: Path, found: dict[int, bytes], *, but: frozenset[str]) -> None:
    for name in sorted(ORACLES.keys() - but):
        assert oracle(name)(path) == found, f"{path.name}: {name} reads something else"


def test_micropython_of_the_microbit(tmp_path: Path) -> None:
    """Three regions of an nRF51, UICR included; what it holds beside code is a segment, too."""
    (path,) = files_of("firmware-microbit-micropython", "firmware.hex")
    copy = as_hex(path, tmp_path)
    image = read_image([copy], allow=frozenset({Allow.GAPS})).image
    found = {s.address: s.data for s in image.segments}
    assert_read_alike(copy, found, but=frozenset())
    table = vectors(image, placed=True)
    assert table is not None
    assert table.problems == ()


def test_altos_keeps_symbols_behind_the_end_record(tmp_path: Path) -> None:
    """Most of its files go on behind their end, with records of a type that does not exist.

    Strictly they are refused, in the line where that begins; asked to, they are read as intelhex,
    objcopy and srec_cat do, who stop at the end record. bincopy reads on, and refuses them.
    """
    strict = relaxed = 0
    for path in files_of("altos", "*.ihx"):
        copy = as_hex(path, tmp_path)
        image = read_image([copy], allow=AFTER_END).image
        found = {s.address: s.data for s in image.segments}
        try:
            assert read_image([copy]).image == image
            strict += 1
            but: frozenset[str] = frozenset()
        except ImageRejected as error:
            assert error.what == "data after the end-of-file record"
            lines = copy.read_text("latin-1").splitlines()
            at = int(re.findall(r"line (\d+)", error.where)[0])
            assert lines[at - 2].startswith(":00000001")
            relaxed += 1
            but = frozenset({"bincopy"})
        assert_read_alike(copy, found, but=but)
    assert strict >= 2
    assert relaxed >= 30


def test_hackrf_images_are_raw_ones_of_cortex_m() -> None:
    for path in files_of("hackrf-firmware", "*.bin"):
        found = read_image([path])
        assert found.image.flat() == path.read_bytes()
        table = vectors(found.image, placed=False)
        assert table is not None
        assert table.problems == (), path.name


def test_pybricks_firmware_survives_every_format(tmp_path: Path) -> None:
    """A released image out and back through each format, and by the other readers."""
    from mcu_updater.core.image import ImageFormat
    from mcu_updater.files.writing import write_image

    raw = tmp_path / "hub.bin"
    raw.write_bytes(pybricks_firmware("7.28.0"))
    image = read_image([raw], base=0x0800_8000).image
    digest = hashlib.sha256(image.flat()).hexdigest()
    for fmt, suffix in ((ImageFormat.HEX, "hex"), (ImageFormat.SREC, "s37")):
        path = tmp_path / f"hub.{suffix}"
        path.write_bytes(write_image(image, fmt))
        again = read_image([path]).image
        assert hashlib.sha256(again.flat()).hexdigest() == digest
        found = {s.address: s.data for s in again.segments}
        assert_read_alike(path, found, but=frozenset(() if suffix == "hex" else ("intelhex",)))
