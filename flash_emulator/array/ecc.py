"""Single error correction, double error detection over one program unit.

A Hsiao code: every column of the parity-check matrix has odd weight, so one wrong bit gives a
syndrome that is a column, two wrong bits one of even weight. Data of all zeros have check bits of
all zeros, which is what lets a consumed unit be overwritten with zeros (RM0440, X-CUBE-EEPROM).
ST's own matrix is not published; this one has its properties, not its bits.

Virgin flash, all bits 1, is no code word. RM0440, 5.3.4: "For a virgin data ... one error is
detected and corrected but two errors detection is not supported": ``decode`` treats a word with at
most two zeros as virgin flash.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache, reduce
from itertools import combinations
from operator import xor

from flash_emulator.compiled import mypyc_attr


class Verdict(Enum):
    """What the decoder thinks of a word. More than two wrong bits may pass for any of these."""

    CLEAN = "clean"
    CORRECTED = "corrected"
    DETECTED = "double error"


@dataclass(frozen=True, slots=True)
class Decoded:
    """*data* is meaningless when the verdict is DETECTED."""

    data: int
    verdict: Verdict


@mypyc_attr(allow_interpreted_subclasses=True, serializable=True)
class Code:
    """SECDED over *data_bits*, with *check_bits*: 64+8, 128+9 or 256+10."""

    def __init__(self, data_bits: int, check_bits: int) -> None:
        self.data_bits = data_bits
        self.check_bits = check_bits
        self.virgin = (1 << data_bits + check_bits) - 1
        self._data_mask = (1 << data_bits) - 1
        columns = _columns(data_bits, check_bits)
        self._position = {column: bit for bit, column in enumerate(columns)}
        self._tables = tuple(_byte_table(columns[bit : bit + 8]) for bit in range(0, data_bits, 8))

    def check(self, data: int) -> int:
        """Check bits of *data*."""
        bits = 0
        raw = data.to_bytes(self.data_bits // 8, "little")
        for table, byte in zip(self._tables, raw, strict=True):
            bits ^= table[byte]
        return bits

    def encode(self, data: int) -> int:
        """The whole word: data in the low bits, check bits above them."""
        return data | self.check(data) << self.data_bits

    def decode(self, word: int) -> Decoded:
        """What the flash interface makes of the bits that the cells give."""
        data = word & self._data_mask
        zeros = (self.virgin ^ word).bit_count()
        if zeros <= 1:
            verdict = Verdict.CORRECTED if zeros else Verdict.CLEAN
            return Decoded(self._data_mask, verdict)
        if zeros == 2:
            return Decoded(data, Verdict.CLEAN)
        return self._correct(data, word >> self.data_bits ^ self.check(data))

    def _correct(self, data: int, syndrome: int) -> Decoded:
        if syndrome == 0:
            return Decoded(data, Verdict.CLEAN)
        if syndrome.bit_count() == 1:  # a check bit
            return Decoded(data, Verdict.CORRECTED)
        position = self._position.get(syndrome)
        if position is None:
            return Decoded(data, Verdict.DETECTED)
        return Decoded(data ^ 1 << position, Verdict.CORRECTED)


@cache
def code_for(data_bits: int, check_bits: int) -> Code:
    """One code for all devices that use it."""
    return Code(data_bits, check_bits)


def _columns(data_bits: int, check_bits: int) -> list[int]:
    """Odd weights from 3 up; the first choice that keeps code words apart from virgin flash."""
    columns: list[int] = []
    for weight in range(3, check_bits + 1, 2):
        words = [sum(1 << row for row in rows) for rows in combinations(range(check_bits), weight)]
        missing = data_bits - len(columns)
        if missing > len(words):
            columns += words
            continue
        for shift in range(len(words)):
            chosen = [
                words[(i * len(words) // missing + shift) % len(words)] for i in range(missing)
            ]
            if _tells_from_virgin(columns + chosen, (1 << check_bits) - 1):
                return columns + chosen
    raise ValueError(f"{check_bits} check bits do not cover {data_bits} data bits")


def _tells_from_virgin(columns: list[int], all_rows: int) -> bool:
    """Whether no code word has exactly one zero: it would be read as virgin flash.

    The syndrome of virgin flash says how far the next code word is: one bit when it is a column.
    """
    syndrome = reduce(xor, columns) ^ all_rows
    return syndrome.bit_count() != 1 and syndrome not in columns


def _byte_table(columns: list[int]) -> tuple[int, ...]:
    return tuple(
        reduce(xor, (column for bit, column in enumerate(columns) if byte >> bit & 1), 0)
        for byte in range(256)
    )
