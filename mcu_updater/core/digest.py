"""Digests of the package that survive a reset.

The module verifies nothing of an MCU package, so the MD5 and the SHA-256 that the plan announces
are ours to check. After a power cut the download goes on where it stopped, but the earlier pieces
may be gone from the module for good: what was hashed of them has to be kept. hashlib cannot export
the state of a hash, so there are two modes:

- *plain*: hashlib, hundreds of MB/s, for a package that is at hand as a whole;
- *resumable*: the same functions in pure Python, whose state can be saved and restored. Slow, but
  far faster than a UART brings the bytes.

State of one hash: number of bytes hashed so far (8 bytes, big endian), chaining values (as in the
digest), then the bytes that do not fill a block yet (fewer than 64). Its length follows from its
first 8 bytes, so the states of a PackageDigest stand one behind the other.
"""

from __future__ import annotations

import hashlib
import math
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Final, Protocol, Self

BLOCK_SIZE: Final = 64
"""Bytes that MD5 and SHA-256 take at a time."""

_MASK: Final = 0xFFFF_FFFF


class Hash(Protocol):
    """What hashlib's objects and ours have in common."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class ResumableHash(ABC):
    """The frame of MD5 and SHA-256, which differ in byte order, start and compression only."""

    NAME: ClassVar[str]
    INITIAL: ClassVar[tuple[int, ...]]
    ORDER: ClassVar[str]  # of words and of the length, as struct writes it

    def __init__(self) -> None:
        self._chain = self.INITIAL
        self._length = 0
        self._residue = b""

    def update(self, data: bytes, /) -> None:
        """Hash *data* behind what was hashed before."""
        self._length += len(data)
        pending = self._residue + data
        whole = len(pending) - len(pending) % BLOCK_SIZE
        self._chain = self._compressed(pending[:whole])
        self._residue = pending[whole:]

    def digest(self) -> bytes:
        """The digest of all that was hashed so far; hashing may go on afterwards."""
        zeros = (55 - self._length) % BLOCK_SIZE
        end = struct.pack(self.ORDER + "Q", self._length * 8 & (1 << 64) - 1)
        chain = self._compressed(self._residue + b"\x80" + bytes(zeros) + end)
        return struct.pack(f"{self.ORDER}{len(chain)}I", *chain)

    def state(self) -> bytes:
        """All that the hash knows: see the module's docstring for the bytes."""
        chain = struct.pack(f"{self.ORDER}{len(self._chain)}I", *self._chain)
        return struct.pack(">Q", self._length) + chain + self._residue

    @classmethod
    def state_size(cls, state: bytes) -> int:
        """Bytes of the state that *state* begins with. Raises ValueError when it is cut short."""
        fixed = 8 + 4 * len(cls.INITIAL)
        size = fixed + int.from_bytes(state[:8], "big") % BLOCK_SIZE
        if len(state) < max(fixed, size):
            raise ValueError(f"{cls.NAME} state is cut short: expected {size}, got {len(state)}")
        return size

    @classmethod
    def restore(cls, state: bytes) -> Self:
        """The hash that gave *state*. Raises ValueError when its length says that none did."""
        size = cls.state_size(state)
        if len(state) != size:
            raise ValueError(f"{cls.NAME} state has the wrong size: {len(state)} not {size} bytes")
        words = len(cls.INITIAL)
        restored = cls()
        restored._length = int.from_bytes(state[:8], "big")
        restored._chain = struct.unpack_from(f"{cls.ORDER}{words}I", state, 8)
        restored._residue = bytes(state[8 + 4 * words :])
        return restored

    def _compressed(self, blocks: bytes) -> tuple[int, ...]:
        """The chaining values after *blocks*, a multiple of BLOCK_SIZE bytes."""
        chain = self._chain
        for block in struct.iter_unpack(self.ORDER + "16I", blocks):
            chain = self._compress(chain, block)
        return chain

    @staticmethod
    @abstractmethod
    def _compress(chain: tuple[int, ...], block: tuple[int, ...]) -> tuple[int, ...]:
        """One block of 16 words."""


def _md5_round(
    number: int, shifts: tuple[int, int, int, int], words: Iterable[int]
) -> tuple[tuple[int, int, int, int], ...]:
    """(constant, shift left, shift right, index of the word) for the 16 steps of one round."""
    return tuple(
        (int(abs(math.sin(16 * number + i + 1)) * 2**32), shifts[i % 4], 32 - shifts[i % 4], word)
        for i, word in enumerate(words)
    )


class Md5Resumable(ResumableHash):
    """MD5, RFC 1321. Against accidents, not against attackers: that is all the plan asks of it."""

    NAME = "MD5"
    ORDER = "<"
    INITIAL = (0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476)  # section 3.3

    # Section 3.4: T[i] is the integer part of 2**32 * abs(sin(i)); shifts and the order of the
    # words as listed there for the four rounds.
    _ROUNDS: ClassVar = (
        _md5_round(0, (7, 12, 17, 22), (i for i in range(16))),
        _md5_round(1, (5, 9, 14, 20), ((5 * i + 1) % 16 for i in range(16))),
        _md5_round(2, (4, 11, 16, 23), ((3 * i + 5) % 16 for i in range(16))),
        _md5_round(3, (6, 10, 15, 21), (7 * i % 16 for i in range(16))),
    )

    @staticmethod
    def _compress(chain: tuple[int, ...], block: tuple[int, ...]) -> tuple[int, ...]:
        mask = _MASK
        a, b, c, d = chain
        f_round, g_round, h_round, i_round = Md5Resumable._ROUNDS
        for t, left, right, word in f_round:
            s = (a + (d ^ (b & (c ^ d))) + t + block[word]) & mask
            a, d, c, b = d, c, b, (b + (s << left | s >> right)) & mask
        for t, left, right, word in g_round:
            s = (a + (c ^ (d & (b ^ c))) + t + block[word]) & mask
            a, d, c, b = d, c, b, (b + (s << left | s >> right)) & mask
        for t, left, right, word in h_round:
            s = (a + (b ^ c ^ d) + t + block[word]) & mask
            a, d, c, b = d, c, b, (b + (s << left | s >> right)) & mask
        for t, left, right, word in i_round:
            s = (a + (c ^ (b | (d ^ mask))) + t + block[word]) & mask
            a, d, c, b = d, c, b, (b + (s << left | s >> right)) & mask
        return (
            (chain[0] + a) & mask,
            (chain[1] + b) & mask,
            (chain[2] + c) & mask,
            (chain[3] + d) & mask,
        )


