"""Images: what comes as a package and ends up in a slot. Bytes in, extents out, no I/O."""

from mcu_updater.core.image.allow import STRICT, Allow, Allowed, Rule
from mcu_updater.core.image.binary import BinaryDecoder
from mcu_updater.core.image.extent import Decoder, Extent
from mcu_updater.core.image.formats import PACKAGES, ImageFormat
from mcu_updater.core.image.ihex import HexDecoder
from mcu_updater.core.image.sniff import (
    DELTA_MAGIC,
    SNIFF_SIZE,
    identify,
    open_decoder,
    restore,
    sniff,
    sniff_size,
    told_by,
)
from mcu_updater.core.image.srec import SrecDecoder
from mcu_updater.core.image.titxt import TiTxtDecoder
from mcu_updater.core.image.vectors import check_vector_table

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
