"""Compressing a patch for one of the two profiles, as small as their decoders allow."""

from __future__ import annotations

import lzma
from typing import Final, NamedTuple

from mcu_updater.core.delta.container import Algorithm
from mcu_updater.core.delta.heatshrink import pack_head

_WORTH_FINDING: Final = 2  # a repeat of 1 byte never beats a literal here


class Packed(NamedTuple):
    """A compressed patch. *window*: what it may look back. *setting*: in words."""

    algorithm: Algorithm
    setting: str
    window: int
    data: bytes


class LzmaSetting(NamedTuple):
    """Bits of a literal's neighbour and position that count, and bits of the dictionary's size."""

    lc: int
    lp: int
    pb: int
    dictionary_bits: int

    @property
    def text(self) -> str:
        return f"lc{self.lc} lp{self.lp} pb{self.pb} 2^{self.dictionary_bits}"


def pack_lzma(stream: bytes, setting: LzmaSetting) -> Packed:
    """With the standard library, at its highest effort."""
    chain = [
        {
            "id": lzma.FILTER_LZMA1,
            "preset": 9 | lzma.PRESET_EXTREME,
            "dict_size": 1 << setting.dictionary_bits,
            "lc": setting.lc,
            "lp": setting.lp,
            "pb": setting.pb,
        }
    ]
    data = lzma.compress(stream, format=lzma.FORMAT_ALONE, filters=chain)
    return Packed(Algorithm.LZMA, setting.text, 1 << setting.dictionary_bits, data)


def pack_heatshrink(stream: bytes, window_bits: int) -> Packed:
    """The smallest over all widths of a length, each the shortest way through *stream*.

    Repeats of any length cost the same, so only the longest at each place matters, and it never
    pays to stop short of it: one pass from the end to the start finds the shortest way. The usual
    encoder takes the longest repeat whenever there is one, which is up to a tenth longer.
    """
    longest = _longest_repeats(stream, 1 << window_bits, 1 << window_bits - 1)
    best: list[tuple[int, int]] | None = None
    best_cost = best_bits = 0
    for length_bits in range(3, window_bits):
        cost, steps = _shortest_way(longest, window_bits, length_bits)
        if best is None or cost < best_cost:
            best, best_cost, best_bits = steps, cost, length_bits
    assert best is not None
    data = pack_head(window_bits, best_bits) + _written(stream, best, window_bits, best_bits)
    setting = f"2^{window_bits}, 2^{best_bits}"
    return Packed(Algorithm.HEATSHRINK, setting, 1 << window_bits, data)


def _longest_repeats(stream: bytes, window: int, limit: int) -> list[tuple[int, int]]:
    """(size, distance) of the longest repeat at every place; (0, 0) where there is none.

    What came before the stream is a window of zeros.
    """
    data = bytes(window) + stream
    found = []
    size = distance = 0
    end = len(data)
    for at in range(window, end):
        size = max(size - 1, 0)  # what repeated from the byte before goes on
        room = min(limit, end - at)
        while size < room:
            wanted = data[at : at + max(size + 1, _WORTH_FINDING)]
            place = data.rfind(wanted, at - window, at - 1 + len(wanted))
            if place < 0:
                break
            size, distance = _equal(data, place, at, len(wanted), room), at - place
        found.append((size, distance) if size >= _WORTH_FINDING else (0, 0))
    return found


def _equal(data: bytes, left: int, right: int, size: int, limit: int) -> int:
    step = 64
    while size + step <= limit and (
        data[left + size : left + size + step] == data[right + size : right + size + step]
    ):
        size += step
    while size < limit and data[left + size] == data[right + size]:
        size += 1
    return min(size, limit)


def _shortest_way(
    longest: list[tuple[int, int]], window_bits: int, length_bits: int
) -> tuple[int, list[tuple[int, int]]]:
    """Bits in all, and for each place the (size, distance) to take there; size 1: a literal."""
    repeat_cost = 1 + window_bits + length_bits
    limit = 1 << length_bits
    costs = [0] * (len(longest) + 1)
    steps = [(1, 0)] * len(longest)
    for at in range(len(longest) - 1, -1, -1):
        size, distance = longest[at]
        cost = 9 + costs[at + 1]
        if size:
            size = min(size, limit)
            repeated = repeat_cost + costs[at + size]
            if repeated < cost:
                cost = repeated
                steps[at] = (size, distance)
        costs[at] = cost
    return costs[0], steps


def _written(
    stream: bytes, steps: list[tuple[int, int]], window_bits: int, length_bits: int
) -> bytes:
    bits = []
    at = 0
    while at < len(steps):
        size, distance = steps[at]
        if distance:
            field = distance - 1 << length_bits | size - 1
            bits.append(f"0{field:0{window_bits + length_bits}b}")
        else:
            bits.append(f"1{stream[at]:08b}")
        at += size
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8)
