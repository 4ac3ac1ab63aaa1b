"""``emit c``: what it writes, what it refuses, and that it builds."""

from __future__ import annotations

from pathlib import Path

import pytest

from flash_emulator import load_part, part_names
from mcu_updater.core.strategy import Strategy
from mcu_updater.core_c.layout import STRATEGIES
from mcu_updater.flash_map.layouts import has_layout
from mcu_updater.flash_map.strategies import default_strategy, strategies_of
from tests.cli.command_line import run
from tests.core_c.built import make
from tests.places import ROOT

PARTS = ROOT / "flash_emulator/parts"


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def emitted(folder: Path, *words: str) -> str:
    result = run("emit", "c", "-o", str(folder), *words)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("name", ["STM32L476xG", "STM32F103x8", "STM32F103xG", "STM32U575xI"])
def test_a_folder_holds_all_that_a_chip_needs(name, tmp_path):
    said = emitted(tmp_path / "out", "--part", name)
    found = files(tmp_path / "out")
    assert f"{len(found)} files for {name}, strategy {strategies_of(load_part(name))[0]}" in said
    assert {"Makefile", "README.md", "bootloader.c", "application.c", "part.mk"} <= found
    assert {"generated/fwu_layout.h", "generated/fwu_config.h", "src/fwu_boot.c"} <= found
    assert "yours" not in said
    assert not any("template" in each or "host" in each for each in found)
    page = (tmp_path / "out/README.md").read_text()
    assert name in page
    assert "$" not in page


def test_a_chip_without_a_hal_gets_one_to_fill_in(tmp_path):
    said = emitted(tmp_path / "out", "--part", "STM32H743xI")
    assert "the chip is yours to write" in said
    assert "hal/template/hal.c" in files(tmp_path / "out")
    assert "yours to write" in (tmp_path / "out/README.md").read_text()


def test_the_component_is_in_the_configuration(tmp_path):
    emitted(tmp_path / "out", "--part", "STM32L476xG", "--component", "PUMP")
    assert '"PUMP"' in (tmp_path / "out/generated/fwu_config.h").read_text()


def test_the_linker_scripts_are_those_of_the_layout(tmp_path):
    emitted(tmp_path / "out", "--part", "STM32L476xG")
    assert "ORIGIN = 0x08000000, LENGTH = 32768" in (tmp_path / "out/bootloader.ld").read_text()
    assert "ORIGIN = 0x08008000, LENGTH = 458752" in (tmp_path / "out/application.ld").read_text()
    emitted(tmp_path / "copy", "--part", "STM32F103x8")
    assert "ORIGIN = 0x08000000, LENGTH = 8192" in (tmp_path / "copy/bootloader.ld").read_text()
    assert "ORIGIN = 0x08002000, LENGTH = 14336" in (tmp_path / "copy/application.ld").read_text()


def test_a_folder_with_files_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "Makefile").write_text("mine")
    result = run("emit", "c", "--part", "STM32L476xG", "-o", str(tmp_path))
    assert result.exit_code == 4
    assert "is not empty" in result.stderr
    assert "--force" in result.stderr
    assert files(tmp_path) == {"notes.txt", "Makefile"}
    assert (tmp_path / "Makefile").read_text() == "mine"
    emitted(tmp_path, "--part", "STM32L476xG", "--force")
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "Makefile").read_text() != "mine"


def test_an_empty_folder_is_filled_and_one_that_is_missing_made(tmp_path):
    (tmp_path / "empty").mkdir()
    emitted(tmp_path / "empty", "--part", "STM32L476xG")
    emitted(tmp_path / "new", "--part", "STM32L476xG")
    assert files(tmp_path / "new") == files(tmp_path / "empty")


