"""An emulated USART of an L4 or G0, and that of an F4, 8E1, with a bridge behind it. RM0351
"USART registers", RM0090 30.6.

One data register and no FIFO: a byte that comes while the one before was not taken is lost (ORE).
A byte at another speed than BRR gives is one byte of rubbish with FE set; silicon makes several.
"""

from __future__ import annotations

from collections import deque

from flash_emulator.bootrom.line import BITS_PER_BYTE, Bridge, Speed
from flash_emulator.bootrom.noise import Noise, NoisyWire

CR1, BRR, ISR, ICR, RDR, TDR = 0x00, 0x0C, 0x1C, 0x20, 0x24, 0x28
OLD_SR, OLD_DR, OLD_BRR, OLD_CR1 = 0x00, 0x04, 0x08, 0x0C
FE, ORE, RXNE, TC, TXE = 1 << 1, 1 << 3, 1 << 5, 1 << 6, 1 << 7
ERRORS = 0xF
_TOLERANCE = 0.03


class Usart:
    """Times in microseconds. *clock_hz* is that of the peripheral. As the boot ROM leaves it, or
    off."""

    STATUS, DATA_OUT, SPEED, CONTROL = ISR, TDR, BRR, CR1  # offsets of registers
    ON = 1 << 0  # UE
    FROM_ROM = 0x140D  # CR1: on, 9 bits of which one is parity, transmitter and receiver

    def __init__(self, clock_hz: float, rom_baud: int = 0) -> None:
        self.clock_hz = clock_hz
        self.overrun_count = 0
        self._registers: dict[int, int] = {}
        if rom_baud:
            self._registers = {
                self.CONTROL: self.FROM_ROM,
                self.SPEED: round(clock_hz / rom_baud),
            }
        self._coming: deque[tuple[float, int, float]] = deque()  # when, what, at which speed
        self._flags = 0
        self._data = 0
        self._sent_us = 0.0  # when the last byte is gone
        self._shift_us = 0.0  # when TDR is free

    @property
    def baud(self) -> float:
        return self.clock_hz / self._registers.get(self.SPEED, 1)

    def read(self, offset: int, now_us: float) -> int:
        self._take_in(now_us)
        if offset == ISR:
            return self._status(now_us)
        if offset == RDR:
            return self._taken()
        return self._registers.get(offset, 0)

    def write(self, offset: int, value: int, now_us: float) -> None:
        self._take_in(now_us)  # at the speed that there was
        if offset == ICR:
            self._flags &= ~(value & 0xF)
        else:
            self._configure(offset, value)

    def _status(self, now_us: float) -> int:
        ready = (TXE if now_us >= self._shift_us else 0) | (TC if now_us >= self._sent_us else 0)
        return self._flags | ready

    def _taken(self) -> int:
        self._flags &= ~RXNE
        return self._data

    def _configure(self, offset: int, value: int) -> None:
        if offset == self.SPEED and self._registers.get(self.CONTROL, 0) & self.ON:
            raise AssertionError(
                "BRR was written while UE was set: it can only be when it is clear"
            )
        self._registers[offset] = value

    def send(self, now_us: float) -> tuple[float, float]:
        """TDR was written: when the byte begins, and how long it takes."""
        byte_us = BITS_PER_BYTE * 1e6 / self.baud
        begin_us = max(now_us, self._sent_us)
        self._shift_us, self._sent_us = begin_us, begin_us + byte_us
        return begin_us, byte_us

    # --- from the host

    def understands(self, baud: float) -> bool:
        return abs(self.baud - baud) <= _TOLERANCE * self.baud

    def come(self, at_us: float, byte: int, baud: float) -> None:
        """A byte will be complete at *at_us*."""
        self._coming.append((at_us, byte, baud))

    def next_us(self, now_us: float) -> float | None:
        """When something changes here after *now_us*."""
        times = [self._shift_us, self._sent_us, *([self._coming[0][0]] if self._coming else [])]
        return min((time for time in times if time > now_us), default=None)

    def has_byte(self, now_us: float) -> bool:
        return bool(self._flags & RXNE or (self._coming and self._coming[0][0] <= now_us))

    def _take_in(self, now_us: float) -> None:
        while self._coming and self._coming[0][0] <= now_us:
            _, byte, baud = self._coming.popleft()
            is_rubbish = not self.understands(baud)
            if self._flags & RXNE:
                self._flags |= ORE
                self.overrun_count += 1
                continue
            self._data = byte ^ 0xA5 if is_rubbish else byte
            self._flags |= RXNE | (FE if is_rubbish else 0)


class OldUsart(Usart):
    """Of an F4: one data register both ways. A read of SR, then one of DR clears errors."""

    STATUS, DATA_OUT, SPEED, CONTROL = OLD_SR, OLD_DR, OLD_BRR, OLD_CR1
    ON = 1 << 13
    FROM_ROM = 0x340C

    def __init__(self, clock_hz: float, rom_baud: int = 0) -> None:
        super().__init__(clock_hz, rom_baud)
        self._seen = 0  # errors that a read of SR has shown

    def read(self, offset: int, now_us: float) -> int:
        self._take_in(now_us)
        if offset == OLD_SR:
            self._seen = self._flags & ERRORS
            return self._status(now_us)
        if offset == OLD_DR:
            self._flags &= ~self._seen
            self._seen = 0
            return self._taken()
        return self._registers.get(offset, 0)

    def write(self, offset: int, value: int, now_us: float) -> None:
        self._take_in(now_us)
        self._configure(offset, value)


class Wire:
    """Both directions between a USART and a host behind a bridge, which works up to *most_baud*."""

    def __init__(
        self,
        usart: Usart,
        *,
        latency_ms: float = 0.0,
        noise: Noise | None = None,
        most_baud: int = 10**7,
    ) -> None:
        self.usart = usart
        self.host_baud = 0
        self._most_baud = most_baud
        self.byte_counts = [0, 0]  # from the host, to it
        self._bridge = Bridge(Speed(baud=1, latency_ms=latency_ms))
        self._noise = NoisyWire(noise or Noise())
        self._free_us = 0.0

    def from_host(self, data: bytes, now_us: float) -> None:
        self.byte_counts[0] += len(data)
        byte_us = BITS_PER_BYTE * 1e6 / self.host_baud
        begin_us = max(now_us, self._free_us)
        self._free_us = begin_us + len(data) * byte_us
        for place, byte in enumerate(self._noise.carry(data), 1):
            self.usart.come(begin_us + place * byte_us, byte, self._bridge_baud)

    def from_chip(self, byte: int, now_us: float) -> None:
        self.byte_counts[1] += 1
        begin_us, byte_us = self.usart.send(now_us)
        if not self.usart.understands(self._bridge_baud):
            byte ^= 0xA5
        self._bridge.push(self._noise.carry(bytes((byte,))), begin_us, byte_us)

    @property
    def hits(self) -> int:
        """Bytes that the noise did not leave alone."""
        return self._noise.hits

    @property
    def _bridge_baud(self) -> float:
        """That it really has."""
        return self.host_baud if self.host_baud <= self._most_baud else self.host_baud / 2

    def for_host(self, now_us: float) -> bytes:
        return self._bridge.pop(now_us)

    def next_us(self) -> float | None:
        return self._bridge.next_due_us()
