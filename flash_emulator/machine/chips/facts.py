"""What a chip file says, as values. Sizes in bytes, registers as offsets from their base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Unit(NamedTuple):
    """One peripheral: where it is, its interrupt, and the RCC bit that resets it."""

    name: str
    base: int
    irq: int | None = None
    reset: tuple[int, int] | None = None
    apb: int = 1


Field = tuple[int, int, int]
"""Register, lowest bit, bits."""


@dataclass(frozen=True, slots=True)
class PllFacts:
    """Source / divide * times / (factor * output), each field with what is added to it."""

    source: Field
    sources: tuple[str, ...]  # "HSI/2" is half of it, "" is none
    times: Field
    times_plus: int = 0
    times_most: int = 1024
    divide: Field | None = None
    divide_plus: int = 0
    output: Field | None = None
    output_plus: int = 0
    output_factor: int = 1


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """Where RCC chooses and divides clocks. Frequencies in hertz."""

    switch: tuple[str, ...]  # by SW; "" names none
    hz: Mapping[str, int]
    pll: PllFacts
    ahb: tuple[tuple[int, int], ...]  # HPRE and what is in a row with it
    apb: tuple[tuple[int, int], ...]  # PPRE1, PPRE2
    hsi_divider: Field | None = None
    msi_name: str = ""
    msi_range: Field | None = None
    msi_chosen: tuple[int, int] | None = None  # MSIRGSEL
    msi_standby: Field | None = None
    msi_hz: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RccFacts:
    base: int
    switch: tuple[int, int, int, int]  # register, lowest bit of SW and of SWS, bits
    ready: tuple[tuple[str, int, int, int], ...]  # clock, register, enable bit, ready bit
    ones: tuple[tuple[int, int], ...]
    reset_values: Mapping[int, int]
    clocks: ClockFacts
    cause_register: int
    clear: int  # RMVF
    causes: Mapping[str, tuple[int, ...]]
    backup_register: int
    backup_reset: int


@dataclass(frozen=True, slots=True)
class PwrFacts:
    base: int
    backup_access: tuple[int, int]  # DBP: register, bit
    follows: tuple[tuple[int, int, int, int], ...]
    copies: tuple[tuple[int, int, int, int, int], ...]
    ones: tuple[tuple[int, int], ...]
    reset_values: Mapping[int, int]
    standby: tuple[int, int, int, int]  # register and bit of SBF, and of what clears it
    wake_up: tuple[int, int, int, int]  # the same of WUF1
    stands_by: tuple[tuple[int, int, int], ...]  # register, mask, value: deep sleep is Standby


@dataclass(frozen=True, slots=True)
class ExtiFacts:
    base: int
    mask: int
    rising: int
    falling: int
    software: int
    pending: tuple[int, ...]  # one register, or those of rising and of falling edges
    lines: tuple[int, ...]  # interrupts of lines 0 to 15
    select: tuple[int, int, int]  # EXTICR: base of its peripheral, offset, bits for each line


@dataclass(frozen=True, slots=True)
class ReadyFacts:
    """A peripheral of which only the bits are modelled that firmware waits for."""

    name: str
    base: int
    size: int
    reset_values: Mapping[int, int]
    follows: tuple[tuple[int, int, int, int], ...]
    ones: tuple[tuple[int, int], ...]
    self_clearing: tuple[tuple[int, int], ...]
    set_only: tuple[tuple[int, int], ...]
    clears: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """Backup registers, in RTC, TAMP or BKP, and what of RTC is modelled."""

    name: str
    base: int
    runs: tuple[tuple[int, int], ...]  # offset of the first, how many
    mask: int
    rtc: int  # base
    rtc_status: int | None  # RTC_ISR or RTC_ICSR
    rtc_protect: int | None  # RTC_WPR
    rtc_control: int | None  # RTC_CRL of F1
    sram: tuple[int, int] | None  # backup SRAM among the peripherals: base, bytes


@dataclass(frozen=True, slots=True)
class ChipFacts:
    """One family. Units in the order of their file."""

    family: str
    names: tuple[str, ...]
    core: str
    ram: Mapping[str, tuple[tuple[int, int], ...]]
    ram_aliases: Mapping[str, tuple[tuple[int, int, int], ...]]
    rcc: RccFacts
    pwr: PwrFacts
    gpio_kind: str
    gpio: tuple[Unit, ...]
    gpio_resets: Mapping[str, tuple[int, int]]  # MODER, PUPDR by port; "other"
    usart_kind: str
    usart_fifo: bool
    usart: tuple[Unit, ...]
    wide_timers: tuple[str, ...]
    timers: tuple[Unit, ...]
    crc_kind: str
    crc: Unit
    lsi_hz: int
    iwdg: Unit
    wwdg: Unit
    wwdg_prescaler: tuple[int, int]
    backup: BackupFacts
    rng: Unit | None
    hsem: Unit | None
    hsem_core: int
    exti: ExtiFacts
    debug: int
    ready: tuple[ReadyFacts, ...]
    sources: tuple[str, ...] = ()
    recalled: tuple[str, ...] = field(default=())
