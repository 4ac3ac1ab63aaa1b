"""What the released images that other tests use look like."""

import shutil
import struct

import pytest

from tests.project import released
from tests.project.released import pybricks_firmware

# The zip's firmware.metadata.json does not state the link address. It comes from the linker scripts
# of pybricks-micropython, lib/pbio/platform/{prime_hub,technic_hub}/platform.ld: FLASH_FIRMWARE at
# 0x0800_8000 behind a 32 KiB bootloader. The metadata agrees in that primehub's "checksum-size" of
# 1015808 is the 992 KiB from there to the end of flash, and the code agrees in a test below.
LINK_ADDRESS = 0x0800_8000
LDR_SP_PC_48 = bytes.fromhex("dff8 30d0")  # ldr.w sp, [pc, #48]: how the reset handler starts

FACTS = [  # version, hub, size, initial SP, reset vector
    ("7.27.0", "primehub", 294196, 0x2005_0000, 0x0804_2E51),
    ("7.28.0", "primehub", 296756, 0x2005_0000, 0x0804_3615),
    ("7.27.0", "technichub", 205576, 0x2001_0000, 0x0803_0CD1),
    ("7.28.0", "technichub", 206224, 0x2001_0000, 0x0803_0EFD),
]


@pytest.mark.network
@pytest.mark.parametrize(("version", "hub", "size", "initial_sp", "reset_vector"), FACTS)
def test_size_and_vectors(version: str, hub: str, size: int, initial_sp: int, reset_vector: int):
    image = pybricks_firmware(version, hub)
    assert len(image) == size
    assert struct.unpack_from("<II", image) == (initial_sp, reset_vector)
    assert reset_vector & 1
    assert reset_vector - 1 in range(LINK_ADDRESS, LINK_ADDRESS + size)


@pytest.mark.network
@pytest.mark.parametrize("version", ["7.27.0", "7.28.0"])
def test_the_reset_handler_is_where_the_link_address_puts_it(version: str):
    image = pybricks_firmware(version)
    initial_sp, reset_vector = struct.unpack_from("<II", image)
    code_offset = reset_vector - 1 - LINK_ADDRESS
    assert image[code_offset : code_offset + 4] == LDR_SP_PC_48
    assert struct.unpack_from("<I", image, code_offset + 4 + 48) == (initial_sp,)


@pytest.mark.network
def test_consecutive_releases_differ_in_every_sector():
    old, new = pybricks_firmware("7.27.0"), pybricks_firmware("7.28.0")
    sectors = [slice(start, start + 2048) for start in range(0, len(new), 2048)]
    assert len(sectors) == 145
    assert all(old[sector] != new[sector] for sector in sectors)


def test_only_pinned_images_are_fetched():
    with pytest.raises(ValueError, match="no SHA-256 pinned"):
        pybricks_firmware("0.0.0")


def test_without_npm_the_test_is_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(released, "CACHE", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda program: None)
    released._packed.cache_clear()
    with pytest.raises(pytest.skip.Exception, match="npm is not installed"):
        pybricks_firmware("7.28.0")
    released._packed.cache_clear()


def test_a_damaged_cache_is_not_believed(monkeypatch: pytest.MonkeyPatch, tmp_path):
    (tmp_path / "pybricks-7.28.0-primehub.bin").write_bytes(b"half a file")
    monkeypatch.setattr(released, "CACHE", tmp_path)
    monkeypatch.setattr(released, "_packed", lambda package: (b"", "out of reach"))
    with pytest.raises(pytest.skip.Exception, match="out of reach"):
        pybricks_firmware("7.28.0")
