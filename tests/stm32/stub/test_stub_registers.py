"""The stubs' addresses of registers, and the emulated USARTs, against ST's SVD files.

There is none of a G0B1 at hand: its registers of flash are held against those of the emulator.
"""

from __future__ import annotations

import re
import zipfile
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pyocd
import pytest

from benchmarks.loader_stub.chip import MODELS
from benchmarks.loader_stub.usart import OldUsart, Usart
from flash_emulator import load_part
from flash_emulator.registers.l4_layouts import G0
from mcu_updater.stm32.stub import images
from mcu_updater.stm32.stub.images import STUBS
from tests.stm32.stub.stubs import PARTS

FIRMWARE = Path(images.__file__).parent / "firmware"
SVD = {"STM32L476xG": "STM32L4x5.svd", "STM32F407xG": "STM32F41x.svd"}  # L475, F415 and F417


@cache
def places(part: str) -> dict[str, int]:
    """Address of each register by "PERIPHERAL.REGISTER"."""
    archive = Path(pyocd.__file__).parent / "debug" / "svd" / "svd_data.zip"
    with zipfile.ZipFile(archive) as opened:
        root = ElementTree.fromstring(opened.read(SVD[part]))
    peripherals = {p.findtext("name"): p for p in root.iter("peripheral")}
    found = {}
    for name, peripheral in peripherals.items():
        base = int(peripheral.findtext("baseAddress") or "0", 0)
        original = peripherals[peripheral.get("derivedFrom", name)]
        for register in original.iter("register"):
            offset = int(register.findtext("addressOffset") or "0", 0)
            found[f"{name}.{register.findtext('name')}"] = base + offset
    return found


def header(part: str) -> str:
    """With what two chips have alike."""
    text = (FIRMWARE / STUBS[part].name / "registers.h").read_text()
    alike = FIRMWARE / "l4_g0.h"
    return text + alike.read_text() * (f'#include "{alike.name}"' in text)


def defined(part: str) -> dict[str, int]:
    """Registers of flash, banks and watchdog, by name."""
    both = header(part) + (FIRMWARE / "chip.h").read_text()
    found = re.findall(r"#define (\w+) REGISTER\((0x\w+)u\)", both)
    kinds = ("FLASH_", "SYSCFG_", "IWDG_")
    return {name: int(at, 16) for name, at in found if name.startswith(kinds)}


@pytest.mark.parametrize(("part", "count"), [("STM32L476xG", 7), ("STM32F407xG", 5)])
def test_the_registers_of_the_stub(part: str, count: int) -> None:
    names = defined(part)
    assert len(names) == count
    for name, address in names.items():
        assert address == places(part)[name.replace("_", ".", 1)], name


def test_the_flash_registers_of_a_g0b1() -> None:
    base = load_part("STM32G0B1xE").identity.flash_reg_base
    assert base is not None
    offsets = {register.name: register.offset for register in G0.registers}
    names = {n: at for n, at in defined("STM32G0B1xE").items() if n.startswith("FLASH_")}
    assert len(names) == 7
    for name, address in names.items():
        assert address - base == offsets[name.removeprefix("FLASH_")], name


@pytest.mark.parametrize("part", PARTS)
def test_uid_and_size_stand_where_the_part_file_says(part: str) -> None:
    identity, text = load_part(part).identity, header(part)
    assert f"#define UID ((volatile uint32_t *)0x{identity.uid:08X}u)" in text
    assert f"(*(volatile uint16_t *)0x{identity.flash_size_reg:08X}u)" in text


@pytest.mark.parametrize("part", PARTS)
def test_the_usarts(part: str) -> None:
    text = header(part)
    for base, number in MODELS[part].usarts.items():
        assert f"#define USART{number} ((usart_t *)0x{base:08X}u)" in text


@pytest.mark.parametrize(
    ("part", "usart", "named"),
    [
        ("STM32L476xG", Usart, {"STATUS": "ISR", "DATA_OUT": "TDR"}),
        ("STM32F407xG", OldUsart, {"STATUS": "SR", "DATA_OUT": "DR"}),
    ],
)
def test_the_registers_of_the_usarts(part: str, usart: type[Usart], named: dict[str, str]) -> None:
    known = places(part)
    for base, number in MODELS[part].usarts.items():
        for ours, theirs in {**named, "SPEED": "BRR", "CONTROL": "CR1"}.items():
            assert known[f"USART{number}.{theirs}"] == base + getattr(usart, ours)
    kind = "new" if usart is Usart else "old"
    text = (FIRMWARE / f"usart_{kind}.h").read_text()
    members = re.search(r"typedef struct \{(.*)\} usart_t", text, re.DOTALL)
    assert members is not None
    if kind == "new":
        names = re.findall(r"\w+(?=[,;])", members[1])
        for index, name in enumerate(names):
            assert known[f"USART1.{name.upper()}"] == known["USART1.CR1"] + 4 * index
    else:
        names = re.findall(r"uint32_t (\w+)", members[1])
        assert [known[f"USART1.{n.upper()}"] - known["USART1.SR"] for n in names[:3]] == [0, 4, 8]
        assert known["USART1.CR1"] - known["USART1.BRR"] == 4
