"""A loader stub in RAM: ``flash`` at more than the boot ROM's speed, on chips that have one.

    stub = StubFlasher(flasher, records)
    for event in stub.flash(join(extents), FlashOptions()):
        print(event)

``firmware/`` has the program in C, ``stub-*.bin`` what it is built to. How it works, and what only
a real chip can tell, stands in docs/explanation/loader-stub.md.
"""

from mcu_updater.stm32.stub.flashing import StubFlasher, StubOptions
from mcu_updater.stm32.stub.images import STUBS, StubImage, stub_for
from mcu_updater.stm32.stub.records import StubRecords, StubState

__all__ = [
    "STUBS",
    "StubFlasher",
    "StubImage",
    "StubOptions",
    "StubRecords",
    "StubState",
    "stub_for",
]
