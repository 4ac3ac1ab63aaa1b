"""Parts held against tables that nobody here wrote.

pyocd and stm32loader come from PyPI with the development tools. The tables of stm32flash, of
stm32loader's repository and of OpenOCD are compared where CROSSCHECK_SOURCES names a folder that
holds their sources:

    apt-get source stm32flash                                    stm32flash-0.7/dev_table.c
    git clone https://github.com/florisla/stm32loader            stm32loader/src/stm32loader/
    git clone https://github.com/openocd-org/openocd             openocd/src/flash/nor/

Every disagreement is listed below by source, part and fact, with who is right and why. One that
is not listed fails the test, and so does one that is listed and has gone.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flash_emulator import Part, load_part, part_names

PARTS = {name: load_part(name) for name in part_names()}
BASE, K = 0x0800_0000, 1024

Known = dict[tuple[str, str], str]
"""(part, fact): who is right, and why."""


class Claim(NamedTuple):
    """What a source says of a part."""

    part: str
    fact: str
    value: object


def ours(part: Part, fact: str) -> object:
    """The same fact here; None where it is not known, and then there is nothing to compare."""
    chip = part.identity
    facts: dict[str, Callable[[], object]] = {
        "pid": lambda: chip.usart_pid,
        "size": lambda: part.size,
        "bank size": lambda: part.bank_size,
        "sectors": lambda: {BASE + at: size for at, size in part.sector_starts.items()},
        "first sector size": lambda: part.sector_sizes[0],
        "program unit": lambda: part.program_unit,
        "flash registers": lambda: chip.flash_reg_base,
        "flash size register": lambda: chip.flash_size_reg,
        "unique id": lambda: chip.uid,
        "boot ram end": lambda: chip.bootloader_ram_end,
        "system memory": lambda: _ends(chip.system_memory),
        "option bytes": lambda: _ends(chip.option_bytes),
        "otp": lambda: _ends(chip.otp),
        "bker bit": lambda: part.bker_bit,
    }
    return facts[fact]()


def _ends(addresses: range | None) -> tuple[int, int] | None:
    return None if addresses is None else (addresses.start, addresses.stop)


def compare(claims: Iterable[Claim], known: Known, *, at_least: int) -> None:
    """*at_least* so many facts must have been compared: an empty table proves nothing."""
    compared, found = 0, {}
    for part, fact, value in claims:
        mine = ours(PARTS.get(part) or load_part(part), fact)
        if mine is not None:
            compared += 1
            if mine != value:
                found[part, fact] = f"here {_shown(mine)}, there {_shown(value)}"
    new = {key: what for key, what in found.items() if key not in known}
    assert not new, f"disagreements that nobody has judged: {new}"
    assert not set(known) - set(found), "disagreements that are no more"
    assert compared >= at_least


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return f"{len(value)} sectors, the last at {max(value):#x}"
    if isinstance(value, tuple):
        return ", ".join(f"{item:#x}" for item in value)
    return f"{value:#x}" if isinstance(value, int) else str(value)


# --- pyocd, from PyPI

PYOCD_LAYOUTS = {  # module, class: the part that has the same flash
    ("STM32F412xx", "STM32F412xG"): "STM32F407xG",  # 1 MB, one bank, same sectors
    ("STM32F429xx", "STM32F429xI"): "STM32F429xI",
    ("STM32F429xx", "STM32F429xG"): "STM32F429xG",  # DB1M = 0, as delivered: one bank
    ("STM32F439xx", "STM32F439xI"): "STM32F429xI",
    ("STM32F767xx", "STM32F767xx"): "STM32F767xI_single",
    ("STM32L475xx", "STM32L475xG"): "STM32L476xG",
    ("STM32L475xx", "STM32L475xE"): "STM32L476xE_dual",
    ("STM32L475xx", "STM32L475xC"): "STM32L476xC_dual",
    ("STM32H750xx", "STM32H750xx"): "STM32H750xB",
    ("STM32H743xx", "STM32H743xx"): "STM32H743xI",
}
PYOCD_SECTORS = {  # parts of another size, with sectors of the same size
    ("STM32F103RC", "STM32F103RC"): "STM32F103xG",
    ("STM32H7B0xx", "STM32H7B0xx"): "STM32H7A3xI",
}


def pyocd_sectors(module: str, name: str) -> dict[int, int]:
    """Start and size of every sector in pyocd's memory map."""
    target = getattr(importlib.import_module(f"pyocd.target.builtin.target_{module}"), name)
    regions = [region for region in target.MEMORY_MAP.regions if region.is_flash]
    return {
        start: region.blocksize
        for region in regions
        for start in range(region.start, region.end + 1, region.blocksize)
    }


