"""Flash that is slow, and a module that must not be kept waiting: a device that looks after both.

The module gives an upgrade up 60 s after the last read. A sector behind a slow serial boot ROM, or
the digest of a large image read through one, may take longer. So between any two steps of flash
work, none of them longer than what the device does in one go, somebody is let in to read a byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from mcu_updater.core.flash import FlashDevice, Geometry, comparing, match_of, sha256_of

STEP_SIZE = 4096  # bytes; at 9600 baud and 11 bits a byte, some 5 s


class KeepAliveFlash:
    """``FlashDevice`` *device*, with a call of *keep_alive* before every erase and every STEP_SIZE
    bytes.

    What is asked of the device is otherwise the same: a long program becomes several, in order.
    """

    def __init__(self, device: FlashDevice, keep_alive: Callable[[], None]) -> None:
        self._device = device
        self._keep_alive = keep_alive

    @property
    def geometry(self) -> Geometry:
        return self._device.geometry

    def read(self, address: int, size: int) -> bytes:
        parts = []
        for offset in range(0, size, STEP_SIZE):
            self._keep_alive()
            parts.append(self._device.read(address + offset, min(STEP_SIZE, size - offset)))
        return b"".join(parts)

    def program(self, address: int, data: bytes) -> None:
        for offset in range(0, len(data), STEP_SIZE):
            self._keep_alive()
            self._device.program(address + offset, data[offset : offset + STEP_SIZE])

    def erase(self, address: int) -> None:
        self._keep_alive()
        self._device.erase(address)
        self._keep_alive()

    def sha256(self, address: int, size: int) -> bytes:
        """See ``ComparingFlash``: the device's own where it has one, else read step by step."""
        self._keep_alive()
        if comparing(self._device) is not None:
            return sha256_of(self._device, address, size)
        digest = hashlib.sha256()
        for offset in range(0, size, STEP_SIZE):
            digest.update(self.read(address + offset, min(STEP_SIZE, size - offset)))
        return digest.digest()

    def match(self, address: int, expected: bytes) -> int:
        """See ``ComparingFlash``. A call of *keep_alive* before every STEP_SIZE bytes."""
        done = 0
        for offset in range(0, len(expected), STEP_SIZE):
            self._keep_alive()
            part = expected[offset : offset + STEP_SIZE]
            same = match_of(self._device, address + offset, part)
            done += same
            if same < len(part):
                break
        return done
