"""FLASH registers of F4 and F7. RM0090 3.6 to 3.8 for F405/407 and F42x; F76x by CMSIS-F767.

No unit has to be complete: an access of the width that PSIZE names is a program of its own. What
does not fill a unit of the device is padded with ones, which move no cell.

Not modelled: PSIZE against the supply voltage, and how PSIZE changes the time of an erase (take
``Part.with_parallelism``); nWRP and the boot addresses can be read, not written
(``UnmodelledOption``).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.parts.part_model import OptionRole
from flash_emulator.registers import latch
from flash_emulator.registers.base import REFUSED, WHOLE, Front, Register
from flash_emulator.registers.locks import KEYS, OPTION_KEYS, KeyLock

REGISTERS = (  # RM0090 3.9, CMSIS-F429
    Register(0x00, "ACR", WHOLE),
    Register(0x04, "KEYR"),
    Register(0x08, "OPTKEYR"),
    Register(0x0C, "SR"),
    Register(0x10, "CR", WHOLE),
    Register(0x14, "OPTCR", WHOLE),
    Register(0x18, "OPTCR1", WHOLE),
)

# --- FLASH_SR. F76x calls bit 7 ERSERR.

EOP = 1 << 0
OPERR = 1 << 1
WRPERR = 1 << 4
PGAERR = 1 << 5
PGPERR = 1 << 6
PGSERR = 1 << 7
RDERR = 1 << 8  # F42x
BSY = 1 << 16
SR_CLEARS = EOP | OPERR | WRPERR | PGAERR | PGPERR | PGSERR | RDERR

# --- FLASH_CR

PG = 1 << 0
SER = 1 << 1
MER1 = 1 << 2  # MER on parts of one bank
SNB_SHIFT, SNB_MASK = 3, 0x1F  # 7:3; bank 2 of F42x is 0b1xxxx
PSIZE_SHIFT = 8  # 9:8; x8, x16, x32, x64
MER2 = 1 << 15  # RM0090 calls it MER1
STRT = 1 << 16
EOPIE = 1 << 24
ERRIE = 1 << 25
LOCK = 1 << 31

# --- FLASH_OPTCR, FLASH_OPTCR1

OPTLOCK = 1 << 0
OPTSTRT = 1 << 1
NWRP = 0xFFF << 16  # 27:16, a 0 protects: one sector, on F76x with two banks two


@dataclass(frozen=True, slots=True)
class Delivered:
    """Option registers of a new chip, locks apart. From memory of RM0090 3.9 and RM0410 3.7."""

    optcr: int
    optcr1: int


F4 = Delivered(0x0FFF_AAEC, 0x0FFF_0000)  # OPTCR1: nWRP of bank 2
F7 = Delivered(0xFFFF_AAFC, 0x0040_0080)  # OPTCR1: the two boot addresses

ROW_BYTES = 16  # "data that would cross the 128-bit row boundary": PGAERR, RM0090 3.6.3

FLAGS = {"WRPERR": WRPERR, "BSY": PGSERR, REFUSED: WRPERR}


class F4Front(Front):
    """One chip of the class. See ``Front``."""

    def __init__(self, flash: EmulatedFlash, *, poll_us: int = 1) -> None:
        super().__init__(flash, REGISTERS, poll_us=poll_us)
        self._lock = KeyLock(KEYS, self.base + 0x04)
        self._option_lock = KeyLock(OPTION_KEYS, self.base + 0x08)
        self._delivered = F7 if flash.part.name.startswith("STM32F7") else F4
        self._optcr = latch.OptionLatch(
            flash,
            "FLASH_OPTCR",
            rest=self._optcr_rest,
            fixed=OPTLOCK | OPTSTRT,
            widths={OptionRole.BROWN_OUT: 2},
        )
        self._optcr1 = latch.OptionLatch(flash, "FLASH_OPTCR1", rest=self._optcr1_rest)
        self._holders += [self._optcr, self._optcr1]
        self._readers = {
            "SR": self._read_sr,
            "CR": lambda: self._cr | (LOCK if self._lock.locked else 0),
            "OPTCR": self._read_optcr,
            "OPTCR1": self._optcr1.read,
        }
        self._writers = {
            "KEYR": self._lock.key,
            "OPTKEYR": self._option_lock.key,
            "SR": self._write_sr,
            "CR": self._write_cr,
            "OPTCR": self._write_optcr,
            "OPTCR1": self._write_optcr1,
        }
        self.plain_reads = frozenset({"ACR", "SR", "CR"})
        self.plain_writes = {"ACR": 0, "KEYR": 0, "SR": 0, "CR": STRT}
        self.reset()

    def reset(self) -> None:
        super().reset()
        self._lock.reset()
        self._option_lock.reset()
        self._optcr.reset()
        self._optcr1.reset()
        self._cr = self._sr = 0
        self._half: tuple[int, int] | None = None  # x64: the first word and its address

    def _own_state(self) -> tuple[Hashable, ...]:
        return (
            self._lock.state(),
            self._option_lock.state(),
            self._optcr.written,
            self._optcr1.written,
            self._cr,
            self._sr,
            self._half,
        )

    def _restore_own(self, own: tuple[Any, ...]) -> None:
        lock, options, self._optcr.written, self._optcr1.written, *plain = own
        self._lock.restore(lock)
        self._option_lock.restore(options)
        self._cr, self._sr, self._half = plain

    @property
    def follows_state(self) -> bool:
        return self._half is None

    def store_width(self, address: int) -> int:
        del address
        is_plain = self._cr & PG and not self._cr & (SER | MER1 | MER2)
        return min(4, 1 << (self._cr >> PSIZE_SHIFT & 3)) if is_plain else 0

    # --- status

    def _read_sr(self) -> int:
        return self._sr & ~EOP | BSY if self._poll() else self._sr

    def _write_sr(self, value: int) -> None:
        self._sr &= ~(value & SR_CLEARS)

    def _fail(self, flags: int) -> None:
        """OPERR: "set only if error interrupts are enabled (ERRIE = 1)", RM0090 3.9.5."""
        self._sr |= flags | (OPERR if self._cr & ERRIE else 0)

    def _end(self, flag: str) -> None:
        """EOP: "set only if the end of operation interrupts are enabled", RM0090 3.9.5."""
        if flag:
            self._fail(FLAGS[flag])
        elif self._cr & EOPIE:
            self._sr |= EOP

    # --- control

    def _write_cr(self, value: int) -> None:
        self.flash.wait()  # "any attempt to write to it with BSY set causes the AHB bus to stall"
        if self._lock.locked:
            return
        self._cr = value & ~(STRT | LOCK)
        if not value & PG:
            self._half = None
        if value & STRT:
            self._start()
        if value & LOCK:
            self._lock.close()

    def _start(self) -> None:
        mass = self._cr & (MER1 | (MER2 if self.part.bank_count > 1 else 0))
        if mass:
            self._erase_banks(mass)
        elif self._cr & SER:
            self._erase_sector(self._cr >> SNB_SHIFT & SNB_MASK)
        else:  # "unpredictable behavior may occur without generating any error flag"
            self.undefined.append("FLASH_CR: STRT with neither SER nor MER")

    def _erase_sector(self, number: int) -> None:
        index = self.part.sector_index(number)
        if index is None:
            self._miss_sector(number)
            return
        address = self._sector_address(index)
        self._end(self._attempt(lambda: self.flash.erase(address)))

    def _miss_sector(self, number: int) -> None:
        """RM0090: "not allowed". What then happens is known where somebody has seen it."""
        flag = self.part.missing_sector_flag
        if flag is None:
            self.undefined.append(f"FLASH_CR: no sector has SNB {number}")
        else:
            self._end(flag)

    def _erase_banks(self, mass: int) -> None:
        if self.part.bank_count == 1 or mass == MER1 | MER2:
            self._end(self._attempt(self.flash.erase_all))
        else:
            bank = 0 if mass == MER1 else 1
            self._end(self._attempt(lambda: self.flash.erase_bank(bank)))

    # --- programming

    def store(self, address: int, width: int, value: int) -> None:
        """A write to the array, RM0090 3.6.3: programmed at once, or the flag that is set."""
        offset = self._inside(address)
        size = 1 << (self._cr >> PSIZE_SHIFT & 3)
        if not self._cr & PG or self._cr & (SER | MER1 | MER2):
            self._fail(PGSERR)
        elif offset % ROW_BYTES + width > ROW_BYTES:
            self._fail(PGAERR)
        elif size == 8 and width == 4:
            self._store_half(address, value)
        elif width != size:
            self._fail(PGPERR)
        else:
            self._program_padded(address, value.to_bytes(width, "little"))

    def _store_half(self, address: int, value: int) -> None:
        """PSIZE x64 on a bus of 32 bits: both words of a double word, low one first."""
        if address % 8 == 0:
            self._half = address, value
        elif self._half is None or self._half[0] + 4 != address:
            self._fail(PGPERR)
        else:
            first, low = self._half
            self._half = None
            self._program_padded(first, (value << 32 | low).to_bytes(8, "little"))

    def _program_padded(self, address: int, data: bytes) -> None:
        unit = self.part.program_unit
        if len(data) != unit:
            before = (address - self._array_base) % unit
            after = -(before + len(data)) % unit
            address, data = address - before, b"\xff" * before + data + b"\xff" * after
        self._end(self._program(address, data))

    def _met_read_protection(self, _address: int) -> int:
        """RDERR: a D-bus read of a PCROP area. What the CPU gets is not documented; 0 here."""
        self._sr |= RDERR
        return 0

    # --- options: RM0090 3.7.2

    def _read_optcr(self) -> int:
        return self._optcr.read() | (OPTLOCK if self._option_lock.locked else 0)

    def _write_optcr(self, value: int) -> None:
        if self._option_lock.locked:
            return
        self.flash.wait()
        self._optcr.write(value)
        if value & OPTSTRT:
            latches = self._optcr, self._optcr1
            self._end(self._attempt(lambda: latch.program(self.flash, latches)))
        if value & OPTLOCK:
            self._option_lock.close()

    def _write_optcr1(self, value: int) -> None:
        if not self._option_lock.locked:
            self._optcr1.write(value)

    def _optcr_rest(self) -> int:
        return self._delivered.optcr & ~(self._protected_bits() << 16 & NWRP)

    def _optcr1_rest(self) -> int:
        protected = self._protected_bits() << 4 & NWRP if self._delivered is F4 else 0
        return self._delivered.optcr1 & ~protected

    def _protected_bits(self) -> int:
        """One bit for each bit of nWRP: 12 in OPTCR, on F42x 12 more in OPTCR1."""
        per_bank = len(self.part.sector_sizes)
        shared = 2 if self._delivered is F7 and self.part.bank_count > 1 else 1
        found = 0
        for index in self._protected_sectors():
            bank, within = divmod(index, per_bank)
            found |= 1 << (bank * 12 + within) // shared
        return found
