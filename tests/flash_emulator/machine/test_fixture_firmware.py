"""The firmware of fixtures/, which updates are tried with, runs on the chip it is linked for."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest

from flash_emulator import load_part
from flash_emulator.machine.board import Board, Image
from flash_emulator.machine.driven import FirmwareDevice
from flash_emulator.machine.image_files import Firmware, read_firmware
from tests.flash_emulator.machine.boards import L476, SLOT, program
from tests.places import FIXTURES

MANIFEST = json.loads((FIXTURES / "manifest.json").read_text())
FILES = [each for each in MANIFEST["files"] if "version" in each]


def fixture_device(firmware: Firmware) -> FirmwareDevice:
    """A bootloader that starts what its slot holds, and *firmware* there."""
    images: tuple[Image, ...] = program("copy_restart").images + firmware.images
    return FirmwareDevice(Board(load_part(L476), images))


def identity(version: str) -> str:
    """What the firmware says of itself: a CRC of all its bytes, as they are in its flash."""
    data = (FIXTURES / f"fixture-{version}.bin").read_bytes()
    return f"version {version} at 0x{SLOT:08X}, {len(data)} bytes, crc32 {zlib.crc32(data):08X}\r\n"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file["name"])
def test_it_boots_and_says_what_it_is(file: dict[str, str]) -> None:
    path = Path(FIXTURES / file["name"])
    address = int(file["link_address"], 16) if path.suffix == ".bin" else None
    device = fixture_device(read_firmware(path, load_part(L476), address))
    device.expect(f"mcu-updater fixture {file['version']}\r\n")
    device.expect(identity(file["version"]))
    device.expect("heartbeat 0")
    assert device.machine.exceptions.table == SLOT
    assert device.machine.record.faults == []


def test_it_beats_once_a_second_and_faster_when_it_is_told() -> None:
    path = FIXTURES / "fixture-2.0.0.s19"
    device = fixture_device(read_firmware(path, load_part(L476)))
    device.expect("heartbeat 1", timeout_ms=5000)
    began_ms = device.now_ms
    device.expect("heartbeat 2", timeout_ms=5000)
    slow_ms = device.now_ms - began_ms
    device.send("+")
    device.expect("heartbeat 3", timeout_ms=5000)
    began_ms = device.now_ms
    device.expect("heartbeat 4", timeout_ms=5000)
    assert device.now_ms - began_ms == pytest.approx(slow_ms / 2, rel=0.05)


@pytest.mark.parametrize(
    ("version", "key", "answer"),
    [
        ("2.0.0", "c", "crc32 is right\r\n"),
        ("2.0.0", "i", identity("2.0.0")),
        ("1.0.0", "i", identity("1.0.0")),
        ("1.0.0", "c", "h for help\r\n"),
        ("1.0.0", "h", "Keys\r\n"),
    ],
)
def test_it_answers_keys(version: str, key: str, answer: str) -> None:
    path = FIXTURES / f"fixture-{version}.hex"
    device = fixture_device(read_firmware(path, load_part(L476)))
    device.expect("heartbeat 0")
    device.send(key)
    device.expect(answer)


def test_a_damaged_image_says_another_crc() -> None:
    path = FIXTURES / "fixture-2.0.0.bin"
    data = bytearray(path.read_bytes())
    at = data.index(b"What the beat means")
    data[at] ^= 1
    device = fixture_device(Firmware((Image("damaged", SLOT, bytes(data)),)))
    device.expect(f"crc32 {zlib.crc32(data):08X}\r\n")
    assert zlib.crc32(data) != zlib.crc32(path.read_bytes())
