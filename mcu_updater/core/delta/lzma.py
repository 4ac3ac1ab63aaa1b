"""LZMA, the host profile: range coding with adaptive bits, so the memory is small and its state can
be kept.

The standard library's decoder cannot be asked for its state, so an upgrade that was cut would have
to read the whole patch again. This one can. It is slow by the byte that comes in, not by the byte
that goes out, and patches are short.

Head, 13 bytes: properties (lc + 9 * (lp + 5 * pb)), dictionary size, uncompressed size, which must
be all FF: unknown, an end marker follows.

Source: LZMA specification by Igor Pavlov (public domain), lzma-specification.txt, 2015-06-14.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from typing import Final, NoReturn, Self

from mcu_updater.core.delta.errors import DeltaRejected
from mcu_updater.core.delta.history import History

HEAD_SIZE: Final = 13
PIECE: Final = 4096

_HEAD: Final = struct.Struct("<BIQ")
_STATE: Final = struct.Struct("<13sIIBIIIIIBBB")
_UNKNOWN_SIZE: Final = (1 << 64) - 1
_SYMBOL_MAX: Final = 20  # bytes that one symbol can take
_RANGE_START: Final = 5  # bytes that the range coder begins with
_END_DISTANCE: Final = 0xFFFF_FFFF

# Where the adaptive bits of each kind begin; sizes as in the specification.
_STATES: Final = 12
_POSITIONS: Final = 16
_IS_MATCH: Final = 0
_IS_REP: Final = _IS_MATCH + _STATES * _POSITIONS
_IS_REP_G0: Final = _IS_REP + _STATES
_IS_REP_G1: Final = _IS_REP_G0 + _STATES
_IS_REP_G2: Final = _IS_REP_G1 + _STATES
_IS_REP0_LONG: Final = _IS_REP_G2 + _STATES
_SLOT: Final = _IS_REP0_LONG + _STATES * _POSITIONS
_SPECIAL: Final = _SLOT + 4 * 64
_ALIGN: Final = _SPECIAL + 1 + 128 - 14
_LENGTH: Final = _ALIGN + 16
_LENGTH_SIZE: Final = 2 + 2 * 16 * 8 + 256
_REP_LENGTH: Final = _LENGTH + _LENGTH_SIZE
_LITERAL: Final = _REP_LENGTH + _LENGTH_SIZE
_LITERAL_SIZE: Final = 0x300
_EVEN: Final = 1 << 10  # an adaptive bit that has seen nothing


def _reject(what: str, expected: str, found: str) -> NoReturn:
    raise DeltaRejected(what, where="LZMA stream", expected=expected, found=found)


class LzmaDecoder:
    """Bytes in, bytes out. Memory: the dictionary, and 2 bytes for each adaptive bit."""

    HEAD_SIZE: Final = HEAD_SIZE

    def __init__(self, head: bytes) -> None:
        self._head = head
        properties, window, size = _HEAD.unpack(head)
        self.window: int = window
        if properties >= 9 * 5 * 5 or size != _UNKNOWN_SIZE:
            _reject("head is impossible", "known properties, size unknown", head.hex())
        self._lc = properties % 9
        self._lp = properties // 9 % 5
        self._pb_mask = (1 << properties // 45) - 1
        if self._lc + self._lp > 4:
            _reject("head is impossible", "lc + lp of at most 4", f"{self._lc} + {self._lp}")
        literals = _LITERAL_SIZE << self._lc + self._lp
        self._odds = array("H", [_EVEN]) * (_LITERAL + literals)
        self._history = History(self.window)
        self._range = 0xFFFF_FFFF
        self._code = 0
        self._state = 0
        self._reps = [0, 0, 0, 0]  # the last distances, each less 1
        self._made = 0  # bytes given out, modulo 4 GiB: its low bits count
        self._last = 0  # the last byte given out
        self._started = False
        self._ended = False
        self._input = b""
        self._at = 0

    @property
    def largest_state(self) -> int:
        return _STATE.size + _SYMBOL_MAX + 2 * len(self._odds) + self.window

    def feed(self, data: bytes, last: bool) -> Iterator[bytes]:
        """Decompress *data*; *last* says that nothing follows it. Gives out pieces.

        Keeps less than 20 bytes back, so that no symbol is begun that cannot be ended.
        """
        end = len(self._input) + len(data)
        self._input += data + bytes(_SYMBOL_MAX if last else 0)
        self._at = 0
        if not self._started and end >= _RANGE_START:
            self._start()
        # At the very end a symbol may need no more bytes: the coder reads ahead.
        ahead = 0 if last else _SYMBOL_MAX
        while self._started and not self._ended and end - self._at >= ahead:
            self._symbol()
            if self._history.fresh >= PIECE:
                yield self._history.take()
        if self._at > end or (last and not self._ended):
            _reject("patch ends early", "an end marker", "the end")
        if self._ended and (self._at != end or self._code):
            _reject("patch goes on behind its end marker", f"{self._at} bytes", f"{end}")
        yield self._history.take()
        self._input = self._input[self._at :]

    def _start(self) -> None:
        if self._input[0]:
            _reject("range coder begins wrongly", "00", f"{self._input[0]:02X}")
        self._code = int.from_bytes(self._input[1:_RANGE_START])
        self._at = _RANGE_START
        self._started = True

    # --- bits

    def _normalize(self) -> None:
        if self._range < 1 << 24:
            self._range <<= 8
            self._code = self._code << 8 | self._input[self._at]
            self._at += 1

    def _bit(self, index: int) -> int:
        odds = self._odds[index]
        bound = (self._range >> 11) * odds
        if self._code < bound:
            self._range = bound
            self._odds[index] = odds + ((1 << 11) - odds >> 5)
            bit = 0
        else:
            self._range -= bound
            self._code -= bound
            self._odds[index] = odds - (odds >> 5)
            bit = 1
        self._normalize()
        return bit

    def _even_bits(self, count: int) -> int:
        value = 0
        for _ in range(count):
            self._range >>= 1
            bit = int(self._code >= self._range)
            self._code -= self._range * bit
            self._normalize()
            value = value << 1 | bit
        return value

    def _tree(self, base: int, count: int) -> int:
        node = 1
        for _ in range(count):
            node = node << 1 | self._bit(base + node)
        return node - (1 << count)

    def _reverse_tree(self, base: int, count: int) -> int:
        node, value = 1, 0
        for i in range(count):
            bit = self._bit(base + node)
            node = node << 1 | bit
            value |= bit << i
        return value

    # --- symbols

    def _symbol(self) -> None:
        position = self._made & self._pb_mask
        state = self._state
        if not self._bit(_IS_MATCH + state * _POSITIONS + position):
            self._literal()
        elif self._bit(_IS_REP + state):
            self._repeat(position)
        else:
            self._match(position)

    def _literal(self) -> None:
        low = (self._made & (1 << self._lp) - 1) << self._lc | self._last >> 8 - self._lc
        base = _LITERAL + _LITERAL_SIZE * low
        node = 1
        if self._state >= 7:
            matched = self._history.byte(self._reps[0] + 1)
            while node < 0x100:
                hint = matched >> 7
                matched = matched << 1 & 0xFF
                bit = self._bit(base + (1 + hint << 8) + node)
                node = node << 1 | bit
                if hint != bit:
                    break
        while node < 0x100:
            node = node << 1 | self._bit(base + node)
        self._last = node & 0xFF
        self._history.put(self._last)
        self._made = self._made + 1 & 0xFFFF_FFFF
        state = self._state
        self._state = 0 if state < 4 else state - 3 if state < 10 else state - 6

    def _match(self, position: int) -> None:
        length = self._length(_LENGTH, position)
        distance = self._distance(min(length, 3))
        self._state = 7 if self._state < 7 else 10
        if distance == _END_DISTANCE:
            self._ended = True
            return
        self._reps = [distance, *self._reps[:3]]
        self._copy(length + 2)

    def _repeat(self, position: int) -> None:
        state = self._state
        if not self._bit(_IS_REP_G0 + state):
            if not self._bit(_IS_REP0_LONG + state * _POSITIONS + position):
                self._state = 9 if state < 7 else 11
                self._copy(1)
                return
        else:
            which = 1
            if self._bit(_IS_REP_G1 + state):
                which = 2 + self._bit(_IS_REP_G2 + state)
            self._reps.insert(0, self._reps.pop(which))
        length = self._length(_REP_LENGTH, position)
        self._state = 8 if state < 7 else 11
        self._copy(length + 2)

    def _length(self, base: int, position: int) -> int:
        if not self._bit(base):
            return self._tree(base + 2 + position * 8, 3)
        if not self._bit(base + 1):
            return 8 + self._tree(base + 2 + 128 + position * 8, 3)
        return 16 + self._tree(base + 2 + 256, 8)

    def _distance(self, length_class: int) -> int:
        slot = self._tree(_SLOT + length_class * 64, 6)
        if slot < 4:
            return slot
        count = (slot >> 1) - 1
        distance = (2 | slot & 1) << count
        if slot < 14:
            return distance + self._reverse_tree(_SPECIAL + distance - slot, count)
        distance += self._even_bits(count - 4) << 4
        return distance + self._reverse_tree(_ALIGN, 4)

    def _copy(self, length: int) -> None:
        distance = self._reps[0] + 1
        if distance > self._history.depth:
            _reject("patch looks back too far", f"at most {self._history.depth}", str(distance))
        self._history.repeat(distance, length)
        self._last = self._history.byte(1)
        self._made = self._made + length & 0xFFFF_FFFF

    # --- state

    def state(self) -> bytes:
        """Valid between two feeds: 45 bytes, the adaptive bits, the dictionary as far as it is
        filled."""
        fixed = _STATE.pack(
            self._head,
            self._range,
            self._code,
            self._state,
            *self._reps,
            self._made,
            self._last,
            self._started << 1 | self._ended,
            len(self._input),
        )
        odds = struct.pack(f"<{len(self._odds)}H", *self._odds)
        return fixed + self._input + odds + self._history.past()

    @classmethod
    def restore(cls, state: bytes) -> Self:
        """Raises ValueError when it was no state of this decoder."""
        if len(state) < _STATE.size:
            raise ValueError("not the state of an LZMA decoder")
        fields = _STATE.unpack_from(state)
        decoder = cls(fields[0])
        _, decoder._range, decoder._code, decoder._state, *reps, made, last, flags, kept = fields
        decoder._reps, decoder._made, decoder._last = reps, made, last
        decoder._started, decoder._ended = bool(flags & 2), bool(flags & 1)
        at = _STATE.size + kept
        end = at + 2 * len(decoder._odds)
        if len(state) < end or len(state) - end > decoder.window:
            raise ValueError("not the state of an LZMA decoder")
        decoder._input = state[_STATE.size : at]
        decoder._odds = array("H", struct.unpack_from(f"<{len(decoder._odds)}H", state, at))
        decoder._history = History(decoder.window, state[end:])
        return decoder
