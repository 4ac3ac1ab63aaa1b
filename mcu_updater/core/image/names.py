"""What a file's name says about what is in it. Evidence beside the bytes, never instead of them."""

from __future__ import annotations

import re
from typing import Final

from mcu_updater.core.errors import ImageRejected, Remedy
from mcu_updater.core.image.allow import Rule
from mcu_updater.core.image.formats import ImageFormat

IMAGE_SUFFIXES: Final = {
    ".bin": ImageFormat.BIN,
    ".hex": ImageFormat.HEX,
    ".ihex": ImageFormat.HEX,
    ".ihx": ImageFormat.HEX,
    ".s19": ImageFormat.SREC,
    ".s28": ImageFormat.SREC,
    ".s37": ImageFormat.SREC,
    ".srec": ImageFormat.SREC,
    ".mot": ImageFormat.SREC,
    ".titxt": ImageFormat.TI_TXT,
    ".elf": ImageFormat.ELF,
}
NUMBERED: Final = re.compile(r"(.+\.bin)_([1-9][0-9]?)")

UNREADABLE: Final = {
    ".pack": "the cloud takes it for modules; what is in it is not documented",
    ".mini_1": "a module's own package, not documented",
    ".mini_2": "a module's own package, not documented",
    ".py": "a script for modules that run Python, no image of a microcontroller",
}
"""Suffixes that the cloud takes and nobody here interprets, and why."""


def suffix_of(name: str) -> str:
    """Lower case, with its dot; empty where there is none."""
    base = name.rpartition("/")[2]
    stem, dot, suffix = base.rpartition(".")
    return f".{suffix.lower()}" if dot and stem else ""


def format_of(name: str) -> ImageFormat | None:
    """What the suffix says that is in the file; None: it says nothing."""
    return ImageFormat.BIN if NUMBERED.fullmatch(name) else IMAGE_SUFFIXES.get(suffix_of(name))


def refuse_unreadable(name: str, where: str) -> None:
    """Raise ImageRejected for a suffix of what nobody here interprets."""
    if suffix_of(name) == ".rar":
        raise ImageRejected(
            "a device cannot unpack RAR",
            where=where,
            expected="the image itself, or a zip or tar of it",
            found=".rar, which the cloud takes, and which only a host unpacks",
            remedies=[Remedy.UNPACK],
            rule=Rule.NAME,
        )
    why = UNREADABLE.get(suffix_of(name))
    if why is not None:
        raise ImageRejected(
            "the cloud takes this kind of file, and nobody can interpret it",
            where=where,
            expected="a raw binary, Intel HEX, S-records, TI-TXT, ELF, or a zip or tar of such",
            found=f"{suffix_of(name)}: {why}",
            rule=Rule.NAME,
        )
