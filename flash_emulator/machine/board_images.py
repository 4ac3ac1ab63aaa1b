"""The images of a board file: their bytes, where they lie, where they run."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from flash_emulator.machine.board import Image
from flash_emulator.machine.board_model import ImageTable
from flash_emulator.machine.debug_info.of_board import Program
from flash_emulator.machine.fault_collection import Faults
from flash_emulator.machine.image_files import Firmware, ImageFault, read_firmware
from flash_emulator.machine.symbols import Symbols, shown
from flash_emulator.machine.toml_lines import Place
from flash_emulator.parts.part import Part

_KINDS = ("file", "hex", "words", "text")


@dataclass(frozen=True, slots=True)
class PlacedImage:
    """One table of ``[[images]]``. *pieces*: as they lie in flash; *run*: whole, where it runs."""

    place: Place
    table: ImageTable
    pieces: tuple[Image, ...]
    run: Image
    firmware: Firmware | None = None

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def span(self) -> tuple[int, int]:
        """First address in flash, and the one behind the last."""
        return self.pieces[0].address, max(i.address + len(i.data) for i in self.pieces)


def read_images(
    tables: Sequence[ImageTable], folder: Path, part: Part, faults: Faults
) -> list[PlacedImage]:
    """All that can be read; *faults* are told of the rest. Words may speak of other images."""
    found: dict[int, PlacedImage] = {}
    later: list[int] = []
    for index, table in enumerate(tables):
        if not _has_one_kind(index, table, faults):
            continue
        if table.words is not None and any(isinstance(word, str) for word in table.words):
            later.append(index)
            continue
        _keep(found, index, _read(index, table, folder, part, faults))
    known = {image.name: image.run.data for image in found.values()}
    for index in later:
        data = _words(index, tables[index], known, faults)
        if data is not None:
            _keep(found, index, _of_bytes(index, tables[index], data, faults))
    images = [found[index] for index in sorted(found)]
    _check(images, part, faults)
    return images


def _keep(found: dict[int, PlacedImage], index: int, image: PlacedImage | None) -> None:
    if image is not None:
        found[index] = image


def _has_one_kind(index: int, table: ImageTable, faults: Faults) -> bool:
    given = [kind for kind in _KINDS if getattr(table, kind) is not None]
    if len(given) != 1:
        expected = f"one of {', '.join(_KINDS)}"
        faults.add(("images", index), "has no bytes of its own", expected, " and ".join(given))
    return len(given) == 1


def _read(
    index: int, table: ImageTable, folder: Path, part: Part, faults: Faults
) -> PlacedImage | None:
    if table.file is not None:
        return _of_file(index, table, folder / table.file, part, faults)
    if table.hex is not None:
        return _of_bytes(index, table, bytes.fromhex(table.hex), faults)
    if table.text is not None:
        return _of_bytes(index, table, table.text.encode(), faults)
    assert table.words is not None
    data = b"".join(word.to_bytes(4, "little") for word in table.words)
    return _of_bytes(index, table, data, faults)


def _words(index: int, table: ImageTable, known: dict[str, bytes], faults: Faults) -> bytes | None:
    assert table.words is not None
    data = b""
    for at, word in enumerate(table.words):
        if isinstance(word, str):
            kind, _, name = word.partition(":")
            if name not in known:
                place = ("images", index, "words", at)
                faults.add(place, "speaks of no image", _one_of(known), name)
                return None
            word = len(known[name]) if kind == "size" else zlib.crc32(known[name])
        data += word.to_bytes(4, "little")
    return data


def _of_bytes(index: int, table: ImageTable, data: bytes, faults: Faults) -> PlacedImage | None:
    if table.address is None and (table.in_flash or table.runs_at is None):
        faults.add(("images", index), "has no address", "address = 0x...")
        return None
    address = table.runs_at if table.address is None else table.address
    assert address is not None
    name = table.name or f"image {index + 1}"
    run = Image(name, address if table.runs_at is None else table.runs_at, data, table.vectors)
    return PlacedImage(("images", index), table, (Image(name, address, data),), run)


def _of_file(
    index: int, table: ImageTable, path: Path, part: Part, faults: Faults
) -> PlacedImage | None:
    place = ("images", index)
    start = table.address if table.address is not None else table.runs_at
    try:
        firmware = read_firmware(path, part, start)
    except OSError as error:
        faults.add((*place, "file"), "cannot be read", "", f"{path}: {error.strerror or error}")
        return None
    except ImageFault as fault:
        faults.add((*place, "file"), f"{table.file}, {fault.where}", fault.expected, fault.found)
        return None
    name = table.name or path.stem
    run = replace(firmware.whole(name), vectors=table.vectors)
    shift = 0 if table.address is None else table.address - run.address
    pieces = tuple(
        Image(name, piece.address + shift, piece.data)
        for piece in sorted(firmware.images, key=lambda piece: piece.address)
    )
    if table.runs_at is not None:
        run = replace(run, address=table.runs_at)
    return PlacedImage(place, table, pieces, run, firmware)


# --- checks of all together


def _check(images: Sequence[PlacedImage], part: Part, faults: Faults) -> None:
    names: dict[str, PlacedImage] = {}
    for image in images:
        if names.setdefault(image.name, image) is not image:
            place = (*image.place, "name")
            faults.add(place, "a name stands twice", "each name once", image.name)
        _check_in_flash(image, part, faults)
        if image.table.vectors + 8 > len(image.run.data) and image.table.published:
            what = "a published image needs a vector table"
            faults.add(image.place, what, "8 bytes or more", f"{len(image.run.data)}")
    _check_overlaps(images, part, faults)


def _check_in_flash(image: PlacedImage, part: Part, faults: Faults) -> None:
    first, last = part.base, part.bank_starts[-1] + part.bank_size
    flash = f"flash of {part.name}, {shown(first)} to {shown(last - 1)}"
    begin, end = image.span
    if image.table.in_flash and (begin < first or end > last):
        key = (*image.place, "address")
        faults.add(key, "lies elsewhere", flash, f"{shown(begin)} to {shown(end - 1)}")
    begin, end = image.run.address, image.run.address + len(image.run.data)
    if image.table.published and (begin < first or end > last):
        key = (*image.place, "runs_at")
        faults.add(key, "runs elsewhere", flash, f"{shown(begin)} to {shown(end - 1)}")


def _check_overlaps(images: Sequence[PlacedImage], part: Part, faults: Faults) -> None:
    pieces = sorted(_occupied(images, part.program_unit), key=lambda piece: piece[0])
    for (_, end, one), (begin, _, other) in pairwise(pieces):
        if begin < end:
            later = max(one, other, key=lambda image: image.place[-1])
            first = one if later is other else other
            unit = f"program units of {part.program_unit} bytes"
            what = f"overlaps {first.name!r} at {shown(begin)}"
            faults.add(later.place, what, f"{unit} of its own")


def _occupied(images: Sequence[PlacedImage], unit: int) -> Iterator[tuple[int, int, PlacedImage]]:
    for image in images:
        if image.table.in_flash:
            for piece in image.pieces:
                end = piece.address + len(piece.data)
                yield piece.address // unit * unit, -(-end // unit) * unit, image


# --- what they say of themselves


def programs_of(images: Sequence[PlacedImage], folder: Path, faults: Faults) -> tuple[Program, ...]:
    """Images with an ELF file that describes them where they run: *elf*, or the file itself."""
    found = []
    for image in images:
        name = image.table.elf or image.table.file
        if image.table.elf is not None and not (folder / name).is_file():  # type: ignore[operator]
            key, place = (*image.place, "elf"), f"{folder / image.table.elf}"
            faults.add(key, "cannot be read", "an ELF file", f"{place}: no such file")
        elif name is not None and image.table.runs_at is None and image.firmware is not None:
            pieces = tuple((piece.address, piece.data) for piece in image.firmware.images)
            found.append(Program(image.name, folder / name, pieces))
    return tuple(found)


def symbols_of(images: Sequence[PlacedImage]) -> Symbols:
    """Of all files that run where they are linked, and where no other image does: names must not
    be those of another version, or of another program that takes the same RAM for its code."""
    known = [
        image.firmware.symbols
        for image in images
        if image.firmware is not None and image.table.runs_at is None
        if not any(_share(image.run, other.run) for other in images if other is not image)
    ]
    every = [image.firmware.symbols for image in images if image.firmware is not None]
    functions = (
        each
        for symbols in known
        for each in symbols.functions
        if not any(other.names_in(*each[:2]) for other in every if other is not symbols)
    )
    return Symbols.of(functions, (each for symbols in known for each in symbols.objects))


def _share(one: Image, other: Image) -> bool:
    """Whether other code may run at the same addresses."""
    ends = one.address + len(one.data), other.address + len(other.data)
    return one.data != other.data and one.address < ends[1] and other.address < ends[0]


def stack_floor_of(images: Sequence[PlacedImage], slots: Sequence[range]) -> int | None:
    """The address behind all static data of what is executed: all that does not lie in *slots*,
    where boots end. None where one of those does not say."""
    floors: list[int | None] = []
    for image in images:
        runs = image.run.address
        if not any(runs in slot for slot in slots) and (
            image.table.published or (image.firmware is not None and image.firmware.entry)
        ):
            floors.append(image.firmware.stack_floor if image.firmware is not None else None)
    known = [floor for floor in floors if floor is not None]
    return max(known) if known and len(known) == len(floors) else None


def _one_of(names: Sequence[str] | dict[str, bytes]) -> str:
    return f"one of {', '.join(map(repr, names))}" if names else "an image with bytes of its own"
