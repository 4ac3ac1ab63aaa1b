"""The line between chip and host: how long bytes take, and when a USB bridge hands them on.

A byte is 11 bits (8E1). A host's bytes come one by one; of those that come while the ROM programs,
erases or answers, the first is kept and the others are lost: its USART has one data register and no
FIFO, and the ROM polls (ST's OpenBootloader does, and waits for each byte to be gone). The chip's
bytes wait in the bridge until a packet is full or the latency timer ticks, as in an FTDI. The timer
measures the time since anything was last sent to the host: a full packet starts it anew, and when
nothing waits a tick sends a packet of status alone (FTDI AN232B-04, "Small Amounts of Data and End
of Buffer Conditions"). Changes of CTS, DSR, DCD or RI and event characters, which send at once too,
do not occur here.
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass, replace

from flash_emulator.bootrom.chip import Chip
from flash_emulator.bootrom.noise import Noise, NoisyWire

BITS_PER_BYTE = 11
FTDI_PAYLOAD = 62  # of a packet of 64 bytes; two are status
_BAUD_TOLERANCE = 0.03  # of a USART with 8 data bits and parity; assumed


@dataclass(frozen=True, slots=True)
class Speed:
    """What is waited for.

    *baud* 0: bytes take no time, and any speed is understood. *latency_ms* 0: no bridge. *flash*:
    the times of flash operations.
    """

    baud: int = 0
    latency_ms: float = 0.0
    packet_size: int = FTDI_PAYLOAD
    flash: bool = False

    @property
    def is_free(self) -> bool:
        """Nothing is waited for."""
        return not (self.baud or self.latency_ms or self.flash)


class Line:
    """Both directions of one chip. Times are those of the caller's clock, in microseconds."""

    def __init__(self, chip: Chip, speed: Speed, noise: Noise | None = None) -> None:
        self.chip = chip
        self.speed = speed
        self.overrun_count = 0  # bytes that came while the ROM was busy
        self.misread_count = 0  # bytes at a speed that the ROM does not read
        self._noise = NoisyWire(noise or Noise())
        self._baud = speed.baud
        self._rom_baud = 0  # that it measured
        self._start_us = chip.device.clock.now_us
        self._rx_free_us = 0.0
        self._busy_until_us = 0.0
        self._deafness = random.Random(f"deaf/{chip.device.seed}")  # noqa: S311
        self._bridge = Bridge(speed)

    def set_latency(self, latency_ms: float) -> None:
        """The driver sets the bridge's timer anew; what waits goes by the new one."""
        self.speed = replace(self.speed, latency_ms=latency_ms)
        self._bridge.speed = self.speed

    @property
    def _byte_us(self) -> float:
        return BITS_PER_BYTE * 1e6 / self._baud if self._baud else 0.0

    # --- towards the chip

    def receive(self, data: bytes, now_us: float, baud: int = 0) -> None:
        """Bytes that the host sends now; *baud* is its speed, where it is known.

        What the chip will say to them, and when, is settled at once: nothing that comes later
        changes it. So the caller has to be woken once an answer, not once a frame too.
        """
        data = self._noise.carry(data)
        if not self.speed.baud:
            self._hear(data, now_us)
            return
        self._baud = baud or self.speed.baud
        begin_us = max(now_us, self._rx_free_us)
        self._rx_free_us = begin_us + len(data) * self._byte_us
        while data:
            begin_us, data = self._overrun(begin_us, data)
            size = min(self.chip.needs, len(data))
            begin_us += size * self._byte_us
            if self._is_understood():
                self._hear(data[:size], begin_us)
            else:
                self.misread_count += size
            data = data[size:]

    def _overrun(self, begin_us: float, data: bytes) -> tuple[float, bytes]:
        """What is left of bytes that come while the ROM looks away: the first of them."""
        missed = min(len(data), int((self._busy_until_us - begin_us) / self._byte_us))
        if missed < 2:
            return begin_us, data
        self.overrun_count += missed - 1
        return begin_us + (missed - 1) * self._byte_us, data[:1] + data[missed:]

    def _is_understood(self) -> bool:
        """Whether the ROM reads this speed: the one that it measured, or may measure now."""
        rom, most = self.chip.rom, self.chip.options.max_baud
        if rom is None:
            return True
        if not rom.is_synchronised:
            self._rom_baud = self._baud
            return not most or self._baud <= most
        return abs(self._baud - self._rom_baud) <= _BAUD_TOLERANCE * self._rom_baud

    def _hear(self, data: bytes, at_us: float) -> None:
        clock = self.chip.device.clock
        if not self.speed.is_free:
            clock.now_us = max(clock.now_us, self._start_us + math.ceil(at_us))
        before_us = clock.now_us
        self.chip.receive(data)
        if self.speed.flash:
            at_us += clock.now_us - before_us
        said = self._noise.carry(self.chip.transmit())
        self._busy_until_us = self._bridge.push(said, at_us, self._byte_us) + self._deaf_us(said)

    def _deaf_us(self, said: bytes) -> float:
        options = self.chip.options
        is_deaf = said and options.deaf_us and self._deafness.random() < options.deaf_chance
        return options.deaf_us if is_deaf else 0.0

    # --- towards the host

    def transmit(self, now_us: float) -> bytes:
        """What the host gets now."""
        return self._bridge.pop(math.inf if self.speed.is_free else now_us)

    def next_due_us(self) -> float | None:
        """When there is something for the host; None: never, unless it says something."""
        return self._bridge.next_due_us()


class Bridge:
    """Bytes of the chip on their way to the host, with the time when they get there."""

    def __init__(self, speed: Speed) -> None:
        self.speed = speed
        self._tx_free_us = 0.0
        self._going: deque[tuple[float, bytes]] = deque()
        self._packet = bytearray()  # not full yet
        self._packet_us = 0.0  # when its last byte came
        self._sent_us = 0.0  # when anything was last sent to the host, status packets left out

    def push(self, data: bytes, at_us: float, byte_us: float) -> float:
        """The chip says *data* from *at_us* on. Returns when its last byte is gone."""
        begin_us = max(at_us, self._tx_free_us)
        self._tx_free_us = begin_us + len(data) * byte_us
        if not self.speed.latency_ms:
            if data:
                self._going.append((self._tx_free_us, data))
            return self._tx_free_us if data else at_us
        for number, byte in enumerate(data, 1):
            self._put(byte, begin_us + number * byte_us)
        return self._tx_free_us if data else at_us

    def _put(self, byte: int, at_us: float) -> None:
        if self._packet and at_us > self._tick_us():
            self._hand_on(self._tick_us())
        self._packet.append(byte)
        self._packet_us = at_us
        if len(self._packet) == self.speed.packet_size:
            self._hand_on(at_us)

    def _tick_us(self) -> float:
        """When the timer hands the packet on."""
        period_us = self.speed.latency_ms * 1e3
        ticks = max(1, math.ceil((self._packet_us - self._sent_us) / period_us))
        return self._sent_us + ticks * period_us

    def _hand_on(self, at_us: float) -> None:
        self._sent_us = at_us
        self._going.append((at_us, bytes(self._packet)))
        self._packet.clear()

    def pop(self, now_us: float) -> bytes:
        if self._packet and self._tick_us() <= now_us:
            self._hand_on(self._tick_us())
        due = []
        while self._going and self._going[0][0] <= now_us:
            due.append(self._going.popleft()[1])
        return b"".join(due)

    def next_due_us(self) -> float | None:
        if self._going:
            return self._going[0][0]
        return self._tick_us() if self._packet else None
