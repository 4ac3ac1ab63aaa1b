"""As much of Thumb as coverage needs: how long an instruction is, and where it may branch.

Encodings are those of the Armv7-M Architecture Reference Manual, A5 and A7.7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

_ALWAYS = 14  # conditions from here on are none
_MOST_GUARDED = 4  # instructions of an IT block


@dataclass(frozen=True, slots=True)
class Instruction:
    """*target*: where a conditional branch leads when it is taken; None for all others.

    *guards*: of an IT instruction, for each that it guards, whether that is executed where the
    condition holds; *condition*: of an IT instruction, Armv7-M ARM A7.3. *literal*: the word that
    is loaded relative to PC. *is_table*: a branch by a table (TBB, TBH).
    """

    address: int
    size: int
    target: int | None = None
    guards: tuple[bool, ...] = ()
    condition: int = _ALWAYS
    literal: int | None = None
    is_table: bool = False

    @property
    def end(self) -> int:
        return self.address + self.size


def decode(address: int, half_word: Callable[[int], int | None]) -> Instruction | None:
    """The instruction at *address*; None where there are no bytes."""
    first = half_word(address)
    if first is None:
        return None
    if first >> 11 not in (0b11101, 0b11110, 0b11111):
        return _narrow(address, first)
    second = half_word(address + 2)
    return None if second is None else _wide(address, first, second)


def _narrow(address: int, word: int) -> Instruction:
    if word >> 12 == 0b1101 and (word >> 8 & 0xF) < _ALWAYS:  # B<c>, T1
        return Instruction(address, 2, _ahead(address, _signed(word & 0xFF, 8) * 2))
    if word & 0xF500 == 0xB100:  # CBZ, CBNZ
        offset = (word >> 9 & 1) << 6 | (word >> 3 & 0x1F) << 1
        return Instruction(address, 2, _ahead(address, offset))
    if word & 0xFF00 == 0xBF00 and word & 0xF:
        return Instruction(address, 2, guards=_guards(word), condition=word >> 4 & 0xF)
    if word >> 11 == 0b01001:  # LDR (literal), T1
        return Instruction(address, 2, literal=(address + 4 & ~3) + (word & 0xFF) * 4)
    return Instruction(address, 2)


def _wide(address: int, first: int, second: int) -> Instruction:
    if first >> 11 == 0b11110 and second & 0xD000 == 0x8000 and (first >> 7 & 7) != 7:  # B<c>, T3
        sign, one, two = first >> 10 & 1, second >> 13 & 1, second >> 11 & 1
        high = sign << 19 | two << 18 | one << 17 | (first & 0x3F) << 11 | second & 0x7FF
        return Instruction(address, 4, _ahead(address, _signed(high, 20) * 2))
    if first & 0xFFF0 == 0xE8D0 and second & 0xFFE0 == 0xF000:  # TBB, TBH
        return Instruction(address, 4, is_table=True)
    if first & 0xFF7F == 0xF85F:  # LDR (literal), T2
        offset = second & 0xFFF
        sign = 1 if first & 0x80 else -1
        return Instruction(address, 4, literal=(address + 4 & ~3) + sign * offset)
    return Instruction(address, 4)


def _guards(word: int) -> tuple[bool, ...]:
    """The mask has for each guarded instruction behind the first the lowest bit of its condition;
    a one behind them ends it."""
    mask, lowest = word & 0xF, word >> 4 & 1
    count = _MOST_GUARDED - (mask & -mask).bit_length() + 1
    rest = (mask >> 3 - index & 1 == lowest for index in range(count - 1))
    return (True, *rest)


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


def _ahead(address: int, offset: int) -> int:
    return address + 4 + offset & 0xFFFF_FFFF


def holds(condition: int, xpsr: int) -> bool:
    """Whether *condition* holds with the flags of *xpsr*; Armv7-M ARM A7.3."""
    negative, zero, carry, overflow = (bool(xpsr >> bit & 1) for bit in (31, 30, 29, 28))
    plain = (
        zero,
        carry,
        negative,
        overflow,
        carry and not zero,
        negative == overflow,
        not zero and negative == overflow,
        True,
    )[condition >> 1]
    return plain != bool(condition & 1) if condition < _ALWAYS else True


def sweep(
    begin: int, end: int, half_word: Callable[[int], int | None], is_data: Callable[[int], bool]
) -> Iterator[Instruction]:
    """Instructions from *begin* to *end*, one behind the other; words that were loaded relative to
    PC, and what *is_data*, are none."""
    literals, at = set[int](), begin
    while at < end:
        if is_data(at) or at & ~3 in literals:
            at += 2
            continue
        found = decode(at, half_word)
        if found is None or found.end > end:
            return
        if found.literal is not None:
            literals.add(found.literal & ~3)
        yield found
        at = found.end
