"""An emulator of STM32 internal flash: its geometry, its rules, its time, and what a cut leaves.

Assumptions of the model, first (each is a seeded choice; the same seed gives the same silicon):

* An operation is the program of one unit or the erase of one sector. Power is lost in exactly
  one operation at a time; all earlier ones are complete, all later ones never begin.
* A cut program leaves the unit untouched, torn, blank to the reader but not programmable,
  complete but weak, or complete. A torn unit fails ECC on parts that have it.
* A cut erase leaves the sector untouched, a mix over its whole length, reading 0xFF but not
  erased for good, or complete. Only an erase that completes makes a unit virgin again.
* A weak unit reads right after the next power-on and no longer after the one that follows.

Not modelled: disturbed neighbours, supply that sags over several operations, caches.
"""

from flash_emulator.clock import VirtualClock
from flash_emulator.device import (
    AlignmentError,
    EmulatedFlash,
    FlashError,
    ProgramError,
    UnreadableUnit,
)
from flash_emulator.part import Part, PartError, load_part, part_names
from flash_emulator.power import CutAt, Outcome, PowerLoss, PowerSupply, SteadySupply

__all__ = [
    "AlignmentError",
    "CutAt",
    "EmulatedFlash",
    "FlashError",
    "Outcome",
    "Part",
    "PartError",
    "PowerLoss",
    "PowerSupply",
    "ProgramError",
    "SteadySupply",
    "UnreadableUnit",
    "VirtualClock",
    "load_part",
    "part_names",
]
