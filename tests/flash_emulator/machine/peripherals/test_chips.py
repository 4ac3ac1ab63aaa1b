"""Tables of chips: complete for every part, and as ST's SVD files (in pyocd's wheel) have them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
import zipfile
from functools import cache
from importlib import resources
from itertools import pairwise

import pytest

from flash_emulator import load_part, part_names
from flash_emulator.errors import AlignmentError
from flash_emulator.machine.chips.catalogue import families, load_chip, longest
from flash_emulator.machine.peripherals import chip_of, core_of, ram_aliases_of, ram_of
from flash_emulator.parts.catalogue import other_size_names
from flash_emulator.parts.part_file import package_toml
from tests.flash_emulator.machine.peripherals.chips import Around

EVERY = [*part_names(), *other_size_names()]


@pytest.mark.parametrize("name", EVERY)
def test_every_part_has_a_chip_whose_peripherals_do_not_overlap(name: str) -> None:
    around = Around(name)
    base = around.part.identity.flash_reg_base
    assert base is not None
    spans = [(p.base, p.base + p.size, p.name) for p in around.all.values()]
    spans.append((base, base + 0x200, "FLASH"))
    for (_, end, name_a), (start, _, name_b) in pairwise(sorted(spans)):
        assert end <= start, f"{name_a} runs into {name_b}"


@pytest.mark.parametrize("name", EVERY)
def test_every_part_has_ram_that_is_aligned_and_does_not_overlap(name: str) -> None:
    part = load_part(name)
    memories = ram_of(part)
    aliases = ram_aliases_of(part)
    spans = sorted([(b, b + s) for b, s in memories] + [(b, b + s) for b, s, _ in aliases])
    assert any(base == 0x2000_0000 for base, _ in memories)
    assert not any(0x4000_0000 <= base < 0x6000_0000 for base, _ in memories), "peripherals"
    for base, end in spans:
        assert base % 0x400 == 0 and end % 0x400 == 0
    for (_, end), (start, _) in pairwise(spans):
        assert end <= start
    assert len({target for _, _, target in aliases}) == len(aliases), "a memory is seen twice"
    for _, size, target in aliases:
        assert (target, size) in memories, "the whole of it"


CORES = {  # datasheets, first page
    "STM32F103xG": "m3",
    "STM32F407xG": "m4",
    "STM32F767xI_dual": "m7",
    "STM32L476xG": "m4",
    "STM32L552xE": "m33",
    "STM32G0B1xE": "m0plus",
    "STM32G474xE_dual": "m4",
    "STM32U575xI": "m33",
    "STM32H563xI": "m33",
    "STM32H743xI": "m7",
    "STM32H7A3xI": "m7",
    "STM32WB55xG": "m4",
}


@pytest.mark.parametrize(("name", "core"), CORES.items())
def test_the_core_is_that_of_the_datasheet(name: str, core: str) -> None:
    assert core_of(load_part(name)) == core


def test_a_longer_name_wins_and_the_class_decides_where_no_name_fits() -> None:
    assert chip_of(load_part("STM32L4R5xI_dual")).family == "l4plus"
    assert chip_of(load_part("STM32H7A3xI")).family == "h7ab"
    assert longest({"STM32": 1}, "GD32F103") is None


def test_a_part_of_an_unknown_class_is_refused_with_the_names_that_are_known() -> None:
    from dataclasses import replace

    part = replace(load_part("STM32L476xG"), name="XYZ", family="toy")
    with pytest.raises(AlignmentError, match="STM32L4"):
        chip_of(part)


def test_sources_are_explained_in_the_list_of_documents() -> None:
    documents = package_toml("documents.toml")
    for family in families():
        assert set(load_chip(family).sources) <= set(documents), family


# --- judge: SVD


SVD = {  # SVD file: part, or a name that chooses the chip
    "STM32F103xx": "STM32F103xG",
    "STM32F41x": "STM32F407xG",
    "STM32F429x": "STM32F429xI",
    "STM32L4x5": "STM32L476xG",
}


@cache
def svd(name: str) -> ET.Element:
    data = resources.files("pyocd.debug.svd").joinpath("svd_data.zip")
    with resources.as_file(data) as path, zipfile.ZipFile(path) as archive:
        return ET.fromstring(archive.read(f"{name}.svd"))


def peripherals_in(root: ET.Element) -> dict[str, ET.Element]:
    return {str(p.findtext("name")): p for p in root.iter("peripheral")}


def registers_in(root: ET.Element, name: str) -> dict[str, tuple[int, int | None]]:
    known = peripherals_in(root)
    element = known[name]
    if element.find("registers") is None:
        element = known[element.attrib["derivedFrom"]]
    found = {}
    for register in element.iter("register"):
        reset = register.findtext("resetValue")
        offset = int(str(register.findtext("addressOffset")), 0)
        found[str(register.findtext("name"))] = offset, int(reset, 0) if reset else None
    return found


@pytest.mark.parametrize(("file", "part"), SVD.items())
def test_bases_are_those_of_the_svd(file: str, part: str) -> None:
    theirs = {
        name: int(str(p.findtext("baseAddress")), 0)
        for name, p in peripherals_in(svd(file)).items()
    }
    ours = {p.name: p.base for p in Around(part).all.values()}
    common = (ours.keys() & theirs.keys()) - {"BKP"}  # theirs begins with its first register
    assert len(common) >= 20
    assert {name: hex(ours[name]) for name in common} == {n: hex(theirs[n]) for n in common}


@pytest.mark.parametrize(("file", "part"), SVD.items())
def test_interrupts_are_those_of_the_svd(file: str, part: str) -> None:
    chip = chip_of(load_part(part))
    numbers: dict[str, set[int]] = {}
    for interrupt in svd(file).iter("interrupt"):
        name, value = str(interrupt.findtext("name")), int(str(interrupt.findtext("value")))
        for word in name.split("_"):
            numbers.setdefault(word, set()).add(value)
    checked = 0
    for unit in (*chip.usart, *chip.timers, chip.wwdg):
        if (file, unit.name) == ("STM32L4x5", "TIM1"):
            continue  # that file calls interrupt 25, which is TIM1_UP_TIM16, by TIM16 alone
        if unit.name in numbers:
            assert unit.irq in numbers[unit.name], unit.name
            checked += 1
    assert checked >= 8


RESETS = ("RCC", "PWR", "GPIOA", "GPIOB", "GPIOC", "USART1", "TIM2", "CRC", "IWDG", "WWDG")
DIFFERS = {  # ours by the manual: why
    ("STM32L4x5", "PWR.SR2"): "REGLPS is set when the regulator is ready, as after any reset",
    ("STM32F41x", "PWR.CSR"): "VOSRDY is set when the regulator is ready",
    ("STM32F429x", "PWR.CSR"): "VOSRDY is set when the regulator is ready",
    ("STM32F41x", "PWR.CR"): "VOS: RM0090 has 0x4000 for F40x, 0xC000 for F42x; one table here",
    ("STM32F103xx", "TIM2.ARR"): "RM0008 15.4.12: 0xFFFF",
    ("STM32F41x", "TIM2.ARR"): "RM0090 18.4.12: 0xFFFF_FFFF",
    ("STM32F429x", "TIM2.ARR"): "RM0090 18.4.12: 0xFFFF_FFFF",
    ("STM32F41x", "USART1.SR"): "TXE and TC, bits 7 and 6; the manual's 0x00C0_0000 is a misprint",
    ("STM32F429x", "USART1.SR"): "TXE and TC, bits 7 and 6; the manual's 0x00C0_0000 is a misprint",
    ("STM32L4x5", "TIM2.ARR"): "RM0351 27.4.12: 0xFFFF_FFFF",
    **{
        ("STM32L4x5", f"GPIO{port}.MODER"): "theirs is that of F4; RM0351 8.4.1: pins are analog"
        for port in "ABC"
    },
}
OF_THE_BOARD = "IDR", "OSPEEDR"  # what pins show, and how fast they change: not modelled


@pytest.mark.parametrize(("file", "part"), SVD.items())
def test_reset_values_are_those_of_the_svd(file: str, part: str) -> None:
    around, checked, wrong = Around(part), 0, []
    for name in RESETS:
        for register, (offset, reset) in registers_in(svd(file), name).items():
            place = f"{name}.{register}"
            if reset is None or register in OF_THE_BOARD or (file, place) in DIFFERS:
                continue
            checked += 1
            ours = around.get(name, offset)
            if ours != reset:
                wrong.append(f"{place}: ours {ours:#x}, theirs {reset:#x}")
    assert checked > 60
    assert not wrong
