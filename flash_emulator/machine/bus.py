"""The peripheral bus: who answers at an address, and what is said of those who do not exist.

A register that nobody models keeps what was last written to it, and is named in ``Met``. A loop
that reads the same value of one register again and again waits for something: time jumps to the
next event of a peripheral, or COUNTFLAG where the loop looks at that. Where there is none, the
opposite of the value is given for once, which is named, too, and can be turned off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

_PAGE_BITS = 10
PATIENCE, LONGER = 64, 2000
"""Reads in a row of the same value of one register, with no write to any, until time jumps; until a
loop is helped."""

_EVERY = 3  # then one read in so many gives the opposite


class Device(Protocol):
    """A block of registers on the bus. See ``flash_emulator.machine.peripherals.base``."""

    @property
    def base(self) -> int: ...
    @property
    def size(self) -> int: ...
    def read(self, offset: int, width: int) -> int: ...
    def write(self, offset: int, width: int, value: int) -> None: ...
    def held(self, word: int) -> int: ...
    def state(self) -> Hashable: ...
    def reset(self, *, power_on: bool) -> None: ...


@dataclass(slots=True)
class Met:
    """What a run has met that is not modelled, or was helped over.

    *registers*: addresses nobody models, and how often they were read or written. *polls*:
    (address, PC) of loops that were cut short, and how often.
    """

    registers: Counter[int] = field(default_factory=Counter)
    polls: Counter[tuple[int, int]] = field(default_factory=Counter)


class PeripheralBus:
    """Reads and writes of registers, by address."""

    def __init__(
        self, *, pc: Callable[[], int], skip: Callable[[], bool], helps: bool = True
    ) -> None:
        """*pc*: where the core is; *skip*: let time jump to the next event, if there is one;
        *helps*: whether loops are helped over."""
        self._pc, self._skip, self._helps = pc, skip, helps
        self._pages: dict[int, list[Device]] = {}
        self.stored: dict[int, int] = {}
        self.met = Met()
        self.touched: set[Device] = set()
        """Devices that were read or written since this was cleared."""
        self._last = (-1, 0)
        self._same = 0

    def add(self, devices: Iterable[Device]) -> None:
        """Devices that come first are asked first."""
        for device in devices:
            last = device.base + device.size - 1
            for page in range(device.base >> _PAGE_BITS, (last >> _PAGE_BITS) + 1):
                self._pages.setdefault(page, []).append(device)

    def reset(self) -> None:
        self.stored.clear()
        self._last, self._same = (-1, 0), 0

    def does_not_wait(self) -> None:
        """Software has looked at a clock: it may be about to give up a wait, and time must not
        jump over that."""
        self._same = 0

    def state(self) -> Hashable:
        """What no device has: registers that nobody models."""
        return tuple(sorted(self.stored.items()))

    def has_page(self, address: int) -> bool:
        """Whether any device has registers in the 1 KiB at *address*."""
        return address >> _PAGE_BITS in self._pages

    def read(self, address: int, width: int) -> int:
        for device in self._pages.get(address >> _PAGE_BITS, ()):
            offset = address - device.base
            if 0 <= offset < device.size:
                self.touched.add(device)
                value = device.read(offset, width)
                break
        else:
            value = self._stored(address, width)
        if self._last == (address, value):
            self._same += 1
            if self._same >= PATIENCE:
                return self._waited(address, width, value)
        else:
            self._last, self._same = (address, value), 0
        return value

    def device_at(self, address: int) -> Device | None:
        """Who answers there."""
        for device in self._pages.get(address >> _PAGE_BITS, ()):
            if 0 <= address - device.base < device.size:
                return device
        return None

    def peek(self, address: int) -> int:
        """What the register at *address*, a multiple of 4, keeps: nobody reads it."""
        device = self.device_at(address)
        if device is None:
            return self.stored.get(address, 0)
        return device.held(address - device.base)

    def _stored(self, address: int, width: int) -> int:
        self.met.registers[address & ~3] += 1
        word = self.stored.get(address & ~3, 0)
        return word >> 8 * (address & 3) & (1 << 8 * width) - 1

    def _waited(self, address: int, width: int, value: int) -> int:
        if self._skip():
            self._same = 0
            return self.read(address, width)
        if not self._helps or self._same < LONGER or (self._same - LONGER) % _EVERY:
            return value
        self.met.polls[address, self._pc()] += 1
        return ~value & (1 << 8 * width) - 1

    def write(self, address: int, width: int, value: int) -> None:
        self._same = 0
        for device in self._pages.get(address >> _PAGE_BITS, ()):
            offset = address - device.base
            if 0 <= offset < device.size:
                self.touched.add(device)
                device.write(offset, width, value)
                return
        at, shift = address & ~3, 8 * (address & 3)
        lanes = (1 << 8 * width) - 1 << shift
        self.met.registers[at] += 1
        self.stored[at] = self.stored.get(at, 0) & ~lanes | value << shift & lanes
