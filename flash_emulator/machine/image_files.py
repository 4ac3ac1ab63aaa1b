"""Firmware from files: ELF, Intel HEX, S-records, and plain bytes with an address.

An ELF also says what functions are called, and how far static data reaches: what lies between them
and the stack pointer is stack (``stack_floor``), where nobody takes memory from there by himself.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flash_emulator.machine.board import Image
from flash_emulator.machine.elf_symbols import elf_symbols
from flash_emulator.machine.symbols import Symbols, shown
from flash_emulator.parts.part import Part

_HEAP = ("_sbrk", "_sbrk_r", "sbrk", "malloc", "_malloc_r", "pvPortMalloc")
_EM_ARM = "EM_ARM"
_RAM = range(0x1000_0000, 0x6000_0000)


class ImageFault(ValueError):
    """A file that no image for this part can be made of. *where*, *expected*, *found* in words."""

    def __init__(self, path: Path, where: str, expected: str, found: str) -> None:
        self.path, self.where, self.expected, self.found = path, where, expected, found
        super().__init__(f"{path}: {where}: expected {expected}, found {found}")


@dataclass(frozen=True, slots=True)
class Firmware:
    """What a file holds: *images* as pieces of flash, *symbols*, and *stack_floor*; see above."""

    images: tuple[Image, ...]
    symbols: Symbols = Symbols()  # noqa: RUF009  it is frozen
    stack_floor: int | None = None
    entry: int | None = None

    @property
    def span(self) -> tuple[int, int]:
        """First address, and the one behind the last."""
        first = min(image.address for image in self.images)
        return first, max(image.address + len(image.data) for image in self.images)

    def whole(self, name: str) -> Image:
        """All of it as one image; gaps are as erased."""
        first, end = self.span
        data = bytearray(b"\xff") * (end - first)
        for image in self.images:
            at = image.address - first
            data[at : at + len(image.data)] = image.data
        return Image(name, first, bytes(data))


def read_firmware(path: Path, part: Part, address: int | None = None) -> Firmware:
    """Read *path*; *address* is where a file without addresses lies.

    Raises ImageFault, and OSError where it cannot be read.
    """
    data = path.read_bytes()
    if data[:4] == b"\x7fELF":
        firmware = _elf(path, data)
    elif address is not None and path.suffix.lower() in (".bin", ""):
        firmware = Firmware((Image(path.stem, address, data),))
    else:
        firmware = _records(path, data)
    if not firmware.images:
        raise ImageFault(path, "contents", "something for flash", "nothing")
    _check_place(path, firmware, part)
    return firmware


def _check_place(path: Path, firmware: Firmware, part: Part) -> None:
    first, end = firmware.span
    last = part.base + part.bank_starts[-1] - part.base + part.bank_size
    if first < part.base or end > last:
        raise ImageFault(
            path,
            "addresses",
            f"flash of {part.name}, {shown(part.base)} to {shown(last - 1)}",
            f"{shown(first)} to {shown(end - 1)} (linked for another part, or a file that needs "
            "an address?)",
        )


def _records(path: Path, data: bytes) -> Firmware:
    import bincopy

    file = bincopy.BinFile()
    try:
        file.add(data.decode("ascii"))
    except (bincopy.Error, UnicodeDecodeError) as error:
        expected = "ELF, Intel HEX or S-records; plain bytes need a name in .bin and an address"
        raise ImageFault(path, "format", expected, str(error) or "something else") from error
    pieces = [(segment.address, bytes(segment.data)) for segment in file.segments]
    return Firmware(tuple(Image(path.stem, at, piece) for at, piece in pieces))


# --- ELF


def _elf(path: Path, data: bytes) -> Firmware:
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(io.BytesIO(data))
        if elf.header["e_machine"] != _EM_ARM or elf.elfclass != 32 or not elf.little_endian:
            order = "little" if elf.little_endian else "big"
            found = f"{elf.header['e_machine']}, {elf.elfclass}-bit {order}-endian"
            raise ImageFault(path, "e_machine", "32-bit little-endian Arm (EM_ARM)", found)
        pieces = tuple(_pieces(path, elf))
        symbols = elf_symbols(elf)
        return Firmware(
            pieces,
            symbols,
            None if any(name in _HEAP for _, _, name in symbols.functions) else _end_of_data(elf),
            elf.header["e_entry"] & ~1,
        )
    except (ELFError, KeyError, IndexError) as error:
        found = f"one cut short or damaged ({error})"
        raise ImageFault(path, "structure", "a whole ELF file", found) from error


def _pieces(path: Path, elf: Any) -> Sequence[Image]:
    """Loadable segments at their physical addresses: where a programmer writes them."""
    found = []
    for segment in elf.iter_segments():
        if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]:
            address, size, data = segment["p_paddr"], segment["p_filesz"], segment.data()
            if len(data) < size:
                where = f"the segment at {shown(address)}"
                raise ImageFault(path, where, f"{size} bytes", f"{len(data)}: it is cut short")
            found.append(Image(path.stem, address, data))
    return found


def _end_of_data(elf: Any) -> int | None:
    """The address behind all static data in RAM."""
    ends = [
        section["sh_addr"] + section["sh_size"]
        for section in elf.iter_sections()
        if section["sh_flags"] & 2
        and section["sh_addr"] in _RAM
        and not any(word in section.name for word in ("stack", "heap"))
    ]
    return -(-max(ends) // 8) * 8 if ends else None
