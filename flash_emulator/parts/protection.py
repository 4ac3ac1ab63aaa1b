"""Which sectors option bytes protect against being programmed or erased (WRP, nWRP).

PM0075 2.5 (F1: a bit for each 4 KiB, the last of 32 for all that is behind, too), RM0090 3.7.1
(F4: a bit for each sector), CMSIS-F767 (two sectors with two banks).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

from flash_emulator.parts.part import Part
from flash_emulator.parts.part_model import OptionField, OptionRole


def protected_sectors(part: Part, options: Mapping[str, int]) -> frozenset[int]:
    """Offsets in the array of the sectors that *options* protect."""
    found: set[int] = set()
    for name, field in part.options.fields.items():
        if field.role is OptionRole.SECTOR_PROTECTION:
            found |= _protected_by(part, field, options.get(name, part.options[name]))
    return frozenset(found)


def _protected_by(part: Part, field: OptionField, value: int) -> set[int]:
    bits = field.width or 1
    clear = [bit for bit in range(bits) if not value >> bit & 1]
    return {start for bit in clear for start in sectors_of_bit(part, field, bit)}


def sectors_of_bit(part: Part, field: OptionField, bit: int) -> list[int]:
    """Offsets of the sectors that one *bit* of an option stands for."""
    starts = list(part.sector_starts)
    first = field.first_bank * len(part.sector_sizes)
    number = field.first_bit + bit
    last = field.to_the_end and bit == (field.width or 1) - 1
    if field.protects_bytes is not None:
        ends = list(accumulate(part.sector_starts.values()))
        low = starts[first] + number * field.protects_bytes if first < len(starts) else part.size
        high = part.size if last else low + field.protects_bytes
        return [at for at, end in zip(starts, ends, strict=True) if at < high and low < end]
    each = field.protects_sectors or 1
    low = first + number * each
    high = len(starts) if last else low + each
    return starts[low:high] if field.first_bank < part.bank_count else []
