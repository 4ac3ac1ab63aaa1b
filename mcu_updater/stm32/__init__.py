"""An STM32 behind its USART boot ROM (AN3155): the host's side.

    from mcu_updater.stm32 import Flasher, FlashOptions, connect, look

    rom, identity, wiring = connect(line, clock, ConnectOptions(bauds=(115200,)), print)
    flasher = Flasher(look(rom, identity, wiring, [chip]), chip)
    for event in flasher.flash(join(extents), FlashOptions()):
        print(event)

*line* is any ``RomLine``: ``write``, ``read``, speed and modem lines. What ``__all__`` names is the
stable API; everything else may change in any release.
"""

from typing import TYPE_CHECKING

from mcu_updater.exports import lazily

if TYPE_CHECKING:
    from mcu_updater.stm32.chip import Chip, FlashTimes, Sector, chip_of_geometry
    from mcu_updater.stm32.compare import DiffMethod
    from mcu_updater.stm32.connection import Connection, ConnectOptions, connect, look
    from mcu_updater.stm32.events import FlasherEvent
    from mcu_updater.stm32.firmware import Firmware, Segment, join
    from mcu_updater.stm32.flasher import Flasher, FlashOptions
    from mcu_updater.stm32.line import WIRINGS, RomLine, Wiring
    from mcu_updater.stm32.plan import FlashPlan, make_plan
    from mcu_updater.stm32.rom import Timeouts

_HOMES = {
    "chip": ("Chip", "FlashTimes", "Sector", "chip_of_geometry"),
    "compare": ("DiffMethod",),
    "connection": ("ConnectOptions", "Connection", "connect", "look"),
    "events": ("FlasherEvent",),
    "firmware": ("Firmware", "Segment", "join"),
    "flasher": ("FlashOptions", "Flasher"),
    "line": ("WIRINGS", "RomLine", "Wiring"),
    "plan": ("FlashPlan", "make_plan"),
    "rom": ("Timeouts",),
}

__getattr__ = lazily(__name__, _HOMES)

__all__ = [
    "WIRINGS",
    "Chip",
    "ConnectOptions",
    "Connection",
    "DiffMethod",
    "Firmware",
    "FlashOptions",
    "FlashPlan",
    "FlashTimes",
    "Flasher",
    "FlasherEvent",
    "RomLine",
    "Sector",
    "Segment",
    "Timeouts",
    "Wiring",
    "chip_of_geometry",
    "connect",
    "join",
    "look",
    "make_plan",
]
