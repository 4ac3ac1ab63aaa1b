"""Which memory an address lies in, as far as every STM32 has it there.

Source: Armv7-M Architecture Reference Manual, DDI 0403, B3.1, table B3-1, and the memory maps of
RM0008, RM0090, RM0351, RM0410, RM0433. A part says more exactly where its own areas begin and end.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Region(NamedTuple):
    """Addresses of one memory, half open."""

    name: str
    addresses: range


FLASH: Final = Region("flash", range(0x0800_0000, 0x1000_0000))
REGIONS: Final = (
    Region("code at 0, where flash may be mapped", range(0x0800_0000)),
    FLASH,
    Region("RAM at 0x1000_0000", range(0x1000_0000, 0x1FE0_0000)),
    Region("system memory, OTP or option bytes", range(0x1FE0_0000, 0x2000_0000)),
    Region("RAM", range(0x2000_0000, 0x4000_0000)),
    Region("peripherals", range(0x4000_0000, 0x6000_0000)),
    Region("external memory", range(0x6000_0000, 0x9000_0000)),
    Region("external flash (QUADSPI, OCTOSPI)", range(0x9000_0000, 0xA000_0000)),
)
NOWHERE: Final = Region("no memory", range(0xA000_0000, 1 << 32))
_NO_IMAGE: Final = frozenset({"peripherals", NOWHERE.name})


def region_of(address: int, own: tuple[Region, ...] = ()) -> Region:
    """The memory at *address*. *own*: a part's areas, which are looked at first."""
    return next((r for r in (*own, *REGIONS) if address in r.addresses), NOWHERE)


def may_hold_image(address: int) -> bool:
    """Whether a linker places bytes there."""
    return region_of(address).name not in _NO_IMAGE
