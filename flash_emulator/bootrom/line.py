"""The line between chip and host: how long bytes take, and when a USB bridge hands them on.

A byte is 11 bits (8E1). A host's bytes come one by one; what comes while the ROM does something
else is lost but for one: its USART has one data register and no FIFO. The chip's bytes wait in the
bridge until a packet is full or its latency timer ticks, as in an FTDI.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from flash_emulator.bootrom.chip import Chip

BITS_PER_BYTE = 11
FTDI_PAYLOAD = 62  # of a packet of 64 bytes; two are status


@dataclass(frozen=True, slots=True)
class Speed:
    """*baud* 0: bytes take no time. *latency_ms* 0: no bridge. *flash*: whether the times of flash
    operations are waited for."""

    baud: int = 0
    latency_ms: float = 0.0
    packet_size: int = FTDI_PAYLOAD
    flash: bool = False

    @property
    def is_free(self) -> bool:
        """Nothing is waited for."""
        return not (self.baud or self.latency_ms or self.flash)

    @property
    def byte_us(self) -> float:
        return BITS_PER_BYTE * 1e6 / self.baud if self.baud else 0.0


class Line:
    """Both directions of one chip. Times are those of the caller's clock, in microseconds."""

    def __init__(self, chip: Chip, speed: Speed) -> None:
        self.chip = chip
        self.speed = speed
        self.lost = 0  # bytes that came while the ROM was busy
        self._coming: deque[tuple[float, bytes]] = deque()  # when its first byte begins
        self._rx_free_us = 0.0
        self._going: deque[tuple[float, bytes]] = deque()  # when the bridge hands it on
        self._bridge = _Bridge(speed)

    # --- towards the chip

    def receive(self, data: bytes, now_us: float) -> None:
        """Bytes that the host sends now."""
        self.advance(now_us)
        if not self.speed.baud:
            self._hear(data, now_us)
            return
        begin_us = max(now_us, self._rx_free_us)
        self._rx_free_us = begin_us + len(data) * self.speed.byte_us
        self._coming.append((begin_us, data))
        self.advance(now_us)

    def advance(self, now_us: float) -> None:
        """All bytes that have come by now."""
        byte_us = self.speed.byte_us
        while self._coming:
            begin_us, data = self._coming[0]
            size = min(self.chip.needs, len(data))
            end_us = begin_us + size * byte_us
            if end_us > now_us:
                return
            self._coming.popleft()
            if data[size:]:
                self._coming.appendleft((end_us, data[size:]))
            self._hear(data[:size], end_us)

    def _hear(self, data: bytes, at_us: float) -> None:
        clock = self.chip.device.clock
        clock.now_us = max(clock.now_us, math.ceil(at_us))
        self.chip.receive(data)
        said = self.chip.transmit()
        if said:
            self._going.extend(self._bridge.pack(said, clock.now_us))

    # --- towards the host

    def transmit(self, now_us: float) -> bytes:
        """What the host gets now."""
        self.advance(now_us)
        due = []
        while self._going and (self.speed.is_free or self._going[0][0] <= now_us):
            due.append(self._going.popleft()[1])
        return b"".join(due)

    def next_due_us(self) -> float | None:
        """When there is something to do without anything coming; None: never."""
        dues = [self._going[0][0]] if self._going else []
        if self._coming:
            begin_us, data = self._coming[0]
            dues.append(begin_us + min(self.chip.needs, len(data)) * self.speed.byte_us)
        return min(dues, default=None)


class _Bridge:
    """When which bytes go on to the host."""

    def __init__(self, speed: Speed) -> None:
        self._speed = speed
        self._tx_free_us = 0.0

    def pack(self, data: bytes, now_us: float) -> list[tuple[float, bytes]]:
        speed = self._speed
        begin_us = max(now_us, self._tx_free_us)
        self._tx_free_us = begin_us + len(data) * speed.byte_us
        if not speed.latency_ms:
            return [(self._tx_free_us, data)]
        size, packets = speed.packet_size, []
        for start in range(0, len(data), size):
            packet = data[start : start + size]
            end_us = begin_us + (start + len(packet)) * speed.byte_us
            if len(packet) < size:
                tick_us = speed.latency_ms * 1e3
                end_us = math.ceil(end_us / tick_us) * tick_us
            packets.append((end_us, packet))
        return packets
