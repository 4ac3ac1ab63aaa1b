"""Images of a few bytes, for flash that is searched: a vector table, and what it does at once.

Thumb code that every Cortex-M executes.
"""

from __future__ import annotations

from typing import Final

SIZE: Final = 64

_CODE: Final = {
    "rest": "00be fee7",  # bkpt; b .
    "hang": "fee7",  # b .
    "reset": "0148 0249 0160 fee7 0ced00e0 0400fa05",  # AIRCR = SYSRESETREQ, with its key
}


def small_image(what: str, link_address: int, stack: int, version: int = 0) -> bytes:
    """One that comes to *rest*, *hang*s or *reset*s the chip; *stack*: the end of RAM. Images that
    differ in *version* differ in nothing else."""
    if link_address % 4:
        raise ValueError(f"a vector table lies at a multiple of 4: {link_address:#x}")
    code = bytes.fromhex(_CODE[what])
    vectors = stack.to_bytes(4, "little") + (link_address + 8 + 1).to_bytes(4, "little")
    filled = (vectors + code).ljust(SIZE - 4, b"\x00")
    return filled + version.to_bytes(4, "little")
