"""What flash operations had to do with: before a cut, after it, and as it may read.

Nothing here is a look of the boot: cells are seen as the bench sees them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

from flash_emulator.array.ecc import Decoded, Verdict
from flash_emulator.array.pages import Mark, RawUnit
from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.device.sensing import MetastableMode
from flash_emulator.device.trace import Operation
from flash_emulator.explore.read_choice import ReadChoice
from flash_emulator.moment import Reading, Touched, Units
from flash_emulator.parts.part_model import BadRead

_ALL_BITS = 8  # of a unit, whose every combination is gone through
_DRAWN = 64  # combinations of more
_MOST_UNITS = 4096  # of a sector
_SHOWN_BYTES = 16


@dataclass(frozen=True, slots=True)
class Target:
    """Of an operation that is about to be cut: *address* is physical, *offset* in the array."""

    kind: str
    address: int
    offset: int
    size: int
    written: bytes
    before: str


def target_of(flash: EmulatedFlash, operation: Operation, index: int) -> Target:
    """What unit *index* of *operation*, or the one thing that it does, will touch."""
    unit, part = flash.part.program_unit, flash.part
    if operation.kind == "options":
        before = _options(flash, operation.data)
        return Target("options", operation.address, 0, 0, operation.data, before)
    address = operation.address + index * unit if operation.kind == "program" else operation.address
    offset = flash.array_offset(address)
    written, size = b"", part.sector_starts.get(offset, unit)
    match operation.kind:
        case "program":
            size, written = unit, operation.data[index * unit : (index + 1) * unit]
        case "bank erase":
            size = part.bank_size
        case "mass erase":
            offset, size = 0, part.size
    is_unit = operation.kind == "program"
    before = _unit(flash, offset) if is_unit else _sectors(flash, offset, size)
    return Target(operation.kind, address, offset, size, written, before)


def touched(flash: EmulatedFlash, target: Target, read_choice: ReadChoice | None) -> Touched:
    """What the cut has left. *read_choice*: how the boot that follows reads; None: that is not
    known. Weak bits are taken for metastable from that boot on, as searches take them."""
    common = (target.kind, target.address, target.size, target.written, target.before)
    if target.kind == "options":
        return Touched(*common, after=_options(flash, target.written))
    unit = flash.part.program_unit
    if target.kind == "program":
        number = target.offset // unit
        found = readings(flash, number, read_choice)
        return Touched(
            *common,
            after=_unit(flash, target.offset),
            readings=found,
            doubtful=_doubtful(flash, number).bit_count(),
        )
    after = _sectors(flash, target.offset, target.size)
    return Touched(*common, after=after, units=_classes(flash, target, read_choice))


# --- one unit


def _raw(flash: EmulatedFlash, unit: int) -> RawUnit | None:
    return flash.cells.raw(unit) if flash.cells.mark(unit) is Mark.RAW else None


def _doubtful(flash: EmulatedFlash, unit: int) -> int:
    """Bits that may read either way, now or later."""
    raw = _raw(flash, unit)
    return 0 if raw is None else raw.metastable | raw.fading[0] | raw.fading[1] | raw.fading[2]


def _unit(flash: EmulatedFlash, offset: int) -> str:
    """What it holds, in words."""
    number = offset // flash.part.program_unit
    match flash.cells.mark(number):
        case Mark.VIRGIN:
            return "erased"
        case Mark.UNKNOWN:
            return "nothing that any boot looks at"
        case Mark.PROGRAMMED:
            return _hex(flash.cells.peek(offset, flash.part.program_unit))
    raw, bits = _raw(flash, number), _doubtful(flash, number)
    assert raw is not None
    held = flash.cells.decode(raw, 0)
    words = [
        _hex(_data(flash, held))
        if held.verdict is not Verdict.DETECTED
        else "no code word of the ECC"
    ]
    if bits:
        words.append(f"{bits.bit_count()} bits that read one way now and the other way then")
    if not bits and held.verdict is Verdict.CORRECTED:
        words.append("one bit wrong, which the ECC mends")
    if raw.consumed and held.data == (1 << 8 * flash.part.program_unit) - 1:
        words.append("it reads as erased, and is not")
    if raw.marginal:
        words.append("what is programmed into it will be weak")
    return "; ".join(words)


def readings(
    flash: EmulatedFlash, unit: int, read_choice: ReadChoice | None = None
) -> tuple[Reading, ...]:
    """All that a read of *unit* may give, as long as no operation touches it; what the next boot
    reads comes first. Empty where nothing is known of it."""
    raw = _raw(flash, unit)
    if raw is None:
        if flash.cells.mark(unit) is Mark.UNKNOWN:
            return ()
        size = flash.part.program_unit
        return (Reading(flash.cells.peek(unit * size, size), is_next=True),)
    bits = _doubtful(flash, unit)
    is_all = bits.bit_count() <= _ALL_BITS
    counts: dict[Reading, int] = {}
    for flips in _combinations(bits):
        found = _reading(flash, raw, flips)
        counts[found] = counts.get(found, 0) + 1
    next_flips = _next_flips(unit, bits, read_choice)
    following = None if next_flips is None else _reading(flash, raw, next_flips)
    if following is not None:
        counts.setdefault(following, 0)
    every = [
        Reading(each.data, each.error, each.is_corrected, count if is_all else 0, each == following)
        for each, count in counts.items()
    ]
    return tuple(sorted(every, key=lambda each: (not each.is_next, -each.ways)))


def _combinations(bits: int) -> Iterator[int]:
    """Every subset of *bits*; where they are many, none, all, each by itself, and some drawn."""
    places = [place for place in range(bits.bit_length()) if bits >> place & 1]
    if len(places) <= _ALL_BITS:
        for number in range(1 << len(places)):
            yield sum(1 << at for index, at in enumerate(places) if number >> index & 1)
        return
    yield from (0, bits, *(1 << place for place in places))
    chance = random.Random(bits)  # noqa: S311
    for _ in range(_DRAWN):
        yield chance.getrandbits(bits.bit_length()) & bits


def _next_flips(unit: int, bits: int, read_choice: ReadChoice | None) -> int | None:
    """Bits that read the opposite of the cells' last stable state in the boot that follows; None
    where that is drawn, or turns."""
    if read_choice is None:
        return None if bits else 0
    match read_choice.metastable_mode:
        case MetastableMode.STABLE:
            return bits if unit in read_choice.flips else 0
        case MetastableMode.FLIPPED:
            return bits
    return None if bits else 0


def _reading(flash: EmulatedFlash, raw: RawUnit, flips: int) -> Reading:
    word = raw.word ^ flips
    code = flash.cells.code
    decoded = code.decode(word) if code else Decoded(word, Verdict.CLEAN)
    if decoded.verdict is Verdict.DETECTED:
        is_fault = flash.part.read_of_bad_unit is BadRead.BUS_ERROR
        return Reading(error=f"double ECC error: {'bus fault' if is_fault else 'NMI'}")
    return Reading(_data(flash, decoded), is_corrected=decoded.verdict is Verdict.CORRECTED)


def _data(flash: EmulatedFlash, decoded: Decoded) -> bytes:
    return decoded.data.to_bytes(flash.part.program_unit, "little")


def _hex(data: bytes) -> str:
    more = f" and {len(data) - _SHOWN_BYTES} more bytes" if len(data) > _SHOWN_BYTES else ""
    return data[:_SHOWN_BYTES].hex(" ") + more


# --- sectors


def _sectors(flash: EmulatedFlash, offset: int, size: int) -> str:
    """How many units are erased, programmed, and touched by a cut."""
    unit = flash.part.program_unit
    marks = flash.cells.marks(offset // unit, size // unit)
    counts = {
        "erased": marks.count(Mark.VIRGIN),
        "programmed": marks.count(Mark.PROGRAMMED),
        "spoilt by a cut": marks.count(Mark.RAW),
        "that no boot looks at": marks.count(Mark.UNKNOWN),
    }
    total = len(marks)
    found = [f"{count:,} {name}" for name, count in counts.items() if count]
    if len(found) == 1:
        return f"{total:,} units of {unit} bytes, all {next(n for n, c in counts.items() if c)}"
    return f"{total:,} units of {unit} bytes: {', '.join(found)}"


def _classes(
    flash: EmulatedFlash, target: Target, read_choice: ReadChoice | None
) -> tuple[Units, ...]:
    """Units that a cut erase has spoilt, by how they read; one of each kind with its readings."""
    unit, counts = flash.part.program_unit, dict[str, int]()
    first: dict[str, int] = {}
    begin, units = target.offset // unit, target.size // unit
    for number in range(begin, begin + min(units, _MOST_UNITS)):
        if flash.cells.mark(number) is Mark.RAW:
            what = _class(flash, number)
            counts[what] = counts.get(what, 0) + 1
            first.setdefault(what, number)
    return tuple(
        Units(
            what,
            count,
            target.address + (first[what] - begin) * unit,
            readings(flash, first[what], read_choice),
        )
        for what, count in sorted(counts.items(), key=lambda each: -each[1])
    )


def _class(flash: EmulatedFlash, number: int) -> str:
    raw, bits = _raw(flash, number), _doubtful(flash, number)
    assert raw is not None
    if bits:
        return "read one way now and another way then"
    found = _reading(flash, raw, 0)
    if found.error:
        return f"give a {found.error}"
    if found.data == b"\xff" * len(found.data):
        return "read as erased, and are not"
    return "read other data"


def _options(flash: EmulatedFlash, changed: bytes) -> str:
    """Those that the operation changes, as they are programmed."""
    options, names = flash.options, sorted(json.loads(changed))
    shown = ", ".join(f"{name}={options.programmed.get(name)}" for name in names)
    if options.mismatch:
        shown += "; they fail their check, and the next load takes what the manual has for that"
    spoilt = options.spoiled.intersection(names)
    return f"{shown}; spoilt: {', '.join(sorted(spoilt))}" if spoilt else shown
