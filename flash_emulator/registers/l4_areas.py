"""WRP and PCROP registers of the L4 class and U5, as far as the device has something to show there.

RM0440 3.5.2 and 3.5.3: an area runs from page STRT to page END of its physical bank, both included;
STRT > END is none. The device protects single sectors, and PCROP everything or nothing. Areas can
be read; to write one and program it raises ``UnmodelledOption``.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from flash_emulator.parts.part import Part
from flash_emulator.registers.faults import UnmodelledOption

NO_AREA = 0x0000_00FF  # STRT 7:0, END 23:16


def areas(part: Part, pages: list[int], *, pcrop: bool) -> dict[str, int]:
    """Register values for these protected *pages*, counted over the whole array.

    Area A is the first run of pages of its bank, area B spans all the others.
    """
    values: dict[str, int] = {}
    per_bank = len(part.sector_sizes)
    for bank in range(part.bank_count):
        own = [page - bank * per_bank for page in pages if page // per_bank == bank]
        gap = next((i for i, (a, b) in enumerate(pairwise(own), 1) if b > a + 1), len(own))
        values[f"WRP{bank + 1}AR"], values[f"WRP{bank + 1}BR"] = _area(own[:gap]), _area(own[gap:])
        if pcrop:
            values |= {f"PCROP{bank + 1}SR": 0, f"PCROP{bank + 1}ER": 0xFFFF}
    return values


def _area(pages: list[int]) -> int:
    return pages[-1] << 16 | pages[0] if pages else NO_AREA


def check_unchanged(part: Part, shown: Mapping[str, int], written: Mapping[str, int]) -> None:
    """Raises UnmodelledOption where software has *written* something else than is *shown*."""
    for name, value in shown.items():
        changed = written.get(name, value) ^ value
        if changed and name.startswith(("WRP", "PCROP", "SEC1", "SEC2")):
            raise UnmodelledOption(part.name, name, changed)
