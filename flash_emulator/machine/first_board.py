"""A first board file for a bootloader, made of what can be seen in its image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from flash_emulator.machine.board_text import address_of, quoted
from flash_emulator.machine.chips.catalogue import ram_of
from flash_emulator.machine.image_files import Firmware
from flash_emulator.parts.part import Part

_MOST = 12  # addresses, texts
_RAM = 0x2000_0000
_LEAST = 4  # characters of a text
_TEXT = re.compile(rb"[\x20-\x7e\r\n\t]{4,}(?=\x00)")


def first_board(
    file: str, firmware: Firmware, part: Part, spec: str, address: int | None = None
) -> str:
    """The text of a board file. *file*: how it names the image; *spec*: how it names *part*;
    *address*: of plain bytes."""
    return "\n".join(_lines(file, firmware, part, spec, address)) + "\n"


def _lines(
    file: str, firmware: Firmware, part: Part, spec: str, address: int | None
) -> Iterator[str]:
    name = Path(file).stem
    first, end = firmware.span
    addresses = sectors_in(firmware, part)
    slot, size = _slot(addresses, firmware, part)
    yield f"# {name} on {part.name}: what its flash holds, and what must be so under any cut."
    yield "# Fill in, and take the # away, where a line says so: docs/reference/board-files.md"
    yield "#   mcu-updater firmware run THIS_FILE       boots it once"
    yield "#   mcu-updater firmware explore THIS_FILE   cuts its power everywhere"
    yield f"part = {quoted(spec)}"
    yield ""
    yield f"# The bootloader: {address_of(first)} to {address_of(end - 1)}. {_entry(firmware)}"
    yield "[[images]]"
    yield f"file = {quoted(file)}"
    if address is not None:
        yield f"address = {address_of(address)}"
    yield ""
    yield "# FILL IN: what a device in the field holds beside it. What runs today, the update, and"
    yield '# the flag that asks for it. "published" is what may run.'
    if addresses:
        yield "# Its code names these sectors:"
        yield from (f"#   {address_of(each)}" for each in addresses)
    yield "# [[images]]"
    yield '# name = "old"'
    yield '# file = "old.bin"              # ELF, HEX, S-records; plain bytes need an address'
    yield f"# address = {address_of(slot)}"
    yield "# published = true"
    yield "#"
    yield "# [[images]]"
    yield '# name = "new"'
    yield '# file = "new.bin"'
    staged = address_of(_staged(addresses, slot, size))
    yield f"# address = {staged}         # where the update waits"
    yield f"# runs_at = {address_of(slot)}         # where it runs"
    yield "# published = true"
    yield "#"
    yield "# [[images]]"
    yield '# name = "flag"'
    yield f"# address = {address_of(_flag(addresses, firmware, slot, part))}"
    yield '# words = [0x1234_5678, "size:new"]   # or hex = "...", text = "..."'
    yield ""
    yield "# CHECK: where applications run from. A boot is at rest as soon as code in it would run."
    yield "[[slots]]"
    yield 'name = "application"'
    yield f"address = {address_of(slot)}"
    yield f"size = {address_of(size)}"
    yield ""
    yield from _rest(firmware)
    yield from _machine(firmware, part)
    yield "[questions]"
    yield '# wanted = "new"                 # FILL IN: what must run in the end'
    yield '# never = ["older"]              # what must never run again: no rollback'
    yield f"untouched = [[{address_of(first)}, {address_of(end - first)}]]   # the bootloader"


def _entry(firmware: Firmware) -> str:
    first = firmware.images[0].data
    stack, entry = (int.from_bytes(first[at : at + 4], "little") for at in (0, 4))
    return f"Stack {address_of(stack)}, entry {firmware.symbols.name(entry & ~1)}."


def _machine(firmware: Firmware, part: Part) -> Iterator[str]:
    if not ram_of(part):
        top = int.from_bytes(firmware.images[0].data[:4], "little")
        yield "# CHECK: the RAM of this part, which is not known."
        yield "[machine]"
        yield f"ram = [[{address_of(_RAM)}, {address_of(max(top - _RAM, 1024))}]]"
        yield ""


def _rest(firmware: Firmware) -> Iterator[str]:
    found = list(dict.fromkeys(text_of(firmware)))[:_MOST]
    yield "# A text on a USART, or a pin that is driven, can end a boot, too."
    if found:
        yield "# Texts in the image:"
        yield from (f"#   {quoted(text)}" for text in found)
    yield "# [rest]"
    yield f"# texts = [{quoted(found[0] if found else 'ready')}]"
    yield '# pins = { PA5 = "high" }'
    yield ""


def text_of(firmware: Firmware) -> Iterator[str]:
    """Texts that end in a zero. Code may look like text: behind it one begins at a word."""
    for image in firmware.images:
        for found in _TEXT.finditer(image.data):
            begin = found.start()
            if begin and image.data[begin - 1]:
                begin = -(-begin // 4) * 4
            if found.end() - begin >= _LEAST:
                yield image.data[begin : found.end()].decode("ascii")


def sectors_in(firmware: Firmware, part: Part) -> list[int]:
    """Words of the image that are the first address of a sector outside of it, ascending."""
    first, end = firmware.span
    starts = {part.address_of(offset) for offset in part.sector_starts} - {part.base}
    words = {
        int.from_bytes(image.data[at : at + 4], "little")
        for image in firmware.images
        for at in range(0, len(image.data) - 3, 4)
    }
    return sorted(word for word in words & starts if not first <= word < end)[:_MOST]


def _slot(addresses: list[int], firmware: Firmware, part: Part) -> tuple[int, int]:
    """The named sector with most room up to the next one named, in the bootloader's bank."""
    bank_end = part.base + part.bank_size
    inside = [each for each in addresses if each < bank_end]
    if not inside:
        end = firmware.span[1]
        starts = (part.address_of(offset) for offset in part.sector_starts)
        behind = next((start for start in starts if start >= end), part.base)
        return behind, max(bank_end - behind, part.program_unit)
    rooms = zip(inside, [*inside[1:], bank_end], strict=True)
    size, slot = max((after - begin, -begin) for begin, after in rooms)
    return -slot, size


def _staged(addresses: list[int], slot: int, size: int) -> int:
    return next((each for each in addresses if each >= slot + size), slot + size)


def _flag(addresses: list[int], firmware: Firmware, slot: int, part: Part) -> int:
    end = -(-firmware.span[1] // part.program_unit) * part.program_unit
    return next((each for each in addresses if each < slot), end)
