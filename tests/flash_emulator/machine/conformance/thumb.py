"""Thumb code as half-words: labels, calls, literals. Enough for the frame of a program."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence


class Code:
    """Bytes that lie at *base* once they are done."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.data = bytearray()
        self._labels: dict[str, int] = {}
        self._calls: list[tuple[int, str]] = []
        self._literals: list[tuple[int, int]] = []

    @property
    def here(self) -> int:
        """Address of what comes next."""
        return self.base + len(self.data)

    def label(self, name: str) -> None:
        self._labels[name] = self.here

    def put(self, *half_words: int) -> None:
        """Instructions; those of 32 bits are two of them."""
        self.data += struct.pack(f"<{len(half_words)}H", *half_words)

    def words(self, *words: int) -> None:
        self.align()
        self.data += struct.pack(f"<{len(words)}I", *words)

    def align(self) -> None:
        if len(self.data) % 4:
            self.put(0xBF00)

    def call(self, name: str) -> None:
        """BL to a label, wherever that is."""
        self._calls.append((len(self.data), name))
        self.put(0xF000, 0xF800)

    def literal(self, register: int, value: int) -> None:
        """LDR of *value*, which ``pool`` puts down."""
        self._literals.append((len(self.data), value))
        self.put(0x4800 | register << 8)

    def pool(self) -> None:
        """Literals so far."""
        self.align()
        for at, value in self._literals:
            self.data[at] = len(self.data) - (at + 4 & ~3) >> 2
            self.words(value)
        self._literals.clear()

    def pool_between(self) -> None:
        """Literals so far, and a branch over them."""
        self._over(self.pool)

    def data_between(self, load: int, words: Sequence[int]) -> None:
        """*words*, and a branch over them; the LDR at *load* gets their address."""

        def put() -> None:
            self.align()
            self.data[load] = len(self.data) - (load + 4 & ~3) >> 2
            self.words(self.here + 4, *words)

        self._over(put)

    def _over(self, put: Callable[[], None]) -> None:
        at = len(self.data)
        self.put(0)
        put()
        struct.pack_into("<H", self.data, at, 0xE000 | (len(self.data) - at - 4) >> 1)

    def done(self) -> bytes:
        """All of it, with calls resolved."""
        for at, name in self._calls:
            struct.pack_into("<2H", self.data, at, *branch_with_link(at + self.base, self[name]))
        return bytes(self.data)

    def __getitem__(self, name: str) -> int:
        return self._labels[name]


def branch_with_link(at: int, to: int) -> tuple[int, int]:
    """BL at *at* to *to*."""
    offset = to - (at + 4)
    sign = offset >> 24 & 1
    j1, j2 = (offset >> 23 & 1) ^ sign ^ 1, (offset >> 22 & 1) ^ sign ^ 1
    first = 0xF000 | sign << 10 | offset >> 12 & 0x3FF
    return first, 0xD000 | j1 << 13 | j2 << 11 | offset >> 1 & 0x7FF
