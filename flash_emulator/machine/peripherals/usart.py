"""USART, UART and LPUART: bytes out at once, bytes in as the board has them.

RM0008 27.6 and RM0090 30.6 for SR and DR; RM0351 40.8 and RM0440 37.8 for ISR, RDR and TDR. Baud
rates, parity, 9 bits, DMA, flow control, LIN, IrDA and smart cards hold what is written and do
nothing. A byte stays with the board until firmware takes it, unless *overrun* is set: then the
receiver takes what has arrived whenever it is looked at, and what finds no room is lost (ORE), as
is what comes while the receiver is off.
"""

from __future__ import annotations

from typing import ClassVar

from flash_emulator.machine.chips.facts import Unit
from flash_emulator.machine.peripherals.base import Chip, Lines, Registers, ignore

# --- SR and CR1, the same bits in ISR and in both kinds of CR1 as far as they go

ORE = 1 << 3
IDLE = 1 << 4
RXNE = 1 << 5
TC = 1 << 6
TXE = 1 << 7

RE = 1 << 2
TE = 1 << 3
IDLEIE = 1 << 4
RXNEIE = 1 << 5
TCIE = 1 << 6
TXEIE = 1 << 7

# --- SR, DR: F1, F2, F4

SR, DR, BRR, OLD_CR1 = 0x00, 0x04, 0x08, 0x0C
OLD_UE = 1 << 13

# --- ISR, RDR, TDR

CR1, RQR, ISR, ICR, RDR, TDR = 0x00, 0x18, 0x1C, 0x20, 0x24, 0x28
UE = 1 << 0
FIFOEN = 1 << 29
TEACK = 1 << 21
REACK = 1 << 22
TXFE = 1 << 23
RXFRQ = 1 << 3  # RQR: "clears the flag RXNE"
FIFO_BYTES = 8  # RM0440: "The FIFO size is 8"

LOOK_US = 50.0
"""How often a receiver with its interrupt on looks whether a byte has come: half a byte's time at
115200 baud. A machine that calls ``tick`` when one comes sets ``looks`` to False."""


class Usart(Registers):
    """What both kinds have in common. A subclass says where bits are."""

    CONTROL = CR1
    ENABLE = UE
    looks = True
    _fields: ClassVar[tuple[str, ...]] = ("_flags", "_buffer", "_heard")
    _moments = ("_look_us",)

    def __init__(self, chip: Chip, unit: Unit, lines: Lines, *, overrun: bool = False) -> None:
        super().__init__(chip, unit.name, unit.base)
        self._irq, self._lines, self._overrun = unit.irq, lines, overrun
        self._flags = 0  # ORE, IDLE, TC
        self._buffer: tuple[int, ...] = ()  # received, with *overrun*; the last byte read without
        self._heard = False  # a byte came since the line was idle
        self._look_us: float | None = None

    def _reset(self, *, power_on: bool) -> None:
        super()._reset(power_on=power_on)
        self._flags, self._buffer, self._heard, self._look_us = TC, (), False, None
        self._lines.set(self._irq, self.name, False)

    # --- receiving

    @property
    def _receives(self) -> bool:
        needed = self.ENABLE | RE
        return self._held.get(self.CONTROL, 0) & needed == needed

    @property
    def _room(self) -> int:
        return FIFO_BYTES if self._held.get(self.CONTROL, 0) & FIFOEN else 1

    def _listen(self) -> bool:
        """Whether a byte can be read. Sets ORE and IDLE."""
        if not self._receives:
            return bool(self._overrun and self._buffer)
        if self._overrun:
            self._take_all()
            waits = bool(self._buffer)
        else:
            waits = self.chip.received(self.name, take=False) is not None
        if waits:
            self._heard = True
        elif self._heard:
            self._heard = False
            self._flags |= IDLE
        return waits

    def _take_all(self) -> None:
        while (byte := self.chip.received(self.name, take=True)) is not None:
            if len(self._buffer) < self._room:
                self._buffer += (byte,)
            else:
                self._flags |= ORE
            self._heard = True

    def _read_data(self) -> int:
        """The next byte; with none the last one again, as the register still holds it."""
        if not self._listen():
            return self._held.get(self.RECEIVED, 0)
        if self._overrun:
            byte, self._buffer = self._buffer[0], self._buffer[1:]
        else:
            byte = self.chip.received(self.name, take=True) or 0
        self._hold(self.RECEIVED, byte)
        self._listen()
        self._update()
        return byte

    RECEIVED = -1  # a place of its own among the values that are held

    # --- sending

    def _write_data(self, value: int) -> None:
        """A byte that is written leaves at once: TC and TXE are set again."""
        needed = self.ENABLE | TE
        if self._held.get(self.CONTROL, 0) & needed == needed:
            self.chip.sent(self.name, value & 0xFF)
            self._flags |= TC
            self._update()

    # --- status and interrupts

    def _status(self) -> int:
        waits = self._listen()  # first: it sets flags
        return self._flags | TXE | (RXNE if waits else 0)

    def _update(self) -> None:
        """The line: any flag whose interrupt is on."""
        control = self._held.get(self.CONTROL, 0)
        enabled = control & (IDLEIE | RXNEIE | TCIE | TXEIE)
        if not control & self.ENABLE or not enabled:
            self._lines.set(self._irq, self.name, False)
            self._look_us = None
            return
        status = self._status()
        raised = status & enabled or (status & ORE and control & RXNEIE)
        self._lines.set(self._irq, self.name, bool(raised))
        looks = enabled & IDLEIE or (enabled & RXNEIE and self.looks)
        looks = looks and self._receives
        self._look_us = self.chip.now_us + LOOK_US if looks else None

    def _write_control(self, value: int) -> None:
        if self._overrun and not self._receives:
            while self.chip.received(self.name, take=True) is not None:
                pass  # nobody was there
        self._hold(self.CONTROL, value)
        self._update()

    def next_us(self) -> float | None:
        return self._look_us

    def tick(self) -> None:
        self._update()

    @property
    def is_waited_for(self) -> bool:
        """Whether a byte that comes raises an interrupt."""
        return bool(self._receives and self._held.get(self.CONTROL, 0) & RXNEIE)

    def comes(self) -> None:
        """A byte has come, or waits still."""
        if self.is_waited_for:
            self._update()

    def _restored(self) -> None:
        look_us = self._look_us
        self._update()
        self._look_us = look_us


