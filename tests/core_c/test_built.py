"""A folder that is copied is as one that was built where it is, and leaves the original alone."""

from __future__ import annotations

import pytest

from mcu_updater.core.strategy import Strategy
from tests.core_c.built import make, project

pytestmark = pytest.mark.judge("arm-none-eabi-gcc")

ELF = "build/bootloader.elf"


def test_a_copy_is_not_compiled_again_but_for_what_is_changed(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    project(one, "STM32L476xG", Strategy.REMAP, ELF)
    assert "CC" not in make(one, ELF)
    built = (one / ELF).read_bytes()
    with (one / "bootloader.c").open("a") as source:
        source.write("int changed(void);\nint changed(void) { return 1; }\n")
    said = make(one, ELF)
    assert [line.split()[-1] for line in said.splitlines() if "CC" in line] == [
        "build/bootloader/bootloader.o"
    ]
    assert (one / ELF).read_bytes() != built
    project(other, "STM32L476xG", Strategy.REMAP, ELF)
    assert (other / ELF).read_bytes() == built
