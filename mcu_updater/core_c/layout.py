"""``fwu_layout.h`` and ``fwu_layout.c``: where slots and trailers lie on a part, as C."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from flash_emulator import Part
from mcu_updater.core.errors import UsageError
from mcu_updater.core.slot import AnyLayout, CopyLayout, Layout, Region
from mcu_updater.core.strategy import Strategy

STRATEGIES: Final = {Strategy.REMAP: 1, Strategy.SWAP_OPTION: 2, Strategy.COPY: 3}
"""Those that the C core has, and their numbers in ``fwu_layout.h``."""


def check_strategy(strategy: Strategy) -> None:
    """Raises UsageError for one that the C core does not have."""
    if strategy not in STRATEGIES:
        raise UsageError(
            f"the C core does not have the strategy {strategy}",
            expected=f"one of {', '.join(STRATEGIES)}",
            then="It is there to demonstrate the hazard, and never a default",
        )


def areas_of(layout: AnyLayout) -> tuple[Layout, ...]:
    """By index: the area that both banks have; or storage A and B, and the execution slot."""
    if isinstance(layout, CopyLayout):
        return (*layout.storage, layout.execution)
    return (layout,)


def header(part: Part, strategy: Strategy, layout: AnyLayout) -> str:
    """``fwu_layout.h``."""
    check_strategy(strategy)
    areas = areas_of(layout)
    slots = [area.slot.sector_sizes for area in areas]
    numbers = {
        "STRATEGY_REMAP": "1 /* a run-time alias exchanges the banks */",
        "STRATEGY_SWAP": "2 /* an option bit exchanges the banks */",
        "STRATEGY_COPY": "3 /* images are copied to where they run */",
        "STRATEGY": f"{STRATEGIES[strategy]}",
        "FLASH_BASE": f"0x{part.base:08X}u",
        "FLASH_END": f"0x{part.base + part.size:08X}u /* behind the last byte of the array */",
        "BANK_SIZE": f"{part.size // part.bank_count}u /* bytes */",
        "PROGRAM_UNIT": f"{part.program_unit}u",
        "AREAS": f"{len(areas)}u",
        "SLOT_SECTORS": f"{max(len(sizes) for sizes in slots)}u /* of the largest slot */",
        "MAX_SLOT_SECTOR": f"{max(max(sizes) for sizes in slots)}u /* bytes */",
    }
    lines = "\n".join(f"#define FWU_{name} {number}" for name, number in numbers.items())
    return (
        f"/* Generated for {part.name}, strategy {strategy}: do not edit. */\n"
        f"#ifndef FWU_LAYOUT_H\n#define FWU_LAYOUT_H\n\n{lines}\n\n#endif\n"
    )


def source(part: Part, strategy: Strategy, layout: AnyLayout) -> str:
    """``fwu_layout.c``."""
    areas = areas_of(layout)
    runs = {region.sector_sizes: None for area in areas for region in area.regions}
    names = {sizes: f"runs_{number}" for number, sizes in enumerate(runs)}
    tables = "\n".join(_runs(names[sizes], sizes) for sizes in names)
    body = ",\n".join(_area(area, names) for area in areas)
    return (
        f"/* Generated for {part.name}, strategy {strategy}: do not edit. */\n"
        f'#include "fwu_flash.h"\n\n{tables}\n\n'
        f"const struct fwu_area fwu_areas[FWU_AREAS] = {{\n{body}\n}};\n"
    )


def _runs(name: str, sizes: tuple[int, ...]) -> str:
    runs = [(size, len(list(group))) for size, group in groupby(sizes)]
    members = ", ".join(f"{{{count}u, {size}u}}" for size, count in runs)
    return f"static const struct fwu_run {name}[] = {{{members}}};"


def _area(area: Layout, names: dict[tuple[int, ...], str]) -> str:
    halves = ",\n      ".join(_region(half, names) for half in area.halves)
    return f"    {{{_region(area.slot, names)},\n     {{{halves}}}}}"


def _region(region: Region, names: dict[tuple[int, ...], str]) -> str:
    sectors = len(region.sector_sizes)
    return f"{{0x{region.offset:X}u, {region.size}u, {sectors}u, {names[region.sector_sizes]}}}"
