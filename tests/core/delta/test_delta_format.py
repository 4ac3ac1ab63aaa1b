"""FORMAT.md, section 10, read by a program that shares nothing with the one that writes.

Every number below was taken from that page.
"""

import hashlib
import struct
import zlib

import pytest

from mcu_updater.core.delta import Algorithm, DeltaDecoder, Filter
from tests.core.delta.pairs import fixture_delta, fixtures


def bits_of(data: bytes) -> str:
    return f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}"


def heatshrunk(packed: bytes) -> bytes:
    window_bits, length_bits = (packed[0] >> 4) + 4, (packed[0] & 15) + 3
    bits, at = bits_of(packed[1:]), 0
    data = bytearray(1 << window_bits)
    while len(bits) - at > 7:
        if bits[at] == "1":
            data.append(int(bits[at + 1 : at + 9], 2))
            at += 9
            continue
        if len(bits) - at < 1 + window_bits + length_bits:
            break
        distance = int(bits[at + 1 : at + 1 + window_bits], 2) + 1
        at += 1 + window_bits + length_bits
        for _ in range(int(bits[at - length_bits : at], 2) + 1):
            data.append(data[-distance])
    return bytes(data[1 << window_bits :])


class Stream:
    """Numbers and bytes, one behind the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self) -> int:
        (byte,) = self.take(1)
        negative, value, shift = byte & 0x40, byte & 0x3F, 6
        while byte & 0x80:
            (byte,) = self.take(1)
            value |= (byte & 0x7F) << shift
            shift += 7
        return -value if negative else value


def test_a_package_by_the_page() -> None:
    base, target = fixtures()
    package = fixture_delta(Algorithm.HEATSHRINK, Filter.NONE).package
    assert package[0:4] == bytes.fromhex("4D435544") == b"MCUD"
    version, size = struct.unpack_from("<HH", package, 4)
    assert (version, package[8], package[9:12]) == (1, 1, bytes(3))
    base_size, target_size, patch_size, window = struct.unpack_from("<IIII", package, 12)
    assert (base_size, target_size) == (len(base), len(target))
    assert len(package) == size + patch_size
    assert package[28:60] == hashlib.sha256(base).digest()
    assert package[60:92] == hashlib.sha256(target).digest()
    b = package[92]
    t = package[93 + b]
    assert package[93 : 93 + b] == b""
    assert package[94 + b : 94 + b + t] == b"2.0.0"
    assert package[94 + b + t : 96 + b + t] == bytes(2)
    assert size == 96 + b + t + 4
    assert package[size - 4 : size] == zlib.crc32(package[: size - 4]).to_bytes(4, "little")

    patch = Stream(package[size:])
    assert patch.take(1) == b"\x04"
    assert patch.number() == target_size
    packed = patch.take(patch_size)
    assert 1 << (packed[0] >> 4) + 4 == window == 256
    stream, image, place = Stream(heatshrunk(packed)), bytearray(), 0
    assert stream.number() == 0
    while len(image) < target_size:
        diff = stream.take(stream.number())
        image += bytes((a + b) & 0xFF for a, b in zip(diff, base[place:], strict=False))
        image += stream.take(stream.number())
        place += len(diff) + stream.number()
    assert bytes(image) == target
    assert stream.at == len(stream.data)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_state_by_the_page(algorithm: Algorithm) -> None:
    base, target = fixtures()
    package = fixture_delta(algorithm, Filter.NONE).package
    decoder = DeltaDecoder(
        lambda at, size: base[at : at + size],
        lambda size: hashlib.sha256(base[:size]).digest(),
        resumable=True,
    )
    image = b"".join(decoder.feed(package[:900]))
    state = decoder.state()
    h, taken, d = struct.unpack_from("<HII", state)
    (size,) = struct.unpack_from("<H", package, 6)
    heads = size + 1 + 3 + (1 if algorithm is Algorithm.HEATSHRINK else 13)
    assert (h, taken) == (heads, 900 - size)
    assert state[10 : 10 + h] == package[:heads]
    unpacked = state[10 + h : 10 + h + d]
    if algorithm is Algorithm.HEATSHRINK:
        assert len(unpacked) == 1 + 4 + 1 + 256
        assert unpacked[0] == package[heads - 1]
    else:
        assert unpacked[:13] == package[heads - 13 : heads]
        k = unpacked[44]
        assert unpacked[45 : 45 + k] == package[900 - k : 900]
    made = struct.unpack_from("<I", state, 10 + h + d + 1 + 8 + 1 + 1 + 4 + 8)
    assert made == (len(image),)
    hashed = int.from_bytes(state[10 + h + d + 28 :][:8], "big")
    assert hashed == len(image)
    assert image == target[: len(image)]
