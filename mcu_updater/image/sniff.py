"""Which format an image has, told from its first bytes, and the decoder for it.

A raw Cortex-M image begins with the initial stack pointer, low byte first, a multiple of 4
(Armv7-M Architecture Reference Manual, DDI 0403, B1.5.3). So it cannot begin with ':' (0x3A), 'S'
(0x53) or a byte order mark (0xEF, 0xFF, 0xFE): none of these is a multiple of 4.

The answer is final. An image that breaks the rules of its format is refused; it is never tried as
another one, for a damaged HEX file written to flash as text would do more harm than the error.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, assert_never

from mcu_updater.errors import ImageRejected
from mcu_updater.image.binary import BinaryDecoder
from mcu_updater.image.extent import Decoder
from mcu_updater.image.ihex import HexDecoder
from mcu_updater.image.records import refuse_byte_order_mark
from mcu_updater.image.srec import SrecDecoder

SNIFF_SIZE: Final = 3
"""Bytes that ``sniff`` looks at."""


class ImageFormat(StrEnum):
    """The formats that an image may come in."""

    BIN = "bin"
    HEX = "hex"
    SREC = "srec"


def sniff(first_bytes: bytes) -> ImageFormat:
    """The format of an image that begins with *first_bytes*: SNIFF_SIZE or more, if it has them.

    Raises ImageRejected when the image is empty or begins with a byte order mark.
    """
    if not first_bytes:
        raise ImageRejected("image is empty", where="offset 0", expected="data", found="no bytes")
    refuse_byte_order_mark(first_bytes)
    if first_bytes.startswith(b":"):
        return ImageFormat.HEX
    if first_bytes.startswith(b"S") and first_bytes[1:2].isdigit():
        return ImageFormat.SREC
    return ImageFormat.BIN


def open_decoder(fmt: ImageFormat, base: int) -> Decoder:
    """A new decoder for *fmt*. *base* is the address of a raw binary; the others bring their own.

    Raises ValueError when *fmt* is BIN and *base* is no 32-bit address.
    """
    match fmt:
        case ImageFormat.BIN:
            return BinaryDecoder(base)
        case ImageFormat.HEX:
            return HexDecoder()
        case ImageFormat.SREC:
            return SrecDecoder()
        case _:
            assert_never(fmt)


def restore(state: bytes) -> Decoder:
    """The decoder whose ``state()`` gave *state*; it goes on exactly where that one stood.

    The first byte of a state names the format. Raises ValueError when no decoder gave it.
    """
    match state[:1]:
        case b"\x01":
            return BinaryDecoder.restore(state)
        case b"\x02":
            return HexDecoder.restore(state)
        case b"\x03":
            return SrecDecoder.restore(state)
        case code:
            raise ValueError(f"not the state of a decoder: format code {code.hex() or 'missing'}")
