"""Where H5 has its registers and bits, without TrustZone; ``h5.py`` says what they do.

Sources: CMSIS-H563, and ST's SVD file of STM32H563, which has RM0481 7.11 in its descriptions.
OPTSR as it was read from a NUCLEO-H563ZI (LABWIRED335). Registers of the secure side read as 0.
"""

from __future__ import annotations

from flash_emulator.registers.base import WHOLE, Register

REGISTERS = (
    Register(0x00, "ACR", WHOLE, 0x0000_0013),
    Register(0x04, "NSKEYR"),
    Register(0x0C, "OPTKEYR"),
    Register(0x18, "OPSR"),
    Register(0x1C, "OPTCR", WHOLE),
    Register(0x20, "NSSR"),
    Register(0x28, "NSCR", WHOLE),
    Register(0x30, "NSCCR"),
    Register(0x3C, "PRIVCFGR", 0b11),
    Register(0x48, "HDPEXTR", WHOLE),
    Register(0x50, "OPTSR_CUR"),
    Register(0x54, "OPTSR_PRG", WHOLE),
    Register(0x60, "NSEPOCHR_CUR"),
    Register(0x64, "NSEPOCHR_PRG", WHOLE),
    Register(0x70, "OPTSR2_CUR", 0, 0xC300_007C),
    Register(0x74, "OPTSR2_PRG", WHOLE, 0xC300_007C),
    Register(0x80, "NSBOOTR_CUR", 0, 0x0800_00C3),
    Register(0x84, "NSBOOTR_PRG", WHOLE, 0x0800_00C3),
    Register(0x90, "OTPBLR_CUR"),
    Register(0x94, "OTPBLR_PRG", WHOLE),
    Register(0xE8, "WRP1R_CUR"),
    Register(0xEC, "WRP1R_PRG", WHOLE),
    Register(0xF0, "EDATA1R_CUR"),
    Register(0xF4, "EDATA1R_PRG", WHOLE),
    Register(0xF8, "HDP1R_CUR", 0, 0x0000_0001),
    Register(0xFC, "HDP1R_PRG", WHOLE, 0x0000_0001),
    Register(0x100, "ECCCORR", WHOLE),
    Register(0x104, "ECCDETR"),
    Register(0x108, "ECCDR"),
    Register(0x1E8, "WRP2R_CUR"),
    Register(0x1EC, "WRP2R_PRG", WHOLE),
    Register(0x1F0, "EDATA2R_CUR"),
    Register(0x1F4, "EDATA2R_PRG", WHOLE),
    Register(0x1F8, "HDP2R_CUR", 0, 0x0000_0001),
    Register(0x1FC, "HDP2R_PRG", WHOLE, 0x0000_0001),
)

# --- FLASH_NSSR; FLASH_NSCCR clears the same bits

BSY = 1 << 0
WBNE = 1 << 1  # the write buffer waits for more
EOP = 1 << 16
WRPERR = 1 << 17
PGSERR = 1 << 18
STRBERR = 1 << 19
INCERR = 1 << 20
CLEARS = 0x00FF_0000

# --- FLASH_NSCR

LOCK = 1 << 0
PG = 1 << 1
SER = 1 << 2
BER = 1 << 3
FW = 1 << 4
STRT = 1 << 5
SNB_SHIFT, SNB_MASK = 6, 0x7F  # 12:6
MER = 1 << 15
BKSEL = 1 << 31  # "selects physical bank, SWAP_BANK setting is ignored"

# --- FLASH_OPTCR, FLASH_OPTSR

OPTLOCK = 1 << 0
OPTSTRT = 1 << 1
SWAP_BANK = 1 << 31
OPTSR = 0x2D30_EDF8  # PRODUCT_STATE 0xED: open

SECTORS_OF_A_BIT = 4  # of WRPxR, a 0 protects

# --- FLASH_ECCCORR, FLASH_ECCDETR

ADDR_ECC = 0xFFFF  # quad-word of its bank
BK_ECC = 1 << 22
ECCIE = 1 << 25
ECCC = 1 << 30
ECCD = 1 << 31

# --- FLASH_OPSR: ADDR_OP 19:0

BK_OP_SHIFT, CODE_OP_SHIFT = 22, 29
