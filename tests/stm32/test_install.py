"""The first installation of a chip behind its boot ROM: what ``board new`` leaves, to the byte."""

from __future__ import annotations

import json
from itertools import pairwise, product
from pathlib import Path

import pytest

from flash_emulator import CutAt, EmulatedFlash, Outcome, load_part, part_names
from flash_emulator.power import SteadySupply
from mcu_updater.board import Board
from mcu_updater.board.first_install import FirstInstallation
from mcu_updater.board.rom_target import Target, can_be_updated
from mcu_updater.board.switch import EmulatedChip
from mcu_updater.cli.flasher.chips import chip_of
from mcu_updater.cli.flasher.install import Installation
from mcu_updater.cli.flasher.stm32_link import Bench
from mcu_updater.cli.flasher.stm32_screen import QuietScreen
from mcu_updater.cloud.single_device import Package, Plan
from mcu_updater.core.boot import ResetCause
from mcu_updater.core.errors import ChipRefused, ImageRejected, LinkError, UpdaterError
from mcu_updater.core.mcu import start
from mcu_updater.core.session import Policy
from mcu_updater.core.strategy import Strategy
from mcu_updater.flash_map.layouts import factory_image, layout_of
from mcu_updater.flash_map.strategies import strategies_of
from mcu_updater.stm32.firmware import Firmware, Segment
from tests.cli.command_line import NEW, OLD, run
from tests.flash_emulator.bootrom.served_chip import serving
from tests.stm32.emulated_chip import World, world
from tests.thorough import one_in

L476 = "STM32L476xG"
CASES = [
    (name, strategy)
    for name in part_names()
    for strategy in strategies_of(load_part(name))
    if strategy is not Strategy.OPTION_TOGGLE  # board new puts a stand-in for the bootloader there
]
NONE = Firmware(())


def first_of(part: str, strategy: Strategy | None = None, version: str = "1.0.0") -> Board:
    return Board.new(load_part(part), version, strategy=strategy)


def install(made: World, board: Board, bootloader: Firmware = NONE, *, force: bool = False) -> None:
    flasher = made.connect()
    bench = Bench(flasher, None, QuietScreen(), flasher.connection.rom.rom.traffic_now())  # type: ignore[arg-type]
    Installation(bench, FirstInstallation.of(board), bootloader).carry_out(force=force)


def contents(device: EmulatedFlash) -> bytes:
    return bytes(device.cells.export()[0])


def boots(made: World, board: Board) -> tuple[str, int | None]:
    """What the chip's bootloader would start."""
    twin = made.chip.device.fork()
    twin.power_on()
    decision = start(EmulatedChip(twin, board.strategy, board.layout), ResetCause.POWER)
    return decision.version, decision.bank


@pytest.mark.parametrize(("part", "strategy"), CASES)
def test_a_blank_chip_becomes_what_board_new_makes(part: str, strategy: Strategy) -> None:
    made, board = world(part), first_of(part, strategy)
    install(made, board)
    assert contents(made.chip.device) == contents(board.device)
    assert boots(made, board) == ("1.0.0", 0)


@pytest.mark.parametrize("part", [L476, "STM32G474xE_dual", "STM32F429xI", "STM32F407xG"])
def test_the_updates_that_follow_work(part: str) -> None:
    made, board = world(part), first_of(part)
    install(made, board)
    for version, bank in (("2.0.0", 1), ("3.0.0", 0)):
        image = contents_of_slot(board, version)
        target = Target(made.connect())
        list(target.upgrade(Plan("STM32", version, Package(image), ""), Policy()))
        assert target.result.error is None
        assert boots(made, board) == (version, bank)


def contents_of_slot(board: Board, version: str) -> bytes:
    return factory_image(board.banks()[0].slot.link_address, version)


@pytest.mark.parametrize(
    ("operation", "outcome"),
    one_in(2, [*product([1, 13, 15, 300, 700, 705, 720], Outcome)]),
)
def test_power_may_go_at_any_time_and_it_is_run_again(operation: int, outcome: Outcome) -> None:
    board = Board.new(load_part(L476), "1.0.0", OLD.read_bytes())
    made = world(L476)
    made.chip.options = type(made.chip.options)(bad_read="nack")
    made.chip.device.supply = CutAt(operation, outcome)
    try:
        install(made, board)
        assert not made.chip.device.supply.fired
    except (LinkError, UpdaterError):
        assert made.chip.device.supply.fired
    made.chip.device.supply = SteadySupply()
    made.chip.power_on()
    install(made, board)
    assert boots(made, board) == ("1.0.0", 0)
    assert contents(made.chip.device) == contents(board.device)


def test_what_stood_in_the_trailers_before_does_not_count() -> None:
    made, board = world(L476), first_of(L476)
    for region in layout_of(board.part, board.strategy).regions[1:]:  # another firmware's data
        for start_address in board.part.bank_starts:
            made.chip.device.program(start_address + region.offset, bytes(range(64)))
    install(made, board)
    assert contents(made.chip.device) == contents(board.device)


def test_run_again_it_changes_nothing() -> None:
    made, board = world(L476), first_of(L476)
    install(made, board)
    digest = made.chip.device.digest()
    install(made, board)
    assert made.chip.device.digest() == digest


def test_another_installation_is_not_forgotten_without_force() -> None:
    made, board = world(L476), first_of(L476)
    install(made, board)
    digest = made.chip.device.digest()
    other = first_of(L476, version="1.0.1")
    with pytest.raises(ChipRefused, match="update IMAGE --target"):
        install(made, other)
    assert made.chip.device.digest() == digest
    install(made, other, force=True)
    assert boots(made, other) == ("1.0.1", 0)


