"""A bootloader in C and the same logic in Python: boots a second, and cuts a second of a search.

    python benchmarks/native.py

Each is measured several times in turn, in one process; the median counts. The bootloader copies a
staged image over another one, unit by unit or in one call, behind a CRC-32 that both compute by a
table of 256 words.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from flash_emulator import EmulatedFlash, UnreadableUnit, load_part
from flash_emulator.explore import FunctionSubject, Nothing, Subject, explore
from flash_emulator.native import NativeSubject

RUN, STAGED, SIZE = 0x0800_8000, 0x0808_0000, 4096
MARK = 0x0800_4800

C = """
#include "mcu_flash.h"
#include <string.h>
#define RUN 0x08008000u
#define STAGED 0x08080000u
#define MARK 0x08004800u

static uint32_t table[256];

static uint32_t crc32(const uint8_t *data, uint32_t size)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1u ? 0xEDB88320u : 0u);
    }
    for (uint32_t i = 0; i < size; i++)
        crc = table[(crc ^ data[i]) & 0xFF] ^ crc >> 8;
    return ~crc;
}

int boot(void)
{
    static uint8_t staged[SIZE];
    uint32_t mark[2] = {0x454E4F44u, SIZE}, crc;

    if (flash_read(STAGED, staged, SIZE))
        return 1;
    memcpy(&crc, staged + SIZE - 4, 4);
    if (crc32(staged, SIZE - 4) != crc)
        return 2;
    if (flash_match(MARK, mark, 8) == 8)
        return 0;
    flash_erase(MARK);
    for (uint32_t at = 0; at < SIZE; at += 2048)
        flash_erase(RUN + at);
    for (uint32_t at = 0; at < SIZE; at += STEP)
        flash_program(RUN + at, staged + at, STEP);
    flash_program(MARK, mark, 8);
    return 0;
}
"""


def in_python(step: int) -> Callable[[EmulatedFlash], str]:
    mark = b"DONE" + SIZE.to_bytes(4, "little")

    def boot(flash: EmulatedFlash) -> str:
        try:
            staged = bytes(flash.read(STAGED, SIZE))
        except UnreadableUnit:
            return "boot() returned 1"
        if crc32(staged[:-4]) != int.from_bytes(staged[-4:], "little"):
            return "boot() returned 2"
        if flash.match(MARK, mark) != 8:
            flash.erase(MARK)
            for at in range(0, SIZE, 2048):
                flash.erase(RUN + at)
            for at in range(0, SIZE, step):
                flash.program(RUN + at, staged[at : at + step])
            flash.program(MARK, mark)
        return "boot() returned 0"

    return boot


def crc32(data: bytes) -> int:
    table, crc = [], 0xFFFF_FFFF
    for index in range(256):
        entry = index
        for _ in range(8):
            entry = entry >> 1 ^ (0xEDB8_8320 if entry & 1 else 0)
        table.append(entry)
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFF_FFFF


def staged_flash() -> EmulatedFlash:
    flash = EmulatedFlash(load_part("STM32L476xG"))
    body = bytes(index * 7 & 0xFF for index in range(SIZE - 4))
    flash.preload(STAGED, body + crc32(body).to_bytes(4, "little"))
    return flash


def boots_per_s(subject: Subject, flash: EmulatedFlash, count: int) -> float:
    begun = time.process_time()
    for _ in range(count):
        for _ in subject.boot(flash.fork(), Nothing()).run():
            pass
    return count / (time.process_time() - begun)


def searched(subject: Subject, flash: EmulatedFlash) -> tuple[float, float]:
    """Seconds, and cuts a second."""
    begun = time.process_time()
    report = explore(flash, subject)
    spent = time.process_time() - begun
    assert report.passed
    return spent, report.cuts / spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = range(parser.parse_args().rounds)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "boot.c"
        source.write_text(C)
        print("logic  step   boots/s at rest   boots/s that copy   search s    cuts/s")
        for step in (SIZE, 8):
            defines = {"SIZE": SIZE, "STEP": step}
            native = NativeSubject([source], defines=defines, cache=Path(folder) / "cache")
            for name, subject, count in (
                ("C", native, 400),
                ("Python", FunctionSubject(in_python(step)), 20),
            ):
                fresh, done = staged_flash(), staged_flash()
                native.boot_once(done)
                rest = statistics.median(boots_per_s(subject, done, count) for _ in rounds)
                copy = statistics.median(boots_per_s(subject, fresh, 20) for _ in rounds)
                seconds, cuts = zip(*(searched(subject, fresh) for _ in rounds), strict=True)
                print(
                    f"{name:6} {step:5}  {rest:15,.0f}   {copy:17,.0f}   "
                    f"{statistics.median(seconds):8.2f}   {statistics.median(cuts):7,.0f}"
                )


if __name__ == "__main__":
    main()
