"""Calls and pointers that are foretold: lossless for any bytes, worth it for moved code."""

import random
import struct

import pytest

from mcu_updater.core.delta import Algorithm, Filter, apply_delta
from mcu_updater.core.delta.sequential import SequentialDecoder, pack_number
from mcu_updater.core.delta.shifts import Shifts
from mcu_updater.files.delta.make import make_delta

BASE = 0x0800_8000


def call(at: int, to: int) -> bytes:
    offset = (to - at) // 2 & 0x3F_FFFF
    return struct.pack("<HH", 0xF000 | offset >> 11, 0xF800 | offset & 0x7FF)


def program(starts: list[int], targets: list[int], size: int) -> bytes:
    """Calls and pointers to functions at *starts*, the same ones in the same order."""
    image = bytearray(b"\x00\xbf" * (size // 2))
    for i, function in enumerate(targets):
        at = 4 * i + 64
        image[at : at + 4] = call(at, starts[function])
        at += 4096
        image[at : at + 4] = struct.pack("<I", BASE + starts[function] | 1)
    return bytes(image)


def code_like(rng: random.Random, size: int) -> bytes:
    pieces = (
        rng.randbytes(2),
        struct.pack("<HH", 0xF000 | rng.randrange(2048), 0xF800 | rng.randrange(2048)),
        struct.pack("<I", BASE + rng.randrange(1 << 18)),
        struct.pack("<I", 0x2000_0000 + rng.randrange(1 << 16)),
    )
    return b"".join(rng.choice(pieces) for _ in range(size // 2))[:size]


@pytest.mark.parametrize("seed", range(60))
def test_any_bytes_in_any_chunks(seed: int) -> None:
    rng = random.Random(seed)
    size = rng.randrange(1, 300)
    base = code_like(rng, size + 7).ljust(size + 7, b"\xf8")
    target = code_like(rng, size).ljust(size, b"\xf7")
    at = rng.randrange(8)
    diff = Shifts().subtract(target, base[at : at + size], (at, 0))
    assert len(diff) == size
    stream = b"".join(
        (bytes(1), bytes(2), pack_number(at), pack_number(size), diff, pack_number(0), bytes(1))
    )
    decoder = SequentialDecoder(
        len(base), size, lambda start, count: base[start : start + count], Shifts()
    )
    made, taken = b"", 0
    while taken < len(stream):
        step = rng.randrange(1, 9)
        made += decoder.feed(stream[taken : taken + step])
        taken += step
    assert decoder.done
    assert made == target


def test_only_the_first_use_of_what_moved_differs() -> None:
    rng = random.Random(5)
    functions = [0x8000 + 0x800 * i for i in range(40)]
    moved = [start + (0 if i < 20 else 0x124) for i, start in enumerate(functions)]
    targets = [rng.randrange(40) for _ in range(900)]
    old, new = program(functions, targets, 0x4000), program(moved, targets, 0x4000)
    plain = bytes(b - a & 0xFF for a, b in zip(old, new, strict=True))
    diff = Shifts().subtract(new, old, (0, 0))
    assert len(plain) - plain.count(0) > 900
    assert len(diff) - diff.count(0) < 160  # 20 functions, a call and a pointer, 4 bytes at most
    for algorithm in Algorithm:
        sizes = {
            kind: len(make_delta(old, new, algorithm=algorithm, filters=[kind]).package)
            for kind in Filter
        }
        assert sizes[Filter.SHIFTS] < sizes[Filter.NONE] // 2
        assert apply_delta(make_delta(old, new, algorithm=algorithm).package, old) == new
