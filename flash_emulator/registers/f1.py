"""FLASH registers of F1 (and F0, F3): the FPEC. PM0075 2.3 and 3, PM0068 for XL parts.

XL parts have a second set, KEYR2, SR2, CR2 and AR2, for the addresses from bank 2 on. A program is
one half-word; any other width is a bus error. Errors do not keep the next operation from starting.

Option bytes are half-words at 0x1FFF_F800, of which software writes the lower byte and the FPEC the
complement (PM0075 2.4): OPTER erases them all, which is one operation, and OPTPG programs one of
them, which is another. ``f1_options`` has them. A byte that holds 0xFF counts as erased, programmed
or not. Not modelled: that protection against reads protects the first pages against writes.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.registers.base import REFUSED, WHOLE, Front, Register
from flash_emulator.registers.f1_options import F1Options
from flash_emulator.registers.faults import BusError
from flash_emulator.registers.locks import KEYS, KeyLock

REGISTERS = (  # CMSIS-F103xG; RM0091 3.5 has the same set for F0
    Register(0x00, "ACR", WHOLE, 0x30),
    Register(0x04, "KEYR"),
    Register(0x08, "OPTKEYR"),
    Register(0x0C, "SR"),
    Register(0x10, "CR", WHOLE),
    Register(0x14, "AR", WHOLE),
    Register(0x1C, "OBR"),
    Register(0x20, "WRPR"),
)
XL_REGISTERS = (
    Register(0x44, "KEYR2"),
    Register(0x4C, "SR2"),
    Register(0x50, "CR2", WHOLE),
    Register(0x54, "AR2", WHOLE),
)

# --- FLASH_SR, FLASH_SR2

BSY = 1 << 0
PGERR = 1 << 2
WRPRTERR = 1 << 4
EOP = 1 << 5
SR_CLEARS = PGERR | WRPRTERR | EOP

# --- FLASH_CR, FLASH_CR2 (without the option bits)

PG = 1 << 0
PER = 1 << 1
MER = 1 << 2
OPTPG = 1 << 4
OPTER = 1 << 5
STRT = 1 << 6
LOCK = 1 << 7
OPTWRE = 1 << 9  # cleared by software, set by the keys in FLASH_OPTKEYR
ERRIE = 1 << 10
EOPIE = 1 << 12

# --- FLASH_OBR

OPTERR = 1 << 0
RDPRT = 1 << 1
OBR_USER = 0xFF << 2  # bits that are no option of the part read as 1

FLAGS = {"PGERR": PGERR, "WRPERR": WRPRTERR, "BSY": PGERR, REFUSED: WRPRTERR}


class _Bank:
    """One register set, and the half of the array that it serves."""

    def __init__(self, front: F1Front, number: int, key_register: int) -> None:
        self.front = front
        self.number = number
        self.lock = KeyLock(KEYS, key_register)
        self.reset()

    def reset(self) -> None:
        self.lock.reset()
        self.cr = self.sr = self.ar = 0

    def state(self) -> tuple[Hashable, ...]:
        return self.lock.state(), self.cr, self.sr, self.ar

    def restore(self, state: tuple[Any, ...]) -> None:
        lock, self.cr, self.sr, self.ar = state
        self.lock.restore(lock)

    def read_sr(self) -> int:
        return self.front.status(self.number, self.sr)

    def write_sr(self, value: int) -> None:
        self.sr &= ~(value & SR_CLEARS)

    def read_cr(self) -> int:
        return self.cr | (LOCK if self.lock.locked else 0) | self.front.option_bit

    def write_cr(self, value: int) -> None:
        if self.lock.locked:
            return
        self.cr = value & ~(STRT | LOCK | OPTWRE)
        if not value & OPTWRE:
            self.front.close_options()
        if value & STRT:
            self.front.start(self)
        if value & LOCK:
            self.lock.close()

    def read_ar(self) -> int:
        return self.ar

    def write_ar(self, value: int) -> None:
        self.ar = value

    def end(self, flag: str) -> None:
        """EOP: "set by hardware when a Flash operation (programming / erase) is completed"."""
        self.sr |= FLAGS[flag] if flag else EOP


class F1Front(Front):
    """One chip of the class. See ``Front``."""

    def __init__(self, flash: EmulatedFlash, *, poll_us: int = 1) -> None:
        xl = flash.part.bank_count > 1
        super().__init__(flash, REGISTERS + (XL_REGISTERS if xl else ()), poll_us=poll_us)
        self._banks = [_Bank(self, 0, self.base + 0x04)]
        if xl:
            self._banks.append(_Bank(self, 1, self.base + 0x44))
        self._option_lock = KeyLock(KEYS, self.base + 0x08)
        self._options = F1Options(flash)
        self._holders += [self._options]
        self.option_area = self._options.area
        for bank, suffix in zip(self._banks, ("", "2"), strict=False):
            self._readers |= {
                f"SR{suffix}": bank.read_sr,
                f"CR{suffix}": bank.read_cr,
                f"AR{suffix}": bank.read_ar,
            }
            self._writers |= {
                f"KEYR{suffix}": bank.lock.key,
                f"SR{suffix}": bank.write_sr,
                f"CR{suffix}": bank.write_cr,
                f"AR{suffix}": bank.write_ar,
            }
        self._readers |= {"OBR": self._read_obr, "WRPR": self._read_wrpr}
        self._writers["OPTKEYR"] = self._option_lock.key
        names = [f"{name}{suffix}" for name in ("SR", "CR", "AR") for suffix in ("", "2")]
        self.plain_reads = frozenset({"ACR", *names})
        self.plain_writes = {"ACR": 0, "KEYR": 0, "KEYR2": 0}
        self.plain_writes |= {name: STRT if name.startswith("CR") else 0 for name in names}
        self.reset()

    def reset(self) -> None:
        super().reset()
        self._option_lock.reset()
        for bank in self._banks:
            bank.reset()

    def _own_state(self) -> tuple[Hashable, ...]:
        return self._option_lock.state(), *(bank.state() for bank in self._banks)

    def _restore_own(self, own: tuple[Any, ...]) -> None:
        lock, *banks = own
        self._option_lock.restore(lock)
        for bank, state in zip(self._banks, banks, strict=True):
            bank.restore(state)

    @property
    def follows_state(self) -> bool:
        return True

    def store_width(self, address: int) -> int:
        if address in self.option_area:
            return 0
        bank = self._banks[self._inside(address) // self.part.bank_size]
        return 2 if bank.cr & PG else 0

    # --- status and control

    def status(self, number: int, flags: int) -> int:
        """FLASH_SR of bank *number* with these *flags*."""
        return flags & ~EOP | BSY if self._poll(number) else flags

    @property
    def option_bit(self) -> int:
        return 0 if self._option_lock.locked else OPTWRE

    def close_options(self) -> None:
        self._option_lock.close()

    def start(self, bank: _Bank) -> None:
        """STRT in the register set of *bank*. MER erases its half, all of a chip with one bank."""
        if bank.cr & OPTER:
            bank.end(self._attempt(self._options.erase) if self._writes_options else "WRPERR")
        elif bank.cr & MER:
            whole = self.part.bank_count == 1
            number = bank.number
            erase = self.flash.erase_all if whole else lambda: self.flash.erase_bank(number)
            bank.end(self._attempt(erase))
        elif bank.cr & PER:
            self._erase_page(bank)
        else:
            self.undefined.append("FLASH_CR: STRT with neither PER nor MER")

    def _erase_page(self, bank: _Bank) -> None:
        """FLASH_AR: any address within the page."""
        offset = bank.ar - self.part.base
        if not 0 <= offset < self.part.size or offset // self.part.bank_size != bank.number:
            self.undefined.append(f"FLASH_AR: 0x{bank.ar:08X} is in no page of the bank")
            return
        page = offset - offset % self.part.sector_sizes[0]
        bank.end(self._attempt(lambda: self.flash.erase(self.part.base + page)))

    # --- programming

    def store(self, address: int, width: int, value: int) -> None:
        """A write to the array, PM0075 2.3.3: one half-word is programmed at once."""
        if address in self.option_area:
            self._store_option(address, width, value)
            return
        offset = self._inside(address)
        bank = self._banks[offset // self.part.bank_size]
        if width != 2 or address % 2:
            raise BusError(f"program of {width} bytes: the FPEC takes half-words", address)
        if not bank.cr & PG:
            self.undefined.append(f"write to 0x{address:08X} with PG = 0")
            return
        bank.end(self._program(address, value.to_bytes(2, "little")))

    # --- options

    @property
    def _writes_options(self) -> bool:
        """OPTWRE: the keys were written to FLASH_OPTKEYR."""
        return not self._option_lock.locked

    def _store_option(self, address: int, width: int, value: int) -> None:
        bank = self._banks[0]
        if width != 2 or address % 2:
            raise BusError(f"program of {width} bytes: the FPEC takes half-words", address)
        if not bank.cr & OPTPG:
            self.undefined.append(f"write to 0x{address:08X} with OPTPG = 0")
        elif not self._writes_options:
            bank.end("WRPERR")
        else:
            bank.end(self._attempt(lambda: self._options.program(address, value)))

    def load(self, address: int, width: int = 4) -> int:
        """A read of the array, or of the option bytes as they are programmed."""
        if address in self.option_area:
            return self._options.read(address, width)
        return super().load(address, width)

    def _read_obr(self) -> int:
        options = self.flash.options
        value = OBR_USER | (OPTERR if options.mismatch or options.spoiled else 0)
        value |= RDPRT if options.readout_level else 0
        return self._options.shown(value)

    def _read_wrpr(self) -> int:
        """A 0 protects two pages, bit 31 all from page 62 on (XL: PM0068 2.4.2)."""
        value = WHOLE
        for page in self._protected_sectors():
            value &= ~(1 << min(page // 2, 31))
        return value
