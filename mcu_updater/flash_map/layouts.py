"""How each part is laid out for each strategy, and the image that a board without one comes with.

Sectors are given by index: in the bank where banks are exchanged, in the whole array where images
are copied. The boot region begins at sector 0 in all of them. A half of a trailer has room for
header and records, for a checkpoint with one unfinished sector, and for what goes with that;
where sectors are large it has not, and packages in several pieces are refused there. The trailer
lies where sectors are small.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache

from flash_emulator import Part
from flash_emulator.parts.catalogue import packaged_part
from mcu_updater.core.errors import UsageError
from mcu_updater.core.slot import AnyLayout, CopyLayout, Layout
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.strategies import check_strategy, default_strategy

Area = tuple[range, range, range]
"""Sectors of a slot, and of the two halves of its trailer."""


def _behind(first: int, slot: int, half: int) -> Area:
    """*slot* sectors from *first* on, then the halves."""
    trailer = first + slot
    return (
        range(first, trailer),
        range(trailer, trailer + half),
        range(trailer + half, trailer + 2 * half),
    )


_F4 = range(3, 12), range(1, 2), range(2, 3)  # slot 16K, 64K and 7 x 128K; halves of 16K

# part: slot and trailer, the same in both banks
_BANKS: dict[str, Area] = {
    "STM32L476xG": _behind(16, 224, 3),  # 20 KiB are the application's
    "STM32L4R5xI_dual": _behind(8, 244, 2),
    "STM32G474xE_dual": _behind(16, 106, 3),
    "STM32L552xE": _behind(16, 106, 3),
    "STM32G0B1xE": _behind(16, 106, 3),
    "STM32U575xI": _behind(4, 120, 2),
    "STM32U5A5xJ": _behind(4, 248, 2),
    "STM32H563xI": _behind(4, 120, 2),
    "STM32H7A3xI": _behind(4, 120, 2),
    "STM32H743xI": _behind(1, 5, 1),
    "STM32F429xI": _F4,
    "STM32F767xI_dual": _F4,
    "STM32F429xG_DB1M": (range(3, 8), *_F4[1:]),
}


def _copies(boot: int, slot: int, half: int, own: int = 1) -> tuple[Area, Area, Area]:
    """Boot, execution slot with halves of *own* sectors, storage slots with halves of *half*."""
    area = slot + 2 * half
    first = boot + slot + 2 * own
    return _behind(boot, slot, own), _behind(first, slot, half), _behind(first + area, slot, half)


def _single(sector: int) -> range:
    return range(sector, sector + 1)


# Large sectors, 4 of a small size first: three slots and six halves have to share twelve sectors.
_F4_SINGLE = (
    (range(5, 6), _single(1), _single(2)),
    (range(6, 7), _single(3), _single(4)),
    (range(7, 8), _single(8), _single(9)),
)
_F4_DUAL = (  # both banks in a row; halves of 16K; 448K of storage: 64K and 3 x 128K
    (range(8, 12), _single(1), _single(2)),
    (range(4, 8), _single(3), _single(12)),
    (range(16, 20), _single(13), _single(14)),
)

# part: execution slot, storage slots A and B
_COPIES: dict[str, tuple[Area, Area, Area]] = {
    "STM32F103x8": _copies(8, 14, 3),
    "STM32F103xG": _copies(8, 163, 3),
    "STM32F407xG": _F4_SINGLE,
    "STM32F767xI_single": _F4_SINGLE,
    "STM32F429xI": _F4_DUAL,
    "STM32F767xI_dual": _F4_DUAL,
    "STM32F429xG_DB1M": (  # 192K of storage: 64K and 128K
        (range(6, 8), _single(1), _single(2)),
        (range(4, 6), _single(3), _single(8)),
        (range(12, 14), _single(9), _single(10)),
    ),
    "STM32WB55xG": _copies(8, 58, 2),  # below 768 KiB: what lies above is left to CPU2
    "STM32L476xG": _copies(16, 160, 3),
    "STM32L4R5xI_dual": _copies(8, 164, 2),
    "STM32L4R5xI_single": _copies(4, 80, 2),
    "STM32G474xE_dual": _copies(16, 76, 2),
    "STM32G474xE_single": _copies(8, 36, 2),
    "STM32L552xE": _copies(16, 76, 2),
    "STM32G0B1xE": _copies(16, 76, 2),
    "STM32U575xI": _copies(4, 80, 2),
    "STM32U5A5xJ": _copies(4, 166, 2),
    "STM32H563xI": _copies(4, 80, 2),
    "STM32H7A3xI": _copies(4, 80, 2),
    "STM32H743xI": _copies(1, 3, 1),
}


def has_layout(part: Part, strategy: Strategy) -> bool:
    """A layout is for one size and number of banks: none is stretched or cut to fit another."""
    try:
        _laid_out_as(part, _table(strategy))
    except UsageError:
        return False
    return True


def parts_with_layout(strategy: Strategy) -> list[str]:
    """The names of all parts that can be laid out for *strategy* and the like."""
    return sorted(_table(strategy))


def _table(strategy: Strategy) -> Iterable[str]:
    return _COPIES if strategy is Strategy.COPY else _BANKS


def layout_of(part: Part, strategy: Strategy) -> AnyLayout:
    """How *part* is laid out for *strategy*.

    Raises UsageError where the part cannot have the strategy, or no layout is known.
    """
    name = _laid_out_as(part, _table(strategy))
    check_strategy(part, strategy)
    if strategy is not Strategy.COPY:
        return _layout(part.sector_sizes, _BANKS[name])
    sizes = part.sector_sizes * part.bank_count
    execution, first, second = (_layout(sizes, area) for area in _COPIES[name])
    return CopyLayout(execution, (first, second))


def _laid_out_as(part: Part, table: Iterable[str]) -> str:
    """The name in *table* whose layout *part* has: its own, or that of a part with such sectors."""
    names = list(table)
    if part.name in names and part.own_file is None:
        return part.name
    alike = [name for name in names if _shape(packaged_part(name)) == _shape(part)]
    if not alike:
        raise UsageError(
            f"no layout is known for {part.name}",
            expected=f"banks and sectors as one of {', '.join(sorted(names))} has them",
            found=f"{part.bank_count} x {len(part.sector_sizes)} sectors, {part.size} bytes",
        )
    return part.name if part.name in alike else alike[0]


def _shape(part: Part) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Banks by where they begin: there may be a hole between them."""
    starts = tuple(start - part.base for start in part.bank_starts)
    return starts, part.sector_sizes, part.program_unit


@lru_cache(maxsize=64)
def _layout(sizes: tuple[int, ...], area: Area) -> Layout:
    slot, first, second = area
    return Layout.at(sizes, slot, (first, second))


def default_layout(part: Part) -> AnyLayout:
    """How *part* is laid out for its default strategy. UsageError where no layout is known."""
    return layout_of(part, default_strategy(part))


def factory_image(address: int, version: str) -> bytes:
    """A minimal raw image for *address*: a vector table, an endless loop, and its version."""
    return vector_table(address) + f"factory {version}".encode()


def vector_table(address: int) -> bytes:
    """The least that looks like a program at *address*: stack, reset vector, an endless loop."""
    stack, reset = 0x2000_8000, address + 8
    return struct.pack("<IIHH", stack, reset | 1, 0xE7FE, 0xBF00)
