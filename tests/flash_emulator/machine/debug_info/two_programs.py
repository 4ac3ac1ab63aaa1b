"""A bootloader and an application that know nothing of each other: both have a ``main.c``, both run
code from the start of RAM, and the application calls the bootloader by a table."""

from __future__ import annotations

import subprocess
from pathlib import Path

HEADER = """\
#include <stdint.h>
#define R(a) (*(volatile uint32_t *)(a))
#define IN_RAM __attribute__((section(".data.ram"), noinline, long_call))
extern uint32_t begin_ram[], end_ram[], from_ram[], stack[];
static inline void copy_ram(void)
{
    for (uint32_t *to = begin_ram, *from = from_ram; to < end_ram;) *to++ = *from++;
}
"""
BOOT = """\
#include "common.h"
static volatile uint32_t told = 7;
IN_RAM void boot_program(uint32_t at, uint16_t value)
{
    R(0x40022010u) = 1;
    *(volatile uint16_t *)at = value;
    while (R(0x4002200Cu) & 1) ;
    R(0x40022010u) = 0;
    told++;
}
__attribute__((noinline)) void service(uint32_t at, uint16_t value)
{
    R(0x40022010u) = 1;
    *(volatile uint16_t *)at = value;
    while (R(0x4002200Cu) & 1) ;
    R(0x40022010u) = 0;
}
__attribute__((noinline)) static void count(void)
{
    uint32_t at = 0x08006000u;
    while (*(volatile uint16_t *)at != 0xFFFFu && at < 0x08006004u) at += 2;
    R(0x40022004u) = 0x45670123u; R(0x40022004u) = 0xCDEF89ABu;
    if (at < 0x08006004u) boot_program(at, 0xA500u);
    __asm volatile("");
}
static void go(void)
{
    uint32_t sp = R(0x08004000u), pc = R(0x08004004u);
    __asm volatile("msr msp, %0\\n bx %1" :: "r"(sp), "r"(pc));
}
void reset(void)
{
    copy_ram();
    count();
    go();
    R(0x20000F00u) = 1;
    R(0x20000F00u) = 2;
}
__attribute__((section(".vectors"), used)) static void *const vectors[] = {
    stack, reset, reset, reset, service };
"""
APP = """\
#include "common.h"
static volatile uint32_t stored = 0;
IN_RAM void app_first(void)
{
    stored++; stored++;
}
IN_RAM void app_erase(uint32_t at)
{
    R(0x40022010u) = 2;
    R(0x40022014u) = at;
    R(0x40022010u) = 2 | 0x40;
    while (R(0x4002200Cu) & 1) ;
    R(0x40022010u) = 0;
    stored++;
}
__attribute__((noinline)) static void store(uint16_t value)
{
    app_erase(0x08007000u);
    ((void (*)(uint32_t, uint16_t))R(0x08000010u))(0x08007000u, value);
    stored++;
}










void reset(void)
{
    copy_ram();
    if (R(0x08007000u) != 0xFFFF5E77u) for (;;) ;
    app_first();
    store(0x5E77u);
    __asm volatile("bkpt 0");
    for (;;) ;
}
__attribute__((section(".vectors"), used)) static void *const vectors[] = {
    stack, reset, reset, reset };
"""
LINKER = """\
ENTRY(reset)
MEMORY { FLASH (rx) : ORIGIN = BEGIN, LENGTH = 8K  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 16K }
stack = ORIGIN(RAM) + LENGTH(RAM);
SECTIONS
{
    .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) . = ALIGN(8); } > FLASH
    .data : { begin_ram = .; *(.data*) *(.bss*) . = ALIGN(8); end_ram = .; } > RAM AT > FLASH
    from_ram = LOADADDR(.data);
    /DISCARD/ : { *(.ARM.*) *(.comment) *(.note*) }
}
"""
BOARD = """\
part = "STM32F103x8"
[[images]]
name = "boot"
file = "boot/zephyr.elf"
[[images]]
name = "app"
file = "app/zephyr.elf"
published = true
[[images]]
name = "settings"
address = 0x0800_7000
words = [0xFFFF_5E77]
[[slots]]
name = "application"
address = 0x0800_4000
size = 0x2000
rest = false
[questions]
rests_in = ["breakpoint"]
"""


def made(folder: Path) -> Path:
    """The board file, with programs compiled beside it."""
    (folder / "memory.ld").write_text(LINKER)
    (folder / "common.h").write_text(HEADER)
    for name, source, begin in (("boot", BOOT, 0x0800_0000), ("app", APP, 0x0800_4000)):
        (folder / name / "src").mkdir(parents=True)
        (folder / name / "src/main.c").write_text(source)
        command = [
            *("arm-none-eabi-gcc", "-mcpu=cortex-m3", "-mthumb", "-O1", "-g", "-ffreestanding"),
            *("-nostdlib", "-static", "-I..", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments"),
            *("-T", "../memory.ld", f"-Wl,--defsym=BEGIN={begin:#x}"),
            *("src/main.c", "-o", "zephyr.elf"),
        ]
        subprocess.run(command, cwd=folder / name, check=True, capture_output=True)
    (folder / "two.toml").write_text(BOARD)
    return folder / "two.toml"
