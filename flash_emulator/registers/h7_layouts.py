"""Where H74x and H7A3 have their registers and bits; ``h7.py`` says what they do.

Sources: CMSIS-H743 and CMSIS-H7A3, RM0399 4.9, OpenOCD's stm32h7x.c. Reset values of OPTSR are
those that chips are delivered with, from memory of the manuals.
"""

from __future__ import annotations

from dataclasses import dataclass

from flash_emulator.registers.base import WHOLE, Register

SECOND_SET = 0x100  # bank 2; what is not of a bank is seen in both sets

SHARED = (
    Register(0x00, "ACR", WHOLE, 0x0000_0037),
    Register(0x08, "OPTKEYR"),
    Register(0x18, "OPTCR", WHOLE),
    Register(0x1C, "OPTSR_CUR"),
    Register(0x20, "OPTSR_PRG", WHOLE),
    Register(0x24, "OPTCCR"),
)
OF_A_BANK = (
    Register(0x04, "KEYR"),
    Register(0x0C, "CR", WHOLE),
    Register(0x10, "SR"),
    Register(0x14, "CCR"),
    Register(0x28, "PRAR_CUR", 0, 0x0000_00FF),
    Register(0x2C, "PRAR_PRG", WHOLE, 0x0000_00FF),
    Register(0x30, "SCAR_CUR", 0, 0x0000_00FF),
    Register(0x34, "SCAR_PRG", WHOLE, 0x0000_00FF),
    Register(0x38, "WPSN_CUR"),
    Register(0x3C, "WPSN_PRG", WHOLE),
    Register(0x50, "CRCCR", WHOLE),
    Register(0x54, "CRCSADD", WHOLE),
    Register(0x58, "CRCEADD", WHOLE),
    Register(0x5C, "CRCDATA"),
    Register(0x60, "ECC_FA"),
)
BOOT = (Register(0x40, "BOOT_CUR", 0, 0x1FF0_0800), Register(0x44, "BOOT_PRG", WHOLE, 0x1FF0_0800))

REGISTERS = (
    *SHARED,
    *BOOT,
    *(Register(r.offset + SECOND_SET, r.name, r.holds, r.reset) for r in (*SHARED, *BOOT)),
    *(Register(r.offset, f"{r.name}1", r.holds, r.reset) for r in OF_A_BANK),
    *(Register(r.offset + SECOND_SET, f"{r.name}2", r.holds, r.reset) for r in OF_A_BANK),
)

# --- FLASH_SR; FLASH_CCR clears the same bits

BSY = 1 << 0
WBNE = 1 << 1  # the write buffer waits for more
QW = 1 << 2  # an operation waits in the queue
EOP = 1 << 16
WRPERR = 1 << 17
PGSERR = 1 << 18
STRBERR = 1 << 19
INCERR = 1 << 21
OPERR = 1 << 22
RDPERR = 1 << 23
RDSERR = 1 << 24
SNECCERR = 1 << 25
DBECCERR = 1 << 26
CLEARS = 0x07EF_0000

# --- FLASH_CR: the first four bits are the same

LOCK = 1 << 0
PG = 1 << 1
SER = 1 << 2
BER = 1 << 3

# --- FLASH_OPTCR, FLASH_OPTSR

OPTLOCK = 1 << 0
OPTSTART = 1 << 1
MER = 1 << 4
SWAP_BANK = 1 << 31
OPTCHANGEERR = 1 << 30  # OPTCCR bit 30 clears it


@dataclass(frozen=True, slots=True)
class Layout:
    """What differs between the two. Bits as masks."""

    fw: int
    start: int
    snb_shift: int
    snb_bits: int
    optsr: int  # as delivered, options of the part apart


H743 = Layout(fw=1 << 6, start=1 << 7, snb_shift=8, snb_bits=3, optsr=0x0FC6_AAF0)
H7A3 = Layout(fw=1 << 4, start=1 << 5, snb_shift=6, snb_bits=7, optsr=0x0FC6_AAF0)  # no PSIZE

LAYOUTS = {"h7": H743, "h7ab": H7A3}
