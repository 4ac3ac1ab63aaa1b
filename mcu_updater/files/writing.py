"""An image into any format. Written by bincopy where it writes what every reader takes.

Its HEX records may cross a 64 KiB window where a segment begins at an odd place, and its S-records
have no terminator without a start address; both are refused by strict readers. So segments are cut
at windows first, and the terminator is added.
"""

from __future__ import annotations

import bincopy

from mcu_updater.core.errors import UsageError
from mcu_updater.core.image import ImageFormat, Rule
from mcu_updater.files.segments import MemoryImage

FLAT_BYTES = 64 << 20  # of a raw binary, gaps included
_WINDOW = 0x1_0000
_RECORD = 16

WRITABLE = (ImageFormat.BIN, ImageFormat.HEX, ImageFormat.SREC, ImageFormat.TI_TXT)


def write_image(image: MemoryImage, fmt: ImageFormat, fill: int = 0xFF) -> bytes:
    """The bytes of a file. Raises UsageError for a format that is not written, and for gaps that a
    raw binary cannot have."""
    match fmt:
        case ImageFormat.BIN:
            if image.end - image.start > FLAT_BYTES:
                raise UsageError(
                    "too large as a raw binary, with its gaps",
                    expected=f"at most {FLAT_BYTES} bytes",
                    found=str(image.end - image.start),
                    rule=Rule.OUTSIDE,
                )
            return image.flat(fill)
        case ImageFormat.HEX:
            return _hex(image)
        case ImageFormat.SREC:
            return _srec(image)
        case ImageFormat.TI_TXT:
            return str(_binfile(image).as_ti_txt()).encode("ascii")
        case _:
            raise UsageError(
                "this format cannot be written", expected=", ".join(WRITABLE), found=fmt.value
            )


def _binfile(image: MemoryImage) -> bincopy.BinFile:
    file = bincopy.BinFile()
    for segment in image.segments:
        file.add_binary(segment.data, address=segment.address)
    return file


def _hex(image: MemoryImage) -> bytes:
    """Window by window, so that no record crosses one: each is a file of its own to bincopy."""
    lines: list[str] = []
    for segment in image.segments:
        start = segment.address
        while start < segment.end:
            stop = min(segment.end, (start // _WINDOW + 1) * _WINDOW)
            file = bincopy.BinFile()
            file.add_binary(
                segment.data[start - segment.address : stop - segment.address], address=start
            )
            lines += file.as_ihex(_RECORD).splitlines()[:-1]
            start = stop
    if image.entry is not None:
        file = bincopy.BinFile()
        file.execution_start_address = image.entry
        lines += file.as_ihex().splitlines()[:-1]
    return "".join(f"{line}\n" for line in [*lines, ":00000001FF"]).encode("ascii")


def _srec(image: MemoryImage) -> bytes:
    file = _binfile(image)
    file.execution_start_address = image.entry or 0
    return str(file.as_srec(_RECORD, 32)).encode("ascii")
