"""Images: what comes as a package and ends up in a slot. Bytes in, extents out, no I/O."""

from mcu_updater.image.binary import BinaryDecoder
from mcu_updater.image.extent import Decoder, Extent
from mcu_updater.image.ihex import HexDecoder
from mcu_updater.image.sniff import SNIFF_SIZE, ImageFormat, open_decoder, restore, sniff
from mcu_updater.image.srec import SrecDecoder
from mcu_updater.image.vectors import check_vector_table

__all__ = [
    "SNIFF_SIZE",
    "BinaryDecoder",
    "Decoder",
    "Extent",
    "HexDecoder",
    "ImageFormat",
    "SrecDecoder",
    "check_vector_table",
    "open_decoder",
    "restore",
    "sniff",
]
