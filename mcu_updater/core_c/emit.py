"""The C core as a folder of its own: sources, what is made for a part, its HAL, a Makefile.

Nothing in it needs this project any more. Bootloader and application are linked by the same layout
as everything here: ``flash_map``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from flash_emulator import Part
from flash_emulator.machine.chips.catalogue import chip_of, core_of, ram_of
from mcu_updater.core.errors import address_text
from mcu_updater.core.slot import AnyLayout, CopyLayout, Layout
from mcu_updater.core.strategy import Strategy
from mcu_updater.core_c.layout import areas_of
from mcu_updater.core_c.native import SOURCES, generate

_HERE: Final = Path(__file__).parent
HALS: Final = _HERE / "hal"
PROJECT: Final = _HERE / "project"
_README: Final = "README.md"


@dataclass(frozen=True, slots=True)
class Hal:
    """*names*: how those of parts begin; *folders*: of ``hal``. *is_complete*: nothing is left to
    the user."""

    names: tuple[str, ...]
    folders: tuple[str, ...]
    is_complete: bool = True


_FOR_ALL: Final = ("cortex_m",)
TEMPLATE: Final = Hal((), (*_FOR_ALL, "template"), is_complete=False)
_HALS: Final = (
    Hal(("STM32L47", "STM32L48"), (*_FOR_ALL, "stm32", "stm32_ecc", "stm32l476")),
    Hal(("STM32F103",), (*_FOR_ALL, "stm32", "stm32f103")),
    Hal(("STM32U57", "STM32U58", "STM32U5A"), (*_FOR_ALL, "stm32", "stm32_ecc", "stm32u575")),
)

_CLOCKS_MHZ: Final = ((("STM32L47", "STM32L48"), 48), (("STM32F103",), 64))
"""As the HALs set it; the others leave it at 16."""

_APPLICATION_RAM: Final = 8192
"""Bytes that the application may take beside a buffer of one sector, before make size complains."""

_CPUS: Final = {
    "m0": "cortex-m0",
    "m0plus": "cortex-m0plus",
    "m3": "cortex-m3",
    "m4": "cortex-m4",
    "m7": "cortex-m7",
    "m33": "cortex-m33",
}
"""Of the compiler, by core."""


def hal_of(part: Part) -> Hal:
    """The HAL of *part*'s family, or the template."""
    return next((hal for hal in _HALS if part.name.startswith(hal.names)), TEMPLATE)


def emit(part: Part, strategy: Strategy, laid_out: AnyLayout, component: str) -> dict[Path, bytes]:
    """All files of the folder, by their path in it."""
    hal = hal_of(part)
    return {
        **_tree(SOURCES, Path("src")),
        **_generated(part, strategy, laid_out, component),
        **_tree(PROJECT, Path()),
        **{
            path: data
            for folder in hal.folders
            for path, data in _tree(HALS / folder, Path("hal", folder)).items()
        },
        Path("part.mk"): _make_variables(part, strategy, hal, component).encode(),
        Path("bootloader.ld"): _linker_script(part, *_boot_region(part, laid_out)).encode(),
        Path("application.ld"): _linker_script(part, *_slot(part, laid_out)).encode(),
        Path("hal_test.ld"): _linker_script(part, *_boot_region(part, laid_out)).encode(),
        Path("board.toml"): _board_file(part, laid_out).encode(),
        Path("README.md"): _page(part, strategy, laid_out, hal).encode(),
    }


def _tree(folder: Path, place: Path) -> dict[Path, bytes]:
    return {
        place / file.name: file.read_bytes()
        for file in sorted(folder.iterdir())
        if file.is_file() and file.name != _README
    }


def _generated(
    part: Part, strategy: Strategy, laid_out: AnyLayout, component: str
) -> dict[Path, bytes]:
    with tempfile.TemporaryDirectory() as name:
        files = generate(Path(name), part, strategy, laid_out, component)
        return {Path("generated", file.name): file.read_bytes() for file in files}


# --- where programs lie


def _boot_region(part: Part, laid_out: AnyLayout) -> tuple[int, int]:
    """Address and size: from the beginning of flash to the first region that is not its own."""
    first = min(region.offset for area in areas_of(laid_out) for region in area.regions)
    return part.base, first


def _slot(part: Part, laid_out: AnyLayout) -> tuple[int, int]:
    """Where the application runs."""
    area: Layout = laid_out.execution if isinstance(laid_out, CopyLayout) else laid_out
    return part.base + area.slot.offset, area.slot.size