def test_no_folder_is_made_in_one_that_is_missing(tmp_path):
    result = run("emit", "c", "--part", "STM32L476xG", "-o", str(tmp_path / "a/b"))
    assert result.exit_code == 4
    assert f"no folder {tmp_path}/a" in result.stderr
    assert not files(tmp_path)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--part", "STM32L999"], 2, "STM32L999"),
        (["--part", "STM32L476xG", "--strategy", "option-toggle"], 2, "option-toggle"),
        (["--part", "STM32F103x8", "--strategy", "remap"], 2, "cannot have the strategy remap"),
        (["--part", "STM32L476xG", "--strategy", "swap-option"], 2, "cannot have the strategy"),
        (["--part", "STM32L476xG", "--component", "x" * 33], 2, "--component"),
        (["--part", "STM32L476xG", "--component", ""], 2, "--component"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(words, code, text, tmp_path):
    result = run("emit", "c", "-o", str(tmp_path / "out"), *words)
    assert result.exit_code == code
    assert text in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_part_file_of_ones_own_gets_the_layout_of_its_like(tmp_path):
    """And no HAL: what is behind the registers of a chip that is not known is not known."""
    text = (PARTS / "STM32L476xG.toml").read_text()
    own = tmp_path / "own.toml"
    own.write_text(text.replace('name = "STM32L476xG"', 'name = "MINE"'))
    said = emitted(tmp_path / "out", "--part", str(own))
    assert "the chip is yours to write" in said
    script = (tmp_path / "out/application.ld").read_text()
    assert "ORIGIN = 0x08008000, LENGTH = 458752" in script
    assert "ORIGIN = 0x20000000, LENGTH = 49152" in script  # the smallest of its family


def test_a_part_that_no_layout_is_known_for_is_refused(tmp_path):
    text = (PARTS / "STM32L476xG.toml").read_text()
    text = text.replace('name = "STM32L476xG"', 'name = "MINE"')
    own = tmp_path / "own.toml"
    own.write_text(text.replace("[[256, 2048]]", "[[128, 4096]]"))
    result = run("emit", "c", "--part", str(own), "-o", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert "no layout is known for MINE" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_way_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/below"):
        result = run("emit", "c", "--part", "STM32L476xG", "-o", str(tmp_path / place))
        assert result.exit_code == 4
        assert "cannot be written" in result.stderr


def every_part() -> list[tuple[str, Strategy]]:
    return [
        (name, strategy)
        for name in part_names()
        for strategy in strategies_of(load_part(name))
        if strategy in STRATEGIES and has_layout(load_part(name), strategy)
    ]


@pytest.mark.parametrize("part", ["STM32L476xG", "STM32F103xG", "STM32U575xI", "STM32H743xI"])
@pytest.mark.judge("arm-none-eabi-gcc")
def test_the_bootloader_builds_and_fits(part, tmp_path):
    check_bootloader(part, default_strategy(load_part(part)), tmp_path)


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "strategy"), every_part())
@pytest.mark.judge("arm-none-eabi-gcc")
def test_the_bootloader_of_every_part_builds_and_fits(name, strategy, tmp_path):
    check_bootloader(name, strategy, tmp_path)


def check_bootloader(name, strategy, tmp_path):
    """Without a warning: they are errors."""
    told = emitted(tmp_path / "out", "--part", name, "--strategy", strategy)
    if "must be held in RAM" in told:  # and there is less of it: nothing can be linked
        return
    make(tmp_path / "out", "build/bootloader.bin", "-j2")
    assert (tmp_path / "out/build/bootloader.bin").stat().st_size > 3000


@pytest.mark.parametrize(
    ("name", "strategy", "text"),
    [
        ("STM32F407xG", "copy", "a sector of 131,072 bytes must be held in RAM"),
        ("STM32F103x8", "copy", "the slot has 14,336: it does not fit, the bootloader does"),
        ("STM32L476xG", "remap", ""),
    ],
)
def test_what_does_not_fit_is_said(name, strategy, text, tmp_path):
    told = emitted(tmp_path / "out", "--part", name, "--strategy", strategy)
    page = (tmp_path / "out/README.md").read_text()
    if text:
        assert text in told
        assert text in page
    else:
        assert "does not fit" not in told
        assert "does not fit" not in page
