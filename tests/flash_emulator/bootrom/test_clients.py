"""The judges, which nobody here wrote, against ``chip serve``; and our host beside them.

stm32flash and stm32loader on all of the seven parts, in an ordinary run each on about half of them;
stm32isp and stm32ctl on the one that each can be made to know.

Identify, erase, write, verify, read back; and the flash in the chip's file is the image, byte for
byte.
"""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from flash_emulator import load_part
from flash_emulator.an3155 import crc32
from flash_emulator.bootrom.chip_file import unpack
from tests.flash_emulator.bootrom.served_chip import (
    judge,
    our_host,
    serving,
    stm32flash,
    stm32loader,
)
from tests.thorough import one_in

SIZES = {  # bytes: more than one sector of each part, and no more than it takes to see
    "STM32F103x8": 0x8000,
    "STM32F103xG": 0xC000,
    "STM32F429xI": 0xC000,
    "STM32L476xG": 0xC000,
    "STM32G0B1xE": 0xC000,
    "STM32G474xE_dual": 0xC000,
    "STM32H743xI": 0x3_0000,
}
PARTS = list(SIZES)
FAMILIES = {"STM32F103x8": "F1", "STM32L476xG": "L4", "STM32F429xI": "F4"}  # as stm32loader has it


def image_of(part: str) -> bytes:
    """A stack pointer and a reset vector, as our host wants them; then anything."""
    vectors = struct.pack("<II", 0x2000_1000, load_part(part).base + 0x101)
    return vectors + random.Random(part).randbytes(SIZES[part] - len(vectors))


def flash_in(file: Path, size: int) -> bytes:
    device, _ = unpack(file.read_bytes())
    device.power_on()
    return device.read(device.part.base, size)


@pytest.mark.parametrize("part", one_in(3, PARTS))
def test_stm32flash(part: str, tmp_path: Path) -> None:
    image, file = image_of(part), tmp_path / "chip"
    (tmp_path / "image.bin").write_bytes(image)
    port = ("-m", "8n1", "-b", "115200")
    with serving(part, "--file", file) as chip:
        found = stm32flash(*port, chip.where)
        assert found.returncode == 0, found
        assert f"Device ID    : 0x{load_part(part).identity.usart_pid:04x}" in found.stdout
        written = stm32flash(*port, "-w", tmp_path / "image.bin", "-v", chip.where)
        assert written.returncode == 0, written
        assert "(100.00%) Done." in written.stdout, written
        span = f"0x08000000:{len(image)}"
        read = stm32flash(*port, "-r", tmp_path / "read.bin", "-S", span, chip.where)
        assert read.returncode == 0, read
        assert int(chip.status()["erases"]) > 0
        assert chip.end() == 0
    assert (tmp_path / "read.bin").read_bytes() == image
    assert flash_in(file, len(image)) == image


@pytest.mark.parametrize("part", one_in(3, PARTS, first=1))
def test_stm32loader(part: str, tmp_path: Path) -> None:
    """Its DTR and RTS reset the chip before each run, over the shim and a FIFO."""
    image, file, lines = image_of(part), tmp_path / "chip", tmp_path / "lines"
    (tmp_path / "image.bin").write_bytes(image)
    wiring = ("--lines", lines, "--wiring", "nrst=!dtr,boot0=!rts")
    with serving(part, "--file", file, *wiring) as chip:
        family = ("-f", FAMILIES[part]) if part in FAMILIES else ()
        port = ("-p", chip.where, *family)
        written = stm32loader(*port, "-e", "-w", "-v", "-n", tmp_path / "image.bin", lines=lines)
        assert written.returncode == 0, written
        assert "Verification OK" in written.stderr, written
        size = ("-a", "0x08000000", "-l", len(image))
        read = stm32loader(*port, "-r", *size, "-n", tmp_path / "read.bin", lines=lines)
        assert read.returncode == 0, read
        assert int(chip.status()["resets"]) >= 2
        assert chip.end() == 0
    assert (tmp_path / "read.bin").read_bytes() == image
    assert flash_in(file, len(image)) == image


@pytest.mark.parametrize("part", one_in(3, PARTS))
def test_our_host(part: str, tmp_path: Path) -> None:
    """As on an adapter: reset by DTR and RTS, and 8E1."""
    image, file, lines = image_of(part), tmp_path / "chip", tmp_path / "lines"
    (tmp_path / "image.bin").write_bytes(image)
    with serving(part, "--file", file, "--lines", lines) as chip:
        port = ["--port", chip.where, "--reset", "dtr,!rts", "--part", part, "--json"]
        port += ["--cache", str(tmp_path / "cache")]
        written = our_host("flash", tmp_path / "image.bin", *port, lines=lines)
        assert written.returncode == 0 and '"verified": true' in written.stdout, written
        size = ("--start", "0x0800_0000", "--size", len(image))
        read = our_host("read", tmp_path / "read.bin", *port, *size, "--once", lines=lines)
        assert read.returncode == 0, read
        assert int(chip.status()["resets"]) >= 2
        assert chip.end() == 0
    assert (tmp_path / "read.bin").read_bytes() == image
    assert flash_in(file, len(image)) == image


