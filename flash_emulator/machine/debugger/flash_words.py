"""Flash in words: sectors by signs, and units with what a cut has left of them."""

from __future__ import annotations

from collections.abc import Iterator

from flash_emulator.array.ecc import Verdict
from flash_emulator.array.pages import Mark, RawUnit
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.machine.symbols import shown
from flash_emulator.parts.part_model import BadRead
from flash_emulator.player import sector_signs

_WIDTH = 64
LEGEND = ". erased   # programmed   + some units programmed   ! a cut has left its mark"
_MARKS = {
    Mark.VIRGIN: "erased, and nothing programmed since",
    Mark.PROGRAMMED: "programmed, check bits as they should be",
    Mark.UNKNOWN: "unknown: no boot of this path looks at it",
}


def sector_lines(flash: EmulatedFlash) -> Iterator[str]:
    """A sign for each sector, in lines with the address of the first, as the CPU sees it."""
    signs, unit = sector_signs(flash), flash.cells.unit
    starts = list(flash.part.sector_starts)
    per_bank = len(flash.part.sector_sizes)
    yield LEGEND
    for bank in range(0, len(signs), per_bank):
        for at in range(bank, min(bank + per_bank, len(signs)), _WIDTH):
            stop = min(at + _WIDTH, bank + per_bank)
            yield f"{shown(flash.address_of(starts[at] // unit))}  {signs[at:stop]}"


def spoilt_units(flash: EmulatedFlash) -> list[int]:
    """Those that are not plain: what cuts, overwrites and flipped bits have left."""
    return flash.cells.peek_raw_units(0, flash.part.size)


def spoilt_lines(flash: EmulatedFlash, most: int) -> Iterator[str]:
    """One line for each of the first *most*."""
    units = spoilt_units(flash)
    yield f"{len(units)} units are not plain" if units else "all units are plain"
    for unit in units[:most]:
        yield f"  {shown(flash.address_of(unit))}  {read_in_words(flash, unit)}"
    if len(units) > most:
        yield f"  and {len(units) - most} more; monitor flash ADDRESS shows one"


def unit_lines(flash: EmulatedFlash, address: int) -> Iterator[str]:
    """All that is known of the unit at *address*. AlignmentError where there is none."""
    unit = flash.unit_at(address)
    size, mark = flash.cells.unit, flash.cells.mark(unit)
    yield f"unit 0x{unit:x}, {size} bytes at {shown(flash.address_of(unit))}"
    raw = flash.cells.raw(unit) if mark is Mark.RAW else None
    if raw is None:
        yield f"  {_MARKS[mark]}"
        if mark is not Mark.UNKNOWN:
            yield f"  reads  {_data(flash.peek(flash.address_of(unit), size))}"
        return
    yield from _raw_lines(flash, unit, raw)


def _raw_lines(flash: EmulatedFlash, unit: int, raw: RawUnit) -> Iterator[str]:
    digits = -(-flash.cells.word_bits // 4)
    above = ", check bits above the data" if flash.cells.code else ""
    yield f"  cells  0x{raw.word:0{digits}x}{above}"
    if raw.metastable:
        yield f"  metastable bits  0x{raw.metastable:0{digits}x}: they may read either way"
    for power_ons, bits in enumerate(raw.fading, 1):
        if bits:
            yield f"  weak bits  0x{bits:0{digits}x}: metastable after {power_ons} power-ons"
    yield f"  {read_in_words(flash, unit)}"
    decoded = flash.peek_unit(unit)
    if decoded is not None and decoded.verdict is not Verdict.DETECTED:
        yield f"  reads  {_data(decoded.data.to_bytes(flash.cells.unit, 'little'))}"
    if raw.consumed and flash.cells.code:
        yield "  it counts as programmed: the controller takes no other program before an erase"
    if raw.marginal:
        yield "  it takes a program, and what it takes is weak"


def read_in_words(flash: EmulatedFlash, unit: int) -> str:
    """What a read of a unit that is not plain comes to."""
    raw, decoded = flash.cells.raw(unit), flash.peek_unit(unit)
    assert raw is not None and decoded is not None
    if decoded.verdict is Verdict.DETECTED:
        is_bus_error = flash.part.read_of_bad_unit is BadRead.BUS_ERROR
        found = f"double ECC error: a read raises {'a bus error' if is_bus_error else 'NMI'}"
    elif decoded.verdict is Verdict.CORRECTED:
        found = "one bit is wrong, and ECC corrects it"
    else:
        found = "it reads well" if flash.cells.code else "it reads as its cells are"
    if raw.metastable:
        found += "; metastable"
    elif any(raw.fading):
        found += "; weak"
    return found


def _data(data: bytes) -> str:
    words = [data[at : at + 4][::-1].hex() for at in range(0, len(data), 4)]
    return " ".join(words)
