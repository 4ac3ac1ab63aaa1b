"""The fixture ``firmware``, and searches of its devices, as a firmware engineer sees them."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.places import ROOT

pytest_plugins = ["pytester"]

EXAMPLE = ROOT / "examples" / "c_bootloader"
QUIET = ("-p", "no:cacheprovider", "-p", "no:randomly")
IMAGES = ("application_1", "application_2", "bootloader", "first_try")


@pytest.fixture
def example(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    for file in EXAMPLE.iterdir():
        if file.is_file():
            shutil.copy(file, pytester.path)
    return pytester


def run(pytester: pytest.Pytester, *options: str) -> tuple[pytest.RunResult, str]:
    result = pytester.runpytest_inprocess(*QUIET, *options)
    return result, result.stdout.str()


def tried(pytester: pytest.Pytester, body: str) -> str:
    """What a test says with *body* in it."""
    pytester.makepyfile(test_one=f"def test_it(firmware, powerloss):\n    {body}\n")
    result, out = run(pytester, "test_one.py")
    assert result.ret == 1, out
    return out


def test_the_example_passes_but_for_the_first_try(example):
    result, out = run(example)
    result.assert_outcomes(passed=4, failed=1)
    assert "test_no_cut_at_all_breaks_it: complete; " in out


def test_the_first_try_fails_with_a_replay_whose_film_names_instructions(example):
    _, out = run(example, "-k", "first_try")
    (finding,) = re.findall(r"^power loss: (not live: .*)", out, re.MULTILINE)
    assert re.search(r"boot 1: power lost at flash operation 2 .*, at 0x0800_\w+ \(program\+", out)
    (command,) = re.findall(r"^replay: pytest (.*)", out, re.MULTILINE)
    result, out = run(example, *shlex.split(command))
    assert result.ret == 1
    assert f"power loss: {finding}" in out
    assert re.search(r"2: program 0x0800_4800, 8 bytes, at 0x0800_\w+ \(program\+0x", out), out


def test_a_wrong_board_file_is_told_without_a_traceback(example):
    board = example.path / "board.toml"
    board.write_text(board.read_text().replace("published", "publish"))
    out = tried(example, 'firmware("board.toml")')
    assert "firmware: " in out and "line 10: images[2].publish: is no key here" in out
    assert "Traceback" not in out and "fixtures.py" not in out


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('firmware("bootloader.elf")', "bootloader.elf is no board file: part='...' is needed"),
        ('firmware("board.toml", part="STM32L476xG")', "board.toml is a board file: part and ad"),
        ('firmware("board.toml", clock=3)', "clock"),
        ('firmware("bootloader.c", part="STM32L476xG")', "format: expected ELF, Intel HEX or S-r"),
        ('firmware("none.elf", part="STM32L476xG")', "none.elf"),
        ('firmware("none.toml")', "cannot be read"),
        ('powerloss(firmware("board.toml"), print)', "a device of firmware boots and judges by i"),
        ("powerloss(firmware('board.toml').flash)", "a flash does not boot by itself"),
    ],
)
def test_what_cannot_be(example, body, said):
    assert said in tried(example, body)


def test_an_image_alone(example):
    example.makepyfile(
        test_one="""
        from flash_emulator.machine.rest import Rests

        def test_it(firmware):
            device = firmware("bootloader.elf", part="STM32L476xG", rests=Rests())
            assert device.run().kind == "lock-up"  # nothing is in the slot
            assert device.symbols.find("install")
        """
    )
    result, out = run(example, "test_one.py")
    assert result.ret == 0, out


def test_a_search_begins_where_the_device_is(example):
    """Installed already: no operation is left to be cut."""
    body = 'device = firmware("board.toml"); device.run(); powerloss(device)'
    assert "nothing was cut: the subject did no flash operation" in tried(example, body)


@pytest.mark.judge("arm-none-eabi-gcc")
def test_the_sources_give_the_committed_images(tmp_path: Path) -> None:
    for file in EXAMPLE.iterdir():
        if file.suffix in (".c", ".ld") or file.name == "Makefile":
            shutil.copy(file, tmp_path)
    subprocess.run(["make", "-C", tmp_path], check=True, capture_output=True)
    version = subprocess.run(
        ["arm-none-eabi-gcc", "--version"], check=True, capture_output=True, text=True
    ).stdout.splitlines()[0]
    if "12.2.1 20221205" not in version:
        pytest.skip(f"the images were made with 12.2.1 20221205, installed is {version}")
    for name in IMAGES:
        made, committed = (folder / f"{name}.elf" for folder in (tmp_path, EXAMPLE))
        assert made.read_bytes() == committed.read_bytes(), name
