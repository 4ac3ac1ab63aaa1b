"""ST's USART boot ROM (AN3155), emulated over the flash model. Sans-I/O.

    chip = Chip(EmulatedFlash(load_part("STM32L476xG")))
    chip.receive(b"\\x7f")
    assert chip.transmit() == b"\\x79"

``docs/reference/bootrom.md`` states the model, and each assumption with its source.
"""

from flash_emulator.bootrom.chip import Chip, State, fresh_uid
from flash_emulator.bootrom.faults import Deed, Fault, Faults
from flash_emulator.bootrom.line import Line, Speed
from flash_emulator.bootrom.model import RomModel, RomOptions, model_of
from flash_emulator.bootrom.noise import Noise
from flash_emulator.bootrom.rom import Rom

__all__ = [
    "Chip",
    "Deed",
    "Fault",
    "Faults",
    "Line",
    "Noise",
    "Rom",
    "RomModel",
    "RomOptions",
    "Speed",
    "State",
    "fresh_uid",
    "model_of",
]
