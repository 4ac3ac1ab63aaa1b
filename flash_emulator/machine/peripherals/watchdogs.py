"""IWDG and WWDG: what is not fed in time, or fed too early, resets the chip.

RM0351 chapters 35 and 36. The LSI runs at its nominal frequency: IWDG counts from the moment of the
write on, and PR, RLR and WINR are taken over at once (PVU, RVU and WVU are never set).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import floor

from flash_emulator.machine.chips.facts import Unit
from flash_emulator.machine.peripherals.base import Chip, Lines, Peripheral, Registers
from flash_emulator.machine.peripherals.rcc import Cause
from flash_emulator.registers.faults import SystemReset

MEGA = 1_000_000

# --- IWDG

KR, PR, RLR, IWDG_SR, WINR = 0x00, 0x04, 0x08, 0x0C, 0x10
UNLOCK, FEED, START = 0x5555, 0xAAAA, 0xCCCC
TOP = 0xFFF

# --- WWDG

WWDG_CR, CFR, WWDG_SR = 0x00, 0x04, 0x08
WDGA = 1 << 7
T_MASK = 0x7F
ALIVE = 1 << 6  # T6: the reset comes when it goes
EWI = 1 << 9
DIVIDER = 4096  # of PCLK1


class Iwdg(Registers):
    """*hardware*: an option byte starts it at every reset (IWDG_SW, WDG_SW at 0)."""

    _fields = ("_unlocked", "_running")
    _moments = ("_fed_us",)
    _resets_itself = True  # option bytes may have come to start it, and it counts from the reset on

    def __init__(
        self,
        chip: Chip,
        unit: Unit,
        lsi_hz: int,
        note: Callable[[Cause], None],
        *,
        hardware: Callable[[], bool] = bool,
    ) -> None:
        super().__init__(chip, unit.name, unit.base, resets={RLR: TOP, WINR: TOP})
        self._lsi_hz, self._note, self._hardware = lsi_hz, note, hardware
        self._readers = {KR: int, IWDG_SR: int}
        self._writers = {
            KR: self._write_kr,
            PR: self._guarded(PR, 0x7),
            RLR: self._guarded(RLR, TOP),
            WINR: self._write_winr,
        }
        self._actions = frozenset({KR})
        self.reset(power_on=True)

    def _reset(self, *, power_on: bool) -> None:
        super()._reset(power_on=power_on)
        self._unlocked = False
        self._running = self._hardware()
        self._fed_us: float | None = self.chip.now_us if self._running else None

    @property
    def _step_us(self) -> float:
        return float(4 << min(self._held.get(PR, 0), 6)) * MEGA / self._lsi_hz

    def next_us(self) -> float | None:
        """When it resets the chip: RLR counts down to 0, and one more."""
        if self._fed_us is None:
            return None
        return self._fed_us + (self._held[RLR] + 1) * self._step_us

    def tick(self) -> None:
        end_us = self.next_us()
        if end_us is not None and self.chip.now_us >= end_us:
            self._reset_chip()

    def _reset_chip(self) -> None:
        self._note(Cause.IWDG)
        raise SystemReset("IWDG", self.base)

    def _write_kr(self, value: int) -> None:
        self.tick()
        match value & 0xFFFF:
            case 0x5555:
                self._unlocked = True
            case 0xAAAA:
                self._unlocked = False
                self._feed()
            case 0xCCCC:
                self._unlocked = False
                self._running = True
                self._fed_us = self.chip.now_us
            case _:
                self._unlocked = False

    def _feed(self) -> None:
        """A feed while the counter is above WINR resets the chip."""
        if self._fed_us is None:
            return
        counter = self._held[RLR] - floor((self.chip.now_us - self._fed_us) / self._step_us)
        if counter > self._held[WINR]:
            self._reset_chip()
        self._fed_us = self.chip.now_us

    def _guarded(self, register: int, mask: int) -> Callable[[int], None]:
        def write(value: int) -> None:
            if self._unlocked:
                self.tick()
                self._hold(register, value & mask)

        return write

    def _write_winr(self, value: int) -> None:
        """WINR: "writing ... also reloads the counter"."""
        if self._unlocked:
            self._hold(WINR, value & TOP)
            if self._running:
                self._fed_us = self.chip.now_us


class Wwdg(Registers):
    """*hz* gives PCLK1; *prescaler* is where WDGTB is in CFR: bit, bits."""

    _fields = ("_flag", "_count")
    _moments = ("_since_us",)

    def __init__(
        self,
        chip: Chip,
        unit: Unit,
        lines: Lines,
        hz: Callable[[], float],
        note: Callable[[Cause], None],
        *,
        prescaler: tuple[int, int],
    ) -> None:
        super().__init__(chip, unit.name, unit.base, resets={CFR: T_MASK})
        self._irq, self._lines, self._hz, self._note = unit.irq, lines, hz, note
        self._prescaler = prescaler
        self._readers = {WWDG_CR: self._read_cr, WWDG_SR: self._read_sr}
        self._writers = {
            WWDG_CR: self._write_cr,
            WWDG_SR: self._write_sr,
            CFR: self._write_cfr,
        }
        self.reset(power_on=True)

    def _reset(self, *, power_on: bool) -> None:
        super()._reset(power_on=power_on)
        self._flag = 0
        self._count = T_MASK
        self._since_us: float | None = None  # None: WDGA is 0
        self._update()

    @property
    def _step_us(self) -> float:
        bit, bits = self._prescaler
        power = self._held.get(CFR, 0) >> bit & (1 << bits) - 1
        return float(DIVIDER << power) * MEGA / self._hz()

    def _now(self) -> int:
        """T as it has counted down; below ALIVE the chip has been reset."""
        if self._since_us is None:
            return self._count
        return self._count - floor((self.chip.now_us - self._since_us) / self._step_us + 1e-9)

    def settle(self) -> None:
        """Count up to now, before the frequency of the clock changes."""
        if self._since_us is not None:
            steps = self._count - self._now()
            self._since_us += steps * self._step_us
            self._count -= steps

    def next_us(self) -> float | None:
        """When T comes to 0x40 with its interrupt on, then when it comes to 0x3F."""
        if self._since_us is None:
            return None
        wakes = self._held.get(CFR, 0) & EWI and not self._flag and self._count > ALIVE
        end = ALIVE if wakes else ALIVE - 1
        return self._since_us + (self._count - end) * self._step_us

    def tick(self) -> None:
        now = self._now()
        if now < ALIVE:
            self._reset_chip()
        if now == ALIVE and self._since_us is not None:
            self._flag = 1
        self._update()

    def _reset_chip(self) -> None:
        self._note(Cause.WWDG)
        raise SystemReset("WWDG", self.base)

    def _read_cr(self) -> int:
        return self._held.get(WWDG_CR, 0) & WDGA | self._now() & T_MASK

    def _read_sr(self) -> int:
        self.tick()
        return self._flag

    def _write_cr(self, value: int) -> None:
        """WDGA stays set until a reset. A feed above the window, or without T6, resets the chip."""
        self.tick()
        running = self._since_us is not None
        if running and self._now() > self._held.get(CFR, 0) & T_MASK:
            self._reset_chip()
        if (running or value & WDGA) and not value & ALIVE:
            self._reset_chip()
        self._count = value & T_MASK
        if running or value & WDGA:
            self._hold(WWDG_CR, WDGA)
            self._since_us = self.chip.now_us

    def _write_cfr(self, value: int) -> None:
        """EWI stays set until a reset."""
        self.settle()
        self._hold(CFR, value | self._held.get(CFR, 0) & EWI)
        self._update()

    def _write_sr(self, value: int) -> None:
        self._flag &= value
        self._update()

    def _update(self) -> None:
        level = self._flag and self._held.get(CFR, 0) & EWI
        self._lines.set(self._irq, self.name, bool(level))

    def _restored(self) -> None:
        self._update()


def run_out(
    peripherals: Iterable[Peripheral], pass_us: Callable[[float], None]
) -> SystemReset | None:
    """The core is locked up and executes nothing: the reset by a watchdog that runs, once *pass_us*
    has let the time pass; None where none runs."""
    dogs = [each for each in peripherals if isinstance(each, Iwdg | Wwdg)]
    while running := [(at, dog) for dog in dogs if (at := dog.next_us()) is not None]:
        at_us, dog = min(running, key=lambda pair: pair[0])
        pass_us(max(0.0, at_us - dog.chip.now_us) + 1)
        try:
            dog.tick()
        except SystemReset as reset:
            return reset
    return None
