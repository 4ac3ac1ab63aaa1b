"""FLASH registers of H74x, H75x and H7A3. RM0399 chapter 4.

Each bank has a register set and a write buffer of its own. The set at +0x000 serves the bank that
is seen at the base of flash, the one at +0x100 the other: with SWAP_BANK the sets change places
like the banks (RM0399 Table 19). A program begins when the buffer holds a whole flash word, or FW
fills it with ones. What is in the buffer when power goes is lost, and no operation.

Not modelled: CRC, PCROP, secure areas and boot addresses (they hold what is written and do
nothing; to program a change of them raises ``UnmodelledOption``), and the queue as such: an
operation that the device has queued shows as BSY and QW.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.errors import UnreadableUnit
from flash_emulator.registers import h7_layouts as bits
from flash_emulator.registers import latch
from flash_emulator.registers.base import REFUSED, Front
from flash_emulator.registers.faults import BusError, UnmodelledOption
from flash_emulator.registers.h7_layouts import LAYOUTS, REGISTERS
from flash_emulator.registers.locks import KEYS, OPTION_KEYS, KeyLock
from flash_emulator.registers.write_buffer import ELSEWHERE, FULL, TWICE, WriteBuffer

FLAGS = {"WRPERR": bits.WRPERR, "PROGERR": bits.INCERR, REFUSED: bits.WRPERR}


class _Set:
    """One register set with its buffer. *number* is the half of the address space it serves."""

    def __init__(self, front: H7Front, number: int, key_register: int) -> None:
        self.front = front
        self.number = number
        self.lock = KeyLock(KEYS, key_register, once=True)
        self.buffer = WriteBuffer(front.part.program_unit)
        self.reset()

    def reset(self) -> None:
        self.lock.reset()
        self.buffer.drop()
        self.cr = self.sr = self.ecc_fa = 0

    def state(self) -> tuple[Hashable, ...]:
        return self.lock.state(), self.buffer.state(), self.cr, self.sr, self.ecc_fa

    def restore(self, state: tuple[Any, ...]) -> None:
        lock, buffer, self.cr, self.sr, self.ecc_fa = state
        self.lock.restore(lock)
        self.buffer.restore(buffer)

    def read_cr(self) -> int:
        return self.cr | (bits.LOCK if self.lock.locked else 0)

    def write_cr(self, value: int) -> None:
        """ "When LOCK1 changes from 0 to 1, the other bits of FLASH_CR1 do not change"."""
        if self.lock.locked:
            return
        if value & bits.LOCK:
            self.lock.close()
            return
        layout = self.front.layout
        self.cr = value & ~(layout.fw | layout.start)
        if not value & bits.PG:
            self.buffer.drop()  # "all the data stored in the buffer ... are lost"
        if value & layout.fw:
            self.front.force(self)
        if value & layout.start:
            self.front.start(self)

    def read_sr(self) -> int:
        return self.front.status(self)

    def write_ccr(self, value: int) -> None:
        self.sr &= ~(value & bits.CLEARS)
        if not self.sr & (bits.SNECCERR | bits.DBECCERR):
            self.ecc_fa = 0

    def read_ecc_fa(self) -> int:
        return self.ecc_fa

    def end(self, flag: str) -> None:
        self.sr |= FLAGS[flag] if flag else bits.EOP

    def report(self, flag: int, unit: int) -> None:
        """An ECC error in flash word *unit* of the bank; the address is that of the first."""
        if not self.sr & (bits.SNECCERR | bits.DBECCERR):
            self.ecc_fa = unit
        self.sr |= flag


class H7Front(Front):
    """One chip of the class. See ``Front``."""

    def __init__(self, flash: EmulatedFlash, *, poll_us: int = 1) -> None:
        super().__init__(flash, REGISTERS, poll_us=poll_us)
        self._protection_of: dict[Hashable, dict[str, int]] = {}
        self.layout = LAYOUTS[flash.part.family]
        self._sets = [_Set(self, n, self.base + n * bits.SECOND_SET + 4) for n in range(2)]
        self._option_lock = KeyLock(OPTION_KEYS, self.base + 0x08, once=True)
        self._optsr = latch.OptionLatch(
            flash, "FLASH_OPTSR_PRG", rest=lambda: self.layout.optsr, fixed=bits.OPTCHANGEERR
        )
        self._holders += [self._optsr]
        for unit in self._sets:
            n = unit.number + 1
            self._readers |= {
                f"CR{n}": unit.read_cr,
                f"SR{n}": unit.read_sr,
                f"ECC_FA{n}": unit.read_ecc_fa,
            }
            self._writers |= {
                f"KEYR{n}": unit.lock.key,
                f"CR{n}": unit.write_cr,
                f"CCR{n}": unit.write_ccr,
            }
        self._readers |= {
            "OPTCR": self._read_optcr,
            "OPTSR_CUR": lambda: self._optsr.loaded,
            "OPTSR_PRG": self._optsr.read,
        }
        self._writers |= {
            "OPTKEYR": self._option_lock.key,
            "OPTCR": self._write_optcr,
            "OPTSR_PRG": self._write_optsr,
        }
        starts = self.layout.fw | self.layout.start
        named = [f"{name}{n}" for name in ("SR", "CR", "ECC_FA") for n in (1, 2)]
        self.plain_reads = frozenset({"ACR", *named})
        self.plain_writes = {"ACR": 0, "CR1": starts, "CR2": starts}
        self.plain_writes |= dict.fromkeys(("KEYR1", "KEYR2", "CCR1", "CCR2"), 0)
        self.reset()

    def reset(self) -> None:
        super().reset()
        self._bank_size = self.part.bank_size
        self._option_lock.reset()
        self._optsr.reset()
        for unit in self._sets:
            unit.reset()
        options = self.flash.options
        key = options.write_protected, self.flash.protected, self.flash.mapped_bank
        if key not in self._protection_of:
            self._protection_of[key] = self._protection()
        self._values |= self._protection_of[key]

    def _own_state(self) -> tuple[Hashable, ...]:
        sets = (unit.state() for unit in self._sets)
        return self._option_lock.state(), self._optsr.written, *sets

    def _restore_own(self, own: tuple[Any, ...]) -> None:
        lock, self._optsr.written, *sets = own
        self._option_lock.restore(lock)
        for unit, state in zip(self._sets, sets, strict=True):
            unit.restore(state)

    @property
    def follows_state(self) -> bool:
        return not any(unit.buffer.begun for unit in self._sets)

    def store_width(self, address: int) -> int:
        unit = self._sets[self._inside(address) // self._bank_size]
        is_plain = unit.cr & bits.PG and not unit.sr & (bits.PGSERR | bits.INCERR)
        return 4 if is_plain else 0

    # --- status

    def status(self, unit: _Set) -> int:
        """FLASH_SR: flags, BSY and QW while the bank works, WBNE."""
        waits = bits.WBNE if unit.buffer.begun else 0
        if not self.flash.is_busy():
            return unit.sr | waits
        if self._poll(self._bank(unit)):
            return unit.sr & ~bits.EOP | waits | bits.BSY | bits.QW
        return unit.sr | waits

    def _bank(self, unit: _Set) -> int:
        """The physical bank that a register set serves now."""
        return self.flash.named_bank(unit.number, self.part.bank_erase_bank)

    # --- erasing

    def start(self, unit: _Set) -> None:
        """START: "BER1 has a higher priority than SER1" (FLASH_CR1)."""
        if unit.cr & bits.BER:
            bank = self._bank(unit)
            unit.end(self._attempt(lambda: self.flash.erase_bank(bank)))
        elif unit.cr & bits.SER:
            number = unit.cr >> self.layout.snb_shift & (1 << self.layout.snb_bits) - 1
            address = self._place(unit, number)
            unit.end(self._attempt(lambda: self.flash.erase(address)))
        else:
            self.undefined.append("FLASH_CR: START with neither SER nor BER")

    def _place(self, unit: _Set, sector: int) -> int:
        """CPU address of a sector of the bank that *unit* serves."""
        bank = self.flash.named_bank(unit.number, self.part.sector_erase_bank)
        offset = bank * self.part.bank_size + sector * self.part.sector_sizes[0]
        return self.part.base + self._aliased(offset)

    def _mass_erase(self) -> None:
        """OPTCR.MER sets BER and START of both sets (RM0399 4.3.10)."""
        if any(unit.lock.locked for unit in self._sets):
            return
        flag = self._attempt(self.flash.erase_all)
        for unit in self._sets:
            unit.end(flag)

    # --- programming

    def store(self, address: int, width: int, value: int) -> None:
        """A write to the array: into the buffer, which is programmed when it is full."""
        unit = self._sets[self._inside(address) // self._bank_size]
        if not unit.cr & bits.PG or unit.sr & (bits.PGSERR | bits.INCERR):
            unit.buffer.drop()
            unit.sr |= bits.PGSERR
            return
        verdict = unit.buffer.take(address, value.to_bytes(width, "little"))
        if verdict is FULL:
            self._program_buffer(unit)
        elif verdict is TWICE:
            unit.sr |= bits.STRBERR
        elif verdict is ELSEWHERE:
            unit.sr |= bits.INCERR

    def force(self, unit: _Set) -> None:
        """FW: the missing bits are 1. "effective only if the write buffer is not empty"."""
        if unit.buffer.begun and unit.buffer.clears_a_bit:
            self._program_buffer(unit)

    def _program_buffer(self, unit: _Set) -> None:
        address, data = unit.buffer.empty()
        unit.end(self._program(address, data))

    # --- options: RM0399 4.4

    def _read_optcr(self) -> int:
        lock = bits.OPTLOCK if self._option_lock.locked else 0
        return lock | (bits.SWAP_BANK if self.flash.mapped_bank else 0)

    def _write_optcr(self, value: int) -> None:
        if self._option_lock.locked:
            return
        if value & bits.MER:
            self._mass_erase()
        if value & bits.OPTSTART:
            self._check_held()
            # OPTCHANGEERR would tell of a change that was broken off: atomic, so none is
            self._attempt(lambda: latch.program(self.flash, (self._optsr,)))
        if value & bits.OPTLOCK:
            self._option_lock.close()

    def _write_optsr(self, value: int) -> None:
        if not self._option_lock.locked:
            self._optsr.write(value)

    def _protection(self) -> dict[str, int]:
        """WPSN_CUR and _PRG: a 0 protects a sector, on H7A3 four."""
        per_bank = len(self.part.sector_sizes)
        shared = max(1, per_bank // 32)
        values = {}
        for unit in self._sets:
            value = (1 << per_bank // shared) - 1
            for index in self._protected_sectors():
                if index // per_bank == self._bank(unit):
                    value &= ~(1 << index % per_bank // shared)
            for name in ("WPSN_CUR", "WPSN_PRG"):
                values[f"{name}{unit.number + 1}"] = value
        return values

    def _check_held(self) -> None:
        """Raises UnmodelledOption for a change that the device cannot hold."""
        shown = {register.name: register.reset for register in REGISTERS} | self._protection()
        for name, value in shown.items():
            if "_PRG" in name and name != "OPTSR_PRG" and self._values[name] != value:
                raise UnmodelledOption(self.part.name, name, self._values[name] ^ value)

    # --- ECC

    def _met_double_error(self, error: UnreadableUnit) -> int:
        """RM0399 4.7.8: DBECCERR, and the bus answers with an error."""
        self._report(error.address, bits.DBECCERR)
        raise BusError(str(error), error.address) from error

    def _met_single_error(self, address: int) -> None:
        self._report(address, bits.SNECCERR)

    def _report(self, address: int, flag: int) -> None:
        half, within = divmod(self._inside(address), self.part.bank_size)
        self._sets[half].report(flag, within // self.part.program_unit)

    def _met_read_protection(self, address: int) -> int:
        self._sets[self._inside(address) // self.part.bank_size].sr |= bits.RDPERR
        raise BusError("read-protected", address)
