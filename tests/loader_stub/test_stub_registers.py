"""The stub's addresses of registers, and the USART of the emulated chip, against ST's SVD file."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pyocd
import pytest

from benchmarks.loader_stub import chip, usart

HEADER = (chip.STUB.parent / "firmware" / "chip.h").read_text()


@pytest.fixture(scope="module")
def places() -> dict[str, int]:
    """Address of each register by "PERIPHERAL.REGISTER", of an STM32L475: an L476 without LCD."""
    archive = Path(pyocd.__file__).parent / "debug" / "svd" / "svd_data.zip"
    with zipfile.ZipFile(archive) as opened:
        root = ElementTree.fromstring(opened.read("STM32L4x5.svd"))
    peripherals = {p.findtext("name"): p for p in root.iter("peripheral")}
    found = {}
    for name, peripheral in peripherals.items():
        base = int(peripheral.findtext("baseAddress") or "0", 0)
        original = peripherals[peripheral.get("derivedFrom", name)]
        for register in original.iter("register"):
            offset = int(register.findtext("addressOffset") or "0", 0)
            found[f"{name}.{register.findtext('name')}"] = base + offset
    return found


def test_the_registers_of_the_stub(places: dict[str, int]) -> None:
    defined = dict(re.findall(r"#define (\w+) REGISTER\((0x\w+)u\)", HEADER))
    names = [name for name in defined if name.startswith(("FLASH_", "SYSCFG_", "IWDG_"))]
    assert len(names) == 7
    for name in names:
        assert int(defined[name], 16) == places[name.replace("_", ".", 1)], name


def test_the_usarts(places: dict[str, int]) -> None:
    members = re.search(r"volatile uint32_t (cr1.*);", HEADER)
    assert members is not None
    for base, number in chip.USARTS.items():
        assert f"#define USART{number} ((usart_t *)0x{base:08X}u)" in HEADER
        for index, member in enumerate(members[1].split(", ")):
            assert places[f"USART{number}.{member.upper()}"] == base + 4 * index
        for name in ("CR1", "BRR", "ISR", "ICR", "RDR", "TDR"):
            assert places[f"USART{number}.{name}"] == base + getattr(usart, name)
