"""What the regions of a part are called, and where they lie in its array."""

from __future__ import annotations

from collections.abc import Iterator

from flash_emulator import Part
from mcu_updater.core.slot import CopyLayout, Layout
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.layouts import layout_of


def regions(part: Part, strategy: Strategy) -> dict[str, tuple[int, int]]:
    """Boot regions, slots and halves of trailers: offset in the array, and size, in bytes."""
    layout = layout_of(part, strategy)
    if isinstance(layout, CopyLayout):
        first, second = layout.storage
        named = [("run", layout.execution, 0), ("A", first, 0), ("B", second, 0)]
        boots = [("boot", 0)]
    else:
        named = [("A", layout, 0), ("B", layout, part.bank_size)]
        boots = [("A boot", 0), ("B boot", part.bank_size)]
    spans = dict(span for area in named for span in _areas(*area))
    ends = {at: min(begin for begin, _ in spans.values() if begin >= at) for _, at in boots}
    return {name: (at, ends[at] - at) for name, at in boots if ends[at] > at} | spans


def _areas(name: str, area: Layout, offset: int) -> Iterator[tuple[str, tuple[int, int]]]:
    first, second = area.halves
    yield f"{name} slot", (offset + area.slot.offset, area.slot.size)
    yield f"{name} trailer 0", (offset + first.offset, first.size)
    yield f"{name} trailer 1", (offset + second.offset, second.size)
