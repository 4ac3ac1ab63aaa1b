"""Images: what comes as a package and ends up in a slot. Bytes in, extents out, no I/O."""

from mcu_updater.image.allow import STRICT, Allow, Allowed, Rule
from mcu_updater.image.binary import BinaryDecoder
from mcu_updater.image.extent import Decoder, Extent
from mcu_updater.image.formats import PACKAGES, ImageFormat
from mcu_updater.image.ihex import HexDecoder
from mcu_updater.image.sniff import (
    DELTA_MAGIC,
    SNIFF_SIZE,
    identify,
    open_decoder,
    restore,
    sniff,
    sniff_size,
    told_by,
)
from mcu_updater.image.srec import SrecDecoder
from mcu_updater.image.titxt import TiTxtDecoder
from mcu_updater.image.vectors import check_vector_table

__all__ = [
    "DELTA_MAGIC",
    "PACKAGES",
    "SNIFF_SIZE",
    "STRICT",
    "Allow",
    "Allowed",
    "BinaryDecoder",
    "Decoder",
    "Extent",
    "HexDecoder",
    "ImageFormat",
    "Rule",
    "SrecDecoder",
    "TiTxtDecoder",
    "check_vector_table",
    "identify",
    "open_decoder",
    "restore",
    "sniff",
    "sniff_size",
    "told_by",
]
