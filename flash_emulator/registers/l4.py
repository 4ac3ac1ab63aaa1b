"""FLASH registers of L4, L4+, G0, G4, L5, WB and U5. RM0440, 3.3.5 to 3.3.8 and 3.7.

A program begins by itself when the last word of a unit has been written: two words, four on U5.
BKER, MER1 and MER2 name the banks that the part says (``sector_erase_bank``, ``bank_erase_bank``):
physical ones, whatever FB_MODE or SWAP_BANK has done to the addresses; but NSBKER of L5 follows the
addresses, as RM0438 was read. That is disputed: ``Part.with_sector_erase_bank``, or a part file of
one's own, sets the other reading.

Not modelled: the 7 ms of fast programming (FASTERR by itself), RUN_PD, secure areas, and options
that the device does not hold (``UnmodelledOption``): PCROP and WRP areas can be read, not written.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from flash_emulator.device.flash import EmulatedFlash
from flash_emulator.errors import UnreadableUnit
from flash_emulator.parts.part import Part
from flash_emulator.parts.part_model import OptionRole
from flash_emulator.registers import l4_layouts as bits
from flash_emulator.registers import latch
from flash_emulator.registers.base import REFUSED, Front
from flash_emulator.registers.eccr import ECCC, ECCD, EccRegister
from flash_emulator.registers.faults import Nmi, SystemReset
from flash_emulator.registers.l4_areas import areas, check_unchanged
from flash_emulator.registers.l4_layouts import CR_RESET, Layout, layout_of
from flash_emulator.registers.locks import KEYS, OPTION_KEYS, KeyLock
from flash_emulator.registers.opsr import OPSR_CODES
from flash_emulator.registers.row import Row

FLAGS = {  # what the device reports, as this class shows it
    "PROGERR": bits.PROGERR,
    "WRPERR": bits.WRPERR,
    "PGSERR": bits.PGSERR,
    "BSY": bits.PGSERR,  # "Write-while-write operations are not allowed", RM0440 3.3.8
    REFUSED: bits.WRPERR,  # options at RDP level 2, RM0440 3.3.7
}
ERASES = bits.PER | bits.MER1 | bits.MER2
ACTIONS = bits.STRT | bits.OPTSTRT | bits.OBL_LAUNCH


class L4Front(Front):
    """One chip of the class. See ``Front``; ``write`` raises SystemReset for OBL_LAUNCH."""

    def __init__(
        self, flash: EmulatedFlash, *, layout: Layout | None = None, poll_us: int = 1
    ) -> None:
        self._layout = layout or layout_of(flash.part.name)
        super().__init__(flash, self._layout.registers, poll_us=poll_us)
        places = {r.name.removeprefix("NS"): self.base + r.offset for r in self._layout.registers}
        self._lock = KeyLock(KEYS, places["KEYR"])
        self._option_lock = KeyLock(OPTION_KEYS, places["OPTKEYR"])
        optr = next(r.reset for r in self._layout.registers if r.name == "OPTR")
        widths = {OptionRole.BROWN_OUT: self._layout.bor_bits}
        self._optr = latch.OptionLatch(flash, "FLASH_OPTR", rest=lambda: optr, widths=widths)
        self._holders += [self._optr]
        self._eccr = EccRegister(self._layout.bk_ecc), EccRegister()
        self._set_up_for: Part | None = None
        self._areas_of: dict[Hashable, dict[str, int]] = {}
        handlers = {
            "KEYR": (None, self._lock.key),
            "OPTKEYR": (None, self._write_optkeyr),
            "SR": (self._read_sr, self._write_sr),
            "CR": (self._read_cr, self._write_cr),
            "ECCR": (self._eccr[0].read, self._eccr[0].write),
            "ECC2R": (self._eccr[1].read, self._eccr[1].write),
            "OPTR": (self._optr.read, self._write_optr),
            "OPSR": (self._read_opsr, None),
        }
        for register in self._layout.registers:
            reader, writer = handlers.get(register.name.removeprefix("NS"), (None, None))
            if reader is not None:
                self._readers[register.name] = reader
            if writer is not None:
                self._writers[register.name] = writer
        prefix = "NS" if "NSCR" in self._resets else ""
        named = {f"{prefix}{name}" for name in ("SR", "CR")}
        self.plain_reads = frozenset({*named, "ACR", "ECCR", "ECC2R"})
        self.plain_writes = {"ACR": 0, "ECCR": 0, "ECC2R": 0}
        self.plain_writes |= {f"{prefix}KEYR": 0, f"{prefix}SR": 0, f"{prefix}CR": ACTIONS}
        self.reset()

    def reset(self) -> None:
        super().reset()
        if self.part is not self._set_up_for:
            self._set_up()
        self._row.drop()
        self._lock.reset()
        self._option_lock.reset()
        self._optr.reset()
        self._set_cr(0)
        self._sr = bits.OPTVERR if self.flash.options.mismatch else 0
        for register in self._eccr:
            register.reset()
        self._mass_erased: set[int] = set()  # banks that may be programmed fast
        self._drop()
        self._values = self._areas()

    def _set_up(self) -> None:
        """What follows from the part, which options may have made another one (DBANK)."""
        part = self._set_up_for = self.part
        self._bker = 1 << part.bker_bit if part.bker_bit is not None else 0
        gap_us = part.timing.of("program_unit", mode=self.flash.timing)
        self._row = Row(part.row_bytes, part.program_unit, gap_us)
        self._unit = part.program_unit
        self._both_busy = bool(self._layout.busy2) and part.bank_count > 1

    def _own_state(self) -> tuple[Hashable, ...]:
        return (
            self._lock.state(),
            self._option_lock.state(),
            self._optr.written,
            self._cr,
            self._sr,
            *(register.state() for register in self._eccr),
            frozenset(self._mass_erased),
            bytes(self._words),
            self._words_at if self._words else 0,
            self._row.state(self._now_us),
        )

    def _restore_own(self, own: tuple[Any, ...]) -> None:
        lock, option_lock, self._optr.written, cr, self._sr, *eccr, erased, words, at, row = own
        self._lock.restore(lock)
        self._option_lock.restore(option_lock)
        self._set_cr(cr)
        for register, state in zip(self._eccr, eccr, strict=True):
            register.restore(state)
        self._mass_erased = set(erased)
        self._words, self._words_at = bytearray(words), at
        self._row.restore(row, self._now_us)

    @property
    def follows_state(self) -> bool:
        return not self._words and not self._row.begun

    def store_width(self, address: int) -> int:
        del address
        return 4 if self._plain and not self._sr & bits.SR_BLOCKS else 0

    def _now_us(self) -> int:
        return self.flash.clock.now_us

    def _drop(self) -> None:
        """Forget the words of a unit that is not complete, and the row."""
        self._words = bytearray()
        self._words_at = 0
        self._row.drop()

    # --- status

    def _read_sr(self) -> int:
        if not self.flash.is_busy():
            return self._sr
        return self._sr & ~bits.EOP | self._busy_bits()

    def _busy_bits(self) -> int:
        """BSY, or on G0 with two banks BSY1 and BSY2, one for each bank."""
        if not self._both_busy:
            return bits.BSY if self._poll() else 0
        shown = bits.BSY if self.flash.is_busy(0) else 0
        shown |= self._layout.busy2 if self.flash.is_busy(1) else 0
        self._poll()
        return shown

    def _write_sr(self, value: int) -> None:
        self._sr &= ~(value & bits.SR_CLEARS)

    def _fail(self, flags: int) -> None:
        """Abort with these flags. OPERR: "set only if ERRIE is set", RM0440 3.6."""
        if self._row.begun and flags & (bits.PGAERR | bits.SIZERR | bits.WRPERR | bits.MISERR):
            flags |= bits.FASTERR
        self._sr |= flags | (bits.OPERR if self._cr & bits.ERRIE else 0)
        self._drop()

    def _end(self, flag: str) -> bool:
        """An operation came back with *flag*. EOP: "set only if EOPIE is set", RM0440 3.6."""
        if flag:
            self._fail(FLAGS[flag])
        elif self._cr & bits.EOPIE:
            self._sr |= bits.EOP
        return not flag

    # --- control

    def _read_cr(self) -> int:
        value = self._cr | bits.LOCK if self._lock.locked else self._cr
        return value | bits.OPTLOCK if self._option_lock.locked else value

    def _write_cr(self, value: int) -> None:
        self.flash.wait()  # "causes the AHB bus to stall until the BSY bit is cleared", 3.3.5
        if self._lock.locked:
            return
        if self._row.begun and not value & self._layout.fast:
            self._fail(bits.MISERR)
        self._set_cr(value & ~(ACTIONS | CR_RESET))
        if not value & (bits.PG | self._layout.fast) and (self._words or self._row.begun):
            self._drop()
        if value & (ACTIONS | CR_RESET):
            self._act(value)

    def _act(self, value: int) -> None:
        """The bits of FLASH_CR that are no state: they start something, or lock."""
        if value & bits.STRT:
            self._start()
        if value & ACTIONS & ~bits.STRT and not self._option_lock.locked:
            self._start_options(value)
        if value & CR_RESET:  # "Setting LOCK also sets OPTLOCK"
            self._option_lock.close()
        if value & bits.LOCK:
            self._lock.close()

    def _set_cr(self, value: int) -> None:
        """FLASH_CR without the locks, and what every store asks of it."""
        self._cr = value
        fast = self._layout.fast
        if not value & (ERASES | fast):  # as almost always
            self._fast, self._mixed = 0, False
            self._takes_data = self._plain = bool(value & bits.PG)
            self._size = self._unit
            return
        self._plain = False
        self._fast = value & fast & bits.FSTPG  # U5 has none
        programs = value & (bits.PG | self._layout.fast)
        erases = value & bits.PER, value & (bits.MER1 | bits.MER2)
        self._mixed = sum(map(bool, (programs, *erases))) > 1
        self._takes_data = bool(value & bits.PG or self._fast) and not self._mixed
        bursts = self._layout.fast & bits.BWR and value & bits.BWR
        burst = self.part.burst_bytes if bursts else None
        self._size = burst or self.part.program_unit  # bytes that are programmed at a time

    def _start(self) -> None:
        """STRT: erase a page, a bank or both, or say why not (RM0440 3.3.6 and 3.3.7)."""
        mass = self._cr & (bits.MER1 | bits.MER2)
        if self._sr & bits.SR_BLOCKS or self._mixed:
            self._fail(bits.PGSERR)
        elif mass:
            self._erase_banks(mass)
        elif self._cr & bits.PER:
            self._erase_page()
        else:
            self.undefined.append("FLASH_CR: STRT with none of PER, MER1, MER2")

    def _erase_page(self) -> None:
        number = self._cr >> bits.PNB_SHIFT & (1 << self._layout.pnb_bits) - 1
        number_of_bank = 1 if self._cr & self._bker and self.part.bank_count > 1 else 0
        bank = self.flash.named_bank(number_of_bank, self.part.sector_erase_bank)
        index = self.part.sector_index(number, bank)
        if index is None:
            self._end(self.part.missing_sector_flag or REFUSED)
            return
        address = self._sector_address(index)
        self._end(self._attempt(lambda: self.flash.erase(address)))

    def _erase_banks(self, mass: int) -> None:
        """ "If one of the banks to erase contains a write-protected area", nothing is erased."""
        if self.part.bank_count == 1:
            both = bits.MER1 | bits.MER2
            if self._has_dbank() and mass != both:  # "When DBANK = 0, if only [one] is set"
                self._fail(bits.PGSERR)
                return
            mass = both
        if mass == bits.MER1 | bits.MER2:
            banks, erase = range(self.part.bank_count), self.flash.erase_all
        else:
            number = 0 if mass == bits.MER1 else 1
            bank = self.flash.named_bank(number, self.part.bank_erase_bank)
            banks, erase = range(bank, bank + 1), lambda: self.flash.erase_bank(bank)
        if self._end(self._attempt(erase)):
            self._mass_erased |= set(banks)

    def _has_dbank(self) -> bool:
        return any(o.role is OptionRole.BANKS for o in self.part.options.fields.values())

    # --- programming

    def store(self, address: int, width: int, value: int) -> None:
        """A write to the array: the flag that is set, or a word of a unit."""
        offset = self._inside(address)
        words = self._words
        if width == 4 and self._plain and not self._sr & bits.SR_BLOCKS:  # as almost always
            at = self._words_at + len(words) if words else address & -self._unit
            if address == at:
                if not words:
                    self._words_at = address
                words += value.to_bytes(4, "little")
                if len(words) == self._unit:
                    self._program_words()
                return
        if width == 8:  # a bus of 32 bits: two words
            self.store(address, 4, value & 0xFFFF_FFFF)
            self.store(address + 4, 4, value >> 32)
            return
        fault = self._store_fault(offset, width)
        if fault:
            self._fail(fault)
            return
        if not self._words:
            self._words_at = address
        self._words += value.to_bytes(4, "little")
        if len(self._words) == self._size:
            self._program_words()

    def _store_fault(self, offset: int, width: int) -> int:
        """Why this write cannot be a word of a unit; 0 where it can."""
        fast = self._fast
        if self._sr & bits.SR_BLOCKS or not self._takes_data:
            return bits.PGSERR
        if fast and offset // self.part.bank_size not in self._fast_banks():
            return bits.PGSERR
        if width != 4:
            return bits.SIZERR
        if self._words:
            misplaced = offset != self._inside(self._words_at) + len(self._words)
        else:
            misplaced = offset % self._size != 0
        if misplaced:
            return bits.PGAERR
        return self._row.fault(offset, self.flash.clock.now_us) if fast else 0

    def _fast_banks(self) -> set[int]:
        """Halves of the address space that show a bank after its mass erase."""
        return {bank ^ self.flash.mapped_bank for bank in self._mass_erased}

    def _program_words(self) -> None:
        data, address = bytes(self._words), self._words_at
        self._words = bytearray()
        if self._plain:
            self._end(self._program(address, data))
            return
        burst = len(data) > self.part.program_unit
        fast = self.flash.program_fast if burst else self.flash.program_in_row
        if burst or self._fast:
            done = self._end(self._attempt(lambda: fast(address, data)))
        else:
            done = self._end(self._program(address, data))
        if done and self._fast:
            self._row.note(self._inside(address), self.flash.clock.now_us)

    # --- options

    def _write_optkeyr(self, value: int) -> None:
        """ "LOCK must be cleared before doing the unlock sequence for OPTLOCK"."""
        if not self._lock.locked:
            self._option_lock.key(value)

    def _write_optr(self, value: int) -> None:
        if not self._option_lock.locked:
            self._optr.write(value)

    def _start_options(self, value: int) -> None:
        if value & bits.OPTSTRT:
            check_unchanged(self.part, self._areas(), self._values)
            self._end(self._attempt(lambda: latch.program(self.flash, (self._optr,))))
        if value & bits.OBL_LAUNCH:
            self.flash.launch_options()
            self.reset()
            raise SystemReset("OBL_LAUNCH", self.base)

    def _areas(self) -> dict[str, int]:
        """WRP and PCROP registers as the device has them, the others at their reset values."""
        options = self.flash.options
        key = self.part.name, options.write_protected, options.read_protected, self.flash.protected
        if key not in self._areas_of:
            self._areas_of[key] = self._areas_now()
        return dict(self._areas_of[key])

    def _areas_now(self) -> dict[str, int]:
        shown, pcrop = self._resets, self.flash.options.read_protected
        now = areas(self.part, self._protected_sectors(), pcrop=pcrop)
        return shown | {name: value for name, value in now.items() if name in shown}

    # --- ECC

    def _met_double_error(self, error: UnreadableUnit) -> int:
        self._met_error(error.address, ECCD)
        raise Nmi(str(error), error.address) from error

    def _met_single_error(self, address: int) -> None:
        self._met_error(address - address % self.part.program_unit, ECCC)

    def _met_error(self, address: int, flag: int) -> None:
        bank, within = divmod(self._aliased(self._inside(address)), self.part.bank_size)
        self._eccr[bank if self._layout.ecc2r else 0].report(flag, bank, within)

    def _met_read_protection(self, _address: int) -> int:
        """RDERR: the D-bus read of a PCROP area. What the CPU gets is not documented; 0 here."""
        self._sr |= bits.RDERR
        return 0

    # --- U5

    def _read_opsr(self) -> int:
        """FLASH_OPSR: ADDR_OP 20:0, BK_OP 21, CODE_OP 31:29."""
        broken = self.flash.interrupted
        if broken is None:
            return 0
        bank, within = divmod(self._inside(broken.address), self.part.bank_size)
        return OPSR_CODES.get(broken.kind, 0) << 29 | bank << 21 | within