def test_an_updated_chip_is_not_thrown_back_by_its_first_image() -> None:
    made, board = world(L476), first_of(L476)
    install(made, board)
    plan = Plan("STM32", "2.0.0", Package(contents_of_slot(board, "2.0.0")), "")
    list(Target(made.connect()).upgrade(plan, Policy()))
    with pytest.raises(ChipRefused, match=r"bank B.*2\.0\.0"):
        install(made, board)
    install(made, board, force=True)
    assert boots(made, board) == ("1.0.0", 0)


def test_a_bootloader_goes_into_each_bank_that_may_be_mapped() -> None:
    made, board = world(L476), first_of(L476)
    first = FirstInstallation.of(board)
    program = bytes(range(200))
    install(made, board, first.with_bootloader(Firmware((Segment(0x0800_0000, program),))))
    device = made.chip.device
    assert all(device.read(region.start, 200) == program for region in first.boot_regions)
    assert len(first.boot_regions) == 2
    assert boots(made, board) == ("1.0.0", 0)
    copied = FirstInstallation.of(first_of("STM32F407xG"))
    assert len(copied.boot_regions) == 1


@pytest.mark.parametrize("at", [0x0800_7FFF, 0x0800_8000, 0x0700_0000])
def test_a_bootloader_that_does_not_fit_its_region_is_refused(at: int) -> None:
    first = FirstInstallation.of(first_of(L476))
    with pytest.raises(ImageRejected, match="outside the boot region"):
        first.with_bootloader(Firmware((Segment(at, bytes(16)),)))


@pytest.mark.parametrize("part", part_names())
def test_regions_do_not_overlap_and_cover_no_bootloader(part: str) -> None:
    first = FirstInstallation.of(first_of(part))
    places = sorted((*first.trailers, *first.boot_regions, first.slot), key=lambda r: r.start)
    assert all(one.stop <= other.start for one, other in pairwise(places))


def test_which_parts_can_be_updated_through_the_rom_afterwards() -> None:
    assert can_be_updated(load_part(L476), Strategy.REMAP)
    assert not can_be_updated(load_part("STM32H743xI"), Strategy.SWAP_OPTION)
    assert not can_be_updated(load_part("STM32F103x8"), Strategy.COPY)


# --- on the command line


def test_install_then_update_then_nothing_to_do(tmp_path: Path) -> None:
    link = tmp_path / "tty"
    port = ("--port", link, "--cache", tmp_path / "cache")
    with serving(L476, "--link", link):
        blank = run("update", NEW["hex"], "--target", link)
        assert blank.exit_code == 7 and "mcu-updater install IMAGE" in blank.stderr
        done = run("install", OLD, *port, "--version", "1.0.0")
        assert done.exit_code == 0, done.output
        assert "installed: version 1.0.0 in bank A" in done.stdout
        assert "0x0800_0000 is blank" in done.stdout  # no bootloader, and that is said
        again = run("install", OLD, *port, "--version", "1.0.0", "--json")
        assert again.exit_code == 0
        assert json.loads(again.stdout.splitlines()[-1])["outcome"] == "nothing to do"
        updated = run("update", NEW["hex"], "--target", link)
        assert updated.exit_code == 0, updated.output
        twice = run("update", NEW["hex"], "--target", link)
        assert twice.exit_code == 0, twice.output
        assert "nothing to do: the chip already runs version 2.0.0" in twice.output
        refused = run("install", OLD, *port, "--version", "1.0.0")
        assert refused.exit_code == 6 and "--force" in refused.stderr
        declined = run("install", OLD, *port, "--version", "1.0.0", "--force")
        assert declined.exit_code == 13 and "[y/N]" in declined.stderr
        forced = run("install", OLD, *port, "--version", "1.0.0", "--force", "--yes")
        assert forced.exit_code == 0, forced.output
        assert run("verify", OLD, "--base", "0x0800_8000", "--port", link).exit_code == 0


def test_a_bootloader_from_a_file_and_by_a_markings_name(tmp_path: Path) -> None:
    link, file = tmp_path / "tty", tmp_path / "boot.bin"
    file.write_bytes(NEW["bin"].read_bytes()[:512])
    with serving(L476, "--link", link):
        words = ("--port", link, "--version", "1.0.0", "--part", "stm32l476rgt6")
        done = run("install", OLD, *words, "--bootloader", file)
        assert done.exit_code == 0, done.output
        assert "is blank" not in done.stdout
        assert run("verify", file, "--raw", "--port", link).exit_code == 0
        at = ("--base", "0x0808_0000")
        assert run("verify", file, "--raw", *at, "--port", link).exit_code == 0


def test_a_smaller_chip_than_its_part_is_refused_before_anything_is_changed(
    tmp_path: Path,
) -> None:
    made = world("STM32L476xG")
    flasher = made.connect()
    flasher.chip = chip_of(load_part("STM32L476xE_dual"))
    bench = Bench(flasher, None, QuietScreen(), flasher.connection.rom.rom.traffic_now())  # type: ignore[arg-type]
    before = made.chip.device.digest()
    with pytest.raises(ChipRefused, match="less flash"):
        Installation(bench, FirstInstallation.of(first_of(L476)), NONE).carry_out(force=False)
    assert made.chip.device.digest() == before
