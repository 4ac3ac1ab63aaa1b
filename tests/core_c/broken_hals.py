"""HALs with one mistake each, as a first HAL has it, of the STM32L476 and of the F103."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Broken:
    """*changes*: file, what stands there, what stands there instead. *found_by*: a test."""

    name: str
    found_by: str
    changes: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        return self.name


FLASH = "hal/stm32_ecc/flash.c"
BOARD = "hal/stm32/board.c"
RING = "hal/stm32/serial_ring.c"
REMAP = "hal/stm32l476/remap.c"
CORTEX = "hal/cortex_m/cortex_m.c"
RING_H = "hal/stm32/serial_ring.h"


def one(name: str, found_by: str, file: str, old: str, new: str) -> Broken:
    return Broken(name, found_by, ((file, old, new),))


BROKEN = (
    one(
        "erase-skips-what-reads-blank",
        "test_erase_does_not_skip_what_reads_blank",
        FLASH,
        "    unlock();\n    fwu_board_feed_watchdog();\n    done = erase_page(page);",
        "    if (REGISTER(address) == 0xFFFFFFFFu && REGISTER(address + 4u) == 0xFFFFFFFFu) {\n"
        "        return true;\n    }\n"
        "    unlock();\n    fwu_board_feed_watchdog();\n    done = erase_page(page);",
    ),
    Broken(
        "erase-does-not-wait",
        "test_erase_erases_this_sector_and_no_other",
        (
            (
                FLASH,
                "FLASH_CR_PER | FLASH_CR_STRT;\n    done = finish();\n    FLASH_CR = 0u;\n",
                "FLASH_CR_PER | FLASH_CR_STRT;\n    done = true;\n",
            ),
            (
                FLASH,
                "    done = erase_page(page);\n    FLASH_CR = FLASH_CR_LOCK;\n",
                "    done = erase_page(page);\n",
            ),
        ),
    ),
    one(
        "program-ignores-errors",
        "test_program_says_where_a_unit_is_not_blank",
        FLASH,
        "words[index];\n    }\n    done = finish();",
        "words[index];\n    }\n    done = finish() || true;",
    ),
    one(
        "erase-ignores-errors",
        "test_a_sector_that_is_protected_is_no_success",
        FLASH,
        "FLASH_CR_STRT;\n    done = finish();",
        "FLASH_CR_STRT;\n    done = finish() || true;",
    ),
    one(
        "flags-of-an-error-stay",
        "test_program_says_where_a_unit_is_not_blank",
        FLASH,
        "    FLASH_SR = FLASH_SR_ERRORS; /*",
        "    /*",
    ),
    one(
        "read-hides-ecc-errors",
        "test_read_says_each_time_where_a_unit_cannot_be_read",
        FLASH,
        "    return !failed;",
        "    return true;",
    ),
    one(
        "read-takes-whole-words",
        "test_read_is_exact_at_any_address_to_any_place",
        FLASH,
        "    memcpy(data, (const void *)(uintptr_t)address, size);\n    barrier();",
        "    memcpy(data, (const void *)(uintptr_t)address, (size + 3u) & ~3u);\n    barrier();",
    ),
    one(
        "program-does-half-a-unit",
        "test_program_writes_these_units_and_no_other",
        FLASH,
        "        memcpy(words, data + at, sizeof words);",
        "        memset(words, 0xFF, sizeof words);\n        memcpy(words, data + at, 4u);",
    ),
    one(
        "program-leaves-out-the-last-unit",
        "test_program_writes_these_units_and_no_other",
        FLASH,
        "at < size && done;",
        "(at == 0u || at + FWU_PROGRAM_UNIT < size) && done;",
    ),
    one(
        "sectors-of-bank-2-are-those-of-bank-1",
        "test_erase_erases_this_sector_and_no_other",
        FLASH,
        "        page |= FLASH_CR_BKER;",
        "        page |= 0u;",
    ),
    one(
        "sectors-do-not-follow-the-remap",
        "test_remap_exchanges_the_banks_at_once",
        FLASH,
        "    return fwu_hal_mapped_bank() != 0u;",
        "    return false;",
    ),
    one(
        "mapped-bank-lies",
        "test_remap_exchanges_the_banks_at_once",
        REMAP,
        "FB_MODE) != 0u ? 1u : 0u;",
        "FB_MODE) != 0u ? 0u : 0u;",
    ),
    one(
        "map-bank-does-nothing",
        "test_remap_exchanges_the_banks_at_once",
        REMAP,
        "    remap(bank != 0u ? SYSCFG_MEMRMP_FB_MODE : 0u);\n"
        "    return bank == fwu_hal_mapped_bank();",
        "    remap(SYSCFG_MEMRMP & (bank | 0xFFu));\n    return true;",
    ),
    one(
        "any-bank-is-mapped",
        "test_no_bank_is_mapped_that_holds_no_bootloader",
        REMAP,
        "!cortex_m_other_bank_begins_alike()",
        "cortex_m_other_bank_begins_alike() && bank > 1u",
    ),
    one(
        "the-cause-is-always-power",
        "test_causes_of_resets",
        BOARD,
        "        return FWU_CAUSE_WATCHDOG;",
        "        return FWU_CAUSE_POWER;",
    ),
    one(
        "reset-flags-stay",
        "test_causes_of_resets",
        BOARD,
        "    RCC_CSR |= RCC_CSR_RMVF;\n",
        "",
    ),
    one(
        "nobody-feeds-the-watchdog",
        "test_get_feeds_the_watchdog",
        RING,
        "        fwu_board_feed_watchdog();\n",
        "",
    ),
    one(
        "no-watchdog",
        "test_causes_of_resets",
        BOARD,
        "    IWDG_KR = IWDG_KR_START;\n",
        "",
    ),
    one(
        "get-loses-bytes",
        "test_bytes_are_kept_that_come_while_nobody_asks",
        RING_H,
        "#define SERIAL_RING_SIZE 1024u",
        "#define SERIAL_RING_SIZE 16u",
    ),
    one(
        "get-drops-what-has-come-before",
        "test_bytes_are_kept_that_come_while_nobody_asks",
        RING,
        "    uint32_t start = fwu_hal_now_ms();\n\n    for",
        "    uint32_t start = fwu_hal_now_ms();\n\n"
        "    if (serial_ring.put - serial_ring.taken > 8u) {\n"
        "        serial_ring.taken = serial_ring.put;\n    }\n    for",
    ),
    one(
        "get-is-not-patient",
        "test_get_waits_as_long_as_it_is_told",
        RING,
        "- start > timeout_ms)",
        "- start > timeout_ms / 2u)",
    ),
    one(
        "time-stands-still",
        "test_get_waits_as_long_as_it_is_told",
        CORTEX,
        "    now_ms += TICK_MS;",
        "    now_ms += 1u;",
    ),
    one(
        "put-leaves-out-what-is-much",
        "test_put_sends_all",
        BOARD,
        "at < size; at++",
        "at < size && at < 200u; at++",
    ),
    one(
        "no-watchdog-before-a-trial",
        "test_an_image_that_fails_its_trial_is_taken_back",
        "bootloader.c",
        "            fwu_board_start_watchdog();",
        "            (void)0;",
    ),
    one(
        "it-starts-what-it-should-not",
        "test_nothing_runs_where_nothing_is_installed",
        "bootloader.c",
        "    fwu_board_blink();",
        "    fwu_hal_run(0u, 0x08008000u);",
    ),
)
ORDINARY = (
    "erase-does-not-wait",
    "read-hides-ecc-errors",
    "sectors-of-bank-2-are-those-of-bank-1",
)
"""Of every test run; the others are found by ``make thorough``."""
