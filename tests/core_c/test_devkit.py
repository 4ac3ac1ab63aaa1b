"""The tests of an emitted folder, run as a user runs them: they pass, and find broken HALs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from mcu_updater.core.strategy import Strategy
from tests.core_c.broken_hals import BROKEN, ORDINARY, Broken
from tests.core_c.built import make, project, write
from tests.places import ROOT

pytestmark = pytest.mark.judge("arm-none-eabi-gcc")

ALONE = "-p no:cacheprovider -p no:hypothesispytest -p no:timeout -p no:xdist"


@cache
def folder(name: str, strategy: Strategy, place: Path) -> Path:
    project(place, name, strategy, "all")
    return place


@pytest.fixture(scope="module")
def l476(tmp_path_factory) -> Path:
    return folder("STM32L476xG", Strategy.REMAP, tmp_path_factory.mktemp("l476"))


def pytest_in(place: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *words],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ALONE},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_hal_that_is_right_passes(l476):
    code, said = pytest_in(l476, "test_hal.py")
    assert code == 0, said
    assert re.search(r"^1[5-9] passed, 2 skipped", said, re.MULTILINE), said


def test_a_device_that_is_right_passes(l476):
    code, said = pytest_in(l476, "test_device.py", "-k", "not no_cut")
    assert code == 0, said
    assert re.search(r"^6 passed", said, re.MULTILINE), said


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "strategy"),
    [
        ("STM32L476xG", Strategy.REMAP),
        ("STM32L476xG", Strategy.COPY),
        ("STM32F103xG", Strategy.COPY),
        ("STM32U575xI", Strategy.SWAP_OPTION),
    ],
)
def test_every_hal_passes_all_of_it(name, strategy, tmp_path):
    code, said = pytest_in(folder(name, strategy, tmp_path))
    assert code == 0, said


def broken() -> list[object]:
    return [
        pytest.param(each, marks=() if each.name in ORDINARY else pytest.mark.thorough)
        for each in BROKEN
    ]


@pytest.mark.parametrize("which", broken(), ids=str)
def test_a_broken_hal_is_found(which: Broken, l476, tmp_path):
    place = tmp_path / "broken"
    shutil.copytree(l476, place, ignore=shutil.ignore_patterns("__pycache__"))
    for file, old, new in which.changes:
        text = (place / file).read_text()
        assert old in text, (file, old)
        (place / file).write_text(text.replace(old, new))
    make(place, "-j2")
    code, said = pytest_in(place, "-k", which.found_by)
    assert code == 1, said
    assert re.search(rf"^FAILED test_\w+\.py::{which.found_by}", said, re.MULTILINE), said


def test_there_is_one_mistake_for_what_users_do_wrong():
    assert len({each.name for each in BROKEN}) == len(BROKEN) >= 20
    assert {each.name for each in BROKEN} >= set(ORDINARY)


def test_without_a_build_it_says_what_comes_first(tmp_path):
    write(tmp_path, "STM32L476xG", Strategy.REMAP)
    code, said = pytest_in(tmp_path)
    assert code == 4
    assert "run make first" in said


def test_the_sizes_are_within_the_limits_of_the_makefile(l476):
    said = make(l476, "size")
    assert re.search(r"bootloader: flash 4,\d{3}, RAM \d+, stack \d,\d{3} bytes", said), said
    done = subprocess.run(
        ["make", "-C", str(l476), "size", "LIMITS=bootloader.flash=4000 application.stack=100"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "of flash; LIMITS allow 4,000" in done.stderr
    assert "of stack; LIMITS allow 100" in done.stderr
