"""What every peripheral is: registers at an address, on a chip that tells time, pins and bytes.

A peripheral knows nothing of the CPU. It is read and written at offsets from its base; time passes
between accesses, and what it wants to do by itself it does in ``tick``. All that it holds is in
``state``, told in time that has passed or is left, never as a moment: two peripherals in equal
states behave alike from then on, and ``restore`` makes one of the other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from typing import ClassVar, Protocol


class Chip(Protocol):
    """What a peripheral may ask of the machine."""

    @property
    def now_us(self) -> float:
        """Virtual time since power-on, in microseconds."""

    def set_irq(self, number: int, level: bool) -> None:
        """The level of the line of external interrupt *number*."""

    def pin(self, name: str) -> bool | None:
        """The level that the board gives to a pin, "PC13"; None where nothing is said."""

    def pin_changed(self, name: str, level: bool) -> None:
        """Firmware drives an output."""

    def sent(self, usart: str, byte: int) -> None:
        """A byte left the chip."""

    def received(self, usart: str, *, take: bool) -> int | None:
        """The next byte that has arrived by now. With *take* false it stays the next."""


class Peripheral(ABC):
    """One block of registers, *size* bytes from *base*. Offsets in bytes, widths 1, 2 or 4."""

    def __init__(self, chip: Chip, name: str, base: int, size: int = 0x400) -> None:
        self.chip, self.name, self.base, self.size = chip, name, base, size

    @abstractmethod
    def reset(self, *, power_on: bool) -> None:
        """Registers as after power-on, or as after a system reset: some survive that."""

    @abstractmethod
    def read(self, offset: int, width: int) -> int:
        """*width* bytes at *offset*. A read may have side effects, as on the chip."""

    @abstractmethod
    def write(self, offset: int, width: int, value: int) -> None:
        """May raise ``SystemReset``."""

    @abstractmethod
    def held(self, word: int) -> int:
        """What the register at *word* keeps, without what a read of it does."""

    @abstractmethod
    def state(self) -> Hashable:
        """All that it holds."""

    @abstractmethod
    def restore(self, state: Hashable) -> None:
        """Hold *state*, which a peripheral of the same chip has told, from now on."""

    @property
    def is_as_powered_on(self) -> bool:
        """Whether nothing has happened to it since power-on, system resets among it."""
        return True

    def next_us(self) -> float | None:
        """When it wants ``tick``, in virtual time; None: never."""
        return None

    def tick(self) -> None:  # noqa: B027  most have nothing to do by themselves
        """That time has come. May raise ``SystemReset``."""


Reader = Callable[[], int]
Writer = Callable[[int], None]

WHOLE = 0xFFFF_FFFF
LANES = {1: 0xFF, 2: 0xFFFF, 4: WHOLE}
NANOSECONDS = 6  # decimals of a microsecond that a state keeps: floats differ below that


class Registers(Peripheral):
    """Registers of 32 bits that hold what was written, except where a reader or writer says else.

    A subclass fills ``_readers`` and ``_writers``, by offset, and calls ``reset``. What it holds
    beside register values it names: ``_fields`` are attributes with plain values, ``_moments``
    attributes with a time in microseconds or None.
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _moments: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        chip: Chip,
        name: str,
        base: int,
        size: int = 0x400,
        *,
        resets: Mapping[int, int] | None = None,
    ) -> None:
        super().__init__(chip, name, base, size)
        self._resets = dict(resets or {})
        self._held: dict[int, int] = dict(self._resets)
        self._readers: dict[int, Reader] = {}
        self._writers: dict[int, Writer] = {}
        self._actions: frozenset[int] = frozenset()  # what is not written of them counts as 0
        self._told: Hashable | None = None
        self._touched = True  # since the last reset something may have changed
        self._is_fresh = False  # that reset was a power-on

    _resets_itself = False
    """A reset may leave it in another state than the one before did, whatever happened since."""

    def reset(self, *, power_on: bool) -> None:
        """Costs nothing where nothing has happened since the last one."""
        if self._touched or self._resets_itself or (power_on and not self._is_fresh):
            self._reset(power_on=power_on)
            self._touched, self._is_fresh = False, power_on

    @property
    def is_as_powered_on(self) -> bool:
        return self._is_fresh and not self._touched

    def _reset(self, *, power_on: bool) -> None:  # noqa: ARG002
        self._held = dict(self._resets)
        self._told = None

    def read(self, offset: int, width: int) -> int:
        word = offset & ~3
        reader = self._readers.get(word)
        if reader is None:
            value = self._held.get(word, 0)
        else:
            self._touched = True
            value = reader()
        return value if width == 4 else value >> 8 * (offset & 3) & LANES[width]

    def write(self, offset: int, width: int, value: int) -> None:
        word = offset & ~3
        self._touched = True
        if width != 4:
            shift = 8 * (offset & 3)
            rest = 0 if word in self._actions else self._held.get(word, 0)
            value = rest & ~(LANES[width] << shift) | (value & LANES[width]) << shift
        writer = self._writers.get(word)
        if writer is None:
            self._hold(word, value)
        else:
            writer(value)

    def held(self, word: int) -> int:
        """What the register at *word* keeps, without what a read of it does."""
        return self._held.get(word, 0)

    def _hold(self, word: int, value: int) -> None:
        self._held[word] = value
        self._told = None

    # --- state

    def state(self) -> Hashable:
        if self._told is None:
            changed = {k: v for k, v in self._held.items() if v != self._resets.get(k, 0)}
            self._told = tuple(sorted(changed.items()))
        if not self._fields and not self._moments:
            return self._told
        return self._told, self._plain(), self._time_left()

    def _plain(self) -> tuple[Hashable, ...]:
        return tuple([getattr(self, name) for name in self._fields])

    def _time_left(self) -> tuple[float | None, ...]:
        now_us = self.chip.now_us
        moments = [getattr(self, name) for name in self._moments]
        return tuple([None if at is None else round(at - now_us, NANOSECONDS) for at in moments])

    def restore(self, state: Hashable) -> None:
        assert isinstance(state, tuple)
        self._touched = True
        told, plain, left = state if self._fields or self._moments else (state, (), ())
        self._held = {**dict.fromkeys(self._resets, 0), **self._resets, **dict(told)}
        self._told = told
        for name, value in zip(self._fields, plain, strict=True):
            setattr(self, name, value)
        for name, value in zip(self._moments, left, strict=True):
            setattr(self, name, None if value is None else self.chip.now_us + value)
        self._restored()

    def _restored(self) -> None:
        """What follows from a state is made anew: the interrupt line, for one."""


def ignore(value: int) -> None:
    """The writer of a register that can only be read."""


class Lines:
    """The interrupt lines of one chip. Several peripherals may share one: any of them raises it."""

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self._raised: dict[int, set[str]] = {}

    def set(self, number: int | None, who: str, level: bool) -> None:
        """*who* raises the line of interrupt *number*, or no longer does. None: it has none."""
        if number is None:
            return
        raised = self._raised.setdefault(number, set())
        before = bool(raised)
        (raised.add if level else raised.discard)(who)
        if bool(raised) != before:
            self._chip.set_irq(number, not before)