class OldUsart(Usart):
    """SR and DR. Flags are cleared by a read of SR and one of DR, TC also by writing 0 to it."""

    CONTROL, ENABLE = OLD_CR1, OLD_UE
    _fields = ("_flags", "_buffer", "_heard", "_seen")

    def __init__(self, chip: Chip, unit: Unit, lines: Lines, *, overrun: bool = False) -> None:
        super().__init__(chip, unit, lines, overrun=overrun)
        self._readers = {SR: self._read_sr, DR: self._read_dr}
        self._writers = {SR: self._write_sr, DR: self._write_dr, OLD_CR1: self._write_control}
        self._actions = frozenset({DR})
        self.reset(power_on=True)

    def _reset(self, *, power_on: bool) -> None:
        super()._reset(power_on=power_on)
        self._seen = 0  # flags that a read of SR has shown; then DR clears them

    def _read_sr(self) -> int:
        value = self._status()
        self._seen = value & (ORE | IDLE | TC)
        return value

    def _read_dr(self) -> int:
        self._flags &= ~(self._seen & (ORE | IDLE))
        self._seen &= TC
        byte = self._read_data()
        self._update()
        return byte

    def _write_sr(self, value: int) -> None:
        """RXNE and TC: "can also be cleared by writing a zero to it"."""
        self._flags &= value | ~TC
        if not value & RXNE and self._listen():
            self._read_data()
        self._update()

    def _write_dr(self, value: int) -> None:
        self._flags &= ~(self._seen & TC)
        self._seen &= ~TC
        self._write_data(value)


class NewUsart(Usart):
    """ISR, ICR, RDR and TDR. *fifo*: FIFOEN counts, and TXFE shows."""

    def __init__(
        self, chip: Chip, unit: Unit, lines: Lines, *, fifo: bool, overrun: bool = False
    ) -> None:
        super().__init__(chip, unit, lines, overrun=overrun)
        self._fifo = fifo
        self._readers = {ISR: self._read_isr, RDR: self._read_data, ICR: int, RQR: int}
        self._writers = {
            CR1: self._write_control,
            ICR: self._write_icr,
            RQR: self._write_rqr,
            TDR: self._write_data,
            ISR: ignore,
            RDR: ignore,
        }
        self._actions = frozenset({ICR, RQR, TDR})
        self.reset(power_on=True)

    @property
    def _room(self) -> int:
        return super()._room if self._fifo else 1

    def _read_isr(self) -> int:
        """TEACK and REACK follow TE and RE while the USART is enabled."""
        control = self._held.get(CR1, 0)
        value = self._status()
        if control & UE:
            value |= (TEACK if control & TE else 0) | (REACK if control & RE else 0)
        return value | TXFE if self._fifo and control & FIFOEN else value

    def _write_icr(self, value: int) -> None:
        self._flags &= ~(value & (ORE | IDLE | TC))
        self._update()

    def _write_rqr(self, value: int) -> None:
        if value & RXFRQ:
            for _ in range(self._room):
                if self._listen():
                    self._read_data()
        self._update()
