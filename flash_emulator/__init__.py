"""An emulator of STM32 internal flash: its geometry, its rules, its time, and what a cut leaves.

    from flash_emulator import CutAt, EmulatedFlash, Outcome, load_part

    flash = EmulatedFlash(load_part("STM32L476xG"), supply=CutAt(3, Outcome.TORN))

**Assumptions, first.** Every chance is drawn from the device's seed; the same seed, place and
operation number give the same silicon.

* An operation is the program of one unit, the erase of one sector, of one bank or of all banks, or
  a change of option bytes. Power is lost in exactly one operation; all earlier ones are complete,
  all later ones never begin. In a bulk call every unit is an operation.
* What a cut leaves of it stands in ``cuts.py``, cell by cell: untouched, torn, metastable, blank
  but not erased, complete but weak, or complete. A cut program touches its own unit only.
* Cells go from 1 to 0 in a program and from 0 to 1 in an erase, never the other way.
* Parts with ECC hold data and check bits; a read goes through a real SECDED decoder (``ecc.py``).
  One wrong bit is corrected and counted, two are an error, more may pass for anything. The matrix
  is ours, for ST's is not published; check bits of H7A3 and H5 are assumed, not documented.
* Metastable bits are drawn anew at every read. Weak bits read right after one or two power-ons and
  are metastable from then on; of a weak erase those are old zeros that come back. Only an erase
  that completes makes a unit virgin again.
* What a controller does with a unit that is not erased is the family's rule (``rules.py``); fast
  programming of the L4 class looks at nothing and clears bits.
* A change of option bytes counts when silicon loads it (``array/option_bytes.py``). Where it is not
  atomic, a cut leaves a mismatch: read-out protection level 1, everything PCROP. One bank or two
  (DBANK) follows what is loaded, where the other part is known; content stays at its addresses.
* A cut bank erase hits all its sectors alike on the L4 class (inferred: bank and page take the same
  22 ms) and one sector in a row elsewhere (inferred for F4: the times add up; assumed for H7).
* Time is the datasheet's, typical or maximal. An operation whose time no document gives takes none
  and is counted as untimed; ``elapsed_us`` then refuses to answer.

**Not modelled**: disturbed neighbours, the pre-program phase of an erase, a supply that sags over
several operations (``decay`` has what may be asked for), temperature, retention over time (inject
it: ``flip``), caches and prefetch, ECC of option bytes, flash words that sit in the write buffer of
an H7, secure and privileged areas.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flash_emulator.device.base import Interrupted
    from flash_emulator.device.clock import VirtualClock
    from flash_emulator.device.flash import EmulatedFlash
    from flash_emulator.device.sensing import MetastableMode
    from flash_emulator.device.trace import Operation, Trace, Watch
    from flash_emulator.device.usage import Usage
    from flash_emulator.errors import (
        AlignmentError,
        BusFault,
        BusyError,
        EccNmi,
        EnduranceWarning,
        FlashError,
        ProgramError,
        ReadProtected,
        UnknownContent,
        UnknownTiming,
        UnreadableUnit,
        WriteProtected,
    )
    from flash_emulator.parts.catalogue import (
        load_part,
        load_part_file,
        other_size_names,
        part_names,
    )
    from flash_emulator.parts.part import Part
    from flash_emulator.parts.part_tables import PartError
    from flash_emulator.power import CutAt, Decay, Outcome, PowerLoss, PowerSupply, SteadySupply

_HOMES = {
    "device.clock": ("VirtualClock",),
    "device.flash": ("EmulatedFlash",),
    "errors": (
        "AlignmentError",
        "BusFault",
        "BusyError",
        "EccNmi",
        "EnduranceWarning",
        "FlashError",
        "ProgramError",
        "ReadProtected",
        "UnknownContent",
        "UnknownTiming",
        "UnreadableUnit",
        "WriteProtected",
    ),
    "device.base": ("Interrupted",),
    "parts.part": ("Part",),
    "parts.part_tables": ("PartError",),
    "parts.catalogue": (
        "load_part",
        "load_part_file",
        "other_size_names",
        "part_names",
    ),
    "power": (
        "CutAt",
        "Decay",
        "Outcome",
        "PowerLoss",
        "PowerSupply",
        "SteadySupply",
    ),
    "device.sensing": ("MetastableMode",),
    "device.usage": ("Usage",),
    "device.trace": (
        "Operation",
        "Trace",
        "Watch",
    ),
}
"""Where each name is. It is imported when it is asked for: a host that wants a part's geometry does
not wait for the emulator, and one that wants the ROM's vocabulary for neither."""


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            found: object = getattr(import_module(f"flash_emulator.{home}"), name)
            globals()[name] = found
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "AlignmentError",
    "BusFault",
    "BusyError",
    "CutAt",
    "Decay",
    "EccNmi",
    "EmulatedFlash",
    "EnduranceWarning",
    "FlashError",
    "Interrupted",
    "MetastableMode",
    "Operation",
    "Outcome",
    "Part",
    "PartError",
    "PowerLoss",
    "PowerSupply",
    "ProgramError",
    "ReadProtected",
    "SteadySupply",
    "Trace",
    "UnknownContent",
    "UnknownTiming",
    "UnreadableUnit",
    "Usage",
    "VirtualClock",
    "Watch",
    "WriteProtected",
    "load_part",
    "load_part_file",
    "other_size_names",
    "part_names",
]
