"""The formats that an image may come in."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ImageFormat(StrEnum):
    """The last five are packages: zip, tar, gzip and rar hold images, and a delta package makes one
    of the image that runs."""

    BIN = "bin"
    HEX = "hex"
    SREC = "srec"
    TI_TXT = "ti-txt"
    ELF = "elf"
    ZIP = "zip"
    TAR = "tar"
    GZIP = "gzip"
    DELTA = "delta"
    RAR = "rar"  # unpacked by a host only


PACKAGES: Final = frozenset({ImageFormat.ZIP, ImageFormat.TAR, ImageFormat.GZIP})
TEXTS: Final = frozenset({ImageFormat.HEX, ImageFormat.SREC, ImageFormat.TI_TXT})
