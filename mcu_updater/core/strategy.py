"""How the chosen image comes to the address that it is linked for."""

from __future__ import annotations

from enum import StrEnum


class Strategy(StrEnum):
    """What the bootloader does once it knows which bank to run. DESIGN.md has the reasons."""

    REMAP = "remap"
    """Exchange the banks by a run-time alias (FB_MODE): nothing is written, gone after reset."""

    SWAP_OPTION = "swap-option"
    """Exchange the banks by an option bit, which counts from the next option load or reset on.
    Harmless where options are atomic (H7, H5); a hazard where they are erased and programmed."""

    COPY = "copy"
    """Both banks are storage in one array; their images are copied to an execution slot."""

    OPTION_TOGGLE = "option-toggle"
    """Toggle the option that lets the boot ROM choose a bank (BFB2, nDBOOT), and reset. The naive
    one: a cut in that write destroys the chip. It is here to show that, and never a default."""
