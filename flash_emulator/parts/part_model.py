"""What a part is made of: rules, option bytes, times. Values only; ``part.py`` puts them together.

Sizes in bytes, times in microseconds. None means that no document at hand says, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil
from typing import Literal

Mode = Literal["typ", "max"]
Kind = Literal["program_unit", "sector_erase", "bank_erase", "mass_erase"]

KINDS: tuple[Kind, ...] = ("program_unit", "sector_erase", "bank_erase", "mass_erase")


class Overwrite(StrEnum):
    """What the controller does with a program of a unit that is not erased."""

    ONLY_ZERO_HALFWORD = "only_0x0000"  # F1: skipped with PGERR, unless the data are 0x0000
    CLEAR_BITS = "bits_1_to_0"  # F4: any number of times; a 1 over a 0 has no effect
    ONLY_ALL_ZERO = "only_all_zero"  # L4, U5: refused with PROGERR, unless the data are all zero
    EXECUTES = "executed"  # H7, H5: data are ANDed, the ECC is as a rule no longer consistent
    FORBIDDEN = "forbidden"  # no document says what happens; the emulator refuses


class BadRead(StrEnum):
    """What a read of a unit with a double ECC error comes to."""

    DATA = "data"  # no ECC: the reader gets whatever is there
    NMI = "nmi"  # ECCD, with the address in FLASH_ECCR
    BUS_ERROR = "bus_error"  # DBECCERR


class Aliasing(StrEnum):
    """How the other bank comes to the base address."""

    NONE = "none"
    FB_MODE = "fb_mode"  # SYSCFG_MEMRMP bit 8, at run time; 0 after reset
    SWAP_OPTION = "swap_option"  # an option bit, when the options are loaded or at reset


class Numbering(StrEnum):
    """What goes into SNB or PNB to erase a sector."""

    CONTINUOUS = "continuous"  # 0 to the last sector of the array
    SNB = "snb"  # F4: n below 12, n + 4 from there on (bank 2 is 0b1xxxx)
    PER_BANK = "per_bank"  # from 0 in each bank; BKER or another register set names the bank
    ADDRESS = "address"  # F1: no number at all, FLASH_AR takes an address


class BankSelect(StrEnum):
    """Which bank the bank number of a page erase (BKER, PER set, register set) names."""

    PHYSICAL = "physical"  # always the same cells, whatever is mapped at the base address
    MAPPED = "mapped"  # the first or second half of the addresses as they are now


@dataclass(frozen=True, slots=True)
class Ecc:
    """SECDED over one program unit. *check_bits_assumed* stands in where no document says."""

    data_bits: int
    check_bits: int | None = None
    check_bits_assumed: int | None = None

    @property
    def modelled_check_bits(self) -> int:
        """What an emulator has to work with: documented, or else assumed."""
        bits = self.check_bits or self.check_bits_assumed
        if bits is None:
            raise ValueError("neither check_bits nor check_bits_assumed is known")
        return bits


class OptionRole(StrEnum):
    """What an option does, as far as banks and power cuts are concerned."""

    SWAP = "swap"  # exchanges the halves of the address space by itself
    BOOT_BANK = "boot_bank"  # the boot ROM chooses a bank after reset
    BANKS = "banks"  # one bank or two; decides the geometry
    READOUT = "readout_protection"  # RDP: 0xAA level 0, 0xCC level 2, anything else level 1
    WRITE_PROTECTION = "write_protection"  # abstract: 0 no sector, 1 every sector
    CODE_PROTECTION = "code_protection"  # PCROP, abstract: 0 nothing, 1 everything
    BROWN_OUT = "brown_out_level"
    SECTOR_PROTECTION = "sector_protection"  # one bit for some sectors: a 0 protects them
    WATCHDOG = "watchdog"  # whether software starts IWDG; ``active``: every reset does
    OTHER = "other"  # kept, and of no effect in the emulator


LEVELS = 0xAA, 0xCC
"""What RDP holds at level 0 and at level 2; F1 differs."""


@dataclass(frozen=True, slots=True)
class OptionField:
    """One option: its value as delivered and after a load that found a mismatch.

    *bit* is the lowest one in *register*; *active* the value that swaps the banks or lets the
    ROM choose one.
    """

    role: OptionRole
    default: int
    mismatch: int | None = None
    active: int | None = None
    register: str | None = None
    bit: int | None = None
    option_byte: int | None = None
    option_byte_bit: int | None = None
    meaning: str = ""
    source: tuple[str, ...] = ()
    other_part: str | None = None  # of BANKS: what the chip is with any value but the default
    width: int | None = None  # bits; None: as the role has it
    levels: tuple[int, ...] = LEVELS  # of READOUT: level 0, and 2 where there is one
    protects_bytes: int | None = None  # of SECTOR_PROTECTION: what one bit stands for
    protects_sectors: int | None = None
    first_bit: int = 0  # what stands before its lowest bit is for other options
    first_bank: int = 0  # its bits begin with the sectors of that bank
    to_the_end: bool = False  # its highest bit protects all that is behind, too

    @property
    def swaps(self) -> bool:
        return self.role is OptionRole.SWAP

    def level(self, value: int) -> int:
        """Level of read-out protection that *value* means, 0 to 2."""
        return {level: 2 * index for index, level in enumerate(self.levels)}.get(value, 1)


Update = Literal["atomic", "erase_then_program"]
Effective = Literal["option_load", "reset"]


@dataclass(frozen=True, slots=True)
class OptionModel(Mapping[str, int]):
    """Option bytes. As a mapping: every option's value as delivered.

    *update*: "atomic" keeps the old values when it is cut; "erase_then_program" may leave
    neither old nor new, and the next load then takes every field's ``mismatch``.
    """

    update: Update | None = None
    effective: Effective | None = None
    fields: Mapping[str, OptionField] = field(default_factory=dict)
    per_byte: bool = False  # each byte has a complement of its own: a cut spoils what it changed

    def __getitem__(self, name: str) -> int:
        return self.fields[name].default

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    @property
    def readout(self) -> str | None:
        """Name of the option that protects against reads by a host."""
        roles = ((name, option.role) for name, option in self.fields.items())
        return next((name for name, role in roles if role is OptionRole.READOUT), None)

    @property
    def swap(self) -> str | None:
        """Name of the option that exchanges the banks."""
        return next((name for name, option in self.fields.items() if option.swaps), None)

    def swapped(self, values: Mapping[str, int]) -> bool:
        """Whether *values* put bank 2 at the base address."""
        name = self.swap
        return name is not None and values.get(name, self[name]) == self.fields[name].active

    def other_part(self, values: Mapping[str, int]) -> str | None:
        """What part the chip is with these *values*; None where its geometry stays."""
        for name, option in self.fields.items():
            if option.role is OptionRole.BANKS and values.get(name, self[name]) != self[name]:
                return option.other_part
        return None

    def mismatch_of(self, names: Iterable[str]) -> dict[str, int]:
        """What a load takes for those of *names* whose check fails; the delivered where unknown."""
        found = ((name, self.fields[name].mismatch) for name in names)
        return {name: self[name] if value is None else value for name, value in found}

    def mismatch(self, values: Mapping[str, int]) -> dict[str, int]:
        """*values* as a load with OPTVERR leaves them; those of unknown fate stay as they were."""
        fallen = {name: f.mismatch for name, f in self.fields.items() if f.mismatch is not None}
        return {**values, **fallen}


@dataclass(frozen=True, slots=True)
class Span:
    """How long one operation takes. Microseconds; F1 half-words take 52.5 of them."""

    typ: float | None = None
    max: float | None = None
    min: float | None = None

    def of(self, mode: Mode) -> int | None:
        """Whole microseconds, rounded up."""
        time_us = self.typ if mode == "typ" else self.max
        return None if time_us is None else ceil(time_us)


UNKNOWN = Span()


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of one parallelism. Of the erase of a sector, by the sector's size.

    For a part made by hand, a number in place of a Span is both typ and max, and one sector
    erase time in place of a table holds for every size.
    """

    program_unit: Span | float | None = UNKNOWN
    sector_erase: Mapping[int, Span] | float | None = field(default_factory=dict)
    bank_erase: Span | float | None = UNKNOWN
    mass_erase: Span | float | None = UNKNOWN
    condition: str = ""

    def of(self, kind: Kind, size: int | None = None, mode: Mode = "typ") -> int | None:
        """Microseconds, rounded up, of one operation; None where no document says.

        *size* of the sector matters to ``sector_erase`` alone. A maximum never stands in for
        a typical time.
        """
        return self.span(kind, size).of(mode)

    def span(self, kind: Kind, size: int | None = None) -> Span:
        match kind:
            case "program_unit":
                return _span(self.program_unit)
            case "sector_erase":
                return self._sector_span(size)
            case "bank_erase":
                return _span(self.bank_erase)
            case "mass_erase":
                return _span(self.mass_erase)

    def known(self, mode: Mode = "typ") -> frozenset[Kind]:
        """The kinds of operation that have a time; of ``sector_erase`` for at least one size."""
        return frozenset(kind for kind in KINDS if self._knows(kind, mode))

    @property
    def program_unit_us(self) -> int | None:
        """Typical, or else maximal."""
        return _either(_span(self.program_unit))

    @property
    def sector_erase_us(self) -> int | None:
        """Typical, or else maximal, where all sectors take the same time."""
        times = {_either(span) for span in self._sector_spans()}
        return times.pop() if len(times) == 1 else None

    def _knows(self, kind: Kind, mode: Mode) -> bool:
        spans = self._sector_spans() if kind == "sector_erase" else [self.span(kind)]
        return any(span.of(mode) is not None for span in spans)

    def _sector_spans(self) -> list[Span]:
        table = self.sector_erase
        return list(table.values()) if isinstance(table, Mapping) else [_span(table)]

    def _sector_span(self, size: int | None) -> Span:
        table = self.sector_erase
        if not isinstance(table, Mapping):
            return _span(table)
        if size is None and len(table) == 1:
            return next(iter(table.values()))
        return table.get(size or 0, UNKNOWN)


