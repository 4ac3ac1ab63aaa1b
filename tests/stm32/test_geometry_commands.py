"""Chips of every size and number of banks against ``chip serve``, as processes would meet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flash_emulator import load_part
from flash_emulator.bootrom import Chip
from flash_emulator.bootrom.chip_file import pack, unpack
from flash_emulator.device.flash import EmulatedFlash
from tests.cli.command_line import run
from tests.flash_emulator.bootrom.served_chip import ServedChip, serving

K = 1024


def file_of(name: str, path: Path) -> Path:
    """A chip whose every sector begins with its own address."""
    device = EmulatedFlash(load_part(name))
    for address in sector_starts(name):
        device.preload(address, held_at(address))
    path.write_bytes(pack(Chip(device)))
    return path


def sector_starts(name: str) -> list[int]:
    part = load_part(name)
    return [part.address_of(offset) for offset in part.sector_starts]


def held_at(address: int) -> bytes:
    return address.to_bytes(4, "little") * 8


def lost_in(path: Path) -> set[int]:
    device, _ = unpack(path.read_bytes())
    device.power_on()
    return {
        start
        for start in sector_starts(device.part.name)
        if device.read(start, 32) != held_at(start)
    }


@pytest.fixture
def common(tmp_path):
    return ("--port", tmp_path / "tty", "--cache", tmp_path / "cache", "--timeout", 0.3)


def flashed(chip: ServedChip, *arguments: object) -> str:
    result = run("flash", *arguments)
    assert result.exit_code == 0, result.output
    assert chip.end() == 0
    return result.output


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("STM32F429xG", {0x0808_0000}),  # DB1M = 0: one sector of 128 KB
        ("STM32F429xG_DB1M", {0x0808_0000 + at * 16 * K for at in range(4)}),
        ("STM32F767xG_single", {0x0808_0000}),
        ("STM32F767xG_dual", {0x0808_0000 + at * 16 * K for at in range(4)}),
    ],
)
def test_64_kib_at_0x0808_0000_erase_what_they_cover_and_no_more(name, wanted, tmp_path, common):
    file, image = file_of(name, tmp_path / "chip"), tmp_path / "app.bin"
    image.write_bytes(b"\xa5" * 64 * K)
    with serving(name, "--file", file, "--link", tmp_path / "tty") as chip:
        assert name in flashed(chip, image, *common, "--base", "0x0808_0000")
    assert lost_in(file) == wanted


def test_where_the_chip_cannot_say_the_names_are_given_and_one_of_them_works(tmp_path, common):
    name, image = "STM32U575xG_dual", tmp_path / "app.bin"
    file = file_of(name, tmp_path / "chip")
    image.write_bytes(b"\xa5" * 8 * K)
    with serving(name, "--file", file, "--link", tmp_path / "tty") as chip:
        asked = run("flash", image, *common)
        assert asked.exit_code == 2 and "STM32U575xG_dual, STM32U575xG_single" in asked.output
        assert "--part" in asked.output and "Nothing was changed" in asked.output
        assert chip.status()["erases"] == "0"
        flashed(chip, image, *common, "--part", name, "--base", "0x0808_0000")
    assert lost_in(file) == {0x0808_0000}


def test_a_part_that_the_option_bytes_contradict_is_exit_6_and_info_names_the_right_one(
    tmp_path, common
):
    image = tmp_path / "app.bin"
    image.write_bytes(b"\xa5" * 64 * K)
    with serving("STM32F429xG", "--link", tmp_path / "tty") as chip:
        refused = run("flash", image, *common, "--part", "STM32F429xG_DB1M")
        assert refused.exit_code == 6 and "DB1M = 0" in refused.output
        shown = run("info", *common, "--json")
        fields = json.loads(shown.stdout.splitlines()[-1])
        assert fields["parts"] == ["STM32F429xG"] and fields["flash_bytes"] == 1024 * K
        assert chip.status()["erases"] == "0"


def test_a_geometry_by_hand_of_two_banks_with_a_number(tmp_path, common):
    name, image = "STM32L476xE_dual", tmp_path / "app.bin"
    file = file_of(name, tmp_path / "chip")
    image.write_bytes(b"\xa5" * 2 * K)
    shape = ("--geometry", "0x0800_0000:128x2K;256@0x0804_0000:128x2K")
    with serving(name, "--file", file, "--pid", "0x0abc", "--link", tmp_path / "tty") as chip:
        assert run("flash", image, *common, "--base", "0x0804_0800").exit_code == 6
        for bad in ("0x0800_0000:128x2K;x@0x0804_0000:1x2K", "0x0800_0000", ";", "0x0:1x0;"):
            assert run("flash", image, *common, "--geometry", bad).exit_code == 2
        flashed(chip, image, *common, *shape, "--base", "0x0804_0800")
    assert lost_in(file) == {0x0804_0800}


def test_a_whole_read_keeps_what_lies_behind_the_hole_in_its_place(tmp_path, common):
    file, back = file_of("STM32G474xB_dual", tmp_path / "chip"), tmp_path / "back.bin"
    with serving("STM32G474xB_dual", "--file", file, "--link", tmp_path / "tty") as chip:
        read = run("read", back, *common, "--once")
        assert read.exit_code == 0, read.output
        assert "0x0801_0000 up to 0x0804_0000 lies between the banks" in read.output
        assert chip.end() == 0
    data = back.read_bytes()
    assert len(data) == 0x5_0000
    assert data[:32] == held_at(0x0800_0000) and data[0x4_0000:][:32] == held_at(0x0804_0000)
    assert data[0x1_0000:0x4_0000] == b"\xff" * 0x3_0000


def test_an_update_of_two_slots_needs_a_part_that_is_laid_out_for_it(tmp_path):
    image = tmp_path / "app.bin"
    image.write_bytes((0x2000_8000).to_bytes(4, "little") + (0x0800_8009).to_bytes(4, "little") * 9)
    with serving("STM32G474xC_dual", "--link", tmp_path / "tty") as chip:
        refused = run("update", image, "--target", tmp_path / "tty")
        assert refused.exit_code == 6, refused.output
        assert "no layout for two images is known for STM32G474xC_dual" in refused.output
        assert "Nothing was changed" in refused.output
        assert chip.status()["erases"] == "0"
