"""``board``: made, looked at, booted, explained; and looking changes nothing."""

import itertools
from pathlib import Path

import pytest

from flash_emulator import CutAt, EmulatedFlash, Outcome, PowerLoss
from mcu_updater.board import Board, load_board, save_board
from mcu_updater.board_view import view as board_view
from mcu_updater.cloud.single_device import Package, Plan
from mcu_updater.core.boot import ATTEMPTS
from mcu_updater.flash_map.layouts import factory_image
from tests.cli.command_line import LAST_OPERATION, NEW, OLD, in_trial, run, runs, status, update
from tests.thorough import one_in


@pytest.fixture
def board(tmp_path: Path) -> Path:
    file = tmp_path / "my board.zip"
    made = run("board", "new", file, "--version", "1.0.0", "--image", OLD, "--seed", 7)
    assert (made.exit_code, "1.0.0 in bank A" in made.stdout) == (0, True)
    return file


def flat(text: str) -> str:
    return " ".join(text.split())


def why(board: Path) -> str:
    before = board.read_bytes()
    result = run("board", "why", board)
    assert (result.exit_code, board.read_bytes()) == (0, before)
    return flat(result.stdout)


def test_a_new_board(board: Path):
    found = status(board)
    assert (found["schema"], found["part"], found["component"]) == (2, "STM32L476xG", "STM32")
    first, second = found["banks"]
    assert (first["phase"], first["version"], first["intact"]) == ("CONFIRMED", "1.0.0", True)
    assert first["image_sha256"].startswith("aaa29f302d711f23")
    assert first["image_size"] == OLD.stat().st_size
    assert (second["phase"], second["journal_half"], second["intact"]) == ("EMPTY", None, None)
    assert (first["boots_next"], second["boots_next"]) == (True, False)
    assert found["plans"] == []
    assert found["module_ota_state"] == "NOPLAN"


def test_status_for_people(board: Path):
    before = board.read_bytes()
    text = run("board", "status", board).stdout
    assert "bank A, boots next" in text
    assert "0x0800_8000 to 0x0807_7FFF" in text
    assert "aaa29f302d711f23..." in text
    assert "Cloud: no plans" in text
    assert board.read_bytes() == before


@pytest.mark.parametrize("image", [NEW["hex"], NEW["s19"]], ids=lambda path: path.suffix)
def test_a_new_board_with_another_image(image: Path, tmp_path: Path):
    file = tmp_path / "b"
    arguments = ("--version", "5", "--image", image, "--component", "Pump", "--part", "STM32L476xG")
    assert run("board", "new", file, *arguments).exit_code == 0
    assert status(file)["banks"][0]["image_size"] == NEW["bin"].stat().st_size
    assert status(file)["component"] == "Pump"


def test_a_new_board_with_a_bad_image(tmp_path: Path):
    image = tmp_path / "bad.bin"
    image.write_bytes(bytes(100))
    assert run("board", "new", tmp_path / "b", "--version", "1", "--image", image).exit_code == 3
    assert not (tmp_path / "b").exists()


def test_cut_look_boot_look(board: Path):
    """The story of the README."""
    assert "bank B, generation" not in why(board)
    assert "so the slot is EMPTY" in why(board)

    assert update("--board", board, "--cut-at", 600).exit_code == 9
    cut = status(board)
    assert [bank["phase"] for bank in cut["banks"]] == ["CONFIRMED", "LOADING"]
    assert cut["banks"][1]["sectors_done"] == 2
    assert cut["plans"][0]["state"] == "downloaded"
    text = why(board)
    assert "header LOADING, version 2.0.0, generation 2; counts" in text
    assert "sector records: 2" in text
    assert "bank A runs, version 1.0.0, confirmed" in text
    assert "the upgrade to version 2.0.0 is carried on" in text

    booted = run("board", "boot", board)
    assert booted.exit_code == 0
    assert " resume  bank B" in booted.stdout
    assert runs(board) == ("B", "2.0.0", "CONFIRMED")
    assert "bank B runs, version 2.0.0, confirmed" in why(board)
    assert status(board)["plans"][0]["state"] == "success"


def test_why_of_a_trial(board: Path):
    text = why(in_trial(board))
    assert "record switched: the commit point is behind" in text
    assert "1. a bank on trial goes first" in text
    assert "-> decides" in text
    assert "bank B runs, version 2.0.0, on trial" in text
    assert status(board)["banks"][1]["phase"] == "TRIAL"


