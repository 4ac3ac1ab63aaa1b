"""All peripherals of one part, wired to each other."""

from __future__ import annotations

from collections.abc import Callable

from flash_emulator.machine.chips.catalogue import chip_of
from flash_emulator.machine.chips.facts import ChipFacts, ExtiFacts
from flash_emulator.machine.peripherals.backup import BackupDomain, Rtc
from flash_emulator.machine.peripherals.base import Chip, Lines, Peripheral, Registers
from flash_emulator.machine.peripherals.crc import Crc, ProgrammableCrc
from flash_emulator.machine.peripherals.exti import Exti
from flash_emulator.machine.peripherals.gpio import MODER, PUPDR, F1Gpio, Gpio
from flash_emulator.machine.peripherals.hsem import Hsem
from flash_emulator.machine.peripherals.identity import UID, Debug, ReadOnly, flash_size
from flash_emulator.machine.peripherals.pwr import Pwr
from flash_emulator.machine.peripherals.rcc import Rcc
from flash_emulator.machine.peripherals.rng import Rng
from flash_emulator.machine.peripherals.status_bits import StatusBits
from flash_emulator.machine.peripherals.timer import Timer
from flash_emulator.machine.peripherals.usart import NewUsart, OldUsart, Usart
from flash_emulator.machine.peripherals.watchdogs import Iwdg, Wwdg
from flash_emulator.parts.part import Part

LINES_A_REGISTER = 4  # of EXTICR, whatever the width of a field


def peripherals_for(
    part: Part,
    chip: Chip,
    *,
    uid: bytes = UID,
    seed: int = 0,
    overrun: bool = False,
    hse_hz: int = 8_000_000,
    hardware_watchdog: Callable[[], bool] = bool,
) -> list[Peripheral]:
    """All that stands around flash on *part*, as after power-on. Never two at one address.

    *uid* are the 12 bytes of the unique ID, *seed* decides what RNG gives, *overrun* lets a USART
    lose bytes that firmware is too late for, *hse_hz* is the board's crystal, and
    *hardware_watchdog* tells, at each reset, whether option bytes start IWDG.
    """
    return _Maker(part, chip, uid, seed, overrun, hse_hz, hardware_watchdog).all()


