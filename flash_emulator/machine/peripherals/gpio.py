"""GPIO: what the board puts on inputs, what firmware drives. RM0351 chapter 8, RM0008 chapter 9.

Not modelled: LCKR (holds what is written), speeds, and what an alternate function drives.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import lru_cache

from flash_emulator.machine.peripherals.base import Chip, Registers, Writer, ignore

PINS = range(16)
ALL = 0xFFFF

# --- all families but F1, RM0351 8.4

MODER, OTYPER, PUPDR = 0x00, 0x04, 0x0C
IDR, ODR, BSRR, BRR = 0x10, 0x14, 0x18, 0x28
OUTPUT, ANALOG = 0b01, 0b11  # MODER
PULL_UP = 1  # PUPDR

# --- F1, RM0008 9.2

F1_CRL, F1_CRH = 0x00, 0x04
F1_IDR, F1_ODR, F1_BSRR, F1_BRR = 0x08, 0x0C, 0x10, 0x14
F1_RESET = 0x4444_4444  # floating inputs


class Port(Registers):
    """One port. A subclass says which pins are outputs, and what pulls the others."""

    IDR, ODR, BSRR, BRR = IDR, ODR, BSRR, BRR
    _fields = ("_shown",)

    def __init__(self, chip: Chip, name: str, base: int, resets: dict[int, int]) -> None:
        self._letter = name.removeprefix("GPIO")
        self._pins = [f"P{self._letter}{number}" for number in PINS]
        self._shown: tuple[int, int] = (0, 0)  # outputs, and their levels
        self._push_pull = self._open_drain = 0
        self._inputs: list[tuple[int, str]] = []
        super().__init__(chip, name, base, resets=resets)
        self._readers = {self.IDR: self._read_idr, self.BSRR: int, self.BRR: int}
        self._writers = {
            self.ODR: self._write_odr,
            self.BSRR: self._write_bsrr,
            self.BRR: self._write_brr,
            self.IDR: ignore,
        }
        self._actions = frozenset({self.BSRR, self.BRR})

    def _reset(self, *, power_on: bool) -> None:
        super()._reset(power_on=power_on)
        self._shown = (0, 0)
        self._set_modes()

    def _read_idr(self) -> int:
        """Outputs show what they drive; an input what the board says, else its pull; analog 0."""
        driven = self._held.get(self.ODR, 0)
        value, pulled, pin = driven & self._push_pull, self._pulled(), self.chip.pin
        for bit, name in self._inputs:
            level = pin(name)
            if level or (level is None and pulled & bit):
                value |= bit
        return value & ~(self._open_drain & ~driven)

    def _note_modes(self, push_pull: int, open_drain: int, analog: int) -> None:
        """Which pins are outputs now, and which show what the board gives them."""
        self._push_pull, self._open_drain = push_pull, open_drain
        digital = ALL & ~push_pull & ~analog
        self._inputs = [(1 << n, self._pins[n]) for n in PINS if digital >> n & 1]

    def _write_odr(self, value: int) -> None:
        self._hold(self.ODR, value & ALL)
        self._show()

    def _write_bsrr(self, value: int) -> None:
        """ "If both BSx and BRx are set, BSx has priority"."""
        self._write_odr(self._held.get(self.ODR, 0) & ~(value >> 16) | value & ALL)

    def _write_brr(self, value: int) -> None:
        self._write_odr(self._held.get(self.ODR, 0) & ~value)

    def _show(self) -> None:
        """Tell the board of every output that is new or has another level."""
        outputs = self._push_pull | self._open_drain
        levels = self._held.get(self.ODR, 0) & outputs
        before, shown = self._shown
        if (before, shown) == (outputs, levels):
            return
        self._shown = outputs, levels
        fresh = outputs & (~before | levels ^ shown)
        for number in PINS:
            if fresh >> number & 1:
                self.chip.pin_changed(self._pins[number], bool(levels >> number & 1))

    def _restored(self) -> None:
        self._set_modes()

    def _set_modes_by(self, *registers: int) -> None:
        """The registers that decide what pins are; then the port is as after power-on."""
        for register in registers:
            self._writers[register] = self._mode_writer(register)
        self.reset(power_on=True)

    def _mode_writer(self, register: int) -> Writer:
        def write(value: int) -> None:
            self._hold(register, value)
            self._set_modes()
            self._show()

        return write

    @abstractmethod
    def _set_modes(self) -> None:
        """Which pins are outputs now."""

    @abstractmethod
    def _pulled(self) -> int:
        """The pins that a pull-up holds at 1."""


class Gpio(Port):
    """A port of every family but F1. *resets* are MODER and PUPDR: the pins of the debugger."""

    def __init__(self, chip: Chip, name: str, base: int, resets: dict[int, int]) -> None:
        super().__init__(chip, name, base, resets)
        self._set_modes_by(MODER, OTYPER, PUPDR)

    def _set_modes(self) -> None:
        moder, drains = self._held.get(MODER, 0), self._held.get(OTYPER, 0)
        outputs, analog = _pins_with(OUTPUT, moder), _pins_with(ANALOG, moder)
        self._pulled_up = _pins_with(PULL_UP, self._held.get(PUPDR, 0))
        self._note_modes(outputs & ~drains, outputs & drains, analog)

    def _pulled(self) -> int:
        return self._pulled_up


@lru_cache(maxsize=256)
def _pins_with(value: int, fields: int) -> int:
    """The pins whose two bits in *fields* are *value*: the same few at each power-on."""
    return sum((fields >> 2 * number & 3 == value) << number for number in PINS)


class F1Gpio(Port):
    """A port of F1: two bits of mode and two of configuration for each pin."""

    IDR, ODR, BSRR, BRR = F1_IDR, F1_ODR, F1_BSRR, F1_BRR

    def __init__(self, chip: Chip, name: str, base: int, resets: dict[int, int]) -> None:
        super().__init__(chip, name, base, {F1_CRL: F1_RESET, F1_CRH: F1_RESET, **resets})
        self._set_modes_by(F1_CRL, F1_CRH)

    def _fields_of_pins(self) -> list[int]:
        both = self._held[F1_CRH] << 32 | self._held[F1_CRL]
        return [both >> 4 * number & 0xF for number in PINS]

    def _set_modes(self) -> None:
        """MODE other than 0 is an output; CNF 0 push-pull, 1 open drain, above it alternate."""
        push_pull = open_drain = analog = self._pulled_pins = 0
        for number, field in enumerate(self._fields_of_pins()):
            mode, bit = field & 3, 1 << number
            match field >> 2, mode:
                case 0, 0:
                    analog |= bit
                case 2, 0:
                    self._pulled_pins |= bit
                case 0, _:
                    push_pull |= bit
                case 1, mode if mode:
                    open_drain |= bit
        self._note_modes(push_pull, open_drain, analog)

    def _pulled(self) -> int:
        """ODR says whether the pull is up or down."""
        return self._pulled_pins & self._held.get(F1_ODR, 0)