def test_sectors_are_those_of_pyocds_memory_maps() -> None:
    claims = (
        Claim(part, "sectors", pyocd_sectors(*there)) for there, part in PYOCD_LAYOUTS.items()
    )
    compare(claims, {}, at_least=len(PYOCD_LAYOUTS))


def test_sector_sizes_are_those_of_pyocds_smaller_and_larger_sisters() -> None:
    claims = (
        Claim(part, "first sector size", pyocd_sectors(*there)[BASE])
        for there, part in PYOCD_SECTORS.items()
    )
    compare(claims, {}, at_least=len(PYOCD_SECTORS))


def test_both_banks_of_h7b0_start_where_h7a3_has_them() -> None:
    sectors = pyocd_sectors("STM32H7B0xx", "STM32H7B0xx")
    assert set(PARTS["STM32H7A3xI"].bank_starts) <= set(sectors)


def test_pyocd_gives_f439xg_half_of_its_flash() -> None:
    """pyocd is wrong: its third region has 3 of the 7 sectors of 128 KB, 512 KB in all.

    Its own F429xG, of the same silicon, has all 7. It is the layout of one bank with DB1M = 1.
    """
    short = pyocd_sectors("STM32F439xx", "STM32F439xG")
    whole = pyocd_sectors("STM32F429xx", "STM32F429xG")
    assert sum(short.values()) == 512 * K
    assert sum(whole.values()) == 1024 * K
    assert list(short.items()) == list(whole.items())[: len(short)]
    bank = PARTS["STM32F429xG_DB1M"].sector_sizes
    assert tuple(short.values()) == bank


# --- stm32loader, from PyPI

FAMILY_WIDE = "stm32loader has one address for all H7; H7A3 keeps it elsewhere (CMSIS, OpenOCD)"
NOMINAL = "no erase geometry: stm32loader only divides the flash size it reads by it"
WHEEL_KNOWN: Known = {
    ("STM32H7A3xI", "flash size register"): FAMILY_WIDE,
    ("STM32H7A3xI", "unique id"): FAMILY_WIDE,
    **{
        (name, "first sector size"): NOMINAL
        for name in part_names()
        if name[5:7] in ("F1", "F4", "F7", "L4", "G0") and name != "STM32F103x8"
    },
    ("STM32H7A3xI", "first sector size"): NOMINAL,
}
WHEEL_NAMES = {  # what its table of PIDs calls ours
    "STM32F103xG": "XL-density",
    "STM32F103x8": "Medium-density",
    "STM32F407xG": "07xx",
    "STM32F429xI": "F42xxx",
    "STM32F429xG_DB1M": "F42xxx",
    "STM32F767xI_dual": "F76xxx",
    "STM32F767xI_single": "F76xxx",
    "STM32H743xI": "H74xxx",
    "STM32H7A3xI": "H7A3xx",
}
WHEEL_UNKNOWN = {
    # PyPI's 0.7.1 knows none of these; of 0x415, 0x470, 0x472, 0x482, 0x495 its repository does.
    "STM32L476xG",
    "STM32L4R5xI_dual",
    "STM32L4R5xI_single",
    "STM32L552xE",
    "STM32U575xI",
    "STM32U5A5xJ",
    "STM32G0B1xE",
    "STM32G474xE_dual",
    "STM32G474xE_single",
    "STM32H563xI",
    "STM32WB55xG",
}


