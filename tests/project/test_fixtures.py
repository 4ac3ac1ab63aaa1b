"""The committed fixture images are what their manifest says, and come out of their sources."""

import hashlib
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import bincopy
import intelhex
import pytest

from tests.places import FIXTURES

MANIFEST = json.loads((FIXTURES / "manifest.json").read_text())
FILES = {entry["name"]: entry for entry in MANIFEST["files"]}
IMAGES = [name for name in FILES if name.endswith(".bin")]

SLOT = range(0x0800_8000, 0x0807_8000)
RAM_END = 0x2001_8000
VECTORS = 16 + 82  # PM0214: core; RM0351: STM32L476 interrupts
RESERVED_VECTORS = {7, 8, 9, 10, 13}  # PM0214, figure "Vector table"
BUILD_ID = struct.Struct("<8sII16s")


def with_suffix(suffix: str) -> list[str]:
    return [name for name in FILES if name.endswith(suffix)]


def decoded_image(name: str) -> tuple[int, bytes]:
    """Address and bytes that the record file `name` has to give."""
    return int(FILES[name]["link_address"], 16), (FIXTURES / FILES[name]["decodes_to"]).read_bytes()


def test_the_manifest_names_every_image_and_no_other():
    suffixes = {".bin", ".hex", ".s19"}
    assert {file.name for file in FIXTURES.iterdir() if file.suffix in suffixes} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_hashes_and_size(name: str):
    data = (FIXTURES / name).read_bytes()
    entry = FILES[name]
    assert len(data) == entry["size"]
    assert hashlib.md5(data).hexdigest() == entry["md5"]
    assert hashlib.sha256(data).hexdigest() == entry["sha256"]


@pytest.mark.parametrize("name", with_suffix(".hex") + with_suffix(".s19"))
def test_records_decode_to_the_image_with_bincopy(name: str):
    address, image = decoded_image(name)
    records = bincopy.BinFile()
    records.add_file(str(FIXTURES / name))
    assert [(s.minimum_address, bytes(s.data)) for s in records.segments] == [(address, image)]
    assert records.execution_start_address == int(FILES[name]["entry"], 16)


@pytest.mark.parametrize("name", with_suffix(".hex"))
def test_records_decode_to_the_image_with_intelhex(name: str):
    address, image = decoded_image(name)
    records = intelhex.IntelHex(str(FIXTURES / name))
    assert records.segments() == [(address, address + len(image))]
    assert bytes(records.tobinarray()) == image
    assert records.start_addr == {"EIP": int(FILES[name]["entry"], 16)}


@pytest.mark.judge("srec_cat")
@pytest.mark.parametrize("name", with_suffix(".hex") + with_suffix(".s19"))
def test_records_decode_to_the_image_with_srec_cat(name: str, tmp_path: Path):
    address, image = decoded_image(name)
    kind = "-intel" if name.endswith(".hex") else "-motorola"
    out = tmp_path / "image.bin"
    move = ["-offset", f"-{address:#x}"]
    subprocess.run(["srec_cat", FIXTURES / name, kind, *move, "-o", out, "-binary"], check=True)
    assert out.read_bytes() == image


@pytest.mark.parametrize("name", with_suffix(".s19"))
def test_s19_has_four_byte_addresses(name: str):
    kinds = {line[:2] for line in (FIXTURES / name).read_text().splitlines()}
    assert kinds == {"S0", "S3", "S7"}


@pytest.mark.parametrize("name", IMAGES)
def test_vector_table(name: str):
    image = (FIXTURES / name).read_bytes()
    code = range(SLOT.start + 4 * VECTORS + BUILD_ID.size, SLOT.start + len(image))
    initial_sp, *handlers = struct.unpack_from(f"<{VECTORS}I", image)

    assert initial_sp == RAM_END == int(FILES[name]["initial_sp"], 16)
    assert handlers[0] == int(FILES[name]["entry"], 16)
    for number, handler in enumerate(handlers, start=1):
        if number in RESERVED_VECTORS:
            assert handler == 0, number
        else:
            assert handler & 1, f"vector {number} is not Thumb code"
            assert handler - 1 in code, f"vector {number}"


@pytest.mark.parametrize("name", IMAGES)
def test_build_id(name: str):
    image = (FIXTURES / name).read_bytes()
    magic, slot_start, size, version = BUILD_ID.unpack_from(image, 4 * VECTORS)
    assert magic == b"MCUFIXT\0"
    assert slot_start == SLOT.start == int(FILES[name]["link_address"], 16)
    assert size == len(image) <= len(SLOT)
    assert version.rstrip(b"\0").decode() == FILES[name]["version"]
    assert f"mcu-updater fixture {FILES[name]['version']}\r\n".encode() in image


def test_versions_differ_in_every_sector_they_share():
    """An updater that leaves one sector of the old image behind must be noticed."""
    old, new = ((FIXTURES / name).read_bytes() for name in IMAGES)
    sector_size = 2048  # STM32L476
    assert len(old) < len(new)
    for start in range(0, len(old), sector_size):
        sector = slice(start, start + sector_size)
        assert old[sector] != new[sector][: len(old[sector])], hex(start)


def first_line(program: str) -> str:
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return shown.stdout.splitlines()[0]


@pytest.mark.judge("arm-none-eabi-gcc")
def test_the_sources_give_the_committed_bytes(tmp_path: Path):
    for tool, program in (
        ("compiler", "arm-none-eabi-gcc"),
        ("binutils", "arm-none-eabi-objcopy"),
    ):
        if (here := first_line(program)) != MANIFEST[tool]:
            pytest.skip(f"fixtures were made with {MANIFEST[tool]!r}, installed is {here!r}")

    out = tmp_path / "out"
    subprocess.run(
        [
            *("make", "-C", FIXTURES / "firmware"),
            *(f"BUILD={tmp_path / 'build'}", f"OUT={out}", f"PYTHON={sys.executable}"),
        ],
        check=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"]},  # flags of an outer make stay outside
    )
    for name in (*FILES, "manifest.json"):
        assert (out / name).read_bytes() == (FIXTURES / name).read_bytes(), name
