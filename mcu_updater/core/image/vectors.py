"""Is this image made for the slot that it is about to be written to?

The first two words of a Cortex-M image are its initial stack pointer and its reset vector
(Armv7-M Architecture Reference Manual, DDI 0403, B1.5.3). An image linked for another address
decodes and verifies without a fault, and then does not start; two words tell before anything is
erased.
"""

from __future__ import annotations

import struct
from typing import Final

from mcu_updater.core.errors import ImageRejected, address_text
from mcu_updater.core.image.allow import Rule

HEAD_SIZE: Final = 8
"""Bytes of the image that the check needs."""

STACK_RANGE: Final = range(0x1000_0000, 0x4000_0000)
"""Where a stack can be: the SRAM region 0x2000_0000 to 0x3FFF_FFFF (DDI 0403, B3.1, table B3-1),
and the RAM that ST maps into the code region from 0x1000_0000 (CCM of F4 and G4, SRAM2 of L4:
RM0090, RM0440, RM0351, memory maps)."""

SIGNED_MAGIC: Final = 0x96F3_B83D
"""First word of an image in MCUboot's signed format (MCUboot, ``bootutil/image.h``). No stack
pointer: it is odd."""

_HEADER_SIZE_AT: Final = 8  # of MCUboot's header: its own size, 2 bytes
_PAGE: Final = 1024  # the smallest of any part (RM0008)
_WORD: Final = 4
_THUMB: Final = 1


def place_of(start: int, end: int) -> range:
    """Where the reset vector of an image from *start* to *end* may point, if it has no slot.

    Up to the end of its last page: blank bytes at an image's end may have been cut off.
    """
    return range(start, end + -end % _PAGE)


def signed_header_size(head: bytes) -> int:
    """Bytes before the vector table: MCUboot's header where the image begins with one."""
    if not head.startswith(SIGNED_MAGIC.to_bytes(_WORD, "little")):
        return 0
    return int.from_bytes(head[_HEADER_SIZE_AT : _HEADER_SIZE_AT + 2], "little")


def looks_like_vectors(head: bytes) -> bool:
    """Whether *head* may be a vector table, for whatever place."""
    if len(head) < HEAD_SIZE:
        return False
    stack, reset = struct.unpack_from("<II", head)
    return stack % _WORD == 0 and stack in STACK_RANGE and bool(reset & _THUMB)


def check_vector_table(head: bytes, start: int, slot_size: int) -> None:
    """Check the first two vectors of an image that is to run from *start*.

    *head*: the image's first HEAD_SIZE bytes or more. *start*: address of the slot as the core
    sees it. *slot_size*: bytes that the image may occupy there.
    Raises ImageRejected when the words are no vector table or belong to another address.
    """
    if len(head) < HEAD_SIZE:
        raise ImageRejected(
            "image is shorter than its vector table",
            where=address_text(start),
            expected=f"at least {HEAD_SIZE} bytes",
            found=str(len(head)),
            rule=Rule.VECTORS,
        )
    stack, reset = struct.unpack_from("<II", head)
    _check_stack(stack, start)
    _check_reset(reset, start, range(start, start + slot_size))


def _check_stack(stack: int, start: int) -> None:
    if stack == SIGNED_MAGIC:
        raise ImageRejected(
            "a signed image, and nobody has said whose signature counts",
            where=address_text(start),
            expected="a vector table",
            found=f"MCUboot's header, 0x{SIGNED_MAGIC:08X}",
            rule=Rule.SIGNED,
        )
    if stack % _WORD:
        raise ImageRejected(
            "initial stack pointer is not aligned",
            where=address_text(start),
            expected=f"a multiple of {_WORD}",
            found=address_text(stack),
            then="This does not look like a Cortex-M image",
            rule=Rule.VECTORS,
        )
    if stack not in STACK_RANGE:
        raise ImageRejected(
            "initial stack pointer is not in RAM",
            where=address_text(start),
            expected=_range_text(STACK_RANGE),
            found=address_text(stack),
            then="This does not look like a Cortex-M image",
            rule=Rule.VECTORS,
        )


def _check_reset(reset: int, start: int, slot: range) -> None:
    where = address_text(start + _WORD)
    if not reset & _THUMB:
        raise ImageRejected(
            "reset vector has no Thumb bit",
            where=where,
            expected="an odd address",
            found=address_text(reset),
            then="This does not look like a Cortex-M image",
            rule=Rule.VECTORS,
        )
    entry = reset & ~_THUMB
    if entry not in slot:
        raise ImageRejected(
            "image linked for another address",
            where=where,
            expected=f"a reset vector in {_range_text(slot)}",
            found=address_text(entry),
            then=f"Link it for {address_text(start)}",
            rule=Rule.VECTORS,
        )


def _range_text(span: range) -> str:
    return f"{address_text(span.start)} up to but not including {address_text(span.stop)}"