def loader() -> Any:
    return importlib.import_module("stm32loader.bootloader")


def test_pids_are_those_that_stm32loader_calls_by_the_same_name() -> None:
    names = loader().CHIP_IDS
    for part in PARTS.values():
        name = names.get(part.identity.usart_pid)
        if part.name in WHEEL_UNKNOWN:
            assert name is None, f"{part.name} is known by now, as {name}"
        else:
            assert WHEEL_NAMES[part.name] in name
    assert WHEEL_UNKNOWN | set(WHEEL_NAMES) == set(PARTS)


def test_registers_are_where_stm32loader_reads_them() -> None:
    tables = loader().Stm32Bootloader
    named = {
        "unique id": tables.UID_ADDRESS,
        "flash size register": tables.FLASH_SIZE_ADDRESS,
        "first sector size": tables.FLASH_PAGE_SIZE,
    }
    claims = [
        Claim(name, fact, table[name[5:7]])
        for fact, table in named.items()
        for name in PARTS
        if name[5:7] in table
    ]
    compare(claims, WHEEL_KNOWN, at_least=39)


# --- sources of others, where they are at hand


def source(path: str) -> Path:
    folder = os.environ.get("CROSSCHECK_SOURCES")
    if not folder:
        pytest.skip("CROSSCHECK_SOURCES names no folder with the sources of others")
    file = Path(folder) / path
    if not file.exists():
        pytest.skip(f"{file} is not there")
    return file


# stm32flash 0.7

BOTH_BANKS = "the range there spans from the option bytes of one bank to those of the other"
HALF = "1 MB are those of a smaller part: OpenOCD has 2 MB for DEV_ID 0x470, as ST's headers have"
FLASH_KNOWN: Known = {
    ("STM32F429xI", "option bytes"): BOTH_BANKS,
    ("STM32F429xG_DB1M", "option bytes"): BOTH_BANKS,
    ("STM32L476xG", "option bytes"): BOTH_BANKS,
    ("STM32F429xG_DB1M", "size"): "one entry for F42x, that of 2 MB",
    ("STM32F429xI", "sectors"): (
        "stm32flash is wrong: its banks are those of 1 MB with DB1M = 1, though it has 2 MB"
    ),
    ("STM32F767xI_dual", "sectors"): "stm32flash knows nDBANK = 1 only, one bank",
    ("STM32F103x8", "size"): "one entry for a density, with the size of its largest, F103xB",
    ("STM32F103x8", "sectors"): "the same",
    ("STM32F429xG_DB1M", "sectors"): "stm32flash goes on to 2 MB",
    ("STM32G474xE_single", "sectors"): "stm32flash knows DBANK = 1 only, pages of 2 KB",
    ("STM32L4R5xI_dual", "size"): HALF,
    ("STM32L4R5xI_single", "size"): HALF,
    ("STM32L4R5xI_dual", "sectors"): "wrong there: pages of 2 KB; OpenOCD has 4 KB",
    ("STM32L4R5xI_single", "sectors"): "wrong there: pages of 2 KB; OpenOCD has 8 KB",
    ("STM32WB55xG", "boot ram end"): (
        "stm32flash has exchanged the names of 0x494 and 0x495, in a line that is no code; "
        "OpenOCD and stm32loader have WB5x as 0x495"
    ),
}
ROW = re.compile(r"\{(0x\w+), \"([^\"]+)\"\s*,(.*)\}")
LAYOUTS = {
    "p_1k": [1],
    "p_2k": [2],
    "p_128k": [128],
    "f2f4": [16] * 4 + [64, 128],
    "f4db": [16] * 4 + [64] + [128] * 3 + [16] * 4 + [64, 128],
    "f7": [32] * 4 + [128, 256],
}


