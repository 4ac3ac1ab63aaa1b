"""The committed images of firmware/: they come out of their sources, and start where they say."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

FIRMWARE = Path(__file__).parent / "firmware"
MANIFEST = json.loads((FIRMWARE / "manifest.json").read_text())
IMAGES = sorted(MANIFEST["sha256"])


def first_line(program: str) -> str:
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return shown.stdout.splitlines()[0]


@pytest.mark.judge("arm-none-eabi-gcc")
def test_the_sources_give_the_committed_images(tmp_path: Path) -> None:
    for tool, program in (("compiler", "arm-none-eabi-gcc"), ("linker", "arm-none-eabi-ld")):
        if (here := first_line(program)) != MANIFEST[tool]:
            pytest.skip(f"images were made with {MANIFEST[tool]!r}, installed is {here!r}")
    subprocess.run(
        ["make", "-C", FIRMWARE, f"OUT={tmp_path}", f"PYTHON={sys.executable}"],
        check=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"]},  # flags of an outer make stay outside
    )
    for name in (*IMAGES, "manifest.json"):
        assert (tmp_path / name).read_bytes() == (FIRMWARE / name).read_bytes(), name


def test_the_manifest_has_every_image() -> None:
    assert sorted(path.name for path in FIRMWARE.glob("*.elf")) == IMAGES
    for name in IMAGES:
        found = hashlib.sha256((FIRMWARE / name).read_bytes()).hexdigest()
        assert found == MANIFEST["sha256"][name], name


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_begins_with_its_vector_table(name: str) -> None:
    with (FIRMWARE / name).open("rb") as file:
        elf = ELFFile(file)
        code = next(s for s in elf.iter_segments() if s["p_type"] == "PT_LOAD")
        stack, entry = (int.from_bytes(code.data()[at : at + 4], "little") for at in (0, 4))
        start = 0x0800_8000 if name.startswith("app_") else 0x0800_0000
        assert code["p_paddr"] == start
        assert stack == 0x2001_8000
        assert entry == elf.header["e_entry"] | 1
        assert entry in range(start, start + code["p_filesz"])


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_knows_its_source_lines_and_no_folder_of_its_builder(name: str) -> None:
    with (FIRMWARE / name).open("rb") as file:
        elf = ELFFile(file)
        units = [*elf.get_dwarf_info().iter_CUs()]
        folders = {unit.get_top_DIE().attributes["DW_AT_comp_dir"].value for unit in units}
        assert folders == {b"."}
    assert str(FIRMWARE.parents[3]).encode() not in (FIRMWARE / name).read_bytes()