def _span(given: Span | float | None) -> Span:
    if given is None:
        return UNKNOWN
    return given if isinstance(given, Span) else Span(typ=given, max=given)


def _either(span: Span) -> int | None:
    typ = span.of("typ")
    return span.of("max") if typ is None else typ


@dataclass(frozen=True, slots=True)
class Endurance:
    """Erase cycles that the datasheet guarantees for every sector."""

    cycles: int
    high_cycles: int | None = None  # for at most high_sectors sectors of each bank
    high_sectors: int | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """By what a host or a program knows the part. Ranges are half-open."""

    usart_pid: int | None = None
    extended_erase: bool | None = None  # whether the boot ROM takes 0x44 rather than 0x43
    flash_size_reg: int | None = None
    uid: int | None = None
    system_memory: range | None = None
    otp: range | None = None
    option_bytes: range | None = None
    option_bytes_bank2: range | None = None
    bootloader_ram_end: int | None = None  # RAM below it belongs to the boot ROM
    bootloader_ram_end_axi: int | None = None
    flash_reg_base: int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A trap or an erratum, in words."""

    text: str
    source: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where one table of a part file comes from, and how far its keys can be relied on.

    A key in none of the lists is as its sources have it.
    """

    table: str
    sources: tuple[str, ...]
    confirmed: tuple[str, ...] = ()  # keys that somebody has measured on a chip
    recalled: tuple[str, ...] = ()  # keys from memory of the manual, not read again
    inferred: tuple[str, ...] = ()  # keys that follow from what is documented of other parts
    disputed: tuple[str, ...] = ()  # keys that sources disagree on; another value can be set
    assumed: tuple[str, ...] = ()  # keys that no document gives: the emulator's choice


@dataclass(frozen=True, slots=True)
class OwnFile:
    """Where a part comes from that is not of this package: its file, and the text that it had."""

    path: str
    text: str


STANDINGS = ("confirmed", "recalled", "inferred", "disputed", "assumed")
"""The lists of ``Provenance``, as a part file calls them."""