def stm32flash_rows() -> Iterator[tuple[int, list[str]]]:
    for match in ROW.finditer(source("stm32flash-0.7/dev_table.c").read_text()):
        yield int(match[1], 16), [cell.strip() for cell in match[3].split(",")]


def sectors_of(layout: str, end: int) -> dict[int, int]:
    """As stm32flash reads its lists: the last size goes on to the end."""
    sizes, at = LAYOUTS[layout], BASE
    starts: dict[int, int] = {}
    while at < end:
        starts[at] = sizes[min(len(starts), len(sizes) - 1)] * K
        at += starts[at]
    return starts


def stm32flash_claims() -> Iterator[Claim]:
    rows = dict(stm32flash_rows())
    for name, part in PARTS.items():
        row = rows.get(part.identity.usart_pid or 0)
        if row is None:
            continue
        yield Claim(name, "boot ram end", int(row[0], 16))
        yield Claim(name, "system memory", (int(row[8], 16), int(row[9], 16)))
        if row[5] == "x":  # a line that is a comment there
            continue
        end = int(row[3], 16)
        yield Claim(name, "size", end - BASE)
        yield Claim(name, "sectors", sectors_of(row[5], end))
        if int(row[6], 16):
            yield Claim(name, "option bytes", (int(row[6], 16), int(row[7], 16) + 1))


def test_parts_are_those_of_stm32flash() -> None:
    compare(stm32flash_claims(), FLASH_KNOWN, at_least=60)


# stm32loader's repository

ROM_OF_G0B1 = (
    "two banks of system memory; stm32loader ends the first one 4 KB earlier than its G0B0"
)
LOADER_KNOWN: Known = {
    **{key: FLASH_KNOWN[key] for key in FLASH_KNOWN if key[1] in ("option bytes", "size")},
    ("STM32F767xI_dual", "first sector size"): "stm32loader knows nDBANK = 1 only",
    ("STM32G474xE_single", "first sector size"): "stm32loader knows DBANK = 1 only",
    ("STM32L4R5xI_dual", "first sector size"): FLASH_KNOWN["STM32L4R5xI_dual", "sectors"],
    ("STM32L4R5xI_single", "first sector size"): FLASH_KNOWN["STM32L4R5xI_single", "sectors"],
    ("STM32H7A3xI", "size"): "stm32loader gives 1 MB; OpenOCD and ST's headers 2 MB",
    ("STM32G0B1xE", "system memory"): ROM_OF_G0B1,
}


def loader_devices() -> dict[int, list[Any]]:
    folder = source("stm32loader/src/stm32loader/devices.py").parents[1]
    saved = {name: sys.modules.pop(name) for name in list(sys.modules) if "stm32loader" in name}
    sys.path.insert(0, str(folder))
    try:
        devices = importlib.import_module("stm32loader.devices").DEVICE_DETAILS
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if "stm32loader" in name]:
            del sys.modules[name]
        sys.modules.update(saved)
    found: dict[int, list[Any]] = {}
    for device in devices:
        found.setdefault(device.product_id, []).append(device)
    return found


def loader_claims() -> Iterator[Claim]:
    table = loader_devices()
    for name, part in PARTS.items():
        for device in table.get(part.identity.usart_pid or 0, [])[-1:]:
            ram = device.ram[0] if isinstance(device.ram[0], tuple) else device.ram
            yield Claim(name, "boot ram end", ram[0])
            memory = device.system_memory
            yield Claim(
                name, "system memory", memory[0] if isinstance(memory[0], tuple) else memory
            )
            if device.option_bytes:
                first, last = device.option_bytes
                yield Claim(name, "option bytes", (first, last + 1))
            flash = device.flash
            if flash is not None and flash.start is not None:
                yield Claim(name, "size", flash.end - flash.start)
            if flash is not None and flash.page_size is not None:
                size = flash.page_size
                yield Claim(name, "first sector size", size[0] if isinstance(size, list) else size)


