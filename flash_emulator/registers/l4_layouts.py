"""Where the L4 class and U5 have their registers and bits; ``l4.py`` says what they do.

Sources: CMSIS headers of L476, G474, G0B1, L552, WB55 and U575; offsets cross-checked with
OpenOCD's stm32l4x.c; RM0440 3.7 for G4, whose text ``l4.py`` follows. L5 and U5 with TZEN = 0: the
non-secure registers, whose names begin with NS. Reset values of OPTR are those that chips are
delivered with, from memory of the manuals; bits that are options of the part take its values.
"""

from __future__ import annotations

from dataclasses import dataclass

from flash_emulator.registers.base import WHOLE, Register
from flash_emulator.registers.eccr import ECCIE

# --- FLASH_SR, RM0440 3.7.5: the same bits on all of them

EOP = 1 << 0
OPERR = 1 << 1
PROGERR = 1 << 3
WRPERR = 1 << 4
PGAERR = 1 << 5
SIZERR = 1 << 6
PGSERR = 1 << 7
MISERR = 1 << 8
FASTERR = 1 << 9
RDERR = 1 << 14
OPTVERR = 1 << 15
BSY = 1 << 16
SR_CLEARS = EOP | OPERR | 0xC3F8  # write 1 to clear; all errors are 0xC3FA
SR_BLOCKS = PROGERR | WRPERR | PGAERR | SIZERR | PGSERR | MISERR | FASTERR
"""RM0440 3.3.7: "PGSERR is set also if" one of these "is set due to a previous" error."""

# --- FLASH_CR, RM0440 3.7.6

PG = 1 << 0
PER = 1 << 1
MER1 = 1 << 2
PNB_SHIFT = 3
BWR = 1 << 14  # U5
MER2 = 1 << 15  # not on WB
STRT = 1 << 16
OPTSTRT = 1 << 17
FSTPG = 1 << 18  # not on L5 and U5
EOPIE = 1 << 24
ERRIE = 1 << 25
RDERRIE = 1 << 26
OBL_LAUNCH = 1 << 27
OPTLOCK = 1 << 30
LOCK = 1 << 31
CR_RESET = LOCK | OPTLOCK


@dataclass(frozen=True, slots=True)
class Layout:
    """What differs. Bits as masks."""

    registers: tuple[Register, ...]
    pnb_bits: int  # width of PNB in FLASH_CR
    bk_ecc: int  # in FLASH_ECCR: the error is in bank 2
    fast: int = 0  # FSTPG, or BWR on U5
    bor_bits: int = 3  # width of BOR_LEV in FLASH_OPTR
    ecc2r: bool = False  # bank 2 has an ECCR of its own
    busy2: int = 0  # in FLASH_SR: bank 2 is busy, and BSY tells of bank 1 alone


def _protection(*offsets: int) -> tuple[Register, ...]:
    names = ("WRP1AR", "WRP1BR", "WRP2AR", "WRP2BR")
    return tuple(Register(at, name, WHOLE) for at, name in zip(offsets, names, strict=False))


L4 = Layout(  # CMSIS-L476; L4+ and WB alike as far as they go
    registers=(
        Register(0x00, "ACR", WHOLE, 0x0000_0600),
        Register(0x04, "PDKEYR"),
        Register(0x08, "KEYR"),
        Register(0x0C, "OPTKEYR"),
        Register(0x10, "SR"),
        Register(0x14, "CR", WHOLE),
        Register(0x18, "ECCR", ECCIE),
        Register(0x20, "OPTR", WHOLE, 0xFFEF_F8AA),
        Register(0x24, "PCROP1SR", WHOLE, 0xFFFF_FFFF),
        Register(0x28, "PCROP1ER", WHOLE, 0xFFFF_0000),
        Register(0x44, "PCROP2SR", WHOLE, 0xFFFF_FFFF),
        Register(0x48, "PCROP2ER", WHOLE, 0xFFFF_0000),
        *_protection(0x2C, 0x30, 0x4C, 0x50),
    ),
    pnb_bits=8,
    bk_ecc=1 << 19,
    fast=FSTPG,
)

L4_PLUS = Layout(registers=L4.registers, pnb_bits=8, bk_ecc=1 << 21, fast=FSTPG)  # CMSIS-L4R5

G4 = Layout(  # CMSIS-G474, RM0440 3.7
    registers=(
        *L4.registers,
        Register(0x70, "SEC1R", WHOLE, 0xFF00_FF00),
        Register(0x74, "SEC2R", WHOLE, 0xFF00_FF00),
    ),
    pnb_bits=7,
    bk_ecc=1 << 21,
    fast=FSTPG,
)

G0 = Layout(  # CMSIS-G0B1: PNB is wider than the pages are many
    registers=(*L4.registers, Register(0x1C, "ECC2R", ECCIE)),
    pnb_bits=10,
    bk_ecc=0,
    fast=FSTPG,
    bor_bits=1,
    ecc2r=True,
    busy2=1 << 17,
)

WB = Layout(  # CMSIS-WB55: one bank
    registers=tuple(r for r in L4.registers if "2" not in r.name),
    pnb_bits=8,
    bk_ecc=0,
    fast=FSTPG,
)


def _non_secure(*more: Register, optr: int) -> tuple[Register, ...]:
    """L5 and U5."""
    return (
        Register(0x00, "ACR", WHOLE, 0x0000_0001),
        Register(0x08, "NSKEYR"),
        Register(0x0C, "SECKEYR"),
        Register(0x10, "OPTKEYR"),
        Register(0x20, "NSSR"),
        Register(0x24, "SECSR"),
        Register(0x28, "NSCR", WHOLE),
        Register(0x2C, "SECCR"),
        Register(0x30, "ECCR", ECCIE),
        Register(0x40, "OPTR", WHOLE, optr),
        *_protection(0x58, 0x5C, 0x68, 0x6C),
        *more,
    )


L5 = Layout(registers=_non_secure(optr=0x7FEF_F8AA), pnb_bits=7, bk_ecc=1 << 21)  # CMSIS-L552

U5 = Layout(  # CMSIS-U575, RM0456 7.9; OPSR is the operation that a reset broke off
    registers=_non_secure(Register(0x34, "OPSR"), optr=0x1FEF_F8AA),
    pnb_bits=8,
    bk_ecc=1 << 21,
    fast=BWR,
)

LAYOUTS = {
    "STM32L4R": L4_PLUS,
    "STM32L4S": L4_PLUS,
    "STM32L4": L4,
    "STM32G4": G4,
    "STM32G0": G0,
    "STM32WB": WB,
    "STM32L5": L5,
    "STM32U5": U5,
}
"""By how a part's name begins; the first that fits."""


def layout_of(name: str) -> Layout:
    """The layout of the part called *name*; L476's where the name says nothing."""
    return next((value for start, value in LAYOUTS.items() if name.startswith(start)), L4)