def _ram(part: Part) -> tuple[int, int]:
    """The memory that programs use: the largest of the chip; where the part's name says none, of
    the smallest chip of its family."""
    size, base = _largest(ram_of(part)) or min(map(_largest, chip_of(part).ram.values()))
    return base, size


def _largest(memories: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Size and base; empty where there is none."""
    return max(((size, base) for base, size in memories), default=())


def _make_variables(part: Part, strategy: Strategy, hal: Hal, component: str) -> str:
    return (
        f"PART := {part.name}\nSTRATEGY := {strategy}\nCPU := {_CPUS[core_of(part)]}\n"
        f"HAL := {' '.join(hal.folders)}\nCOMPONENT := {component.replace('$', '$$')}\n"
        f"APPLICATION_RAM := {_APPLICATION_RAM + max(part.sector_sizes)}\n"
    )


def _board_file(part: Part, laid_out: AnyLayout) -> str:
    """What the emulated machine has to know."""
    slot, slot_size = _slot(part, laid_out)
    clock = next((mhz for names, mhz in _CLOCKS_MHZ if part.name.startswith(names)), 16)
    return (
        "# What the emulated chip of the tests is told. Keys: docs/reference/board-files.md of\n"
        '# mcu-updater. Inputs of your board that are not low: [pins], PC13 = "high".\n'
        f'part = "{part.name}"\n\n'
        '[[images]]\nfile = "build/bootloader.elf"\n\n'
        f'[[slots]]\nname = "application"\naddress = {_toml_address(slot)}\n'
        f"size = 0x{slot_size:X}\n\n"
        f"[machine]\nclock_mhz = {clock}  # as your HAL sets it\n"
    )


def _toml_address(address: int) -> str:
    return f"0x{address >> 16:04X}_{address & 0xFFFF:04X}"


def _linker_script(part: Part, address: int, size: int) -> str:
    base, ram = _ram(part)
    return (
        f"/* Generated from the layout of {part.name}: do not edit. */\n"
        "MEMORY\n{\n"
        f"    FLASH (rx) : ORIGIN = 0x{address:08X}, LENGTH = {size}\n"
        f"    RAM (rwx) : ORIGIN = 0x{base:08X}, LENGTH = {ram}\n"
        "}\n\nINCLUDE sections.ld\n"
    )


# --- what does not fit

_APPLICATION: Final = 22 * 1024
"""Bytes of code that the example application takes with all of the updater in it, and what a HAL
takes: ``make size``."""

_BESIDE_A_SECTOR: Final = 8 * 1024
"""Bytes of RAM that the application takes beside the largest sector of a slot, stack included."""


def shortages(part: Part, laid_out: AnyLayout) -> list[str]:
    """Why programs of the folder cannot be linked as they are; empty where they can."""
    sector = max(max(area.slot.sector_sizes) for area in areas_of(laid_out))
    _, ram = _ram(part)
    _, slot = _slot(part, laid_out)
    found = []
    if sector + _BESIDE_A_SECTOR > ram:
        found.append(
            f"a sector of {sector:,} bytes must be held in RAM, and {part.name} has {ram:,} in one "
            "piece: neither what installs nor what updates fits"
        )
    if slot < _APPLICATION:
        found.append(
            f"the application takes some {_APPLICATION:,} bytes with all of the updater in it, and "
            f"the slot has {slot:,}: it does not fit, the bootloader does"
        )
    return found


# --- its page


def _page(part: Part, strategy: Strategy, laid_out: AnyLayout, hal: Hal) -> str:
    """README.md of the project folder, filled in; what it says of the HAL is the HAL's own."""
    boot, boot_size = _boot_region(part, laid_out)
    slot, slot_size = _slot(part, laid_out)
    return Template((PROJECT / _README).read_text(encoding="utf-8")).substitute(
        part=part.name,
        strategy=strategy,
        boot=address_text(boot),
        boot_size=f"{boot_size:,}",
        slot=address_text(slot),
        slot_size=f"{slot_size:,}",
        shortages="".join(f"\n**{text}.**\n" for text in shortages(part, laid_out)),
        hal="".join(
            (HALS / folder / _README).read_text(encoding="utf-8").strip()
            for folder in hal.folders
            if (HALS / folder / _README).exists()
        ),
        both="Both banks must hold it" if strategy is not Strategy.COPY else "It stands once",
    )
