"""Which flashes stand for each other: all is equal but where in its trailer a journal stands.

A search holds states against their representatives with this (``Subject.canonical``). It looks at
cells, and does not ask the journal, whose code is under test.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from hashlib import blake2b

from flash_emulator import EmulatedFlash
from mcu_updater.core.journal import CRC_AT, HEADER_SIZE, TURN_AT, TURNS, decode_header
from mcu_updater.powerloss.equivalence.rotation import is_settled
from mcu_updater.powerloss.equivalence.trailers import Half, Trailer

_TURN_AND_CRC = (TURN_AT, *range(CRC_AT, CRC_AT + 4))


def canonical(flash: EmulatedFlash, trailers: Sequence[Trailer]) -> Hashable:
    """Equal for flashes that differ only in turns and in the order of the halves of a trailer.

    Of two headers it stays told which one has the later turn, and by how much; not where one is
    settled, for the turn is asked for only where none is.
    """
    rest = flash.fork()
    for trailer in trailers:
        for half in trailer:
            rest.cells.forget(half.offset, half.end - half.offset)
    return rest.digest(), *(_trailer(flash, trailer) for trailer in trailers)


def kind(one: EmulatedFlash, other: EmulatedFlash, trailers: Sequence[Trailer]) -> Hashable:
    """Of *one* and its representative: which trailers stand elsewhere, and what is in them."""
    return tuple(_kind(one, trailer) for trailer in trailers if _is_turned(one, other, trailer))


def _is_turned(one: EmulatedFlash, other: EmulatedFlash, trailer: Trailer) -> bool:
    places = [(half.offset, HEADER_SIZE) for half in trailer]
    return any(one.cells.raw_data(*at) != other.cells.raw_data(*at) for at in places)


def _kind(flash: EmulatedFlash, trailer: Trailer) -> Hashable:
    return tuple((_turn(flash, half) is None, is_settled(flash, half)) for half in trailer)


def _trailer(flash: EmulatedFlash, trailer: Trailer) -> Hashable:
    turns = [_turn(flash, half) for half in trailer]
    first, second = (
        _cells(flash, half, turned=turn is not None)
        for half, turn in zip(trailer, turns, strict=True)
    )
    if turns[0] is None or turns[1] is None or any(is_settled(flash, half) for half in trailer):
        return min((first, second), (second, first), key=repr)
    ahead = (turns[1] - turns[0]) % TURNS
    other = -ahead % TURNS
    return min((first, second, ahead), (second, first, other), key=repr)


def _turn(flash: EmulatedFlash, half: Half) -> int | None:
    """Of its header, as its last stable state has it; None where there is none."""
    raw = flash.cells.raw_data(half.offset, HEADER_SIZE)
    return None if decode_header(raw) is None else raw[TURN_AT]


def _cells(flash: EmulatedFlash, half: Half, *, turned: bool) -> Hashable:
    """What they hold, units counted from the half's first; *turned*: but for turn and CRC."""
    cells, size = flash.cells, flash.part.program_unit
    first, count = half.offset // size, (half.end - half.offset) // size
    data = bytearray(cells.raw_data(half.offset, count * size))
    if turned:
        data[TURN_AT] = 0
        data[CRC_AT : CRC_AT + 4] = bytes(4)
    places = (*_TURN_AND_CRC,) if turned else ()
    raw = tuple(
        (unit - first, _raw(flash, unit, [at for at in places if at // size == unit - first]))
        for unit in cells.raw_units(half.offset, len(data))
    )
    held = tuple(
        (unit - first, tuple(sorted(slices)))
        for unit, slices in cells.excluded(half.offset, len(data)).items()
    )
    digest = blake2b(data + cells.marks(first, count), digest_size=16).digest()
    return digest, raw, held


def _raw(flash: EmulatedFlash, unit: int, but: Sequence[int]) -> Hashable:
    """Its cells; where some bytes do not count, without these and without the check bits.

    Then it is told how many bits are metastable there: none, one that an ECC corrects, or more.
    """
    raw = flash.cells.raw(unit)
    assert raw is not None
    mask = (1 << flash.cells.word_bits) - 1
    if but:
        size = flash.part.program_unit
        mask = (1 << 8 * size) - 1
        for at in but:
            mask &= ~(0xFF << 8 * (at % size))
    unsure = min((raw.metastable & ~mask).bit_count(), 2)
    fading = tuple(bits & mask for bits in raw.fading)
    return raw.word & mask, raw.metastable & mask, unsure, fading, raw.consumed, raw.marginal