def test_our_host_puts_the_bridge_into_low_latency_mode(tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    with serving("STM32L476xG", "--lines", lines, "--latency-ms", 16) as chip:
        assert chip.status()["latency_ms"] == "16"
        port = ("--port", chip.where, "--reset", "dtr,!rts")
        found = our_host("info", *port, lines=lines)
        assert found.returncode == 0 and "PID            0x415" in found.stdout, found
        assert "8N1" not in found.stderr
        assert chip.status()["latency_ms"] == "1"


def test_stm32isp(tmp_path: Path) -> None:
    """Mass erase, write, read back, Go. Its own verification compares sets of bytes: not ours."""
    part, file = "STM32G0B1xE", tmp_path / "chip"
    (tmp_path / "image.bin").write_bytes(image_of(part))
    with serving(part, "--file", file) as chip:
        done = judge("isp", chip.where, "-f", tmp_path / "image.bin")
        assert done.returncode == 0, done
        assert "SUCCESS: Found STM32G0B1 with bootloader v3.1." in done.stdout
        assert chip.status()["state"] == "application"
        assert chip.end() == 0
    assert flash_in(file, SIZES[part]) == image_of(part)


def test_stm32isp_locks_and_unlocks(tmp_path: Path) -> None:
    with serving("STM32G0B1xE") as chip:
        assert judge("isp", chip.where, "-l").returncode == 0
        chip.control("reset")
        unlocked = judge("isp", chip.where, "-e")  # then it sends 7F 80, of which 80 is too much
        assert "Chip is locked, unlocking" in unlocked.stdout
        assert "Chip is unlocked and erased" in unlocked.stdout
        assert chip.control("reset") == ""
        assert "Performing chip erase" in judge("isp", chip.where, "-e").stdout


def test_stm32ctl(tmp_path: Path) -> None:
    """The Erase of ROMs before 3.0. It verifies nothing: the file of the chip does."""
    part, file, back = "STM32F103x8", tmp_path / "chip", tmp_path / "back.bin"
    (tmp_path / "image.bin").write_bytes(image_of(part))
    with serving(part, "--file", file) as chip:
        found = judge("ctl", chip.where, "info")
        assert found.returncode == 0 and "chip id: 0x0410" in found.stdout, found
        write = ("erase", "write", "--path", tmp_path / "image.bin")
        assert judge("ctl", chip.where, "--skip-init", *write).returncode == 0
        read = ("read", "--size", f"{SIZES[part]}", "--path", back)
        assert judge("ctl", chip.where, "--skip-init", *read).returncode == 0
        assert chip.end() == 0
    assert back.read_bytes() == image_of(part)
    assert flash_in(file, SIZES[part]) == image_of(part)


def test_stm32flash_computes_checksums_in_the_older_dialect(tmp_path: Path) -> None:
    """``-C`` asks the ROM where GET lists the command; the log of the chip shows no Read."""
    part = "STM32L476xG"
    image = image_of(part)
    (tmp_path / "image.bin").write_bytes(image)
    port = ("-m", "8n1", "-b", "115200")
    old = ("--rom-version", "3.3", "--checksum-dialect", "private", "--fault", "nack:read:1+")
    with serving(part, *old) as chip:
        assert stm32flash(*port, "-w", tmp_path / "image.bin", chip.where).returncode == 0
        span = f"0x08000000:{len(image)}"
        found = stm32flash(*port, "-C", "-S", span, chip.where)
        assert found.returncode == 0, found
        assert f"0x{crc32(image):08x}" in found.stdout.replace("0x0x", "0x"), found


def test_the_modem_lines_of_stm32flash_start_rom_and_program(tmp_path: Path) -> None:
    """8E1 and DTR, RTS as on an adapter: in to the ROM by BOOT0 high, out of it by BOOT0 low."""
    lines, image = tmp_path / "lines", tmp_path / "image.bin"
    image.write_bytes(image_of("STM32L476xG"))
    wiring = ("--lines", lines, "--wiring", "nrst=dtr,boot0=rts", "--boot0", "low")
    sequence = "rts&-dtr,dtr:-rts&-dtr,dtr"
    with serving("STM32L476xG", *wiring) as chip:
        assert chip.status()["state"] == "application"
        for _ in range(2):
            done = stm32flash("-m", "8e1", "-i", sequence, "-w", image, chip.where, lines=lines)
            assert done.returncode == 0, done
            assert chip.comes_to("application")
        assert stm32flash("-m", "8n1", chip.where).returncode != 0
