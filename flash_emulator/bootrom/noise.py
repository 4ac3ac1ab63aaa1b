"""A bad line: bits that flip, bytes that are lost or come twice. All from one seed."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Noise:
    """Chances from 0 to 1, for each byte of either direction."""

    flip: float = 0.0
    lose: float = 0.0
    double: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not all(0 <= chance <= 1 for chance in (self.flip, self.lose, self.double)):
            raise ValueError("a chance is a number from 0 to 1")


class NoisyWire:
    """Passes bytes on as *noise* lets them. *hits* counts those that it did not leave alone."""

    def __init__(self, noise: Noise) -> None:
        self.noise = noise
        self.hits = 0
        self._rng = random.Random(f"line/{noise.seed}")  # noqa: S311
        self._is_quiet = not (noise.flip or noise.lose or noise.double)

    def carry(self, data: bytes) -> bytes:
        if self._is_quiet:
            return data
        return b"".join(self._byte(byte) for byte in data)

    def _byte(self, byte: int) -> bytes:
        noise, rng = self.noise, self._rng
        flip, lose, double = (rng.random() for _ in range(3))
        carried = bytes((byte,))
        if flip < noise.flip:
            carried = bytes((byte ^ 1 << rng.randrange(8),))
        if double < noise.double:
            carried *= 2
        if lose < noise.lose:
            carried = b""
        self.hits += carried != bytes((byte,))
        return carried
