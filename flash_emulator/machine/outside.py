"""The world outside of the chip: pins, serial lines, a debugger's console."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from flash_emulator.machine.peripherals.base import Peripheral
from flash_emulator.machine.peripherals.usart import Usart
from flash_emulator.machine.rest import AtRest

if TYPE_CHECKING:
    from flash_emulator.machine.machine import Machine

BAUD = 115_200
_BITS = 10  # of a byte: 8N1


def byte_us(baud: int) -> float:
    """How long a byte is on the line, in microseconds."""
    return 1e6 * _BITS / baud


_CONSOLE, _FOR_WRITING = 1, 4  # a handle of semihosting; modes "w" and behind

Sent = tuple[str, bytes]
"""Bytes that a host sends to a USART, by its name."""


class Host(Protocol):
    """Whoever is at the other end of the serial lines. What it answers is sent at once."""

    def start(self, now_us: float) -> Iterable[Sent]:
        """The chip is powered on."""

    def heard(self, usart: str, byte: int, now_us: float) -> Iterable[Sent]:
        """The chip has sent a byte."""

    def next_us(self) -> float | None:
        """When it wants ``woken``; None: never."""

    def woken(self, now_us: float) -> Iterable[Sent]:
        """That time has come."""

    def state(self, now_us: float) -> Hashable:
        """All that decides what it does next, told in time that is left, never as a moment."""

    @property
    def survives(self) -> bool:
        """Whether it goes on after a cut where it was."""

    @property
    def progress(self) -> int:
        """Another number whenever it has gone on: it will do something else if power goes now."""


class Outside:
    """What peripherals ask of the world: ``Chip`` of ``peripherals.base``. *pins* are levels that
    the board gives to inputs; whoever drives the machine may change them."""

    def __init__(self, machine: Machine, pins: Mapping[str, bool]) -> None:
        self._machine = machine
        self.pins = dict(pins)
        self.driven: dict[str, bool] = {}
        """Outputs, as firmware has last driven them."""
        self.host: Host | None = None
        self.byte_us = byte_us(BAUD)
        """How long a byte to the chip is on the line."""
        self._line: dict[str, deque[tuple[float, int]]] = {}
        self._progress = 0  # of the host, when it was last asked
        self._usarts: dict[str, Usart] = {}

    def connect(self, peripherals: Iterable[Peripheral]) -> None:
        """USARTs among them are called when a byte comes."""
        for usart in (each for each in peripherals if isinstance(each, Usart)):
            self._usarts[usart.name] = usart
            usart.looks = False

    @property
    def usarts(self) -> list[str]:
        """The names of those that the chip has."""
        return sorted(self._usarts)

    def power_on(self) -> None:
        """Nothing is on the lines; the host is told."""
        self._line.clear()
        self.driven.clear()
        if self.host is not None:
            self._send_all(self.host.start(self.now_us))
            self._progress = self.host.progress

    def state(self) -> Hashable:
        now_us = self.now_us
        lines = tuple(
            (usart, tuple((round(at - now_us, 3), byte) for at, byte in line))
            for usart, line in sorted(self._line.items())
            if line
        )
        host = None if self.host is None else self.host.state(now_us)
        return tuple(sorted(self.pins.items())), tuple(sorted(self.driven.items())), lines, host

    # --- serial lines

    def send(self, usart: str, data: bytes) -> None:
        """*data* go to the chip, one byte after the other."""
        line = self._line.setdefault(usart, deque())
        at_us = max(self.now_us, line[-1][0] if line else 0.0)
        for byte in data:
            at_us += self.byte_us
            line.append((at_us, byte))

    def _send_all(self, sent: Iterable[Sent]) -> None:
        for usart, data in sent:
            self.send(usart, data)

    def next_us(self) -> float | None:
        """When a byte arrives, or the host wants to be woken."""
        now_us = self.now_us
        times = [line[0][0] for line in self._line.values() if line and line[0][0] > now_us]
        if self.host is not None:
            wake_us = self.host.next_us()
            if wake_us is not None:
                times.append(wake_us)
        return min(times, default=None)

    def tick(self) -> None:
        """Let the host do what it wanted to do by now."""
        if self.host is not None:
            wake_us = self.host.next_us()
            if wake_us is not None and wake_us <= self.now_us:
                self._send_all(self.host.woken(self.now_us))
                self._has_gone_on(self.host)
        now_us = self.now_us
        for name, line in self._line.items():
            if line and line[0][0] <= now_us and name in self._usarts:
                self._usarts[name].comes()

    # --- Chip

    @property
    def now_us(self) -> float:
        return self._machine.now_us

    def set_irq(self, number: int, level: bool) -> None:
        self._machine.exceptions.set_line(number, level=level)
        if level:
            self._machine.recheck()

    def pin(self, name: str) -> bool | None:
        return self.pins.get(name)

    def pin_changed(self, name: str, level: bool) -> None:
        self.driven[name] = level
        if (name, level) in self._machine.rests.pins:
            raise AtRest("pin", f"{name} is {'high' if level else 'low'}")

    def sent(self, usart: str, byte: int) -> None:
        """The chip has sent a byte: what it has programmed before is done."""
        self._machine.flash.settle()
        output = self._machine.record.output
        output.append(byte)
        if self.host is not None:
            self._send_all(self.host.heard(usart, byte, self.now_us))
            self._has_gone_on(self.host)
        for text in self._machine.rests.texts:
            if output.endswith(text):
                raise AtRest("text", text.decode("latin-1"))

    def _has_gone_on(self, host: Host) -> None:
        """Power may go between two flash operations, too, where the host knows more than before:
        it may hold for done what the flash does not have yet."""
        if host.progress == self._progress:
            return
        self._progress = host.progress
        self._machine.recheck()  # bytes come, or it wants to be woken
        watch = self._machine.flash.watch
        if watch is not None and host.survives:
            self._machine.flash.settle()
            watch.moment()

    def received(self, usart: str, *, take: bool) -> int | None:
        line = self._line.get(usart)
        if not line or line[0][0] > self.now_us:
            return None
        if not take:
            return line[0][1]
        _, byte = line.popleft()
        if line and usart in self._usarts and self._usarts[usart].is_waited_for:
            self._machine.recheck()  # the next one raises an interrupt
        return byte

    # --- semihosting

    def semihosting(self, pc: int) -> int:
        """SYS_OPEN and SYS_WRITE of the console, SYS_WRITEC, SYS_WRITE0 and the exits; all else
        gives -1. Semihosting for AArch32, 2.0."""
        space, registers = self._machine.space, self._machine.engine.registers
        operation, argument = registers["r0"], registers["r1"]
        match operation:
            case 0x01:
                registers["r0"] = self._open(argument)
            case 0x05:
                registers["r0"] = self._write(argument)
            case 0x03:
                self.sent("semihosting", space.bytes_at(argument, 1)[0])
            case 0x04:
                while byte := space.bytes_at(argument, 1)[0]:
                    self.sent("semihosting", byte)
                    argument += 1
            case 0x18 | 0x20:
                raise AtRest("exit", "semihosting exit")
            case _:
                registers["r0"] = 0xFFFF_FFFF
        return pc + 2

    def _open(self, arguments: int) -> int:
        """The console, ``:tt``, for output: a handle. No file of the host is opened."""
        name, mode, length = self._words(arguments, 3)
        is_console = self._machine.space.bytes_at(name, length & 0xFF) == b":tt"
        return _CONSOLE if is_console and mode >= _FOR_WRITING else 0xFFFF_FFFF

    def _write(self, arguments: int) -> int:
        """How many bytes were not written."""
        handle, start, length = self._words(arguments, 3)
        if handle != _CONSOLE:
            return length
        for byte in self._machine.space.bytes_at(start, length):
            self.sent("semihosting", byte)
        return 0

    def _words(self, address: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}I", self._machine.space.bytes_at(address, 4 * count))