@pytest.mark.parametrize("outcome", ["before", "torn", "blank", "weak", "after"])
def test_why_agrees_with_the_boot_wherever_power_is_cut(outcome: str, tmp_path: Path):
    places = (*range(1, 80, 9), *range(LAST_OPERATION - 80, LAST_OPERATION + 1, 8))
    for at in one_in(2, places, len(outcome)):
        file = tmp_path / f"{at}.board"
        assert update("--board", file, "--cut-at", at, "--outcome", outcome).exit_code == 9
        name, version, _ = runs(file)
        assert f"bank {name} runs, version {version}, " in why(file)
        booted = run("board", "boot", file).stdout
        assert f" boot    bank {name}, version {version} (" in booted.splitlines()[0]


def test_why_of_a_damaged_image(board: Path):
    assert update("--board", board).exit_code == 0
    damage(board, 0x8_8000 + 100)
    text = why(board)
    assert "the image in flash does NOT have the SHA-256 of its header" in text
    assert "bank B is NOT intact" in text
    assert "bank A runs, version 1.0.0" in text
    damage(board, 0x0_8000 + 100)
    assert "the bootloader stays; nothing is run" in why(board)
    assert all(not bank["boots_next"] for bank in status(board)["banks"])
    assert run("board", "boot", board).exit_code == 7


def damage(file: Path, offset: int) -> None:
    board = load_board(file)
    device, address = board.device, board.part.base + offset
    device.reset()  # addresses are physical: no alias
    device.preload(address, bytes([device.read(address, 1)[0] ^ 1]))
    save_board(board, file)


@pytest.mark.parametrize(
    ("part", "strategy", "line"),
    [
        ("STM32F103x8", "copy", "first the copy of its image goes on behind sectors done: 1"),
        ("STM32U575xI", "swap-option", "first the option that maps it is programmed"),
    ],
)
def test_a_board_of_another_part_and_strategy(
    part: str, strategy: str, line: str, tmp_path: Path
) -> None:
    file, package = tmp_path / "b", tmp_path / "package.bin"
    assert run("board", "new", file, "--version", "1.0.0", "--part", part).exit_code == 0
    assert status(file)["strategy"] == strategy
    assert (status(file)["execution"] is None) == (strategy != "copy")
    slot = load_board(file).banks()[0].slot
    package.write_bytes(factory_image(slot.link_address, "2.0.0") + b"x" * 3000)

    step = 97 if strategy == "copy" else 1
    cut = first_cut_that_leaves(line, load_board(file), package.read_bytes(), step)
    arguments = ("--board", file, "--cut-at", cut, "--outcome", "before")
    assert update(*arguments, image=package).exit_code == 9
    assert line in why(file)
    assert run("board", "boot", file).exit_code == 0
    assert runs(file) == ("B", "2.0.0", "CONFIRMED")
    refused = update("--board", file, "--strategy", "remap", image=package)
    assert (refused.exit_code, "the board has another strategy" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("part", "left"),
    [
        ("STM32U575xI", "change of the option bytes; they fit no more, and the chip is locked."),
        ("STM32H743xI", "change of the option bytes; the old ones are kept."),
    ],
)
def test_a_cut_in_an_option_change_is_told(part: str, left: str, tmp_path: Path) -> None:
    file, package = tmp_path / "b", tmp_path / "package.bin"
    assert run("board", "new", file, "--version", "1.0.0", "--part", part).exit_code == 0
    slot = load_board(file).banks()[0].slot
    package.write_bytes(factory_image(slot.link_address, "2.0.0"))
    line = "first the option that maps it is programmed"
    cut = first_cut_that_leaves(line, load_board(file), package.read_bytes())
    told = update("--board", file, "--outcome", "torn", "--cut-at", cut, image=package)
    assert told.exit_code == 9
    assert left in flat(told.stdout)


def first_cut_that_leaves(line: str, board: Board, package: bytes, step: int = 1) -> int:
    """Number of an operation: cut before it, and `board why` says *line*. The first, by *step*."""
    fresh = board.device.save()
    for at in itertools.count(1, step):
        trial = Board(board.part)
        trial.device = EmulatedFlash.load(fresh, clock=trial.clock)
        trial.offer(Plan("STM32", "2.0.0", Package(package)))
        with pytest.raises(PowerLoss):
            list(trial.run(supply=CutAt(at, Outcome.BEFORE)))
        said = (text for section in board_view.explain(trial, ATTEMPTS) for text in section.lines)
        if any(line in text for text in said):
            return at
    raise AssertionError
