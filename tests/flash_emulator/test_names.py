"""The package's own names, which are imported when they are asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import flash_emulator


def test_every_name_can_be_had_and_no_other():
    homes = flash_emulator._HOMES
    assert sorted(flash_emulator.__all__) == sorted(n for names in homes.values() for n in names)
    for name in flash_emulator.__all__:
        assert getattr(flash_emulator, name).__module__.startswith("flash_emulator.")
    with pytest.raises(AttributeError, match="flesh"):
        flash_emulator.flesh  # noqa: B018  # asking is the test


def test_the_vocabulary_of_the_rom_does_not_bring_the_emulator():
    code = "import sys, flash_emulator.an3155; print('flash_emulator.device.flash' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
