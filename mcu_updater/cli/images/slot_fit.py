"""Which slots an image fits, told by the rules that the updater itself goes by."""

from __future__ import annotations

from collections.abc import Iterator

from flash_emulator import Part, load_part, part_names
from mcu_updater.core.errors import ImageRejected, UsageError, address_text
from mcu_updater.core.image import ImageFormat, check_vector_table
from mcu_updater.core.image.memory import Region as Memory
from mcu_updater.core.image.vectors import HEAD_SIZE
from mcu_updater.core.slot import CopyLayout, Layout, Region
from mcu_updater.core.strategy import Strategy
from mcu_updater.files import ImageFile
from mcu_updater.files.facts import header_size
from mcu_updater.flash_map.layouts import layout_of
from mcu_updater.flash_map.strategies import strategies_of
from mcu_updater.report.image import Fit


def fits(file: ImageFile, parts: list[Part] | None = None) -> Iterator[Fit]:
    """For every part, or for *parts*, and every strategy that it has a layout for."""
    for part in parts or [load_part(name) for name in part_names()]:
        for strategy in strategies_of(part):
            try:
                yield fit(file, part, strategy)
            except UsageError:  # no layout is known
                continue


def fit(file: ImageFile, part: Part, strategy: Strategy) -> Fit:
    """Raises UsageError where *part* has no layout for *strategy*."""
    link, store = _slots(part, strategy)
    address = part.base + link.offset
    why = _obstacle(file, address, min(link.size, store.size))
    size = image_size(file, address)
    sectors, erased = 0, 0
    for sector in store.sector_sizes:
        if erased >= size or why:
            break
        sectors, erased = sectors + 1, erased + sector
    return Fit(part.name, strategy.value, address, store.size, why, sectors, erased)


def areas_of(part: Part | None) -> tuple[Memory, ...]:
    """Memories of *part* by name, as far as its file says where they are."""
    if part is None:
        return ()
    identity = part.identity
    named = {
        "flash": range(part.base, part.base + part.size),
        "option bytes": identity.option_bytes,
        "option bytes of bank 2": identity.option_bytes_bank2,
        "OTP": identity.otp,
        "system memory": identity.system_memory,
    }
    return tuple(Memory(name, span) for name, span in named.items() if span is not None)


def link_address(part: Part, strategy: Strategy) -> int:
    return part.base + _slots(part, strategy)[0].offset


def sector_ranges(part: Part, strategy: Strategy) -> Iterator[range]:
    """Addresses of each sector of the slot that an image is linked for."""
    region, _ = _slots(part, strategy)
    address = part.base + region.offset
    for size in region.sector_sizes:
        yield range(address, address + size)
        address += size


def image_size(file: ImageFile, address: int) -> int:
    """Bytes of the slot at *address* up to the image's end."""
    image = file.image
    return image.end - image.start if file.inner is ImageFormat.BIN else image.end - address


def _slots(part: Part, strategy: Strategy) -> tuple[Region, Region]:
    """Where the image runs, and where the updater writes it first."""
    layout: Layout | CopyLayout = layout_of(part, strategy)
    if isinstance(layout, CopyLayout):
        return layout.execution.slot, min((a.slot for a in layout.storage), key=lambda s: s.size)
    return layout.slot, layout.slot


def _obstacle(file: ImageFile, address: int, room: int) -> str:
    """Why the image cannot be in a slot of *room* bytes at *address*; empty: it can."""
    image = file.image
    start = address if file.inner is ImageFormat.BIN else image.start
    if start < address or start + (image.end - image.start) > address + room:
        return f"lies outside {address_text(address)} to {address_text(address + room - 1)}"
    if start != address:
        return f"does not begin at {address_text(address)}"
    try:
        skipped = header_size(image)
        head = image.segments[0].data[skipped : skipped + HEAD_SIZE]
        check_vector_table(head, address + skipped, room - skipped)
    except ImageRejected as error:
        return error.what
    return ""