class _Maker:
    """Makes them one after the other: each may need what was made before."""

    def __init__(
        self,
        part: Part,
        chip: Chip,
        uid: bytes,
        seed: int,
        overrun: bool,
        hse_hz: int,
        hardware_watchdog: Callable[[], bool],
    ) -> None:
        self.part, self.chip, self.facts = part, chip, chip_of(part)
        self.uid, self.seed, self.overrun = uid, seed, overrun
        self.hardware_watchdog = hardware_watchdog
        self.lines = Lines(chip)
        self.pwr = Pwr(chip, self.facts.pwr)
        self.rcc = Rcc(chip, self.facts.rcc, lambda: self.pwr.backup_open, hse_hz=hse_hz)
        self.made: dict[str, Peripheral] = {"RCC": self.rcc, "PWR": self.pwr}

    def all(self) -> list[Peripheral]:
        facts = self.facts
        self._ports()
        self._usarts()
        self._timers()
        crc = Crc if facts.crc_kind == "fixed" else ProgrammableCrc
        self._add(crc(self.chip, facts.crc))
        self._watchdogs()
        self._backup()
        if facts.rng is not None:
            self._add(Rng(self.chip, facts.rng, self.lines, self.seed))
        if facts.hsem is not None:
            self._add(Hsem(self.chip, facts.hsem, facts.hsem_core))
        self._exti(facts.exti)
        self._identity()
        self._ready()
        self._wire_resets(facts)
        return list(self.made.values())

    def _add(self, peripheral: Peripheral) -> None:
        self.made[peripheral.name] = peripheral

    def _ports(self) -> None:
        make = F1Gpio if self.facts.gpio_kind == "f1" else Gpio
        for unit in self.facts.gpio:
            self._add(make(self.chip, unit.name, unit.base, self._reset_of_port(unit.name)))

    def _reset_of_port(self, name: str) -> dict[int, int]:
        """MODER and PUPDR after a reset: SWD and JTAG have their pins."""
        resets = self.facts.gpio_resets
        values = resets.get(name, resets.get("other", (0, 0)))
        return dict(zip((MODER, PUPDR), values, strict=True)) if resets else {}

    def _usarts(self) -> None:
        for unit in self.facts.usart:
            if self.facts.usart_kind == "sr_dr":
                made: Usart = OldUsart(self.chip, unit, self.lines, overrun=self.overrun)
            else:
                fifo = self.facts.usart_fifo
                made = NewUsart(self.chip, unit, self.lines, fifo=fifo, overrun=self.overrun)
            self._add(made)

    def _timers(self) -> None:
        for unit in self.facts.timers:
            bits = 32 if unit.name in self.facts.wide_timers else 16
            hz = self._timer_hz(unit.apb)
            timer = Timer(self.chip, unit, self.lines, hz, bits=bits)
            self._add(timer)
            self.rcc.before_change.append(timer.settle)

    def _timer_hz(self, apb: int) -> Callable[[], float]:
        return lambda: self.rcc.timer_hz(apb)

    def _watchdogs(self) -> None:
        facts = self.facts
        self._add(
            Iwdg(
                self.chip,
                facts.iwdg,
                facts.lsi_hz,
                self.rcc.note,
                hardware=self.hardware_watchdog,
            )
        )
        wwdg = Wwdg(
            self.chip,
            facts.wwdg,
            self.lines,
            lambda: self.rcc.apb_hz(1),
            self.rcc.note,
            prescaler=facts.wwdg_prescaler,
        )
        self._add(wwdg)
        self.rcc.before_change.append(wwdg.settle)

    def _backup(self) -> None:
        facts, opened = self.facts.backup, lambda: self.pwr.backup_open
        rtc = Rtc(self.chip, facts, opened)
        domain: list[BackupDomain] = [rtc]
        if facts.base != facts.rtc:
            domain.append(BackupDomain(self.chip, facts.name, facts.base, opened, mask=facts.mask))
        if facts.sram is not None:
            base, size = facts.sram
            self._add(BackupDomain(self.chip, "BKPSRAM", base, opened, size=size))
        for block in domain:
            self._add(block)
            self.rcc.backup_domain.append(block.clear)

    def _exti(self, facts: ExtiFacts) -> None:
        base, offset, bits = facts.select
        own = base == facts.base
        selector = None if own else self._selector(base)

        def source(line: int) -> int:
            register, place = divmod(line, LINES_A_REGISTER)
            value = (selector or exti).held(offset + 4 * register)
            return value >> place * bits & (1 << bits) - 1

        exti = Exti(self.chip, facts, self.lines, source)
        self._add(exti)

    def _selector(self, base: int) -> Registers:
        """SYSCFG or AFIO: EXTICR and what else is there hold what is written."""
        name = "AFIO" if self.facts.family == "f1" else "SYSCFG"
        made = Registers(self.chip, name, base, 0x400)
        self._add(made)
        return made

    def _identity(self) -> None:
        known = self.part.identity
        if known.uid is not None:
            self._add(ReadOnly(self.chip, "UID", known.uid, self.uid))
        if known.flash_size_reg is not None:
            size = flash_size(self.part.size // 1024)
            self._add(ReadOnly(self.chip, "FLASHSIZE", known.flash_size_reg, size))
        if known.usart_pid is not None:
            self._add(Debug(self.chip, self.facts.debug, known.usart_pid))

    def _ready(self) -> None:
        for facts in self.facts.ready:
            made = StatusBits(
                self.chip,
                facts.name,
                facts.base,
                facts.size,
                resets=facts.reset_values,
                follows=facts.follows,
                ones=facts.ones,
                self_clearing=facts.self_clearing,
                set_only=facts.set_only,
                clears=facts.clears,
            )
            self._add(made)

    def _wire_resets(self, facts: ChipFacts) -> None:
        units = *facts.gpio, *facts.usart, *facts.timers, facts.crc, facts.wwdg
        for unit in units:
            if unit.reset is not None:
                self.rcc.wire_reset(*unit.reset, self.made[unit.name])
