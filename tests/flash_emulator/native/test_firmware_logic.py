"""The copy bootloaders of the emulated MCU's tests, compiled for this machine: their logic alone.

What of them touches registers is replaced; the rest is theirs, line by line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flash_emulator import EmulatedFlash, MetastableMode, UnreadableUnit
from flash_emulator.explore import Limits, Report, SearchOptions, Violation, explore
from flash_emulator.native import NativeSubject
from flash_emulator.power import Outcome
from tests.places import ROOT

pytestmark = pytest.mark.judge("gcc")

FIRMWARE = ROOT / "tests" / "flash_emulator" / "machine" / "firmware"
REQUEST, SLOT, STAGED = 0x0800_4000, 0x0800_8000, 0x0808_0000
SIZE = 128


def image(size: int, word: bytes = b"\1\2\3\4") -> bytes:
    return (0x2001_8000).to_bytes(4, "little") + word * (size // 4 - 1)


THEIRS = {f"flash_{each}": f"firmware_{each}" for each in ("open", "read", "erase", "program")} | {
    "main": "firmware_main"
}

SHIM = """
#include <stdbool.h>
#undef flash_read
#undef flash_erase
#undef flash_program
#include "mcu_flash.h"
void firmware_main(void);
static int started;

void firmware_open(void) {}
bool firmware_read(uint32_t at, uint32_t unit[2]) { return flash_read(at, unit, 8) == FLASH_OK; }
bool firmware_erase(uint32_t at) { return flash_erase(at) == FLASH_OK; }
bool firmware_program(uint32_t at, const uint32_t unit[2])
{
    return flash_program(at, unit, 8) == FLASH_OK;
}
void image_start(uint32_t slot)
{
    uint32_t head[2];
    started = firmware_read(slot, head) && head[0] == 0x20018000u;
}
int boot(void) { firmware_main(); return started; }
"""


def starts_what_was_staged(flash: EmulatedFlash, started: int) -> None:
    if not started:
        raise Violation("live", "no image is started")
    for mode in MetastableMode:
        twin = flash.fork()
        twin.metastable_mode = mode
        size = int.from_bytes(twin.read(REQUEST + 4, 4), "little")
        try:
            found = twin.read(SLOT, size)
        except UnreadableUnit:
            found = b""
        if found != image(size):
            raise Violation("safe", "what is started does not always read as what was staged")


def searched(
    flash: EmulatedFlash, name: str, tmp_path: Path, size: int = SIZE, **options: Any
) -> Report:
    shim = tmp_path / "shim.c"
    shim.write_text(SHIM)
    sources = [FIRMWARE / f"{name}.c", FIRMWARE / "copy.c", shim]
    subject = NativeSubject(
        sources,
        starts_what_was_staged,
        include=[FIRMWARE],
        defines=THEIRS,
        cache=tmp_path / "cache",
    )
    flash.preload(REQUEST, b"STGD" + size.to_bytes(4, "little"))
    flash.preload(STAGED, image(size))
    flash.preload(SLOT, image(size, b"old!"))
    return explore(flash, subject, options=SearchOptions(Limits(violations=1), **options))


def test_one_that_starts_over_is_right_under_every_outcome(
    flash: EmulatedFlash, tmp_path: Path
) -> None:
    report = searched(flash, "copy_restart", tmp_path, 4096)
    assert report.complete
    assert report.passed
    assert report.cuts > 50_000


def test_one_that_marks_first_is_found(flash: EmulatedFlash, tmp_path: Path) -> None:
    report = searched(flash, "copy_done_first", tmp_path, outcomes=(Outcome.BEFORE, Outcome.AFTER))
    assert report.violation_count
    assert len(report.violations[0].path.cuts) == 1


def test_one_that_resumes_is_right_under_clean_cuts_alone(
    flash: EmulatedFlash, tmp_path: Path
) -> None:
    clean = searched(flash, "copy_resume", tmp_path, outcomes=(Outcome.BEFORE, Outcome.AFTER))
    assert clean.complete
    assert clean.passed
    weak = searched(flash, "copy_resume", tmp_path, outcomes=(Outcome.BEFORE, Outcome.WEAK))
    assert weak.violations[0].question == "safe"