def test_parts_are_those_of_stm32loaders_repository() -> None:
    compare(loader_claims(), LOADER_KNOWN, at_least=60)


# OpenOCD

OPENOCD_L4 = {  # device there: parts here
    "STM32L47_L48XX": ["STM32L476xG"],
    "STM32L4R_L4SXX": ["STM32L4R5xI_dual", "STM32L4R5xI_single"],
    "STM32L55_L56XX": ["STM32L552xE"],
    "STM32U57_U58XX": ["STM32U575xI"],
    "STM32U59_U5AXX": ["STM32U5A5xJ"],
    "STM32G0B_G0CXX": ["STM32G0B1xE"],
    "STM32G47_G48XX": ["STM32G474xE_dual", "STM32G474xE_single"],
    "STM32WB5XX": ["STM32WB55xG"],
}
OPENOCD_H7 = {"STM32H74_H75XX": ["STM32H743xI"], "STM32H7A_H7BXX": ["STM32H7A3xI"]}
FIELD = re.compile(r"\.(\w+)\s*=\s*(\w+),")


def openocd_devices(file: str) -> dict[str, dict[str, str]]:
    """The initialisers of a driver's part table, by device."""
    text = source(f"openocd/src/flash/nor/{file}").read_text()
    blocks = re.findall(r"\{\s*(\.id\s*=\s*DEVID_\w+.*?)\}", text, re.DOTALL)
    fields = (dict(FIELD.findall(block)) for block in blocks)
    return {block["id"].removeprefix("DEVID_"): block for block in fields}


def openocd_ids() -> dict[str, int]:
    text = source("openocd/src/flash/nor/stm32l4x.h").read_text()
    return {m[1]: int(m[2], 16) for m in re.finditer(r"DEVID_(\w+)\s+(0x\w+)", text)}


def openocd_l4_claims() -> Iterator[Claim]:
    devices, pids = openocd_devices("stm32l4x.c"), openocd_ids()
    for device, names in OPENOCD_L4.items():
        block = devices[device]
        otp = int(block["otp_base"], 0)
        for name in names:
            yield Claim(name, "pid", pids[device])
            yield Claim(name, "size", int(block["max_flash_size_kb"], 0) * K)
            yield Claim(name, "flash registers", int(block["flash_regs_base"], 0))
            yield Claim(name, "flash size register", int(block["fsize_addr"], 0))
            yield Claim(name, "otp", (otp, otp + int(block["otp_size"], 0)))
            yield Claim(name, "bker bit", 13 if "G0B" in device else 11)


def openocd_h7_claims() -> Iterator[Claim]:
    devices = openocd_devices("stm32h7x.c")
    for device, names in OPENOCD_H7.items():
        block = devices[device]
        for name in names:
            yield Claim(name, "size", int(block["max_flash_size_kb"], 0) * K)
            yield Claim(name, "bank size", int(block["max_bank_size_kb"], 0) * K)
            yield Claim(name, "first sector size", int(block["page_size_kb"], 0) * K)
            yield Claim(name, "program unit", int(block["block_size"], 0))
            yield Claim(name, "flash size register", int(block["fsize_addr"], 0))


def test_l4_class_parts_are_those_of_openocd() -> None:
    header = source("openocd/src/flash/nor/stm32l4x.h").read_text()
    assert re.search(r"FLASH_BKER\s+BIT\(11\)", header)
    assert re.search(r"FLASH_BKER_G0\s+BIT\(13\)", header)
    compare(openocd_l4_claims(), {}, at_least=50)


def test_h7_class_parts_are_those_of_openocd() -> None:
    compare(openocd_h7_claims(), {}, at_least=10)
