"""FLASH registers of H5 with TrustZone off. RM0481 7.3 and 7.11, in the words of ST's SVD file.

One register set and one write buffer serve both banks; BKSEL names a physical bank whatever
SWAP_BANK has done to the addresses. A program begins when the buffer holds a whole quad-word, or FW
fills it with ones. Captures of a NUCLEO-H563ZI (LABWIRED335) overrule the manual: a quad-word that
is not erased is programmed, bits AND, with no flag; what leaves the quad-word that it began sets
INCERR alone, nothing is written; flags are cleared by NSCCR and by nothing else.

Assumed, as no document at hand says: while INCERR or PGSERR stands, stores to the array are dropped
and set no other flag; a store while PG is 0 sets PGSERR, as on H7.

Not modelled: the secure side, OBKeys, OTP, the high-cycle data area (EDATA), HDP areas and boot
addresses: they hold what is written and do nothing; to program a change of them raises
``UnmodelledOption``, as a change of PRODUCT_STATE and WRP does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.errors import UnreadableUnit
from flash_emulator.registers import h5_layout as bits
from flash_emulator.registers import latch
from flash_emulator.registers.base import REFUSED, Front
from flash_emulator.registers.faults import BusError, Nmi, UnmodelledOption
from flash_emulator.registers.h5_layout import REGISTERS
from flash_emulator.registers.locks import KEYS, OPTION_KEYS, KeyLock
from flash_emulator.registers.opsr import OPSR_CODES
from flash_emulator.registers.write_buffer import ELSEWHERE, FULL, TWICE, WriteBuffer

FLAGS = {"WRPERR": bits.WRPERR, "BSY": bits.PGSERR, REFUSED: bits.PGSERR}
ERASES = bits.SER, bits.BER, bits.MER


class H5Front(Front):
    """One chip of the class. See ``Front``."""

    def __init__(self, flash: EmulatedFlash, *, poll_us: int = 1) -> None:
        super().__init__(flash, REGISTERS, poll_us=poll_us)
        self._lock = KeyLock(KEYS, self.base + 0x04, once=True)
        self._option_lock = KeyLock(OPTION_KEYS, self.base + 0x0C, once=True)
        self._buffer = WriteBuffer(flash.part.program_unit)
        self._optsr = latch.OptionLatch(flash, "FLASH_OPTSR_PRG", rest=lambda: bits.OPTSR)
        self._holders += [self._optsr]
        self._readers = {
            "NSSR": self._read_sr,
            "NSCR": lambda: self._cr | (bits.LOCK if self._lock.locked else 0),
            "OPSR": self._read_opsr,
            "OPTCR": self._read_optcr,
            "OPTSR_CUR": lambda: self._optsr.programmed,
            "OPTSR_PRG": self._optsr.read,
            "ECCCORR": lambda: self._corrected | self._ecc_enabled,
            "ECCDETR": lambda: self._detected,
        }
        self._writers = {
            "NSKEYR": self._lock.key,
            "OPTKEYR": self._option_lock.key,
            "NSCR": self._write_cr,
            "NSCCR": self._write_ccr,
            "OPTCR": self._write_optcr,
            "OPTSR_PRG": self._optsr_writer(),
            "ECCCORR": self._write_ecccorr,
            "ECCDETR": self._write_eccdetr,
        }
        for register in REGISTERS:
            if register.name.endswith("_PRG") and register.name not in self._writers:
                self._writers[register.name] = self._prg_writer(register.name)
        self.plain_reads = frozenset({"ACR", "NSSR", "NSCR", "ECCCORR", "ECCDETR"})
        self.plain_writes = {"ACR": 0, "NSKEYR": 0, "NSCCR": 0, "NSCR": bits.FW | bits.STRT}
        self.reset()

    def reset(self) -> None:
        super().reset()
        self._lock.reset()
        self._option_lock.reset()
        self._optsr.reset()
        self._buffer.drop()
        self._cr = self._sr = 0
        self._corrected = self._detected = self._ecc_enabled = 0
        self._values |= self._protection()

    def _own_state(self) -> tuple[Hashable, ...]:
        return (
            self._lock.state(),
            self._option_lock.state(),
            self._optsr.written,
            self._buffer.state(),
            self._cr,
            self._sr,
            self._corrected,
            self._detected,
            self._ecc_enabled,
        )

    def _restore_own(self, own: tuple[Any, ...]) -> None:
        lock, options, self._optsr.written, buffer, *plain = own
        self._lock.restore(lock)
        self._option_lock.restore(options)
        self._buffer.restore(buffer)
        self._cr, self._sr, self._corrected, self._detected, self._ecc_enabled = plain

    @property
    def follows_state(self) -> bool:
        return not self._buffer.begun

    def store_width(self, address: int) -> int:
        del address
        return 4 if self._cr & bits.PG and not self._sr & (bits.INCERR | bits.PGSERR) else 0

    # --- status and control

    def _read_sr(self) -> int:
        value = self._sr | bits.WBNE if self._buffer.begun else self._sr
        if self.flash.is_busy() and self._poll():
            return value & ~bits.EOP | bits.BSY
        return value

    def _write_ccr(self, value: int) -> None:
        self._sr &= ~(value & bits.CLEARS)

    def _end(self, flag: str) -> None:
        """EOP: "set when a operation (program/erase) completes"."""
        self._sr |= FLAGS[flag] if flag else bits.EOP

    def _write_cr(self, value: int) -> None:
        """ "When LOCK changes from 0 to 1, the other bits of FLASH_NSCR do not change"."""
        if self._lock.locked:
            return
        if value & bits.LOCK:
            self._lock.close()
            return
        self._cr = value & ~(bits.FW | bits.STRT)
        if value & bits.FW and self._buffer.begun:
            self._program_buffer()
        if value & bits.STRT:
            self._start()

    # --- erasing

    def _start(self) -> None:
        """STRT: of SER, BER and MER one alone, or PGSERR."""
        wanted = [bit for bit in ERASES if self._cr & bit]
        bank = 1 if self._cr & bits.BKSEL else 0
        if not wanted:
            self.undefined.append("FLASH_NSCR: STRT with none of SER, BER, MER")
        elif len(wanted) > 1:
            self._sr |= bits.PGSERR
        elif wanted[0] == bits.MER:
            self._end(self._attempt(self.flash.erase_all))
        elif wanted[0] == bits.BER:
            named = self.flash.named_bank(bank, self.part.bank_erase_bank)
            self._end(self._attempt(lambda: self.flash.erase_bank(named)))
        else:
            self._erase_sector(bank)

    def _erase_sector(self, bank: int) -> None:
        number = self._cr >> bits.SNB_SHIFT & bits.SNB_MASK
        named = self.flash.named_bank(bank, self.part.sector_erase_bank)
        index = self.part.sector_index(number, named)
        if index is None:
            self.undefined.append(f"FLASH_NSCR: no sector has SNB {number}")
            return
        address = self._sector_address(index)
        self._end(self._attempt(lambda: self.flash.erase(address)))

    # --- programming

    def store(self, address: int, width: int, value: int) -> None:
        """A write to the array: into the buffer, which is programmed when it is full."""
        self._inside(address)
        if self._sr & (bits.INCERR | bits.PGSERR):
            return
        if not self._cr & bits.PG:
            self._sr |= bits.PGSERR
            return
        verdict = self._buffer.take(address, value.to_bytes(width, "little"))
        if verdict is FULL:
            self._program_buffer()
        elif verdict is TWICE:
            self._sr |= bits.STRBERR
        elif verdict is ELSEWHERE:
            self._sr |= bits.INCERR

    def _program_buffer(self) -> None:
        self._end(self._program(*self._buffer.empty()))

    # --- options: RM0481 7.4

    def _read_optcr(self) -> int:
        """SWAP_BANK: "loaded with the SWAP_BANK bit of FLASH_OPTSR_CUR only after reset"."""
        lock = bits.OPTLOCK if self._option_lock.locked else 0
        return lock | (bits.SWAP_BANK if self.flash.mapped_bank else 0)

    def _write_optcr(self, value: int) -> None:
        if self._option_lock.locked:
            return
        if value & bits.OPTSTRT:
            self._check_held()
            self._end(self._attempt(lambda: latch.program(self.flash, (self._optsr,))))
        if value & bits.OPTLOCK:
            self._option_lock.close()

    def _optsr_writer(self) -> Callable[[int], None]:
        return lambda value: None if self._option_lock.locked else self._optsr.write(value)

    def _prg_writer(self, name: str) -> Callable[[int], None]:
        """OPTLOCK locks "all _PRG registers", too."""

        def write(value: int) -> None:
            if not self._option_lock.locked:
                self._values[name] = value

        return write

    def _protection(self) -> dict[str, int]:
        """WRPxR_CUR and _PRG."""
        values: dict[str, int] = {}
        per_bank = len(self.part.sector_sizes)
        protected = self._protected_sectors()
        for bank in range(self.part.bank_count):
            value = 0xFFFF_FFFF
            for index in protected:
                if index // per_bank == bank:
                    value &= ~(1 << index % per_bank // bits.SECTORS_OF_A_BIT)
            values |= {f"WRP{bank + 1}R_CUR": value, f"WRP{bank + 1}R_PRG": value}
        return values

    def _check_held(self) -> None:
        """Raises UnmodelledOption for a change that the device cannot hold."""
        shown = self._resets | self._protection()
        for name, value in shown.items():
            changed = self._values[name] ^ value
            if changed and name.endswith("_PRG") and name != "OPTSR_PRG":
                raise UnmodelledOption(self.part.name, name, changed)

    # --- ECC

    def _met_double_error(self, error: UnreadableUnit) -> int:
        if not self._detected:
            self._detected = bits.ECCD | self._place_of(error.address)
        raise Nmi(str(error), error.address) from error

    def _met_single_error(self, address: int) -> None:
        if not self._corrected:
            self._corrected = bits.ECCC | self._place_of(address)

    def _place_of(self, address: int) -> int:
        bank, within = divmod(self._aliased(self._inside(address)), self.part.bank_size)
        unit = within // self.part.program_unit & bits.ADDR_ECC
        return unit | (bits.BK_ECC if bank else 0)

    def _write_ecccorr(self, value: int) -> None:
        """ECCC is cleared by writing 1; the place goes with it."""
        self._ecc_enabled = value & bits.ECCIE
        if value & bits.ECCC:
            self._corrected = 0

    def _write_eccdetr(self, value: int) -> None:
        if value & bits.ECCD:
            self._detected = 0

    def _met_read_protection(self, address: int) -> int:
        raise BusError("read-protected", address)

    def _read_opsr(self) -> int:
        """FLASH_OPSR: the operation that a reset broke off."""
        broken = self.flash.interrupted
        if broken is None:
            return 0
        bank, within = divmod(self._inside(broken.address), self.part.bank_size)
        code = OPSR_CODES.get(broken.kind, 0)
        return code << bits.CODE_OP_SHIFT | bank << bits.BK_OP_SHIFT | within
