"""The updater on a chip behind its boot ROM: what it leaves, the chip's own bootloader finds."""

from __future__ import annotations

import pytest

from flash_emulator import CutAt, Outcome
from flash_emulator.bootrom import Chip as EmulatedChip
from mcu_updater.board import Board, Trial
from mcu_updater.board.rom_target import Target
from mcu_updater.cloud.single_device import Package, Plan
from mcu_updater.core.errors import (
    ChipRefused,
    LinkError,
    Remedy,
    Reverted,
    RolledBack,
    UntrustedImage,
    UpdaterError,
)
from mcu_updater.core.session import Policy
from mcu_updater.core.trust import Trust, load_key
from mcu_updater.flash_map.layouts import factory_image
from tests.cli.command_line import NEW, OLD, run
from tests.core.trust import signing
from tests.flash_emulator.bootrom.served_chip import serving
from tests.stm32.emulated_chip import World, world

L476 = "STM32L476xG"
CAN = (
    *(L476, "STM32G474xE_dual", "STM32F429xI", "STM32F767xI_dual", "STM32F407xG"),
    *("STM32F429xG", "STM32F429xG_DB1M", "STM32F767xG_dual", "STM32L476xE_dual"),
)
PLAN = Plan("STM32", "2.0.0", Package(NEW["hex"].read_bytes()), "")


def board_and_world(part: str) -> tuple[Board, World]:
    made = world(part)
    board = Board.new(made.chip.device.part, "1.0.0", OLD.read_bytes() if part == L476 else None)
    made.chip = EmulatedChip(board.device)
    made.line.chip = made.chip
    return board, made


def upgrade(made: World, plan: Plan = PLAN, trial: Trial = Trial.PASS) -> Target:
    target = Target(made.connect())
    list(target.upgrade(plan, Policy(), passes=trial is Trial.PASS))
    return target


def runs(board: Board) -> tuple[str, int | None]:
    board.device.power_on()
    decision = board.would_boot()
    return decision.version, decision.bank


def test_an_update_through_the_rom_is_one_for_the_bootloader():
    board, made = board_and_world(L476)
    upgrade(made)
    assert runs(board) == ("2.0.0", 1)


@pytest.mark.parametrize("part", CAN)
def test_parts_with_a_run_time_alias_and_those_that_copy(part):
    board, made = board_and_world(part)
    image = factory_image(board.banks()[0].slot.link_address, "2.0.0")
    upgrade(made, Plan("STM32", "2.0.0", Package(image), ""))
    assert runs(board) == ("2.0.0", 1)


def test_a_failed_trial_reverts():
    board, made = board_and_world(L476)
    target = upgrade(made, trial=Trial.FAIL)
    assert isinstance(target.result.error, Reverted)
    assert runs(board) == ("1.0.0", 0)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_power_cut_of_the_chip_is_carried_on_from(outcome):
    for operation in (1, 30, 400):
        board, made = board_and_world(L476)
        made.chip.options = type(made.chip.options)(bad_read="nack")
        board.device.supply = CutAt(operation, outcome)
        with pytest.raises(LinkError):
            upgrade(made)
        assert board.device.supply.fired
        board.device.supply = type(world().chip.device.supply)()
        made.chip.power_on()
        assert runs(board)[0] in ("1.0.0", "2.0.0")
        made.chip.power_on()
        upgrade(made)
        assert runs(board) == ("2.0.0", 1)


@pytest.mark.parametrize("part", ["STM32H743xI", "STM32G0B1xE", "STM32F103xG"])
def test_where_the_rom_cannot_do_what_it_takes_it_is_refused(part):
    made = world(part)
    before = made.chip.device.digest()
    with pytest.raises(ChipRefused) as caught:
        upgrade(made)
    assert caught.value.remedies == (Remedy.FLASH,)
    assert ("no memory" in caught.value.message) is (part == "STM32H743xI")
    assert made.chip.device.digest() == before


def test_a_blank_chip_has_nothing_to_update():
    with pytest.raises(UpdaterError, match="nothing can be booted"):
        upgrade(world())


def signed_upgrade(made: World, version: str, image: bytes, *, keys: bool = True) -> Target:
    trust = Trust((load_key(signing.public_pem("ed25519")),)) if keys else None
    target = Target(made.connect(), trust=trust)
    list(target.upgrade(Plan("STM32", version, Package(image), ""), Policy()))
    return target


def test_keys_count_on_a_chip_too_and_its_journal_keeps_the_floor():
    board, made = board_and_world(L476)
    refused = signed_upgrade(made, "2.0.0", NEW["bin"].read_bytes())
    assert isinstance(refused.result.error, UntrustedImage)
    assert runs(board) == ("1.0.0", 0)
    signed_upgrade(made, "2.0.0", signing.signed("2.0.0", counter=2))
    assert runs(board) == ("2.0.0", 1)
    older = signed_upgrade(made, "2.5.0", signing.signed("2.5.0", counter=1))
    assert isinstance(older.result.error, RolledBack)
    without = signed_upgrade(made, "2.5.0", signing.signed("2.5.0", counter=3), keys=False)
    assert without.result.error is not None
    assert without.result.error.remedies == (Remedy.KEY,)
    assert runs(board) == ("2.0.0", 1)


def test_on_the_command_line(tmp_path):
    board = tmp_path / "one.board"
    assert run("board", "new", board, "--version", "1.0.0", "--image", OLD).exit_code == 0
    link = tmp_path / "tty"
    with serving("STM32L476xG", "--link", link, "--file", board) as served:
        done = run("update", NEW["bin"], "--target", link)
        assert done.exit_code == 0, done.output
        assert "updated" in done.output
        assert served.end() == 0
    shown = run("board", "status", board, "--json").stdout
    assert '"2.0.0"' in shown


def test_a_blank_chip_is_sent_to_the_command_that_helps(tmp_path):
    link = tmp_path / "tty"
    with serving("STM32L476xG", "--link", link):
        done = run("update", NEW["bin"], "--target", link)
    assert done.exit_code == 7
    assert "nothing can be booted" in done.stderr
    assert "needs a first image with its journal: mcu-updater install IMAGE" in done.stderr
