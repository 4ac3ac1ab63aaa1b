"""What an option cannot do in the way a command is run is refused, never ignored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mcu_updater.cli.device.update import update
from tests.cli.command_line import run
from tests.places import FIXTURES

IMAGE = str(FIXTURES / "fixture-2.0.0.hex")

MODES = {
    "emulated": (IMAGE,),
    "module": (IMAGE, "--module", "/none"),
    "target": (IMAGE, "--target", "/none"),
}
NO_SUCH_PORT = 4
VALUES = {
    "--format": "hex",
    "--allow": "bom",
    "--board": "/none/x.board",
    "--from": "1.0.0",
    "--to": "2.0.0",
    "--component": "STM32",
    "--part": "STM32L476xG",
    "--strategy": "remap",
    "--base": "0x08008000",
    "--line-log": "-",
    "--md5": "0" * 32,
    "--sha256": "0" * 64,
    "--trial": "pass",
    "--outcome": "torn",
    "--line-end": "cr",
    "--battery": "50",
    "--signal": "-90",
    "--register": "2",
    "--usb-packet": "62",
    "--target-reset": "dtr,rts",
    "--only": "flash",
    "--attempts": "2",
    "--require-class": "00000000-0000-0000-0000-000000000001",
}
FLAGS_OF_THE_SCREEN = {"--json", "--quiet", "--verbose"}

OF_A_MODULE = {
    *("--any", "--baud", "--echo", "--line-end", "--timeout", "--register"),
    *("--read-ahead", "--usb-packet", "--flash-time"),
}
ALONE = {"--require-class"}  # it needs --require-signature
REFUSED = {
    "emulated": {
        *ALONE,
        *OF_A_MODULE,
        "--line-log",
        "--target-baud",
        "--target-reset",
        "--outcome",
        "--cut-module",
    },
    "module": {
        *ALONE,
        *("--any", "--to", "--piece-size", "--md5", "--sha256"),
        *("--target", "--target-baud", "--target-reset", "--outcome", "--cut-module"),
    },
    "target": {
        *ALONE,
        *OF_A_MODULE,
        *("--battery", "--signal"),
        *("--module", "--board", "--piece-size", "--cut-at", "--outcome", "--cut-module"),
    },
}


def options() -> Iterator[click.Option]:
    for parameter in update.params:
        if isinstance(parameter, click.Option) and parameter.opts[0] not in FLAGS_OF_THE_SCREEN:
            yield parameter


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("option", [option.opts[0] for option in options()])
def test_every_option_of_update_is_taken_or_refused(mode: str, option: str) -> None:
    parameter = next(each for each in options() if each.opts[0] == option)
    given = (option,) if parameter.is_flag else (option, VALUES.get(option, "3000"))
    words = [*MODES[mode], *given]
    if option in ("--module", "--target") and option not in REFUSED[mode]:
        return  # it makes the mode
    result = run("update", *words)
    if option in REFUSED[mode]:
        assert result.exit_code == 2, result.output
        assert "Usage:" not in result.stderr, "click refused it, not the command"
    elif mode != "emulated":
        assert result.exit_code == NO_SUCH_PORT, result.output
    else:
        assert "has no effect" not in result.stderr, result.output


@pytest.mark.parametrize("trial", ["crash", "never"])
def test_a_host_cannot_let_an_image_crash(trial: str) -> None:
    result = run("update", *MODES["target"], "--trial", trial)
    assert result.exit_code == 2
    assert f"--trial {trial} has no effect with --target" in result.stderr


def test_a_cut_of_a_chip_is_refused_before_the_port_is_opened() -> None:
    result = run("update", *MODES["target"], "--cut-at", 50, "--outcome", "weak", "--board", "x")
    assert result.exit_code == 2
    assert "has no effect with --target" in result.stderr


def test_an_outcome_needs_a_cut(tmp_path: Path) -> None:
    board = tmp_path / "one.board"
    assert run("board", "new", board, "--version", "1.0.0").exit_code == 0
    result = run("board", "boot", board, "--outcome", "weak")
    assert result.exit_code == 2
    assert "--outcome has no effect without --cut-at" in result.stderr