def _first_primes(count: int) -> list[int]:
    primes: list[int] = []
    candidate = 2
    while len(primes) < count:
        if all(candidate % prime for prime in primes):
            primes.append(candidate)
        candidate += 1
    return primes


def _cube_root(value: int) -> int:
    """The integer part of the cube root, by Newton's method from above."""
    root = 1 << -(-value.bit_length() // 3)
    while (better := (2 * root + value // (root * root)) // 3) < root:
        root = better
    return root


class Sha256Resumable(ResumableHash):
    """SHA-256, FIPS 180-4."""

    NAME = "SHA-256"
    ORDER = ">"
    STATE_MAX: ClassVar[int] = 8 + 32 + BLOCK_SIZE - 1
    # Section 5.3.3: first 32 bits of the fractional parts of the square roots of 8 primes.
    INITIAL = tuple(math.isqrt(prime << 64) & _MASK for prime in _first_primes(8))
    # Section 4.2.2: the same of the cube roots of 64 primes.
    _K: ClassVar = tuple(_cube_root(prime << 96) & _MASK for prime in _first_primes(64))

    @staticmethod
    def _compress(chain: tuple[int, ...], block: tuple[int, ...]) -> tuple[int, ...]:
        """Section 6.2.2. A word written twice side by side turns rotations into shifts.

        What a shift leaves above bit 31 cannot reach the low bits of a sum, so only sums are cut.
        """
        mask = _MASK
        a, b, c, d, e, f, g, h = chain
        for k, w in zip(Sha256Resumable._K, Sha256Resumable._schedule(block), strict=True):
            twice = e << 32 | e
            t = h + (twice >> 6 ^ twice >> 11 ^ twice >> 25) + (g ^ (e & (f ^ g))) + k + w
            twice = a << 32 | a
            s = (twice >> 2 ^ twice >> 13 ^ twice >> 22) + (a & b | c & (a | b))
            h, g, f, e = g, f, e, (d + t) & mask
            d, c, b, a = c, b, a, (t + s) & mask
        return tuple((x + y) & mask for x, y in zip(chain, (a, b, c, d, e, f, g, h), strict=True))

    @staticmethod
    def _schedule(block: tuple[int, ...]) -> list[int]:
        """Section 6.2.2, step 1: the block's 16 words and 48 more made of them."""
        mask = _MASK
        words = list(block)
        append = words.append
        for i in range(48):
            x = words[i + 1]
            y = words[i + 14]
            xx = x << 32 | x
            yy = y << 32 | y
            s = xx >> 7 ^ xx >> 18 ^ x >> 3
            t = yy >> 17 ^ yy >> 19 ^ y >> 10
            append((words[i] + s + words[i + 9] + t) & mask)
        return words


DIGESTS_MAX: Final = 8 + 16 + 8 + 32 + 2 * (BLOCK_SIZE - 1)
"""Bytes of a PackageDigest's state, at most."""


class PackageDigest:
    """MD5 and SHA-256 of one stream of bytes. Made by ``new_digests``."""

    def __init__(self, md5: Hash, sha256: Hash) -> None:
        self._md5 = md5
        self._sha256 = sha256

    def update(self, data: bytes) -> None:
        """Hash *data* behind what was hashed before."""
        self._md5.update(data)
        self._sha256.update(data)

    def md5(self) -> bytes:
        """16 bytes: the MD5 of all that was hashed so far."""
        return self._md5.digest()

    def sha256(self) -> bytes:
        """32 bytes: the SHA-256 of all that was hashed so far."""
        return self._sha256.digest()

    def state(self) -> bytes:
        """Both states, MD5 first; at most 190 bytes.

        Raises RuntimeError when the digest is plain: whoever means to save it must open a
        resumable one.
        """
        if not isinstance(self._md5, Md5Resumable) or not isinstance(self._sha256, Sha256Resumable):
            raise RuntimeError("a plain digest has no state to save; use new_digests(True)")
        return self._md5.state() + self._sha256.state()

    @classmethod
    def restore(cls, state: bytes) -> Self:
        """The resumable digest that gave *state*. Raises ValueError when its length is wrong."""
        size = Md5Resumable.state_size(state)
        return cls(Md5Resumable.restore(state[:size]), Sha256Resumable.restore(state[size:]))


def new_digests(resumable: bool) -> PackageDigest:
    """Digests of no bytes yet: resumable ones, or plain ones that cannot be saved."""
    if resumable:
        return PackageDigest(Md5Resumable(), Sha256Resumable())
    return PackageDigest(hashlib.md5(usedforsecurity=False), hashlib.sha256())
